//! What is decided about a trace.

/// The size of the space that randomness is drawn from: 56 bits, as in OpenTelemetry.
pub const RANDOMNESS_RANGE: u64 = 1 << 56;

/// A rejection threshold: a trace is kept if its randomness is not below it. From 0 (always kept)
/// to [`RANDOMNESS_RANGE`] (never kept).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Threshold(u64);

impl Threshold {
    /// Every trace is kept.
    pub const ALWAYS: Self = Self(0);
    /// No trace is kept.
    pub const NEVER: Self = Self(RANDOMNESS_RANGE);

    /// The threshold of `value`; above [`RANDOMNESS_RANGE`] it is [`Threshold::NEVER`].
    #[must_use]
    pub const fn new(value: u64) -> Self {
        if value > RANDOMNESS_RANGE { Self::NEVER } else { Self(value) }
    }

    /// From 0 to [`RANDOMNESS_RANGE`].
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// Whether a trace of this randomness is kept.
    #[must_use]
    #[inline]
    pub const fn keeps(self, randomness: u64) -> bool {
        randomness >= self.0
    }
}

/// Which policy of the set had the last word; see `PolicySet::policy_name`.
pub type PolicyIndex = u16;

/// What is decided about a trace: a function of its spans and its id alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is kept.
    pub kept: bool,
    /// The rejection threshold by which it was judged, 0 to 2^56. Kept traces whose probability is
    /// known have a randomness that is not below it. 0 for kept traces of unknown probability,
    /// 2^56 when no randomness could have helped.
    pub threshold: u64,
    /// Whether the threshold says how probable it was that a trace with these contents is kept. If
    /// not, a threshold that its spans carry must be erased.
    pub probability_known: bool,
    /// The first policy of those that decided it so; none when no policy wanted it.
    pub policy: Option<PolicyIndex>,
}
