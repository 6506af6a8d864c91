//! What the simulation does not come to: logs that are large.

use wholetrace_proto::{
    record::{Claim, Decision, encode_decisions},
    tracestate::Threshold,
};
use wholetrace_spanlog::Partition;

use super::*;
use crate::{
    core::partition::settings::Bounds,
    testing::{Span, decision, frame},
};

const RECORD: u64 = 500;

fn settings() -> Settings {
    let max_unfinished_bytes = 1 << 20;
    Settings {
        partition: Partition(0),
        owner: 9,
        epoch: 0,
        exporters: vec!["one".into(), "two".into()],
        decision_wait: 1000,
        decision_wait_after_root: 0,
        decision_retention: 3_600_000,
        bounds: Bounds {
            max_decisions: 1000,
            max_open_traces: 1000,
            max_recent_spans: 1000,
            max_unfinished_bytes,
            refetch_bytes: 1 << 20,
        },
        read_ahead: 3000,
        max_piece_bytes: 1 << 20,
        stopwatch: None,
        recording: crate::policy::Recording::default(),
        hash_seed: 1,
    }
}

/// The record at `position` of a log of decisions about one trace every millisecond.
fn recorded(position: u64) -> Frame {
    let of = |key: u64| Decision {
        first_seen_ms: 1_000_000 + key,
        decided_at_ms: 1_001_000 + key,
        threshold: Threshold::ALWAYS,
        ..decision(key, false)
    };
    let decisions: Vec<Decision> =
        (position * RECORD + 1..=(position + 1) * RECORD).map(of).collect();
    let claim = Some(Claim { term: 1, owner: 1 });
    let (time, kind) = (LogTime(2_000_000), RecordKind::Decisions);
    let payload = encode_decisions(&["one"], claim, &decisions).into();
    Frame { position: Position(position), time, kind, epoch: 0, payload }
}

/// I6: a decision that is nowhere is not searched for in all that is recorded, and the spans that
/// wait for it are kept; those behind find theirs all the same.
#[test]
fn a_missing_decision_is_searched_for_within_bounds() {
    let settings = settings();
    let most = settings.most_decisions_behind() + RECORD as usize;
    let records = 10_000;
    let spans = |position: u64, key: u64| {
        let span = Span { key, id: position, ..Span::default() };
        let (time, kind) = (LogTime(1_000_000 + position), RecordKind::Spans);
        Frame { position: Position(position), time, kind, epoch: 0, payload: frame(&[span]) }
    };
    // One trace that nobody has decided, then those that somebody has.
    let missing = records * RECORD + 7;
    let log: Vec<Frame> =
        (0..2000).map(|at| spans(at, if at == 0 { missing } else { at })).collect();
    let claims = Claims::new(0, &[]);
    let mut reader = CatchUp::new(ResumePoint::default(), &settings);
    let (mut reads, mut unknown) = (0, Vec::new());
    let mut clock = Watermark::default();
    let _ = clock.advance(LogTime(1_001_999), &mut Oddities::default());
    let head = ResumePoint { position: 2000, clock, decisions: 0 };
    loop {
        match reader.next((Position(2000), &head), Position(records), &settings) {
            Ahead::Wait => break,
            Ahead::Read(topic, from) => {
                reads += 1;
                let found = match topic {
                    TopicName::Decisions => vec![recorded(from.0)],
                    _ => log[from.0 as usize..].to_vec(),
                };
                let found = Found::Records(found);
                reader.found((topic, from), found, &claims, settings.many_decisions());
                assert!(reader.decisions() <= most, "{} decisions", reader.decisions());
            }
            Ahead::Passed => reader.evict(),
            Ahead::Filtered { point, filtered, .. } => {
                unknown.push((point.position, filtered.undecided))
            }
            Ahead::Unreadable { .. } => unreachable!("nothing is damaged"),
        }
    }
    assert_eq!(unknown, [(0, 1)]);
    assert!(reads < 20, "{reads} reads");
}

/// What is before the last record is deleted, and its time is far ahead of what the reader knows:
/// it does not wait for a record behind it, which may never come.
#[test]
fn the_last_record_needs_none_behind_it() {
    let settings = settings();
    let mut clock = Watermark::default();
    let _ = clock.advance(LogTime(1_000_000), &mut Oddities::default());
    let mut reader = CatchUp::new(ResumePoint { clock, ..ResumePoint::default() }, &settings);
    let mut of_the_partition = clock;
    of_the_partition.confirm(LogTime(1_010_000), None, &mut Oddities::default());
    let head = ResumePoint { position: 8, clock: of_the_partition, decisions: 0 };
    let next = |reader: &mut CatchUp| reader.next((Position(8), &head), Position(0), &settings);
    assert!(matches!(next(&mut reader), Ahead::Read(TopicName::Spans, Position(0))));
    let (claims, from) = (Claims::new(0, &[]), |position| (TopicName::Spans, Position(position)));
    reader.found(from(0), Found::Gone(Position(7)), &claims, 100);
    assert!(matches!(next(&mut reader), Ahead::Read(TopicName::Spans, Position(7))));
    let (time, kind) = (LogTime(1_010_000), RecordKind::Spans);
    let payload = frame(&[Span { key: 1, id: 1, ..Span::default() }]);
    let last = Frame { position: Position(7), time, kind, epoch: 0, payload };
    reader.found(from(7), Found::Records(vec![last]), &claims, 100);
    assert!(
        matches!(next(&mut reader), Ahead::Filtered { point, .. } if point.clock.now() == time)
    );
}

/// The time of the last record that the partition took in is far ahead of the one behind it, which
/// the partition has looked at and not taken in: the spans are of the time that counted there.
#[test]
fn the_last_record_has_the_time_of_the_partition() {
    let settings = settings();
    let (rogue, next) = (LogTime(9_000_000), LogTime(1_000_100));
    let mut clock = Watermark::default();
    let _ = clock.advance(LogTime(1_000_000), &mut Oddities::default());
    let mut reader = CatchUp::new(ResumePoint { clock, ..ResumePoint::default() }, &settings);
    let mut of_the_partition = clock;
    of_the_partition.confirm(rogue, Some(next), &mut Oddities::default());
    let head = ResumePoint { position: 1, clock: of_the_partition, decisions: 0 };
    let (from, claims) = ((TopicName::Spans, Position(0)), Claims::new(0, &[]));
    let asks = reader.next((Position(1), &head), Position(0), &settings);
    assert!(matches!(asks, Ahead::Read(TopicName::Spans, Position(0))));
    let payload = frame(&[Span { key: 1, id: 1, ..Span::default() }]);
    let kind = RecordKind::Spans;
    let last = Frame { position: Position(0), time: rogue, kind, epoch: 0, payload };
    reader.found(from, Found::Records(vec![last]), &claims, 100);
    let Ahead::Filtered { point, .. } = reader.next((Position(1), &head), Position(0), &settings)
    else {
        panic!("the record is passed")
    };
    assert_eq!(point.clock.now(), LogTime(1_000_100));
}
