//! `string_attribute`: traces with a text attribute of given values are kept.

use crate::policy::{
    bits::Bits,
    outcome::{Outcome, Trace},
};

/// The compiled policy.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct StringAttribute {
    matched: Bits,
    invert: bool,
}

impl StringAttribute {
    pub(in crate::policy) const fn outcome(self, trace: &Trace<'_>) -> Outcome {
        Outcome::by_contents(trace.summary.seen.intersects(self.matched) != self.invert)
    }
}
