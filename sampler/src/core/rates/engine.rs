//! The budgets of one partition.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use wholetrace_proto::{
    record::{BudgetRates, PartitionDemand, RateChange},
    tracestate::Threshold,
};
use wholetrace_spanlog::{LogTime, Partition, Position};

use crate::{
    core::rates::{
        fill::{fill, weight},
        fleet::{Fleet, STALE, Total},
        meter::{ByKey, Meter},
        tables::Tables,
    },
    policy::budget::{Asked, Budget, Budgets, Goal},
};

/// How far ahead a second is told, at most, in seconds: others hear of it before it begins.
const LEAD: u64 = 3;
/// Thresholds that keep so much more or less of what is expected are worth a record.
const WORTHWHILE: f64 = 0.01;
/// How long after it was said a change is said again, in milliseconds.
const SAID_AGAIN: u64 = 60_000;
/// How strongly what was kept too much or too little of late is made up for.
const CORRECTION: f64 = 1.5;
/// The bounds of that, as parts of the goal.
const CORRECTED: (f64, f64) = (-0.1, 0.1);
/// Seconds without a decision beyond which all is as if nothing had ever asked.
const SILENT: u64 = 60;
/// Changes on their way through the log, at most.
const ON_THEIR_WAY: usize = 64;

/// The budgets of one partition: what asks for them, and the thresholds in force.
#[derive(Debug)]
pub(crate) struct Rates {
    partition: u32,
    budgets: Vec<Budget>,
    /// How far ahead a second is told; 0 when traces are not known long enough.
    lead: u64,
    tables: Tables,
    meters: Vec<Meter>,
    fleet: Fleet,
    /// What this partition has told of seconds to come.
    told: VecDeque<Arc<PartitionDemand>>,
    /// The last second whose beginning was noted.
    begun: u64,
    /// The first second that was told of.
    first_told: u64,
    /// The second that is being decided.
    deciding: u64,
    /// Changes that are on their way through the decision log, oldest first.
    on_their_way: VecDeque<RateChange>,
    /// Nothing that was decided by any owner was due later.
    horizon: LogTime,
    /// Up to when owners before this one have decided: what is read again of that says nothing of
    /// what asks.
    inherited: LogTime,
    /// Partitions that the owner before has heard of, at least, and until when they count although
    /// they are not heard.
    known: (usize, LogTime),
    /// Whether the last decisions had to stop before a change that is on its way.
    waits: bool,
}

/// What a partition has to say at the beginning of a second.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Turn {
    /// To all others.
    pub(crate) demand: Option<PartitionDemand>,
    /// To its own decision log.
    pub(crate) change: Option<RateChange>,
}

/// What a budget is doing, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetLevel {
    /// The budget.
    pub name: String,
    /// What asks for it in a second, in all partitions that were heard of.
    pub asked: f64,
    /// What is kept of that.
    pub kept: f64,
    /// The probability with which the rest of the keys is kept, or everything where there are none.
    pub probability: f64,
}

impl Rates {
    /// The budgets of a partition whose traces wait for so many milliseconds, at least.
    pub(crate) fn new(partition: Partition, budgets: &[Budget], wait: u32) -> Self {
        let mut rates = Self {
            partition: partition.0,
            budgets: Vec::new(),
            lead: u64::from(wait / 1_000).saturating_sub(1).min(LEAD),
            tables: Tables::default(),
            meters: Vec::new(),
            fleet: Fleet::default(),
            told: VecDeque::new(),
            begun: 0,
            first_told: 0,
            deciding: 0,
            on_their_way: VecDeque::new(),
            horizon: LogTime(0),
            inherited: LogTime(0),
            known: (0, LogTime(0)),
            waits: false,
        };
        rates.set_budgets(budgets);
        rates
    }

    /// Takes over the budgets of other policies. Those of the same name go on.
    pub(crate) fn set_budgets(&mut self, budgets: &[Budget]) {
        self.budgets = budgets.to_vec();
        let mut before = std::mem::take(&mut self.meters);
        for budget in budgets {
            let known = before.iter().position(|meter| meter.name() == budget.name);
            let known = known.map(|at| before.swap_remove(at));
            self.meters.push(known.unwrap_or_else(|| Meter::new(&budget.name)));
        }
    }

