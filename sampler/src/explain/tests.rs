//! Questions about a log in memory.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use wholetrace_proto::{
    id::{TraceId, TraceKey},
    record::{Claim, DeadLetter, Decision, encode_decisions},
};
use wholetrace_runtime::clock::unix_millis;
use wholetrace_spanlog::{
    Checkpoint, GroupEvent, LogTime, Partition, Position, Record,
    memory::{MemoryConfig, MemoryLog},
    routing::{Descriptor, Routing},
};

use super::{Effect, Explainer, Explanation, ExportState, Selection, Verdict};
use crate::testing::{Span, decision, frame};

const WITHIN: Duration = Duration::from_secs(60);

/// A log whose time stands still unless it is moved, and who answers about it.
struct World {
    log: MemoryLog,
    explainer: Explainer,
    /// The time of the log, in milliseconds: near that of this machine.
    now: u64,
}

impl World {
    fn new() -> Self {
        let log = MemoryLog::new(MemoryConfig { partitions: 4, ..MemoryConfig::default() });
        let descriptor = Descriptor { epoch: 1, seed: 7, partitions: 4 };
        let explainer = Explainer {
            log: log.log(),
            routing: Routing::new(descriptor).unwrap(),
            committed: log.checkpoints(),
            exporters: vec![Arc::from("otlp/jaeger")],
            decision_wait: Some(1_000),
        };
        let now = unix_millis() - 20_000;
        log.set_time(Some(LogTime(now)));
        Self { log, explainer, now }
    }

    fn pass(&mut self, millis: u64) {
        self.now += millis;
        self.log.set_time(Some(LogTime(self.now)));
    }

    fn partition(&self, key: u64) -> Partition {
        self.explainer.routing.partition(key)
    }

    async fn spans(&self, key: u64, spans: &[Span]) -> Position {
        let spans: Vec<Span> = spans.iter().map(|span| Span { key, ..*span }).collect();
        let record = Record::spans(1, frame(&spans));
        self.explainer.log.spans.writer.append(self.partition(key), record).await.unwrap()
    }

    /// A record of the decision log, of policies `errors`, `some` and none.
    async fn decide(&self, claim: Claim, decisions: &[Decision]) {
        let record = encode_decisions(&["errors", "some", ""], Some(claim), decisions);
        let partition = self.partition(decisions[0].key.0);
        let record = Record::decisions(record.into());
        self.explainer.log.decisions.writer.append(partition, record).await.unwrap();
    }

    async fn commit(&self, key: u64, position: Position) {
        let mut group = self.log.group();
        let committer = group.committer();
        while let Some(GroupEvent::Assigned { partition, .. }) = group.next().await.unwrap() {
            if partition == self.partition(key) {
                let metadata = r#"{"exporters":{"otlp/other":1}}"#.to_owned();
                committer.commit(partition, Checkpoint { position, metadata }).await.unwrap();
                return;
            }
        }
    }

    async fn explain(&self, key: u64) -> Explanation {
        let id = TraceId(u128::from(key).to_be_bytes());
        let explanation = self.explainer.explain(id, WITHIN).await.unwrap();
        assert_eq!(explanation.partition, self.partition(key));
        explanation
    }

    async fn latest(&self, selection: Selection) -> Vec<u64> {
        let latest = self.explainer.latest(&selection, WITHIN).await.unwrap();
        assert!(!latest.cut);
        latest.decisions.iter().map(|(_, one)| one.decision.key.0).collect()
    }
}

const OWNER: Claim = Claim { term: 1, owner: 7 };

fn decided(key: u64, kept: bool, now: u64) -> Decision {
    Decision { first_seen_ms: now, decided_at_ms: now + 1_000, ..decision(key, kept) }
}

#[tokio::test]
async fn a_trace_is_undecided_and_then_kept_and_exported() {
    let mut world = World::new();
    let key = 41;
    assert_eq!(world.explain(key).await.verdict, Verdict::Unknown);
    let first = world.now;
    let root = Span { id: 1, root: true, start_ms: 5, end_ms: 9, ..Span::default() };
    world.spans(key, &[root, Span { id: 2, error: true, ..Span::default() }]).await;
    world.spans(43, &[Span::default()]).await;
    let undecided = world.explain(key).await;
    assert_eq!(undecided.verdict, Verdict::Undecided);
    assert_eq!(undecided.due, Some(LogTime(first + 1_000)));
    assert_eq!(undecided.spans.on_time.spans, 2);

    world.pass(1_500);
    let also = [1].into_iter().collect();
    world.decide(OWNER, &[Decision { also, ..decided(key, true, first) }]).await;
    let late = world.spans(key, &[Span { id: 3, ..Span::default() }]).await;
    let kept = world.explain(key).await;
    assert_eq!((kept.verdict, kept.cut), (Verdict::Kept, false));
    let [one] = &kept.decisions[..] else { panic!("{:?}", kept.decisions) };
    assert_eq!((one.policy.as_deref(), &one.also[..]), (Some("errors"), &["some".to_owned()][..]));
    assert_eq!((one.effect, one.claim), (Effect::Holds, Some(OWNER)));
    assert_eq!(one.recorded, LogTime(first + 1_500));
    let (on_time, late_spans) = (&kept.spans.on_time, &kept.spans.late);
    assert_eq!((on_time.spans, on_time.errors, late_spans.spans), (2, 1, 1));
    assert_eq!(on_time.lasted_ns, Some((5_000_000, 9_000_000)));
    let root = on_time.root.as_ref().unwrap();
    assert_eq!((&*root.service, &*root.name), ("service-0", "work"));
    assert_eq!(kept.exports[0].state, ExportState::Waiting);

    world.commit(key, late).await;
    let states = |kept: &Explanation| -> Vec<(String, ExportState)> {
        kept.exports.iter().map(|one| (one.exporter.clone(), one.state)).collect()
    };
    let partly = ["otlp/jaeger", "otlp/other"].map(|name| (name.to_owned(), ExportState::Partly));
    assert_eq!(states(&world.explain(key).await), partly);
    world.commit(key, late.next()).await;
    let finished = partly.map(|(name, _)| (name, ExportState::Finished));
    assert_eq!(states(&world.explain(key).await), finished);
}

