//! What asks for budgets in all partitions.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use wholetrace_proto::record::{BudgetDemand, PartitionDemand};
use wholetrace_spanlog::LogTime;

use crate::policy::budget::Budget;

/// How long a partition that is not heard of counts as it was, in milliseconds of the log's time: as
/// long as a group takes to give it to another owner.
pub(super) const STALE: u64 = 60_000;
/// Seconds that are held of a partition: those that are expected, and some before.
const SECONDS: usize = 12;
/// How much more a partition has that shows that all have more.
const GROWN: f64 = 1.5;
/// Partitions that are held, at most.
const PARTITIONS: usize = 65_536;

/// What each partition has told.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    heard: BTreeMap<u32, Heard>,
}

#[derive(Debug)]
struct Heard {
    told: VecDeque<Arc<PartitionDemand>>,
    at: LogTime,
}

/// What all partitions ask of a budget in a second.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Total {
    pub(super) rest: f64,
    pub(super) keys: Vec<(u64, f64)>,
    /// Of the last seconds.
    pub(super) asked: f64,
    pub(super) foreseen: f64,
    pub(super) kept: f64,
}

impl Fleet {
    /// Takes in what a partition tells, at the time `now` of the own log.
    pub(super) fn hear(&mut self, demand: Arc<PartitionDemand>, now: LogTime) {
        if self.heard.len() >= PARTITIONS && !self.heard.contains_key(&demand.partition) {
            return;
        }
        let heard = self
            .heard
            .entry(demand.partition)
            .or_insert_with(|| Heard { told: VecDeque::new(), at: now });
        heard.at = now;
        // A new owner tells anew what an old one has told.
        heard.told.retain(|told| told.second < demand.second);
        if heard.told.len() == SECONDS {
            heard.told.pop_front();
        }
        heard.told.push_back(demand);
    }

    /// How many partitions count at `now`.
    pub(super) fn partitions(&self, now: LogTime) -> usize {
        self.heard.values().filter(|heard| heard.counts(now)).count()
    }

    /// What all partitions ask of `budget` in a second, for an owner of the partition `own` whose log
    /// has come to `now`.
    ///
    /// A partition that has not told of the second counts with what it has told last. Where the own
    /// one has much more by now than at that time, so has the other: traces are spread over the
    /// partitions by chance.
    pub(super) fn total(&self, budget: &Budget, (second, now): (u64, LogTime), own: u32) -> Total {
        let (mut total, mut keys) = (Total::default(), HashMap::<u64, f64>::new());
        let own = self.heard.get(&own);
        let own_at = |second: u64| of(own?.told_of(second)?, &budget.name).map(expected);
        for heard in self.heard.values().filter(|heard| heard.counts(now)) {
            let Some(newest) = heard.told.back() else { continue };
            let of_it = heard.told_of(second);
            let grown = match (of_it, own_at(newest.second), own_at(second)) {
                (None, Some(before), Some(by_now)) if by_now > GROWN * before => by_now / before,
                _ => 1.0,
            };
            let Some(told) = of(of_it.unwrap_or(newest), &budget.name) else { continue };
            // Nothing may have asked before.
            let grown = if grown.is_finite() { grown } else { 1.0 };
            total.rest += grown * f64::from(told.rest);
            for (key, expected) in told.keys.iter().zip(&told.expected) {
                *keys.entry(*key).or_default() += grown * f64::from(*expected);
            }
            total.asked += f64::from(told.asked);
            total.foreseen += f64::from(told.foreseen);
            total.kept += f64::from(told.kept);
        }
        let most = usize::from(budget.max_keys);
        total.keys = keys.into_iter().collect();
        total.keys.sort_by(|(a, asks), (b, more)| more.total_cmp(asks).then(a.cmp(b)));
        total.rest += total.keys.iter().skip(most).map(|(_, asks)| asks).sum::<f64>();
        total.keys.truncate(most);
        total.keys.sort_unstable_by_key(|(key, _)| *key);
        total
    }

    /// Forgets partitions that do not count any more.
    pub(super) fn forget_stale(&mut self, now: LogTime) {
        self.heard.retain(|_, heard| heard.counts(now));
    }
}

fn of<'a>(told: &'a PartitionDemand, budget: &str) -> Option<&'a BudgetDemand> {
    told.budgets.iter().find(|told| told.name == budget)
}

fn expected(told: &BudgetDemand) -> f64 {
    f64::from(told.rest) + told.expected.iter().copied().map(f64::from).sum::<f64>()
}

impl Heard {
    fn told_of(&self, second: u64) -> Option<&PartitionDemand> {
        self.told.iter().find(|told| told.second == second).map(Arc::as_ref)
    }

    /// Whether it is not stale: an owner that is behind hears of what is ahead of it.
    fn counts(&self, now: LogTime) -> bool {
        let second = self.told.back().map_or(0, |told| told.second);
        self.at.0.max(second.saturating_mul(1_000)).saturating_add(STALE) >= now.0
    }
}

impl Total {
    /// As if more partitions of the same kind had told theirs.
    pub(super) fn scale(&mut self, factor: f64) {
        let totals = [&mut self.rest, &mut self.asked, &mut self.foreseen, &mut self.kept];
        let keys = self.keys.iter_mut().map(|(_, asks)| asks);
        totals.into_iter().chain(keys).for_each(|one| *one *= factor);
    }
}
