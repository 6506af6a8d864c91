//! Tests of the filter.

use prost::Message;
use wholetrace_proto::{
    otlp::{KeyValue, TracesData, any_value::Value},
    spans::count,
    tracestate::Threshold,
};

use super::*;
use crate::{
    core::{decision::table::TraceDecision, hash::KeyHash},
    testing::{Span, frame, ids, trace_ids},
};

const TIME: LogTime = LogTime(50);

fn filter(
    payload: &[u8],
    time: LogTime,
    decided: &DecisionTable,
    max_bytes: usize,
) -> Result<Filtered, WireError> {
    let recording = Recording::default();
    super::filter(payload, time, decided, Pieces { max_bytes, recording: &recording }, None)
}

/// Even keys are kept.
fn decided(keys: u64) -> DecisionTable {
    let mut table = DecisionTable::new(1000, KeyHash::new(5));
    for key in 0..keys {
        let decision = PackedDecision::new(key % 2 == 0, None);
        let (first_seen, decided_at) = (LogTime(10), LogTime(20));
        table.insert(
            &TraceDecision { key: TraceKey(key), first_seen, decided_at, decision, id_high: 0 },
            Position(0),
            TIME,
        );
    }
    table
}

fn spans(count: u64) -> Vec<Span> {
    (0..count).map(|n| Span { key: n % 10, id: n, ..Span::default() }).collect()
}

fn all_ids(filtered: &Filtered) -> Vec<u64> {
    filtered.pieces.iter().flat_map(|(piece, _)| ids(piece)).collect()
}

#[test]
fn kept_spans_leave_in_order_and_the_others_stay() {
    let filtered = filter(&frame(&spans(20)), TIME, &decided(10), 1 << 20).unwrap();
    let even: Vec<u64> = (0..20).filter(|n| n % 2 == 0).collect();
    assert_eq!(all_ids(&filtered), even);
    assert_eq!(
        (filtered.kept, filtered.not_sampled, filtered.undecided, filtered.pieces.len()),
        (10, 10, 0, 1)
    );
    assert_eq!(filtered.bytes, filtered.pieces[0].0.len());
}

#[test]
fn roots_that_come_too_late_are_counted() {
    let roots = |span: Span| Span { root: true, ..span };
    let payload = frame(&spans(20).into_iter().map(roots).collect::<Vec<_>>());
    let late = |payload: &[u8], time| {
        filter(payload, LogTime(time), &decided(10), 1 << 20).unwrap().late_roots
    };
    assert_eq!([20, 21, 50].map(|time| late(&payload, time)), [0, 10, 10]);
    assert_eq!(late(&frame(&spans(20)), 50), 0);
}

#[test]
fn pieces_stay_below_their_bound_and_hold_at_least_a_span() {
    let payload = frame(&spans(100));
    let table = decided(10);
    let whole = all_ids(&filter(&payload, TIME, &table, usize::MAX).unwrap());
    for most in [1, 200, 300, 1000] {
        let filtered = filter(&payload, TIME, &table, most).unwrap();
        assert_eq!(all_ids(&filtered), whole);
        for (piece, spans) in &filtered.pieces {
            assert_eq!(count(piece).unwrap(), *spans as usize);
            assert!(piece.len() <= most || *spans == 1, "{} of {most}", piece.len());
        }
    }
}

#[test]
fn a_frame_without_kept_spans_leaves_nothing() {
    let odd = Span { key: 1, id: 1, ..Span::default() };
    let filtered = filter(&frame(&[odd]), TIME, &decided(2), 100).unwrap();
    assert!(filtered.pieces.is_empty());
    assert_eq!((filtered.kept, filtered.not_sampled), (0, 1));
}

#[test]
fn spans_without_a_decision_are_kept_and_counted() {
    let filtered = filter(&frame(&spans(10)), TIME, &decided(9), 1 << 20).unwrap();
    assert_eq!(all_ids(&filtered), [0, 2, 4, 6, 8, 9]);
    assert_eq!(filtered.undecided, 1);
}

