//! What is remembered of an undecided trace.

use wholetrace_proto::id::TraceKey;

use crate::policy::bits::Bits;

/// Marks that no span carried an explicit randomness. Greater than every randomness, so that the
/// smallest wins.
const NO_RV: u64 = u64::MAX;

/// Everything that the policies need to know of a trace, in a fixed size. Built by folding spans
/// into it in any order and grouping; see `PolicySet::observe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub(super) seen: Bits,
    start_min: u64,
    end_max: u64,
    id_high: u64,
    rv_min: u64,
    spans: u32,
}

const _: () = assert!(size_of::<Summary>() <= 64, "a summary is kept for every undecided trace");

impl Summary {
    /// The summary of a trace of which no span has been seen.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            seen: Bits::NONE,
            start_min: u64::MAX,
            end_max: 0,
            id_high: 0,
            rv_min: NO_RV,
            spans: 0,
        }
    }

    /// How many spans have been folded in (no further than `u32::MAX`).
    #[must_use]
    pub const fn spans(&self) -> u32 {
        self.spans
    }

    /// From the earliest start to the latest end, in nanoseconds; 0 while either is unknown, or
    /// when the ends lie before the starts.
    #[must_use]
    pub const fn duration_ns(&self) -> u64 {
        self.end_max.saturating_sub(self.start_min)
    }

    /// The latest end of a span, in nanoseconds since the Unix epoch; `None` while no sender has
    /// told one.
    #[must_use]
    pub const fn latest_end_ns(&self) -> Option<u64> {
        if self.end_max == 0 { None } else { Some(self.end_max) }
    }

    /// The explicit randomness (`rv`) that a span carried, if one did.
    #[must_use]
    pub const fn randomness(&self) -> Option<u64> {
        if self.rv_min == NO_RV { None } else { Some(self.rv_min) }
    }

    /// The full trace id, given what names the trace. A trace whose spans disagree in the high half (some
    /// tracers cut ids to 64 bits) is called by the greatest.
    #[must_use]
    pub fn trace_id(&self, key: TraceKey) -> [u8; 16] {
        key.trace_id(self.id_high).0
    }

    /// Folds another part of the same trace in. Folding spans one by one, or parts of the trace
    /// each and then the parts, gives the same summary.
    pub fn merge(&mut self, other: &Self) {
        self.seen.add(other.seen);
        self.start_min = self.start_min.min(other.start_min);
        self.end_max = self.end_max.max(other.end_max);
        self.id_high = self.id_high.max(other.id_high);
        self.rv_min = self.rv_min.min(other.rv_min);
        self.spans = self.spans.saturating_add(other.spans);
    }

    #[inline]
    pub(super) const fn count_span(&mut self) {
        self.spans = self.spans.saturating_add(1);
    }

    /// Takes a start time in; 0 says that the sender did not know it.
    #[inline]
    pub(super) fn start(&mut self, unix_ns: u64) {
        if unix_ns != 0 {
            self.start_min = self.start_min.min(unix_ns);
        }
    }

    #[inline]
    pub(super) fn end(&mut self, unix_ns: u64) {
        self.end_max = self.end_max.max(unix_ns);
    }

    #[inline]
    pub(super) fn id_high(&mut self, high: u64) {
        self.id_high = self.id_high.max(high);
    }

    #[inline]
    pub(super) fn explicit_randomness(&mut self, rv: u64) {
        self.rv_min = self.rv_min.min(rv);
    }
}

impl Default for Summary {
    fn default() -> Self {
        Self::new()
    }
}
