//! One trace in several dialects: ids of two lengths, shared span ids, requests that came twice.

use wholetrace_exporter::contract::{ExporterIndex, Outcome, Settled, Ticket};

use super::*;
use crate::testing::trace_ids;

fn exported_ids(pieces: &mut Vec<Bytes>) -> Vec<u128> {
    pieces.drain(..).flat_map(|piece| trace_ids(&piece)).collect()
}

/// Spans with an id of 64 bits leave with the one of 128 bits that came before or behind them, the
/// late ones too, and by another owner, who never saw a span with the long one.
#[test]
fn trap_02_a_trace_leaves_with_its_longest_id_also_late_and_by_another_owner() {
    let long = 7_u128 << 64 | 5;
    for with_hints in [true, false] {
        let mut stand = Stand::new(settings(1000), 1 << 20);
        stand.append(1_000_000, &[span(5, 1, true), span(6, 2, true)]);
        stand.append(1_000_500, &[Span { id_high: 7, ..span(5, 3, false) }, span(5, 4, false)]);
        stand.append(1_002_000, &[span(5, 5, false)]);
        stand.append(1_004_000, &[]);
        stand.read(9);
        assert_eq!(stand.exported, [1, 2, 3, 4, 5]);
        assert_eq!(exported_ids(&mut stand.pieces), [long, 6, long, long, long]);

        // The spans before are gone from the log.
        let settle = |stand: &mut Stand, position: u64| {
            let ticket = Ticket { partition: 0, position, piece: 0 };
            let (exporter, outcome) = (ExporterIndex(0), Outcome::Delivered);
            stand.step(Input::Settled(vec![Settled { exporter, ticket, outcome }]));
        };
        (0..3).for_each(|position| settle(&mut stand, position));
        stand.append(1_006_000, &[span(5, 6, false), span(6, 7, false)]);
        stand.append(1_008_000, &[]);
        stand.change_owner(settings(1000), with_hints);
        assert!(stand.read.0 >= 3, "begins at {}", stand.read.0);
        stand.read(9);
        assert_eq!(stand.exported[5..], [6, 7]);
        assert_eq!(exported_ids(&mut stand.pieces), [long, 6]);
    }
}

/// A request that came twice, whose answer was lost: its spans leave once. Those that share an id and
/// are not alike all leave, and a new owner, who goes on before all of it, loses none.
#[test]
fn trap_15_what_came_twice_leaves_once() {
    let mut stand = Stand::new(settings(1000), 1 << 20);
    let request = [span(5, 1, true), span(5, 2, false), span(6, 3, false)];
    stand.append(1_000_000, &request);
    stand.append(1_000_100, &[Span { root: true, ..span(5, 1, true) }]);
    stand.append(1_000_200, &request);
    stand.append(1_005_000, &request);
    stand.append(1_009_000, &[]);
    stand.read(9);
    assert_eq!(stand.exported, [1, 2, 1]);
    let stats = stand.state.take_stats();
    assert_eq!((stats.spans_kept, stats.spans_repeated, stats.spans_not_sampled), (3, 4, 3));

    // Nothing of it was delivered.
    stand.exported.clear();
    stand.change_owner(settings(1000), true);
    stand.read(9);
    assert_eq!(stand.exported, [1, 2, 1]);

    let none = Bounds { max_recent_spans: 0, ..settings(1000).bounds };
    stand.exported.clear();
    stand.change_owner(Settings { bounds: none, ..settings(1000) }, true);
    stand.read(9);
    assert_eq!(stand.exported, [1, 2, 1, 1, 2, 1, 2]);
}

/// The two sides of a call have one id: neither is taken for the other come again.
#[test]
fn trap_01_spans_that_share_an_id_all_leave() {
    let mut stand = Stand::new(settings(1000), 1 << 20);
    let (client, server) = (span(5, 1, true), Span { noise: true, ..span(5, 1, true) });
    stand.append(1_000_000, &[client, server]);
    stand.append(1_000_500, &[server, client, Span { gold: true, ..client }]);
    stand.append(1_002_000, &[]);
    stand.read(9);
    assert_eq!(stand.exported, [1, 1, 1]);
    assert_eq!(stand.state.take_stats().spans_repeated, 2);
}

/// Spans come before their parents, with clocks that differ, and after the decision: the trace is
/// judged by all that came in time, and what comes later goes where the others went.
#[test]
fn trap_19_clock_skew_and_late_roots_split_no_trace() {
    let slow = compile(serde_json::json!({
        "decision_wait": "1s",
        "policies": [ { "name": "slow", "type": "latency", "latency": { "threshold_ms": 500 } } ],
    }));
    let timed = |key, id, start_ms, end_ms| Span { start_ms, end_ms, ..span(key, id, false) };
    let root = |key, id, start_ms, end_ms| Span { root: true, ..timed(key, id, start_ms, end_ms) };
    let now: u64 = 1_790_000_000_000;
    let at = |offset: i64| now.saturating_add_signed(offset);
    let mut stand = Stand::with(slow, settings(1000), 1 << 20);
    // A child that began before its parent, one that ended before it began, one of another decade: only
    // what the root says makes the first trace slow, and nothing makes the second one.
    let children = |key, id| {
        [
            timed(key, id, at(-210), at(-100)),
            timed(key, id + 1, at(-150), at(-9_000)),
            timed(key, id + 2, 5, at(-100)),
        ]
    };
    stand.append(now, &children(5, 1));
    stand.append(now + 100, &children(6, 11));
    stand.append(now + 900, &[root(5, 4, at(-200), at(400)), root(6, 14, at(-200), at(-50))]);
    stand.append(now + 2_000, &[]);
    // Late ones, one of which would have made its trace slow.
    stand
        .append(now + 60_000, &[timed(5, 5, at(-100), at(-90)), timed(6, 15, at(-200), at(9_000))]);
    stand.append(now + 62_000, &[]);
    stand.read(9);
    assert_eq!(stand.exported, [1, 2, 3, 4, 5]);
}