    /// Up to which time traces may be decided that are due at `now`: what is due from a change on
    /// waits until the change has come back from the log.
    pub(crate) fn limit(&mut self, now: LogTime) -> LogTime {
        let stop = self.on_their_way.front().map(|change| LogTime(change.from_ms).minus(1));
        let limit = stop.map_or(now, |stop| stop.min(now));
        self.waits = limit < now;
        limit
    }

    /// Whether traces are due that cannot be decided before the decision log has more.
    pub(crate) const fn waits(&self) -> bool {
        self.waits
    }

    /// The budgets as the policies of a trace see them that is due at `due`.
    pub(crate) fn at<'a>(&'a mut self, budgets: &'a [Budget], due: LogTime) -> InForce<'a> {
        InForce { tables: &self.tables, meters: RefCell::new(&mut self.meters), budgets, due }
    }

    /// All that is due up to `time` is decided, by whomever.
    pub(crate) fn decided_to(&mut self, time: LogTime) {
        self.horizon = self.horizon.max(time);
        // A second is over when the next one is being decided.
        let second = time.plus(1).0 / 1_000;
        if self.deciding == 0 {
            self.deciding = second;
        }
        if second > self.deciding {
            let foresees = self.lead > 0;
            for meter in &mut self.meters {
                if time <= self.inherited {
                    meter.discard();
                } else if second - self.deciding > SILENT {
                    meter.reset();
                } else {
                    (self.deciding..second).for_each(|second| meter.close(second, foresees));
                }
            }
            self.deciding = second;
        }
    }

    /// A decision of the log is about a trace that was due at `time`: no change may have an effect on
    /// it.
    pub(crate) fn has_decided(&mut self, time: LogTime) {
        self.horizon = self.horizon.max(time);
        if self.begun == 0 {
            self.inherited = self.inherited.max(time);
        }
    }

    /// The second that has begun at `now`, if none was noted for it.
    pub(crate) fn begins(&self, now: LogTime) -> Option<u64> {
        let second = now.0 / 1_000;
        let begins = second > self.begun && now > self.inherited;
        (!self.budgets.is_empty() && begins).then_some(second)
    }

    /// The traces that tell what is to be expected: due from one time on, and before another.
    pub(crate) fn foresight(&self, second: u64) -> Option<(LogTime, LogTime)> {
        let of = |second: u64| LogTime(second.saturating_mul(1_000));
        (self.lead > 0).then(|| (of(second + self.lead), of(second + self.lead + 1)))
    }

    /// Notes that a second has begun at `now`, what is `foreseen`, and gives what is to be told.
    pub(crate) fn turn(&mut self, second: u64, foreseen: &Foreseen, now: LogTime) -> Turn {
        self.begun = second;
        self.fleet.forget_stale(now);
        let mut foreseen = foreseen.0.take();
        let mut told = Vec::with_capacity(self.budgets.len());
        let ahead = second + self.lead.max(1);
        if self.first_told == 0 {
            self.first_told = ahead;
        }
        for (budget, meter) in self.budgets.iter().zip(&mut self.meters) {
            let seen = (self.lead > 0).then(|| foreseen.remove(&budget.name).unwrap_or_default());
            told.push(meter.tell(ahead, seen, budget.max_keys));
        }
        let demand = PartitionDemand { partition: self.partition, second: ahead, budgets: told };
        let told = Arc::new(demand.clone());
        if self.is_heard_in_time() {
            self.told.retain(|told| told.second > second);
            self.told.push_back(told);
        } else {
            self.fleet.hear(told, now);
        }
        let change = self.change(second + 1, now);
        if let Some(change) = &change {
            self.on_their_way.push_back(change.clone());
        }
        Turn { demand: Some(demand), change }
    }

    /// Whether others know of a second before it begins, as a rule. Then this partition goes by what they
    /// know of it, which it finds where they do.
    const fn is_heard_in_time(&self) -> bool {
        self.lead == LEAD
    }

