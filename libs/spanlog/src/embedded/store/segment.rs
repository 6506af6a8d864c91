//! Segments and their indexes.

use std::sync::{
    Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    atomic::{AtomicU64, Ordering},
};

use super::format::Seal;
use crate::{embedded::disk::Disk, position::LogTime};

/// A slot file that is open.
pub(super) struct Slot<S> {
    pub(super) number: u32,
    pub(super) file: S,
}

/// A slot that several hold: the segment in it, its readers, the pool.
pub(super) type Handle<D> = Arc<Slot<<D as Disk>::Slot>>;

/// One use of a slot: a stretch of a stream, with records of all partitions.
pub(super) struct Segment<S> {
    pub(super) id: u64,
    pub(super) slot: Arc<Slot<S>>,
    pub(super) seal: Seal,
    /// The position of each partition's first record.
    pub(super) base: Vec<u64>,
    /// No record is older.
    pub(super) first_time: LogTime,
    /// What lies between the segment before and this one.
    pub(super) before: Before,
    /// Set once another segment follows.
    pub(super) end: OnceLock<End>,
    /// Where the records are. There while the segment is written to, else made on first use.
    index: RwLock<Option<Index>>,
    /// When the index was last used, as a count of uses.
    used: AtomicU64,
}

/// What lies between the positions of a segment and those of the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing: they follow on each other.
    Nothing,
    /// Positions that were never given or whose records cannot be told from such: one gap.
    Jump,
    /// Segments whose files are gone. That loss was accepted.
    Missing,
}

/// How a finished segment ends.
#[derive(Clone, Debug)]
pub(super) struct End {
    /// The offset behind its last group.
    pub(super) offset: u64,
    /// One past the last position of each partition.
    pub(super) next: Vec<u64>,
    /// No record is younger.
    pub(super) time: LogTime,
}

impl<S> Segment<S> {
    pub(super) fn new(
        id: u64,
        slot: Arc<Slot<S>>,
        seal: Seal,
        base: Vec<u64>,
        first_time: LogTime,
        before: Before,
    ) -> Self {
        Self {
            id,
            slot,
            seal,
            base,
            first_time,
            before,
            end: OnceLock::new(),
            index: RwLock::new(None),
            used: AtomicU64::new(0),
        }
    }

    /// The position of the first record of the partition numbered `partition`.
    pub(super) fn base_of(&self, partition: usize) -> u64 {
        self.base.get(partition).copied().unwrap_or(u64::MAX)
    }

    pub(super) fn index(&self) -> RwLockReadGuard<'_, Option<Index>> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn index_mut(&self) -> RwLockWriteGuard<'_, Option<Index>> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Memory that the index takes. Does not wait for one that is being made.
    pub(super) fn index_bytes(&self) -> u64 {
        self.index.try_read().map_or(0, |index| index.as_ref().map_or(0, Index::bytes))
    }

    pub(super) fn touch(&self, now: u64) {
        self.used.store(now, Ordering::Relaxed);
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether every record lies below `finished`, a position of each partition.
    pub(super) fn is_below(&self, finished: &[u64]) -> bool {
        self.end.get().is_some_and(|end| end.next.iter().zip(finished).all(|(end, at)| end <= at))
    }
}

/// The offset of every record in a segment, by partition and position.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    offsets: Vec<Vec<u32>>,
}

/// The offset that stands for a record whose head is lost. A segment's header is there.
const LOST: u32 = 0;

/// What an index knows of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    At(u64),
    /// There was a record, but its head cannot be read.
    Lost,
    /// Behind the last record.
    Beyond,
}

impl Index {
    pub(super) fn new(partitions: usize) -> Self {
        Self { offsets: vec![Vec::new(); partitions] }
    }

    /// Notes the record at `index` positions behind the segment's base. Those left out are lost.
    pub(super) fn note(&mut self, partition: usize, index: u64, offset: u64) {
        self.pad(partition, index);
        if let Some(offsets) = self.offsets.get_mut(partition)
            && offsets.len() as u64 == index
        {
            offsets.push(u32::try_from(offset).unwrap_or(LOST));
        }
    }

    /// Has the partition hold `count` records: those that were not noted are lost.
    pub(super) fn pad(&mut self, partition: usize, count: u64) {
        let Some(offsets) = self.offsets.get_mut(partition) else { return };
        // A segment cannot hold more: what says otherwise is not to be believed.
        let count = usize::try_from(count.min(MAX_RECORDS)).unwrap_or_default();
        if count > offsets.len() {
            offsets.resize(count, LOST);
        }
    }

    /// Has the partition hold `count` records and no more.
    pub(super) fn fit(&mut self, partition: usize, count: u64) {
        self.pad(partition, count);
        if let Some(offsets) = self.offsets.get_mut(partition) {
            offsets.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        }
    }

    /// How many records of the partition there are.
    pub(super) fn count(&self, partition: usize) -> u64 {
        self.offsets.get(partition).map_or(0, |offsets| offsets.len() as u64)
    }

    pub(super) fn place(&self, partition: usize, index: u64) -> Place {
        let offset = usize::try_from(index)
            .ok()
            .and_then(|index| self.offsets.get(partition)?.get(index).copied());
        match offset {
            None => Place::Beyond,
            Some(LOST) => Place::Lost,
            Some(offset) => Place::At(offset.into()),
        }
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> u64 {
        self.offsets.iter().map(|offsets| offsets.capacity() as u64 * 4).sum()
    }
}

/// The most records that a segment can hold: those without payload in the largest slot.
pub(super) const MAX_RECORDS: u64 = 1 << 20;
