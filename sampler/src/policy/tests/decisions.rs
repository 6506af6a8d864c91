//! What each policy makes of given traces.

use prost::Message;
use wholetrace_proto::{
    id::TraceKey,
    otlp::{KeyValue, Span, any_value::Value},
    tracestate::Threshold,
};

use crate::policy::{
    plan::{Heads, Record, is_root},
    tests::support::*,
};

const MS: u64 = 1_000_000;
/// A randomness that consistent sampling keeps at any share above 0.
const LUCKY: u128 = (1 << 56) - 1;

#[test]
fn the_first_policy_that_kept_it_is_named() {
    let policies = policies(
        "
  - { name: slow, type: latency, latency: { threshold_ms: 100 } }
  - { name: errors, type: status_code, status_code: { status_codes: [ERROR] } }
  - { name: all, type: probabilistic, probabilistic: { sampling_percentage: 50 } }
",
    );
    let name = |trace: &Trace| {
        trace.decision(&policies).policy.and_then(|index| policies.policy_name(index))
    };
    let slow_error = dull().span(status(ERROR)).span(times(MS, 500 * MS));
    assert_eq!(name(&slow_error), Some("slow"));
    assert_eq!(name(&dull().span(status(ERROR))), Some("errors"));
    assert_eq!(name(&Trace::new(LUCKY).span(Span::default())), Some("all"));
    assert_eq!(name(&dull()), None);
    let matched = |trace: &Trace| trace.decision(&policies).matched.iter().collect::<Vec<_>>();
    assert_eq!(matched(&slow_error), [0, 1]);
    assert_eq!(matched(&Trace::new(LUCKY).span(status(ERROR))), [1, 2]);
    assert!(matched(&dull()).is_empty());
}

/// A table of what is known of the probability of a trace that was kept.
#[test]
fn the_probability_is_known_unless_an_own_draw_could_have_changed_it() {
    let errors = "{ name: e, type: status_code, status_code: { status_codes: [ERROR] } }";
    let half = "{ name: h, type: probabilistic, probabilistic: { sampling_percentage: 50 } }";
    let drawn = "{ name: d, type: probabilistic, probabilistic: { sampling_percentage: 99, \
                 hash_salt: s } }";
    let and = |a: &str, b: &str| {
        format!("{{ name: a, type: and, and: {{ and_sub_policy: [{a}, {b}] }} }}")
    };
    let drop = |a: &str| format!("{{ name: x, type: drop, drop: {{ drop_sub_policy: [{a}] }} }}");
    let (drawn_errors, half_errors) = (and(errors, drawn), and(errors, half));
    let half_threshold = Threshold::of_probability(0.5).get();
    let rare =
        drop("{ name: r, type: probabilistic, probabilistic: { sampling_percentage: 0.001 } }");
    let rare_drawn = drop(
        "{ name: r, type: probabilistic, probabilistic: { sampling_percentage: 1e-9, \
         hash_salt: s } }",
    );
    let cases: &[(&[&str], i32, Option<u64>)] = &[
        (&[errors, half], ERROR, Some(0)),
        (&[errors, half], OK, Some(half_threshold)),
        (&[errors, drawn], ERROR, Some(0)),
        (&[half, drawn], OK, None),
        (&[drawn], OK, None),
        // The draw concerns errors only.
        (&[half, &drawn_errors], OK, Some(half_threshold)),
        (&[half, &drawn_errors], ERROR, None),
        (&[&half_errors], ERROR, Some(half_threshold)),
        // A drop that happens by chance: no threshold tells how often.
        (&[errors, &rare], ERROR, None),
        (&[errors, &rare_drawn], ERROR, None),
        (&[half, &drop(errors)], OK, Some(half_threshold)),
    ];
    for (set, code, threshold) in cases {
        let policies =
            policies(&set.iter().map(|policy| format!("  - {policy}\n")).collect::<String>());
        let id = 0xc0_0000_0000_0000;
        let decision = Trace::new(id).span(status(*code)).decision(&policies);
        assert!(decision.kept, "{set:?}");
        assert_eq!(decision.probability_known.then_some(decision.threshold), *threshold, "{set:?}");
        assert!(u128::from(decision.threshold) <= id);
    }
}

