//! The configuration as the log uses it: plain numbers, all checked.

use std::path::PathBuf;

/// What an embedded log runs with. Bytes and milliseconds.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) directory: PathBuf,
    pub(super) partitions: u32,
    pub(super) quota: u64,
    /// Free bytes of the disk below which no more spans are taken.
    pub(super) min_free: u64,
    /// Bytes of committed spans kept for replays.
    pub(super) retain: u64,
    pub(super) decision_retention: u64,
    pub(super) dead_letter_retention: u64,
    /// Whether the disk is waited for.
    pub(super) sync: bool,
    pub(super) tail_cache: u64,
    pub(super) memtables: u64,
    /// Bytes accepted and not yet durable.
    pub(super) max_waiting: u64,
    pub(super) max_payload: u64,
    pub(super) accept_loss: bool,
}

impl Settings {
    /// Stored bytes of a slice: an eighth of what may stand in memory, so that slices that are
    /// finished soon die before they are written a second time.
    pub(super) const fn slice_bytes(&self) -> u64 {
        let by_memory = self.memtables / 8;
        let by_quota = self.quota / 32;
        if by_memory < by_quota { by_memory } else { by_quota }
    }

    /// Stored bytes after which what is only in the journal and in memory is written to tables.
    /// Bounds the memory, the journal and the time that opening takes.
    pub(super) const fn flush_after(&self) -> u64 {
        self.memtables / 2
    }

    /// Stored bytes of one durable batch.
    pub(super) const fn batch_bytes(&self) -> u64 {
        4 << 20
    }

    /// Stored bytes that dead letters may take; beyond them the oldest go.
    pub(super) const fn dead_letter_bytes(&self) -> u64 {
        self.quota / 10
    }
}
