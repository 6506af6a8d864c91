//! What each policy makes of given traces.

use prost::Message;
use wholetrace_proto::{
    id::TraceKey,
    otlp::{KeyValue, Span, any_value::Value},
    tracestate::Threshold,
};

use crate::policy::{
    budget::Goal,
    plan::{Heads, Record, is_root},
    tests::support::*,
};

const MS: u64 = 1_000_000;
/// A randomness that consistent sampling keeps at any share above 0.
const LUCKY: u128 = (1 << 56) - 1;

#[test]
fn always_sample_keeps_all() {
    assert!(dull().is_kept(&policies("  - { name: all, type: always_sample }")));
}

#[test]
fn status_code_wants_one_span_of_a_status() {
    let cases: &[(&str, &[i32], bool)] = &[
        ("[ERROR]", &[UNSET, ERROR], true),
        ("[ERROR]", &[UNSET, OK], false),
        ("[OK, ERROR]", &[OK], true),
        ("[UNSET]", &[OK, ERROR], false),
        ("[UNSET]", &[OK, UNSET], true),
        ("ERROR", &[ERROR], true),
        // A status that does not exist is none of those that do.
        ("[OK, ERROR, UNSET]", &[3], false),
        ("[OK, ERROR, UNSET]", &[-1], false),
    ];
    for (codes, spans, kept) in cases {
        let policies = policy("status_code", &format!("{{ status_codes: {codes} }}"));
        let trace = spans.iter().fold(Trace::new(1), |trace, code| trace.span(status(*code)));
        assert_eq!(trace.is_kept(&policies), *kept, "{codes} {spans:?}");
    }
    let policies = policy("status_code", "{ status_codes: [UNSET] }");
    assert!(Trace::new(1).span(Span::default()).is_kept(&policies), "no status at all is unset");
}

