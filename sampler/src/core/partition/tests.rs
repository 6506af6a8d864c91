//! Cases that the simulation meets now and then, one by one.

mod dialects;
mod recording;

use std::sync::Arc;

use bytes::Bytes;
use wholetrace_proto::record::{Claim, Decision, DecisionBatch, PartitionDemand, encode_decisions};
use wholetrace_runtime::budget::ByteBudget;
use wholetrace_spanlog::{Frame, LogTime, Partition, Position, RecordKind};

use crate::{
    core::{
        checkpoint::{Hints, PartitionCheckpoint},
        partition::{Bounds, Effect, Input, Made, PartitionState, ReadFrame, Settings},
    },
    policy::PolicySet,
    testing::{Span, compile, decision, frame, ids, policies},
};

fn settings(decision_wait: u32) -> Settings {
    Settings {
        partition: Partition(0),
        owner: 1,
        epoch: 0,
        exporters: vec!["one".into()],
        decision_wait,
        decision_wait_after_root: 0,
        decision_retention: 3_600_000,
        bounds: Bounds {
            max_decisions: 10_000,
            max_open_traces: 10_000,
            max_recent_spans: 1000,
            max_unfinished_bytes: 1 << 20,
            refetch_bytes: 1 << 20,
        },
        read_ahead: 2 * u64::from(decision_wait) + 1000,
        max_piece_bytes: 1 << 20,
        stopwatch: None,
        recording: crate::policy::Recording::default(),
        hash_seed: 1,
    }
}

/// A span log, a decision log, and an owner that reads both.
struct Stand {
    state: PartitionState,
    cache: ByteBudget,
    spans: Vec<Frame>,
    decisions: Vec<Frame>,
    /// Records of both that the owner has read.
    read: (usize, usize),
    /// Spans that it has handed to the exporter.
    exported: Vec<u64>,
    /// What they are in.
    pieces: Vec<Bytes>,
    policies: Arc<PolicySet>,
    ticks: usize,
    reads: usize,
    /// Whether anybody else held on to what was exported.
    held_elsewhere: bool,
    /// What it has told of budgets.
    told: Vec<PartitionDemand>,
}

impl Stand {
    fn new(settings: Settings, cache: usize) -> Self {
        Self::with(policies("1s", 0), settings, cache)
    }

    fn with(policies: Arc<PolicySet>, settings: Settings, cache: usize) -> Self {
        let mut stand = Self {
            state: PartitionState::new(settings, Arc::clone(&policies), None),
            cache: ByteBudget::new("window_cache", cache),
            spans: Vec::new(),
            decisions: Vec::new(),
            read: (0, 0),
            exported: Vec::new(),
            pieces: Vec::new(),
            policies,
            ticks: 0,
            reads: 0,
            held_elsewhere: false,
            told: Vec::new(),
        };
        stand.step(Input::DecisionsLoaded);
        stand
    }

    /// Another owner goes on, from what the last one would commit or from the position alone.
    fn change_owner(&mut self, mut settings: Settings, with_hints: bool) {
        let mut start = self.state.checkpoint();
        if let Some(start) = &mut start
            && !with_hints
        {
            start.hints = Hints::default();
        }
        settings.owner += 1;
        let from = start.as_ref().map_or(Position(0), |start: &PartitionCheckpoint| start.position);
        self.state = PartitionState::new(settings, Arc::clone(&self.policies), start.as_ref());
        self.read = (self.spans.partition_point(|frame| frame.position < from), 0);
        let first = self.spans[self.read.0].time;
        self.step(Input::LogBegins(first));
        self.read_decisions();
        self.step(Input::DecisionsLoaded);
    }

    fn append(&mut self, time: u64, spans: &[Span]) {
        let (position, kind) = (Position(self.spans.len() as u64), RecordKind::Spans);
        let (time, payload) = (LogTime(time), frame(spans));
        self.spans.push(Frame { position, time, kind, epoch: 0, payload });
    }

