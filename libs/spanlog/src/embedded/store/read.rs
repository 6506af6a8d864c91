//! Reading what is durable. Blocking: called off the runtime's workers.

use std::{io, sync::Arc};

use super::{
    format::{HEAD, Kind, RecordHead},
    payload,
    scan::read_full,
    segment::{Before, Place, Segment},
    segments::Segments,
};
use crate::{
    embedded::disk::Disk,
    position::{LogTime, Partition, Position},
    reader::ReadError,
    record::Frame,
    topic::TopicName,
};

/// Bytes that are read together with a record's head: small records need no second call.
const FIRST_READ: usize = 4_096;

/// A record that was found, or why not.
enum Found {
    Record(RecordHead, Vec<u8>),
    Damaged(String),
}

/// A segment and the one behind it.
type Pair<D> = (Arc<Segment<<D as Disk>::Slot>>, Option<Arc<Segment<<D as Disk>::Slot>>>);

impl<D: Disk> Segments<D> {
    /// Frames of `partition` at or after `from`: as many as fit `max_bytes` of payload, but at
    /// least one if there is one; none at the end of the log.
    ///
    /// # Errors
    /// [`ReadError::Gone`] when `from` lies below the oldest record; [`ReadError::Damaged`] when
    /// the first record at or after `from` is lost: the next one is at or after its position's
    /// next.
    pub(in crate::embedded) fn read(
        &self,
        topic: TopicName,
        partition: Partition,
        from: Position,
        max_bytes: usize,
    ) -> Result<Vec<Frame>, ReadError> {
        let extent = self.extent(topic, partition);
        if from < extent.start {
            let oldest = extent.start;
            return Err(ReadError::Gone { partition: partition.0, asked: from, oldest });
        }
        let (mut at, mut room, mut frames) = (from.0, max_bytes, Vec::new());
        while at < extent.end.0 {
            let Some((segment, next)) = self.segment_of(topic, partition, at) else {
                // Freed while it was being read.
                let oldest = self.extent(topic, partition).start;
                let gone = ReadError::Gone { partition: partition.0, asked: Position(at), oldest };
                return if frames.is_empty() { Err(gone) } else { Ok(frames) };
            };
            match self.frame_at(topic, partition, at, &segment) {
                Ok(Step::Frame(head, stored)) => {
                    let raw = usize::try_from(head.raw).unwrap_or(usize::MAX);
                    match room.checked_sub(raw) {
                        Some(left) => room = left,
                        None if frames.is_empty() => room = 0,
                        None => break,
                    }
                    match frame(&head, stored) {
                        Ok(frame) => frames.push(frame),
                        Err(_) if !frames.is_empty() => break,
                        Err(detail) => return Err(damaged(partition, at, detail)),
                    }
                    at += 1;
                }
                Ok(Step::Beyond) => match beyond(&segment, next.as_deref(), partition, at) {
                    Ok(Some(next)) => at = next,
                    Ok(None) => break,
                    Err(_) if !frames.is_empty() => break,
                    Err(error) => return Err(error),
                },
                Err(_) if !frames.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(frames)
    }

    /// The first position of `partition` whose record's time is `time` or later; the end when
    /// there is none.
    ///
    /// # Errors
    /// [`ReadError::Failed`] when a segment cannot be read at all.
    pub(in crate::embedded) fn find_time(
        &self,
        topic: TopicName,
        partition: Partition,
        time: LogTime,
    ) -> Result<Position, ReadError> {
        let extent = self.extent(topic, partition);
        let at = {
            // Times of a segment lie between its first time and that of the next, as a rule.
            let line = self.line(topic);
            let behind = line.partition_point(|segment| segment.first_time < time);
            let index = usize::try_from(partition.0).unwrap_or(usize::MAX);
            let first = line.get(behind.saturating_sub(1));
            first.map_or(extent.start.0, |segment| segment.base_of(index)).max(extent.start.0)
        };
        let (mut low, mut high) = (at, extent.end.0);
        while low < high {
            let middle = low + (high - low) / 2;
            let (found, found_time) = self.time_at(topic, partition, middle, high)?;
            if found_time.is_none_or(|found| found >= time) {
                high = middle;
            } else {
                low = found + 1;
            }
        }
        Ok(Position(low))
    }

    /// The first record at or after `position` and below `end` whose time can be read, and that
    /// time; none when there is no such record.
    fn time_at(
        &self,
        topic: TopicName,
        partition: Partition,
        position: u64,
        end: u64,
    ) -> Result<(u64, Option<LogTime>), ReadError> {
        let mut at = position;
        while at < end {
            let Some((segment, next)) = self.segment_of(topic, partition, at) else {
                return Ok((at, None));
            };
            match self.frame_at(topic, partition, at, &segment) {
                Ok(Step::Frame(head, _)) => return Ok((at, Some(head.time))),
                Ok(Step::Beyond) => match beyond(&segment, next.as_deref(), partition, at) {
                    Ok(Some(next)) => at = next,
                    Ok(None) => return Ok((at, None)),
                    Err(_) => at += 1,
                },
                Err(ReadError::Damaged { .. }) => at += 1,
                Err(error) => return Err(error),
            }
        }
        Ok((at, None))
    }

    /// The newest segment that begins at or below `position`, and the one behind it.
    fn segment_of(&self, topic: TopicName, partition: Partition, position: u64) -> Option<Pair<D>> {
        let index = usize::try_from(partition.0).ok()?;
        let line = self.line(topic);
        let behind = line.partition_point(|segment| segment.base_of(index) <= position);
        let segment = line.get(behind.checked_sub(1)?)?;
        Some((Arc::clone(segment), line.get(behind).map(Arc::clone)))
    }

    fn frame_at(
        &self,
        topic: TopicName,
        partition: Partition,
        position: u64,
        segment: &Segment<D::Slot>,
    ) -> Result<Step, ReadError> {
        let place = self.place(topic, partition, position, segment).map_err(failed)?;
        let offset = match place {
            Place::At(offset) => offset,
            Place::Beyond => return Ok(Step::Beyond),
            Place::Lost => {
                let detail = "its head cannot be read".to_owned();
                return Err(damaged(partition, position, detail));
            }
        };
        match self.record(segment, partition, position, offset).map_err(failed)? {
            Found::Record(head, stored) => Ok(Step::Frame(head, stored)),
            Found::Damaged(detail) => Err(damaged(partition, position, detail)),
        }
    }

    fn place(
        &self,
        topic: TopicName,
        partition: Partition,
        position: u64,
        segment: &Segment<D::Slot>,
    ) -> io::Result<Place> {
        let at = usize::try_from(partition.0).unwrap_or(usize::MAX);
        let index = position.saturating_sub(segment.base_of(at));
        loop {
            self.load_index(topic, segment)?;
            // Others may have taken its room in between.
            if let Some(found) = &*segment.index() {
                return Ok(found.place(at, index));
            }
        }
    }

    /// Reads the record at `offset`, which should be the one at `position`.
    fn record(
        &self,
        segment: &Segment<D::Slot>,
        partition: Partition,
        position: u64,
        offset: u64,
    ) -> io::Result<Found> {
        let mut first = [0; FIRST_READ];
        let read = match self.read_or_damaged(segment, &mut first, offset)? {
            Ok(read) => read,
            // A page behind the record may be the one that cannot be read.
            Err(_) => match self.read_or_damaged(segment, &mut first[..HEAD], offset)? {
                Ok(read) => read,
                Err(detail) => return Ok(Found::Damaged(detail)),
            },
        };
        let first = first.get(..read).unwrap_or_default();
        let genuine = RecordHead::read(segment.seal, offset, first).filter(|head| {
            head.kind != Kind::Checkpoint
                && (head.partition, head.position) == (partition, position)
        });
        let Some(head) = genuine else {
            return Ok(Found::Damaged("its head is damaged".to_owned()));
        };
        let length = usize::try_from(head.stored).unwrap_or(usize::MAX);
        let mut stored = vec![0; length];
        let held = first.get(HEAD..).unwrap_or_default();
        let held = held.get(..length).unwrap_or(held);
        let (known, rest) = stored.split_at_mut(held.len());
        known.copy_from_slice(held);
        if !rest.is_empty() {
            let from = offset + HEAD as u64 + held.len() as u64;
            match self.read_or_damaged(segment, rest, from)? {
                Ok(read) if read == rest.len() => {}
                Ok(_) => return Ok(Found::Damaged("the file ends before it".to_owned())),
                Err(detail) => return Ok(Found::Damaged(detail)),
            }
        }
        Ok(Found::Record(head, stored))
    }

    /// Reads; what the disk does not give out is damaged, other failures may pass.
    fn read_or_damaged(
        &self,
        segment: &Segment<D::Slot>,
        buffer: &mut [u8],
        offset: u64,
    ) -> io::Result<Result<usize, String>> {
        match read_full(&*self.disk, &segment.slot, buffer, offset) {
            Ok(read) => Ok(Ok(read)),
            Err(error) if is_medium(&error) => {
                Ok(Err(format!("the disk does not give it out ({error})")))
            }
            Err(error) => Err(error),
        }
    }
}

/// What is at a position of a segment.
enum Step {
    Frame(RecordHead, Vec<u8>),
    Beyond,
}

/// Where to go on behind the last record of `segment`: at a position of `next`. `None` when the
/// stream ends.
fn beyond<S>(
    segment: &Segment<S>,
    next: Option<&Segment<S>>,
    partition: Partition,
    at: u64,
) -> Result<Option<u64>, ReadError> {
    let index = usize::try_from(partition.0).unwrap_or(usize::MAX);
    let Some(next) = next else { return Ok(None) };
    let end = segment.end.get().and_then(|end| end.next.get(index).copied());
    // A gap is told once, at its first position.
    if next.before == Before::Jump && end == Some(at) {
        let detail = "the records from here on are damaged, it is not known how many".to_owned();
        return Err(damaged(partition, at, detail));
    }
    // Never at a standstill, whatever the headers say.
    Ok(Some(next.base_of(index).max(at + u64::from(end.is_some_and(|end| at < end)))))
}

fn frame(head: &RecordHead, stored: Vec<u8>) -> Result<Frame, String> {
    let Kind::Record(kind) = head.kind else { return Err("it is a checkpoint".to_owned()) };
    Ok(Frame {
        position: Position(head.position),
        time: head.time,
        kind,
        epoch: head.epoch,
        payload: payload::decode(head, stored)?,
    })
}

fn damaged(partition: Partition, position: u64, detail: String) -> ReadError {
    ReadError::Damaged { partition: partition.0, position: Position(position), detail }
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function of errors")]
fn failed(error: io::Error) -> ReadError {
    ReadError::Failed(error.to_string())
}

/// Whether the medium is at fault, so that reading again is of no use.
fn is_medium(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    error.raw_os_error() == Some(EIO)
}
