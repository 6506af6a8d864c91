//! Cases of the writing side.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;

use super::subject::{P0, P1, Subject, append_all, in_time, open, read_all, record, take, texts};
use crate::{
    position::Partition,
    reader::Start,
    record::{Record, RecordKind},
    writer::AppendError,
};

/// Each record of one caller is written once, in the order of its appends where the log promises that.
pub async fn positions_increase_in_order(subject: impl Subject) {
    let spans = subject.log().spans;
    // Handed over all at once, answered later.
    let appends: Vec<_> =
        (0..50).map(|number| spans.writer.append(P0, record(&number.to_string()))).collect();
    let mut positions = Vec::new();
    for append in appends {
        positions.push(in_time(append).await.unwrap());
    }
    let frames = read_all(&spans, P0).await;
    let mut found: Vec<_> =
        texts(&frames).into_iter().zip(frames.iter().map(|frame| frame.position)).collect();
    if !subject.keeps_order() {
        found.sort_by_key(|(text, _)| text.parse::<u32>().unwrap());
    }
    let appended = (0..50).map(|number: u32| number.to_string()).zip(positions);
    assert_eq!(found, appended.collect::<Vec<_>>());
}

/// A frame says what its record said.
pub async fn kinds_epochs_and_payloads_come_back(subject: impl Subject) {
    let log = subject.log();
    let large = Bytes::from((0..200_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
    let cases = [
        (&log.spans, Record::spans(77, large.clone()), RecordKind::Spans, 77, large),
        (&log.spans, Record::tick(), RecordKind::Tick, 0, Bytes::new()),
        (
            &log.decisions,
            Record::decisions(Bytes::from_static(b"yes")),
            RecordKind::Decisions,
            0,
            Bytes::from_static(b"yes"),
        ),
        (
            &log.dead_letters,
            Record::dead_letter(Bytes::from_static(b"no")),
            RecordKind::DeadLetter,
            0,
            Bytes::from_static(b"no"),
        ),
    ];
    for (topic, record, kind, epoch, payload) in cases {
        let position = in_time(topic.writer.append(P1, record)).await.unwrap();
        let frames = in_time(topic.reader.fetch(P1, position, 1 << 20)).await.unwrap();
        let frame = frames.first().unwrap();
        assert_eq!((frame.kind, frame.epoch), (kind, epoch));
        assert!(frame.payload == payload, "{kind:?}: the payload differs");
    }
}

/// Topics and partitions do not mix.
pub async fn topics_are_apart(subject: impl Subject) {
    let log = subject.log();
    append_all(&log.spans, P0, &["span of 0"]).await;
    append_all(&log.spans, P1, &["span of 1"]).await;
    append_all(&log.decisions, P0, &["decision of 0"]).await;
    assert_eq!(texts(&read_all(&log.spans, P0).await), ["span of 0"]);
    assert_eq!(texts(&read_all(&log.spans, P1).await), ["span of 1"]);
    assert_eq!(texts(&read_all(&log.decisions, P0).await), ["decision of 0"]);
    assert!(read_all(&log.decisions, P1).await.is_empty());
    assert!(read_all(&log.dead_letters, P0).await.is_empty());
}

/// A caller that goes away does not take its record back.
pub async fn a_dropped_append_is_still_written(subject: impl Subject) {
    let spans = subject.log().spans;
    let mut cursor = open(&spans, P0, Start::Earliest).await;
    drop(spans.writer.append(P0, record("dropped")));
    append_all(&spans, P0, &["waited for"]).await;
    let mut found = texts(&take(&mut *cursor, 2).await);
    found.sort_unstable();
    assert_eq!(found, ["dropped", "waited for"]);
}

/// Nothing is lost, doubled or swapped between callers; each caller's records keep their order.
pub async fn appends_of_many_callers_all_arrive(subject: impl Subject) {
    const CALLERS: usize = 8;
    const EACH: usize = 40;
    let spans = subject.log().spans;
    let mut cursor = open(&spans, P0, Start::Earliest).await;
    let tasks: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let writer = Arc::clone(&spans.writer);
            tokio::spawn(async move {
                for number in 0..EACH {
                    // Two at a time, on two partitions.
                    let text = format!("{caller}/{number:03}");
                    let one = writer.append(P0, record(&text));
                    let other = writer.append(P1, record(&text));
                    one.await.unwrap();
                    other.await.unwrap();
                }
            })
        })
        .collect();
    // Read while it is being written.
    let live = texts(&take(&mut *cursor, CALLERS * EACH).await);
    for task in tasks {
        in_time(task).await.unwrap();
    }
    assert_eq!(texts(&read_all(&spans, P0).await), live);
    for partition in [P0, P1] {
        let all = texts(&read_all(&spans, partition).await);
        assert_eq!(all.len(), CALLERS * EACH);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), CALLERS * EACH);
        for caller in 0..CALLERS {
            let own = all.iter().filter(|text| text.starts_with(&format!("{caller}/")));
            assert!(own.is_sorted(), "caller {caller} in partition {partition}");
        }
    }
}