    fn step(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.state.step(input, &mut effects);
        for effect in effects {
            match effect {
                Effect::AppendDecisions(payload) => {
                    self.append_decisions(payload);
                }
                Effect::Decided(made) => self.counts_what_is_recorded(&made),
                Effect::AppendTick => self.ticks += 1,
                Effect::Export { kept, .. } => {
                    self.exported.extend(ids(&kept.bytes));
                    self.held_elsewhere |= !kept.bytes.is_unique();
                    self.pieces.push(kept.bytes);
                }
                Effect::Fetch { from, .. } => {
                    let frames = vec![self.spans[usize::try_from(from.0).unwrap()].clone()];
                    self.step(Input::Refetched { from, frames });
                }
                Effect::Seek(to) => {
                    self.read.0 = usize::try_from(to.0).unwrap();
                    self.step(Input::SeekDone);
                }
                Effect::TellDemand(demand) => self.told.push(demand),
                Effect::FetchFor { .. } | Effect::DeadLetter { .. } => {}
            }
        }
    }

    /// What was counted is what the record before says.
    fn counts_what_is_recorded(&self, made: &Made) {
        let record = &self.decisions.last().unwrap().payload;
        let (mut kept, mut all) = (0, 0);
        for decision in DecisionBatch::read(record).unwrap().decisions() {
            (kept, all) = (kept + u64::from(decision.kept), all + 1);
        }
        assert_eq!(made.counts.iter().map(|counts| counts.decided).sum::<u64>(), all);
        let named = made.named().filter(|(policy, _)| policy.is_some());
        assert_eq!(named.map(|(_, counts)| counts.decided).sum::<u64>(), kept);
    }

    fn append_decisions(&mut self, payload: Bytes) {
        let position = self.decisions.last().map_or(Position(0), |last| last.position.next());
        let (time, kind) = (LogTime(0), RecordKind::Decisions);
        self.decisions.push(Frame { position, time, kind, epoch: 0, payload });
    }

    fn read_decisions(&mut self) {
        let records = self.decisions[self.read.1..].to_vec();
        self.read.1 = self.decisions.len();
        if !records.is_empty() {
            self.step(Input::Decisions(records));
        }
    }

    /// Reads up to `most` records of the spans, as long as they are wanted.
    fn read(&mut self, most: usize) {
        for _ in 0..most {
            self.read_decisions();
            if !self.state.wants_frames() {
                return;
            }
            let Some(frame) = self.spans.get(self.read.0).cloned() else { return };
            (self.read.0, self.reads) = (self.read.0 + 1, self.reads + 1);
            let lease = self.cache.try_lease(frame.payload.len());
            self.step(Input::Frames(vec![ReadFrame { frame, lease }]));
        }
        self.read_decisions();
    }
}

fn span(key: u64, id: u64, error: bool) -> Span {
    Span { key, id, error, ..Span::default() }
}

/// A condition that has no answer on a span is counted, and the span is judged by the others.
#[test]
fn conditions_without_an_answer_are_counted() {
    let mut stand = Stand::new(settings(1000), 1 << 20);
    stand.step(Input::Policies(compile(serde_json::json!({ "policies": [
        { "name": "odd", "type": "ottl_condition",
          "ottl_condition": { "span": ["attributes[\"tier\"] / 0 == 1"] } },
        { "name": "all", "type": "always_sample" },
    ] }))));
    stand.append(1_000_000, &[Span { gold: true, ..span(1, 1, false) }, span(2, 2, false)]);
    stand.append(1_002_000, &[]);
    stand.read(9);
    assert_eq!(stand.state.take_stats().condition_errors, 2);
    assert_eq!(stand.exported, [1, 2]);
}

/// I1, I3: a record has one time for all owners, although the clock went back before it. The second
/// owner finds it in the commit, or, where that is lost, takes the first decision for the trace.
#[test]
fn a_clock_that_goes_back_does_not_split_a_trace_at_a_takeover() {
    for with_hints in [true, false] {
        let mut stand = Stand::new(settings(1000), 1 << 20);
        for (time, spans) in [
            (1_000_000, vec![]),
            (999_900, vec![span(1, 1, false)]),
            (1_000_950, vec![span(1, 2, true)]),
            (1_002_100, vec![]),
        ] {
            stand.append(time, &spans);
        }
        // It decides, and dies before it has heard of it.
        stand.read(1);
        for number in 1..4 {
            let frame = stand.spans[number].clone();
            stand.step(Input::Frames(vec![ReadFrame { frame, lease: None }]));
        }
        assert_eq!(stand.decisions.len(), 2);
        stand.change_owner(settings(1000), with_hints);
        stand.append(1_004_000, &[]);
        stand.read(9);
        assert_eq!(stand.exported, [1, 2], "with hints: {with_hints}");
    }
}

