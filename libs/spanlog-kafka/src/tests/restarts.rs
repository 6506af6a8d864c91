//! A cluster whose brokers all go away at once, in order, and come back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use wholetrace_spanlog::{Partition, Position, Record, Start, Topic};

use super::{
    P0, in_time,
    membership::{Worker, checkpoint},
    open,
};
use crate::testing::{Node, config};

/// More than the producers' connections, so that each of them has a part.
const PARTITIONS: u32 = 8;

/// How often the broker is started anew.
const RESTARTS: u32 = 2;

/// Appends to `partition` until `done`, again where that fails.
async fn write_until(topic: Topic, partition: Partition, done: Arc<AtomicBool>) {
    let record = || Record::spans(1, Bytes::from_static(b"a frame"));
    while !done.load(Ordering::Acquire) {
        let _failed_while_it_was_away = topic.writer.append(partition, record()).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A broker that stops in order answers until the end, and then says that there is no broker: who
/// believes it and forgets the only one must find it again.
#[tokio::test(flavor = "multi_thread")]
async fn clients_find_a_cluster_again_whose_brokers_all_went_away() {
    let Some(node) = tokio::task::spawn_blocking(Node::own).await.unwrap() else { return };
    let node = Arc::new(node);
    let log = open(&config(node.brokers(), PARTITIONS).await).await;
    let spans = log.log().spans;
    let mut member = Worker::join(&log);
    member.until(PARTITIONS as usize).await;
    let mut along = in_time(spans.reader.open(P0, Start::Earliest)).await.unwrap();
    for restart in 1..=RESTARTS {
        let done = Arc::new(AtomicBool::new(false));
        let writing: Vec<_> = (0..PARTITIONS)
            .map(|partition| {
                let write = write_until(spans.clone(), Partition(partition), Arc::clone(&done));
                tokio::spawn(write)
            })
            .collect();
        let restarted = Arc::clone(&node);
        tokio::task::spawn_blocking(move || restarted.restarted(|| {})).await.unwrap();
        done.store(true, Ordering::Release);
        for writer in writing {
            writer.await.unwrap();
        }
        let mut last = None;
        for partition in (0..PARTITIONS).map(Partition).rev() {
            last = Some(in_time(written(&spans, partition)).await);
        }
        let read = async {
            loop {
                let frames = along.next(1 << 20).await.unwrap_or_default();
                if frames.last().map(|frame| frame.position) >= last {
                    break;
                }
            }
        };
        in_time(read).await;
        in_time(committed(&mut member, restart.into())).await;
    }
    in_time(log.close()).await;
}

/// Appends to `partition` until that succeeds once.
async fn written(topic: &Topic, partition: Partition) -> Position {
    loop {
        let record = Record::spans(1, Bytes::from_static(b"a frame"));
        if let Ok(position) = topic.writer.append(partition, record).await {
            return position;
        }
    }
}

/// Waits until the `member` has all partitions again, should it have lost them, and may commit.
async fn committed(member: &mut Worker, position: u64) {
    let soon = Duration::from_millis(200);
    loop {
        while let Ok(given_back) = tokio::time::timeout(soon, member.next()).await {
            drop(given_back);
        }
        let at = checkpoint(position, "");
        if member.owned.len() == PARTITIONS as usize
            && member.committer.commit_at_once(P0, at).await.is_ok()
        {
            return;
        }
    }
}
