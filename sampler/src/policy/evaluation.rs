//! What one policy makes of a trace, and how evaluations combine.

use wholetrace_proto::tracestate::Threshold;

/// What one policy makes of a trace: a threshold and, for policies that draw by a hash of their
/// own, the result of that draw, which no threshold expresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Evaluation {
    pub(super) threshold: Threshold,
    /// The result of the draw; none when nothing was drawn, or it could not change anything.
    pub(super) drawn: Option<bool>,
    /// Whether there is no answer, because a condition failed: no, and no around it.
    pub(super) failed: bool,
}

impl Evaluation {
    pub(super) const ALWAYS: Self = Self::of(Threshold::ALWAYS);
    pub(super) const NEVER: Self = Self::of(Threshold::NEVER);
    pub(super) const FAILED: Self = Self { failed: true, ..Self::NEVER };

    /// The evaluation of a rule that says yes or no by the contents of the trace.
    pub(super) const fn by_contents(yes: bool) -> Self {
        if yes { Self::ALWAYS } else { Self::NEVER }
    }

    pub(super) const fn of(threshold: Threshold) -> Self {
        Self { threshold, drawn: None, failed: false }
    }

    pub(super) const fn drawn(yes: bool) -> Self {
        Self { threshold: Threshold::ALWAYS, drawn: Some(yes), failed: false }
    }

    /// Yes only where both say yes. What comes first decides: behind a no nothing can fail.
    pub(super) fn and(self, other: Self) -> Self {
        if self == Self::NEVER || self.failed {
            return self;
        }
        if other.failed {
            return other;
        }
        let threshold = self.threshold.max(other.threshold);
        if threshold == Threshold::NEVER {
            return Self::NEVER;
        }
        let drawn = match (self.drawn, other.drawn) {
            (Some(a), Some(b)) => Some(a && b),
            (a, b) => a.or(b),
        };
        Self { threshold, drawn, failed: false }
    }

    /// Yes where one says yes. A share of one and a draw of another, or two draws, are together a
    /// draw, of which no threshold tells the probability.
    pub(super) fn or(self, other: Self, randomness: u64) -> Self {
        match (self.drawn, other.drawn) {
            _ if self.failed && other.threshold == Threshold::NEVER => Self::FAILED,
            _ if self.failed => other,
            _ if other.failed => other.or(self, randomness),
            (None, None) => Self::of(self.threshold.min(other.threshold)),
            _ if self == Self::ALWAYS || other == Self::ALWAYS => Self::ALWAYS,
            _ if other == Self::NEVER => self,
            _ if self == Self::NEVER => other,
            _ => Self::drawn(self.says_yes(randomness) || other.says_yes(randomness)),
        }
    }

    /// Yes where it says no. Of a share that leaves the traces of the lowest randomness, which no
    /// threshold expresses: it is a draw.
    pub(super) fn not(self, randomness: u64) -> Self {
        if self.failed {
            self
        } else if self.is_by_chance() {
            Self::drawn(!self.says_yes(randomness))
        } else {
            Self::by_contents(self == Self::NEVER)
        }
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
