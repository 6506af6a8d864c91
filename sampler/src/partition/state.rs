//! The state of a partition, and its one step.

use std::sync::Arc;

use wholetrace_proto::{
    record::{DeadLetter, Decision},
    spans::visit,
};
use wholetrace_spanlog::{Frame, LogTime, Position, RecordKind};

use crate::{
    checkpoint::{Hints, Progress},
    decision::{
        log::{decide, decode, encode},
        table::{DecisionTable, Inserted},
    },
    epochs::Epochs,
    exporter::contract::{Outcome, Settled},
    fold::Fold,
    keyed::KeyHash,
    open_traces::{OpenTrace, OpenTraces},
    partition::{
        effect::{Effect, Letter},
        input::{Input, ReadFrame},
        releases::{Releases, Turn},
        settings::Settings,
        stats::{Levels, Stats},
    },
    policy::PolicySet,
    watermark::Watermark,
    window::{Cached, Window, WindowFrame},
};

/// Decisions of one record of the decision log.
const BATCH: usize = 4096;
/// Frames in the window when nothing forces it to grow.
const WINDOW_FRAMES: usize = 1 << 16;
/// Name of the span log in dead letters.
const TOPIC: &str = "spans";

/// The state of one partition while this process owns it.
#[derive(Debug)]
pub struct PartitionState {
    settings: Settings,
    epochs: Epochs,
    watermark: Watermark,
    open: OpenTraces,
    decided: DecisionTable,
    window: Window,
    releases: Releases,
    /// Decisions that are made and not in an effect yet, all of one policy set.
    made: Vec<Decision>,
    made_by: u8,
    /// The lowest position that was not read ahead.
    head: Position,
    /// The lowest position of the decision log that was not read.
    decisions_head: Position,
    /// Whether a tick is on its way through the log.
    tick_pending: bool,
    /// Whether the last step left work behind.
    unfinished_turn: bool,
    committed: Option<Progress>,
    stats: Stats,
}

impl PartitionState {
    /// The state at the start of an ownership: nothing is known but how far the last owner was.
    /// Tell it the decision log from `start.hints.decisions` on before the first frame, and then
    /// the span log from `start.position` on.
    #[must_use]
    pub fn new(settings: Settings, policies: Arc<PolicySet>, start: Option<&Progress>) -> Self {
        let hash = KeyHash::new(settings.hash_seed);
        let (wait, root_wait) = (settings.decision_wait, settings.decision_wait_after_root);
        let position = start.map(|progress| progress.position).unwrap_or_default();
        let hints = start.map(|progress| progress.hints.clone()).unwrap_or_default();
        Self {
            epochs: Epochs::new(policies),
            watermark: Watermark::default(),
            open: OpenTraces::new(wait, root_wait, hash),
            decided: DecisionTable::new(settings.decision_retention, hash),
            window: Window::default(),
            releases: Releases::new(&settings.exporters, &hints.exporters),
            made: Vec::new(),
            made_by: 0,
            head: position,
            decisions_head: Position(hints.decisions.unwrap_or_default()),
            tick_pending: false,
            unfinished_turn: false,
            committed: start.cloned(),
            stats: Stats::default(),
            settings,
        }
    }

