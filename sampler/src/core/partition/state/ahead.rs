//! Takes in frames at their first reading.

use wholetrace_proto::{record::encode_rates, spans::visit, wire::WireError};
use wholetrace_spanlog::{Frame, LogTime, RecordKind};

use crate::core::{
    fold::Fold,
    partition::{
        effect::{DeadLetterId, Effect},
        input::ReadFrame,
        overflow::Overflow,
        state::PartitionState,
    },
    rates::Foreseen,
    watermark::{Advance, Oddities, Watermark},
    window::{Cached, WINDOW_FRAMES, WindowFrame},
};

/// No frame of the window that has opened a trace, as far as that can be told.
const NO_FRAME: u32 = u32::MAX;

impl PartitionState {
    pub(super) fn read_ahead(&mut self, read: ReadFrame, effects: &mut Vec<Effect>) {
        let ReadFrame { frame, .. } = &read;
        if frame.position < self.head {
            return;
        }
        self.tick_pending = false;
        self.newest = frame.time;
        self.confirm_held(Some(frame.time), effects);
        if self.overflow.is_none() && self.window.len() > 0 && self.is_full() {
            self.overflow = Some(Overflow::new(frame.position, self.watermark));
        }
        match self.with_clock(|clock, odd| clock.advance(frame.time, odd)) {
            Advance::To(time) => self.take_in(read, time, effects),
            Advance::Unconfirmed => self.held = Some(read),
        }
    }

    /// Takes in the frame whose time was unconfirmed, now that the next record has this append
    /// time; none if it cannot be read.
    pub(super) fn confirm_held(&mut self, next: Option<LogTime>, effects: &mut Vec<Effect>) {
        let Some(held) = self.held.take() else { return };
        let time = self.with_clock(|clock, odd| clock.confirm(held.frame.time, next, odd));
        self.take_in(held, time, effects);
    }

    /// Moves the time on. Odd times are counted once: what an overflow read reads is read again.
    fn with_clock<T>(&mut self, move_on: impl FnOnce(&mut Watermark, &mut Oddities) -> T) -> T {
        let mut odd = Oddities::default();
        if let Some(overflow) = &mut self.overflow {
            return move_on(overflow.watermark(), &mut odd);
        }
        let moved = move_on(&mut self.watermark, &mut odd);
        self.stats.times_unconfirmed += odd.unconfirmed;
        self.stats.times_below += odd.below;
        self.stats.clock_set_back += odd.set_back;
        moved
    }

