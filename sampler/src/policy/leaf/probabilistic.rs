//! `probabilistic`: a share of all traces is kept.

use crate::policy::{
    fnv,
    outcome::{Outcome, Trace},
    verdict::Threshold,
};

/// The compiled policy.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) enum Probabilistic {
    /// By the randomness of the trace.
    Consistent(Threshold),
    /// By the Collector's hash of the trace id.
    Hashed {
        /// The hash of the salt.
        salt: u64,
        /// Traces with a greater hash are not kept.
        greatest: u64,
    },
}

impl Probabilistic {
    pub(in crate::policy) fn outcome(self, trace: &Trace<'_>) -> Outcome {
        match self {
            Self::Consistent(threshold) => Outcome::of(threshold),
            // Everything is kept, whatever the hash.
            Self::Hashed { greatest: u64::MAX, .. } => Outcome::ALWAYS,
            Self::Hashed { salt, greatest } => {
                let hash = fnv::over_id(salt, trace.summary.trace_id(trace.key.0));
                Outcome::drawn(hash <= greatest)
            }
        }
    }
}
