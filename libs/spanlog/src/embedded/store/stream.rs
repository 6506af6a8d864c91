//! The end of a stream: where groups are written.

use std::{io, sync::Arc};

use super::{
    error::Fault,
    format::{
        GroupHead, PAGE, Previous, RecordHead, Seal, SlotHeader, group_head_bytes, record_bytes,
        round_up,
    },
    payload::Encoded,
    pool::{Need, NoRoom, Pool},
    salts::Salts,
    scan::write_full,
    segment::{Before, End, Index, Segment, Slot},
    segments::Segments,
};
use crate::{
    embedded::disk::Disk,
    position::{LogTime, Partition},
    topic::TopicName,
};

/// What all streams write with.
pub(super) struct Desk<D: Disk> {
    pub(super) disk: Arc<D>,
    pub(super) segments: Arc<Segments<D>>,
    pub(super) log_id: u128,
    pub(super) salts: Salts,
    pub(super) partitions: usize,
    pub(super) slot_bytes: u64,
    /// Whether each group is waited for.
    pub(super) sync: bool,
    /// A group on its way to the disk.
    pub(super) buffer: Vec<u8>,
}

/// A record on its way into a group.
pub(super) struct Entry<'a> {
    pub(super) partition: u32,
    /// That of a checkpoint; other records are given the next one.
    pub(super) position: Option<u64>,
    pub(super) record: &'a Encoded,
}

/// The writing end of one stream.
pub(super) struct Stream<D: Disk> {
    pub(super) topic: TopicName,
    pub(super) active: Option<Active<D::Slot>>,
    /// The next position of each partition.
    pub(super) next: Vec<u64>,
    /// The newest segment; 0 when there was none yet.
    pub(super) newest: u64,
    /// The number of the newest group.
    pub(super) group: u64,
    /// The newest group that is durable.
    pub(super) durable: u64,
    /// Segments below this one are finished.
    pub(super) oldest: u64,
    /// What the newest group says of it.
    pub(super) noted: u64,
    /// What the group before says of it.
    pub(super) noted_before: u64,
    /// Slots of finished segments, until two groups say so: damage to one must not make their
    /// segments seem to be missing.
    pub(super) freed: Vec<(u64, Arc<Slot<D::Slot>>)>,
    /// How far positions jump with the next segment.
    pub(super) jump: u64,
    /// Whether the next group begins a segment.
    pub(super) full: bool,
    /// Whether records are in the newest group, so that no later one proves it.
    pub(super) unproven: bool,
    /// The latest time of a record in the newest segment.
    pub(super) time: LogTime,
}

/// The segment that is written to.
pub(super) struct Active<S> {
    pub(super) segment: Arc<Segment<S>>,
    /// Where the next group goes.
    pub(super) cursor: u64,
    /// The header, until it is written together with the first group.
    pub(super) header: Option<SlotHeader>,
}

impl<D: Disk> Stream<D> {
    pub(super) fn new(topic: TopicName, partitions: usize) -> Self {
        Self {
            topic,
            active: None,
            next: vec![0; partitions],
            newest: 0,
            group: 0,
            durable: 0,
            oldest: 1,
            noted: 1,
            noted_before: 1,
            freed: Vec::new(),
            jump: 0,
            full: false,
            unproven: false,
            time: LogTime(0),
        }
    }

    /// Whether a group can only be written to another segment.
    pub(super) const fn must_roll(&self) -> bool {
        self.active.is_none() || self.full || self.jump > 0
    }