    /// Takes `input` in and adds what has to be done to `effects`.
    pub fn step(&mut self, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Frames(frames) => {
                for frame in frames {
                    self.read_ahead(frame, effects);
                }
                self.flush_decisions(effects);
            }
            Input::Decisions(records) => {
                for record in &records {
                    self.decisions_take_effect(record);
                }
            }
            Input::Refetched { from, frames } => {
                let bytes: usize = frames.iter().map(|frame| frame.payload.len()).sum();
                self.stats.refetched_bytes += bytes as u64;
                if let Some(oldest) = frames.first().map(|frame| frame.position)
                    && oldest > from
                {
                    self.lost(oldest);
                }
                self.releases.refetched(from, &frames);
            }
            Input::Lost(oldest) => self.lost(oldest),
            Input::Settled(settled) => {
                for outcome in settled {
                    self.settle(outcome, effects);
                }
            }
            Input::DeadLettered(letter) => self.dead_lettered(letter),
            Input::Idle => self.idle(effects),
            // A set that finds no place is tried again with the next reload.
            Input::Policies(policies) => drop(self.epochs.replace(policies)),
            Input::Continue => {}
        }
        self.release(effects);
    }

    /// Whether the next records of the span log are wanted now.
    ///
    /// They are when the slowest release waits for a decision that only more of the log brings.
    /// Beyond that the read-ahead stays within its bounds: as far as all payloads find room in
    /// the window cache, decisions in the table, and the time between both readers allows.
    #[must_use]
    pub fn wants_frames(&self) -> bool {
        let Some(frame) = self.window.get(self.releases.slowest()) else { return true };
        let now = self.watermark.now();
        let deadline = frame.time.plus(u64::from(self.settings.decision_wait));
        if frame.awaited > 0 && now < deadline {
            return true;
        }
        self.window.uncached() == 0
            && self.window.len() < WINDOW_FRAMES
            && self.decided.len() < self.settings.max_decisions
            && now.since(frame.time) <= self.settings.read_ahead
    }

    /// Whether [`Input::Continue`] would do anything.
    #[must_use]
    pub const fn wants_turn(&self) -> bool {
        self.unfinished_turn
    }

    /// How far the partition is finished, if that has changed since the last answer. Never lower
    /// than before (I5).
    pub fn progress(&mut self) -> Option<Progress> {
        let positions = self.releases.positions(&self.window, self.head);
        let position = positions.iter().copied().min()?;
        let exporters = self.settings.exporters.iter().cloned();
        let decisions = self.decided.origin().unwrap_or(self.decisions_head);
        let hints = Hints {
            decisions: Some(decisions.0),
            exporters: exporters.zip(positions.iter().map(|position| position.0)).collect(),
        };
        let progress = Progress { position, hints };
        let last = self.committed.as_ref();
        debug_assert!(
            last.is_none_or(|last| last.position <= progress.position),
            "I5: the committed position never moves back"
        );
        if position == Position::default() || last == Some(&progress) {
            return None;
        }
        self.committed = Some(progress.clone());
        Some(progress)
    }

    /// Changes how many decisions are held in memory.
    pub fn set_max_decisions(&mut self, most: usize) {
        self.settings.max_decisions = most;
    }

    /// What was counted since the last call.
    pub fn take_stats(&mut self) -> Stats {
        std::mem::take(&mut self.stats)
    }

    /// How full it is.
    #[must_use]
    pub fn levels(&self) -> Levels {
        let unfinished = self.releases.oldest_unfinished(&self.window);
        let mut levels = Levels {
            open_traces: self.open.len(),
            decisions: self.decided.len(),
            window_frames: self.window.len(),
            window_bytes: self.window.cached_bytes(),
            unfinished_bytes: 0,
            table_bytes: self.open.memory() + self.decided.memory() + self.window.memory(),
            span_millis: unfinished.map_or(0, |(_, time)| self.watermark.now().since(time)),
        };
        self.releases.levels(&mut levels);
        levels
    }

    fn read_ahead(&mut self, ReadFrame { frame, lease }: ReadFrame, effects: &mut Vec<Effect>) {
        if frame.position < self.head {
            return;
        }
        self.head = frame.position.next();
        self.tick_pending = false;
        self.stats.records += 1;
        self.stats.bytes += frame.payload.len() as u64;
        let time = self.watermark.advance(frame.time);
        self.decide_due(time, effects);
        let remembered = self.settings.max_decisions / 4 * 3;
        self.stats.decisions_forgotten += self.decided.forget_excess(remembered, time);
        let mut entry = WindowFrame {
            position: frame.position,
            time,
            awaited: 0,
            void: frame.kind != RecordKind::Spans,
            cached: None,
        };
        if entry.void {
            self.stats.ticks += 1;
        } else if let Err(error) = self.fold(&frame, &mut entry) {
            let letter = Letter { exporter: None, position: frame.position };
            self.dead_letter(letter, "", &error.to_string(), &frame.payload, effects);
            self.stats.frames_undecodable += 1;
            entry.awaited += 1;
            entry.void = true;
        } else {
            entry.cached = lease.map(|lease| Cached { bytes: frame.payload, _lease: lease });
        }
        self.window.push(entry);
    }

    /// Folds the spans of a frame into the summaries of their traces.
    #[expect(clippy::cast_possible_truncation, reason = "traces hold the low bits")]
    fn fold(
        &mut self,
        frame: &Frame,
        entry: &mut WindowFrame,
    ) -> Result<(), wholetrace_proto::wire::WireError> {
        let number = self.window.end() as u32;
        let mut fold =
            Fold::new(&mut self.open, &self.decided, &mut self.epochs, entry.time, number);
        let result = visit(&frame.payload, &mut fold);
        let folded = fold.folded();
        entry.awaited = folded.opened;
        self.stats.spans += folded.spans;
        self.stats.traces += u64::from(folded.opened);
        self.stats.late_spans += folded.late;
        self.stats.unnamed_spans += folded.unnamed;
        self.stats.malformed_spans += folded.malformed;
        result
    }

    /// Decides the traces whose deadline has come by `now`, in the order of deadlines.
    fn decide_due(&mut self, now: LogTime, effects: &mut Vec<Effect>) {
        while let Some(slot) = self.open.next_due(now) {
            let trace = self.open.get(slot);
            let (epoch, first_seen, deadline) = (trace.epoch, trace.first_seen, trace.deadline());
            let Some(policies) = self.epochs.get(epoch) else { continue };
            let decision = decide(policies, trace.key, &trace.summary, first_seen, deadline);
            if decision.kept {
                self.stats.traces_kept += 1;
            } else {
                self.stats.traces_not_sampled += 1;
            }
            if self.made.len() == BATCH || self.made_by != epoch {
                self.flush_decisions(effects);
                self.made_by = epoch;
            }
            self.made.push(decision);
        }
    }

    fn flush_decisions(&mut self, effects: &mut Vec<Effect>) {
        if let Some(policies) = self.epochs.get(self.made_by)
            && !self.made.is_empty()
        {
            effects.push(Effect::AppendDecisions(encode(policies, &self.made)));
            self.made.clear();
        }
    }

    /// The decisions of a record that was read back from the decision log take effect: the first
    /// for a trace wins, whoever made it (I3).
    fn decisions_take_effect(&mut self, record: &Frame) {
        self.decisions_head = self.decisions_head.max(record.position.next());
        if record.kind != RecordKind::Decisions {
            return;
        }
        let Ok(decisions) = decode(&record.payload) else {
            self.stats.decision_records_bad += 1;
            return;
        };
        for decision in decisions {
            if self.decided.insert(&decision, record.position) == Inserted::Duplicate {
                self.stats.decisions_ignored += 1;
            }
            let decided = &self.decided;
            let ruled = |trace: &OpenTrace| decided.find(trace.key, trace.first_seen).is_some();
            let Some(slot) = self.open.find(decision.key, ruled) else { continue };
            let trace = self.open.get(slot);
            let (first_frame, epoch) = (trace.first_frame, trace.epoch);
            self.open.close(slot);
            self.epochs.closed(epoch);
            self.window.arrived(first_frame);
        }
    }

    fn settle(&mut self, settled: Settled, effects: &mut Vec<Effect>) {
        let Settled { exporter, ticket, outcome } = settled;
        let position = Position(ticket.position);
        match outcome {
            Outcome::Delivered => self.releases.settle(exporter, position),
            Outcome::Refused { reason, bytes, .. } => {
                self.stats.pieces_refused += 1;
                let letter = Letter { exporter: Some(exporter), position };
                let name = self.settings.exporters.get(usize::from(exporter.0));
                let name = name.cloned().unwrap_or_default();
                self.dead_letter(letter, &name, &reason, &bytes, effects);
            }
        }
    }

    fn dead_letter(
        &self,
        letter: Letter,
        exporter: &str,
        reason: &str,
        payload: &[u8],
        effects: &mut Vec<Effect>,
    ) {
        let record = DeadLetter {
            reason,
            topic: TOPIC,
            partition: self.settings.partition.0,
            position: letter.position.0,
            time_ms: self.watermark.now().0,
            exporter,
            payload,
        };
        effects.push(Effect::DeadLetter { letter, record: record.encode().into() });
    }

    fn dead_lettered(&mut self, letter: Letter) {
        match letter.exporter {
            Some(exporter) => self.releases.settle(exporter, letter.position),
            None => self.window.arrived_at(letter.position),
        }
    }

    /// Time has to pass for open traces, and only the log can say so.
    fn idle(&mut self, effects: &mut Vec<Effect>) {
        if self.open.undecided() > 0 && !self.tick_pending && self.wants_frames() {
            self.tick_pending = true;
            effects.push(Effect::AppendTick);
        }
    }

    fn lost(&mut self, oldest: Position) {
        let oldest = oldest.min(self.head);
        self.stats.frames_lost += self.window.lose_before(oldest);
        self.releases.stop_refetching();
    }

    fn release(&mut self, effects: &mut Vec<Effect>) {
        let (window, decided) = (&mut self.window, &self.decided);
        let turn = self.releases.turn(window, decided, &self.settings, &mut self.stats, effects);
        self.unfinished_turn = !matches!(turn, Turn::Done);
        if let Turn::Undecodable(found) = turn {
            self.window.void_at(found.position);
            self.stats.frames_undecodable += 1;
            let letter = Letter { exporter: None, position: found.position };
            self.dead_letter(letter, "", &found.reason, &found.payload, effects);
        }
        let unfinished = self.releases.oldest_unfinished(&self.window).map(|(_, time)| time);
        self.decided.evict(unfinished.unwrap_or_else(|| self.watermark.now()));
    }
}
