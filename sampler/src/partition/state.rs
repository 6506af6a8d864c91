//! The state of a partition, and its one step.

mod read_back;

use std::sync::Arc;

use wholetrace_proto::spans::visit;
use wholetrace_spanlog::{Frame, LogTime, Position, RecordKind};

use crate::{
    checkpoint::{Hints, Progress},
    decision::{claims::Claims, log::encode_claim, table::DecisionTable},
    epochs::Epochs,
    fold::Fold,
    keyed::KeyHash,
    open_traces::OpenTraces,
    partition::{
        effect::{Effect, Letter},
        input::{Input, ReadFrame},
        releases::{Releases, Turn},
        scan::Scan,
        settings::Settings,
        stats::{Levels, Stats},
        verdicts::Verdicts,
    },
    policy::PolicySet,
    watermark::Watermark,
    window::{Cached, Window, WindowFrame},
};

/// Frames in the window when nothing forces it to grow.
const WINDOW_FRAMES: usize = 1 << 16;

/// The state of one partition while this process owns it.
#[derive(Debug)]
pub struct PartitionState {
    settings: Settings,
    epochs: Epochs,
    watermark: Watermark,
    open: OpenTraces,
    decided: DecisionTable,
    claims: Claims,
    window: Window,
    releases: Releases,
    verdicts: Verdicts,
    /// The lowest position that was not read ahead.
    head: Position,
    /// Where the last record of the decision log stands that an owner wrote while it was that.
    last_claimed: Position,
    /// Whether a tick is on its way through the log.
    tick_pending: bool,
    /// The way ahead without opening traces, while there is no room for more.
    scan: Option<Scan>,
    /// Whether the last step left work behind.
    unfinished_turn: bool,
    committed: Option<Progress>,
    stats: Stats,
}

