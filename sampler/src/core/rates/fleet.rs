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
/// Seconds that are held of what a partition has told: those that are expected, and those before
/// that an owner needs which is behind.
pub(crate) const SECONDS_TOLD: usize = 32;
/// Seconds by which logs may differ in how far they have come, and all still know the same.
const APART: u64 = 2;
/// How much more or less most partitions have which shows that all do.
const CHANGED: f64 = 1.5;
/// Seconds of which that is seen.
const SEEN: u64 = 3;
/// How much more or less is believed, at most.
const BELIEVED: f64 = 10.0;
/// Partitions that are held, at most.
const PARTITIONS: usize = 65_536;

/// What each partition has told, as all know it.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    heard: BTreeMap<u32, Heard>,
    /// The last second that was told of.
    front: u64,
}

#[derive(Debug)]
struct Heard {
    told: VecDeque<Told>,
    at: LogTime,
}

#[derive(Debug)]
struct Told {
    demand: Arc<PartitionDemand>,
    /// The last second that was told of by anybody when this was heard.
    front: u64,
}

/// What all partitions ask of a budget in a second.
#[derive(Debug, PartialEq)]
pub(super) struct Total {
    pub(super) rest: f64,
    pub(super) keys: Vec<(u64, f64)>,
    /// Of the last seconds.
    pub(super) asked: f64,
    pub(super) foreseen: f64,
    pub(super) kept: f64,
    /// What those are taken to ask that had not told of the second when it began.
    pub(super) assumed: f64,
    /// What the own partition is taken to ask, as a part of what it asks.
    pub(super) known: f64,
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
        heard.told.retain(|told| told.demand.second < demand.second);
        if heard.told.len() == SECONDS_TOLD {
            heard.told.pop_front();
        }
        self.front = self.front.max(demand.second);
        heard.told.push_back(Told { demand, front: self.front });
    }

    /// How many partitions count at `now`, the partition `own` in any case.
    pub(super) fn partitions(&self, now: LogTime, own: u32) -> usize {
        let others = self.heard.iter().filter(|(partition, _)| **partition != own);
        1 + others.filter(|(_, heard)| heard.counts(now)).count()
    }

    /// Whether anything is known of a partition at `now`.
    pub(super) fn knows(&self, partition: u32, now: LogTime) -> bool {
        self.heard.get(&partition).is_some_and(|heard| heard.counts(now))
    }

    /// What all partitions ask of `budget` in a second, as all know it when the second begins, for an
    /// owner whose log has come to `now`, whose partition is `own`, and which expects `told` of it.
    ///
    /// A partition that has not told of the second by then counts with what it has told last, and where
    /// most others have much more or much less by now than at that time, so has it: traces are spread
    /// over the partitions by chance.
    pub(super) fn total(
        &self,
        budget: &Budget,
        (second, now): (u64, LogTime),
        (own, told): (u32, Option<&PartitionDemand>),
    ) -> Total {
        let (mut total, mut keys) = (Total::default(), HashMap::<u64, f64>::new());
        let mut add = |told: &BudgetDemand, newest: &BudgetDemand, change: f64| {
            total.rest += change * f64::from(told.rest);
            for (key, expected) in told.keys.iter().zip(&told.expected) {
                *keys.entry(*key).or_default() += change * f64::from(*expected);
            }
            total.asked += f64::from(newest.asked);
            total.foreseen += f64::from(newest.foreseen);
            total.kept += f64::from(newest.kept);
        };
        let own_told = told.and_then(|told| of(told, &budget.name));
        let (mut own_known, mut assumed) = (None, 0.0);
        let mut changes = HashMap::new();
        for (partition, heard) in self.heard.iter().filter(|(_, heard)| heard.counts(now)) {
            let (Some(known), Some(newest)) = (heard.known(second), heard.told.back()) else {
                continue;
            };
            let told_last = known.second;
            let known = of(known, &budget.name).zip(of(&newest.demand, &budget.name));
            let Some((known, newest)) = known else { continue };
            let mut change = 1.0;
            if told_last != second {
                let changed = || self.change(budget, told_last, second);
                change = *changes.entry(told_last).or_insert_with(changed);
                assumed += change * expected(known);
            }
            add(known, newest, change);
            if *partition == own {
                own_known = Some(change * expected(known));
            }
        }
        match (own_known, own_told) {
            (None, Some(told)) => add(told, told, 1.0),
            (Some(known), Some(told)) if known > 0.0 && expected(told) > 0.0 => {
                total.known = known / expected(told);
            }
            _ => {}
        }
        total.assumed = assumed;
        let most = usize::from(budget.max_keys);
        total.keys = keys.into_iter().collect();
        total.keys.sort_by(|(a, asks), (b, more)| more.total_cmp(asks).then(a.cmp(b)));
        total.rest += total.keys.iter().skip(most).map(|(_, asks)| asks).sum::<f64>();
        total.keys.truncate(most);
        total.keys.sort_unstable_by_key(|(key, _)| *key);
        total
    }

    /// How many times as much as in the second `before` most partitions have in `second`. Those with
    /// the most play no part: hot spots come and go by themselves.
    fn change(&self, budget: &Budget, before: u64, second: u64) -> f64 {
        let told = |heard: &Heard, second: u64| {
            let told = heard.known(second).filter(|told| told.second == second)?;
            of(told, &budget.name).map(expected)
        };
        // A single second has few traces.
        let seen = |heard: &Heard, last: u64| {
            (0..SEEN).map(|ago| told(heard, last.saturating_sub(ago))).sum::<Option<f64>>()
        };
        let both = |heard: &Heard| seen(heard, before).zip(seen(heard, second));
        let mut changes: Vec<(f64, f64)> = self.heard.values().filter_map(both).collect();
        if 2 * changes.len() < self.heard.len() {
            return 1.0;
        }
        changes.sort_by(|(a, b), (c, d)| a.max(*b).total_cmp(&c.max(*d)));
        changes.truncate(changes.len() * 3 / 4);
        let (was, is) =
            changes.iter().fold((0.0, 0.0), |(was, is), (one, now)| (was + one, is + now));
        let change = if was > 0.0 { is / was } else { 1.0 };
        if (CHANGED.recip()..=CHANGED).contains(&change) {
            return 1.0;
        }
        change.clamp(BELIEVED.recip(), BELIEVED)
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
    /// What all know of the partition when a second begins: what it has told of the second, or else
    /// last. What it has told when others had told of seconds far beyond came too late for them.
    fn known(&self, second: u64) -> Option<&PartitionDemand> {
        let in_time = |told: &&Told| told.front <= second.saturating_add(APART);
        let of_it = self.told.iter().find(|told| told.demand.second == second).filter(in_time);
        let told = of_it.or_else(|| self.told.iter().rev().find(in_time));
        told.or_else(|| self.told.front()).map(|told| told.demand.as_ref())
    }

    /// Whether it is not stale: an owner that is behind hears of what is ahead of it.
    fn counts(&self, now: LogTime) -> bool {
        let second = self.told.back().map_or(0, |told| told.demand.second);
        self.at.0.max(second.saturating_mul(1_000)).saturating_add(STALE) >= now.0
    }
}

impl Default for Total {
    fn default() -> Self {
        let (rest, keys, assumed) = (0.0, Vec::new(), 0.0);
        Self { rest, keys, asked: 0.0, foreseen: 0.0, kept: 0.0, assumed, known: 1.0 }
    }
}

impl Total {
    /// As if more partitions of the same kind had told theirs.
    pub(super) fn scale(&mut self, factor: f64) {
        let totals = [&mut self.rest, &mut self.asked, &mut self.foreseen, &mut self.kept];
        let keys = self.keys.iter_mut().map(|(_, asks)| asks);
        totals.into_iter().chain(keys).for_each(|one| *one *= factor);
        self.assumed *= factor;
    }
}