/// One record of a writer whose clock is an hour ahead decides nothing and stops nothing.
#[test]
fn a_record_from_the_future_changes_nothing() {
    let mut stand = Stand::new(settings(1000), 1 << 20);
    stand.append(1_000_000, &[span(1, 1, false)]);
    stand.append(4_600_000, &[span(2, 2, true)]);
    stand.append(1_000_500, &[span(1, 3, true)]);
    stand.append(1_002_000, &[]);
    stand.read(9);
    assert_eq!(stand.exported, [1, 2, 3]);
    assert_eq!(stand.state.take_stats().times_unconfirmed, 1);
}

/// While only the next record can tell, a partition without one gets a tick.
#[test]
fn what_is_unconfirmed_does_not_wait_for_traffic() {
    let mut stand = Stand::new(settings(1000), 1 << 20);
    stand.append(1_000_000, &[]);
    stand.append(1_100_000, &[span(1, 1, true)]);
    stand.read(9);
    assert!(stand.state.wants_frames());
    stand.step(Input::Idle);
    assert_eq!((stand.ticks, stand.state.head()), (1, Position(1)));
    stand.append(1_100_300, &[]);
    stand.append(1_101_000, &[]);
    stand.read(9);
    assert_eq!(stand.exported, [1]);
}

/// I6: what is with an exporter is not held a second time until the next frame comes.
#[test]
fn what_is_handed_over_is_let_go_of() {
    let mut stand = Stand::new(settings(1000), 1 << 20);
    stand.append(1_000_000, &[span(1, 1, true)]);
    stand.append(1_002_000, &[span(1, 2, false)]);
    stand.read(9);
    assert_eq!(stand.exported, [1, 2]);
    assert!(!stand.held_elsewhere);
}

/// I6: payloads that only wait make room for what must be held, and are read again.
#[test]
fn what_is_evicted_is_read_again() {
    let mut stand = Stand::new(settings(1000), 1 << 20);
    for number in 0..20 {
        stand.append(1_000_000 + number * 100, &[span(number, number, true)]);
    }
    stand.read(8);
    let (held, frame) = (stand.cache.used(), stand.spans[0].payload.len());
    assert_eq!(held, 8 * frame);
    stand.state.evict(frame + 1);
    assert_eq!(stand.cache.used(), 6 * frame);
    stand.state.evict(usize::MAX);
    assert_eq!((stand.cache.used(), stand.state.levels().window_bytes), (0, 0));
    stand.append(1_004_000, &[]);
    stand.read(99);
    assert_eq!(stand.exported, (0..20).collect::<Vec<u64>>());
}

/// I8: without a wait a trace is decided by the next record, whatever the window cache has room for.
#[test]
fn without_a_wait_nothing_stands_still() {
    for cache in [0, 1 << 20] {
        let mut stand = Stand::new(settings(0), cache);
        for number in 0..10 {
            stand.append(1_000_000 + number * 100, &[span(number, number, true)]);
        }
        stand.read(100);
        assert_eq!(stand.read.0, 10);
        stand.step(Input::Idle);
        assert_eq!(stand.ticks, 1);
        stand.append(1_001_000, &[]);
        stand.read(1);
        assert_eq!(stand.exported.len(), 10, "a cache of {cache}");
    }
}

/// However few decisions may be remembered, nothing is read twice where open traces find room.
#[test]
fn few_decisions_do_not_make_reading_dearer() {
    for max_decisions in [2_000, 1_000, 7, 0] {
        let mut settings = settings(10_000);
        settings.bounds.max_decisions = max_decisions;
        let mut stand = Stand::new(settings, 1 << 30);
        for number in 0..600 {
            let spans: Vec<Span> = (0..20).map(|i| span(number * 20 + i, 1, false)).collect();
            stand.append(1_000_000 + number * 100, &spans);
        }
        stand.read(1_000_000);
        assert_eq!(stand.reads, 600);
        let held = stand.state.levels().decisions;
        assert!(held <= max_decisions + 2_100, "{held} of {max_decisions}");
    }
}