    /// Takes in what others tell, when the own log has come to `now`.
    pub(crate) fn hear(&mut self, demands: &[Arc<PartitionDemand>], now: LogTime) {
        for demand in demands {
            let own = demand.partition == self.partition;
            // What it tells itself it has heard, but for what the owner before has told.
            if own && (self.first_told == 0 || demand.second < self.first_told) {
                for told in &demand.budgets {
                    let mut meters = self.meters.iter_mut();
                    if let Some(meter) = meters.find(|meter| meter.name() == told.name) {
                        meter.go_on_from(told);
                    }
                }
            }
            if !own || self.first_told == 0 || self.is_heard_in_time() {
                self.fleet.hear(Arc::clone(demand), now);
            }
        }
    }

    /// A change stands in the decision log, and counts: it is in force.
    pub(crate) fn read_back(&mut self, change: RateChange, origin: Position) {
        if self.begun == 0 {
            let partitions = usize::try_from(change.partitions).unwrap_or(usize::MAX);
            self.known = (partitions, LogTime(change.from_ms).plus(STALE));
        }
        // Earlier ones do not count any more, should they still come.
        self.on_their_way.retain(|one| one.from_ms > change.from_ms);
        self.tables.insert(change, origin);
    }

    /// Forgets thresholds that no frame at `time` or later needs.
    pub(crate) fn prune(&mut self, time: LogTime) {
        self.tables.prune(time);
    }

    /// From where on the decision log is needed for the thresholds in force.
    pub(crate) fn origin(&self) -> Option<Position> {
        self.tables.origin()
    }

    /// What the budgets are doing at `now`.
    pub(crate) fn levels(&self, now: LogTime) -> Vec<BudgetLevel> {
        let level = |budget: &Budget| {
            let own = (self.partition, None);
            let total = self.fleet.total(budget, (now.0 / 1_000, now), own);
            // No key is of this one as a rule.
            let threshold = self.tables.threshold(&budget.name, u64::MAX, now);
            BudgetLevel {
                name: budget.name.clone(),
                asked: total.asked,
                kept: total.kept,
                probability: threshold.probability(),
            }
        };
        self.budgets.iter().map(level).collect()
    }

    /// The thresholds for the second number `second` on, if they are worth a change. Nothing that any
    /// owner has decided may be due then.
    fn change(&self, second: u64, now: LogTime) -> Option<RateChange> {
        let from_ms = second.saturating_mul(1_000);
        let before = self.on_their_way.back().or_else(|| self.tables.newest());
        if self.on_their_way.len() >= ON_THEIR_WAY
            || from_ms <= self.horizon.0
            || before.is_some_and(|before| from_ms <= before.from_ms)
        {
            return None;
        }
        let heard = self.fleet.partitions(now, self.partition);
        let partitions = if now <= self.known.1 { heard.max(self.known.0) } else { heard };
        #[expect(clippy::cast_precision_loss, reason = "there are few partitions")]
        let unheard = partitions as f64 / heard as f64;
        // Where nothing changes it is said again, before the log deletes it.
        let mut worthwhile = before.is_some_and(|before| from_ms > before.from_ms + SAID_AGAIN);
        let mut budgets = Vec::with_capacity(self.budgets.len());
        let told = self.told.iter().find(|told| told.second == second);
        let told = told.or_else(|| {
            let last = self.told.back();
            last.filter(|_| !self.fleet.knows(self.partition, now))
        });
        let told = told.map(Arc::as_ref);
        for budget in &self.budgets {
            let mut total = self.fleet.total(budget, (second, now), (self.partition, told));
            total.scale(unheard);
            let rates = thresholds(budget, &total);
            let before = before
                .and_then(|before| before.budgets.iter().find(|before| before.name == budget.name));
            worthwhile |= before.is_none_or(|before| differ(&rates, before, &total));
            budgets.push(rates);
        }
        let partitions = u32::try_from(partitions).unwrap_or(u32::MAX);
        worthwhile.then_some(RateChange { from_ms, budgets, partitions })
    }
}

