//! A segmented log: synchronous, without threads and without a clock of its own.
//!
//! Three streams, one for each topic, lie in slot files of one size. A stream is a sequence of
//! **segments**, each in one slot, with records of all partitions. A **group** is one write and
//! one sync: its records become durable together, then are readable, then answered. A segment
//! whose records are all finished is freed: its slot is used again once a later group that says so
//! is durable. Checkpoints are records of the stream of spans.
//!
//! `format` says what stands on the disk; `recovery` how it is found again; `stream` writes
//! groups; `read` reads; `pool` has the free slots.
//!
//! L1 … L12 in comments are the invariants of `docs/invariants.md`.

mod error;
mod format;
mod freeing;
mod identity;
mod payload;
mod pool;
mod read;
mod recovery;
mod salts;
mod scan;
mod segment;
mod segments;
mod stream;
mod tail;

use std::sync::Arc;

pub(super) use error::{Broken, Fault, OpenFault};
pub(super) use freeing::Retention;
pub(super) use identity::{Marks, write_marks};
pub(super) use payload::Encoded;
pub(super) use pool::NoRoom;
pub(super) use recovery::Recovered;
pub(super) use segments::{INDEX_BYTES, Segments};

use self::{
    format::{PAGE, group_head_bytes, record_bytes, round_up},
    pool::{Need, Pool},
    segment::Slot,
    stream::{BUFFER_BYTES, Desk, Entry, Stream},
};
use super::disk::{Disk, Listed};
use crate::{
    position::{LogTime, Partition, Position},
    reader::Checkpoint,
    record::RecordKind,
    topic::TopicName,
};

/// Longest metadata of a checkpoint; longer ones are left out.
const MAX_METADATA: usize = 4_096;

/// The largest payload, uncompressed, where slots are large enough.
pub(super) const MAX_PAYLOAD: u64 = 16 << 20;

/// Bytes of a group beyond which a record begins another one.
const GROUP_BYTES: u64 = BUFFER_BYTES as u64;

/// What a store is opened with.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// Partitions, 1 to 64. Fixed when the log is created.
    pub(super) partitions: u32,
    /// Bytes of a slot: a multiple of 4,096, from 32 KiB to 64 MiB. An existing log keeps its own.
    pub(super) slot_bytes: u64,
    /// Bytes that all slots may take. What keeps the log going may take a sixteenth more.
    pub(super) quota: u64,
    /// Free bytes to leave on the disk.
    pub(super) min_free: u64,
    /// Whether each group is waited for. Without, [`Store::sync`] is to be called now and then.
    pub(super) sync: bool,
    /// Whether to go on without files that are missing.
    pub(super) accept_loss: bool,
    /// Random, and another one each time that a store is opened: salts are made from it.
    pub(super) seed: [u64; 2],
}

/// A record to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    pub(super) topic: TopicName,
    pub(super) partition: Partition,
    pub(super) record: &'a Encoded,
}

/// Why a record was not written. The store is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// There is no slot for it.
    NoRoom(NoRoom),
    /// It does not fit a slot, or there is no such partition.
    Never,
}

/// What became of a batch.
#[derive(Debug)]
pub(super) struct Committed {
    /// The append time of all records that were written.
    pub(super) time: LogTime,
    /// For each record, in the order of the batch. Records with positions are durable (with
    /// `sync`) and can be read.
    pub(super) outcomes: Vec<Result<Position, Refused>>,
    /// Whether the checkpoints were written.
    pub(super) checkpoints: bool,
}

/// The one writer of a log.
pub(super) struct Store<D: Disk> {
    desk: Desk<D>,
    pool: Pool<D>,
    streams: [Stream<D>; 3],
    /// Slot files of the wrong size, to be given back.
    leftovers: Vec<Listed>,
    /// The newest checkpoints that were written.
    checkpoints: Vec<Option<Checkpoint>>,
    /// Positions of the checkpoints that are durable.
    finished: Vec<u64>,
    /// The time of what was written last.
    time: LogTime,
    broken: Option<Broken>,
}

impl<D: Disk> Store<D> {
    /// What there is to read, also for other threads.
    pub(super) const fn segments(&self) -> &Arc<Segments<D>> {
        &self.desk.segments
    }

    /// The largest payload that a record may have, uncompressed.
    pub(super) fn max_payload(&self) -> u64 {
        max_payload(self.desk.slot_bytes, self.desk.partitions)
    }