/// The policies of a block, with one that keeps all.
fn with_signals(signals: &str) -> crate::policy::set::PolicySet {
    let yaml = format!("{signals}\npolicies:\n  - {{ name: all, type: always_sample }}");
    let mut problems = wholetrace_runtime::problems::Problems::new();
    crate::policy::set::PolicySet::compile(&config(&yaml), "", &mut problems).unwrap()
}

/// `sampling.priority` of 0 discards a trace when that is configured, and only then. A keep signal goes
/// before it, and a bound for bytes still has its own name.
#[test]
fn what_asks_to_be_discarded_is_when_that_is_obeyed() {
    let priority = |value| attribute("sampling.priority", value);
    let decided = |signals: &str, attributes: Vec<KeyValue>| {
        let policies = with_signals(signals);
        let trace = dull().span(with(attributes));
        let decision = trace.decision(&policies);
        let name = decision.policy.and_then(|index| policies.policy_name(index));
        (decision.kept, name.map(str::to_owned))
    };
    let (kept, discarded) = ((true, Some("all".into())), (false, Some("drop_signals".into())));
    let obeyed = "drop_signals: [sampling_priority]";
    for (signals, value, expected) in [
        ("", Value::IntValue(0), &kept),
        ("drop_signals: []", Value::IntValue(0), &kept),
        ("keep_signals: [sampling_priority]", Value::IntValue(0), &kept),
        (obeyed, Value::IntValue(0), &discarded),
        (obeyed, Value::DoubleValue(0.0), &discarded),
        (obeyed, Value::StringValue("0".into()), &discarded),
        (obeyed, Value::IntValue(1), &kept),
        (obeyed, Value::IntValue(-1), &kept),
        (obeyed, Value::StringValue(String::new()), &kept),
        (obeyed, Value::BoolValue(false), &kept),
    ] {
        assert_eq!(decided(signals, vec![priority(value.clone())]), *expected, "{value:?}");
    }
    let both = format!("{obeyed}\nkeep_signals: [debug]");
    let debug = text("wholetrace.keep", "zipkin.debug");
    let zero = priority(Value::IntValue(0));
    let by_signal = (true, Some("keep_signals".to_owned()));
    assert_eq!(decided(&both, vec![debug, zero.clone()]), by_signal);
    let bounded = format!("{obeyed}\nmaximum_trace_size_bytes: 1");
    let too_large = (false, Some("maximum_trace_size_bytes".to_owned()));
    assert_eq!(decided(&bounded, vec![zero]), too_large);
}

/// That a tracer sampled a span, or did not, is for policies: nothing is kept or discarded for it.
#[test]
fn the_sampled_flag_is_no_signal() {
    let all = "keep_signals: [debug, jaeger_debug_id, sampling_priority]\n\
               drop_signals: [sampling_priority]";
    let policies = with_signals(all);
    let yaml = format!(
        "{all}\npolicies:\n  - {{ name: no, type: latency, latency: {{ threshold_ms: 9 }} }}"
    );
    let mut problems = wholetrace_runtime::problems::Problems::new();
    let none = crate::policy::set::PolicySet::compile(&config(&yaml), "", &mut problems).unwrap();
    for flags in [0, 1, 3, 0x101] {
        let trace = dull().span(Span { flags, ..Span::default() });
        assert_eq!((trace.is_kept(&policies), trace.is_kept(&none)), (true, false), "{flags}");
    }
}

