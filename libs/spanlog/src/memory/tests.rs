use bytes::Bytes;

use super::{AppendFault, MemoryConfig, MemoryLog};
use crate::{
    position::{LogTime, Partition, Position},
    reader::{Checkpoint, GroupEvent, ReadError, Start},
    record::Record,
    topic::TopicName,
    writer::AppendError,
};

const P0: Partition = Partition(0);

fn record(text: &'static str) -> Record {
    Record::spans(1, Bytes::from_static(text.as_bytes()))
}

fn payloads(log: &MemoryLog) -> Vec<String> {
    let frames = log.frames(TopicName::Spans, P0);
    frames.iter().map(|frame| String::from_utf8_lossy(&frame.payload).into_owned()).collect()
}

#[tokio::test]
async fn planned_faults_happen_in_order_then_end() {
    let log = MemoryLog::default();
    let writer = log.log().spans.writer;
    log.plan(TopicName::Spans, &AppendFault::FailBefore, 1);
    log.plan(TopicName::Spans, &AppendFault::FailAfter, 1);
    log.plan(TopicName::Spans, &AppendFault::Duplicate, 1);
    assert!(matches!(writer.append(P0, record("a")).await, Err(AppendError::Failed(_))));
    assert!(matches!(writer.append(P0, record("b")).await, Err(AppendError::Failed(_))));
    assert_eq!(writer.append(P0, record("c")).await, Ok(Position(1)));
    assert_eq!(writer.append(P0, record("d")).await, Ok(Position(3)));
    assert_eq!(payloads(&log), ["b", "c", "c", "d"]);
}

