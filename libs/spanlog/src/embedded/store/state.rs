//! The store: what it is opened with, what it consists of, what can be asked of it.

use std::sync::Arc;

use super::{
    error::{Broken, Fault},
    format::{PAGE, group_head_bytes, record_bytes},
    giving_back::GivenBack,
    identity::Marks,
    payload::Encoded,
    pool::{NoRoom, Pool},
    segment::Slot,
    segments::Segments,
    stream::{Desk, Stream},
};
use crate::{
    embedded::disk::{Disk, Listed},
    position::{LogTime, Partition, Position},
    reader::Checkpoint,
    topic::TopicName,
};

/// The largest payload, uncompressed, where slots are large enough.
pub(in crate::embedded) const MAX_PAYLOAD: u64 = 16 << 20;

/// What a store is opened with.
#[derive(Clone, Debug)]
pub(in crate::embedded) struct Options {
    /// Partitions, 1 to 64. Fixed when the log is created.
    pub(in crate::embedded) partitions: u32,
    /// Bytes of a slot: a multiple of 4,096, from 32 KiB to 64 MiB. An existing log keeps its own.
    pub(in crate::embedded) slot_bytes: u64,
    /// Bytes that all slots may take. What keeps the log going may take a sixteenth more.
    pub(in crate::embedded) quota: u64,
    /// Free bytes to leave on the disk.
    pub(in crate::embedded) min_free: u64,
    /// Whether each group is waited for. Without, [`Store::sync`] is to be called now and then.
    pub(in crate::embedded) sync: bool,
    /// Whether to go on without files that are missing.
    pub(in crate::embedded) accept_loss: bool,
    /// Random, and another one each time that a store is opened: salts are made from it.
    pub(in crate::embedded) seed: [u64; 2],
}

/// A record to be written.
#[derive(Clone, Copy, Debug)]
pub(in crate::embedded) struct Item<'a> {
    pub(in crate::embedded) topic: TopicName,
    pub(in crate::embedded) partition: Partition,
    pub(in crate::embedded) record: &'a Encoded,
}

/// Why a record was not written. The store is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::embedded) enum Refused {
    /// There is no slot for it.
    NoRoom(NoRoom),
    /// It does not fit a slot, or there is no such partition.
    Never,
}

/// What became of a batch.
#[derive(Debug)]
pub(in crate::embedded) struct Committed {
    /// The append time of all records that were written.
    pub(in crate::embedded) time: LogTime,
    /// For each record, in the order of the batch. Records with positions are durable (with
    /// `sync`) and can be read.
    pub(in crate::embedded) outcomes: Vec<Result<Position, Refused>>,
    /// Whether the checkpoints were written.
    pub(in crate::embedded) checkpoints: bool,
}

/// The one writer of a log.
pub(in crate::embedded) struct Store<D: Disk> {
    pub(super) desk: Desk<D>,
    pub(super) pool: Pool<D>,
    pub(super) streams: [Stream<D>; 3],
    /// Slot files of the wrong size, to be given back.
    pub(super) leftovers: Vec<Listed>,
    /// The newest checkpoints that were written.
    pub(super) checkpoints: Vec<Option<Checkpoint>>,
    /// Positions of the checkpoints that are durable.
    pub(super) finished: Vec<u64>,
    /// The time of what was written last.
    pub(super) time: LogTime,
    pub(super) broken: Option<Broken>,
}

impl<D: Disk> Store<D> {
    /// What there is to read, also for other threads.
    pub(in crate::embedded) const fn segments(&self) -> &Arc<Segments<D>> {
        &self.desk.segments
    }

    /// The largest payload that a record may have, uncompressed.
    pub(in crate::embedded) fn max_payload(&self) -> u64 {
        max_payload(self.desk.slot_bytes, self.desk.partitions)
    }

    /// Notes which checkpoints are durable.
    pub(super) fn note_finished(&mut self) {
        let spans = &self.streams[TopicName::Spans.index()];
        if spans.durable == spans.group {
            self.finished = self.checkpoints.iter().map(position_of).collect();
        }
    }

