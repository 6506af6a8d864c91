//! The living segments, as the writer and the readers share them.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    format::{Kind, PAGE},
    scan::{Payloads, Piece, Unreadable, scan},
    segment::{Index, Segment},
};
use crate::{
    embedded::disk::Disk,
    position::{Partition, Position},
    reader::Extent,
    topic::TopicName,
};

/// Memory for indexes of finished segments. The least recently used go; they are made again from
/// the segment when it is read again.
pub(in crate::embedded) const INDEX_BYTES: u64 = 16 << 20;

/// The segments of one stream, oldest first.
pub(super) type Line<D> = VecDeque<Arc<Segment<<D as Disk>::Slot>>>;

/// The living segments of all streams, and what can be read of them.
pub(in crate::embedded) struct Segments<D: Disk> {
    pub(super) disk: Arc<D>,
    pub(super) slot_bytes: u64,
    lines: [RwLock<Line<D>>; 3],
    ends: [Vec<Ends>; 3],
    /// Counts uses of indexes.
    uses: AtomicU64,
}

/// The positions of one partition that can be read.
#[derive(Default)]
struct Ends {
    start: AtomicU64,
    end: AtomicU64,
}

impl<D: Disk> Segments<D> {
    pub(super) fn new(disk: Arc<D>, slot_bytes: u64, partitions: usize) -> Self {
        let ends = || (0..partitions).map(|_| Ends::default()).collect();
        Self {
            disk,
            slot_bytes,
            lines: [const { RwLock::new(VecDeque::new()) }; 3],
            ends: [ends(), ends(), ends()],
            uses: AtomicU64::new(0),
        }
    }

    pub(super) fn line(&self, topic: TopicName) -> RwLockReadGuard<'_, Line<D>> {
        self.lines[topic.index()].read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn line_mut(&self, topic: TopicName) -> RwLockWriteGuard<'_, Line<D>> {
        self.lines[topic.index()].write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What can be read of `partition`; empty when there is no such partition.
    pub(in crate::embedded) fn extent(&self, topic: TopicName, partition: Partition) -> Extent {
        let at = usize::try_from(partition.0).unwrap_or(usize::MAX);
        let Some(ends) = self.ends[topic.index()].get(at) else {
            return Extent { start: Position(0), end: Position(0) };
        };
        // The start first: both only grow, so that it never seems to lie beyond the end.
        let start = ends.start.load(Ordering::Acquire);
        let end = ends.end.load(Ordering::Acquire);
        Extent { start: Position(start.min(end)), end: Position(end) }
    }

    /// Lets readers see what lies below `next`.
    pub(super) fn publish_ends(&self, topic: TopicName, next: &[u64]) {
        for (ends, &next) in self.ends[topic.index()].iter().zip(next) {
            ends.end.store(next, Ordering::Release);
        }
    }

    /// Keeps readers from what lies below the oldest segment.
    pub(super) fn publish_starts(&self, topic: TopicName) {
        let line = self.line(topic);
        let Some(oldest) = line.front() else { return };
        for (ends, &base) in self.ends[topic.index()].iter().zip(&oldest.base) {
            ends.start.store(base, Ordering::Release);
        }
    }

    /// How many segments there are in all.
    pub(in crate::embedded) fn count(&self) -> u64 {
        TopicName::ALL.into_iter().map(|topic| self.line(topic).len() as u64).sum()
    }

    /// Sees to it that `segment` has an index, which the caller then finds there unless others
    /// took its room in the meantime.
    pub(super) fn load_index(
        &self,
        topic: TopicName,
        segment: &Segment<D::Slot>,
    ) -> io::Result<()> {
        segment.touch(self.uses.fetch_add(1, Ordering::Relaxed) + 1);
        if segment.index().is_some() {
            return Ok(());
        }
        self.make_room(topic, segment.id);
        let mut place = segment.index_mut();
        if place.is_none() {
            let index = make_index(&*self.disk, self.slot_bytes, segment)?;
            *place = Some(index);
        }
        Ok(())
    }

    /// Forgets indexes until there is room for another.
    fn make_room(&self, topic: TopicName, keep: u64) {
        let mut held = Vec::new();
        let mut bytes = 0;
        for of in TopicName::ALL {
            for segment in self.line(of).iter().filter(|segment| segment.end.get().is_some()) {
                let size = segment.index_bytes();
                if size > 0 && (of, segment.id) != (topic, keep) {
                    bytes += size;
                    held.push((segment.used(), size, Arc::clone(segment)));
                }
            }
        }
        held.sort_unstable_by_key(|(used, ..)| *used);
        for (_, size, segment) in held {
            if bytes <= INDEX_BYTES {
                return;
            }
            *segment.index_mut() = None;
            bytes -= size;
        }
    }
}

/// Reads a segment for where its records are.
pub(super) fn make_index<D: Disk>(
    disk: &D,
    slot_bytes: u64,
    segment: &Segment<D::Slot>,
) -> io::Result<Index> {
    let mut index = Index::new(segment.base.len());
    let end = segment.end.get();
    let stop = end.map_or(slot_bytes - PAGE, |end| end.offset);
    let how = (Payloads::Checkpoints, Unreadable::Zeros);
    scan(disk, &segment.slot, segment.seal, stop, how, &mut |piece| {
        note(&mut index, &segment.base, &piece);
    })?;
    for (partition, (base, next)) in
        segment.base.iter().zip(end.into_iter().flat_map(|end| &end.next)).enumerate()
    {
        index.fit(partition, next.saturating_sub(*base));
    }
    Ok(index)
}

/// Notes what `piece` tells: where a record is, or that there were records that are lost.
pub(super) fn note(index: &mut Index, base: &[u64], piece: &Piece<'_>) {
    match piece {
        Piece::Group(head) => {
            for (partition, (base, next)) in base.iter().zip(&head.next).enumerate() {
                index.pad(partition, next.saturating_sub(*base));
            }
        }
        Piece::Record { head, .. } if head.kind != Kind::Checkpoint => {
            let partition = usize::try_from(head.partition.0).unwrap_or(usize::MAX);
            if let Some(behind) =
                base.get(partition).and_then(|base| head.position.checked_sub(*base))
            {
                index.note(partition, behind, head.offset);
            }
        }
        Piece::Record { .. } => {}
    }
}
