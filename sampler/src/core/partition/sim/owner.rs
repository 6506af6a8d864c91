//! One process that owns the partition, or believes so.

use std::{collections::HashSet, sync::Arc};

use fastrand::Rng;
use wholetrace_exporter::contract::{ExporterIndex, KeptSpans, Outcome, Settled};
use wholetrace_runtime::budget::{ByteBudget, Lease};
use wholetrace_runtime::invariant::Invariant::I6;
use wholetrace_spanlog::{Frame, Position};

use crate::{
    core::{
        checkpoint::PartitionCheckpoint,
        held::{all_held, room},
        partition::{
            effect::Effect,
            input::{Input, ReadFrame},
            settings::{Bounds, Settings},
            state::PartitionState,
        },
    },
    policy::PolicySet,
};

use super::scene::pick;

/// A piece that is with an exporter.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) exporter: ExporterIndex,
    pub(super) kept: KeptSpans,
}

/// What an owner may hold.
#[derive(Clone, Copy, Debug)]
struct Held {
    open_traces: usize,
    /// Bytes of kept spans with all exporters.
    unfinished: usize,
    window_cache: usize,
}

/// Spans of the largest frame, and more bytes than it has.
const FRAME_SPANS: usize = 7;
const FRAME_BYTES: usize = 4_000;

/// The state of an owner, and what it has under way.
pub(super) struct Owner {
    pub(super) number: usize,
    pub(super) state: PartitionState,
    budget: ByteBudget,
    /// What others take of the budget.
    others: Option<Lease>,
    bounds: Held,
    /// Records of the span log that were read, again or not.
    pub(super) reads: usize,
    /// Records of the logs that were read.
    pub(super) read: usize,
    pub(super) decisions_read: usize,
    /// Appends and fetches that are not done.
    pub(super) pending: Vec<Effect>,
    pub(super) flights: Vec<Flight>,
}

impl Owner {
    pub(super) fn new(
        number: usize,
        mut settings: Settings,
        cache: usize,
        policies: Arc<PolicySet>,
        start: Option<&PartitionCheckpoint>,
        ((spans, damaged), decisions): ((&[Frame], &HashSet<Position>), &[Frame]),
        deleted: (usize, usize),
    ) -> Self {
        let begin = start.map(|start| start.start(&settings.exporters).lead).unwrap_or_default();
        let (from, decided) = (Position(begin.position), Position(begin.decisions));
        settings.owner = number as u64;
        let mut owner = Self {
            number,
            bounds: Held {
                open_traces: settings.bounds.max_open_traces + FRAME_SPANS - 1,
                // A frame is cut whole for each exporter.
                unfinished: (settings.bounds.max_unfinished_bytes + FRAME_BYTES)
                    * settings.exporters.len(),
                window_cache: cache,
            },
            others: None,
            reads: 0,
            state: PartitionState::new(settings, policies, start),
            budget: ByteBudget::new("window_cache", cache),
            read: spans.partition_point(|frame| frame.position < from),
            decisions_read: decisions.partition_point(|frame| frame.position < decided),
            pending: Vec::new(),
            flights: Vec::new(),
        };
        owner.read = owner.read.max(deleted.0);
        owner.decisions_read = owner.decisions_read.max(deleted.1);
        let recorded = decisions[owner.decisions_read..].to_vec();
        owner.decisions_read = decisions.len();
        if let Some(frame) = spans.get(owner.read).or_else(|| spans.last())
            && !damaged.contains(&frame.position)
        {
            owner.step(Input::LogBegins(frame.time));
        }
        owner.step(Input::Decisions(recorded));
        owner.step(Input::DecisionsLoaded);
        owner
    }

    pub(super) fn step(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.state.step(input, &mut effects);
        self.is_within_bounds();
        self.state.evict(self.budget.excess());
        for effect in effects {
            match effect {
                Effect::Export { exporter, kept } => self.flights.push(Flight { exporter, kept }),
                Effect::Decided(_) => {}
                effect => self.pending.push(effect),
            }
        }
    }

    /// I6.
    fn is_within_bounds(&self) {
        let (levels, bounds) = (self.state.levels(), self.bounds);
        let held = [
            (levels.open_traces, bounds.open_traces),
            (levels.unfinished_bytes, bounds.unfinished),
            (levels.window_bytes, bounds.window_cache),
        ];
        assert!(held.iter().all(|(held, bound)| held <= bound), "{I6}: {levels:?} {bounds:?}");
    }