    fn take_in(&mut self, read: ReadFrame, time: LogTime, effects: &mut Vec<Effect>) {
        let ReadFrame { frame, lease } = read;
        if self.overflow.is_some() {
            self.read_overflow(&frame, time, effects);
            return;
        }
        self.head = frame.position.next();
        self.stats.records += 1;
        self.stats.bytes += frame.payload.len() as u64;
        let foreign = self.settings.epoch != 0 && frame.epoch != self.settings.epoch;
        self.stats.frames_foreign += u64::from(foreign && frame.kind == RecordKind::Spans);
        self.decide_due(self.watermark, effects);
        let mut entry = WindowFrame {
            position: frame.position,
            clock: self.watermark,
            awaited: 0,
            void: frame.kind != RecordKind::Spans,
            cached: None,
        };
        if entry.void {
            self.stats.ticks += 1;
        } else if let Err(error) = self.fold(&frame, &mut entry) {
            let id = DeadLetterId { exporter: None, position: frame.position };
            self.dead_letter(id, "", &error.to_string(), &frame.payload, effects);
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
    pub(super) fn forget_excess(&mut self) {
        // Before the first frame, the watermark is a time that it may have.
        let now = self.watermark.now().minus(u64::from(!self.has_read()));
        let remembered = self.settings.bounds.max_decisions;
        self.stats.decisions_forgotten += self.decided.forget_excess(remembered, now);
    }

    /// Whether more must not be taken in, even if the release waits for it. How many decisions are
    /// held plays no part: an overflow read makes decisions and cannot shorten the time for which
    /// they are needed.
    fn is_full(&self) -> bool {
        self.open.len() >= self.settings.bounds.max_open_traces
            || self.window.len() / 2 >= WINDOW_FRAMES
    }

    /// Reads a frame for the sake of the traces that are open.
    fn read_overflow(&mut self, frame: &Frame, time: LogTime, effects: &mut Vec<Effect>) {
        let Some(overflow) = &mut self.overflow else { return };
        let clock = *overflow.watermark();
        self.stats.records_scanned += 1;
        self.decide_due(clock, effects);
        if frame.kind == RecordKind::Spans {
            let policies = (&mut self.policy_versions, &mut self.measured);
            let mut fold = Fold::new(&mut self.open, &self.decided, policies, time, NO_FRAME)
                .of_known_traces();
            // A frame that cannot be decoded is counted when the reader has come back.
            let _ = visit(&frame.payload, &mut fold);
        }
    }

    /// Comes back from an overflow read once the open traces are decided and there is room.
    pub(super) fn end_overflow(&mut self, effects: &mut Vec<Effect>) {
        let room = self.window.len() == 0 || !self.is_full();
        if let Some(overflow) = &mut self.overflow
            && !overflow.is_over()
            && room
            && self.open.undecided() == 0
        {
            effects.push(Effect::Seek(overflow.end()));
            self.held = None;
        }
    }

    /// Folds the spans of a frame into the summaries of their traces.
    #[expect(clippy::cast_possible_truncation, reason = "traces hold the low bits")]
    fn fold(&mut self, frame: &Frame, entry: &mut WindowFrame) -> Result<(), WireError> {
        let (number, time) = (self.window.end() as u32, entry.clock.now());
        let policies = (&mut self.policy_versions, &mut self.measured);
        let mut fold = Fold::new(&mut self.open, &self.decided, policies, time, number);
        let result = visit(&frame.payload, &mut fold);
        let folded = fold.folded();
        entry.awaited = folded.opened;
        self.stats.spans += folded.spans;
        self.stats.traces += u64::from(folded.opened);
        self.stats.late_spans += folded.late;
        self.stats.invalid_trace_ids += folded.invalid_trace_ids;
        self.stats.malformed_spans += folded.malformed;
        self.stats.odd_times += folded.odd_times;
        self.stats.condition_errors += folded.condition_errors;
        result
    }

    /// Decides what is due at the time that `clock` has reached, as far as the thresholds are known by
    /// which that is decided, and begins the seconds of budgets. Spans end by the clocks of their
    /// senders, to which the append times are nearer.
    pub(super) fn decide_due(&mut self, clock: Watermark, effects: &mut Vec<Effect>) {
        let (now, ahead) = (clock.now(), clock.ahead());
        match self.delayed.back_mut() {
            Some((last, of_last)) if *of_last == ahead => *last = now.max(*last),
            _ => self.delayed.push_back((now, ahead)),
        }
        self.decide_delayed(effects);
        if self.overflow.is_none()
            && let Some(second) = self.rates.begins(now)
        {
            self.begin_second(second, now, effects);
        }
    }

    /// Decides what was due at the times that were reached, as far as the thresholds are known.
    pub(super) fn decide_delayed(&mut self, effects: &mut Vec<Effect>) {
        while let Some((now, ahead)) = self.delayed.front().copied() {
            let limit = self.rates.limit(now);
            let forgotten_after = self.settings.decision_retention.saturating_add(ahead);
            self.pending_decisions.decide_due(
                (limit, forgotten_after, self.settings.stopwatch),
                (&mut self.open, &mut self.rates),
                (&self.policy_versions, self.claims.mine()),
                (&mut self.stats, &mut self.measured),
                effects,
            );
            self.rates.decided_to(limit);
            if limit < now {
                return;
            }
            self.delayed.pop_front();
        }
    }

    /// Tells the others what the budgets are asked for in seconds to come, and changes the thresholds
    /// for the next one.
    fn begin_second(&mut self, second: u64, now: LogTime, effects: &mut Vec<Effect>) {
        let foreseen = Foreseen::default();
        if let Some((from, before)) = self.rates.foresight(second) {
            for (slot, trace) in self.open.due_within(from, before) {
                let version = self.open.policy_version(slot);
                let Some(policies) = self.policy_versions.get(version) else { continue };
                let budgets = foreseen.of(policies.budgets());
                // Only what it asks of the budgets plays a part.
                let _ = policies.decide_within(trace.key(), self.open.record(slot), &budgets);
            }
        }
        let turn = self.rates.turn(second, &foreseen, now);
        effects.extend(turn.demand.map(Effect::TellDemand));
        let change = turn.change.map(|change| encode_rates(self.claims.mine(), &change));
        effects.extend(change.map(|record| Effect::AppendDecisions(record.into())));
    }

    /// Time has to pass for open traces, and only the log can say so.
    pub(super) fn idle(&mut self, effects: &mut Vec<Effect>) {
        let waiting = self.open.undecided() > 0 || self.held.is_some();
        if waiting && !self.tick_pending && self.wants_frames() {
            self.tick_pending = true;
            effects.push(Effect::AppendTick);
        }
    }
}
