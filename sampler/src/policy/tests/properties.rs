//! What holds for all traces.

use proptest::{collection::vec, prelude::*, sample::select};
use prost::Message;
use wholetrace_proto::{
    id::{TraceId, TraceKey},
    otlp::{KeyValue, Span, any_value::Value, span::Event},
    tracestate::{self, Threshold},
    wire::{Cursor, Value as WireValue, WireError},
};

use crate::policy::{
    plan::{Heads, Record},
    set::PolicySet,
    tests::{naive, support::*},
};

pub(super) const SETS: [&str; 9] = [
    "
  - { name: errors, type: status_code, status_code: { status_codes: [ERROR] } }
  - { name: slow, type: latency, latency: { threshold_ms: 3 } }
  - { name: share, type: probabilistic, probabilistic: { sampling_percentage: 10 } }
",
    "
  - { name: a, type: string_attribute, string_attribute: { key: k, values: [a, b] } }
  - { name: b, type: string_attribute, string_attribute: {
      key: kk, values: ['^a+b?$', ''], enabled_regex_matching: true } }
  - { name: c, type: string_attribute, string_attribute: {
      key: other, values: ['^$'], enabled_regex_matching: true } }
",
    "
  - { name: a, type: string_attribute, string_attribute: {
      key: k, values: [a], invert_match: true } }
  - { name: b, type: drop, drop: { drop_sub_policy: [
      { name: b, type: string_attribute, string_attribute: { key: kk, values: [b, aab] } },
      { name: c, type: status_code, status_code: { status_codes: [UNSET, OK] } } ] } }
",
    "
  - { name: a, type: and, and: { and_sub_policy: [
      { name: b, type: latency, latency: { threshold_ms: 1, upper_threshold_ms: 4 } },
      { name: c, type: probabilistic, probabilistic: { sampling_percentage: 50 } } ] } }
  - { name: d, type: probabilistic, probabilistic: { sampling_percentage: 25, hash_salt: '' } }
",
    "
  - { name: a, type: always_sample }
  - { name: b, type: drop, drop: { drop_sub_policy: [
      { name: b, type: probabilistic, probabilistic: { sampling_percentage: 60 } } ] } }
",
    "
  - { name: a, type: numeric_attribute, numeric_attribute: { key: k, min_value: 3 } }
  - { name: b, type: numeric_attribute, numeric_attribute: {
      key: kk, min_value: -9, max_value: 4, invert_match: true } }
  - { name: c, type: boolean_attribute, boolean_attribute: { key: other, value: true } }
  - { name: d, type: boolean_attribute, boolean_attribute: { key: k, invert_match: true } }
  - { name: e, type: trace_state, trace_state: { key: vendor, values: [x, yy] } }
  - { name: f, type: drop, drop: { drop_sub_policy: [
      { name: g, type: span_count, span_count: { min_spans: 2, max_spans: 4 } },
      { name: h, type: trace_flags } ] } }
",
    "
  - { name: a, type: not, not: { not_sub_policy: { name: b, type: or, or: { or_sub_policy: [
      { name: c, type: status_code, status_code: { status_codes: [OK] } },
      { name: d, type: probabilistic, probabilistic: { sampling_percentage: 30 } } ] } } } }
  - { name: e, type: and, and: { and_sub_policy: [
      { name: f, type: span_count, span_count: { min_spans: 3 } },
      { name: g, type: or, or: { or_sub_policy: [
        { name: h, type: trace_state, trace_state: { key: vendor, values: [x] } },
        { name: i, type: probabilistic, probabilistic: { sampling_percentage: 70 } },
        { name: j, type: probabilistic, probabilistic: { sampling_percentage: 20, hash_salt: s } }
      ] } } ] } }
",
    r#"
  - { name: a, type: ottl_condition, ottl_condition: { span: [
      'attributes["k"] == "a" and attributes["kk"] == "b"',
      'resource.attributes["k"] == "a" and status.code == STATUS_CODE_ERROR' ] } }
  - { name: b, type: and, and: { and_sub_policy: [
      { name: c, type: ottl_condition, ottl_condition: { spanevent: [
        'name == "e" and span.attributes["k"] != nil' ] } },
      { name: d, type: string_attribute, string_attribute: { key: k, values: [b, c] } } ] } }
  - { name: e, type: drop, drop: { drop_sub_policy: [
      { name: f, type: ottl_condition, ottl_condition: { span: [
        'IsMatch(trace_state, "^vendor=x") or end_time_unix_nano - start_time_unix_nano > 7000000'
      ] } } ] } }
"#,
    "
  - { name: a, type: probabilistic_sampler, probabilistic_sampler: {
      sampling_percentage: 50, mode: proportional, sampling_precision: 14 } }
  - { name: b, type: and, and: { and_sub_policy: [
      { name: c, type: status_code, status_code: { status_codes: [ERROR] } },
      { name: d, type: probabilistic_sampler, probabilistic_sampler: {
          sampling_percentage: 75, mode: equalizing, fail_closed: false } } ] } }
  - { name: e, type: and, and: { and_sub_policy: [
      { name: f, type: string_attribute, string_attribute: { key: k, values: [a] } },
      { name: g, type: probabilistic_sampler, probabilistic_sampler: {
          sampling_percentage: 50, hash_seed: 7 } } ] } }
  - { name: h, type: probabilistic, probabilistic: {
      sampling_percentage: 1, sampling_precision: 14 } }
",
];

