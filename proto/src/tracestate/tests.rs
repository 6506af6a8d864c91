use prost::Message;

use super::*;
use crate::otlp::Span;

/// A span whose trace id carries `randomness`.
fn span(trace_state: &str, randomness: u64) -> Span {
    let mut trace_id = vec![0xab; 16];
    trace_id[9..].copy_from_slice(&randomness.to_be_bytes()[1..]);
    Span {
        trace_id,
        span_id: vec![1; 8],
        trace_state: trace_state.to_owned(),
        name: "n".to_owned(),
        ..Span::default()
    }
}

const HIGHEST: u64 = (1 << 56) - 1;

/// The tracestate afterwards, of a span with the randomness given; `None` when nothing changes.
fn rewritten(trace_state: &str, randomness: u64, kept: Kept) -> Option<String> {
    let given = span(trace_state, randomness);
    let body = given.encode_to_vec();
    let mut out = Vec::new();
    rewrite(&body, kept)?.append_to(&mut out);
    let went = Span::decode(&*out).unwrap();
    let trace_state = went.trace_state.clone();
    assert_eq!(Span { trace_state: given.trace_state.clone(), ..went }, given);
    Some(trace_state)
}

fn at(text: &str) -> Kept {
    Kept::At(Threshold::parse(text.as_bytes()).unwrap())
}

fn at_stated(text: &str) -> Kept {
    Kept::AtStated(Threshold::parse(text.as_bytes()).unwrap())
}

#[test]
fn probabilities_have_the_published_thresholds() {
    let cases = [
        (1.0, "0"),
        (0.5, "8"),
        (0.25, "c"),
        (0.1, "e666"),
        (0.01, "fd70a"),
        (0.001, "ffbe77"),
        (1.0 / 3.0, "aaab"),
        (2.0_f64.powi(-56), "ffffffffffffff"),
    ];
    for (probability, wanted) in cases {
        let threshold = Threshold::of_probability(probability);
        assert_eq!(threshold.to_string(), wanted, "{probability}");
        assert_eq!(Threshold::parse(wanted.as_bytes()), Some(threshold));
        assert!((threshold.probability() - probability).abs() <= probability * 0.001);
    }
    assert_eq!(Threshold::of_probability(0.0), Threshold::NEVER);
    assert_eq!(Threshold::of_probability(f64::NAN), Threshold::NEVER);
    assert_eq!(Threshold::of_probability(-1.0), Threshold::NEVER);
    assert_eq!(Threshold::of_probability(7.0), Threshold::ALWAYS);
    assert!(!Threshold::NEVER.keeps(HIGHEST) && Threshold::ALWAYS.keeps(0));
}

#[test]
fn the_entry_is_read_among_others() {
    let randomness = Some(0x00fe_dcba_9876_5432);
    let eighth = Threshold::parse(b"e");
    let cases: [(&str, Option<Threshold>, Option<u64>); 12] = [
        ("", None, None),
        ("vendor=ot=th:e", None, None),
        ("xot=th:e", None, None),
        ("ot=th:e", eighth, None),
        ("ot=th:e0000000000000", eighth, None),
        ("a=1 , ot=th:e;rv:fedcba98765432 ,b=2", eighth, randomness),
        ("ot=rv:fedcba98765432;p:8", None, randomness),
        ("ot=th:e00000000000000", None, None),
        ("ot=th:;rv:fedcba9876543", None, None),
        ("ot=th:E;rv:FEDCBA98765432", None, None),
        ("ot=th:e;th:f", eighth, None),
        ("ot=th:e,ot=th:f;rv:fedcba98765432", eighth, None),
    ];
    for (text, threshold, randomness) in cases {
        let entry = read(text.as_bytes());
        assert_eq!((entry.threshold, entry.randomness), (threshold, randomness), "{text}");
    }
}

#[test]
fn what_is_kept_for_sure_stays_as_it_came() {
    let sure = Kept::At(Threshold::ALWAYS);
    for state in ["", "ot=th:8", "ot=th:0", "ot=th:zz", "vendor=1", "ot=rv:fedcba98765432;p:1"] {
        assert_eq!(rewritten(state, HIGHEST, sure), None, "{state}");
    }
}

