//! Budgets: what a policy keeps is bounded by a rate that holds for the whole fleet.
//!
//! A policy with a budget asks about each trace that it would keep, and gets a threshold: it keeps
//! the trace where the randomness is not below that. The thresholds come out of the decision log
//! (see `core::rates`), so the same trace gets the same one at every reading.

use std::fmt::Debug;

use wholetrace_proto::tracestate::Threshold;

/// Number of a budget within its policy set, an index into `PolicySet::budgets`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BudgetId(pub u16);

/// What a budget counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Traces.
    Traces,
    /// Spans of the traces.
    Spans,
    /// Bytes of the traces.
    Bytes,
}

/// How much is kept of what asks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// So many units in a second of the log's time, by the whole fleet; all where less asks.
    PerSecond(f64),
    /// One unit in so many, at least 1.
    OneIn(f64),
}

/// A budget.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// Names it in the log and in metrics: as its policy is named. A budget of the same name takes
    /// over what is known of it when the policies are replaced.
    pub name: String,
    /// What it counts.
    pub unit: Unit,
    /// How much is kept.
    pub goal: Goal,
    /// Keys that have thresholds of their own, at most; the keys with the least traffic share one
    /// beyond them. 0 where all traces have the same threshold.
    ///
    /// What is kept is shared out among the keys by the logarithm of their traffic, so that a key
    /// with little traffic is kept whole.
    pub max_keys: u16,
}

/// A trace that would be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Out of which budget.
    pub budget: BudgetId,
    /// Which key it is of; 0 where the budget has none.
    pub key: u64,
    /// Its spans.
    pub spans: u64,
    /// Their bytes, where the budget counts bytes.
    pub bytes: u64,
    /// What the threshold is compared with.
    pub randomness: u64,
    /// The threshold that the trace has passed already, here or at a sampler before: the budget keeps
    /// a part of what is left.
    pub within: Threshold,
}

impl Asked {
    /// What it takes of a budget that counts `unit`.
    #[must_use]
    pub const fn weight(&self, unit: Unit) -> u64 {
        match unit {
            Unit::Traces => 1,
            Unit::Spans => self.spans,
            Unit::Bytes => self.bytes,
        }
    }

    /// Whether it asks at all: it has passed what comes before.
    #[must_use]
    pub const fn counts(&self) -> bool {
        self.within.keeps(self.randomness)
    }

    /// The threshold that keeps the part `own` of what is left.
    #[must_use]
    pub fn part(&self, own: Threshold) -> Threshold {
        const ALL: u128 = Threshold::NEVER.get() as u128;
        if self.within == Threshold::ALWAYS {
            return own;
        }
        let kept = |threshold: Threshold| ALL - u128::from(threshold.get());
        let rejected = ALL - kept(self.within) * kept(own) / ALL;
        u64::try_from(rejected).ok().and_then(Threshold::new).unwrap_or(Threshold::NEVER)
    }
}

/// Budgets that are asked.
pub trait Budgets: Debug {
    /// The threshold of the trace, which counts as demand: it is kept where its randomness is not
    /// below. To be asked once for each trace and budget, whether or not another policy keeps the
    /// trace as well.
    fn ask(&self, asked: Asked) -> Threshold;
}

/// Budgets that have no end, where nobody knows what else asks: all is kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlimited;

impl Budgets for Unlimited {
    fn ask(&self, asked: Asked) -> Threshold {
        asked.within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_keeps_a_part_of_what_is_left() {
        let (half, tenth) = (Threshold::of_probability(0.5), Threshold::of_probability(0.1));
        let part = |within: Threshold, own: Threshold| {
            let asked =
                Asked { budget: BudgetId(0), key: 0, spans: 1, bytes: 1, randomness: 0, within };
            asked.part(own)
        };
        assert_eq!(part(Threshold::ALWAYS, tenth), tenth);
        assert_eq!(part(half, Threshold::ALWAYS), half);
        assert!((part(half, tenth).probability() - 0.05).abs() < 1e-5);
        for never in [part(Threshold::NEVER, half), part(half, Threshold::NEVER)] {
            assert_eq!(never, Threshold::NEVER);
        }
    }
}
