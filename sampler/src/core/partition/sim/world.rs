//! The logs, the backends and the owners of one run.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use fastrand::Rng;
use wholetrace_exporter::contract::Outcome;
use wholetrace_proto::record::{BudgetDemand, DeadLetter, DecisionBatch, PartitionDemand};
use wholetrace_runtime::invariant::Invariant::{I3, I6, I8};
use wholetrace_spanlog::{Checkpoint, Frame, LogTime, Position, RecordKind, TopicName};

use crate::{
    core::{
        checkpoint::{Hints, PartitionCheckpoint},
        partition::{
            effect::Effect,
            input::{Found, Input},
            stats::Stats,
        },
    },
    policy::PolicySet,
    testing::{Span, frame, ids, trace_ids},
};

use super::{
    events::{Event, Met},
    owner::{Flight, Owner},
    scene::{BEGIN, LIMITED, PASSES, Scene, pick, policies},
};

/// How much more time than two decision waits may pass until a trace is decided whose log has had
/// a wrong clock before: until that counts as set back, and a little.
const CLOCK_MENDS_WITHIN: u64 = 15_000;

/// Everything that outlives a crash, and the owners of the moment.
pub(super) struct World {
    rng: Rng,
    pub(super) scene: Scene,
    now: u64,
    /// How far the clock of the log is ahead.
    ahead: u64,
    pub(super) spans: Vec<Frame>,
    pub(super) decisions: Vec<Frame>,
    /// What is in the frame at each index of the span log; none of it for garbage.
    pub(super) contents: Vec<Vec<Span>>,
    /// Records of the span log that nobody can read.
    pub(super) damaged: HashSet<Position>,
    committed: Option<Checkpoint>,
    /// Records of the decision log that the owner had read that committed it.
    committer_read: usize,
    /// What the logs have deleted: records of the spans below a position, and as many records of
    /// the decisions.
    pub(super) trimmed: (Position, usize),
    /// Keys of traces of which something is gone, released or not.
    pub(super) gone: HashSet<u64>,
    /// Numbers of the records of the decision log that owners began with for which neither the log
    /// nor the commit told whose claim counts there.
    pub(super) begun_unaware: HashSet<usize>,
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
            now: BEGIN,
            ahead: 0,
            trimmed: (Position(0), 0),
            gone: HashSet::new(),
            begun_unaware: HashSet::new(),
            spans: Vec::new(),
            decisions: Vec::new(),
            contents: Vec::new(),
            damaged: HashSet::new(),
            committed: None,
            committer_read: 0,
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
        while self.scene.frames.len() > self.scene.in_outage {
            self.act();
        }
        for _ in 0..self.rng.usize(..200) {
            self.act();
        }
        self.mend();
        if !self.scene.frames.is_empty() {
            self.one_is_away_for_long();
        }
        self.fresh_trace_is_decided_in_time();
        self.wait_for_the_end();
    }

    fn start_owner(&mut self) {
        let mut start = self.committed.as_ref().map(PartitionCheckpoint::of);
        let mut committer_read = self.committer_read;
        if let Some(start) = &mut start
            && self.rng.u32(..100) < self.scene.metadata_lost
        {
            self.met.metadata_lost += 1;
            start.hints = Hints::default();
            committer_read = 0;
        }
        if committer_read < self.trimmed.1 {
            self.begun_unaware.insert(self.trimmed.1);
        }
        if self.scene.quarrel {
            self.policies = policies(self.rng.u32(..100));
        }
        let owner = Owner::new(
            self.started,
            self.scene.settings.clone(),
            self.scene.cache,
            Arc::clone(&self.policies),
            start.as_ref(),
            ((&self.spans, &self.damaged), &self.decisions),
            (self.oldest(), self.trimmed.1),
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

    /// One exporter is away for as long as it takes: the others get all of what comes meanwhile,
    /// also from a new owner.
    fn one_is_away_for_long(&mut self) {
        let away = self.rng.usize(..self.away.len());
        self.away[away] = true;
        while !self.scene.frames.is_empty() {
            self.produce();
            self.now += self.rng.u64(1..PASSES);
            self.settle_down();
            if self.by_chance(100) {
                self.commit(0);
                self.crash();
            }
        }
        for _ in 0..10_000 {
            self.settle_down();
            self.commit(0);
            if self.owners[0].read == self.spans.len() && self.others_are_through(away) {
                self.away[away] = false;
                return;
            }
            self.now += self.tick();
            self.read_spans(0, 1);
        }
        panic!("the others wait for one that is away: {:?}", self.owners[0].state.levels());
    }

    /// Whether all exporters but one have got all that was read.
    fn others_are_through(&self, away: usize) -> bool {
        let Some(committed) = &self.committed else { return false };
        let reached = PartitionCheckpoint::of(committed).hints.exporters;
        let head = self.owners[0].state.head().0;
        let names = self.scene.settings.exporters.iter().enumerate();
        let mut others = names.filter(|(index, _)| *index != away);
        others.all(|(_, name)| reached.get(name).is_some_and(|at| *at >= head))
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
        if self.by_chance(faults.bounds) {
            self.met.bounds += 1;
            let who = self.rng.usize(..self.owners.len());
            self.owners[who].change_bounds(&mut self.rng, &self.scene.settings);
        }
        if self.by_chance(faults.trim) {
            self.trim();
        }
        if self.owners.len() > 1 && self.by_chance(50) {
            let dead = self.owners.remove(0);
            self.note_stats(dead);
        }
        if self.by_chance(20) {
            self.ghost();
        }
        let who = self.rng.usize(..self.owners.len());
        match self.rng.u8(..11) {
            0 => self.produce(),
            1 => self.now += self.rng.u64(1..PASSES),
            2 | 3 => {
                let most = self.rng.usize(1..5);
                self.read_spans(who, most);
            }
            4 | 5 => {
                let most = self.rng.usize(1..5);
                self.read_decisions(who, most);
            }
            6 | 7 => self.perform(who),
            8 | 9 => self.answer(who),
            _ => self.commit(who),
        }
        self.give_way(who);
    }

    fn decisions_are_few(&self, who: usize) {
        // Else the times in the log say nothing of the time that counts.
        if self.met.set_clocks + self.met.rogue_times == 0 {
            self.owners[who].decisions_are_few(&self.spans, &self.scene.settings);
        }
    }

    fn read_spans(&mut self, who: usize, most: usize) {
        let oldest = self.oldest();
        let owner = &mut self.owners[who];
        owner.read = owner.read.max(oldest);
        owner.read_spans((&self.spans, &self.damaged), most);
    }

    /// Where decisions are gone before they were read, everything is read again.
    fn read_decisions(&mut self, who: usize, most: usize) {
        if self.owners[who].decisions_read < self.trimmed.1 {
            self.start_again(who);
        } else {
            self.owners[who].read_decisions(&self.decisions, most);
        }
    }

    /// How many records of the span log are deleted.
    fn oldest(&self) -> usize {
        self.spans.partition_point(|frame| frame.position < self.trimmed.0)
    }

    /// The logs delete what is oldest, whether somebody needs it or not.
    fn trim(&mut self) {
        let ((start, decisions), oldest) = (self.trimmed, self.oldest());
        let some = oldest + self.rng.usize(..=(self.spans.len() - oldest) / 2);
        self.trimmed.0 = self.spans.get(some).map_or(start, |frame| frame.position);
        self.gone.extend(self.contents[oldest..some].iter().flatten().map(|span| span.key));
        let some = decisions + self.rng.usize(..=(self.decisions.len() - decisions) / 2);
        for record in &self.decisions[decisions..some] {
            let batch = DecisionBatch::read(&record.payload).unwrap();
            self.gone.extend(batch.decisions().map(|decision| decision.key.0));
        }
        self.trimmed.1 = some;
        self.met.trimmed += 1;
    }

    /// An owner that another has superseded starts again, if it is the true one.
    fn give_way(&mut self, who: usize) {
        if self.owners[who].state.is_superseded() {
            self.met.superseded += 1;
            self.start_again(who);
        }
    }

    fn start_again(&mut self, who: usize) {
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
        let time = self.append_time();
        self.spans.push(Frame { position, time, kind, epoch: 0, payload });
        self.contents.push(contents);
    }

    fn append_time(&mut self) -> LogTime {
        let clock = self.scene.clock;
        if self.by_chance(clock.set) {
            self.met.set_clocks += 1;
            self.ahead = self.rng.u64(..=clock.ahead);
        }
        let mut rogue = 0;
        if self.by_chance(clock.rogue) {
            self.met.rogue_times += 1;
            rogue = self.rng.u64(..=clock.rogue_ahead);
        }
        LogTime(self.now + self.ahead + rogue)
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
            Effect::FetchFor { exporter, topic, from, max_bytes } if !failed => {
                let found = match self.find_for(topic, from, max_bytes) {
                    Found::Records(few) => Found::Records(self.owners[who].held(few, max_bytes)),
                    found => found,
                };
                let from = (topic, from);
                self.owners[who].step(Input::FetchedFor { exporter, from, found });
            }
            Effect::DeadLetter { id, record } if !failed => {
                let payload = DeadLetter::read(&record).unwrap().payload;
                let position = id.position;
                if let Some(exporter) = id.exporter {
                    let (owner, exporter) = (self.owners[who].number, usize::from(exporter.0));
                    self.events.push(finished(owner, exporter, position, payload));
                } else {
                    self.events.push(Event::DeadLettered { position });
                }
                self.owners[who].step(Input::DeadLettered(id));
            }
            Effect::Seek(to) if !failed => {
                self.met.rewinds += 1;
                let owner = &mut self.owners[who];
                owner.read = self.spans.partition_point(|frame| frame.position < to);
                owner.step(Input::SeekDone);
            }
            Effect::TellDemand(_) => {
                // Another partition, of which more or less is heard at any time.
                let rest = self.rng.u32(..200) as f32;
                let budget = BudgetDemand {
                    name: LIMITED.into(),
                    rest,
                    asked: rest,
                    foreseen: rest,
                    ..BudgetDemand::default()
                };
                let second = self.now / 1_000 + self.rng.u64(..4);
                let partition = self.rng.u32(..9);
                let demand = PartitionDemand { partition, second, budgets: vec![budget] };
                self.owners[who].step(Input::Demand(vec![Arc::new(demand)]));
            }
            Effect::Decided(_)
            | Effect::Seek(_)
            | Effect::Fetch { .. }
            | Effect::FetchFor { .. }
            | Effect::DeadLetter { .. }
            | Effect::Export { .. } => {}
        }
    }

    fn fetch(&mut self, who: usize, from: Position, max_bytes: usize) {
        self.met.refetches += 1;
        let oldest = self.trimmed.0;
        if from < oldest {
            self.owners[who].step(Input::Lost(oldest));
            return;
        }
        let frames = records(&self.spans, &self.damaged, from, max_bytes);
        let frames = self.owners[who].held(frames, max_bytes);
        self.owners[who].step(Input::Refetched { from, frames });
    }

    /// What is in a log for an exporter that is behind.
    fn find_for(&mut self, topic: TopicName, from: Position, max_bytes: usize) -> Found {
        self.met.fetched_behind += 1;
        let none = HashSet::new();
        let (log, damaged, oldest) = if topic == TopicName::Spans {
            (&self.spans, &self.damaged, self.trimmed.0)
        } else {
            let first = self.decisions.get(self.trimmed.1).map(|frame| frame.position);
            (&self.decisions, &none, first.unwrap_or_default())
        };
        if from < oldest {
            return Found::Gone(oldest);
        }
        let first = log.iter().find(|frame| frame.position >= from).map(|frame| frame.position);
        let first = first.expect("what is asked for is there");
        if damaged.contains(&first) {
            return Found::Unreadable { position: first, detail: "damaged".into() };
        }
        Found::Records(records(log, damaged, from, max_bytes))
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
        assert_eq!(ids(&flight.kept.bytes).len(), flight.kept.spans as usize);
        let exporter = usize::from(flight.exporter.0);
        let position = Position(flight.kept.ticket.position);
        self.events.push(finished(owner, exporter, position, &flight.kept.bytes));
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
        let Some(checkpoint) = self.owners[who].state.checkpoint() else { return };
        // The log takes no commit from a former owner.
        if who + 1 < self.owners.len() {
            return;
        }
        let names = self.scene.settings.exporters.iter();
        let exporters = names.map(|name| Position(checkpoint.hints.exporters[name])).collect();
        let (owner, position) = (self.owners[who].number, checkpoint.position);
        self.events.push(Event::Committed { owner, position, exporters });
        self.committed = Some(checkpoint.to_checkpoint());
        self.committer_read = self.owners[who].decisions_read;
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
        self.met.scanned += stats.records_scanned;
        self.met.repeated += stats.spans_repeated;
        self.met.fell_behind += stats.fell_behind;
        self.met.unknown += stats.spans_unknown;
        assert_eq!(stats.spans_undecided, 0, "{I3}");
        assert!(stats.frames_lost == 0 || self.met.trimmed > 0);
        self.reads_are_few(owner.reads, &stats);
    }

    /// What is read is what comes in, as long as all that may be open at a time finds room; where
    /// not, each time that all is read again at least one trace more is decided.
    fn reads_are_few(&self, reads: usize, stats: &Stats) {
        let keys: HashSet<u64> = self.contents.iter().flatten().map(|span| span.key).collect();
        if self.scene.settings.bounds.max_open_traces > 1_000 && self.met.bounds == 0 {
            assert_eq!(stats.records_scanned, 0, "frames are read again, and there is room");
        }
        assert!(reads <= self.spans.len() * (keys.len() + 2), "{reads} reads: {stats:?}");
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
        (self.scene.clock.set, self.scene.clock.rogue) = (0, 0);
        self.ahead = 0;
    }

    /// Everything that can happen now does.
    fn settle_down(&mut self) {
        for _ in 0..100_000 {
            self.give_way(0);
            let owner = &self.owners[0];
            let before = (owner.read, owner.decisions_read);
            if owner.state.wants_frames() && owner.read < self.spans.len() {
                self.read_spans(0, 3);
            }
            self.read_decisions(0, 3);
            let owner = &self.owners[0];
            let still = before == (owner.read, owner.decisions_read);
            let away = |flight: &Flight| self.away[usize::from(flight.exporter.0)];
            if still && owner.pending.is_empty() && owner.flights.iter().all(away) {
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
        let spans = vec![Span { key, id, error: true, ..Span::default() }];
        self.append_span_record(RecordKind::Spans, frame(&spans), spans);
        let appended = self.now;
        let wait = u64::from(self.scene.settings.decision_wait);
        let mending =
            if self.met.set_clocks + self.met.rogue_times > 0 { CLOCK_MENDS_WITHIN } else { 0 };
        let known = self.decisions.len();
        while self.decisions.len() == known || self.owners[0].state.levels().open_traces > 0 {
            self.settle_down();
            if self.owners[0].read == self.spans.len() {
                self.read_spans(0, 1);
                self.settle_down();
            }
            let passed = self.now - appended;
            assert!(
                passed <= 2 * wait + mending + self.tick(),
                "{I8}: undecided after {passed}: {:?}",
                self.owners[0].state.levels()
            );
            self.now += self.tick();
        }
    }

    /// How long the end of the log is waited for before time has to pass.
    fn tick(&self) -> u64 {
        (u64::from(self.scene.settings.decision_wait) / 4).clamp(10, 1_000)
    }

    fn wait_for_the_end(&mut self) {
        for _ in 0..10_000 {
            self.settle_down();
            if self.owners[0].is_done(&self.spans) {
                self.decisions_are_few(0);
                assert_eq!(self.owners[0].held_at_the_end(), 0, "{I6}");
                self.commit(0);
                if let Some(owner) = self.owners.pop() {
                    self.note_stats(owner);
                }
                return;
            }
            self.now += self.tick();
            self.read_spans(0, 1);
        }
        panic!("the owner never finishes: {:?}", self.owners[0].state.levels());
    }
}

/// Records of `log` from `from` on, up to a damaged one, that fit `max_bytes`, or one.
fn records(
    log: &[Frame],
    damaged: &HashSet<Position>,
    from: Position,
    max_bytes: usize,
) -> Vec<Frame> {
    let start = log.partition_point(|frame| frame.position < from);
    let mut room = max_bytes;
    let mut records = Vec::new();
    for frame in &log[start..] {
        let too_large = !records.is_empty() && frame.payload.len() > room;
        if too_large || damaged.contains(&frame.position) {
            break;
        }
        room = room.saturating_sub(frame.payload.len());
        records.push(frame.clone());
    }
    records
}

/// A piece is with a backend, or durable in the dead letters.
fn finished(owner: usize, exporter: usize, position: Position, piece: &[u8]) -> Event {
    let (spans, trace_ids) = (ids(piece), trace_ids(piece));
    Event::Finished { owner, exporter, position, spans, trace_ids }
}
