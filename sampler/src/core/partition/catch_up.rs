//! The reader of an exporter that is far behind.

use std::collections::VecDeque;

use wholetrace_spanlog::{Frame, LogTime, Position, RecordKind, TopicName};

use crate::core::{
    checkpoint::ResumePoint,
    decision::{
        claims::Claims,
        log::{Recorded, decode},
        table::DecisionTable,
    },
    filter::{Filtered, filter},
    hash::KeyHash,
    partition::{input::Found, settings::Settings},
    watermark::{Advance, Oddities, Watermark},
};

/// What comes next for an exporter that is behind.
pub(super) enum Ahead {
    /// What was asked for has not come, or it is where the window begins.
    Wait,
    /// It needs records from there on.
    Read(TopicName, Position),
    /// A record is passed that has nothing for the exporter.
    Passed,
    /// A frame is passed.
    Filtered { point: ResumePoint, filtered: Filtered, size: usize },
    /// A record is passed that cannot be read.
    Unreadable { point: ResumePoint, detail: String },
}

/// Reads both logs for one exporter, at its pace, up to where the window begins.
///
/// It decides nothing. All frames before the window are decided, and their decisions stand in the
/// decision log, at the latest where the partition has read it to: a frame whose traces are not all
/// found makes it read more of them. What it holds of these is what the partition held when it was
/// at that frame.
#[derive(Debug)]
pub(super) struct CatchUp {
    /// The first record that is not passed.
    at: Position,
    /// The watermark behind it, or before it.
    clock: Watermark,
    /// Records from there on, oldest first.
    frames: VecDeque<Frame>,
    /// The record behind those, if that cannot be read.
    unreadable: Option<(Position, String)>,
    decided: DecisionTable,
    claims: Claims,
    /// The first record of the decision log that is not read.
    decisions: Position,
    /// The last record of the decision log that an owner wrote while it was that.
    last_claimed: Position,
    /// The records that were asked for and have not come.
    reading: Option<(TopicName, Position)>,
}

impl CatchUp {
    /// Begins at `point`.
    pub(super) fn new(point: ResumePoint, settings: &Settings) -> Self {
        let hash = KeyHash::new(settings.hash_seed);
        Self {
            at: Position(point.position),
            clock: point.clock,
            frames: VecDeque::new(),
            unreadable: None,
            decided: DecisionTable::new(settings.decision_retention, hash),
            claims: Claims::new(0, &[]),
            decisions: Position(point.decisions),
            last_claimed: Position(point.decisions),
            reading: None,
        }
    }

    /// The first record that is not passed.
    pub(super) fn resume_point(&self) -> ResumePoint {
        let decisions = self.decided.origin().unwrap_or(self.last_claimed).0;
        ResumePoint { position: self.at.0, clock: self.clock, decisions }
    }

    /// Decisions that are held.
    pub(super) const fn decisions(&self) -> usize {
        self.decided.len()
    }

    /// Bytes taken up beside payloads.
    pub(super) fn memory(&self) -> usize {
        self.decided.memory()
    }

    /// Whether it is where the window begins, at `window`.
    pub(super) fn is_there(&self, window: Position) -> bool {
        let next = self.frames.iter().map(|frame| frame.position).find(|next| *next >= self.at);
        let next = next.or_else(|| self.unreadable.as_ref().map(|(position, _)| *position));
        self.at >= window || next.is_some_and(|next| next >= window)
    }

