//! Which segments can go.

use std::sync::Arc;

use super::{error::Broken, segment::Segment, state::Store};
use crate::{embedded::disk::Disk, position::LogTime, topic::TopicName};

/// How long what is finished is kept. Times in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(in crate::embedded) struct Retention {
    /// Bytes of finished spans.
    pub(in crate::embedded) spans: u64,
    /// Age of decisions, beyond that of the oldest unfinished span.
    pub(in crate::embedded) decisions: u64,
    /// Age of dead letters.
    pub(in crate::embedded) letters: u64,
    /// Bytes of dead letters; beyond them the oldest go.
    pub(in crate::embedded) letter_bytes: u64,
}

/// Segments of a stream overlap its retention by one in so many.
const SEGMENTS_OF_AGE: u64 = 4;

impl<D: Disk> Store<D> {
    /// Frees the segments that nobody needs any more; says how many. Makes no call to the disk but
    /// for a group that has a segment end whose records are too old (L6: the newest segment of a
    /// stream is never freed). Slots can be used again after the next group.
    ///
    /// # Errors
    /// [`Broken`], as [`commit`](Self::commit).
    pub(in crate::embedded) fn free(
        &mut self,
        keep: &Retention,
        now: LogTime,
    ) -> Result<usize, Broken> {
        self.unbroken()?;
        self.time = now;
        let horizon = self.unfinished_since().unwrap_or(now);
        let counts = [
            self.finished_spans(keep.spans),
            self.expired(TopicName::Decisions, horizon, keep.decisions, u64::MAX),
            self.expired(TopicName::DeadLetters, now, keep.letters, keep.letter_bytes),
        ];
        for (topic, count) in TopicName::ALL.into_iter().zip(counts) {
            self.free_oldest(topic, count);
        }
        for (topic, now, age) in [
            (TopicName::Decisions, horizon, keep.decisions),
            (TopicName::DeadLetters, now, keep.letters),
        ] {
            self.end_by_age(topic, now, age)?;
        }
        Ok(counts.iter().sum())
    }

    /// No span that is not finished is older.
    fn unfinished_since(&self) -> Option<LogTime> {
        let line = self.desk.segments.line(TopicName::Spans);
        let finished = |segment: &&Arc<Segment<D::Slot>>| segment.is_below(&self.finished);
        let oldest = line.iter().find(|segment| !finished(segment))?;
        // The newest one has no end yet; it may hold nothing that is not finished.
        let spans = &self.streams[TopicName::Spans.index()];
        let done = oldest.end.get().is_none()
            && spans.next.iter().zip(&self.finished).all(|(next, at)| next <= at);
        (!done).then_some(oldest.first_time)
    }

    fn finished_spans(&self, retain: u64) -> usize {
        let line = self.desk.segments.line(TopicName::Spans);
        let finished = line.iter().take_while(|segment| segment.is_below(&self.finished)).count();
        let retained = retain.div_ceil(self.desk.slot_bytes.max(1));
        finished.saturating_sub(usize::try_from(retained).unwrap_or(usize::MAX))
    }

    /// How many of the oldest segments are too old at `now`, or more than `bytes`.
    fn expired(&self, topic: TopicName, now: LogTime, age: u64, bytes: u64) -> usize {
        let line = self.desk.segments.line(topic);
        let most = bytes / self.desk.slot_bytes.max(1);
        let surplus = line.len().saturating_sub(usize::try_from(most.max(1)).unwrap_or(usize::MAX));
        let old = line.iter().take_while(|segment| {
            segment.end.get().is_some_and(|end| now.since(end.time) >= age && end.time < now)
        });
        let ended = line.iter().take_while(|segment| segment.end.get().is_some()).count();
        old.count().max(surplus).min(ended)
    }

    /// Has the newest segment end when its records are old enough to go, or as old as a part of
    /// the retention while others follow.
    fn end_by_age(&mut self, topic: TopicName, now: LogTime, age: u64) -> Result<(), Broken> {
        let stream = &mut self.streams[topic.index()];
        let Some(active) = &stream.active else { return Ok(()) };
        let holds = active.segment.base.iter().zip(&stream.next).any(|(base, next)| base < next);
        if !holds {
            return Ok(());
        }
        if now.since(stream.time) >= age && stream.time < now {
            stream.full = true;
            let result = self.write_empty(topic);
            return self.noting(result);
        }
        if now.since(active.segment.first_time) >= (age / SEGMENTS_OF_AGE).max(1_000) {
            stream.full = true;
        }
        Ok(())
    }

    fn free_oldest(&mut self, topic: TopicName, count: usize) {
        if count == 0 {
            return;
        }
        let stream = &mut self.streams[topic.index()];
        {
            let mut line = self.desk.segments.line_mut(topic);
            let count = count.min(line.len().saturating_sub(1));
            for segment in line.drain(..count) {
                stream.oldest = stream.oldest.max(segment.id + 1);
                stream.freed.push((segment.id, Arc::clone(&segment.slot)));
            }
        }
        self.desk.segments.publish_starts(topic);
    }
}