impl PartitionState {
    /// The state at the start of an ownership: nothing is known but how far the last owner was.
    /// Tell it when the span log [begins](Input::Begins), then the decision log from `start.hints.decisions` on and then [`Input::Loaded`]; once it
    /// wants frames, the span log from `start.position` on.
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
            verdicts: Verdicts::default(),
            head: position,
            claims: Claims::new(),
            last_claimed: Position(hints.decisions.unwrap_or_default()),
            tick_pending: false,
            scan: None,
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
                self.verdicts.flush(&self.epochs, self.claims.mine(), effects);
            }
            Input::Unreadable { position, detail } => {
                self.unreadable(position, &detail, effects);
                self.verdicts.flush(&self.epochs, self.claims.mine(), effects);
            }
            Input::Decisions(records) => {
                for record in &records {
                    self.decisions_take_effect(record);
                }
                self.forget_excess();
            }
            Input::Begins(time) => drop(self.watermark.advance(time)),
            Input::Loaded => {
                let claim = self.claims.make(self.settings.owner);
                effects.push(Effect::AppendDecisions(encode_claim(claim)));
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
            Input::Rewound => self.scan = None,
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
    /// None are before the own claim is read back. Then they are when the slowest release waits for a decision that only more of the log brings.
    /// Beyond that the read-ahead stays within its bounds: as far as all payloads find room in
    /// the window cache, decisions in the table, and the time between both readers allows.
    #[must_use]
    pub fn wants_frames(&self) -> bool {
        if !self.claims.is_held() {
            return false;
        }
        if let Some(scan) = &self.scan {
            return !scan.is_over() && self.open.undecided() > 0;
        }
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

    /// Whether the own claim counts, and the span log is to be read.
    #[must_use]
    pub const fn is_serving(&self) -> bool {
        self.claims.is_held()
    }

    /// The lowest position that was not read ahead.
    #[must_use]
    pub const fn head(&self) -> Position {
        self.head
    }

    /// Whether another owner has claimed the partition: what this one decides does not count any
    /// more. If it is the owner all the same, it has to start again.
    #[must_use]
    pub const fn is_superseded(&self) -> bool {
        self.claims.is_superseded()
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
        let decisions = self.decided.origin().unwrap_or(self.last_claimed);
        let hints = Hints {
            decisions: Some(decisions.0),
            owner: Some(self.settings.owner),
            exporters: exporters.zip(positions.iter().map(|position| position.0)).collect(),
        };
        let progress = Progress { position, hints };
        let last = self.committed.as_ref();
        debug_assert!(
            last.is_none_or(|last| last.position <= progress.position),
            "I5: the committed position never moves back"
        );
        // One exporter may stand at the very beginning while others do not.
        let none = positions.iter().all(|position| *position == Position::default());
        if none || last == Some(&progress) {
            return None;
        }
        self.committed = Some(progress.clone());
        Some(progress)
    }

    /// Changes how many decisions and how many open traces are held in memory.
    pub fn set_bounds(&mut self, max_decisions: usize, max_open_traces: usize) {
        self.settings.max_decisions = max_decisions;
        self.settings.max_open_traces = max_open_traces;
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
            read_position: self.head,
            release_position: unfinished.map_or(self.head, |(position, _)| position),
            now: Some(self.watermark.now()).filter(|now| *now > LogTime(0)),
            unfinished_since: unfinished.map(|(_, time)| time),
            undecided_since: self.open.oldest(),
        };
        self.releases.levels(&mut levels);
        levels
    }

    fn read_ahead(&mut self, ReadFrame { frame, lease }: ReadFrame, effects: &mut Vec<Effect>) {
        if frame.position < self.head {
            return;
        }
        self.tick_pending = false;
        if self.scan.is_none() && self.window.len() > 0 && self.is_full() {
            self.scan = Some(Scan::new(frame.position, self.watermark));
        }
        if self.scan.is_some() {
            self.scan(&frame, effects);
            return;
        }
        self.head = frame.position.next();
        self.stats.records += 1;
        self.stats.bytes += frame.payload.len() as u64;
        let foreign = self.settings.epoch != 0 && frame.epoch != self.settings.epoch;
        self.stats.frames_foreign += u64::from(foreign && frame.kind == RecordKind::Spans);
        let time = self.watermark.advance(frame.time);
        self.decide_due(time, effects);
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

    /// Whether a frame was read.
    fn has_read(&self) -> bool {
        self.window.end() > 0
    }

    /// Forgets the oldest decisions beyond the bound: later frames do not obey them.
    fn forget_excess(&mut self) {
        // Before the first frame, the watermark is a time that it may have.
        let now = self.watermark.now().minus(u64::from(!self.has_read()));
        let remembered = self.settings.max_decisions / 4 * 3;
        self.stats.decisions_forgotten += self.decided.forget_excess(remembered, now);
    }

    /// Whether more must not be taken in, even if the release waits for it.
    fn is_full(&self) -> bool {
        self.open.len() >= self.settings.max_open_traces
            || self.decided.len() / 2 >= self.settings.max_decisions
            || self.window.len() / 2 >= WINDOW_FRAMES
    }

    /// Reads a frame for the sake of the traces that are open.
    fn scan(&mut self, frame: &Frame, effects: &mut Vec<Effect>) {
        let Some(scan) = &mut self.scan else { return };
        let time = scan.advance(frame.time);
        self.stats.records_scanned += 1;
        self.decide_due(time, effects);
        if frame.kind == RecordKind::Spans {
            let (open, epochs) = (&mut self.open, &mut self.epochs);
            let mut fold = Fold::new(open, &self.decided, epochs, time, 0).of_known_traces();
            // A frame that cannot be decoded is told of when the reader has come back.
            let _ = visit(&frame.payload, &mut fold);
        }
    }

    /// Comes back from a scan once the open traces are decided and there is room.
    fn end_scan(&mut self, effects: &mut Vec<Effect>) {
        let room = self.window.len() == 0 || !self.is_full();
        if let Some(scan) = &mut self.scan
            && !scan.is_over()
            && room
            && self.open.undecided() == 0
        {
            effects.push(Effect::Rewind(scan.end()));
        }
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

    fn decide_due(&mut self, now: LogTime, effects: &mut Vec<Effect>) {
        let (open, stats) = (&mut self.open, &mut self.stats);
        let now = (now, self.settings.decision_retention);
        self.verdicts.decide_due(now, open, (&self.epochs, self.claims.mine()), stats, effects);
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
        self.end_scan(effects);
    }
}
