//! Clients that are made anew while there is work.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use wholetrace_spanlog::{Partition, Position, Record, Start, Topic};

use super::{
    P0, configured,
    faults::mocked,
    fill, in_time,
    membership::{Worker, checkpoint},
    number, open, take,
};
use crate::KafkaLog;

/// Has the clients made anew `times` times.
async fn renew(log: &Arc<KafkaLog>, times: usize) {
    let log = Arc::clone(log);
    let renewing = move || (0..times).for_each(|_| log.renew());
    tokio::task::spawn_blocking(renewing).await.unwrap();
}

/// Appends numbered records until `done`, none waiting for the one before; how many. Each must
/// become durable, and where the log answers that it is to be tried again, it is.
async fn write_until(topic: &Topic, done: &AtomicBool) -> u32 {
    let mut appends = Vec::new();
    let mut count = 0_u32;
    while !done.load(Ordering::Acquire) {
        let payload = Bytes::copy_from_slice(&count.to_be_bytes());
        appends.push(topic.writer.append(P0, Record::spans(1, payload)));
        count += 1;
        if count.is_multiple_of(100) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    for append in appends {
        in_time(append).await.unwrap();
    }
    count
}

/// Who writes and who reads notices nothing: all is written once, and cursors
/// give each record once, those that are behind and those that read along.
#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_over_clients_that_are_made_anew() {
    let Some(config) = configured(2).await else { return };
    let log = open(&config).await;
    let topics = log.log();
    let before = 5_000;
    fill(&topics.spans, P0, before, 2_000).await;
    let mut behind = in_time(topics.spans.reader.open(P0, Start::Earliest)).await.unwrap();
    let mut along = in_time(topics.decisions.reader.open(P0, Start::Earliest)).await.unwrap();
    let first = take(&mut *behind, 1).await;
    assert_eq!(number(&first[0]), 0);

    let done = Arc::new(AtomicBool::new(false));
    let writing = [topics.spans.clone(), topics.decisions.clone()].map(|topic| {
        let done = Arc::clone(&done);
        tokio::spawn(async move { write_until(&topic, &done).await })
    });
    // Read again from the old clients, and on from the new ones.
    let again = |from: u64| topics.spans.reader.fetch(P0, Position(from), 100_000);
    let frames = in_time(again(0)).await.unwrap();
    renew(&log, 3).await;
    let next = frames.last().unwrap().position.next();
    assert_eq!(in_time(again(next.0)).await.unwrap()[0].position, next);
    done.store(true, Ordering::Release);
    let [spans, decisions] = writing;
    let (spans, decisions) = (spans.await.unwrap(), decisions.await.unwrap());
    assert!(spans > 100 && decisions > 100, "{spans} and {decisions}");

    let all = before + spans;
    let rest = take(&mut *behind, all as usize - first.len()).await;
    let mut positions: Vec<_> = first.iter().chain(&rest).map(|frame| frame.position.0).collect();
    positions.dedup();
    assert_eq!(positions, (0..u64::from(all)).collect::<Vec<_>>());
    let mut numbers: Vec<_> = first.iter().chain(&rest).map(number).collect();
    numbers.sort_unstable();
    let mut expected: Vec<_> = (0..before).chain(0..spans).collect();
    expected.sort_unstable();
    assert!(numbers == expected, "records are missing or doubled");
    let mut numbers: Vec<_> =
        take(&mut *along, decisions as usize).await.iter().map(number).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..decisions), "decisions are missing or doubled");
    // Cursors are on the clients of now.
    fill(&topics.spans, P0, 1, 10).await;
    fill(&topics.decisions, P0, 1, 10).await;
    assert_eq!(take(&mut *behind, 1).await.len() + take(&mut *along, 1).await.len(), 2);
    in_time(log.close()).await;
}

/// A member gives its partitions up in order, commits until then, and gets them back with its last
/// commit.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_comes_back_with_another_client() {
    let Some(config) = configured(4).await else { return };
    let log = open(&config).await;
    let mut member = Worker::join(&log);
    member.until(4).await;
    for round in 1..=2 {
        renew(&log, 1).await;
        let mut released = Vec::new();
        while released.len() < 4 {
            let Some((partition, lost, release)) = member.next().await else { continue };
            assert!(!lost, "partition {partition} was lost");
            let at = checkpoint(10 * round + u64::from(partition.0), "mine");
            in_time(member.committer.commit_at_once(partition, at)).await.unwrap();
            released.push(partition);
            drop(release);
        }
        member.until(4).await;
        for number in 0..4 {
            let committed = member.owned[&Partition(number)].clone();
            assert_eq!(committed, Some(checkpoint(10 * round + u64::from(number), "mine")));
        }
        let partition = Partition(3);
        in_time(member.committer.commit(partition, checkpoint(10 * round + 5, ""))).await.unwrap();
    }
    in_time(log.close()).await;
}

/// Records that have to be sent again while clients are made anew are written once.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_meanwhile_is_written_once() {
    let (mock, config) = mocked();
    let log = open(&config).await;
    let decisions = log.log().decisions;
    let mut cursor = in_time(decisions.reader.open(P0, Start::Earliest)).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let writing = {
        let (decisions, done) = (decisions.clone(), Arc::clone(&done));
        tokio::spawn(async move { write_until(&decisions, &done).await })
    };
    let moved = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
    for _ in 0..3 {
        mock.fail(RDKafkaApiKey::Produce, moved, 3);
        renew(&log, 1).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    done.store(true, Ordering::Release);
    let count = writing.await.unwrap();
    let mut numbers: Vec<_> = take(&mut *cursor, count as usize).await.iter().map(number).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..count), "records are missing or doubled");
}

/// Brokers that do not answer the new clients: the old ones stay.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_get_no_answer_are_not_used() {
    let Some(config) = configured(2).await else { return };
    let log = open(&config).await;
    let spans = log.log().spans;
    fill(&spans, P0, 1, 10).await;
    log.renew_for("127.0.0.1:1").await.unwrap_err();
    fill(&spans, P0, 10, 10).await;
    let mut cursor = in_time(spans.reader.open(P0, Start::Earliest)).await.unwrap();
    assert_eq!(take(&mut *cursor, 11).await.len(), 11);
}
