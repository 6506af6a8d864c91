//! Reading from the store. Blocking: called off the runtime's workers.

use bytes::Bytes;
use fjall::Keyspace;

use super::{codec, shared::Shared, slices::Span};
use crate::{
    position::{LogTime, Partition, Position},
    reader::ReadError,
    record::Frame,
    topic::TopicName,
};

/// Where to read.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) topic: TopicName,
    pub(super) partition: Partition,
}

/// A read that goes on over several slices.
struct Read {
    place: Place,
    /// The next position.
    at: u64,
    /// Payload bytes that still fit.
    room: usize,
    frames: Vec<Frame>,
    /// Whether missing records are passed over.
    accept_loss: bool,
}

/// Frames of `place` at or after `from` and below `end`: as many as fit `max_bytes` of payload,
/// but at least one if there is one.
pub(super) fn read(
    shared: &Shared,
    place: Place,
    from: u64,
    end: u64,
    max_bytes: usize,
) -> Result<Vec<Frame>, ReadError> {
    let accept_loss = shared.settings.accept_loss;
    let mut read = Read { place, at: from, room: max_bytes, frames: Vec::new(), accept_loss };
    let _open = shared.gate();
    while read.at < end {
        let Some((keyspace, span)) = slice_at(shared, place, read.at) else { break };
        if span.first >= end {
            break;
        }
        match read.slice(&keyspace, Span { first: span.first, end: span.end.min(end) }) {
            Ok(true) => {}
            Ok(false) => break,
            // What was read before the damage is served first.
            Err(_) if !read.frames.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    if read.frames.is_empty() && read.at < end {
        if shared.slices().of(place.topic).is_empty() {
            return Err(ReadError::Failed("the store is closed: try again".to_owned()));
        }
        read.expect(end)?;
    }
    Ok(read.frames)
}

/// The slice that holds `position`, or the next one there is.
fn slice_at(shared: &Shared, place: Place, position: u64) -> Option<(Keyspace, Span)> {
    let slices = shared.slices();
    let (keyspace, span) = slices.from(place.topic, place.partition, position).next()?;
    Some((keyspace.clone(), span))
}

impl Read {
    /// Reads on in one slice. Says whether there is room for more.
    fn slice(&mut self, keyspace: &Keyspace, span: Span) -> Result<bool, ReadError> {
        let Place { topic, partition } = self.place;
        let first = codec::key(topic, partition, self.at.max(span.first));
        let last = codec::key(topic, partition, span.end);
        for entry in keyspace.range(first..last) {
            let (key, value) = entry.into_inner().map_err(|error| {
                self.damaged(format!("the store does not give it out ({error})"))
            })?;
            let position = codec::position_of(&key)
                .ok_or_else(|| self.damaged("its key is too short".to_owned()))?;
            self.expect(position)?;
            let value = Bytes::from(value);
            let header = codec::header(&key, &value).map_err(|detail| self.damaged(detail))?;
            match self.room.checked_sub(header.length) {
                Some(left) => self.room = left,
                None if self.frames.is_empty() => self.room = 0,
                None => return Ok(false),
            }
            let frame =
                codec::decode(position, header, &value).map_err(|detail| self.damaged(detail))?;
            self.frames.push(frame);
            self.at = position + 1;
        }
        self.expect(span.end)?;
        Ok(true)
    }

    /// Positions are contiguous: one that is left out was lost.
    fn expect(&mut self, position: u64) -> Result<(), ReadError> {
        if position > self.at {
            if !self.accept_loss {
                let last = position - 1;
                return Err(self.damaged(format!("records {} to {last} are missing", self.at)));
            }
            self.at = position;
        }
        Ok(())
    }

    fn damaged(&self, detail: String) -> ReadError {
        ReadError::Damaged {
            partition: self.place.partition.0,
            position: Position(self.at),
            detail,
        }
    }
}

/// The first position of `place` between `start` and `end` whose time is `time` or later; `end`
/// when there is none.
pub(super) fn find_time(
    shared: &Shared,
    place: Place,
    (start, end): (u64, u64),
    time: LogTime,
) -> Result<u64, ReadError> {
    let (mut low, mut high) = (start, end);
    while low < high {
        let middle = low + (high - low) / 2;
        if time_at(shared, place, middle)? < time {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

fn time_at(shared: &Shared, place: Place, position: u64) -> Result<LogTime, ReadError> {
    let damaged = |detail| ReadError::Damaged {
        partition: place.partition.0,
        position: Position(position),
        detail,
    };
    let _open = shared.gate();
    let Some((keyspace, _)) = slice_at(shared, place, position) else {
        return Err(damaged("it is missing".to_owned()));
    };
    let key = codec::key(place.topic, place.partition, position);
    match keyspace.get(key) {
        Ok(Some(value)) => codec::header(&key, &value).map(|header| header.time).map_err(damaged),
        Ok(None) => Err(damaged("it is missing".to_owned())),
        Err(error) => Err(damaged(format!("the store does not give it out ({error})"))),
    }
}