fn compiled(yaml: &str) -> PolicySet {
    policies(yaml)
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let key = select(vec!["k", "kk", "other", "long.name.of.an.attribute", "service.name"]);
    let value = prop_oneof![
        4 => select(vec!["", "a", "b", "ab", "aab", "c"])
            .prop_map(|text| Value::StringValue(text.to_owned())),
        1 => select(vec!["a", "b"]).prop_map(|text| Value::StringValue(text.repeat(200))),
        1 => any::<i64>().prop_map(Value::IntValue),
        1 => (-9..9_i64).prop_map(Value::IntValue),
        1 => any::<bool>().prop_map(Value::BoolValue),
    ];
    vec((key, value).prop_map(|(key, value)| attribute(key, value)), 0..4)
}

fn span(id: u128) -> impl Strategy<Value = (Vec<KeyValue>, Span)> {
    let time = || prop_oneof![1 => Just(0), 6 => 1_000_000..9_000_000_u64];
    // Spans of a trace come with other thresholds, and some lose or change the randomness.
    let threshold = || select(vec!["0", "4", "8", "c", "e8", "ff000000000001"]);
    let stated = || select(vec!["9a000000000000", "f1000000000000"]);
    let trace_state = prop_oneof![
        4 => Just(String::new()),
        1 => (0..1_u64 << 56).prop_map(|rv| format!("vendor=x,ot=rv:{rv:014x}")),
        1 => stated().prop_map(|rv| format!("ot=rv:{rv}")),
        2 => threshold().prop_map(|th| format!("ot=th:{th}")),
        1 => (threshold(), stated()).prop_map(|(th, rv)| format!("a=b,ot=rv:{rv};th:{th}")),
        1 => select(vec!["vendor=x", "a=b, vendor=yy", "vendor=z,,"]).prop_map(str::to_owned),
    ];
    let status = prop_oneof![2 => Just(None), 3 => (-1..4).prop_map(Some)];
    let flags = select(vec![0, 1, 0x301, 0x300]);
    let named = |name: &str| Event { name: name.to_owned(), ..Event::default() };
    let event = select(vec![named("e"), named("f")]);
    let flags = (flags, vec(event, 0..3));
    (attributes(), attributes(), time(), time(), trace_state, status, flags).prop_map(
        move |(resource, attributes, start, end, trace_state, code, (flags, events))| {
            let span = Span {
                trace_id: id.to_be_bytes().into(),
                trace_state,
                flags,
                events,
                attributes,
                status: code.and_then(status_of),
                ..times(start, end)
            };
            (resource, span)
        },
    )
}

fn status_of(code: i32) -> Option<wholetrace_proto::otlp::Status> {
    status(code).status
}

pub(super) fn trace() -> impl Strategy<Value = Trace> {
    // Some tracers cut ids to 64 bits.
    let cut = |mut spans: Vec<(Vec<KeyValue>, Span)>, cut: [bool; 5]| {
        for ((_, span), cut) in spans.iter_mut().skip(1).zip(cut) {
            if cut {
                span.trace_id[..8].fill(0);
            }
        }
        spans
    };
    let spans = |id| (vec(span(id), 1..6), any::<[bool; 5]>());
    any::<u128>().prop_flat_map(move |id| {
        spans(id).prop_map(move |(spans, short)| Trace { id, spans: cut(spans, short) })
    })
}

/// The bytes of a span with something changed in them, cut off, or of anything.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let span = span(5).prop_map(|(_, span)| span.encode_to_vec());
    let changed = (span, any::<prop::sample::Index>(), any::<u8>(), any::<bool>()).prop_map(
        |(mut span, place, byte, cut)| {
            let place = place.index(span.len());
            if cut {
                span.truncate(place);
            } else {
                span[place] = byte;
            }
            span
        },
    );
    prop_oneof![3 => changed, 1 => vec(any::<u8>(), 0..64)]
}

/// Whether bytes are a span, as far as policies look: its fields, and those of its status.
fn check(bytes: &[u8]) -> Result<(), WireError> {
    let mut fields = Cursor::new(bytes);
    while let Some(field) = fields.next_field()? {
        if let (15, WireValue::Bytes(status)) = (field.number, field.value) {
            let mut fields = Cursor::new(status);
            while fields.next_field()?.is_some() {}
        }
    }
    Ok(())
}

