//! The state of a partition, and its one step.

mod ahead;
mod read_back;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use wholetrace_runtime::invariant::Invariant;
use wholetrace_spanlog::{LogTime, Position, TopicName};

use crate::{
    core::{
        checkpoint::{Hints, PartitionCheckpoint, ResumePoint},
        decision::{claims::Claims, log::encode_claim, table::DecisionTable},
        filter::KeptBy,
        hash::KeyHash,
        measured_traces::{Measured, MeasuredTraces},
        open_traces::OpenTraces,
        partition::{
            effect::{DeadLetterId, Effect},
            input::{Found, Input, ReadFrame},
            overflow::Overflow,
            pending_decisions::PendingDecisions,
            releases::{ReleaseContext, ReleaseResult, Releases},
            settings::{Bounds, Settings},
            stats::{Levels, Released, Stats},
        },
        policy_versions::PolicyVersions,
        rates::{BudgetLevel, Rates},
        watermark::{Oddities, Watermark},
        window::{WINDOW_FRAMES, Window},
    },
    policy::PolicySet,
};

/// The state of one partition while this process owns it.
#[derive(Debug)]
pub struct PartitionState {
    settings: Settings,
    policy_versions: PolicyVersions,
    watermark: Watermark,
    /// The newest frame, held back until the next record tells whether its time counts.
    held: Option<ReadFrame>,
    /// Append time of the newest record read.
    newest: LogTime,
    open: OpenTraces,
    decided: DecisionTable,
    claims: Claims,
    window: Window,
    releases: Releases,
    pending_decisions: PendingDecisions,
    /// The lowest position that was not read ahead.
    head: Position,
    /// The position of the last record of the decision log that counts.
    last_claimed: Position,
    /// The position up to which the decision log is read.
    decided_to: Position,
    rates: Rates,
    /// Times that were reached while decisions had to wait for thresholds, and how far each was ahead
    /// of the append times.
    delayed: VecDeque<(LogTime, u64)>,
    /// Whether a tick is appended and not read back.
    tick_pending: bool,
    /// Reads on without opening traces, while there is no room for more.
    overflow: Option<Overflow>,
    /// Whether the last step left work behind.
    has_more_work: bool,
    committed: Option<PartitionCheckpoint>,
    stats: Stats,
    measured: MeasuredTraces,
}

impl PartitionState {
    /// The state at the start of an ownership, from the checkpoint of the last owner.
    /// Tell it when the span log [begins](Input::LogBegins), then the decision log from
    /// [`Hints::decisions_from`] on and then [`Input::DecisionsLoaded`]; once it wants frames, the
    /// span log from `start.position` on.
    #[must_use]
    pub fn new(
        mut settings: Settings,
        policies: Arc<PolicySet>,
        start: Option<&PartitionCheckpoint>,
    ) -> Self {
        settings.recording = policies.recording().clone();
        let hash = KeyHash::new(settings.hash_seed);
        let (wait, root_wait) = (settings.decision_wait, settings.decision_wait_after_root);
        let begin =
            start.map(|checkpoint| checkpoint.start(&settings.exporters)).unwrap_or_default();
        let hints = start.map(|checkpoint| checkpoint.hints.clone()).unwrap_or_default();
        let shortest = if root_wait == 0 { wait } else { root_wait.min(wait) };
        Self {
            rates: Rates::new(settings.partition, policies.budgets(), shortest),
            delayed: VecDeque::new(),
            policy_versions: PolicyVersions::new(policies),
            watermark: begin.lead.clock,
            held: None,
            newest: LogTime(0),
            open: OpenTraces::new(wait, root_wait, hash),
            decided: DecisionTable::new(settings.decision_retention, hash),
            window: Window::default(),
            releases: Releases::new(&settings, &hints.exporters, &begin.behind),
            pending_decisions: PendingDecisions::default(),
            head: Position(begin.lead.position),
            decided_to: Position(begin.lead.decisions),
            claims: Claims::new(hints.term.unwrap_or_default(), &hints.claims),
            last_claimed: Position(hints.claimed.or(hints.decisions).unwrap_or_default()),
            tick_pending: false,
            overflow: None,
            has_more_work: false,
            committed: start.cloned(),
            stats: Stats::default(),
            measured: MeasuredTraces::default(),
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
                self.pending_decisions.flush(&self.policy_versions, self.claims.mine(), effects);
            }
            Input::Unreadable { position, detail } => {
                self.unreadable(position, &detail, effects);
                self.pending_decisions.flush(&self.policy_versions, self.claims.mine(), effects);
            }
            Input::Decisions(records) => {
                for record in &records {
                    self.decisions_take_effect(record);
                }
                self.forget_excess();
                self.decide_delayed(effects);
                self.pending_decisions.flush(&self.policy_versions, self.claims.mine(), effects);
            }
            Input::LogBegins(time) => {
                if self.watermark.now() == LogTime(0) {
                    let _ = self.watermark.advance(time, &mut Oddities::default());
                }
            }
            Input::DecisionsLoaded => {
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
            Input::SeekDone => (self.overflow, self.held) = (None, None),
            Input::FetchedFor { exporter, from, found } => {
                if let (TopicName::Spans, Found::Records(frames)) = (from.0, &found) {
                    let bytes: usize = frames.iter().map(|frame| frame.payload.len()).sum();
                    self.stats.refetched_bytes += bytes as u64;
                }
                self.releases.found_for(exporter, from, found, (&self.settings, &self.claims));
            }
            Input::Lost(oldest) => self.lost(oldest),
            Input::Settled(settled) => {
                for outcome in settled {
                    self.settle(outcome, effects);
                }
            }
            Input::DeadLettered(id) => self.dead_lettered(id),
            Input::Idle => self.idle(effects),
            Input::Demand(demands) => self.rates.hear(&demands, self.watermark.now()),
            Input::Policies(policies) => {
                self.settings.recording = policies.recording().clone();
                self.rates.set_budgets(policies.budgets());
                self.stats.policies_delayed += u64::from(!self.policy_versions.replace(policies));
                self.open.replace_policies(self.policy_versions.current());
            }
            Input::Continue => {}
        }
        self.release(effects);
    }