    /// Whether the next group is the first of its segment.
    pub(super) fn is_fresh(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.cursor == PAGE)
    }

    /// Bytes that the next group may take. Some are kept for a group without records.
    pub(super) fn room(&self, slot_bytes: u64) -> u64 {
        let cursor = self.active.as_ref().map_or(slot_bytes, |active| active.cursor);
        slot_bytes.saturating_sub(cursor + 2 * PAGE)
    }

    /// Begins a segment; it is written with its first group.
    pub(super) fn roll(
        &mut self,
        desk: &mut Desk<D>,
        pool: &mut Pool<D>,
        need: Need,
        time: LogTime,
    ) -> Result<Result<(), NoRoom>, Fault> {
        // What the new segment's header says of the one before is durable.
        self.sync(desk, pool)?;
        let slot = match pool.take(need)? {
            Ok(slot) => slot,
            Err(none) => return Ok(Err(none)),
        };
        let seal =
            Seal { salt: desk.salts.draw(), segment: self.newest + 1, partitions: desk.partitions };
        let previous = self.active.as_ref().map_or_else(Previous::default, |active| Previous {
            salt: active.segment.seal.salt,
            end: active.cursor,
            group: self.group,
            time: self.time,
        });
        if let Some(active) = &self.active {
            let next = self.next.clone();
            let end = End { offset: active.cursor, next, time: self.time };
            // It ends once.
            let _ended = active.segment.end.set(end);
        }
        let before = if self.jump > 0 { Before::Jump } else { Before::Nothing };
        for next in &mut self.next {
            *next += self.jump;
        }
        let header = SlotHeader {
            log_id: desk.log_id,
            stream: self.topic,
            segment: seal.segment,
            salt: seal.salt,
            previous,
            oldest: self.oldest,
            time,
            jump: self.jump,
            next: self.next.clone(),
        };
        let segment = Segment::new(seal.segment, slot, seal, self.next.clone(), time, before);
        *segment.index_mut() = Some(Index::new(desk.partitions));
        self.active =
            Some(Active { segment: Arc::new(segment), cursor: PAGE, header: Some(header) });
        self.newest = seal.segment;
        self.time = LogTime(0);
        self.jump = 0;
        self.full = false;
        Ok(Ok(()))
    }

    /// Writes a group and lets readers see it. There is a segment with room for it. Gives the
    /// positions of the records.
    pub(super) fn write(
        &mut self,
        desk: &mut Desk<D>,
        pool: &mut Pool<D>,
        entries: &[Entry<'_>],
        time: LogTime,
    ) -> Result<Vec<u64>, Fault> {
        let Some(active) = &mut self.active else { return Ok(Vec::new()) };
        let mut group = Group {
            seal: active.segment.seal,
            head: GroupHead {
                records: u32::try_from(entries.len()).unwrap_or(u32::MAX),
                number: self.group + 1,
                durable: self.durable,
                offset: active.cursor,
                length: 0,
                oldest: self.oldest,
                time,
                next: self.next.clone(),
            },
            proven: self.durable == self.group,
            written: Vec::with_capacity(entries.len()),
        };
        let mut next = self.next.clone();
        desk.buffer.clear();
        let header = active.header.as_ref().map(SlotHeader::encode);
        if let Some(header) = &header {
            desk.buffer.extend_from_slice(header);
        }
        let length = group.assemble(&mut desk.buffer, entries, &mut next);
        // L1: this group is written only once the one before it is durable.
        debug_assert!(!desk.sync || self.durable == self.group, "L1");
        let slot = &active.segment.slot;
        let fault = |action| {
            let slot = Some(slot.number);
            move |source: io::Error| Fault::new(action, slot, source)
        };
        let offset = if header.is_some() { 0 } else { active.cursor };
        write_full(&*desk.disk, slot, &desk.buffer, offset).map_err(fault("write"))?;
        if let Some(header) = &header {
            let last = desk.slot_bytes - PAGE;
            write_full(&*desk.disk, slot, header, last).map_err(fault("write"))?;
        }
        if desk.sync {
            desk.disk.sync_data(&slot.file).map_err(fault("make a write durable"))?;
        }
        desk.buffer.shrink_to(BUFFER_BYTES);
        active.header = None;
        active.cursor += length;
        if header.is_some() {
            desk.segments.line_mut(self.topic).push_back(Arc::clone(&active.segment));
        }
        let positions = active.publish(&group.written);
        self.group += 1;
        self.noted_before = std::mem::replace(&mut self.noted, self.oldest);
        self.unproven = !positions.is_empty();
        if self.unproven {
            self.time = self.time.max(time);
        }
        self.next = next;
        desk.segments.publish_ends(self.topic, &self.next);
        if header.is_some() {
            desk.segments.publish_starts(self.topic);
        }
        if desk.sync {
            self.settle(pool);
        }
        Ok(positions)
    }

    /// Makes durable what is not yet. Says whether there was anything.
    pub(super) fn sync(&mut self, desk: &Desk<D>, pool: &mut Pool<D>) -> Result<bool, Fault> {
        let Some(active) = self.active.as_ref().filter(|_| self.durable < self.group) else {
            return Ok(false);
        };
        let slot = &active.segment.slot;
        desk.disk
            .sync_data(&slot.file)
            .map_err(|source| Fault::new("make a write durable", Some(slot.number), source))?;
        self.settle(pool);
        Ok(true)
    }

    /// All that was written is durable.
    fn settle(&mut self, pool: &mut Pool<D>) {
        self.durable = self.group;
        // L4: only now may the slots of finished segments be written to again.
        let noted = self.noted_before;
        for (_, slot) in self.freed.extract_if(.., |(segment, _)| *segment < noted) {
            pool.put(slot);
        }
    }

    /// Whether a group without records is of use: as a proof that the newest records were durable,
    /// or to let slots be used again.
    pub(super) fn wants_seal(&self) -> bool {
        self.active.is_some() && (self.unproven || !self.freed.is_empty())
    }
}

