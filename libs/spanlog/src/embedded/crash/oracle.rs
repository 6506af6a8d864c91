//! What a log that was opened must hold, by what was sent to it and what it answered.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    history::{Answer, Batch, Event, Sent},
    seen::{Item, Mark, Place, Seen},
    subject::RETENTION,
};
use crate::{
    position::{LogTime, Partition, Position},
    record::Frame,
    topic::TopicName,
};

/// What is known to be stored.
#[derive(Clone, Debug)]
struct Stored {
    sent: Sent,
    time: LogTime,
}

/// What was done to the disk behind the log's back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    None,
    /// Records may be missing when their gap is told.
    Damage,
    /// The device lost what it said it has: anything may be missing, but nothing may be wrong.
    Lies,
}

/// What must be found.
#[derive(Clone, Debug, Default)]
pub(super) struct Oracle {
    stored: BTreeMap<(Place, Position), Stored>,
    /// What was stored and is finished and gone.
    gone: BTreeMap<(Place, Position), Stored>,
    /// Batches of which nothing is known.
    open: Vec<Batch>,
    /// No position below may be given again.
    floors: BTreeMap<Place, Position>,
    checkpoints: BTreeMap<Partition, Mark>,
    in_flight: Option<Batch>,
}

impl Oracle {
    /// What is known after `events`, the last of which may be in flight.
    pub(super) fn replay(&self, events: &[Event]) -> Result<Self, String> {
        let mut oracle = self.clone();
        for event in events {
            oracle.take(event)?;
        }
        oracle.settle();
        Ok(oracle)
    }

