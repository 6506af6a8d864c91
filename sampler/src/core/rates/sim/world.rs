//! The logs, the owners and the traffic of one run.

use std::sync::Arc;

use fastrand::Rng;
use wholetrace_proto::{
    record::{PartitionDemand, RateChange},
    tracestate::Threshold,
};
use wholetrace_spanlog::{LogTime, Partition, Position};

use crate::{
    core::rates::{Foreseen, Rates},
    policy::budget::{Asked, Budget, BudgetId, Budgets, Goal, Unit},
};

/// When the world begins, in milliseconds.
const BEGIN: u64 = 1_000_000_000;
/// How often everything is looked at, in milliseconds.
const STEP: u64 = 100;
/// How long what is appended takes to be read back.
const DELAY: u64 = 200;
/// How long what is told takes to be heard, at most.
const TOLD: u64 = 900;
/// After how long without a trace its owner has the time pass in a log.
const SILENT: u64 = 1_000;
/// How much faster an owner reads that is behind.
const FASTER: u64 = 20;

/// What comes in.
pub(super) struct Traffic {
    /// Traces in a second, by partition and second.
    pub(super) rate: Box<dyn Fn(usize, u64) -> f64>,
    /// Spans of a trace.
    pub(super) mean: f64,
    /// Part of the traces that have ten times as many.
    pub(super) heavy: f64,
    /// Keys, of which each has half the traces of the one before.
    pub(super) keys: u64,
}

/// Which partitions have no owner, from one second to another. Then a new one takes over.
#[derive(Default)]
pub(super) struct Owners {
    pub(super) away: Vec<(Vec<usize>, u64, u64)>,
}

#[derive(Clone, Copy)]
pub(super) struct Trace {
    first_seen: u64,
    pub(super) due: u64,
    pub(super) spans: u64,
    pub(super) key: u64,
    randomness: u64,
}

struct Owned {
    rates: Rates,
    decided: usize,
    now: u64,
    read_back: usize,
    heard: usize,
}

#[derive(Default)]
struct Log {
    traces: Vec<Trace>,
    verdicts: Vec<Threshold>,
    changes: Vec<(u64, RateChange)>,
    owned: Option<Owned>,
}

pub(super) struct World {
    rng: Rng,
    traffic: Traffic,
    budgets: Vec<Budget>,
    wait: u64,
    now: u64,
    logs: Vec<Log>,
    board: Vec<(u64, Arc<PartitionDemand>)>,
}

impl World {
    pub(super) fn new(
        seed: u64,
        partitions: usize,
        wait: u64,
        goal: f64,
        traffic: Traffic,
    ) -> Self {
        let max_keys = if traffic.keys > 1 { 20 } else { 0 };
        let goal = Goal::PerSecond(goal);
        let budget = Budget { name: "budget".into(), unit: Unit::Spans, goal, max_keys };
        Self {
            rng: Rng::with_seed(seed),
            traffic,
            budgets: vec![budget],
            wait,
            now: BEGIN,
            logs: (0..partitions).map(|_| Log::default()).collect(),
            board: Vec::new(),
        }
    }

    pub(super) fn run(&mut self, seconds: u64, owners: &Owners) {
        while self.now < BEGIN + seconds * 1_000 {
            self.now += STEP;
            let second = (self.now - BEGIN) / 1_000;
            for partition in 0..self.logs.len() {
                self.arrive(partition, second);
                let is_away = |(who, from, to): &(Vec<usize>, u64, u64)| {
                    who.contains(&partition) && (*from..*to).contains(&second)
                };
                if owners.away.iter().any(is_away) {
                    self.logs[partition].owned = None;
                } else {
                    self.work(partition);
                }
            }
        }
    }

    fn arrive(&mut self, partition: usize, second: u64) {
        let expected = (self.traffic.rate)(partition, second) * STEP as f64 / 1_000.0;
        let mut left = expected;
        // As many as chance has them: the times between are exponential.
        loop {
            left += self.rng.f64().max(1e-300).ln();
            if left < 0.0 {
                break;
            }
            let mut spans = 1.0 - self.traffic.mean * self.rng.f64().max(1e-300).ln();
            if self.rng.f64() < self.traffic.heavy {
                spans *= 10.0;
            }
            let key = (0..self.traffic.keys - 1).find(|_| self.rng.bool());
            let first_seen = self.now - STEP + self.rng.u64(1..=STEP);
            self.logs[partition].traces.push(Trace {
                first_seen,
                due: first_seen + self.wait,
                spans: spans as u64,
                key: key.unwrap_or(self.traffic.keys - 1),
                randomness: self.rng.u64(..1 << 56),
            });
        }
        let log = &mut self.logs[partition].traces;
        let begin = log.partition_point(|trace| trace.first_seen <= self.now - STEP);
        log[begin..].sort_by_key(|trace| trace.first_seen);
    }

    fn take_over(&self, partition: usize) -> Owned {
        let log = &self.logs[partition];
        let wait = u32::try_from(self.wait).unwrap();
        let rates = Rates::new(Partition(partition as u32), &self.budgets, wait);
        let decided = log.verdicts.len();
        // What is committed is a wait behind.
        let now = log
            .traces
            .get(decided)
            .or_else(|| log.traces.last())
            .map_or(self.now, |trace| trace.first_seen.saturating_sub(1_000).min(self.now));
        let mut owned = Owned { rates, decided, now, read_back: 0, heard: 0 };
        if let Some(last) = decided.checked_sub(1) {
            owned.rates.has_decided(LogTime(log.traces[last].due));
        }
        for (position, (_, change)) in (0..).zip(&log.changes) {
            owned.rates.read_back(change.clone(), Position(position));
            owned.read_back += 1;
        }
        owned.heard = self.board.len().saturating_sub(1_000);
        owned
    }

