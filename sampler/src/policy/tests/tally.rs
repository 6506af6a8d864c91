//! What policies do is counted.

use crate::policy::{
    tally::PolicyCounts,
    tests::support::{ERROR, OK, Trace, dull, policies, status, text, with},
};

const POLICIES: &str = "
  - { name: errors, type: status_code, status_code: { status_codes: [ERROR] } }
  - { name: noise, type: drop, drop: { drop_sub_policy: [
      { name: n, type: string_attribute, string_attribute: { key: noise, values: [yes] } } ] } }
  - { name: large, type: span_count, span_count: { min_spans: 3 } }
  - { name: noise-too, type: drop, drop: { drop_sub_policy: [
      { name: n, type: string_attribute, string_attribute: { key: noise, values: [much] } } ] } }
  - { name: try-keep, type: span_count, shadow: true, span_count: { min_spans: 2 } }
  - { name: try-drop, type: drop, shadow: true, drop: { drop_sub_policy: [
      { name: e, type: status_code, status_code: { status_codes: [ERROR] } } ] } }
";

#[test]
fn what_policies_do_is_counted() {
    let policies = policies(POLICIES);
    let noisy = |how: &str| Trace::new(7 << 100).span(with(vec![text("noise", how)]));
    let traces = [
        dull(),
        dull().span(status(OK)),
        dull().span(status(ERROR)),
        dull().span(status(ERROR)).span(status(OK)),
        noisy("yes").span(status(ERROR)),
        noisy("much"),
        noisy("little"),
    ];
    let mut tally = policies.tally();
    for trace in &traces {
        policies.count(&trace.decision(&policies), &mut tally);
    }
    let counts = policies.counts(tally);
    let none = PolicyCounts::default();
    let expected = [
        PolicyCounts { decided: 2, evaluated: 5, matched: 2, alone: 1, ..none },
        PolicyCounts { decided: 1, evaluated: 7, matched: 1, ..none },
        PolicyCounts { evaluated: 5, matched: 1, ..none },
        PolicyCounts { decided: 1, evaluated: 6, matched: 1, ..none },
        PolicyCounts { evaluated: 7, matched: 4, would_keep: 1, ..none },
        PolicyCounts { evaluated: 7, matched: 3, would_drop: 2, ..none },
        // The keep signals, and those that no policy wanted.
        none,
        PolicyCounts { decided: 3, ..none },
    ];
    assert_eq!(counts, expected);
}

#[test]
fn times_are_taken_of_every_policy() {
    fn clock() -> u64 {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NOW: AtomicU64 = AtomicU64::new(0);
        NOW.fetch_add(5, Ordering::Relaxed)
    }
    let policies = policies(POLICIES);
    let (mut tally, trace) = (policies.tally(), dull());
    let key = wholetrace_proto::id::TraceId(trace.id.to_be_bytes()).key();
    policies.time(key, &trace.record(&policies), (clock, 64), &mut tally);
    let nanos: Vec<u64> = policies.counts(tally).iter().map(|counts| counts.nanos).collect();
    assert_eq!(nanos, [320, 320, 320, 320, 320, 320, 0, 0]);
}
