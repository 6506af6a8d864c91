//! Giving slots back to the disk, away from the writer thread.

use std::sync::Arc;

use super::segment::Slot;
use crate::embedded::disk::Disk;

/// A slot on its way back to the disk.
pub(in crate::embedded) struct GivenBack<D: Disk> {
    pub(super) disk: Arc<D>,
    pub(super) slot: Arc<Slot<D::Slot>>,
    /// Bytes of its file.
    pub(super) length: u64,
}

impl<D: Disk> GivenBack<D> {
    /// Bytes that are cut off at once: a file system takes tens of milliseconds to free a large
    /// file, and makes other writes wait for it.
    const STEP: u64 = 4 << 20;

    /// Cuts the slot step by step, with `pause` in between, and unlinks it. Gives its number. A
    /// failure is of no consequence: what is left is given back when the log is opened again.
    pub(in crate::embedded) fn give_back(self, mut pause: impl FnMut()) -> std::io::Result<u32> {
        let mut length = self.length;
        while length > 0 {
            length = length.saturating_sub(Self::STEP);
            self.disk.set_len(&self.slot.file, length)?;
            pause();
        }
        self.disk.unlink(self.slot.number)?;
        Ok(self.slot.number)
    }
}
