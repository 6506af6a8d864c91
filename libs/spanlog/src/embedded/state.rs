//! The state of the writer thread.

use std::{sync::Arc, time::Instant};

use fjall::Keyspace;

use super::{folder::Folder, shared::Shared, store::Store};
use crate::{clock::LogClock, topic::TopicName};

/// The state of the writer thread.
pub(super) struct Appender {
    pub(super) shared: Arc<Shared>,
    pub(super) folder: Folder,
    /// `None` only while it is opened again.
    pub(super) store: Option<Store>,
    /// The next position of each partition, by topic.
    pub(super) next: [Vec<u64>; 3],
    pub(super) clock: LogClock,
    /// Stored bytes appended since the log was opened.
    pub(super) appended: u64,
    pub(super) upkeep: Upkeep,
}

/// What the writer thread remembers for its housekeeping.
pub(super) struct Upkeep {
    pub(super) looked: Instant,
    /// Stored bytes appended when it last looked around.
    pub(super) looked_at: u64,
    pub(super) marked: Instant,
    pub(super) marks: Vec<u64>,
    /// Memtables on their way to tables.
    pub(super) flushing: Vec<(Keyspace, u64)>,
    /// Keyspaces that the store did not remove yet.
    pub(super) undeleted: Vec<Keyspace>,
    /// Ids of the newest slices, also of those that are gone.
    pub(super) newest_ids: [u64; 3],
    /// When to try to open the store again.
    pub(super) reopen: Option<Instant>,
    pub(super) failures: u32,
}

impl Upkeep {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            looked: now,
            looked_at: 0,
            marked: now,
            marks: Vec::new(),
            flushing: Vec::new(),
            undeleted: Vec::new(),
            newest_ids: [0; 3],
            reopen: None,
            failures: 0,
        }
    }

    /// The id of a first slice when all others are gone.
    pub(super) const fn next_id(&self, topic: TopicName) -> u64 {
        self.newest_ids[topic.index()] + 1
    }
}