/// I3: what an owner wrote behind the claim of the next one counts for nobody, also where it is the
/// oldest record that the decision log has left.
#[test]
fn a_zombie_counts_for_nobody_when_the_claim_before_it_is_deleted() {
    let mut stand = Stand::new(settings(1000), 1 << 20);
    stand.append(1_000_000, &[span(7, 7, false)]);
    stand.append(1_002_000, &[span(1, 1, false)]);
    stand.read(9);
    stand.change_owner(settings(1000), true);
    let kept = Decision { first_seen_ms: 1_002_000, decided_at_ms: 1_003_000, ..decision(1, true) };
    let zombie = Some(Claim { term: 1, owner: 1 });
    stand.append_decisions(encode_decisions(&["one"], zombie, std::slice::from_ref(&kept)).into());
    stand.append(1_004_000, &[span(1, 2, false)]);
    stand.read(9);
    let left = stand.decisions.iter().position(|record| {
        let batch = DecisionBatch::read(&record.payload).unwrap();
        batch.claim() == zombie && batch.decisions().any(|decision| decision == kept)
    });
    stand.decisions.drain(..left.unwrap());
    stand.append(1_004_500, &[span(1, 3, false)]);
    stand.change_owner(settings(1000), true);
    stand.read(9);
    assert_eq!(stand.exported, Vec::<u64>::new(), "the trace was turned down");
}

/// The record of a decision tells who decided, and who else said yes.
#[test]
fn all_policies_that_said_yes_are_written_down() {
    let mut stand = Stand::with(policies("1s", 100), settings(1000), 1 << 20);
    stand.append(1_000_000, &[span(1, 1, true), span(3, 2, false)]);
    stand.append(1_002_000, &[]);
    stand.read(9);
    let batch = DecisionBatch::read(&stand.decisions.last().unwrap().payload).unwrap();
    let names: Vec<&str> = batch.policies().collect();
    let said = batch.decisions().map(|decision| {
        let also: Vec<&str> = decision.also.iter().map(|one| names[usize::from(one)]).collect();
        (decision.key.0, names[usize::from(decision.policy)], also)
    });
    assert_eq!(said.collect::<Vec<_>>(), [(1, "errors", vec!["some"]), (3, "some", vec![])]);
}

/// Policies are evaluated once more to take their times, and ahead to tell what they will ask: nothing
/// of that is taken out of a budget.
#[test]
fn budgets_are_charged_for_decisions_alone() {
    const SPANS: u64 = 2;
    let limited = compile(serde_json::json!({ "decision_wait": "5s", "policies": [
        { "name": "limited", "type": "rate_limiting", "rate_limiting": { "spans_per_second": 40 } },
        { "name": "tried", "type": "rate_limiting", "shadow": true,
          "rate_limiting": { "spans_per_second": 10 } },
    ] }));
    let run = |stopwatch| {
        let settings = Settings { stopwatch, ..settings(5_000) };
        let mut stand = Stand::new(settings.clone(), 1 << 20);
        stand.state = PartitionState::new(settings, std::sync::Arc::clone(&limited), None);
        stand.step(Input::DecisionsLoaded);
        // A hundred traces in each second.
        for number in 0..3_000_u64 {
            let key = 1 + (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) / 2;
            let spans = [span(key, SPANS * number, false), span(key, SPANS * number + 1, false)];
            stand.append(1_000_000 + 10 * number, &spans);
            stand.read(9);
        }
        stand
    };
    let (plain, timed) = (run(None), run(Some(|| 0)));
    let payloads = |stand: &Stand| -> Vec<Bytes> {
        stand.decisions.iter().map(|record| record.payload.clone()).collect()
    };
    assert_eq!(payloads(&plain), payloads(&timed));
    assert_eq!(plain.told, timed.told);
    let last = plain.told.last().unwrap();
    for budget in &last.budgets {
        // Each trace has asked once, with two spans.
        assert!((budget.asked - 200.0).abs() < 3.0, "{budget:?}");
    }
}