/// Bytes that the buffer of groups keeps.
pub(super) const BUFFER_BYTES: usize = 4 << 20;

/// A group as it is put together.
struct Group {
    seal: Seal,
    head: GroupHead,
    proven: bool,
    /// Partition, position and offset of each record; no offset for checkpoints.
    written: Vec<(u32, u64, Option<u64>)>,
}

impl Group {
    /// Appends the group to `buffer`; says how long it is.
    fn assemble(&mut self, buffer: &mut Vec<u8>, entries: &[Entry<'_>], next: &mut [u64]) -> u64 {
        let begin = buffer.len();
        let head_bytes = group_head_bytes(self.seal.partitions);
        let end_of_head = begin + usize::try_from(head_bytes).unwrap_or_default();
        buffer.resize(end_of_head, 0);
        for entry in entries {
            let place = usize::try_from(entry.partition).ok().and_then(|at| next.get_mut(at));
            let position = match (entry.position, place) {
                (Some(position), _) => position,
                (None, Some(next)) => {
                    *next += 1;
                    *next - 1
                }
                // Partitions are checked before.
                (None, None) => continue,
            };
            let offset = self.head.offset + (buffer.len() - begin) as u64;
            let Encoded { kind, codec, epoch, raw, sum, stored } = entry.record;
            let head = RecordHead {
                kind: *kind,
                codec: *codec,
                proven: self.proven,
                partition: Partition(entry.partition),
                position,
                time: self.head.time,
                epoch: *epoch,
                stored: u32::try_from(stored.len()).unwrap_or(u32::MAX),
                raw: *raw,
                #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
                group: self.head.number as u32,
                offset,
                group_offset: self.head.offset,
                payload_sum: *sum,
            };
            let end = buffer.len() as u64 + record_bytes(stored.len());
            buffer.extend_from_slice(&head.encode(self.seal));
            buffer.extend_from_slice(stored);
            buffer.resize(usize::try_from(end).unwrap_or(usize::MAX), 0);
            let offset = entry.position.is_none().then_some(offset);
            self.written.push((entry.partition, position, offset));
        }
        self.head.length = round_up((buffer.len() - begin) as u64, PAGE);
        let end = begin as u64 + self.head.length;
        buffer.resize(usize::try_from(end).unwrap_or(usize::MAX), 0);
        if let Some(group) = buffer.get_mut(begin..) {
            self.head.write(self.seal, group);
        }
        self.head.length
    }
}

impl<S> Active<S> {
    /// Lets readers find what was written; gives the positions of the records.
    fn publish(&self, written: &[(u32, u64, Option<u64>)]) -> Vec<u64> {
        let mut place = self.segment.index_mut();
        let index = place.get_or_insert_with(|| Index::new(self.segment.base.len()));
        let mut positions = Vec::with_capacity(written.len());
        for &(partition, position, offset) in written {
            let partition = usize::try_from(partition).unwrap_or(usize::MAX);
            if let Some(offset) = offset {
                index.note(partition, position - self.segment.base_of(partition), offset);
                positions.push(position);
            }
        }
        positions
    }
}
