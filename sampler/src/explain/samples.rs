//! Decisions for tests.

use wholetrace_proto::{
    id::TraceKey,
    record::{Decision, PolicyBits},
    tracestate::Threshold,
};

/// A decision by policy 0.
pub(super) fn decision(key: u64, kept: bool) -> Decision {
    Decision {
        key: TraceKey(key),
        first_seen_ms: 1_000,
        decided_at_ms: 2_000,
        kept,
        threshold: if kept { Threshold::ALWAYS } else { Threshold::NEVER },
        probability_known: true,
        stated_randomness: false,
        policy: 0,
        sub_policy: None,
        also: PolicyBits::NONE,
        shadow: PolicyBits::NONE,
        late_fragment: false,
        id_high: 0,
    }
}