/// A mark on each of its spans, beside the threshold that they carry.
#[test]
fn spans_of_late_fragments_are_marked() {
    let mut table = DecisionTable::new(1000, KeyHash::new(5));
    for key in 0..10 {
        let threshold = Threshold::of_probability(if key < 5 { 1.0 } else { 0.5 });
        let decision = PackedDecision::new(true, Some(threshold)).of_late_fragment(key % 2 == 0);
        let (first_seen, decided_at) = (LogTime(10), LogTime(20));
        let key = TraceKey(u64::MAX - key);
        table.insert(
            &TraceDecision { key, first_seen, decided_at, decision, id_high: 0 },
            Position(0),
            TIME,
        );
    }
    let spans: Vec<Span> = spans(10).iter().map(|s| Span { key: u64::MAX - s.key, ..*s }).collect();
    let filtered = filter(&frame(&spans), TIME, &table, 1 << 20).unwrap();
    let message = TracesData::decode(filtered.pieces[0].0.clone()).unwrap();
    let kept = message.resource_spans.iter().flat_map(|r| &r.scope_spans).flat_map(|s| &s.spans);
    for (id, span) in (0..).zip(kept) {
        assert_eq!(span.span_id, u64::to_be_bytes(id));
        let marks: Vec<&str> = span.attributes.iter().map(|one| one.key.as_str()).collect();
        let expected: &[&str] = if id % 2 == 0 { &["wholetrace.late_fragment"] } else { &[] };
        assert_eq!(marks, expected, "{id}");
        assert_eq!(span.trace_state, if id < 5 { "" } else { "ot=th:8" });
    }
}

#[test]
fn malformed_frames_are_errors() {
    for payload in [&b"\x0a\xff"[..], b"\x07", b"\x0a\x02\x12\x09"] {
        assert!(filter(payload, TIME, &decided(0), 100).is_err(), "{payload:?}");
    }
}

/// Keys from 0 on are kept by policies in turn, every second one with a probability of a half.
fn by(policies: &[&str]) -> DecisionTable {
    let mut table = DecisionTable::new(1000, KeyHash::new(5));
    for key in 0..10_u64 {
        let threshold = Threshold::of_probability(if key % 2 == 0 { 1.0 } else { 0.5 });
        let policy = table.policies_mut().number(policies[key as usize % policies.len()]);
        let decision = PackedDecision::new(true, Some(threshold)).by(policy);
        let (first_seen, decided_at) = (LogTime(10), LogTime(20));
        let key = TraceKey(u64::MAX - key);
        table.insert(
            &TraceDecision { key, first_seen, decided_at, decision, id_high: 0 },
            Position(0),
            TIME,
        );
    }
    table
}

fn of_keys(keys: impl IntoIterator<Item = u64>) -> Bytes {
    let spans = keys.into_iter().map(|n| Span { key: u64::MAX - n, id: n, ..Span::default() });
    frame(&spans.collect::<Vec<_>>())
}

type Told = Vec<(String, String)>;

/// The ids of spans, with what they and their scopes are told.
fn told(
    payload: &[u8],
    time: u64,
    table: &DecisionTable,
    pieces: Pieces<'_>,
) -> Vec<(u64, Told, Told)> {
    let said = |attributes: &[KeyValue]| -> Told {
        let value = |one: &KeyValue| match one.value.clone().and_then(|value| value.value) {
            Some(Value::StringValue(text)) => text,
            Some(Value::IntValue(number)) => number.to_string(),
            other => format!("{other:?}"),
        };
        attributes.iter().map(|one| (one.key.clone(), value(one))).collect()
    };
    let filtered = super::filter(payload, LogTime(time), table, pieces, None).unwrap();
    let mut all = Vec::new();
    for (piece, spans) in &filtered.pieces {
        assert!(piece.len() <= pieces.max_bytes || *spans == 1, "{}", piece.len());
        let message = TracesData::decode(piece.clone()).unwrap();
        for scope in message.resource_spans.iter().flat_map(|resource| &resource.scope_spans) {
            let of_scope = scope.scope.as_ref().map(|scope| said(&scope.attributes));
            for span in &scope.spans {
                let id = u64::from_be_bytes(span.span_id.clone().try_into().unwrap());
                all.push((id, of_scope.clone().unwrap_or_default(), said(&span.attributes)));
            }
        }
    }
    all
}

