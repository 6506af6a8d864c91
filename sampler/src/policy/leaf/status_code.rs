//! `status_code`: traces with a span of one of the given statuses are kept.

use crate::policy::{
    bits::Bits,
    outcome::{Outcome, Trace},
};

/// The compiled policy.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct StatusCode {
    wanted: Bits,
}

impl StatusCode {
    pub(in crate::policy) const fn outcome(self, trace: &Trace<'_>) -> Outcome {
        Outcome::by_contents(trace.summary.seen.intersects(self.wanted))
    }
}
