//! The state of the writer thread.

use std::{sync::Arc, time::Instant};

use super::{
    disk::Disk,
    folder::Folder,
    keeper::Keeper,
    shared::Shared,
    store::{Marks, Store},
};
use crate::{clock::LogClock, position::LogTime};

/// The state of the writer thread.
pub(super) struct Appender<D: Disk> {
    pub(super) shared: Arc<Shared>,
    pub(super) store: Store<D>,
    pub(super) clock: LogClock,
    pub(super) keeper: Keeper<D>,
    pub(super) upkeep: Upkeep,
    /// Locked as long as the store is open.
    pub(super) folder: Folder,
}

impl<D: Disk> Appender<D> {
    /// The time of what is written now.
    pub(super) fn now(&mut self) -> LogTime {
        self.clock.now(&self.shared.clock)
    }
}

/// What the writer thread remembers for its housekeeping.
pub(super) struct Upkeep {
    /// When a batch was last committed.
    pub(super) committed: Instant,
    pub(super) looked: Instant,
    pub(super) slow: Instant,
    pub(super) synced: Instant,
    pub(super) marks: Marks,
}

impl Upkeep {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { committed: now, looked: now, slow: now, synced: now, marks: Marks::default() }
    }
}