    /// Whether the next records of the span log are wanted now.
    ///
    /// Not before the own claim is read back. Then always when the slowest release waits for a decision
    /// that only more of the log brings. Else only within bounds: while all payloads find room in the
    /// window cache or another exporter waits for more, decisions find room in the table, and the first
    /// reading is less than `read_ahead` before the release.
    #[must_use]
    pub fn wants_frames(&self) -> bool {
        if !self.claims.is_held() || self.rates.waits() {
            return false;
        }
        if let Some(overflow) = &self.overflow {
            return !overflow.is_over() && self.open.undecided() > 0;
        }
        let slowest = self.releases.slowest();
        let Some(frame) = self.window.get(slowest) else { return true };
        let (time, now) = (frame.clock.now(), self.watermark.now());
        let undecided = now < time.plus(u64::from(self.settings.decision_wait))
            && self.open.undecided() > 0
            || self.open.is_next(slowest);
        if self.held.is_some() || frame.awaited > 0 && undecided {
            return true;
        }
        (self.window.uncached() == 0 || self.releases.starves(&self.window))
            && self.window.len() < WINDOW_FRAMES
            && self.decided.len() < self.settings.many_decisions()
            && now.since(time) <= self.settings.read_ahead
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

    /// Whether another owner has claimed the partition. The decisions of this one count no longer; if the
    /// log still takes it for the owner, it has to start again.
    #[must_use]
    pub const fn is_superseded(&self) -> bool {
        self.claims.is_superseded()
    }

    /// Whether [`Input::Continue`] would do anything.
    #[must_use]
    pub const fn has_more_work(&self) -> bool {
        self.has_more_work
    }

    /// How far the partition is finished, if that has changed since the last answer. Never lower
    /// than before (I5).
    pub fn checkpoint(&mut self) -> Option<PartitionCheckpoint> {
        let points = self.resume_points();
        let lowest = points.iter().map(|(point, _)| point).min_by_key(|point| point.position)?;
        let position = Position(lowest.position);
        let names = || self.settings.exporters.iter().cloned().zip(&points);
        let behind: BTreeMap<String, ResumePoint> = names()
            .filter(|(_, (_, behind))| *behind)
            .map(|(name, (point, _))| (name, *point))
            .collect();
        let keeping_up = || points.iter().filter(|(_, behind)| !behind).map(|(point, _)| *point);
        let lead = keeping_up().min_by_key(|point| point.position).map(|lead| ResumePoint {
            decisions: keeping_up().map(|point| point.decisions).min().unwrap_or_default(),
            ..lead
        });
        let in_force = self.rates.origin().is_some();
        let needed = self.decided.origin().is_some() || in_force || position < self.head;
        let mut hints = Hints {
            decisions: points.iter().map(|(point, _)| point.decisions).min().filter(|_| needed),
            claimed: Some(self.last_claimed.0),
            owner: Some(self.settings.owner),
            term: self.claims.mine().map(|claim| claim.term),
            clock: lowest.clock,
            exporters: names().map(|(name, (point, _))| (name, point.position)).collect(),
            lead: lead.filter(|_| !behind.is_empty()),
            behind,
            claims: Vec::new(),
        };
        hints.claims = self.claims.known_from(hints.decisions_from());
        let checkpoint = PartitionCheckpoint { position, hints };
        let last = self.committed.as_ref();
        let last_position = last.map_or(Position(0), |last| last.position);
        Invariant::I5.assert(
            last_position <= checkpoint.position,
            format_args!("{} comes after {last_position}", checkpoint.position),
        );
        Invariant::I5.assert(
            checkpoint.position <= self.head,
            format_args!("{} is not read, up to {}", checkpoint.position, self.head),
        );
        // One exporter may be at the very beginning while others are not.
        let none = points.iter().all(|(point, _)| point.position == 0);
        if none || last == Some(&checkpoint) {
            return None;
        }
        self.committed = Some(checkpoint.clone());
        Some(checkpoint)
    }

    fn resume_points(&self) -> Vec<(ResumePoint, bool)> {
        self.releases.resume_points(&self.window, self.here(), self.settings.read_ahead)
    }

    /// The end of what was read.
    fn here(&self) -> ResumePoint {
        let decisions = self.decided.origin().unwrap_or(self.last_claimed);
        let decisions = self.rates.origin().map_or(decisions, |origin| origin.min(decisions)).0;
        ResumePoint { position: self.head.0, clock: self.watermark, decisions }
    }

    /// Changes how much is held in memory.
    pub fn set_bounds(&mut self, bounds: Bounds) {
        self.settings.bounds = bounds;
    }

    /// Frees `bytes` of the payloads that wait for their release, or all of them.
    pub fn evict(&mut self, bytes: usize) {
        self.window.evict(bytes);
    }

    /// What the budgets of its policies are doing.
    #[must_use]
    pub fn budgets(&self) -> Vec<BudgetLevel> {
        self.rates.levels(self.watermark.now())
    }

    /// What was counted since the last call.
    pub fn take_stats(&mut self) -> Stats {
        std::mem::take(&mut self.stats)
    }

    /// What traces were like that were decided since the last call, and late spans: of one trace of 64.
    pub fn take_measured(&mut self) -> Measured {
        self.measured.take()
    }

    /// Spans that were released since the last call, by the policy that kept them.
    pub fn take_released(&mut self) -> Vec<Released> {
        let kept = self.releases.take_kept_by().into_iter().filter(|kept| kept.spans > 0);
        let names = self.decided.policies();
        let released = |KeptBy { policy, spans, bytes }| Released {
            policy: names.name(policy).cloned(),
            spans,
            bytes,
        };
        kept.map(released).collect()
    }

    /// How full it is.
    #[must_use]
    pub fn levels(&self) -> Levels {
        let points = self.resume_points().into_iter();
        let lowest = points.map(|(point, _)| point).min_by_key(|point| point.position);
        let unfinished = lowest
            .filter(|point| point.position < self.head.0)
            .map(|point| (Position(point.position), point.clock));
        let mut levels = Levels {
            open_traces: self.open.len(),
            decisions: self.decided.len(),
            window_frames: self.window.len(),
            window_bytes: self.window.cached_bytes(),
            behind: 0,
            behind_decisions: 0,
            unfinished_bytes: 0,
            table_bytes: self.open.memory() + self.decided.memory() + self.window.memory(),
            span_millis: unfinished.map_or(0, |(_, clock)| self.watermark.now().since(clock.now())),
            read_position: self.head,
            release_position: unfinished.map_or(self.head, |(position, _)| position),
            newest: Some(self.newest).filter(|newest| *newest > LogTime(0)),
            unfinished_since: unfinished.map(|(_, clock)| clock.append_time()),
            undecided_since: self.open.oldest().map(|time| time.minus(self.watermark.ahead())),
        };
        self.releases.levels(&mut levels);
        levels
    }

    fn lost(&mut self, oldest: Position) {
        let oldest = oldest.min(self.head);
        self.stats.frames_lost += self.window.lose_before(oldest);
        self.releases.stop_refetching();
    }

    fn release(&mut self, effects: &mut Vec<Effect>) {
        let context = ReleaseContext {
            settings: &self.settings,
            decided: &self.decided,
            here: self.here(),
            decided_to: self.decided_to,
            is_serving: self.is_serving(),
        };
        let result = self.releases.release(&mut self.window, &context, &mut self.stats, effects);
        self.has_more_work = !matches!(result, ReleaseResult::Done);
        if let ReleaseResult::Undecodable(found) = result {
            self.window.void_at(found.position);
            self.stats.frames_undecodable += 1;
            let id = DeadLetterId { exporter: None, position: found.position };
            self.dead_letter(id, "", &found.reason, &found.payload, effects);
        }
        let unpassed = self.releases.slowest_clock(&self.window);
        let unpassed = unpassed.unwrap_or(self.watermark).now();
        self.decided.evict(unpassed);
        self.rates.prune(unpassed);
        self.end_overflow(effects);
    }
}
