//! What was sent to a log and what it answered: from this follows what must be found.

use std::sync::Arc;

use bytes::Bytes;

use super::seen::{Mark, Seen};
use crate::{
    position::{LogTime, Partition, Position},
    record::{Record, RecordKind},
    topic::TopicName,
};

/// Partitions of the logs under test.
pub(super) const PARTITIONS: u32 = 2;

/// A record that no other one is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// Its number in the history. It travels as the epoch, which every kind of record has.
    pub(super) id: u32,
    pub(super) topic: TopicName,
    pub(super) partition: Partition,
    pub(super) kind: RecordKind,
    pub(super) len: usize,
}

impl Sent {
    /// Its payload: noise that is known by its number; every fourth one compresses well.
    pub(super) fn payload(&self) -> Bytes {
        let mut payload = vec![0; self.len];
        fastrand::Rng::with_seed(u64::from(self.id)).fill(&mut payload);
        if self.id.is_multiple_of(4) {
            payload.iter_mut().for_each(|byte| *byte &= 1);
        }
        payload.into()
    }

    pub(super) fn record(&self) -> Record {
        Record { kind: self.kind, epoch: self.id, payload: self.payload() }
    }
}

/// What is handed to the log at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    pub(super) records: Vec<Sent>,
    pub(super) checkpoints: Vec<Mark>,
    /// Whether it became one group, which is there whole or not at all.
    pub(super) whole: bool,
}

impl Batch {
    /// Whether it is written to one stream.
    pub(super) fn is_of_one_topic(&self) -> bool {
        let checkpoints = self.checkpoints.iter().map(|_| TopicName::Spans);
        let mut topics = self.records.iter().map(|sent| sent.topic).chain(checkpoints);
        let first = topics.next();
        topics.all(|topic| Some(topic) == first)
    }
}

/// What the log said of a batch.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// What was not refused is durable.
    Done {
        /// The time of all records.
        time: LogTime,
        /// The position of each record; `None` where there is no room.
        positions: Vec<Option<Position>>,
        /// Whether the checkpoints are.
        checkpoints: bool,
    },
    /// Nothing is known.
    Failed(String),
}

impl Answer {
    /// Whether everything is durable.
    pub(super) fn is_complete(&self) -> bool {
        match self {
            Self::Done { positions, checkpoints, .. } => {
                *checkpoints && positions.iter().all(Option::is_some)
            }
            Self::Failed(_) => false,
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Sent(Batch),
    Answered(Answer),
    /// The log was opened, and showed this.
    Opened(Arc<Seen>),
}