fn text(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

/// Spans of one scope may follow decisions of several policies.
#[test]
fn scopes_are_told_the_policy() {
    let table = by(&["errors", "slow"]);
    let recording = Recording { policy: RecordPolicy::Scope, ..Recording::default() };
    let recording = &recording;
    let payload = of_keys([0, 2, 1, 1, 3, 0]);
    for max_bytes in [1, 200, 1 << 20] {
        let told = told(&payload, 19, &table, Pieces { max_bytes, recording });
        let expected: Vec<_> = [(0, "errors"), (2, "errors"), (1, "slow"), (1, "slow")]
            .into_iter()
            .chain([(3, "slow"), (0, "errors")])
            .map(|(id, policy)| (id, vec![text("tailsampling.policy", policy)], vec![]))
            .collect();
        assert_eq!(told, expected, "{max_bytes}");
    }
}

#[test]
fn spans_are_told_why_and_how_many_they_stand_for() {
    let table = by(&["errors", ""]);
    let recording =
        Recording { policy: RecordPolicy::Span, adjusted_count: true, ..Recording::default() };
    let pieces = Pieces { max_bytes: 1 << 20, recording: &recording };
    let rate = |rate: &str| text("SampleRate", rate);
    let policy = text("tailsampling.policy", "errors");
    let expected = vec![
        (0, vec![], vec![policy.clone(), rate("1")]),
        // A policy whose name is not known.
        (1, vec![], vec![rate("2")]),
    ];
    assert_eq!(told(&of_keys([0, 1]), 19, &table, pieces), expected);
    // Spans that come when the trace is decided follow the decision.
    let cached = text("tailsampling.cached_decision", "Some(BoolValue(true))");
    let expected = vec![(0, vec![], vec![policy, cached, rate("1")])];
    assert_eq!(told(&of_keys([0]), 20, &table, pieces), expected);
}

/// The reason stands on spans wherever the policy stands.
#[test]
fn spans_are_told_the_reason() {
    let mut table = by(&["errors", "shares"]);
    let shares = table.policies_mut().number("shares");
    let checkout = table.policies_mut().with_sub_policy(shares, "checkout", true);
    let times = (LogTime(10), LogTime(20));
    let decision = PackedDecision::new(true, None).by(checkout);
    let key = TraceKey(u64::MAX - 10);
    let one = TraceDecision { key, first_seen: times.0, decided_at: times.1, decision, id_high: 0 };
    table.insert(&one, Position(0), TIME);
    let nobody = PackedDecision::new(true, None);
    let key = TraceKey(u64::MAX - 11);
    table.insert(&TraceDecision { key, decision: nobody, ..one }, Position(0), TIME);

    for (policy, of_scope) in [(RecordPolicy::None, false), (RecordPolicy::Scope, true)] {
        let recording = Recording { policy, reason: Some("why".into()), ..Recording::default() };
        for (time, late) in [(19, ""), (20, " - late arriving span")] {
            for max_bytes in [1, 1 << 20] {
                let pieces = Pieces { max_bytes, recording: &recording };
                let told = told(&of_keys([0, 1, 10, 11]), time, &table, pieces);
                let reasons: Vec<_> =
                    told.iter().map(|(id, _, span)| (*id, span.clone())).collect();
                let why = |id: u64, name: &str| (id, vec![text("why", &format!("{name}{late}"))]);
                let unknown =
                    if late.is_empty() { vec![] } else { vec![text("why", "late arriving span")] };
                let expected = [
                    why(0, "rules/trace/errors"),
                    why(1, "rules/trace/shares"),
                    why(10, "rules/trace/shares:checkout"),
                    (11, unknown),
                ];
                assert_eq!(reasons, expected);
                let composite = text("tailsampling.composite_policy", "checkout");
                assert_eq!(told[2].1.contains(&composite), of_scope);
                assert!(!told[1].1.contains(&composite));
            }
        }
    }
}

/// Spans with an id of 64 bits, padded on either side, leave with the one of 128 bits that others of
/// their trace have; what has another one keeps it, and the rest of a span is as it came.
#[test]
fn traces_leave_with_their_longest_id() {
    let long = |key: u64, high: u64| u128::from(high) << 64 | u128::from(key);
    // Keys that are multiples of eight are padded on the right.
    for key in [5, 8] {
        let of = |id_high| {
            let mut table = DecisionTable::new(1000, KeyHash::new(5));
            let decision = PackedDecision::new(true, Threshold::new(0));
            let (first_seen, decided_at) = (LogTime(10), LogTime(20));
            let key = TraceKey(key);
            let one = TraceDecision { key, first_seen, decided_at, decision, id_high };
            table.insert(&one, Position(0), TIME);
            table
        };
        let spans = [0, 3, 4].map(|id_high| Span { key, id_high, ..Span::default() });
        let payload = frame(&spans);
        let own = if key == 8 { 8_u128 << 64 } else { 5 };
        for (id_high, named) in [(0, own), (3, long(key, 3)), (4, long(key, 4))] {
            for max_bytes in [1, 1 << 20] {
                let filtered = filter(&payload, TIME, &of(id_high), max_bytes).unwrap();
                let pieces = filtered.pieces.iter();
                let ids: Vec<u128> = pieces.flat_map(|(piece, _)| trace_ids(piece)).collect();
                assert_eq!(ids, [named, long(key, 3), long(key, 4)]);
            }
        }
    }
}

/// What came twice leaves once, however often and to whomever it is released; and what shares a span
/// id, or a span under another resource, is no copy.
#[test]
fn copies_of_spans_leave_once() {
    let recording = Recording::default();
    let pieces = Pieces { max_bytes: 1 << 20, recording: &recording };
    let mut recent = RecentSpans::new(1000, 7);
    let table = decided(10);
    let mut release = |position: u64, payload: &[u8]| {
        let recent = Some((&mut recent, Position(position)));
        let filtered = super::filter(payload, TIME, &table, pieces, recent).unwrap();
        (all_ids(&filtered), filtered.kept, filtered.repeated, filtered.not_sampled)
    };
    let whole = frame(&spans(6));
    let kept = (vec![0, 2, 4], 3, 0, 3);
    assert_eq!(release(5, &whole), kept);
    // For another exporter, or from the log again.
    assert_eq!(release(5, &whole), kept);
    assert_eq!(release(7, &whole), (vec![], 0, 3, 3));
    assert_eq!(release(5, &whole), kept);
    assert_eq!(release(7, &whole), (vec![], 0, 3, 3));
    // The client and the server of a call share an id.
    let [client, server] =
        [false, true].map(|root| Span { key: 2, id: 9, root, ..Span::default() });
    assert_eq!(release(8, &frame(&[client, server])), (vec![9, 9], 2, 0, 0));
    assert_eq!(release(9, &frame(&[server, client, client])), (vec![], 0, 3, 0));
    // Behind three others a span has another resource.
    let moved: Vec<Span> = [1, 1, 1].map(|id| Span { key: 4, id, ..Span::default() }).into();
    assert_eq!(release(10, &frame(&moved)), (vec![1], 1, 2, 0));
    let moved = [&moved[..], &moved[..1]].concat();
    assert_eq!(release(11, &frame(&moved)), (vec![1], 1, 3, 0));
}

#[test]
fn what_policies_keep_is_counted() {
    let table = by(&["errors", "slow"]);
    let filtered = filter(&of_keys([0, 2, 1, 0]), TIME, &table, 1 << 20).unwrap();
    let size = crate::testing::body(&Span { key: u64::MAX, ..Span::default() }).len() as u64;
    let name = |kept: &KeptBy| table.policies().name(kept.policy).unwrap().to_string();
    let counts: Vec<_> =
        filtered.kept_by.iter().map(|kept| (name(kept), kept.spans, kept.bytes)).collect();
    let of = |name: &str, spans: u64| (name.to_owned(), spans, spans * size);
    assert_eq!(counts, [of("errors", 2), of("slow", 1), of("errors", 1)]);
}
