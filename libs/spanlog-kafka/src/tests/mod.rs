//! Tests of what the suite of the log does not ask: the pitfalls of the client, one by one.

mod anew;
mod damage;
mod exit;
mod faults;
mod membership;
mod page;
mod reading;
mod renewal;
mod restarts;
mod security;
mod writing;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use wholetrace_spanlog::{Cursor, Frame, Partition, Position, Record, Topic};

use super::{
    KafkaConfig,
    log::{Access, KafkaLog},
    testing::{brokers, config},
};

const P0: Partition = Partition(0);

/// A configuration of its own. `None` where there is no Kafka.
async fn configured(partitions: u32) -> Option<KafkaConfig> {
    let brokers = tokio::task::spawn_blocking(brokers).await.unwrap()?;
    Some(config(brokers, partitions).await)
}

async fn open(config: &KafkaConfig) -> Arc<KafkaLog> {
    Arc::new(KafkaLog::connect(config, Access::ReadAndWrite).await.unwrap())
}

/// The future's output; panics when it takes far too long.
async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(40), future).await.expect("this takes too long")
}

/// Appends `count` records of `size` bytes that begin with their number. No codec makes them
/// smaller: sizes mean something.
async fn fill(topic: &Topic, partition: Partition, count: u32, size: usize) -> Vec<Position> {
    let mut positions = Vec::new();
    for chunk in (0..count).collect::<Vec<_>>().chunks(32) {
        let appends: Vec<_> = chunk
            .iter()
            .map(|number| {
                let mut payload = number.to_be_bytes().to_vec();
                payload.resize(size.max(4), 0);
                fastrand::Rng::with_seed(u64::from(*number)).fill(&mut payload[4..]);
                topic.writer.append(partition, Record::spans(1, Bytes::from(payload)))
            })
            .collect();
        for append in appends {
            positions.push(in_time(append).await.unwrap());
        }
    }
    positions
}

/// The number that `fill` wrote.
fn number(frame: &Frame) -> u32 {
    u32::from_be_bytes(frame.payload[..4].try_into().unwrap())
}

async fn take(cursor: &mut dyn Cursor, count: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    while frames.len() < count {
        frames.extend(in_time(cursor.next(1 << 20)).await.unwrap());
    }
    frames
}
