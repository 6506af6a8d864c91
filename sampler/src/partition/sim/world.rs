//! The logs, the backends and the owners of one run.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use fastrand::Rng;
use wholetrace_proto::record::DeadLetter;
use wholetrace_spanlog::{Checkpoint, Frame, LogTime, Position, RecordKind};

use crate::{
    checkpoint::Progress,
    exporter::contract::Outcome,
    partition::{effect::Effect, input::Input},
    policy::PolicySet,
    testing::{Span, frame, ids},
};

use super::{
    events::{Event, Met},
    owner::{Flight, Owner},
    scene::{Scene, WAIT, pick, policies},
};

/// Everything that outlives a crash, and the owners of the moment.
pub(super) struct World {
    rng: Rng,
    pub(super) scene: Scene,
    now: u64,
    pub(super) spans: Vec<Frame>,
    pub(super) decisions: Vec<Frame>,
    /// What is in the frame at each index of the span log; none of it for garbage.
    pub(super) contents: Vec<Vec<Span>>,
    /// Records of the span log that nobody can read.
    damaged: HashSet<Position>,
    committed: Option<Checkpoint>,
    pub(super) policies: Arc<PolicySet>,
    pub(super) events: Vec<Event>,
    pub(super) met: Met,
    /// The last one is the true owner; those before it do not know yet.
    owners: Vec<Owner>,
    started: usize,
    /// Backends that are away.
    away: Vec<bool>,
    /// What owners that are gone have under way to the decision log.
    ghosts: Vec<Bytes>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let scene = Scene::new(&mut rng);
        let away = vec![false; scene.settings.exporters.len()];
        let mut world = Self {
            rng,
            scene,
            now: 1_000_000,
            spans: Vec::new(),
            decisions: Vec::new(),
            contents: Vec::new(),
            damaged: HashSet::new(),
            committed: None,
            policies: policies(30),
            events: Vec::new(),
            met: Met::default(),
            owners: Vec::new(),
            started: 0,
            away,
            ghosts: Vec::new(),
        };
        world.scene.frames.reverse();
        world.start_owner();
        world
    }

    /// Runs until all traffic is in, then mends everything and waits for the end.
    pub(super) fn run(&mut self) {
        while !self.scene.frames.is_empty() {
            self.act();
        }
        for _ in 0..self.rng.usize(..200) {
            self.act();
        }
        self.mend();
        self.fresh_trace_is_decided_in_time();
        self.wait_for_the_end();
    }

    fn start_owner(&mut self) {
        let start = self.committed.as_ref().map(Progress::of);
        if self.scene.quarrel {
            self.policies = policies(self.rng.u32(..100));
        }
        let owner = Owner::new(
            self.started,
            self.scene.settings.clone(),
            self.scene.cache,
            Arc::clone(&self.policies),
            start.as_ref(),
            (&self.spans, &self.decisions),
        );
        let position = start.as_ref().map_or(Position(0), |start| start.position);
        let hints = start.map(|start| start.hints.exporters).unwrap_or_default();
        let names = self.scene.settings.exporters.iter();
        let exporters =
            names.map(|name| hints.get(name).copied().map_or(position, Position)).collect();
        self.events.push(Event::Started { owner: self.started, position, exporters });
        self.owners.push(owner);
        self.started += 1;
    }

    fn by_chance(&mut self, in_a_thousand: u32) -> bool {
        self.rng.u32(..1000) < in_a_thousand
    }

    /// One random thing happens.
    fn act(&mut self) {
        let faults = self.scene.faults;
        if self.by_chance(faults.crash) {
            self.crash();
        }
        if self.by_chance(faults.zombie) && self.owners.len() < 3 {
            self.met.zombies += 1;
            self.start_owner();
        }
        if self.by_chance(faults.reload) {
            self.met.reloads += 1;
            self.policies = policies(self.rng.u32(..100));
            let policies = Arc::clone(&self.policies);
            let who = self.rng.usize(..self.owners.len());
            self.owners[who].step(Input::Policies(policies));
        }
        if self.by_chance(faults.outage) {
            let who = self.rng.usize(..self.away.len());
            self.away[who] = !self.away[who];
        }
        if self.owners.len() > 1 && self.by_chance(50) {
            let dead = self.owners.remove(0);
            self.cut_off(&dead);
        }
        if self.by_chance(20) {
            self.ghost();
        }
        let who = self.rng.usize(..self.owners.len());
        match self.rng.u8(..11) {
            0 => self.produce(),
            1 => self.now += self.rng.u64(1..u64::from(WAIT) / 2),
            2 | 3 => {
                let most = self.rng.usize(1..5);
                self.owners[who].read_spans((&self.spans, &self.damaged), most);
            }
            4 | 5 => {
                let most = self.rng.usize(1..5);
                self.owners[who].read_decisions(&self.decisions, most);
            }
            6 | 7 => self.perform(who),
            8 | 9 => self.answer(who),
            _ => self.commit(who),
        }
        self.give_way(who);
    }

    /// An owner that another has superseded starts again, if it is the true one.
    fn give_way(&mut self, who: usize) {
        if !self.owners[who].state.is_superseded() {
            return;
        }
        self.met.superseded += 1;
        let owner = self.owners.remove(who);
        self.note_stats(owner);
        if who == self.owners.len() {
            self.start_owner();
        }
    }

    /// What an owner has sent that is gone comes into the decision log.
    fn ghost(&mut self) {
        let Some(some) = self.rng.usize(..).checked_rem(self.ghosts.len()) else { return };
        self.met.ghosts += 1;
        let payload = self.ghosts.swap_remove(some);
        self.append_decisions(payload);
    }

    fn append_decisions(&mut self, payload: Bytes) {
        let last = self.decisions.last().map_or(0, |frame| frame.position.0);
        let position = Position(last + self.rng.u64(1..3));
        let (time, kind) = (LogTime(self.now), RecordKind::Decisions);
        self.decisions.push(Frame { position, time, kind, epoch: 0, payload });
    }

    fn append_span_record(&mut self, kind: RecordKind, payload: Bytes, contents: Vec<Span>) {
        let last = self.spans.last().map_or(0, |frame| frame.position.0);
        let position = Position(last + self.rng.u64(1..4));
        let time = LogTime(self.now);
        self.spans.push(Frame { position, time, kind, epoch: 0, payload });
        self.contents.push(contents);
    }

    fn produce(&mut self) {
        if self.by_chance(20) {
            let garbage = *pick(&mut self.rng, &[&b"\x0a\xff"[..], b"\x07", b"\x0a\x02\x12\x09"]);
            self.append_span_record(RecordKind::Spans, Bytes::from_static(garbage), Vec::new());
        } else if self.by_chance(20) {
            // What was in it can never be read: nobody can know of it.
            self.append_span_record(RecordKind::Spans, Bytes::new(), Vec::new());
            self.damaged.extend(self.spans.last().map(|frame| frame.position));
            self.met.damaged += 1;
        } else if let Some(spans) = self.scene.frames.pop() {
            self.append_span_record(RecordKind::Spans, frame(&spans), spans);
        }
    }

    /// One append or fetch of an owner is done, or fails and stays.
    fn perform(&mut self, who: usize) {
        let Some(some) = self.rng.usize(..).checked_rem(self.owners[who].pending.len()) else {
            return;
        };
        let failed = self.by_chance(self.scene.faults.append);
        if failed && self.rng.bool() {
            return;
        }
        let effect = self.owners[who].pending[some].clone();
        // A failed append may have been written: then it comes again.
        if !failed {
            self.owners[who].pending.swap_remove(some);
        }
        match effect {
            Effect::AppendDecisions(payload) => self.append_decisions(payload),
            Effect::AppendTick => {
                self.met.ticks += 1;
                self.append_span_record(RecordKind::Tick, Bytes::new(), Vec::new());
            }
            Effect::Fetch { from, max_bytes } if !failed => self.fetch(who, from, max_bytes),
            Effect::DeadLetter { letter, record } if !failed => {
                let payload = DeadLetter::read(&record).unwrap().payload;
                let position = letter.position;
                if let Some(exporter) = letter.exporter {
                    let (owner, exporter) = (self.owners[who].number, usize::from(exporter.0));
                    let spans = ids(payload);
                    self.events.push(Event::Finished { owner, exporter, position, spans });
                } else {
                    self.events.push(Event::Buried { position });
                }
                self.owners[who].step(Input::DeadLettered(letter));
            }
            Effect::Rewind(to) if !failed => {
                self.met.rewinds += 1;
                let owner = &mut self.owners[who];
                owner.read = self.spans.partition_point(|frame| frame.position < to);
                owner.step(Input::Rewound);
            }
            Effect::Rewind(_)
            | Effect::Fetch { .. }
            | Effect::DeadLetter { .. }
            | Effect::Export { .. } => {}
        }
    }

    fn fetch(&mut self, who: usize, from: Position, max_bytes: usize) {
        self.met.refetches += 1;
        let start = self.spans.partition_point(|frame| frame.position < from);
        let mut room = max_bytes;
        let mut frames = Vec::new();
        for frame in &self.spans[start..] {
            if self.damaged.contains(&frame.position) {
                break;
            }
            if !frames.is_empty() && frame.payload.len() > room {
                break;
            }
            room = room.saturating_sub(frame.payload.len());
            frames.push(frame.clone());
        }
        self.owners[who].step(Input::Refetched { from, frames });
    }

    /// A backend answers for a piece.
    fn answer(&mut self, who: usize) {
        let Some(flight) = self.owners[who].take_flight(&mut self.rng) else { return };
        if self.away[usize::from(flight.exporter.0)] {
            self.owners[who].flights.push(flight);
            return;
        }
        if self.by_chance(self.scene.faults.refuse) {
            self.met.refused += 1;
            let (bytes, spans) = (flight.kept.bytes.clone(), flight.kept.spans);
            let outcome = Outcome::Refused { reason: "no".into(), bytes, spans };
            self.owners[who].settle(flight, outcome);
        } else {
            self.delivered(&flight, self.owners[who].number);
            self.owners[who].settle(flight, Outcome::Delivered);
        }
    }

    fn delivered(&mut self, flight: &Flight, owner: usize) {
        let spans = ids(&flight.kept.bytes);
        assert_eq!(spans.len(), flight.kept.spans as usize);
        let exporter = usize::from(flight.exporter.0);
        let position = Position(flight.kept.ticket.position);
        self.events.push(Event::Finished { owner, exporter, position, spans });
    }

    /// What was under way arrives, or does not.
    fn cut_off(&mut self, owner: &Owner) {
        for flight in &owner.flights {
            if self.rng.bool() && !self.away[usize::from(flight.exporter.0)] {
                self.delivered(flight, owner.number);
            }
        }
        for effect in &owner.pending {
            if let Effect::AppendDecisions(payload) = effect
                && self.rng.bool()
            {
                self.ghosts.push(payload.clone());
            }
        }
    }

    fn commit(&mut self, who: usize) {
        let Some(progress) = self.owners[who].state.progress() else { return };
        // The log takes no commit from who is not the owner any more.
        if who + 1 < self.owners.len() {
            return;
        }
        let names = self.scene.settings.exporters.iter();
        let exporters = names.map(|name| Position(progress.hints.exporters[name])).collect();
        let (owner, position) = (self.owners[who].number, progress.position);
        self.events.push(Event::Committed { owner, position, exporters });
        self.committed = Some(progress.to_checkpoint());
    }

    fn crash(&mut self) {
        self.met.crashes += 1;
        if let Some(owner) = self.owners.pop() {
            self.note_stats(owner);
        }
        self.start_owner();
    }

    fn note_stats(&mut self, mut owner: Owner) {
        self.cut_off(&owner);
        let stats = owner.state.take_stats();
        self.met.late += stats.late_spans;
        self.met.forgotten += stats.decisions_forgotten;
        assert_eq!(stats.spans_undecided, 0, "I3");
        assert_eq!(stats.frames_lost, 0);
    }

    /// Faults stop, and one owner is left.
    fn mend(&mut self) {
        while self.owners.len() > 1 {
            let dead = self.owners.remove(0);
            self.note_stats(dead);
        }
        self.away.fill(false);
        let faults = &mut self.scene.faults;
        (faults.append, faults.refuse) = (0, 0);
    }

    /// Everything that can happen now does.
    fn settle_down(&mut self) {
        for _ in 0..100_000 {
            self.give_way(0);
            let owner = &mut self.owners[0];
            let before = (owner.read, owner.decisions_read);
            let wanted = owner.state.wants_frames() && owner.read < self.spans.len();
            if wanted {
                owner.read_spans((&self.spans, &self.damaged), 3);
            }
            owner.read_decisions(&self.decisions, 3);
            let owner = &self.owners[0];
            let still = before == (owner.read, owner.decisions_read);
            if still && owner.pending.is_empty() && owner.flights.is_empty() {
                return;
            }
            self.perform(0);
            self.answer(0);
        }
        panic!("the owner never comes to rest");
    }

    /// I8: a fresh trace is decided within two decision waits.
    fn fresh_trace_is_decided_in_time(&mut self) {
        self.settle_down();
        let (key, id) = (self.rng.u64(..), u64::MAX);
        let spans = vec![Span { key, id, root: false, error: true, end_ms: 0 }];
        self.append_span_record(RecordKind::Spans, frame(&spans), spans);
        let appended = self.now;
        let (mut last, known) = (0, self.decisions.len());
        while self.decisions.len() == known || self.owners[0].state.levels().open_traces > 0 {
            self.settle_down();
            if self.owners[0].read == self.spans.len() {
                self.owners[0].read_spans((&self.spans, &self.damaged), 1);
                self.settle_down();
            }
            last = self.now;
            assert!(last - appended <= 2 * u64::from(WAIT), "I8: undecided after {last}");
            self.now += u64::from(WAIT) / 4;
        }
        assert!(last >= appended);
    }

    fn wait_for_the_end(&mut self) {
        for _ in 0..10_000 {
            self.settle_down();
            if self.owners[0].is_done(&self.spans) {
                self.commit(0);
                if let Some(owner) = self.owners.pop() {
                    self.note_stats(owner);
                }
                return;
            }
            self.now += u64::from(WAIT) / 4;
            self.owners[0].read_spans((&self.spans, &self.damaged), 1);
        }
        panic!("the owner never finishes: {:?}", self.owners[0].state.levels());
    }
}