/// Sets that are compared with nothing but themselves.
const CONDITIONS_ON_TRACES: &str = r#"
  - { name: a, type: trace_condition, trace_condition: { trace: [
      'trace.duration > Duration("3ms") and trace.span_count > 2 and trace.error_count == 1',
      'trace.service_count == 3 or count(span, attributes["k"] == "a") > 1',
      'all(span, attributes["k"] != nil) or trace.root.attributes["k"] == "b"',
      'any(spanevent, name == "e") and trace.has_root' ] } }
  - { name: c, type: probabilistic_sampler, probabilistic_sampler: {
      sampling_percentage: 30, mode: proportional } }
  - { name: b, type: dynamic, dynamic: { fields: [k, root.kk, other], goal_sample_rate: 2 } }
"#;

const BUDGETS: &str = r#"
  - { name: a, type: composite, composite: { max_total_spans_per_second: 9, composite_sub_policy: [
      { name: b, type: status_code, status_code: { status_codes: [ERROR] } },
      { name: c, type: composite, composite: { max_total_spans_per_second: 5,
          rate_allocation: [ { policy: d, percent: 70 } ], composite_sub_policy: [
            { name: d, type: latency, latency: { threshold_ms: 2 } },
            { name: e, type: string_attribute, string_attribute: { key: k, values: [a] } } ] } } ] } }
  - { name: f, type: rate_limiting, rate_limiting: { spans_per_second: 7 } }
  - { name: g, type: and, and: { and_sub_policy: [
      { name: h, type: bytes_limiting, bytes_limiting: { bytes_per_second: 700 } },
      { name: i, type: probabilistic, probabilistic: { sampling_percentage: 50 } } ] } }
  - { name: j, type: dynamic, dynamic: { fields: [k, name], goal_throughput_per_sec: 3 } }
"#;

/// Sets that keep some of all traces, by chance and for their contents.
const COUNTED: [&str; 3] = [
    "
  - { name: a, type: probabilistic, probabilistic: { sampling_percentage: 12.5 } }
  - { name: b, type: and, and: { and_sub_policy: [
      { name: c, type: status_code, status_code: { status_codes: [ERROR] } },
      { name: d, type: probabilistic_sampler, probabilistic_sampler: {
          sampling_percentage: 50, mode: proportional, sampling_precision: 14 } } ] } }
",
    "
  - { name: a, type: status_code, status_code: { status_codes: [ERROR] } }
  - { name: b, type: probabilistic_sampler, probabilistic_sampler: {
      sampling_percentage: 25, mode: proportional, sampling_precision: 14 } }
",
    "
  - { name: a, type: or, or: { or_sub_policy: [
      { name: b, type: probabilistic_sampler, probabilistic_sampler: {
          sampling_percentage: 6.25, mode: equalizing } },
      { name: c, type: and, and: { and_sub_policy: [
        { name: d, type: probabilistic, probabilistic: { sampling_percentage: 75 } },
        { name: e, type: probabilistic_sampler, probabilistic_sampler: {
            sampling_percentage: 25, mode: proportional, sampling_precision: 14 } } ] } } ] } }
",
];

/// Levels of randomness, as many as the thresholds in the tests below tell apart.
const LEVELS: u64 = 512;

/// What head samplers leave of a trace: spans have a threshold of sixteen, or none, and those with the
/// least one may be errors. Gives the numbers of the spans that came through.
fn let_pass(
    of_spans: &[(Option<u64>, bool)],
    least: u64,
    id: u128,
    stated: Option<u64>,
) -> (Trace, Vec<usize>) {
    let randomness = stated.unwrap_or((id % (1 << 56)) as u64);
    let mut sent = Vec::new();
    let mut trace = Trace::new(id);
    for (number, (threshold, is_error)) in of_spans.iter().enumerate() {
        let rejected = threshold.unwrap_or(0);
        if randomness < rejected << 52 {
            continue;
        }
        let says =
            [threshold.map(|th| format!("th:{th:x}")), stated.map(|rv| format!("rv:{rv:014x}"))];
        let says: Vec<String> = says.into_iter().flatten().collect();
        let trace_state =
            if says.is_empty() { String::new() } else { format!("ot={}", says.join(";")) };
        let is_error = *is_error && rejected == least;
        trace = trace.span(Span { trace_state, ..status(if is_error { ERROR } else { OK }) });
        sent.push(number);
    }
    (trace, sent)
}

