//! The configuration as the log uses it: plain numbers, all checked.

use std::path::PathBuf;

use super::store::Retention;

/// What an embedded log runs with. Bytes and milliseconds.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) directory: PathBuf,
    pub(super) partitions: u32,
    pub(super) quota: u64,
    /// Bytes of a slot file, when the log is created.
    pub(super) slot_bytes: u64,
    /// Free bytes to leave on the disk.
    pub(super) min_free: u64,
    /// Bytes of committed spans kept for replays.
    pub(super) retain: u64,
    pub(super) decision_retention: u64,
    pub(super) dead_letter_retention: u64,
    /// Whether the disk is waited for.
    pub(super) sync: bool,
    pub(super) tail_cache: u64,
    /// Bytes accepted and not yet durable.
    pub(super) max_waiting: u64,
    pub(super) accept_loss: bool,
}

impl Settings {
    /// The size of slots for a log of `quota` bytes: some hundred of them, so that what is
    /// finished goes in small steps, and large enough that beginning one costs nothing.
    pub(super) const fn slots_of(quota: u64) -> u64 {
        let (least, most) = (8 << 20, 64 << 20);
        let mut bytes = least;
        while bytes < most && bytes * 2 <= quota / 256 {
            bytes *= 2;
        }
        bytes
    }

    /// What is kept, when the log is `pressed` for room or not.
    pub(super) const fn retention(&self, pressed: bool) -> Retention {
        Retention {
            spans: if pressed { 0 } else { self.retain },
            decisions: self.decision_retention,
            letters: self.dead_letter_retention,
            letter_bytes: self.quota / 10,
        }
    }
}