    /// Takes what happened into account.
    pub(super) fn take(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::Sent(batch) => {
                self.settle();
                self.in_flight = Some(batch.clone());
            }
            Event::Answered(Answer::Done { time, positions, checkpoints }) => {
                let batch = self.in_flight.take().unwrap_or_default();
                if positions.len() != batch.records.len() {
                    return Err("the log did not answer each record".to_owned());
                }
                for (sent, position) in batch.records.into_iter().zip(positions) {
                    if let Some(position) = position {
                        self.store(sent, *position, *time)?;
                    }
                }
                for mark in batch.checkpoints.into_iter().filter(|_| *checkpoints) {
                    let known = self.checkpoints.get(&mark.partition);
                    if known.is_none_or(|known| known.position <= mark.position) {
                        self.checkpoints.insert(mark.partition, mark);
                    }
                }
            }
            Event::Answered(Answer::Failed(_)) => self.settle(),
            Event::Opened(seen) => {
                self.settle();
                self.check(seen, Harm::None)?;
            }
        }
        Ok(())
    }

    /// Nothing is known of what is in flight.
    pub(super) fn settle(&mut self) {
        self.open.extend(self.in_flight.take());
    }

    fn store(&mut self, sent: Sent, position: Position, time: LogTime) -> Result<(), String> {
        let place = (sent.topic, sent.partition);
        let floor = self.floors.entry(place).or_default();
        if position < *floor {
            return Err(format!("position {position} of {place:?} was given twice"));
        }
        *floor = position.next();
        self.stored.insert((place, position), Stored { sent, time });
        Ok(())
    }

    /// The lowest position that may be given next.
    pub(super) fn floor(&self, place: Place) -> Position {
        self.floors.get(&place).copied().unwrap_or_default()
    }

    /// The records that must be there, with their positions.
    pub(super) fn stored(&self) -> impl Iterator<Item = (Position, Sent)> {
        self.stored.iter().map(|((_, position), stored)| (*position, stored.sent))
    }

    /// Compares a log that was opened with what must be there, and takes what it shows as known
    /// from then on.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check(&mut self, seen: &Seen, harm: Harm) -> Result<(), String> {
        if harm == Harm::None && !seen.told.is_empty() {
            return Err(format!("damage was told where there is none: {:?}", seen.told));
        }
        let open = self.open.clone();
        let mut found = BTreeSet::new();
        for (place, items) in &seen.items {
            if harm == Harm::Damage {
                // Whether it is gone may be what was damaged.
                self.recall(*place);
            }
            self.check_place(*place, items, seen, harm, &mut found)?;
        }
        self.open.clear();
        for batch in open.iter().filter(|batch| batch.whole && harm == Harm::None) {
            let there = batch.records.iter().filter(|sent| found.contains(&sent.id)).count();
            let (all, with) = (batch.records.len(), batch.checkpoints.iter());
            let committed = with.clone().all(|mark| {
                let known = seen.checkpoints.get(&mark.partition);
                known.is_some_and(|known| known.position >= mark.position)
            });
            if there != 0 && (there != all || !committed)
                || there != all && committed && with.len() > 0
            {
                return Err(format!("{there} of a group are there: {batch:?}"));
            }
        }
        self.check_checkpoints(seen, &open, harm)
    }

    fn recall(&mut self, place: Place) {
        let of_place = |(of, _): &(Place, Position), _: &mut Stored| *of == place;
        self.stored.extend(self.gone.extract_if(.., of_place));
    }

    fn check_place(
        &mut self,
        place: Place,
        items: &[Item],
        seen: &Seen,
        harm: Harm,
        found: &mut BTreeSet<u32>,
    ) -> Result<(), String> {
        let mut last = None;
        let (mut shown, mut told) = (BTreeSet::new(), BTreeSet::new());
        for item in items {
            let position = match item {
                Item::Frame(frame) => {
                    self.check_frame(place, frame, found)?;
                    shown.insert(frame.position);
                    frame.position
                }
                Item::Damaged(position, detail) => {
                    if harm == Harm::None {
                        return Err(format!("{place:?} {position} is told to be lost: {detail}"));
                    }
                    told.insert(*position);
                    *position
                }
            };
            if last.is_some_and(|last| position <= last) {
                return Err(format!("position {position} of {place:?} comes after {last:?}"));
            }
            last = Some(position);
        }
        let next = seen.next[&place];
        let known = self.floor(place);
        let floor = known.max(last.map_or(Position(0), Position::next));
        // Where something is damaged, positions jump with the next record.
        if next < floor && harm == Harm::None {
            return Err(format!("{place:?} goes on at {next}, but {floor} is the lowest"));
        }
        self.floors.insert(place, floor);
        let after = told
            .iter()
            .find(|position| **position < known && !self.stored.contains_key(&(place, **position)));
        if let Some(position) = after.filter(|_| harm == Harm::Damage) {
            return Err(format!("{place:?} {position} is told to be lost, but was never there"));
        }
        self.check_missing(place, seen, harm, &shown, &told)
    }

    fn check_frame(
        &mut self,
        place: Place,
        frame: &Frame,
        found: &mut BTreeSet<u32>,
    ) -> Result<(), String> {
        let at = format!("{place:?} {}", frame.position);
        if !found.insert(frame.epoch) {
            return Err(format!("{at} holds a record that is elsewhere too"));
        }
        let sent = match self.stored.get(&(place, frame.position)) {
            Some(stored) if stored.time != frame.time => {
                return Err(format!("{at} has {:?}, not {:?}", frame.time, stored.time));
            }
            Some(stored) => stored.sent,
            None => {
                let mut open = self.open.iter().flat_map(|batch| &batch.records);
                let Some(&sent) = open.find(|sent| sent.id == frame.epoch) else {
                    return Err(format!(
                        "{at} holds {}, which was never sent, or cut off",
                        frame.epoch
                    ));
                };
                self.store(sent, frame.position, frame.time)?;
                sent
            }
        };
        let same = sent.id == frame.epoch
            && (sent.topic, sent.partition) == place
            && sent.kind == frame.kind
            && sent.payload() == frame.payload;
        if same { Ok(()) } else { Err(format!("{at} is not what was sent: {sent:?}")) }
    }

    /// Whatever is stored and not shown must be finished, or told to be lost.
    fn check_missing(
        &mut self,
        place: Place,
        seen: &Seen,
        harm: Harm,
        shown: &BTreeSet<Position>,
        told: &BTreeSet<Position>,
    ) -> Result<(), String> {
        let checkpoint = seen.finished(place);
        let first = shown.first().copied().unwrap_or(Position(u64::MAX));
        let mut gone = Vec::new();
        let stored = self.stored.range((place, Position(0))..=(place, Position(u64::MAX)));
        for (&(_, position), stored) in stored.filter(|((_, at), _)| !shown.contains(at)) {
            let old = seen.now.since(stored.time) >= RETENTION;
            let dead = match place.0 {
                TopicName::Spans => position < checkpoint,
                TopicName::Decisions => old,
                // Also when they are too many.
                TopicName::DeadLetters => true,
            };
            let finished = dead && position < first;
            if !finished && !told.contains(&position) && harm != Harm::Lies {
                return Err(format!("{place:?} {position} is lost: {:?}", stored.sent));
            }
            gone.push(position);
        }
        for position in gone {
            let stored = self.stored.remove_entry(&(place, position));
            self.gone.extend(stored);
        }
        Ok(())
    }

    fn check_checkpoints(&mut self, seen: &Seen, open: &[Batch], harm: Harm) -> Result<(), String> {
        for (partition, known) in &self.checkpoints {
            let found = seen.checkpoints.get(partition);
            let older = found.is_none_or(|found| found.position < known.position);
            if older && harm == Harm::None {
                return Err(format!("the checkpoint {known:?} is lost, {found:?} is there"));
            }
        }
        for (partition, mark) in &seen.checkpoints {
            let mut sent = open.iter().flat_map(|batch| &batch.checkpoints);
            let known =
                self.checkpoints.get(partition) == Some(mark) || sent.any(|sent| sent == mark);
            if !known && harm == Harm::None {
                return Err(format!("the checkpoint {mark:?} was never sent"));
            }
            let end = seen.next[&(TopicName::Spans, *partition)];
            if mark.position > end && harm == Harm::None {
                return Err(format!("the checkpoint {mark:?} lies beyond the end, {end}"));
            }
            self.checkpoints.insert(*partition, mark.clone());
        }
        Ok(())
    }
}