    /// Makes `items` durable, in their order within each topic, and with them `checkpoints`. The
    /// records get the time `now`, as it is: it is lower than the one before where the machine's
    /// clock was set back.
    ///
    /// # Errors
    /// [`Broken`] when a write or a sync failed: nothing is known of the batch, and nothing is
    /// written any more.
    pub(super) fn commit(
        &mut self,
        items: &[Item<'_>],
        checkpoints: &[(Partition, Checkpoint)],
        now: LogTime,
    ) -> Result<Committed, Broken> {
        self.unbroken()?;
        let mut committed = Committed {
            time: now,
            outcomes: vec![Err(Refused::Never); items.len()],
            checkpoints: true,
        };
        for topic in TopicName::ALL {
            let of_topic: Vec<usize> = (0..items.len())
                .filter(|&at| {
                    items.get(at).is_some_and(|item| item.topic == topic && self.fits(item))
                })
                .collect();
            let moved = if topic == TopicName::Spans { checkpoints } else { &[] };
            let result = self.append(topic, items, of_topic, moved, &mut committed);
            self.noting(result)?;
        }
        self.time = now;
        Ok(committed)
    }

    fn fits(&self, item: &Item<'_>) -> bool {
        u64::from(item.partition.0) < self.desk.partitions as u64
            && item.record.stored_bytes() <= self.max_payload()
    }

    fn append(
        &mut self,
        topic: TopicName,
        items: &[Item<'_>],
        mut rest: Vec<usize>,
        moved: &[(Partition, Checkpoint)],
        committed: &mut Committed,
    ) -> Result<(), Fault> {
        let mut moved = self.moved(moved);
        let time = committed.time;
        while !rest.is_empty() || !moved.is_empty() {
            let first = rest.first().and_then(|&at| items.get(at));
            let need = first.map_or(Need::Essential, need);
            let stream = &mut self.streams[topic.index()];
            if stream.must_roll()
                && let Err(none) = stream.roll(&mut self.desk, &mut self.pool, need, time)?
            {
                // What needs less may still fit.
                stream.full = false;
                let refused =
                    |at: &usize| items.get(*at).is_some_and(|item| self::need(item) == need);
                for at in rest.extract_if(.., |at| refused(at)) {
                    if let Some(outcome) = committed.outcomes.get_mut(at) {
                        *outcome = Err(Refused::NoRoom(none));
                    }
                }
                if need == Need::Essential && !moved.is_empty() {
                    committed.checkpoints = false;
                    moved.clear();
                }
                continue;
            }
            let carried = if stream.is_fresh() && topic == TopicName::Spans {
                self.snapshot(&moved)
            } else {
                moved.clone()
            };
            let stream = &mut self.streams[topic.index()];
            let carried: Vec<(u32, u64, Encoded)> = carried.iter().map(encode_checkpoint).collect();
            let room = stream.room(self.desk.slot_bytes);
            let mut bytes = group_head_bytes(self.desk.partitions)
                + carried.iter().map(|(.., record)| record_bytes(record.stored.len())).sum::<u64>();
            let mut count = 0;
            for item in rest.iter().filter_map(|&at| items.get(at)) {
                let more = record_bytes(item.record.stored.len());
                if round_up(bytes + more, PAGE) > room || (count > 0 && bytes + more > GROUP_BYTES)
                {
                    break;
                }
                bytes += more;
                count += 1;
            }
            if round_up(bytes, PAGE) > room || (count == 0 && !rest.is_empty()) {
                // Whatever passed `fits` fits an empty segment.
                stream.full = true;
                continue;
            }
            let batch: Vec<usize> = rest.drain(..count).collect();
            let mut entries = Vec::with_capacity(carried.len() + batch.len());
            entries.extend(carried.iter().map(|(partition, position, record)| Entry {
                partition: *partition,
                position: Some(*position),
                record,
            }));
            entries.extend(batch.iter().filter_map(|&at| items.get(at)).map(|item| Entry {
                partition: item.partition.0,
                position: None,
                record: item.record,
            }));
            let positions = stream.write(&mut self.desk, &mut self.pool, &entries, time)?;
            for (at, position) in batch.into_iter().zip(positions) {
                if let Some(outcome) = committed.outcomes.get_mut(at) {
                    *outcome = Ok(Position(position));
                }
            }
            self.take_over(std::mem::take(&mut moved));
        }
        Ok(())
    }

    /// Those of `checkpoints` that go forward.
    fn moved(&self, checkpoints: &[(Partition, Checkpoint)]) -> Vec<(Partition, Checkpoint)> {
        let moved = checkpoints.iter().filter(|(partition, checkpoint)| {
            let at = usize::try_from(partition.0).unwrap_or(usize::MAX);
            self.checkpoints.get(at).is_some_and(|known| {
                known.as_ref().is_none_or(|known| known.position <= checkpoint.position)
            })
        });
        moved.cloned().collect()
    }

    /// The checkpoints of all partitions, once `moved` are written.
    fn snapshot(&self, moved: &[(Partition, Checkpoint)]) -> Vec<(Partition, Checkpoint)> {
        let known = (0_u32..).map(Partition).zip(&self.checkpoints);
        known
            .filter_map(|(partition, known)| {
                let newer = moved.iter().rfind(|(of, _)| *of == partition);
                let checkpoint = newer.map(|(_, checkpoint)| checkpoint).or(known.as_ref())?;
                Some((partition, checkpoint.clone()))
            })
            .collect()
    }

    /// `moved` are written.
    fn take_over(&mut self, moved: Vec<(Partition, Checkpoint)>) {
        for (partition, checkpoint) in moved {
            let at = usize::try_from(partition.0).unwrap_or(usize::MAX);
            if let Some(known) = self.checkpoints.get_mut(at) {
                *known = Some(checkpoint);
            }
        }
        self.note_finished();
    }

    /// Notes which checkpoints are durable.
    fn note_finished(&mut self) {
        let spans = &self.streams[TopicName::Spans.index()];
        if spans.durable == spans.group {
            self.finished = self.checkpoints.iter().map(position_of).collect();
        }
    }

    /// Makes durable what is not yet; without `sync` only.
    ///
    /// # Errors
    /// [`Broken`], as [`commit`](Self::commit).
    pub(super) fn sync(&mut self) -> Result<(), Broken> {
        self.unbroken()?;
        for stream in &mut self.streams {
            let result = stream.sync(&self.desk, &mut self.pool);
            if let Err(fault) = result {
                return self.noting(Err(fault));
            }
        }
        self.note_finished();
        Ok(())
    }

    /// Whether [`seal`](Self::seal) has something to do.
    pub(super) fn wants_seal(&self) -> bool {
        self.streams.iter().any(Stream::wants_seal)
    }

    /// Whether slots wait for groups to say that they can be used again.
    pub(super) fn has_freed(&self) -> bool {
        self.streams.iter().any(|stream| !stream.freed.is_empty())
    }

    /// Proves by a group without records that the newest ones were durable, so that a damage to
    /// them is told from a write that a power cut tore; and lets the slots of finished segments be
    /// used again. To be called when there is nothing to commit.
    ///
    /// # Errors
    /// [`Broken`], as [`commit`](Self::commit).
    pub(super) fn seal(&mut self, now: LogTime) -> Result<(), Broken> {
        self.unbroken()?;
        self.time = now;
        for topic in TopicName::ALL {
            if self.streams[topic.index()].wants_seal() {
                let result = self.write_empty(topic);
                self.noting(result)?;
            }
        }
        Ok(())
    }

    /// Writes a group without records, in a new segment if need be and if there is a slot.
    fn write_empty(&mut self, topic: TopicName) -> Result<(), Fault> {
        let stream = &mut self.streams[topic.index()];
        let cursor = stream.active.as_ref().map_or(u64::MAX, |active| active.cursor);
        let head = round_up(group_head_bytes(self.desk.partitions), PAGE);
        // The room that is kept for this, and no more.
        if cursor.saturating_add(head + PAGE) > self.desk.slot_bytes {
            stream.full = true;
        }
        if stream.must_roll() {
            let rolled = stream.roll(&mut self.desk, &mut self.pool, Need::Essential, self.time)?;
            if rolled.is_err() {
                return Ok(());
            }
        }
        let carried: Vec<(u32, u64, Encoded)> = if topic == TopicName::Spans && stream.is_fresh() {
            self.snapshot(&[]).iter().map(encode_checkpoint).collect()
        } else {
            Vec::new()
        };
        let entries: Vec<Entry<'_>> = carried
            .iter()
            .map(|(partition, position, record)| Entry {
                partition: *partition,
                position: Some(*position),
                record,
            })
            .collect();
        let stream = &mut self.streams[topic.index()];
        stream.write(&mut self.desk, &mut self.pool, &entries, self.time)?;
        self.note_finished();
        Ok(())
    }

    /// Makes sure that the reserve is there. Says why not. Spans are refused without it.
    ///
    /// # Errors
    /// [`Broken`], as [`commit`](Self::commit).
    pub(super) fn fill_reserve(&mut self) -> Result<Result<(), NoRoom>, Broken> {
        self.unbroken()?;
        let result = self.pool.fill();
        self.noting(result)
    }

    /// Whether spans that need another slot will find one; after a refusal, whether they will
    /// find some.
    pub(super) fn room(&self, refused: bool) -> Result<(), NoRoom> {
        self.pool.has_room(refused)
    }

    /// Bytes of all slots.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.pool.bytes()
    }

    /// Bytes of the slots that hold segments, and of those that cannot be used again yet.
    pub(super) fn used_bytes(&self) -> u64 {
        self.pool.bytes().saturating_sub(self.pool.free() as u64 * self.desk.slot_bytes)
    }

    /// Free bytes of the disk; many when it cannot be asked.
    pub(super) fn free_disk_bytes(&self) -> u64 {
        self.desk.disk.free_bytes().unwrap_or(u64::MAX)
    }

    /// Takes a slot out of use that is not needed, if there is one. It is to be cut and unlinked
    /// by [`give_back`](GivenBack::give_back), away from the writer thread.
    pub(super) fn surplus(&mut self) -> Option<GivenBack<D>> {
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
    pub(super) fn forget(&mut self, number: u32) {
        self.pool.forget(number);
    }

    /// The newest segments, all durable.
    pub(super) fn marks(&self) -> Marks {
        std::array::from_fn(|at| {
            let stream = &self.streams[at];
            // Without `sync` the newest one may not be.
            if stream.durable == stream.group { stream.newest } else { 0 }
        })
    }

    /// The partition that keeps the oldest spans from being freed, and its next unfinished
    /// position.
    pub(super) fn holder(&self) -> Option<(Partition, Position)> {
        let line = self.desk.segments.line(TopicName::Spans);
        let end = &line.front()?.end.get()?.next;
        let behind =
            (0_u32..).zip(end.iter().zip(&self.finished)).filter(|(_, (end, at))| end > at);
        let (partition, (_, at)) = behind.max_by_key(|(_, (end, at))| *end - *at)?;
        Some((Partition(partition), Position(*at)))
    }

    fn unbroken(&self) -> Result<(), Broken> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    /// L1: after a failed write or sync nothing is written any more.
    fn noting<T>(&mut self, result: Result<T, Fault>) -> Result<T, Broken> {
        result.map_err(|fault| {
            let broken = Broken(fault.to_string());
            self.broken = Some(broken.clone());
            broken
        })
    }
}

/// A slot on its way back to the disk.
pub(super) struct GivenBack<D: Disk> {
    disk: Arc<D>,
    slot: Arc<Slot<D::Slot>>,
    length: u64,
}

impl<D: Disk> GivenBack<D> {
    /// Bytes that are cut off at once: a file system takes tens of milliseconds to free a large
    /// file, and makes other writes wait for it.
    const STEP: u64 = 4 << 20;

    /// Cuts the slot step by step, with `pause` in between, and unlinks it. Gives its number. A
    /// failure is of no consequence: what is left is given back when the log is opened again.
    pub(super) fn give_back(self, mut pause: impl FnMut()) -> std::io::Result<u32> {
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

/// The largest payload where slots have `slot_bytes` bytes: half a slot, and never more than fits
/// an empty segment behind the checkpoints of all partitions.
pub(super) fn max_payload(slot_bytes: u64, partitions: usize) -> u64 {
    let checkpoints = partitions as u64 * record_bytes(MAX_METADATA);
    let head = group_head_bytes(partitions) + record_bytes(0) + checkpoints;
    let room = slot_bytes.saturating_sub(4 * PAGE + head);
    room.min(slot_bytes / 2).min(MAX_PAYLOAD)
}

const fn need(item: &Item<'_>) -> Need {
    match (item.topic, item.record.kind) {
        (TopicName::Spans, format::Kind::Record(RecordKind::Spans)) => Need::Spans,
        (TopicName::DeadLetters, _) => Need::Letters,
        _ => Need::Essential,
    }
}

fn encode_checkpoint((partition, checkpoint): &(Partition, Checkpoint)) -> (u32, u64, Encoded) {
    let metadata = Some(checkpoint.metadata.as_str()).filter(|text| text.len() <= MAX_METADATA);
    let record = Encoded::checkpoint(metadata.unwrap_or_default());
    (partition.0, checkpoint.position.0, record)
}

fn position_of(checkpoint: &Option<Checkpoint>) -> u64 {
    checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.position.0)
}

#[cfg(test)]
mod tests;