#[test]
fn what_asks_to_be_kept_is_kept_when_that_is_honoured() {
    let cases = [
        ("[debug]", text("wholetrace.keep", "zipkin.debug"), true),
        ("[debug]", text("wholetrace.keep", ""), false),
        ("[]", text("wholetrace.keep", "zipkin.debug"), false),
        ("[debug]", text("jaeger-debug-id", "abc"), false),
        ("[jaeger_debug_id]", text("jaeger-debug-id", "abc"), true),
        ("[debug]", attribute("sampling.priority", Value::IntValue(1)), false),
        ("[sampling_priority]", attribute("sampling.priority", Value::IntValue(1)), true),
        ("[sampling_priority]", attribute("sampling.priority", Value::IntValue(0)), false),
        ("[sampling_priority]", attribute("sampling.priority", Value::IntValue(-1)), false),
        ("[sampling_priority]", attribute("sampling.priority", Value::DoubleValue(0.5)), true),
        (
            "[sampling_priority]",
            attribute("sampling.priority", Value::DoubleValue(f64::NAN)),
            false,
        ),
        ("[sampling_priority]", text("sampling.priority", "2"), true),
        ("[sampling_priority]", text("sampling.priority", "high"), false),
    ];
    for (signals, attribute, kept) in cases {
        let yaml = format!(
            "keep_signals: {signals}\npolicies:\n  - {{ name: none, type: latency, \
             latency: {{ threshold_ms: 1000 }} }}"
        );
        let mut problems = wholetrace_runtime::problems::Problems::new();
        let policies =
            crate::policy::set::PolicySet::compile(&config(&yaml), "", &mut problems).unwrap();
        let decision = dull().span(with(vec![attribute.clone()])).decision(&policies);
        assert_eq!(decision.kept, kept, "{signals} {attribute:?}");
        let name = decision.policy.and_then(|index| policies.policy_name(index));
        assert_eq!(name, kept.then_some("keep_signals"));
    }
}

#[test]
fn roots_and_defects_are_told() {
    let policies = policy("string_attribute", "{ key: k, values: [v] }");
    let observe = |bytes: &[u8]| {
        let mut record = policies.blank_record().to_vec();
        policies.observe(bytes, &mut Heads::default(), &mut record)
    };
    let child = Span { parent_span_id: vec![0, 0, 0, 0, 0, 0, 0, 1], ..Span::default() };
    let zeros = Span { parent_span_id: vec![0; 8], ..Span::default() };
    assert!(observe(&[]).root);
    assert!(observe(&zeros.encode_to_vec()).root);
    assert!(!observe(&child.encode_to_vec()).root);
    assert!(!observe(&child.encode_to_vec()).malformed);
    // The server's half of a call whose client has told no parent; and as an Envoy begins a trace.
    let shared = |is, id| Span {
        trace_id: [[1; 8], [2; 8]].concat(),
        span_id: vec![id; 8],
        ..with(vec![text("a", "b"), attribute("zipkin.shared", Value::BoolValue(is))])
    };
    for (span, root) in
        [(shared(true, 3), false), (shared(true, 2), true), (shared(false, 3), true)]
    {
        let bytes = span.encode_to_vec();
        assert_eq!((observe(&bytes).root, is_root(&bytes)), (root, root));
    }
    let mut cut = status(ERROR).encode_to_vec();
    cut.pop();
    assert!(observe(&cut).malformed);
}

/// Tracers that cut ids to 64 bits and others that do not meet in one trace.
#[test]
fn the_widest_id_names_the_trace() {
    let yaml = "
  - { name: a, type: probabilistic, probabilistic: { sampling_percentage: 5, hash_salt: a } }
  - { name: b, type: span_count, span_count: { min_spans: 3, max_spans: 3 } }
";
    let policies = policies(yaml);
    let mut words = policies.blank_record().to_vec();
    for id in [5_u128, 3 << 64 | 5, 5] {
        let span = Span { trace_id: id.to_be_bytes().into(), ..Span::default() };
        policies.observe(&span.encode_to_vec(), &mut Heads::default(), &mut words);
    }
    let record = Record { layout: &policies.plan.layout, words: &words };
    assert_eq!(record.trace_id(TraceKey(5)), (3_u128 << 64 | 5).to_be_bytes());
    assert!(policies.decide(TraceKey(5), &words).matched.contains(1), "three spans");
}
