//! What one policy makes of a trace, and how evaluations combine.

use wholetrace_proto::{id::TraceKey, tracestate::Threshold};

use crate::policy::summary::Summary;

/// The trace that is being decided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trace<'a> {
    pub(super) summary: &'a Summary,
    pub(super) key: TraceKey,
}

impl Trace<'_> {
    /// What thresholds are compared with: the explicit randomness, else the low bits of the id.
    pub(super) fn randomness(&self) -> u64 {
        self.summary.randomness().unwrap_or_else(|| self.key.randomness())
    }
}

/// What one policy makes of a trace: a threshold and, for policies that draw by a hash of their
/// own, the result of that draw, which no threshold expresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Evaluation {
    pub(super) threshold: Threshold,
    /// The result of the draw; none when nothing was drawn, or it could not change anything.
    pub(super) drawn: Option<bool>,
}

impl Evaluation {
    pub(super) const ALWAYS: Self = Self::of(Threshold::ALWAYS);
    pub(super) const NEVER: Self = Self::of(Threshold::NEVER);

    /// The evaluation of a rule that says yes or no by the contents of the trace.
    pub(super) const fn by_contents(yes: bool) -> Self {
        if yes { Self::ALWAYS } else { Self::NEVER }
    }

    pub(super) const fn of(threshold: Threshold) -> Self {
        Self { threshold, drawn: None }
    }

    pub(super) const fn drawn(yes: bool) -> Self {
        Self { threshold: Threshold::ALWAYS, drawn: Some(yes) }
    }

    /// Yes only where both say yes.
    pub(super) fn and(self, other: Self) -> Self {
        let threshold = self.threshold.max(other.threshold);
        if threshold == Threshold::NEVER {
            return Self::NEVER;
        }
        let drawn = match (self.drawn, other.drawn) {
            (Some(a), Some(b)) => Some(a && b),
            (a, b) => a.or(b),
        };
        Self { threshold, drawn }
    }

    /// Whether it says yes to a trace of this randomness.
    pub(super) fn says_yes(self, randomness: u64) -> bool {
        self.drawn != Some(false) && self.threshold.keeps(randomness)
    }

    /// Whether another trace with the same contents could get another answer.
    pub(super) fn is_by_chance(self) -> bool {
        self.drawn.is_some()
            || (self.threshold != Threshold::ALWAYS && self.threshold != Threshold::NEVER)
    }
}
