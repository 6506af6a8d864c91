//! Tests of the filter.

use prost::Message;
use wholetrace_proto::{otlp::TracesData, spans::count, tracestate::Threshold};
use wholetrace_spanlog::Position;

use super::*;
use crate::{
    core::{decision::table::TraceDecision, hash::KeyHash},
    testing::{Span, frame, ids},
};

const TIME: LogTime = LogTime(50);

/// Even keys are kept.
fn decided(keys: u64) -> DecisionTable {
    let mut table = DecisionTable::new(1000, KeyHash::new(5));
    for key in 0..keys {
        let decision = PackedDecision::new(key % 2 == 0, None);
        let (first_seen, decided_at) = (LogTime(10), LogTime(20));
        table.insert(
            &TraceDecision { key: TraceKey(key), first_seen, decided_at, decision },
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
        table.insert(&TraceDecision { key, first_seen, decided_at, decision }, Position(0), TIME);
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