#[test]
fn thresholds_are_written_and_raised_and_never_lowered() {
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(rewritten("", HIGHEST, at("e666")), some("ot=th:e666"));
    assert_eq!(rewritten("ot=th:8", HIGHEST, at("c")), some("ot=th:c"));
    assert_eq!(rewritten("ot=th:c", HIGHEST, at("8")), None);
    assert_eq!(rewritten("ot=th:c000", HIGHEST, at("c")), None);
    assert_eq!(rewritten("ot=th:zz;p:1", HIGHEST, at("c")), some("ot=th:c;p:1"));
}

#[test]
fn what_cannot_be_true_is_erased() {
    let some = |text: &str| Some(text.to_owned());
    let low = 0x10_0000_0000_0000;
    assert_eq!(rewritten("ot=th:8", low, Kept::At(Threshold::ALWAYS)), some(""));
    assert_eq!(rewritten("a=b,ot=th:8;p:1", low, Kept::At(Threshold::ALWAYS)), some("ot=p:1,a=b"));
    // And no other one is written: the probability is not known.
    assert_eq!(rewritten("ot=th:8", low, at("08")), some(""));
    assert_eq!(rewritten("v=1,ot=th:8;p:1", low, at("08")), some("ot=p:1,v=1"));
    assert_eq!(
        rewritten("ot=rv:10000000000000;th:8", HIGHEST, at("08")),
        some("ot=rv:10000000000000")
    );
    // A span of a trace that was kept by the randomness of another one.
    assert_eq!(rewritten("", low, at("8")), None);
    assert_eq!(rewritten("ot=th:8", low, at("8")), some(""));
    assert_eq!(rewritten("ot=rv:ffffffffffffff;th:8", low, at_stated("8")), None);
}

/// A threshold says nothing of a span with another randomness than the one it was compared with,
/// unless it keeps all.
#[test]
fn only_spans_with_the_randomness_that_was_compared_carry_the_threshold() {
    let some = |text: &str| Some(text.to_owned());
    let stated = "ot=rv:fedcba98765432";
    for (state, kept, wanted) in [
        ("", at("8"), some("ot=th:8")),
        ("", at_stated("8"), None),
        ("ot=th:4", at_stated("8"), some("")),
        (stated, at_stated("8"), Some(format!("ot=th:8;{}", &stated[3..]))),
        (stated, at("8"), None),
        ("ot=rv:fedcba98765432;th:4", at("8"), some(stated)),
        ("ot=rv:fedcba98765432;th:4", at("0"), None),
        ("ot=th:4", at_stated("0"), None),
        ("ot=rv:fedcba98765432;th:4", at_stated("0"), None),
    ] {
        assert_eq!(rewritten(state, HIGHEST, kept), wanted, "{state} {kept:?}");
    }
    assert_eq!(counted("ot=th:4", HIGHEST, at_stated("8")), None);
    assert_eq!(counted("ot=th:8", HIGHEST, at_stated("0")), Some(2));
    assert_eq!(counted("ot=rv:fedcba98765432", 0, at_stated("8")), Some(2));
}

#[test]
fn an_unknown_probability_erases_the_threshold() {
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(rewritten("", HIGHEST, Kept::Unknown), None);
    assert_eq!(rewritten("ot=th:8", HIGHEST, Kept::Unknown), some(""));
    assert_eq!(rewritten("ot=th:zz,v=1", HIGHEST, Kept::Unknown), some("v=1"));
    assert_eq!(
        rewritten("ot=rv:fedcba98765432;th:8;p:1", HIGHEST, Kept::Unknown),
        some("ot=rv:fedcba98765432;p:1")
    );
}

#[test]
fn others_stay_in_their_order_and_only_as_many_as_there_may_be() {
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        rewritten("a=1, b=2 ,,ot=p:1;th:8,c=3,ot=th:0", HIGHEST, at("c")),
        some("ot=th:c;p:1,a=1,b=2,c=3")
    );
    let many: Vec<_> = (0..32).map(|number| format!("v{number}=x")).collect();
    let wanted = format!("ot=th:c,{}", many[..31].join(","));
    assert_eq!(rewritten(&many.join(","), HIGHEST, at("c")), Some(wanted));
}