#[tokio::test]
async fn what_a_backend_refused_is_told() {
    let world = World::new();
    let position = world.spans(41, &[Span::default()]).await;
    world.decide(OWNER, &[decided(41, true, world.now)]).await;
    for (key, reason) in [(43, "not this one"), (41, "too long")] {
        let payload = frame(&[Span { key, ..Span::default() }]);
        let letter = DeadLetter {
            reason,
            exporter: "otlp/jaeger",
            position: position.0,
            payload: &payload,
            ..DeadLetter::default()
        };
        let record = Record::dead_letter(letter.encode().into());
        let writer = &world.explainer.log.dead_letters.writer;
        writer.append(world.partition(41), record).await.unwrap();
    }
    let kept = world.explain(41).await;
    let refused = &kept.exports[0].refused;
    assert_eq!(refused.len(), 1);
    assert_eq!((&*refused[0].reason, refused[0].replayed), ("too long", false));
}

/// I3: of two owners the one counts that has claimed the partition, whatever the other writes later.
#[tokio::test]
async fn the_decision_of_the_owner_counts() {
    let mut world = World::new();
    let same = (42..).find(|key| world.partition(*key) == world.partition(41)).unwrap();
    world.decide(Claim { term: 2, owner: 1 }, &[decided(same, true, world.now)]).await;
    world.decide(Claim { term: 1, owner: 9 }, &[decided(41, true, world.now)]).await;
    world.pass(10);
    world.decide(Claim { term: 3, owner: 2 }, &[decided(41, false, world.now)]).await;
    world.decide(Claim { term: 3, owner: 2 }, &[decided(41, true, world.now)]).await;
    let answer = world.explain(41).await;
    let effects: Vec<Effect> = answer.decisions.iter().map(|one| one.effect).collect();
    assert_eq!(effects, [Effect::NotOwner, Effect::Holds, Effect::Repeated]);
    assert_eq!(answer.verdict, Verdict::NotSampled);
    assert!(answer.exports.is_empty());
}

#[tokio::test]
async fn what_nobody_knows_is_said_with_how_far_the_log_goes_back() {
    let mut world = World::new();
    let old = world.now;
    world.spans(41, &[Span::default()]).await;
    world.decide(OWNER, &[decided(41, true, old)]).await;
    world.pass(5_000);
    let same = (42..).find(|key| world.partition(*key) == world.partition(41)).unwrap();
    let unknown = world.explain(same).await;
    assert_eq!((unknown.verdict, unknown.cut), (Verdict::Unknown, false));
    assert_eq!(unknown.oldest_decision, Some(LogTime(old)));
    assert_eq!(unknown.oldest_spans, Some(LogTime(old)));
}

/// A decision of long ago is found, and so is one whose trace has come again since.
#[tokio::test]
async fn old_decisions_are_found_behind_recent_ones() {
    let world = World::new();
    let (now, old) = (world.now, world.now - 3_600_000);
    world.log.set_time(Some(LogTime(old)));
    world.decide(OWNER, &[decided(41, true, old)]).await;
    world.log.set_time(Some(LogTime(now)));
    assert_eq!(world.explain(41).await.verdict, Verdict::Kept);
    let rest = Decision { late_fragment: true, ..decided(41, false, now) };
    world.decide(OWNER, &[rest]).await;
    let both = world.explain(41).await;
    assert_eq!((both.verdict, both.decisions.len()), (Verdict::Kept, 2));
    assert!(both.decisions.iter().all(|one| one.effect == Effect::Holds));
}