/// The thresholds of a budget for what all partitions ask.
fn thresholds(budget: &Budget, total: &Total) -> BudgetRates {
    // How much of what is foreseen comes.
    let comes = if total.foreseen > 0.0 { total.asked / total.foreseen } else { 1.0 };
    let comes = comes.clamp(0.2, 5.0);
    let demands: Vec<f64> =
        total.keys.iter().map(|(_, asks)| asks * comes).chain([total.rest * comes]).collect();
    let goal = |asked: f64| match budget.goal {
        Goal::PerSecond(goal) => goal,
        Goal::OneIn(traces) => asked / traces.max(1.0),
    };
    // What was kept of late, of what could have been: chance and errors are made up for.
    let possible = goal(total.asked).min(total.asked);
    let error = if possible > 0.0 { (possible - total.kept) / possible } else { 0.0 };
    let corrected = 1.0 + (CORRECTION * error).clamp(CORRECTED.0, CORRECTED.1);
    let goal = goal(demands.iter().sum()) * corrected;
    let weighed: Vec<(f64, f64)> = demands.iter().map(|asks| (*asks, weight(*asks))).collect();
    let mut kept = fill(goal, &weighed);
    // Where others do not know in time what this partition asks, it has what they leave for it.
    let left = (goal - demands.iter().sum::<f64>()).max(0.0) / comes;
    let left = if total.assumed > 0.0 { left / total.assumed } else { 0.0 };
    let part = match budget.goal {
        Goal::PerSecond(_) => total.known * (1.0 + left),
        Goal::OneIn(_) => 1.0,
    };
    let of = |kept: f64| Threshold::of_probability(kept * part).get();
    let rest = of(kept.pop().unwrap_or(1.0));
    BudgetRates {
        name: budget.name.clone(),
        rest,
        keys: total.keys.iter().map(|(key, _)| *key).collect(),
        thresholds: kept.into_iter().map(of).collect(),
    }
}

/// Whether what is kept of what asks differs by enough.
fn differ(rates: &BudgetRates, before: &BudgetRates, total: &Total) -> bool {
    let probability = |rates: &BudgetRates, key: u64| rates.threshold(key).probability();
    let rest = |rates: &BudgetRates| Threshold::new(rates.rest).map_or(0.0, Threshold::probability);
    let (mut kept, mut moved) = (0.0, 0.0);
    for (key, asks) in &total.keys {
        let now = probability(rates, *key);
        kept += asks * now;
        moved += asks * (now - probability(before, *key)).abs();
    }
    kept += total.rest * rest(rates);
    moved += total.rest * (rest(rates) - rest(before)).abs();
    moved > WORTHWHILE * kept
}

/// The budgets that a trace asks when it is decided.
#[derive(Debug)]
pub(crate) struct InForce<'a> {
    tables: &'a Tables,
    meters: RefCell<&'a mut Vec<Meter>>,
    budgets: &'a [Budget],
    due: LogTime,
}

impl Budgets for InForce<'_> {
    fn ask(&self, asked: Asked) -> Threshold {
        let Some(budget) = self.budgets.get(usize::from(asked.budget.0)) else {
            return asked.within;
        };
        if !asked.counts() {
            return asked.within;
        }
        let threshold = self.tables.threshold(&budget.name, asked.key, self.due);
        let threshold = asked.part(threshold);
        let mut meters = self.meters.borrow_mut();
        if let Some(meter) = meters.iter_mut().find(|meter| meter.name() == budget.name) {
            meter.count(budget, &asked, threshold.keeps(asked.randomness));
        }
        threshold
    }
}

/// What traces ask that are not due yet.
#[derive(Debug, Default)]
pub(crate) struct Foreseen(RefCell<HashMap<String, ByKey>>);

impl Foreseen {
    /// The budgets as policies see them whose budgets these are.
    pub(crate) const fn of<'a>(&'a self, budgets: &'a [Budget]) -> Foreseeing<'a> {
        Foreseeing { foreseen: self, budgets }
    }
}

/// Budgets that note what asks. What they answer plays no part.
#[derive(Debug)]
pub(crate) struct Foreseeing<'a> {
    foreseen: &'a Foreseen,
    budgets: &'a [Budget],
}

impl Budgets for Foreseeing<'_> {
    fn ask(&self, asked: Asked) -> Threshold {
        if let Some(budget) = self.budgets.get(usize::from(asked.budget.0))
            && asked.counts()
        {
            let mut foreseen = self.foreseen.0.borrow_mut();
            match foreseen.get_mut(&budget.name) {
                Some(known) => known.add(budget, &asked),
                None => foreseen.entry(budget.name.clone()).or_default().add(budget, &asked),
            }
        }
        asked.within
    }
}