/// What is judged is the whole trace, from the earliest start to the latest end.
#[test]
fn latency_is_above_the_threshold_and_up_to_the_upper_one() {
    type Case = (i64, i64, &'static [(u64, u64)], bool);
    let cases: &[Case] = &[
        (5000, 0, &[(1, 5001 * MS + 1)], true),
        // Just as long is not longer; and fractions of a millisecond are cut.
        (5000, 0, &[(MS, 5001 * MS)], false),
        (5000, 0, &[(MS, 5002 * MS - 1)], false),
        (5000, 0, &[(MS, 5002 * MS)], true),
        // No span is that slow, the trace is.
        (5000, 0, &[(MS, 3000 * MS), (2500 * MS, 5400 * MS)], true),
        (5000, 0, &[(2500 * MS, 5400 * MS), (MS, 3000 * MS)], true),
        // Between two bounds, in any order of the spans.
        (1000, 2000, &[(MS, 1501 * MS)], true),
        (1000, 2000, &[(MS, 1001 * MS)], false),
        (1000, 2000, &[(MS, 2001 * MS)], true),
        (1000, 2000, &[(MS, 2002 * MS)], false),
        (1000, 2000, &[(MS, 1501 * MS), (MS, 9000 * MS)], false),
        (1000, 2000, &[(MS, 9000 * MS), (MS, 1501 * MS)], false),
        // Times that the sender did not know move nothing.
        (1000, 0, &[(0, 9000 * MS)], false),
        (1000, 0, &[(9000 * MS, 0)], false),
        (1000, 0, &[(0, 0), (8000 * MS, 9000 * MS + 1)], false),
        (1000, 0, &[(0, 9500 * MS), (8000 * MS, 0)], true),
        // Clocks that disagree.
        (1000, 0, &[(9000 * MS, 1000 * MS)], false),
        (0, 0, &[(MS, 2 * MS - 1)], false),
        (0, 0, &[(MS, 2 * MS)], true),
        (-1, 0, &[(MS, MS)], true),
        (1000, 500, &[(MS, 800 * MS)], false),
        (0, -1, &[(MS, 800 * MS)], false),
    ];
    for (threshold, upper, spans, kept) in cases {
        let settings = format!("{{ threshold_ms: {threshold}, upper_threshold_ms: {upper} }}");
        let policies = policy("latency", &settings);
        let trace = spans.iter().fold(Trace::new(1), |trace, (s, e)| trace.span(times(*s, *e)));
        assert_eq!(trace.is_kept(&policies), *kept, "{settings} {spans:?}");
    }
}

#[test]
fn string_attribute_matches_exactly_or_by_pattern() {
    let exact = "{ key: k, values: [value, other] }";
    let pattern =
        "{ key: k, values: ['v[0-9]+.HEALTHZ$', '^\\d+$'], enabled_regex_matching: true }";
    let inverted = "{ key: k, values: [value], invert_match: true }";
    let cases: &[(&str, &str, bool)] = &[
        (exact, "value", true),
        (exact, "other", true),
        (exact, "values", false),
        (exact, "Value", false),
        (exact, "", false),
        (pattern, "/api/v1/HEALTHZ", true),
        (pattern, "/api/v1/HEALTHZ/", false),
        (pattern, "42", true),
        (pattern, "٤٢", false),
        (inverted, "value", false),
        (inverted, "other", true),
        (inverted, "", true),
    ];
    for (settings, value, kept) in cases {
        let policies = policy("string_attribute", settings);
        let on_span = dull().span(with(vec![text("a", "b"), text("k", value)]));
        let on_resource = dull().of(text("k", value)).of(text("a", "b"));
        assert_eq!(on_span.is_kept(&policies), *kept, "span: {settings} {value}");
        assert_eq!(on_resource.is_kept(&policies), *kept, "resource: {settings} {value}");
    }
    assert!(!dull().is_kept(&policy("string_attribute", exact)));
    assert!(dull().is_kept(&policy("string_attribute", inverted)), "a missing key does not match");
}

/// An empty text, and a value that is no text, count on a resource as an empty text and on a span
/// not at all. Empty values to match are passed over, empty patterns match everything.
#[test]
fn string_attribute_without_text() {
    let pattern = "{ key: k, values: ['^$'], enabled_regex_matching: true }";
    let exact = "{ key: k, values: ['', x] }";
    let empty_pattern = "{ key: k, values: [''], enabled_regex_matching: true }";
    let empty = || text("k", "");
    let number = || attribute("k", Value::IntValue(5));
    let cases = [
        (pattern, empty(), true, false),
        (pattern, number(), true, false),
        (pattern, attribute("k", Value::BytesValue(b"x".to_vec())), true, false),
        (exact, empty(), false, false),
        (exact, number(), false, false),
        (empty_pattern, text("k", "anything"), true, true),
        (empty_pattern, number(), true, false),
    ];
    for (settings, attribute, on_resource, on_span) in cases {
        let policies = policy("string_attribute", settings);
        let resource = dull().of(attribute.clone());
        let span = dull().span(with(vec![attribute.clone()]));
        assert_eq!(resource.is_kept(&policies), on_resource, "{settings} {attribute:?}");
        assert_eq!(span.is_kept(&policies), on_span, "{settings} {attribute:?}");
    }
}

#[test]
fn of_attributes_with_the_same_name_the_first_counts() {
    let policies = policy("string_attribute", "{ key: k, values: [yes] }");
    let twice = |first, second| dull().span(with(vec![text("k", first), text("k", second)]));
    assert!(twice("yes", "no").is_kept(&policies));
    assert!(!twice("no", "yes").is_kept(&policies));
}

#[test]
fn probabilistic_keeps_by_the_low_bits_of_the_id() {
    let cases: &[(&str, u128, bool)] = &[
        ("50", 0x80_0000_0000_0000, true),
        ("49", 0x80_0000_0000_0000, false),
        ("10", 0xe6_6600_0000_0000, true),
        ("10", 0xe6_65ff_ffff_ffff, false),
        // Neither the high half nor the eighth byte from the end has a say.
        ("50", u128::MAX << 56, false),
        ("100", 0, true),
        ("120", 0, true),
        ("0", LUCKY, false),
        ("-5", LUCKY, false),
    ];
    for (percentage, id, kept) in cases {
        let settings = format!("{{ sampling_percentage: {percentage} }}");
        let trace = Trace::new(*id).span(Span::default());
        let decision = trace.decision(&policy("probabilistic", &settings));
        assert_eq!(decision.kept, *kept, "{percentage} % {id:x}");
        assert!(decision.probability_known);
    }
}

#[test]
fn an_explicit_randomness_goes_before_the_id() {
    let policies = policy("probabilistic", "{ sampling_percentage: 50 }");
    let stated = |id, state: &str| {
        let stated = Span { trace_state: state.to_owned(), ..Span::default() };
        Trace::new(id).span(Span::default()).span(stated)
    };
    assert!(stated(1, "a=b,ot=th:8;rv:80000000000000").is_kept(&policies));
    assert!(!stated(LUCKY, "ot=rv:7fffffffffffff").is_kept(&policies));
    assert!(stated(LUCKY, "ot=rv:7ffff").is_kept(&policies), "a malformed one does not count");
}

#[test]
fn with_a_salt_the_collectors_hash_draws() {
    let id = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
    let trace = Trace::new(id).span(Span::default());
    for salt in ["default-hash-seed", "''"] {
        let at = |percentage: &str| {
            let settings = format!("{{ sampling_percentage: {percentage}, hash_salt: {salt} }}");
            trace.decision(&policy("probabilistic", &settings))
        };
        assert!(!at("64.55").kept);
        assert!(at("64.56").kept);
        assert!(!at("64.56").probability_known, "no threshold can tell of it");
        assert!(at("100").probability_known);
    }
    let kept = |salt: &str| -> Vec<bool> {
        let settings = format!("{{ sampling_percentage: 50, hash_salt: {salt} }}");
        let policies = policy("probabilistic", &settings);
        (1..64_u128)
            .map(|n| {
                Trace::new((n << 96) | (n * 0x9e37_79b9_7f4a_7c15))
                    .span(Span::default())
                    .is_kept(&policies)
            })
            .collect()
    };
    assert_ne!(kept("one"), kept("another"), "each salt draws for itself");
}

const AND: &str = "
  - name: both
    type: and
    and:
      and_sub_policy:
        - { name: a, type: status_code, status_code: { status_codes: [ERROR] } }
        - { name: b, type: string_attribute, string_attribute: { key: k, values: [v] } }
        - { name: c, type: probabilistic, probabilistic: { sampling_percentage: 50 } }
";

#[test]
fn and_keeps_what_all_would_keep() {
    let policies = policies(AND);
    let whole = |id| Trace::new(id).span(status(ERROR)).span(with(vec![text("k", "v")]));
    let decision = whole(LUCKY).decision(&policies);
    assert!(decision.kept && decision.probability_known);
    assert_eq!(decision.threshold, 0x80_0000_0000_0000);
    assert!(!whole(0).is_kept(&policies));
    assert!(!Trace::new(LUCKY).span(status(ERROR)).is_kept(&policies));
    let wrong = Trace::new(LUCKY).span(with(vec![text("k", "v")]));
    assert_eq!(wrong.decision(&policies).threshold, Threshold::NEVER.get());
}

const DROP: &str = "
  - { name: all, type: always_sample }
  - name: checks
    type: drop
    drop:
      drop_sub_policy:
        - { name: a, type: string_attribute, string_attribute: { key: path, values: [/health] } }
        - { name: b, type: status_code, status_code: { status_codes: [UNSET] } }
";

#[test]
fn drop_wins_over_all() {
    let policies = policies(DROP);
    let check = Trace::new(LUCKY).span(with(vec![text("path", "/health")]));
    let decision = check.decision(&policies);
    assert!(!decision.kept);
    assert_eq!(policies.policy_name(decision.policy.unwrap()), Some("checks"));
    let marked = check.span(with(vec![text("wholetrace.keep", "zipkin.debug")]));
    assert!(!marked.is_kept(&policies), "also over what asks to be kept");
    let decision = dull().decision(&policies);
    assert!(decision.kept && decision.probability_known);
    assert_eq!(policies.policy_name(decision.policy.unwrap()), Some("all"));
}

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
    let policies = policies(AND);
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

/// A condition sees one span with its scope and its resource, or one event of it.
#[test]
fn ottl_conditions_see_one_span_at_a_time() {
    let both = r#"{ span: ['attributes["a"] == "x" and attributes["b"] == "y"'] }"#;
    let policies = policy("ottl_condition", both);
    let (a, b) = (text("a", "x"), text("b", "y"));
    assert!(dull().span(with(vec![a.clone(), b.clone()])).is_kept(&policies));
    assert!(!dull().span(with(vec![a.clone()])).span(with(vec![b.clone()])).is_kept(&policies));
    let mixed = r#"{ span: ['resource.attributes["a"] == "x" and attributes["b"] == "y"'] }"#;
    let policies = policy("ottl_condition", mixed);
    assert!(dull().span(with(vec![b.clone()])).of(a.clone()).is_kept(&policies));
    assert!(!dull().span(with(vec![b])).span(Span::default()).of(a.clone()).is_kept(&policies));
    let resource = r#"{ resource: ['attributes["a"] == "x"'] }"#;
    assert!(dull().of(a.clone()).is_kept(&policy("ottl_condition", resource)));
    assert!(!dull().span(with(vec![a])).is_kept(&policy("ottl_condition", resource)));
}

/// A condition without an answer does not hold; with `propagate` what is around it fails as well.
#[test]
fn ottl_conditions_may_fail() {
    let settings = |mode: &str| {
        format!(
            r#"{{ error_mode: {mode}, span: ['Int(attributes["n"]) / 0 == 1', 'name == "yes"'] }}"#
        )
    };
    let number = with(vec![attribute("n", Value::IntValue(5))]);
    let named = Span { name: "yes".to_owned(), ..Span::default() };
    for mode in ["ignore", "silent", "propagate"] {
        let plain = policy("ottl_condition", &settings(mode));
        assert!(!dull().span(number.clone()).is_kept(&plain), "{mode}");
        assert!(dull().span(number.clone()).span(named.clone()).is_kept(&plain), "{mode}");
        let inner = settings(mode);
        let not = policies(&format!(
            "  - {{ name: a, type: not, not: {{ not_sub_policy: {{ name: b, type: ottl_condition, \
             ottl_condition: {inner} }} }} }}"
        ));
        assert_eq!(dull().span(number.clone()).is_kept(&not), mode != "propagate", "{mode}");
        assert!(!dull().span(named.clone()).is_kept(&not), "{mode}");
    }
}

/// What can be said of a whole trace.
#[test]
fn trace_conditions_see_the_whole_trace() {
    let root = |name: &str| Span { name: name.to_owned(), ..status(OK) };
    let child = |code: i32| Span { parent_span_id: vec![1; 8], ..status(code) };
    let of = |service: &str| text("service.name", service);
    let two = Trace::new(1)
        .span(Span { end_time_unix_nano: 5000 * MS, start_time_unix_nano: MS, ..root("GET /") })
        .of(of("shop"))
        .span(child(ERROR))
        .of(of("cart"))
        .span(child(ERROR))
        .of(of("cart"));
    let cases: &[(&str, bool)] = &[
        ("trace.duration > Duration(\"4s\")", true),
        ("trace.duration > Duration(\"5s\")", false),
        ("trace.span_count == 3 and trace.error_count == 2", true),
        ("trace.service_count == 2", true),
        ("trace.service_count > 2", false),
        ("trace.has_root", true),
        ("trace.root.name == \"GET /\"", true),
        ("trace.root.status.code == STATUS_CODE_ERROR", false),
        ("trace.root.resource.attributes[\"service.name\"] == \"shop\"", true),
        ("trace.root.resource.attributes[\"service.name\"] == \"cart\"", false),
        ("any(span, status.code == STATUS_CODE_ERROR) and not trace.root.name == \"POST /\"", true),
        ("all(span, status.code == STATUS_CODE_ERROR)", false),
        ("all(span, resource.attributes[\"service.name\"] != nil)", true),
        ("count(span, status.code == STATUS_CODE_ERROR) > 1", true),
        ("count(span, status.code == STATUS_CODE_ERROR) > 2", false),
        ("any(spanevent, name == \"exception\")", false),
    ];
    for (condition, kept) in cases {
        let policies = policy("trace_condition", &format!("{{ trace: ['{condition}'] }}"));
        assert_eq!(two.is_kept(&policies), *kept, "{condition}");
    }
    let many = (0..9).fold(Trace::new(1), |trace, service| {
        trace.span(child(OK)).of(of(&format!("s{service}"))).span(child(OK)).of(of("s1"))
    });
    let services = |bound: u64| {
        policy("trace_condition", &format!("{{ trace: ['trace.service_count == {bound}'] }}"))
    };
    assert!(many.is_kept(&services(9)) && !many.is_kept(&services(8)));
    let (errors, _) = problems(
        "policies: [ { name: a, type: trace_condition, trace_condition: { trace: [\
         'trace.service_count > 64', 'trace.durration > 5' ] } } ]",
    );
    assert_eq!(errors.len(), 2, "{errors:?}");
}

/// Who finds no room in one share finds it in another; shares of more than all are bounded together.
#[test]
fn a_composite_policy_shares_its_spans() {
    let yaml = |percent: i64| {
        format!(
            "  - {{ name: c, type: composite, composite: {{ max_total_spans_per_second: 1000, \
             composite_sub_policy: [ \
             {{ name: errors, type: status_code, status_code: {{ status_codes: [ERROR] }} }}, \
             {{ name: all, type: always_sample }} ], \
             rate_allocation: [ {{ policy: errors, percent: {percent} }} ] }} }}"
        )
    };
    let set = policies(&yaml(30));
    let budgets: Vec<_> =
        set.budgets().iter().map(|budget| (budget.name.as_str(), budget.goal)).collect();
    assert_eq!(budgets, [("c/errors", Goal::PerSecond(300.0)), ("c/all", Goal::PerSecond(500.0))]);
    let error = Trace::new(LUCKY).span(status(ERROR));
    let fine = Trace::new(LUCKY).span(status(OK));
    let (decision, asked) = within(&set, &error, &[0.0, 0.5]);
    assert!(decision.kept && asked.len() == 2, "room among all: {asked:?}");
    assert!((Threshold::new(decision.threshold).unwrap().probability() - 0.5).abs() < 1e-5);
    let (decision, asked) = within(&set, &fine, &[1.0, 0.0]);
    assert!(!decision.kept && asked.len() == 1, "no error: {asked:?}");

    let set = policies(&yaml(80));
    assert_eq!(set.budgets()[2].goal, Goal::PerSecond(1000.0));
    let (decision, _) = within(&set, &error, &[1.0, 1.0, 0.25]);
    assert!((Threshold::new(decision.threshold).unwrap().probability() - 0.25).abs() < 1e-5);
}

/// The key of a trace is that of its values, whatever the order of its spans.
#[test]
fn a_dynamic_policy_tells_kinds_of_traces_apart() {
    let set = policy("dynamic", "{ fields: [route, root.name], goal_sample_rate: 10 }");
    let key = |trace: &Trace| within(&set, trace, &[0.1]).1[0].key;
    let root = |name: &str| Span { name: name.to_owned(), ..Span::default() };
    let child = |route: &str| Span {
        parent_span_id: vec![1; 8],
        name: route.to_owned(),
        ..with(vec![text("route", route)])
    };
    let a = Trace::new(1).span(root("GET")).span(child("/a")).span(child("/b"));
    let b = Trace::new(2).span(child("/b")).span(root("GET")).span(child("/a")).span(child("/a"));
    assert_eq!(key(&a), key(&b));
    assert_ne!(key(&a), key(&Trace::new(1).span(root("PUT")).span(child("/a")).span(child("/b"))));
    assert_ne!(key(&a), key(&Trace::new(1).span(root("GET")).span(child("/c"))));
    let of_resource = Trace::new(3).span(root("GET")).of(text("route", "/a"));
    assert_eq!(key(&of_resource), key(&Trace::new(1).span(root("GET")).span(child("/a"))));
}
