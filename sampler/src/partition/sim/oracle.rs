//! Judges a world by its logs and events, with a model of its own that knows no batches, no
//! crashes and no memory.

use std::collections::{HashMap, HashSet};

use wholetrace_proto::{
    id::TraceKey,
    record::{Claim, Decision, DecisionBatch},
};
use wholetrace_spanlog::{Position, RecordKind};

use crate::{
    policy::{Bits, Summary},
    testing::body,
};

use super::{events::Event, scene::policies, world::World};

/// A trace, as the log alone tells it.
#[derive(Debug)]
struct Trace {
    first_seen: u64,
    deadline: u64,
    summary: Summary,
}

/// A span, where it stands in the log, and which of its key's traces it is of.
#[derive(Debug)]
struct Placed {
    id: u64,
    key: u64,
    position: Position,
    time: u64,
    trace: usize,
}

/// Reads the whole log once, in order.
fn read(world: &World) -> (Vec<Placed>, HashMap<u64, Vec<Trace>>) {
    let settings = &world.scene.settings;
    let (wait, root_wait) =
        (u64::from(settings.decision_wait), u64::from(settings.decision_wait_after_root));
    let policies = policies(30);
    let (mut spans, mut traces) = (Vec::new(), HashMap::<u64, Vec<Trace>>::new());
    for (frame, contents) in world.spans.iter().zip(&world.contents) {
        let time = frame.time.0;
        for span in contents {
            let of_key = traces.entry(span.key).or_default();
            let retention = settings.decision_retention;
            if of_key.last().is_none_or(|trace| trace.deadline + retention < time) {
                let (first_seen, deadline) = (time, time + wait);
                of_key.push(Trace { first_seen, deadline, summary: Summary::new() });
            }
            let index = of_key.len() - 1;
            let trace = &mut of_key[index];
            if time < trace.deadline {
                policies.observe(&body(span), Bits::NONE, &mut trace.summary);
                if span.root && root_wait > 0 {
                    trace.deadline = trace.deadline.min(time + root_wait);
                }
            }
            let (id, key, position) = (span.id, span.key, frame.position);
            spans.push(Placed { id, key, position, time, trace: index });
        }
    }
    (spans, traces)
}

/// The decisions that count, in the order of the log: those of the owner with the highest term so
/// far, of which the first is the owner.
fn recorded(world: &World) -> Vec<Decision> {
    let batches =
        world.decisions.iter().map(|record| DecisionBatch::read(&record.payload).unwrap());
    let mut owner = Claim { term: 0, owner: 0 };
    let mut counting = Vec::new();
    for batch in batches {
        let claim = batch.claim().expect("owners sign what they write");
        if claim.term > owner.term {
            owner = claim;
        }
        if claim == owner {
            counting.extend(batch.decisions());
        }
    }
    counting
}

/// I3: what counts never speaks of a trace twice and differently, and begins none where one is open.
/// Where decisions are forgotten, at different times after a restart, one may begin before another.
fn decisions_agree(world: &World, decisions: &[Decision]) {
    let mut by_key = HashMap::<TraceKey, Vec<&Decision>>::new();
    let within = |a: u64, b: &Decision| b.first_seen_ms < a && a < b.decided_at_ms;
    for later in decisions {
        let of_key = by_key.entry(later.key).or_default();
        for earlier in &*of_key {
            let differ = earlier.first_seen_ms == later.first_seen_ms && *earlier != later;
            let inside = within(later.first_seen_ms, earlier);
            let around = within(earlier.first_seen_ms, later) && !world.scene.forgetful;
            assert!(!differ && !inside && !around, "I3: {earlier:?} {later:?}");
        }
        of_key.push(later);
    }
}

/// Checks all that is promised.
pub(super) fn judge(world: &World) {
    let (spans, traces) = read(world);
    let decisions = recorded(world);
    decisions_agree(world, &decisions);
    if !world.scene.forgetful {
        decisions_are_those_of_the_log(world, &traces, &decisions);
    }
    let fates = fates(world, &spans, &traces, &decisions);
    let finished = finished(world);
    every_kept_span_arrives(world, &spans, &fates, &finished);
    owners_repeat_nothing(world);
    commits_pass_nothing(world, &spans, &fates, &finished);
}

/// Replay-stable: whoever reads the log decides the same traces, at the same time, alike.
fn decisions_are_those_of_the_log(
    world: &World,
    traces: &HashMap<u64, Vec<Trace>>,
    decisions: &[Decision],
) {
    let set = policies(30);
    for decision in decisions {
        let same = |trace: &&Trace| trace.first_seen == decision.first_seen_ms;
        let trace = traces[&decision.key.0].iter().find(same);
        let trace = trace.unwrap_or_else(|| panic!("no such trace: {decision:?}"));
        assert_eq!(decision.decided_at_ms, trace.deadline, "{decision:?}");
        let retention = world.scene.settings.decision_retention;
        let end_ms = trace.summary.latest_end_ns().map(|ns| ns / 1_000_000);
        let late = end_ms.is_some_and(|end| trace.first_seen > end + retention);
        assert_eq!(decision.late_fragment, late, "{decision:?}");
        if world.met.reloads == 0 && !world.scene.quarrel {
            let verdict = set.decide(decision.key, &trace.summary);
            assert_eq!(decision.kept, verdict.kept, "{decision:?}");
        }
    }
    let decided: HashSet<_> =
        decisions.iter().map(|decision| (decision.key.0, decision.first_seen_ms)).collect();
    for (key, trace) in traces.iter().flat_map(|(key, all)| all.iter().map(move |one| (key, one))) {
        assert!(decided.contains(&(*key, trace.first_seen)), "never decided: {key} {trace:?}");
    }
}