/// Where the sampler is far behind, a trace is told from its first span on, whenever that came.
#[tokio::test]
async fn an_old_trace_that_is_undecided_is_told_whole() {
    let world = World::new();
    let (now, old) = (world.now, world.now - 3_600_000);
    for time in [old, now] {
        world.log.set_time(Some(LogTime(time)));
        world.spans(41, &[Span::default()]).await;
    }
    let undecided = world.explain(41).await;
    assert_eq!((undecided.verdict, undecided.spans.on_time.spans), (Verdict::Undecided, 2));
    assert_eq!(undecided.spans.on_time.came, Some((LogTime(old), LogTime(now))));
    assert_eq!(undecided.due, Some(LogTime(old + 1_000)));
}

/// What is told of one trace is bounded, however often it was decided and however many services it
/// has; and each of these finds it.
#[tokio::test]
async fn a_trace_of_many_decisions_and_services_is_told_within_bounds() {
    let world = World::new();
    // Three spans of each service.
    world.spans(41, &[Span::default(); 180]).await;
    let one = |number: u64| decided(41, number == 0, world.now + number * 1_000);
    let many: Vec<_> = (0..500).map(one).collect();
    world.decide(OWNER, &many).await;
    let kept = world.explain(41).await;
    assert_eq!((kept.verdict, kept.decisions.len()), (Verdict::Kept, 100));
    assert_eq!((kept.spans.on_time.spans, kept.spans.on_time.services.len()), (180, 32));
    let since = LogTime(world.now - 1_000);
    let of = |service: &str| {
        let service = Some(service.to_owned());
        Selection { service, kept: Some(true), policy: None, since, most: 10 }
    };
    assert_eq!(world.latest(of("service-59")).await, [41]);
    assert!(world.latest(of("service-60")).await.is_empty());
}

#[tokio::test]
async fn without_time_an_answer_says_that_it_is_not_whole() {
    let world = World::new();
    world.decide(OWNER, &[decided(41, true, world.now)]).await;
    let id = TraceId(41_u128.to_be_bytes());
    let answer = world.explainer.explain(id, Duration::ZERO).await.unwrap();
    // What is at hand may come all the same.
    assert!(answer.cut || answer.verdict == Verdict::Kept, "{answer:?}");
    world.log.fail_reads(wholetrace_spanlog::TopicName::Decisions, usize::MAX);
    let failed = world.explainer.explain(id, Duration::from_millis(300)).await;
    assert!(failed.is_err() || failed.is_ok_and(|answer| answer.cut));
}

#[tokio::test]
async fn the_latest_decisions_are_chosen_from_all_partitions() {
    let mut world = World::new();
    let begin = world.now - 1_000_000;
    let mut keys = Vec::new();
    for number in 0..40_u64 {
        let key = number * 2 + 1;
        world.log.set_time(Some(LogTime(begin + number * 20_000)));
        world.spans(key, &[Span::default()]).await;
        let policy = if number.is_multiple_of(4) { 1 } else { 0 };
        let kept = number.is_multiple_of(2);
        let one = Decision { policy, ..decided(key, kept, begin + number * 20_000) };
        world.decide(OWNER, &[one]).await;
        keys.push(key);
    }
    keys.reverse();
    world.pass(0);
    let since = LogTime(begin);
    let all = Selection { service: None, kept: None, policy: None, since, most: 100 };
    assert_eq!(world.latest(all.clone()).await, keys);
    assert_eq!(world.latest(Selection { most: 3, ..all.clone() }).await, keys[..3]);
    let since = LogTime(begin + 30 * 20_000);
    assert_eq!(world.latest(Selection { since, ..all.clone() }).await, keys[..10]);
    let kept = |kept: bool| Selection { kept: Some(kept), ..all.clone() };
    let even = |key: &&u64| (*key - 1).is_multiple_of(4);
    let expected: Vec<u64> = keys.iter().filter(even).copied().collect();
    assert_eq!(world.latest(kept(true)).await, expected);
    assert_eq!(world.latest(kept(false)).await.len(), 20);
    let some = Selection { policy: Some("some".to_owned()), ..all.clone() };
    assert_eq!(world.latest(some).await.len(), 10);
    let service = |name: &str| Selection { service: Some(name.to_owned()), ..all.clone() };
    assert_eq!(world.latest(service("service-0")).await, keys);
    assert!(world.latest(service("service-9")).await.is_empty());
}

/// Records that are none are passed over.
#[tokio::test]
async fn what_cannot_be_read_has_nothing_to_say() {
    let world = World::new();
    let partition = world.partition(41);
    let bad = Bytes::from_static(b"\xff\xff\xff");
    let log = &world.explainer.log;
    log.decisions.writer.append(partition, Record::decisions(bad.clone())).await.unwrap();
    log.spans.writer.append(partition, Record::spans(1, bad)).await.unwrap();
    world.spans(41, &[Span::default()]).await;
    world.decide(OWNER, &[decided(41, false, world.now)]).await;
    let answer = world.explain(41).await;
    assert_eq!((answer.verdict, answer.spans.on_time.spans), (Verdict::NotSampled, 1));
    assert_eq!(answer.decisions[0].decision.key, TraceKey(41));
}
