//! Frames with spans that can be told apart, policies and decisions, for tests.

use std::sync::Arc;

pub(crate) use wholetrace_exporter::testing::{Span, body, frame, ids, trace_ids};
use wholetrace_proto::{
    id::TraceKey,
    record::{Decision, PolicyBits},
    tracestate::Threshold,
};
use wholetrace_runtime::problems::Problems;

use crate::policy::{PolicySet, TailSamplingConfig};

/// Policies that keep all errors and some per cent of the rest, after `wait`.
pub(crate) fn policies(wait: &str, percent: u32) -> Arc<PolicySet> {
    compile(serde_json::json!({
        "decision_wait": wait,
        "policies": [
            { "name": "errors", "type": "status_code",
              "status_code": { "status_codes": ["ERROR"] } },
            { "name": "some", "type": "probabilistic",
              "probabilistic": { "sampling_percentage": percent } },
        ],
    }))
}

/// Policies of every kind, beside those that keep all errors and some per cent of the rest.
pub(crate) fn many_policies(percent: u32) -> Arc<PolicySet> {
    compile(serde_json::json!({
        "keep_signals": ["sampling_priority"],
        "record_policy": "scope",
        "record_adjusted_count": true,
        "policies": [
            { "name": "errors", "type": "status_code",
              "status_code": { "status_codes": ["ERROR"] } },
            { "name": "slow", "type": "latency", "latency": { "threshold_ms": 500 } },
            { "name": "gold", "type": "and", "and": { "and_sub_policy": [
                { "name": "tier", "type": "string_attribute",
                  "string_attribute": { "key": "tier", "values": ["gold"] } },
                { "name": "half", "type": "probabilistic",
                  "probabilistic": { "sampling_percentage": 50 } } ] } },
            { "name": "deep", "type": "trace_condition", "trace_condition": { "trace": [
                "trace.error_count > 1 and count(span, attributes[\"tier\"] == \"gold\") > 0" ] } },
            { "name": "odd", "type": "not", "not": { "not_sub_policy": {
                "name": "usual", "type": "ottl_condition", "ottl_condition": { "span": [
                    "attributes[\"tier\"] != \"gold\" or end_time - start_time < Duration(\"300ms\")"
                ] } } } },
            { "name": "limited", "type": "rate_limiting",
              "rate_limiting": { "spans_per_second": 10 } },
            { "name": "shared", "type": "composite", "composite": {
                "max_total_spans_per_second": 10, "composite_sub_policy": [
                    { "name": "dear", "type": "string_attribute",
                      "string_attribute": { "key": "tier", "values": ["gold"] } },
                    { "name": "cheap", "type": "always_sample" } ] } },
            { "name": "noise", "type": "drop", "drop": { "drop_sub_policy": [
                { "name": "noisy", "type": "string_attribute",
                  "string_attribute": { "key": "noise", "values": ["yes"] } } ] } },
            { "name": "some", "type": "probabilistic",
              "probabilistic": { "sampling_percentage": percent } },
        ],
    }))
}

/// The policies of a block.
pub(crate) fn compile(config: serde_json::Value) -> Arc<PolicySet> {
    let config: TailSamplingConfig = serde_json::from_value(config).expect("a configuration");
    let mut problems = Problems::default();
    Arc::new(PolicySet::compile(&config, "tail_sampling", &mut problems).expect("policies"))
}

/// A decision by policy 0.
pub(crate) fn decision(key: u64, kept: bool) -> Decision {
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