proptest! {
    #[test]
    fn prop_the_compiled_scan_decides_as_the_plain_way(trace in trace()) {
        for yaml in SETS {
            let config = config(&format!("policies:\n{yaml}"));
            let kept = trace.is_kept(&compiled(yaml));
            prop_assert_eq!(kept, naive::is_kept(&config, &trace), "{}", yaml);
        }
    }

    #[test]
    fn prop_neither_order_nor_grouping_matters(
        (trace, shuffled) in trace().prop_flat_map(|trace| {
            let shuffled = Just(trace.spans.clone()).prop_shuffle();
            (Just(trace), shuffled)
        }),
        cut: prop::sample::Index,
    ) {
        for yaml in SETS.into_iter().chain([CONDITIONS_ON_TRACES, BUDGETS]) {
            let policies = compiled(yaml);
            let whole = trace.record(&policies);
            let part = |spans: &[(Vec<KeyValue>, Span)]| {
                Trace { id: trace.id, spans: spans.to_vec() }.record(&policies)
            };
            prop_assert_eq!(&part(&shuffled), &whole);
            let key = TraceId(trace.id.to_be_bytes()).key();
            let (first, second) = shuffled.split_at(cut.index(shuffled.len() + 1));
            let mut merged = part(second);
            policies.plan.layout.merge(key, &mut merged, &part(first));
            prop_assert_eq!(merged, whole);
        }
    }

    /// Where the probability is known, the threshold says which of all traces with the same
    /// contents are kept; where it is not, it claims nothing.
    #[test]
    fn prop_a_known_threshold_tells_who_is_kept(trace in trace(), others: [u64; 8]) {
        for yaml in SETS {
            let policies = compiled(yaml);
            let record = trace.record(&policies);
            let own = TraceId(trace.id.to_be_bytes()).key();
            for key in others.into_iter().map(TraceKey).chain([own]) {
                let decision = policies.decide(key, &record);
                let randomness = Record { layout: &policies.plan.layout, words: &record }
                    .randomness()
                    .unwrap_or_else(|| key.randomness());
                prop_assert!(!decision.kept || randomness >= decision.threshold);
                prop_assert!(decision.threshold <= 1 << 56);
                prop_assert_eq!(&decision, &policies.decide(key, &record));
                if decision.probability_known && decision.threshold < 1 << 56 {
                    prop_assert_eq!(decision.kept, randomness >= decision.threshold);
                }
            }
        }
    }

    /// Whatever thresholds its spans come with: over all randomness that a trace may have, what each
    /// span counts for where it is kept adds up to how often it was sent.
    #[test]
    fn prop_counts_add_up(
        of_spans in vec((prop::option::of(0..16_u64), any::<bool>()), 1..5),
        stated: bool,
    ) {
        let thresholds = of_spans.iter().map(|(threshold, _)| threshold.unwrap_or(0));
        let least = thresholds.min().unwrap_or(0);
        for yaml in COUNTED {
            let policies = compiled(yaml);
            let mut counts = vec![0.0; of_spans.len()];
            for level in 0..LEVELS {
                let randomness = level << 47 | 1;
                let id = 5 << 100 | u128::from(if stated { 77 } else { randomness });
                let (trace, sent) = let_pass(&of_spans, least, id, stated.then_some(randomness));
                let decision = trace.decision(&policies);
                if trace.spans.is_empty() || !decision.kept {
                    continue;
                }
                prop_assert!(decision.probability_known);
                for (number, (_, span)) in sent.into_iter().zip(&trace.spans) {
                    let state = leaves_with(span, &decision);
                    let threshold = tracestate::read(state.as_bytes()).threshold;
                    counts[number] += 1.0 / threshold.map_or(1.0, Threshold::probability);
                }
            }
            for count in counts {
                prop_assert!((count - LEVELS as f64).abs() < 1e-6, "{} {}", count, yaml);
            }
        }
    }

    #[test]
    fn prop_bytes_that_are_no_span_are_noticed(bytes in bytes()) {
        for yaml in SETS {
            let policies = compiled(yaml);
            let mut record = policies.blank_record().to_vec();
            let observed = policies.observe(&bytes, &mut Heads::default(), &mut record);
            prop_assert_eq!(observed.malformed, check(&bytes).is_err());
            policies.resource(&bytes, &mut Heads::default());
        }
    }
}

#[test]
fn a_tenth_is_a_tenth() {
    for settings in
        ["{ sampling_percentage: 10 }", "{ sampling_percentage: 10, hash_salt: pepper }"]
    {
        let policies = policy("probabilistic", settings);
        let mut kept = 0;
        let mut state = 42_u64;
        let mut random = || {
            // SplitMix64.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ mixed >> 31
        };
        for _ in 0..100_000 {
            let id = u128::from(random()) << 64 | u128::from(random());
            kept += u32::from(Trace::new(id).span(Span::default()).is_kept(&policies));
        }
        assert!((9_800..=10_200).contains(&kept), "{settings}: {kept}");
    }
}
