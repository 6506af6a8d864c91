//! What an open log shows.

use std::collections::BTreeMap;

use crate::{
    position::{LogTime, Partition, Position},
    record::Frame,
    topic::TopicName,
};

/// A partition of a topic.
pub(super) type Place = (TopicName, Partition);

/// A checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) partition: Partition,
    pub(super) position: Position,
    pub(super) metadata: String,
}

/// What reading gives.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Frame(Frame),
    /// A gap of one record, and why.
    Damaged(Position, String),
}

/// All that can be read of a log, and what it said when it was opened.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) items: BTreeMap<Place, Vec<Item>>,
    /// One past the last position.
    pub(super) next: BTreeMap<Place, Position>,
    pub(super) checkpoints: BTreeMap<Partition, Mark>,
    /// The latest time that the log was ever given.
    pub(super) now: LogTime,
    /// Losses told when it was opened, in words.
    pub(super) told: Vec<String>,
}

impl Seen {
    /// What lies below is finished.
    pub(super) fn finished(&self, (topic, partition): Place) -> Position {
        let mark = self.checkpoints.get(&partition).filter(|_| topic == TopicName::Spans);
        mark.map_or(Position(0), |mark| mark.position)
    }
}