#[tokio::test]
async fn held_appends_are_not_readable_and_full_is_answered_at_once() {
    let log = MemoryLog::new(MemoryConfig { max_waiting_bytes: 3, ..MemoryConfig::default() });
    let topic = log.log().spans;
    log.hold(TopicName::Spans);
    let held = topic.writer.append(P0, record("ab"));
    let refused = topic.writer.append(P0, record("cd")).await;
    assert_eq!(refused, Err(AppendError::Full { waiting: 2, limit: 3 }));
    assert!(topic.reader.fetch(P0, Position(0), 10).await.unwrap().is_empty());
    assert_eq!(log.release(TopicName::Spans, 1), 1);
    assert_eq!(held.await, Ok(Position(0)));
    assert_eq!(topic.reader.fetch(P0, Position(0), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_stuck_partition_holds_back_its_own_records_and_no_others() {
    let log = MemoryLog::default();
    let topic = log.log().spans;
    log.stick(TopicName::Spans, P0, true);
    let held: Vec<_> = ["a", "b"].map(|text| topic.writer.append(P0, record(text))).into();
    assert_eq!(topic.writer.append(Partition(1), record("c")).await, Ok(Position(0)));
    assert!(payloads(&log).is_empty());
    log.stick(TopicName::Spans, P0, false);
    for (append, position) in held.into_iter().zip(0..) {
        assert_eq!(append.await, Ok(Position(position)));
    }
    assert_eq!(payloads(&log), ["a", "b"]);
    assert_eq!(topic.writer.append(P0, record("d")).await, Ok(Position(2)));
}

#[tokio::test]
async fn a_crash_keeps_what_it_is_told_and_kills_all_handles() {
    let log = MemoryLog::default();
    let topic = log.log().spans;
    let mut cursor = topic.reader.open(P0, Start::Earliest).await.unwrap();
    let mut group = log.group();
    let committer = group.committer();
    let at = |position| Checkpoint { position: Position(position), metadata: String::new() };
    committer.commit(P0, at(1)).await.unwrap();
    log.hold_commits(true);
    committer.commit(P0, at(2)).await.unwrap();
    log.hold(TopicName::Spans);
    let first = topic.writer.append(P0, record("first"));
    let second = topic.writer.append(P0, record("second"));
    log.crash(1);
    assert_eq!(first.await, Err(AppendError::Closed));
    assert_eq!(second.await, Err(AppendError::Closed));
    assert_eq!(payloads(&log), ["first"]);
    assert_eq!(cursor.next(10).await.unwrap_err(), ReadError::Closed);
    assert_eq!(topic.writer.append(P0, record("x")).await, Err(AppendError::Closed));
    assert_eq!(committer.commit(P0, at(3)).await, Err(ReadError::Closed));
    assert_eq!(log.committed(P0), Some(at(1)));
    assert!(group.next().await.unwrap().is_none());
    assert!(log.log().spans.writer.append(P0, record("y")).await.is_ok());
}

#[tokio::test]
async fn a_partition_that_moves_refuses_commits_of_the_old_owner() {
    let log = MemoryLog::default();
    let mut old = log.join(&[P0]);
    let _assigned = old.next().await.unwrap();
    let committer = old.committer();
    let released = log.revoke(P0, false).unwrap();
    let checkpoint = Checkpoint { position: Position(5), metadata: "hint".into() };
    let Some(GroupEvent::Revoked { lost: false, released: let_go, .. }) = old.next().await.unwrap()
    else {
        panic!("a revocation was expected");
    };
    committer.commit(P0, checkpoint.clone()).await.unwrap();
    let_go.send(()).unwrap();
    released.await.unwrap();
    let mut new = log.join(&[P0]);
    let event = new.next().await.unwrap().unwrap();
    assert!(
        matches!(&event, GroupEvent::Assigned { committed, .. } if *committed == Some(checkpoint))
    );
    let late = Checkpoint { position: Position(6), metadata: String::new() };
    assert_eq!(committer.commit(P0, late).await, Err(ReadError::NotOwner(0)));
}

#[tokio::test]
async fn reads_fail_and_report_damage_and_gaps_on_demand() {
    let log = MemoryLog::new(MemoryConfig { position_gap: 9, ..MemoryConfig::default() });
    let topic = log.log().spans;
    for text in ["a", "b", "c"] {
        topic.writer.append(P0, record(text)).await.unwrap();
    }
    log.fail_reads(TopicName::Spans, 1);
    assert!(matches!(topic.reader.extent(P0).await, Err(ReadError::Failed(_))));
    log.damage(TopicName::Spans, P0, Some(Position(10)));
    let read = topic.reader.fetch(P0, Position(1), 1_000).await;
    assert!(matches!(read, Err(ReadError::Damaged { position: Position(10), .. })));
    log.damage(TopicName::Spans, P0, None);
    log.trim(TopicName::Spans, P0, Position(10));
    let gone = topic.reader.fetch(P0, Position(0), 10).await.unwrap_err();
    assert_eq!(gone, ReadError::Gone { partition: 0, asked: Position(0), oldest: Position(10) });
    assert_eq!(payloads(&log), ["b", "c"]);
    // A cursor whose next record was deleted is told, one that is past it is not.
    let mut behind = topic.reader.open(P0, Start::Earliest).await.unwrap();
    let mut ahead = topic.reader.open(P0, Start::Position(Position(11))).await.unwrap();
    log.trim(TopicName::Spans, P0, Position(20));
    assert!(matches!(behind.next(9).await, Err(ReadError::Gone { asked: Position(10), .. })));
    assert_eq!(ahead.next(9).await.unwrap()[0].position, Position(20));
}

#[tokio::test]
async fn discarded_frames_are_counted() {
    let log = MemoryLog::new(MemoryConfig { discard: true, ..MemoryConfig::default() });
    let writer = log.log().spans.writer;
    log.set_time(Some(LogTime(5)));
    writer.append(P0, record("abc")).await.unwrap();
    assert_eq!(writer.append(P0, record("de")).await, Ok(Position(1)));
    assert_eq!(log.appended(TopicName::Spans), (2, 5));
    assert!(payloads(&log).is_empty());
}