    fn work(&mut self, partition: usize) {
        let mut owned = match self.logs[partition].owned.take() {
            Some(owned) => owned,
            None => self.take_over(partition),
        };
        let log = &mut self.logs[partition];
        while let Some((at, change)) = log.changes.get(owned.read_back)
            && *at <= self.now
        {
            owned.rates.read_back(change.clone(), Position(owned.read_back as u64));
            owned.read_back += 1;
        }
        while let Some((at, told)) = self.board.get(owned.heard)
            && *at <= self.now
        {
            owned.rates.hear(std::slice::from_ref(told), LogTime(owned.now));
            owned.heard += 1;
        }
        // Time passes with what comes, or when somebody notices that nothing does.
        let newest = log.traces.last().map_or(0, |trace| trace.first_seen);
        let silent = self.now >= owned.now + SILENT;
        let end = if silent { self.now } else { newest.max(owned.now) };
        let to = end.min(owned.now + FASTER * STEP);
        while owned.now < to {
            owned.now = (owned.now + STEP).min(to);
            decide(&mut owned, log, &self.budgets);
            let now = LogTime(owned.now);
            let Some(second) = owned.rates.begins(now) else { continue };
            let foreseen = Foreseen::default();
            if let Some((from, before)) = owned.rates.foresight(second) {
                let (asking, begin) = (foreseen.of(&self.budgets), owned.decided);
                for trace in log.traces[begin..].iter().take_while(|one| one.due < before.0) {
                    if trace.due >= from.0 && trace.first_seen <= owned.now {
                        // Some of its spans are still to come.
                        let spans = trace.spans - trace.spans / 5;
                        asking.ask(Asked { spans, ..asked(trace) });
                    }
                }
            }
            let turn = owned.rates.turn(second, &foreseen, now);
            if let Some(demand) = turn.demand {
                self.board.push((self.now + TOLD, Arc::new(demand)));
            }
            if let Some(change) = turn.change {
                log.changes.push((self.now + DELAY, change));
            }
        }
        // What has come back may be what it waits for.
        decide(&mut owned, log, &self.budgets);
        let pruned = LogTime(owned.now.saturating_sub(self.wait + 1_000));
        owned.rates.prune(pruned);
        log.owned = Some(owned);
    }

    /// What was kept of the traces that were due in these seconds.
    pub(super) fn kept(&self, from: u64, to: u64) -> f64 {
        let within = BEGIN + self.wait + from * 1_000..BEGIN + self.wait + to * 1_000;
        let decided = self.logs.iter().flat_map(|log| log.traces.iter().zip(&log.verdicts));
        let of_them = decided.filter(|(trace, _)| within.contains(&trace.due));
        let kept = of_them.filter(|(trace, threshold)| threshold.keeps(trace.randomness));
        kept.map(|(trace, _)| trace.spans).sum::<u64>() as f64
    }

    /// The traces of a key and those that are kept of them, in spans.
    pub(super) fn of_key(&self, key: u64, from: u64, to: u64) -> (f64, f64) {
        let within = BEGIN + self.wait + from * 1_000..BEGIN + self.wait + to * 1_000;
        let decided = self.logs.iter().flat_map(|log| log.traces.iter().zip(&log.verdicts));
        let (mut all, mut kept) = (0, 0);
        for (trace, threshold) in decided {
            if trace.key == key && within.contains(&trace.due) {
                all += trace.spans;
                kept += if threshold.keeps(trace.randomness) { trace.spans } else { 0 };
            }
        }
        (all as f64, kept as f64)
    }

    /// Records for each partition and second: changes and what is told.
    pub(super) fn records(&self) -> f64 {
        let seconds = (self.now - BEGIN) / 1_000 * self.logs.len() as u64;
        let changes: usize = self.logs.iter().map(|log| log.changes.len()).sum();
        (changes + self.board.len()) as f64 / seconds as f64
    }

    /// Whoever reads the logs from the beginning decides the same.
    pub(super) fn replays(&self) {
        for (partition, log) in self.logs.iter().enumerate() {
            let mut rates = Rates::new(Partition(partition as u32), &self.budgets, 1_000);
            for (position, (_, change)) in (0..).zip(&log.changes) {
                rates.read_back(change.clone(), Position(position));
            }
            for (trace, verdict) in log.traces.iter().zip(&log.verdicts) {
                let again = rates.at(&self.budgets, LogTime(trace.due)).ask(asked(trace));
                assert_eq!(again, *verdict, "due {}", trace.due);
            }
        }
    }
}

fn decide(owned: &mut Owned, log: &mut Log, budgets: &[Budget]) {
    let limit = owned.rates.limit(LogTime(owned.now));
    while let Some(trace) = log.traces.get(owned.decided)
        && trace.due <= limit.0
    {
        let threshold = owned.rates.at(budgets, LogTime(trace.due)).ask(asked(trace));
        assert_eq!(log.verdicts.len(), owned.decided);
        log.verdicts.push(threshold);
        owned.decided += 1;
    }
    owned.rates.decided_to(limit);
}

fn asked(trace: &Trace) -> Asked {
    let Trace { key, spans, randomness, .. } = *trace;
    Asked { budget: BudgetId(0), key, spans, bytes: 0, randomness, within: Threshold::ALWAYS }
}