    /// I6: beside the decisions that are remembered, those are held that are about traces of the
    /// frames in the window and of one decision wait around its end.
    pub(super) fn decisions_are_few(&self, log: &[Frame], settings: &Settings) {
        let levels = self.state.levels();
        let Some(newest) = levels.newest else { return };
        let wait = u64::from(settings.decision_wait);
        // What is forgotten at a time may be asked for until it has passed.
        let before = log[..log.partition_point(|frame| frame.time < newest)].last();
        let before = before.map_or(newest, |frame| frame.time);
        let begin = log.partition_point(|frame| frame.time.plus(wait) < before);
        let end = log.partition_point(|frame| frame.time <= newest.plus(wait));
        let in_flight = (end - begin + levels.window_frames + 4) * FRAME_SPANS;
        let most = settings.bounds.max_decisions + in_flight;
        assert!(levels.decisions <= most, "{I6}: {levels:?} beyond {most}");
    }

    /// Bounds as another number of partitions gives them. What is gone of the budget is with other
    /// partitions.
    pub(super) fn change_bounds(&mut self, rng: &mut Rng, settings: &Settings) {
        let open_traces = *pick(rng, &[1, 20, settings.bounds.max_open_traces]);
        let decisions =
            *pick(rng, &[settings.bounds.max_decisions / 2, settings.bounds.max_decisions]);
        self.state.set_bounds(Bounds {
            max_decisions: decisions,
            max_open_traces: open_traces,
            max_recent_spans: *pick(rng, &[0, settings.bounds.max_recent_spans]),
            max_unfinished_bytes: *pick(rng, &[1, settings.bounds.max_unfinished_bytes]),
            refetch_bytes: *pick(rng, &[1, settings.bounds.refetch_bytes]),
        });
        let held = self.state.levels().open_traces;
        self.bounds.open_traces = open_traces.max(held) + FRAME_SPANS - 1;
        self.others = None;
        self.others = Some(self.budget.lease(rng.usize(..=2 * self.bounds.window_cache)));
        self.state.evict(self.budget.excess());
    }

    pub(super) fn read_spans(
        &mut self,
        (log, damaged): (&[Frame], &HashSet<Position>),
        most: usize,
    ) {
        if !self.state.wants_frames() {
            return;
        }
        let mut end = log.len().min(self.read + most);
        let is_damaged = |frame: &Frame| damaged.contains(&frame.position);
        if let Some(after) = log[self.read..end].iter().position(is_damaged) {
            end = self.read + after;
            if after == 0 {
                let position = log[self.read].position;
                self.read += 1;
                self.step(Input::Unreadable { position, detail: "damaged".into() });
                return;
            }
        }
        let frames = log[self.read..end].iter().cloned().map(|frame| {
            let lease = self.budget.try_lease(frame.payload.len());
            ReadFrame { frame, lease }
        });
        let frames: Vec<ReadFrame> = frames.collect();
        let idle = frames.is_empty();
        self.reads += frames.len();
        self.read = end;
        self.step(if idle { Input::Idle } else { Input::Frames(frames) });
    }

    pub(super) fn read_decisions(&mut self, log: &[Frame], most: usize) {
        let end = log.len().min(self.decisions_read + most);
        let records = log[self.decisions_read..end].to_vec();
        self.decisions_read = end;
        if !records.is_empty() {
            self.step(Input::Decisions(records));
        }
    }

    /// The backend answers for a piece of random age.
    pub(super) fn take_flight(&mut self, rng: &mut Rng) -> Option<Flight> {
        if self.flights.is_empty() {
            return None;
        }
        Some(self.flights.swap_remove(rng.usize(..self.flights.len())))
    }

    pub(super) fn settle(&mut self, flight: Flight, outcome: Outcome) {
        let Flight { exporter, kept } = flight;
        self.step(Input::Settled(vec![Settled { exporter, ticket: kept.ticket, outcome }]));
    }

    /// Frames that were read for it, held out of its budget.
    pub(super) fn held(&self, frames: Vec<Frame>, max_bytes: usize) -> Vec<Frame> {
        all_held(frames, room(&self.budget, max_bytes))
    }

    /// I6: what is held and not let go of when all is done.
    pub(super) fn held_at_the_end(&self) -> usize {
        self.budget.used() - self.others.as_ref().map_or(0, Lease::bytes)
    }

    /// Whether nothing is left to do with the logs as they are.
    pub(super) fn is_done(&self, spans: &[Frame]) -> bool {
        let levels = self.state.levels();
        self.read == spans.len()
            && self.pending.is_empty()
            && self.flights.is_empty()
            && levels.open_traces == 0
            && levels.window_frames == 0
            && levels.behind == 0
    }
}
