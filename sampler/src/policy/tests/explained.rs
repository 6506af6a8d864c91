//! What is said of policies in words.

use std::collections::BTreeSet;

use super::support::config;
use crate::policy::{
    explain::{Explanation, explain},
    policies::POLICY_TYPES,
};

fn explained(yaml: &str) -> Explanation {
    explain(&config(yaml), "tail_sampling").unwrap_or_else(|| panic!("{yaml}"))
}

/// What the policy of a type with these settings does.
fn does(kind: &str, settings: &str) -> String {
    let yaml = format!("policies: [{{ name: it, type: {kind}, {kind}: {settings} }}]");
    explained(&yaml).policies[0].does.clone()
}

/// Types, settings, and what is said of them.
const ROWS: [(&str, &str, &str); 23] = [
    ("always_sample", "{}", "keeps traces of any kind"),
    (
        "status_code",
        "{ status_codes: [ERROR, OK, UNSET] }",
        "keeps traces with a span whose status is `ERROR`, `OK` or `UNSET`",
    ),
    (
        "latency",
        "{ threshold_ms: 1500, upper_threshold_ms: 60000 }",
        "keeps traces that lasted longer than 1s500ms and not longer than 1m",
    ),
    ("probabilistic", "{ sampling_percentage: 25 }", "keeps traces by chance: 25% of all, 1 in 4"),
    ("probabilistic", "{ sampling_percentage: 200 }", "keeps traces by chance: 100% of all"),
    (
        "string_attribute",
        "{ key: a, values: [x], invert_match: true }",
        "keeps traces without an attribute `a`, of a span or its resource, that is `x`",
    ),
    (
        "string_attribute",
        "{ key: a, values: [b, c, d, e, f, g, h, i] }",
        "keeps traces with an attribute `a`, of a span or its resource, that is `b`, `c`, `d`, `e`, \
         `f`, `g` or one of 2 others",
    ),
    (
        "boolean_attribute",
        "{ key: a, value: false }",
        "keeps traces with an attribute `a`, of a span or its resource, that is `false` (so is what \
         is no boolean)",
    ),
    (
        "numeric_attribute",
        "{ key: a, min_value: -5, max_value: 7 }",
        "keeps traces with an attribute `a`, of a span or its resource, that is a whole number from \
         `-5` to `7` (what is no number counts as 0)",
    ),
    ("span_count", "{ min_spans: 3, max_spans: 5 }", "keeps traces of 3 to 5 spans"),
    (
        "trace_state",
        "{ key: k, values: [v] }",
        "keeps traces with a span whose tracestate has `v` under `k`",
    ),
    ("trace_flags", "{}", "keeps traces with a span whose sampled flag is set"),
    (
        "ottl_condition",
        r#"{ span: ['kind == SPAN_KIND_SERVER', 'name == "x"'], spanevent: ['name == "e"'] }"#,
        "keeps traces for which `kind == SPAN_KIND_SERVER` or `name == \"x\"` holds on a span, or for \
         which `name == \"e\"` holds on an event",
    ),
    (
        "trace_condition",
        "{ trace: ['trace.span_count > 9 and trace.has_root'] }",
        "keeps traces for which `trace.span_count > 9 and trace.has_root` holds",
    ),
    (
        "rate_limiting",
        "{ spans_per_second: 500 }",
        "keeps traces so that at most about 500 spans are kept in a second, by all samplers together",
    ),
    (
        "bytes_limiting",
        "{ bytes_per_second: 9000 }",
        "keeps traces so that at most about 9000 bytes are kept in a second, by all samplers together",
    ),
    (
        "composite",
        "{ max_total_spans_per_second: 900, rate_allocation: [{ policy: e, percent: 70 }], \
         composite_sub_policy: [{ name: e, type: status_code, status_code: { status_codes: [ERROR] } }, \
         { name: a, type: always_sample }] }",
        "keeps traces with a span whose status is `ERROR`, up to 630 spans a second, or of any kind, up to \
         450 spans a second: up to 900 spans a second together, by all samplers",
    ),
    (
        "dynamic",
        "{ fields: [service.name, root.http.route], goal_sample_rate: 20 }",
        "keeps traces so that 1 in 20 is kept: rare kinds whole, and a part of frequent ones; of a kind \
         are those with the same `service.name` and `root.http.route`",
    ),
    (
        "dynamic",
        "{ fields: name, goal_throughput_per_sec: 50 }",
        "keeps traces so that at most about 50 spans are kept in a second, by all samplers together: rare \
         kinds whole, and a part of frequent ones; of a kind are those with the same `name`",
    ),
    (
        "probabilistic_sampler",
        "{ sampling_percentage: 1 }",
        "keeps traces by chance: 1% of all, 1 in 100 (all with `sampling.priority` above 0, none with 0)",
    ),
    (
        "probabilistic_sampler",
        "{ sampling_percentage: 50, mode: proportional }",
        "keeps traces by chance: 50% of what arrives, 1 in 2 (all with `sampling.priority` above 0, none \
         with 0)",
    ),
    (
        "probabilistic_sampler",
        "{ sampling_percentage: 50, mode: equalizing }",
        "keeps traces by chance: 50% of what there was before other samplers, 1 in 2 (all with \
         `sampling.priority` above 0, none with 0)",
    ),
    (
        "or",
        "{ or_sub_policy: [{ name: a, type: trace_flags }, { name: b, type: span_count, span_count: { \
         min_spans: 200 } }] }",
        "keeps traces with a span whose sampled flag is set, or of at least 200 spans",
    ),
];

