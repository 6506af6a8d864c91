//! The records of one partition.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::{
    position::{LogTime, Partition, Position},
    reader::{Extent, ReadError, Replacement, Start},
    record::{Frame, Record},
};

/// One partition: everything in it is durable.
pub(super) struct PartitionLog {
    records: Mutex<Records>,
    /// Wakes waiting cursors.
    pub(super) grown: Notify,
}

/// The records and what is known about them.
pub(super) struct Records {
    pub(super) frames: VecDeque<Frame>,
    /// The oldest position that was not trimmed.
    pub(super) start: Position,
    /// The newest record that was trimmed.
    trimmed: Option<Position>,
    /// The next position.
    pub(super) end: Position,
    /// Payload bytes ever appended.
    pub(super) bytes: u64,
    /// Records ever appended.
    pub(super) count: u64,
    /// Records whose reading reports damage.
    pub(super) damaged: BTreeSet<Position>,
    /// Counts up when the log is replaced by another one, or its end is lost.
    pub(super) replaced: u64,
    /// Of the log that the owner's checkpoint is of, until somebody asks with one of its positions.
    expected: Option<u64>,
    discard: bool,
}

impl PartitionLog {
    pub(super) fn new(discard: bool) -> Self {
        let records = Records {
            frames: VecDeque::new(),
            start: Position(0),
            trimmed: None,
            end: Position(0),
            bytes: 0,
            count: 0,
            damaged: BTreeSet::new(),
            replaced: 0,
            expected: None,
            discard,
        };
        Self { records: Mutex::new(records), grown: Notify::new() }
    }

    pub(super) fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `record` and wakes the readers.
    pub(super) fn write(&self, record: Record, now: LogTime, gap: u64) -> Position {
        let position = self.records().push(record, now, gap);
        self.grown.notify_waiters();
        position
    }
}

impl Records {
    fn push(&mut self, record: Record, now: LogTime, gap: u64) -> Position {
        let position = self.end;
        self.end = Position(position.0 + 1 + gap);
        self.bytes += record.payload.len() as u64;
        self.count += 1;
        let Record { kind, epoch, payload } = record;
        if !self.discard {
            self.frames.push_back(Frame { position, time: now, kind, epoch, payload });
        }
        position
    }

    pub(super) const fn extent(&self) -> Extent {
        Extent { start: self.start, end: self.end }
    }

    /// Frames at or after `from` and before the next damaged one: as many as fit `max_bytes`, but
    /// at least one if there is one.
    ///
    /// # Errors
    /// The position of the first one when that is damaged.
    pub(super) fn read(&self, from: Position, max_bytes: usize) -> Result<Vec<Frame>, Position> {
        let first = self.frames.partition_point(|frame| frame.position < from);
        let mut room = max_bytes;
        let mut read = Vec::new();
        for frame in self.frames.range(first..) {
            if self.damaged.contains(&frame.position) {
                if read.is_empty() {
                    return Err(frame.position);
                }
                break;
            }
            match room.checked_sub(frame.payload.len()) {
                Some(left) => room = left,
                None if read.is_empty() => room = 0,
                None => break,
            }
            read.push(frame.clone());
        }
        Ok(read)
    }

    /// Whether a record at or after `from` was trimmed.
    pub(super) fn is_gone(&self, from: Position) -> bool {
        self.trimmed.is_some_and(|trimmed| trimmed >= from)
    }

    /// The position that `start` stands for.
    pub(super) fn resolve(&self, start: Start) -> Position {
        match start {
            Start::Earliest => self.start,
            Start::Position(position) => position.max(self.start),
            Start::Time(time) => {
                let first = self.frames.iter().find(|frame| frame.time >= time);
                first.map_or(self.end, |frame| frame.position)
            }
        }
    }

    /// Deletes what lies below `before`.
    pub(super) fn trim(&mut self, before: Position) {
        let keep = self.frames.partition_point(|frame| frame.position < before);
        if let Some(newest) = self.frames.drain(..keep).next_back() {
            self.trimmed = Some(newest.position);
        }
        self.start = before.clamp(self.start, self.end);
    }

    /// Deletes what lies at or behind `end`, as brokers that lost it would.
    pub(super) fn truncate(&mut self, end: Position) {
        let keep = self.frames.partition_point(|frame| frame.position < end);
        self.frames.truncate(keep);
        let end = end.clamp(self.start, self.end);
        self.replaced += u64::from(end < self.end);
        self.end = end;
    }

    /// Begins again with nothing: the topic was deleted and made anew.
    pub(super) fn replace(&mut self) {
        self.frames.clear();
        (self.start, self.end, self.trimmed) = (Position(0), Position(0), None);
        self.replaced += 1;
    }

    /// The owner has a checkpoint that was made in the log `of`.
    pub(super) const fn expect(&mut self, of: u64) {
        self.expected = Some(of);
    }

    /// Fails when `position` is not of this log: the caller has it from the log `of`, or from the
    /// checkpoint.
    pub(super) fn known(
        &mut self,
        partition: Partition,
        position: Position,
        of: Option<u64>,
    ) -> Result<(), ReadError> {
        let (extent, of) = (self.extent(), of.or_else(|| self.expected.take()));
        extent.reaches(partition, position)?;
        if of.is_some_and(|of| of != self.replaced) {
            return Err(extent.replaced(partition, position, Replacement::Younger));
        }
        Ok(())
    }
}
