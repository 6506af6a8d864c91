//! One process that owns the partition, or believes so.

use std::{collections::HashSet, sync::Arc};

use fastrand::Rng;
use wholetrace_runtime::budget::ByteBudget;
use wholetrace_spanlog::{Frame, Position};

use crate::{
    checkpoint::Progress,
    exporter::contract::{ExporterIndex, Kept, Outcome, Settled},
    partition::{
        effect::Effect,
        input::{Input, ReadFrame},
        settings::Settings,
        state::PartitionState,
    },
    policy::PolicySet,
};

/// A piece that is with an exporter.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) exporter: ExporterIndex,
    pub(super) kept: Kept,
}

/// The state of an owner, and what it has under way.
pub(super) struct Owner {
    pub(super) number: usize,
    pub(super) state: PartitionState,
    budget: ByteBudget,
    max_open_traces: usize,
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
        start: Option<&Progress>,
        (spans, decisions): (&[Frame], &[Frame]),
    ) -> Self {
        let from = start.map_or(Position(0), |start| start.position);
        let decided = start.and_then(|start| start.hints.decisions).unwrap_or_default();
        settings.owner = number as u64;
        let mut owner = Self {
            number,
            max_open_traces: settings.max_open_traces,
            state: PartitionState::new(settings, policies, start),
            budget: ByteBudget::new("window_cache", cache),
            read: spans.partition_point(|frame| frame.position < from),
            decisions_read: decisions.partition_point(|frame| frame.position.0 < decided),
            pending: Vec::new(),
            flights: Vec::new(),
        };
        let recorded = decisions[owner.decisions_read..].to_vec();
        owner.decisions_read = decisions.len();
        if let Some(frame) = spans.get(owner.read).or_else(|| spans.last()) {
            owner.step(Input::Begins(frame.time));
        }
        owner.step(Input::Decisions(recorded));
        owner.step(Input::Loaded);
        owner
    }

    pub(super) fn step(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.state.step(input, &mut effects);
        // A frame, of up to seven spans here, is taken in whole.
        let open = self.state.levels().open_traces;
        assert!(open < self.max_open_traces + 7, "I6: {open} open traces");
        for effect in effects {
            match effect {
                Effect::Export { exporter, kept } => self.flights.push(Flight { exporter, kept }),
                effect => self.pending.push(effect),
            }
        }
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

    /// Whether nothing is left to do with the logs as they are.
    pub(super) fn is_done(&self, spans: &[Frame]) -> bool {
        let levels = self.state.levels();
        self.read == spans.len()
            && self.pending.is_empty()
            && self.flights.is_empty()
            && levels.open_traces == 0
            && levels.window_frames == 0
    }
}