/// Whether each span must arrive: by the first decision for its trace (I3). `None` where memory
/// was so short that decisions were forgotten: a late span may then begin a trace of its own.
fn fates(
    world: &World,
    spans: &[Placed],
    traces: &HashMap<u64, Vec<Trace>>,
    decisions: &[Decision],
) -> HashMap<u64, Option<bool>> {
    let mut by_key = HashMap::<TraceKey, Vec<&Decision>>::new();
    for decision in decisions {
        by_key.entry(decision.key).or_default().push(decision);
    }
    let fate = |span: &Placed| {
        let of_key = &by_key[&TraceKey(span.key)];
        if world.scene.forgetful {
            let earlier = of_key.iter().filter(|decision| decision.first_seen_ms <= span.time);
            let mut verdicts = earlier.map(|decision| decision.kept);
            let one = verdicts.next().expect("some decision");
            return verdicts.all(|other| other == one).then_some(one);
        }
        let first_seen = traces[&span.key][span.trace].first_seen;
        let first = of_key.iter().find(|decision| decision.first_seen_ms == first_seen);
        first.map(|decision| decision.kept)
    };
    spans.iter().map(|span| (span.id, fate(span))).collect()
}

/// By exporter and span: the numbers of the events in which it was finished.
fn finished(world: &World) -> HashMap<(usize, u64), Vec<usize>> {
    let mut finished = HashMap::<(usize, u64), Vec<usize>>::new();
    for (number, event) in world.events.iter().enumerate() {
        if let Event::Finished { exporter, spans, .. } = event {
            for span in spans {
                finished.entry((*exporter, *span)).or_default().push(number);
            }
        }
    }
    finished
}

/// I1, I2: all spans of kept traces, and (I4) once if nothing failed. No span of another trace.
fn every_kept_span_arrives(
    world: &World,
    spans: &[Placed],
    fates: &HashMap<u64, Option<bool>>,
    finished: &HashMap<(usize, u64), Vec<usize>>,
) {
    let calm = world.met.crashes + world.met.zombies == 0;
    for exporter in 0..world.scene.settings.exporters.len() {
        for span in spans {
            let times = finished.get(&(exporter, span.id)).map_or(0, Vec::len);
            match fates[&span.id] {
                Some(true) => assert!(times > 0, "I1, I2: {span:?} never came to {exporter}"),
                Some(false) => assert_eq!(times, 0, "I3: {span:?} came to {exporter}"),
                None => {}
            }
            assert!(!calm || times <= 1, "I4: {span:?} came {times} times to {exporter}");
        }
    }
}

/// I4: an owner exports nothing twice, and nothing that was finished at the commit it began with.
fn owners_repeat_nothing(world: &World) {
    let (mut starts, mut done) = (HashMap::new(), HashSet::new());
    for event in &world.events {
        match event {
            Event::Started { owner, exporters, .. } => {
                starts.insert(*owner, exporters.clone());
            }
            Event::Finished { owner, exporter, position, spans, .. } => {
                assert!(starts[owner][*exporter] <= *position, "I4: {event:?}");
                for span in spans {
                    assert!(done.insert((*owner, *exporter, *span)), "I4: {event:?}");
                }
            }
            _ => {}
        }
    }
}

/// I5: commits only ever go forward, and never past a span that is not finished.
fn commits_pass_nothing(
    world: &World,
    spans: &[Placed],
    fates: &HashMap<u64, Option<bool>>,
    finished: &HashMap<(usize, u64), Vec<usize>>,
) {
    let mut reached = HashMap::<usize, Position>::new();
    let mut buried = HashSet::new();
    for (number, event) in world.events.iter().enumerate() {
        match event {
            Event::Started { owner, position, .. } => drop(reached.insert(*owner, *position)),
            Event::Buried { position } => drop(buried.insert(*position)),
            Event::Committed { owner, position, exporters } => {
                let last = reached.insert(*owner, *position);
                assert!(last.is_some_and(|last| last <= *position), "I5: back: {event:?}");
                assert_eq!(exporters.iter().min(), Some(position));
                for (exporter, below) in exporters.iter().enumerate() {
                    let passed = spans.iter().filter(|span| span.position < *below);
                    for span in passed.filter(|span| fates[&span.id] == Some(true)) {
                        let first = finished[&(exporter, span.id)].first();
                        assert!(first.is_some_and(|at| *at < number), "I5: {span:?}: {event:?}");
                    }
                }
                for (frame, contents) in world.spans.iter().zip(&world.contents) {
                    let garbage = frame.kind == RecordKind::Spans && contents.is_empty();
                    let passed = garbage && frame.position < *position;
                    assert!(!passed || buried.contains(&frame.position), "I5: {event:?}");
                }
            }
            Event::Finished { .. } => {}
        }
    }
}