/// What waits to become durable is bounded, and who comes too much is told at once.
pub async fn full_is_answered_at_once(subject: impl Subject) {
    let spans = subject.log().spans;
    if !subject.stall(true) {
        return;
    }
    let payload = Bytes::from(vec![7; 1 << 20]);
    let mut accepted = Vec::new();
    let refused = loop {
        assert!(accepted.len() < 10_000, "there seems to be no bound");
        let mut append = spans.writer.append(P0, Record::spans(1, payload.clone()));
        // An answer is there at once, or it is not refused.
        match futures_util::future::FutureExt::now_or_never(&mut append) {
            Some(Err(error)) => break error,
            Some(Ok(position)) => panic!("{position} is durable while the log is stalled"),
            None => accepted.push(append),
        }
    };
    assert!(matches!(refused, AppendError::Full { .. }), "{refused}");
    assert!(refused.is_retryable());
    assert!(read_all(&spans, P0).await.is_empty(), "what is not durable is not readable");
    subject.stall(false);
    let count = accepted.len();
    for append in accepted {
        in_time(append).await.unwrap();
    }
    append_all(&spans, P0, &["there is room again"]).await;
    assert_eq!(read_all(&spans, P0).await.len(), count + 1);
}

/// The records of a batch are all written, in its order where the log promises that.
pub async fn a_batch_is_written_in_order(subject: impl Subject) {
    let spans = subject.log().spans;
    let texts_of = |partition| (0..20).map(move |number| (partition, number.to_string()));
    let all: Vec<_> = texts_of(P0).chain(texts_of(P1)).chain(texts_of(P0)).collect();
    let bytes = all.iter().map(|(_, text)| text.len()).sum();
    let mut records = all.iter().map(|(partition, text)| (*partition, record(text)));
    let appends = spans.writer.append_batch(bytes, &mut records).unwrap();
    assert_eq!(appends.len(), all.len());
    for append in appends {
        in_time(append).await.unwrap();
    }
    for partition in [P0, P1] {
        let of = all.iter().filter(|(of, _)| *of == partition);
        let mut expected: Vec<_> = of.map(|(_, text)| text.clone()).collect();
        let mut found = texts(&read_all(&spans, partition).await);
        if !subject.keeps_order() {
            expected.sort_unstable();
            found.sort_unstable();
        }
        assert_eq!(found, expected);
    }
    // What can never be stored is refused alone.
    let nowhere = Partition(spans.writer.partitions());
    let mut records = [(P0, record("well")), (nowhere, record("lost"))].into_iter();
    let mut appends = spans.writer.append_batch(8, &mut records).unwrap();
    let (lost, well) = (appends.pop().unwrap(), appends.pop().unwrap());
    assert!(matches!(in_time(lost).await, Err(AppendError::NoSuchPartition { .. })));
    in_time(well).await.unwrap();
}

/// Where there is no room for all records of a batch, none is written.
pub async fn a_batch_is_taken_whole_or_not_at_all(subject: impl Subject) {
    let spans = subject.log().spans;
    if !subject.stall(true) {
        return;
    }
    const SIZE: usize = 256 << 10;
    let payload = Bytes::from(vec![7; SIZE]);
    let batch = |count: usize| {
        let mut records = (0..count).map(|_| (P0, Record::spans(1, payload.clone())));
        spans.writer.append_batch(count * SIZE, &mut records)
    };
    let mut accepted = Vec::new();
    let refused = loop {
        assert!(accepted.len() < 10_000, "there seems to be no bound");
        match batch(8) {
            Ok(appends) => accepted.extend(appends),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AppendError::Full { .. }), "{refused}");
    // The room that is left takes single ones.
    while let Ok(appends) = batch(1) {
        assert!(accepted.len() < 10_000, "there seems to be no bound");
        accepted.extend(appends);
    }
    subject.stall(false);
    let count = accepted.len();
    for append in accepted {
        in_time(append).await.unwrap();
    }
    assert_eq!(read_all(&spans, P0).await.len(), count);
    for append in batch(8).unwrap() {
        in_time(append).await.unwrap();
    }
    assert_eq!(read_all(&spans, P0).await.len(), count + 8);
}

/// A partition that does not exist and a record that is too large: no use to come back.
pub async fn what_can_never_be_stored_is_refused_for_good(subject: impl Subject) {
    let spans = subject.log().spans;
    let partitions = spans.writer.partitions();
    assert_eq!(spans.reader.partitions(), partitions);
    let nowhere = in_time(spans.writer.append(Partition(partitions), record("x"))).await;
    assert_eq!(nowhere, Err(AppendError::NoSuchPartition { partition: partitions, partitions }));
    let payload = Bytes::from(vec![0; 64 << 20]);
    let error = in_time(spans.writer.append(P0, Record::spans(1, payload))).await.unwrap_err();
    assert!(matches!(error, AppendError::TooLarge { .. }), "{error}");
    assert!(!error.is_retryable());
}
