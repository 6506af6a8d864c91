//! The slots that hold no living segment, and who may take one.

use std::{collections::BTreeSet, io, sync::Arc};

use super::{
    error::Fault,
    segment::{Handle, Slot},
};
use crate::embedded::disk::Disk;

/// Free slots that stay allocated for what keeps the log going, so that neither a full quota nor
/// a full disk stops its clock: two for ticks and checkpoints, one for decisions, one for dead
/// letters.
pub(in crate::embedded) const RESERVE: usize = 4;

/// Free slots kept beyond the reserve: taking one costs nothing, making one does.
const SPARE: usize = 4;

/// Who asks for a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Frames of spans.
    Spans,
    /// Dead letters.
    Letters,
    /// What the exporters need to go on: ticks, decisions, checkpoints.
    Essential,
}

/// Why there is no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::embedded) enum NoRoom {
    /// The log is as large as it may be.
    Quota,
    /// Another slot would leave less free on the disk than it must.
    Disk,
}

/// The bounds of the pool, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) slot_bytes: u64,
    pub(super) quota: u64,
    pub(super) min_free: u64,
}

/// The free slots.
pub(super) struct Pool<D: Disk> {
    disk: Arc<D>,
    bounds: Bounds,
    /// The last one was freed last: its pages are the likeliest to be in memory.
    free: Vec<Handle<D>>,
    /// Numbers of all slot files, those that are being given back included.
    existing: BTreeSet<u32>,
}

impl<D: Disk> Pool<D> {
    pub(super) fn new(
        disk: Arc<D>,
        bounds: Bounds,
        free: Vec<Handle<D>>,
        existing: BTreeSet<u32>,
    ) -> Self {
        Self { disk, bounds, free, existing }
    }

    /// Bytes of all slot files.
    pub(super) fn bytes(&self) -> u64 {
        self.existing.len() as u64 * self.bounds.slot_bytes
    }

    /// Free slots.
    pub(super) const fn free(&self) -> usize {
        self.free.len()
    }

    /// A slot for `need`: a free one, or a new one.
    pub(super) fn take(&mut self, need: Need) -> Result<Result<Handle<D>, NoRoom>, Fault> {
        let keep = match need {
            Need::Spans => RESERVE,
            Need::Letters => RESERVE - 1,
            Need::Essential => 0,
        };
        if self.free.len() > keep {
            // One that a reader still holds is left for later.
            let idle = self.free.iter().rposition(|slot| Arc::strong_count(slot) == 1);
            if let Some(at) = idle {
                return Ok(Ok(self.free.remove(at)));
            }
        }
        self.make(need)
    }

    /// Whether slots could be had for spans, looking at the disk as it is now: one, or after a
    /// refusal a sixteenth of all, so that spans are not taken and refused in turn.
    pub(super) fn has_room(&self, refused: bool) -> Result<(), NoRoom> {
        let wanted = if refused { (self.existing.len() / 16).max(1) } else { 1 };
        match wanted.saturating_sub(self.free.len().saturating_sub(RESERVE)) {
            0 => Ok(()),
            missing => self.may_make(Need::Spans, missing as u64),
        }
    }

    /// Whether `count` slots more may be made.
    fn may_make(&self, need: Need, count: u64) -> Result<(), NoRoom> {
        let Bounds { slot_bytes, quota, min_free } = self.bounds;
        let (quota, min_free) = match need {
            Need::Spans | Need::Letters => (quota, min_free),
            // Never more than some slots: what they hold is a small part of the spans.
            Need::Essential => (quota + (quota / 16).max(2 * slot_bytes), min_free / 4),
        };
        let more = slot_bytes.saturating_mul(count);
        if self.bytes() + more > quota {
            return Err(NoRoom::Quota);
        }
        // A disk that cannot be asked does not stop the log: making the slot shows it.
        let free = self.disk.free_bytes().unwrap_or(u64::MAX);
        if free.saturating_sub(more) < min_free { Err(NoRoom::Disk) } else { Ok(()) }
    }

    fn make(&mut self, need: Need) -> Result<Result<Handle<D>, NoRoom>, Fault> {
        if let Err(none) = self.may_make(need, 1) {
            return Ok(Err(none));
        }
        let number = (0..=u32::MAX).find(|number| !self.existing.contains(number));
        // There are fewer slots than numbers.
        let Some(number) = number else { return Ok(Err(NoRoom::Quota)) };
        // Nothing was written: whatever it fails of, the log is as it was.
        let Ok(file) = self.disk.create_slot(number, self.bounds.slot_bytes) else {
            return Ok(Err(NoRoom::Disk));
        };
        self.existing.insert(number);
        // Before anything in it counts, the file itself must be there after a power cut.
        let fault = |action| move |source: io::Error| Fault::new(action, Some(number), source);
        self.disk.sync_data(&file).map_err(fault("make a new slot durable"))?;
        self.disk.sync_folder().map_err(fault("make the name of a new slot durable"))?;
        Ok(Ok(Arc::new(Slot { number, file })))
    }

    /// Makes slots until the reserve is whole. Says why not.
    pub(super) fn fill(&mut self) -> Result<Result<(), NoRoom>, Fault> {
        while self.free.len() < RESERVE {
            match self.make(Need::Spans)? {
                Ok(slot) => self.free.insert(0, slot),
                Err(none) => return Ok(Err(none)),
            }
        }
        Ok(Ok(()))
    }

    /// Takes back a slot whose segment is durably dead.
    pub(super) fn put(&mut self, slot: Handle<D>) {
        self.free.push(slot);
    }

    /// A slot that is more than `living` segments need, taken out to be given back to the disk.
    /// Its number stays taken until [`forget`](Self::forget).
    pub(super) fn surplus(&mut self, living: usize) -> Option<Handle<D>> {
        let keep = RESERVE + SPARE.max(living / 4);
        let idle = self.free.iter().position(|slot| Arc::strong_count(slot) == 1)?;
        (self.free.len() > keep).then(|| self.free.remove(idle))
    }

    /// Slot `number` is no longer on the disk.
    pub(super) fn forget(&mut self, number: u32) {
        self.existing.remove(&number);
    }
}
