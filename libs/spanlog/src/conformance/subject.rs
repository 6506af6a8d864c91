//! What is put to the test.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::{
    contract::{Log, Topic},
    position::{LogTime, Partition, Position},
    reader::{Cursor, Group, Start},
    record::{Frame, Record},
};

/// A log under test: fresh, empty, with at least two partitions.
pub trait Subject: Send {
    /// Both sides of all topics.
    fn log(&self) -> Log;

    /// A member of the group, the only one.
    fn group(&self) -> Box<dyn Group>;

    /// The process that uses the log dies without a word and starts again.
    fn crash(&mut self) -> BoxFuture<'_, ()>;

    /// Begins to close the log in order. The future resolves when it is closed.
    fn close(&self) -> BoxFuture<'static, ()>;

    /// Closes the log in order and opens it again.
    fn restart(&mut self) -> BoxFuture<'_, ()>;

    /// Whether records stand in the order of their appends even when some had to be sent again.
    fn keeps_order(&self) -> bool {
        true
    }

    /// Keeps appends to the spans from becoming durable, or lets them again. `false` when that
    /// cannot be done.
    fn stall(&self, stalled: bool) -> bool;

    /// Sets the clock of the append times. `false` when that cannot be done.
    fn set_time(&self, time: LogTime) -> bool;

    /// Spoils the stored record at `position` of the spans, so that it can never be read again.
    /// `false` when that cannot be done.
    fn damage(&self, partition: Partition, position: Position) -> bool;
}

/// The first partition.
pub(super) const P0: Partition = Partition(0);

/// The second partition.
pub(super) const P1: Partition = Partition(1);

/// How long anything may take before the test gives up: never reached when all is well.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A record with `text`.
pub(super) fn record(text: &str) -> Record {
    Record::spans(1, Bytes::copy_from_slice(text.as_bytes()))
}

/// Appends `texts` one after the other.
pub(super) async fn append_all(
    topic: &Topic,
    partition: Partition,
    texts: &[&str],
) -> Vec<Position> {
    let mut positions = Vec::new();
    for text in texts {
        positions.push(in_time(topic.writer.append(partition, record(text))).await.unwrap());
    }
    positions
}

/// The future's output; panics when it takes too long.
pub(super) async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(TIMEOUT, future).await.expect("this takes too long")
}

/// A cursor from `start` on.
pub(super) async fn open(topic: &Topic, partition: Partition, start: Start) -> Box<dyn Cursor> {
    in_time(topic.reader.open(partition, start)).await.unwrap()
}

/// The next `count` frames of `cursor`.
pub(super) async fn take(cursor: &mut dyn Cursor, count: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    while frames.len() < count {
        frames.extend(in_time(cursor.next(1 << 20)).await.unwrap());
    }
    frames
}

/// All frames of `partition`.
pub(super) async fn read_all(topic: &Topic, partition: Partition) -> Vec<Frame> {
    let extent = in_time(topic.reader.extent(partition)).await.unwrap();
    let (mut at, mut frames) = (extent.start, Vec::new());
    loop {
        let more = in_time(topic.reader.fetch(partition, at, 1 << 20)).await.unwrap();
        let Some(last) = more.last() else { return frames };
        at = last.position.next();
        frames.extend(more);
    }
}

/// The payloads as text.
pub(super) fn texts(frames: &[Frame]) -> Vec<String> {
    frames.iter().map(|frame| String::from_utf8_lossy(&frame.payload).into_owned()).collect()
}
