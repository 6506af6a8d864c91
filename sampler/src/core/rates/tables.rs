//! The thresholds in force, over time.

use std::collections::VecDeque;

use wholetrace_proto::{record::RateChange, tracestate::Threshold};
use wholetrace_spanlog::{LogTime, Position};

/// Changes that are held, at most: an hour of them. Nobody asks for older ones as a rule: they reach
/// back to the slowest release.
const HELD: usize = 3_600;

/// The changes of thresholds that the decision log tells, in the order of the times from which they
/// are in force.
#[derive(Debug, Default)]
pub(super) struct Tables {
    changes: VecDeque<(RateChange, Position)>,
}

impl Tables {
    /// Takes in a change that stands at `origin` in the decision log. One that stands behind a later
    /// one, because it was appended again, does not count.
    pub(super) fn insert(&mut self, change: RateChange, origin: Position) {
        let last = self.changes.back().map(|(last, _)| last.from_ms);
        if last.is_some_and(|last| change.from_ms <= last) {
            return;
        }
        if self.changes.len() == HELD {
            self.changes.pop_front();
        }
        self.changes.push_back((change, origin));
    }

    /// The threshold of a budget for a trace whose time is up at `time`. All is kept before the first
    /// change.
    pub(super) fn threshold(&self, budget: &str, key: u64, time: LogTime) -> Threshold {
        let in_force = self.changes.partition_point(|(change, _)| change.from_ms <= time.0);
        let told = self.changes.range(..in_force).rev().find_map(|(change, _)| {
            // A policy set that is replaced may ask for a budget that newer changes do not tell.
            change.budgets.iter().find(|rates| rates.name == budget)
        });
        told.map_or(Threshold::ALWAYS, |rates| rates.threshold(key))
    }

    /// Forgets what is not in force at `time` or later.
    pub(super) fn prune(&mut self, time: LogTime) {
        while self.changes.get(1).is_some_and(|(next, _)| next.from_ms <= time.0) {
            self.changes.pop_front();
        }
    }

    /// The newest change.
    pub(super) fn newest(&self) -> Option<&RateChange> {
        self.changes.back().map(|(change, _)| change)
    }

    /// Where the oldest change stands that is held.
    pub(super) fn origin(&self) -> Option<Position> {
        self.changes.front().map(|(_, origin)| *origin)
    }
}