    /// Makes sure that the reserve is there. Says why not. Spans are refused without it.
    ///
    /// # Errors
    /// [`Broken`], as [`commit`](Self::commit).
    pub(in crate::embedded) fn fill_reserve(&mut self) -> Result<Result<(), NoRoom>, Broken> {
        self.unbroken()?;
        let result = self.pool.fill();
        self.noting(result)
    }

    /// Whether spans that need another slot will find one; after a refusal, whether they will
    /// find some.
    pub(in crate::embedded) fn room(&self, refused: bool) -> Result<(), NoRoom> {
        self.pool.has_room(refused)
    }

    /// Bytes of all slots.
    pub(in crate::embedded) fn disk_bytes(&self) -> u64 {
        self.pool.bytes()
    }

    /// Bytes of the slots that hold segments, and of those that cannot be used again yet.
    pub(in crate::embedded) fn used_bytes(&self) -> u64 {
        self.pool.bytes().saturating_sub(self.pool.free() as u64 * self.desk.slot_bytes)
    }

    /// Free bytes of the disk; many when it cannot be asked.
    pub(in crate::embedded) fn free_disk_bytes(&self) -> u64 {
        self.desk.disk.free_bytes().unwrap_or(u64::MAX)
    }

    /// Takes a slot out of use that is not needed, if there is one. It is to be cut and unlinked
    /// by [`give_back`](GivenBack::give_back), away from the writer thread.
    pub(in crate::embedded) fn surplus(&mut self) -> Option<GivenBack<D>> {
        let disk = Arc::clone(&self.desk.disk);
        if let Some(Listed { number, len }) = self.leftovers.pop() {
            let file = disk.open_slot(number).ok()?;
            return Some(GivenBack { disk, slot: Arc::new(Slot { number, file }), length: len });
        }
        let living = usize::try_from(self.desk.segments.count()).unwrap_or(usize::MAX);
        let slot = self.pool.surplus(living)?;
        Some(GivenBack { disk, slot, length: self.desk.slot_bytes })
    }

    /// The slot that was given back is gone from the disk.
    pub(in crate::embedded) fn forget(&mut self, number: u32) {
        self.pool.forget(number);
    }

    /// The newest segments, all durable.
    pub(in crate::embedded) fn marks(&self) -> Marks {
        std::array::from_fn(|at| {
            let stream = &self.streams[at];
            // Without `sync` the newest one may not be.
            if stream.durable == stream.group { stream.newest } else { 0 }
        })
    }

    /// The partition that keeps the oldest spans from being freed, and its next unfinished
    /// position.
    pub(in crate::embedded) fn holder(&self) -> Option<(Partition, Position)> {
        let line = self.desk.segments.line(TopicName::Spans);
        let end = &line.front()?.end.get()?.next;
        let behind =
            (0_u32..).zip(end.iter().zip(&self.finished)).filter(|(_, (end, at))| end > at);
        let (partition, (_, at)) = behind.max_by_key(|(_, (end, at))| *end - *at)?;
        Some((Partition(partition), Position(*at)))
    }

    pub(super) fn unbroken(&self) -> Result<(), Broken> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    /// L1: after a failed write or sync nothing is written any more.
    pub(super) fn noting<T>(&mut self, result: Result<T, Fault>) -> Result<T, Broken> {
        result.map_err(|fault| {
            let broken = Broken(fault.to_string());
            self.broken = Some(broken.clone());
            broken
        })
    }
}

/// The largest payload where slots have `slot_bytes` bytes: half a slot, and never more than fits
/// an empty segment behind the checkpoints of all partitions.
fn max_payload(slot_bytes: u64, partitions: usize) -> u64 {
    let checkpoints = partitions as u64 * record_bytes(Checkpoint::MAX_METADATA);
    let head = group_head_bytes(partitions) + record_bytes(0) + checkpoints;
    let room = slot_bytes.saturating_sub(4 * PAGE + head);
    room.min(slot_bytes / 2).min(MAX_PAYLOAD)
}

/// The position of a checkpoint; 0 when there is none.
pub(super) fn position_of(checkpoint: &Option<Checkpoint>) -> u64 {
    checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.position.0)
}