    /// Goes a record on if it stands before `window`, where the window begins. The partition has
    /// taken in the spans before `head` and the decisions below `decided_to`. Spans whose decision is
    /// not found are kept.
    pub(super) fn next(
        &mut self,
        (window, head): (Position, &ResumePoint),
        decided_to: Position,
        settings: &Settings,
    ) -> Ahead {
        while self.frames.front().is_some_and(|frame| frame.position < self.at) {
            self.frames.pop_front();
        }
        if self.reading.is_some() || self.is_there(window) {
            return Ahead::Wait;
        }
        let Some(frame) = self.frames.front() else {
            let Some((position, detail)) = self.unreadable.take() else {
                return self.ask(TopicName::Spans, self.at);
            };
            let point = ResumePoint { position: position.0, ..self.resume_point() };
            self.at = position.next();
            return Ahead::Unreadable { point, detail };
        };
        let mut clock = self.clock;
        if frame.position.next().0 >= head.position {
            // The partition has taken in none behind it, and there may be none; but it has looked
            // at what there was, and knows which time counts.
            clock = head.clock;
        } else if clock.advance(frame.time, &mut Oddities::default()) == Advance::Unconfirmed {
            let behind = self.frames.get(1).map(|frame| frame.time);
            if behind.is_none() && self.unreadable.is_none() {
                return self.ask(TopicName::Spans, frame.position.next());
            }
            clock.confirm(frame.time, behind, &mut Oddities::default());
        }
        let found = match frame.kind {
            RecordKind::Spans => {
                // What came twice stays so: its reader begins anywhere.
                filter(&frame.payload, clock.now(), &self.decided, settings.pieces(), None)
            }
            _ => Ok(Filtered::default()),
        };
        // What nobody can decode, the partition has put to the dead letters.
        let filtered = found.unwrap_or_default();
        // One that is damaged or deleted is nowhere: the search for it ends (I6).
        let searches = self.decided.len() < settings.most_decisions_behind();
        if filtered.undecided > 0 && self.decisions < decided_to && searches {
            return self.ask(TopicName::Decisions, self.decisions);
        }
        let (position, size) = (frame.position, frame.payload.len());
        let point = ResumePoint { position: position.0, clock, ..self.resume_point() };
        (self.at, self.clock) = (position.next(), clock);
        if filtered.pieces.is_empty() {
            Ahead::Passed
        } else {
            Ahead::Filtered { point, filtered, size }
        }
    }

    const fn ask(&mut self, topic: TopicName, from: Position) -> Ahead {
        self.reading = Some((topic, from));
        Ahead::Read(topic, from)
    }

    /// Takes in what was asked for, from `from` on. The partition knows of `claims`. Beyond `most`
    /// decisions the oldest are forgotten.
    pub(super) fn found(
        &mut self,
        from: (TopicName, Position),
        found: Found,
        claims: &Claims,
        most: usize,
    ) {
        if self.reading != Some(from) {
            return;
        }
        self.reading = None;
        self.claims.learn(claims);
        match (from.0, found) {
            (TopicName::Decisions, Found::Records(records)) => {
                for record in &records {
                    self.obey(record);
                    self.decisions = record.position.next();
                }
                self.decided.forget_excess(most, self.clock.now());
            }
            (TopicName::Decisions, Found::Gone(oldest)) => {
                self.decisions = self.decisions.max(oldest);
            }
            (TopicName::Decisions, Found::Unreadable { position, .. }) => {
                self.decisions = position.next();
            }
            (_, Found::Records(records)) => self.frames.extend(records),
            (_, Found::Gone(oldest)) => self.at = self.at.max(oldest),
            (_, Found::Unreadable { position, detail }) => {
                self.unreadable = Some((position, detail));
            }
        }
    }

    fn obey(&mut self, record: &Frame) {
        if record.kind != RecordKind::Decisions {
            return;
        }
        let Ok(Recorded { claim, decisions, .. }) =
            decode(&record.payload, self.decided.policies_mut())
        else {
            return;
        };
        if !self.claims.accept(claim, record.position) {
            return;
        }
        if claim.is_some() {
            self.last_claimed = record.position;
        }
        for decision in decisions {
            // How far the partition had read then is not known: as far as any frame may count on it.
            self.decided.insert(&decision, record.position, LogTime(u64::MAX));
        }
    }

    /// Lets the decisions go that no record from here on asks for.
    pub(super) fn evict(&mut self) {
        self.decided.evict(self.clock.now());
    }
}

#[cfg(test)]
mod tests;
