//! `latency`: traces that lasted longer than a threshold are kept.

use crate::policy::outcome::{Outcome, Trace};

const NS_PER_MS: u64 = 1_000_000;

/// The compiled policy.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct Latency {
    longer_than_ms: i64,
    at_most_ms: Option<i64>,
}

impl Latency {
    /// Judged by the whole trace, from its earliest start to its latest end, cut to milliseconds.
    pub(in crate::policy) fn outcome(self, trace: &Trace<'_>) -> Outcome {
        let ms = (trace.summary.duration_ns() / NS_PER_MS).cast_signed();
        let in_time = self.at_most_ms.is_none_or(|at_most| ms <= at_most);
        Outcome::by_contents(ms > self.longer_than_ms && in_time)
    }
}