#[test]
fn every_type_is_said_in_words() {
    for (kind, settings, expected) in ROWS {
        assert_eq!(does(kind, settings), expected);
    }
    // Those that only turn or join what others say have a test of their own.
    let told: BTreeSet<&str> =
        ROWS.iter().map(|(kind, ..)| *kind).chain(["and", "not", "drop"]).collect();
    assert_eq!(told, POLICY_TYPES.iter().copied().collect(), "a type is not in `ROWS`");
}

#[test]
fn policies_in_policies_are_said_with_brackets() {
    let errors = "{ name: e, type: status_code, status_code: { status_codes: [ERROR] } }";
    let long = "{ name: l, type: latency, latency: { threshold_ms: 2000 } }";
    let either = format!("{{ name: o, type: or, or: {{ or_sub_policy: [{errors}, {long}] }} }}");
    let inner = "with a span whose status is `ERROR`, or that lasted longer than 2s";
    assert_eq!(
        does("and", &format!("{{ and_sub_policy: [{either}, {long}] }}")),
        format!("keeps traces ({inner}), and that lasted longer than 2s")
    );
    assert_eq!(
        does("not", &format!("{{ not_sub_policy: [{either}] }}")),
        format!("keeps traces that are not those ({inner})")
    );
    assert_eq!(
        does("drop", &format!("{{ drop_sub_policy: [{errors}] }}")),
        "discards traces with a span whose status is `ERROR`"
    );
}

/// Costs are those of the record that the same configuration makes, and warnings stand at their
/// policies.
#[test]
fn costs_and_warnings_are_told() {
    let explanation = explained(
        "num_traces: 5\npolicies:\n  \
         - { name: e, type: status_code, status_code: { status_codes: [ERROR] } }\n  \
         - { name: l, type: latency, latency: { threshold_ms: 9, upper_threshold_ms: 8 } }\n  \
         - { name: m, type: latency, latency: { threshold_ms: 7 }, shadow: true }",
    );
    let bytes: Vec<usize> = explanation.policies.iter().map(|policy| policy.bytes).collect();
    assert_eq!(bytes, [0, 8, 8], "facts share a word, and durations a start");
    assert_eq!(explanation.record_bytes, 32, "the latest end, the id, the facts, the start");
    assert_eq!(explanation.policies[1].warnings.len(), 1, "{explanation}");
    assert_eq!(explanation.warnings.len(), 1, "{explanation}");
    let said = explanation.to_string();
    assert!(said.contains("nobody obeys:\n\n  `m` keeps"), "{said}");
    assert!(said.contains("\n      warning: tail_sampling.policies[1]"), "{said}");
}