/// Readers drop all of a tracestate of which one member is malformed, our threshold with it.
#[test]
fn what_is_no_entry_is_dropped() {
    let long = "k".repeat(257);
    let malformed = [
        "novalue",
        "=x",
        "k=",
        "K=x",
        "k=a=b",
        "k v=x",
        " k =x",
        "é=x",
        "k=é",
        "k=\u{1}",
        "@k=x",
        &format!("{long}=x"),
        &format!("k={long}"),
        "ot",
        "ot =th:0",
    ];
    for member in malformed {
        let state = format!("a=1,{member},b=2");
        let wanted = Some("ot=th:c,a=1,b=2".to_owned());
        assert_eq!(rewritten(&state, HIGHEST, at("c")), wanted, "{member}");
    }
    let well_formed = ["k=x", "1k=x", "a_-*/@b=x y!~", &format!("{}=x", &long[1..])];
    for member in well_formed {
        let wanted = Some(format!("ot=th:c,{member}"));
        assert_eq!(rewritten(member, HIGHEST, at("c")), wanted, "{member}");
    }
    let wanted = Some("ot=th:c;p:1".to_owned());
    assert_eq!(rewritten("ot=x:é;th:8;y:\u{7f};p:1;z=1", HIGHEST, at("c")), wanted);
    // It is no reason to touch a tracestate that stays as it is.
    assert_eq!(rewritten("novalue", HIGHEST, Kept::At(Threshold::ALWAYS)), None);
}

#[test]
fn a_long_entry_loses_what_nobody_knows_but_not_the_randomness() {
    let long = format!("ot=x:{};y:1;rv:ffffffffffffff;z:2", "x".repeat(250));
    let wanted = "ot=th:c;y:1;rv:ffffffffffffff;z:2".to_owned();
    assert_eq!(rewritten(&long, 0, at_stated("c")), Some(wanted));
}

#[test]
fn a_tracestate_given_twice_is_replaced_by_one() {
    let mut body = span("ot=th:8,a=1", HIGHEST).encode_to_vec();
    body.extend(b"\x1a\x08ot=th:c0");
    let mut out = Vec::new();
    rewrite(&body, at("e")).unwrap().append_to(&mut out);
    assert_eq!(Span::decode(&*out).unwrap(), span("ot=th:e", HIGHEST));
    assert_eq!(out.windows(3).filter(|window| window == b"ot=").count(), 1);
}

#[test]
fn a_malformed_span_is_left_alone() {
    let body = span("", HIGHEST).encode_to_vec();
    assert!(rewrite(&body[..body.len() - 1], at("e")).is_none());
}

fn counted(trace_state: &str, randomness: u64, kept: Kept) -> Option<u64> {
    adjusted_count(&span(trace_state, randomness).encode_to_vec(), kept)
}

#[test]
fn a_span_counts_for_those_that_were_not_kept() {
    let cases = [
        ("", Kept::At(Threshold::ALWAYS), Some(1)),
        ("", at("8"), Some(2)),
        ("ot=th:c", Kept::At(Threshold::ALWAYS), Some(4)),
        ("ot=th:8", at("c"), Some(4)),
        ("ot=th:c", at("8"), Some(4)),
        ("", Kept::Unknown, None),
        ("ot=th:8", Kept::Unknown, None),
        // It says what nobody can read, or what cannot be.
        ("ot=th:XY", Kept::At(Threshold::ALWAYS), None),
        ("ot=th:8;rv:00000000000000", at("8"), None),
        ("ot=th:0", Kept::At(Threshold::ALWAYS), Some(1)),
    ];
    for (trace_state, kept, count) in cases {
        assert_eq!(counted(trace_state, HIGHEST, kept), count, "{trace_state} {kept:?}");
    }
    assert_eq!(counted("", HIGHEST, at("ffffffffffffff")), Some(1 << 56));
    assert_eq!(adjusted_count(b"\x0a", at("8")), None);
}

/// Counts are whole and add up to the truth: here over all that three digits can draw.
#[test]
fn counts_add_up() {
    for threshold in ["4", "aab", "e66", "fd7", "ffe"] {
        let drawn = (0..0x1000_u64).map(|digits| digits << 44);
        let kept = Threshold::parse(threshold.as_bytes()).unwrap();
        let counts = drawn.filter(|drawn| kept.keeps(*drawn));
        let total: u64 = counts.filter_map(|drawn| counted("", drawn, Kept::At(kept))).sum();
        assert!(total.abs_diff(0x1000) <= 1, "{threshold}: {total}");
    }
}
