//! Judges a world by its logs and events, with a model of its own that knows no batches, no
//! crashes and no memory.

use std::collections::{HashMap, HashSet};

use wholetrace_proto::{
    record::{Claim, Decision, DecisionBatch, RateChange},
    tracestate::Threshold,
};
use wholetrace_runtime::invariant::Invariant::{I1, I3, I4, I5};
use wholetrace_spanlog::{Frame, Position, RecordKind};

use crate::{
    policy::{
        Heads, NearTimes,
        budget::{Asked, Budgets},
    },
    testing::{Span, body},
};

use super::{events::Event, scene::policies, world::World};

/// A trace, as the log alone tells it.
#[derive(Debug)]
struct Trace {
    first_seen: u64,
    deadline: u64,
    /// How far the log's time was ahead of the append times when it was decided.
    ahead: u64,
    /// Number of the record that it begins in.
    frame: usize,
    /// The greatest high half of the ids of its spans.
    id_high: u64,
    /// What the policies know of it.
    record: Vec<u64>,
}

/// A span, where it stands in the log, and which of its key's traces it is of.
#[derive(Debug)]
struct Placed {
    id: u64,
    key: u64,
    id_high: u64,
    /// What tells it from spans that share its id: the resource, which has every three of a record.
    resource: usize,
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
    let times = times_of(world);
    let (mut spans, mut traces) = (Vec::new(), HashMap::<u64, Vec<Trace>>::new());
    for (index, (frame, contents)) in world.spans.iter().zip(&world.contents).enumerate() {
        let time = times[index].0;
        for (place, span) in contents.iter().enumerate() {
            let of_key = traces.entry(span.key).or_default();
            let retention = settings.decision_retention;
            if of_key.last().is_none_or(|trace| trace.deadline + retention < time) {
                let (first_seen, deadline) = (time, time + wait);
                of_key.push(Trace {
                    first_seen,
                    deadline,
                    ahead: 0,
                    frame: index,
                    id_high: 0,
                    record: policies.blank_record().to_vec(),
                });
            }
            let number = of_key.len() - 1;
            let trace = &mut of_key[number];
            // Nothing is decided before the next record.
            if time < trace.deadline || trace.frame == index {
                let near = NearTimes::to(time);
                let (heads, record) = (&mut Heads::default(), &mut trace.record);
                policies.observe_near(&body(span), near, heads, record);
                let padded = if span.key.is_multiple_of(8) { span.key } else { 0 };
                let id_high = if span.id_high == 0 { padded } else { span.id_high };
                trace.id_high = match [trace.id_high, id_high] {
                    [known, id_high] if id_high == padded && known > 0 => known,
                    [known, id_high] if known == padded => id_high,
                    [known, id_high] => known.max(id_high),
                };
                if span.root && root_wait > 0 {
                    trace.deadline = trace.deadline.min(time + root_wait);
                }
            }
            let Span { id, key, id_high, .. } = *span;
            let position = frame.position;
            let (resource, trace) = (place / 3, number);
            spans.push(Placed { id, key, id_high, resource, position, time, trace });
        }
    }
    for trace in traces.values_mut().flatten() {
        let mut behind = times.iter().skip(trace.frame + 1);
        let decided = behind.find(|(time, _)| *time >= trace.deadline);
        trace.ahead = decided.map_or(0, |(_, ahead)| *ahead);
    }
    (spans, traces)
}

/// The time that counts for each record, and how far that is ahead of the append times: see
/// `Watermark`, which never sees more than two records of the log. What cannot be read has none.
fn times_of(world: &World) -> Vec<(u64, u64)> {
    let readable = |frame: &Frame| !world.damaged.contains(&frame.position);
    let time = |frame: &Frame| readable(frame).then_some(frame.time.0);
    let append: Vec<Option<u64>> = world.spans.iter().map(time).collect();
    let first = append.iter().flatten().next();
    let (mut reached, mut ahead) = (first.copied().unwrap_or_default(), 0);
    // Since when the times are below what was reached.
    let mut below = None::<usize>;
    let mut times = Vec::new();
    for (index, time) in append.iter().copied().enumerate() {
        let Some(time) = time else {
            times.push((reached, ahead));
            continue;
        };
        let next = append.get(index + 1).copied().flatten();
        if time > reached + 5_000 {
            // A step forward, unless the next record says that it was none.
            let believed = next.filter(|next| *next + 5_000 < time).unwrap_or(time);
            if believed > reached {
                (reached, ahead, below) = (believed, 0, None);
            }
        } else if time + ahead >= reached {
            let as_the_clock = time + ahead;
            reached = if ahead > 0 { as_the_clock.min(reached + 2_000).max(time) } else { time };
            (ahead, below) = (reached - time, None);
        } else {
            let since = *below.get_or_insert(index);
            let lowest = append[since..=index].iter().flatten().min().copied().unwrap_or_default();
            if time > lowest + 10_000 {
                (ahead, below) = (reached - time, None);
            }
        }
        times.push((reached, ahead));
    }
    times
}

/// A record of the decision log: whose it is, and what it says.
type Recorded = (Claim, Vec<Decision>, Vec<RateChange>);

/// The thresholds that the decision log tells for a trace that is due at a time.
#[derive(Debug)]
struct Told<'a>(&'a [RateChange], u64);

impl Budgets for Told<'_> {
    fn ask(&self, asked: Asked) -> Threshold {
        let Self(changes, due) = self;
        let in_force = changes.iter().filter(|change| change.from_ms <= *due);
        let last = in_force.max_by_key(|change| change.from_ms);
        let budget = usize::from(asked.budget.0);
        last.map_or(Threshold::ALWAYS, |change| change.budgets[budget].threshold(asked.key))
    }
}

/// The changes that count: none that stands behind a later one.
fn changes(records: &[&Recorded]) -> Vec<RateChange> {
    let mut changes = Vec::<RateChange>::new();
    for change in records.iter().flat_map(|(_, _, changes)| changes) {
        if changes.last().is_none_or(|last| last.from_ms < change.from_ms) {
            changes.push(change.clone());
        }
    }
    changes
}

/// The decision log.
fn recorded(world: &World) -> Vec<Recorded> {
    let read = |record: &Frame| {
        let batch = DecisionBatch::read(&record.payload).unwrap();
        (
            batch.claim().expect("owners sign what they write"),
            batch.decisions().collect(),
            batch.rates().collect(),
        )
    };
    world.decisions.iter().map(read).collect()
}

/// Which of these records count: those of the owner with the highest term so far, of which the
/// first is the owner.
fn counting(records: &[Recorded]) -> Vec<bool> {
    let mut owner = Claim { term: 0, owner: 0 };
    let counts = |(claim, ..): &Recorded| {
        if claim.term > owner.term {
            owner = *claim;
        }
        *claim == owner
    };
    records.iter().map(counts).collect()
}

/// Keys of traces about which some owner may have obeyed what does not count, or not what does:
/// the claim before is deleted, and the owner began with a commit by one that had not read it, or
/// with none. So nobody can know, up to the next claim above all that are left.
fn mistakable(world: &World, records: &[Recorded], counts: &[bool]) -> HashSet<u64> {
    let mut keys = HashSet::new();
    for begin in &world.begun_unaware {
        let (left, truly) = (&records[*begin..], &counts[*begin..]);
        for (((_, decisions, _), counts), seems) in left.iter().zip(truly).zip(counting(left)) {
            if *counts != seems {
                keys.extend(decisions.iter().map(|decision| decision.key.0));
            }
        }
    }
    keys
}

/// A decision that rules, and over what time a trace was open for it.
#[derive(Clone, Copy, Debug)]
struct FirstDecision {
    first_seen: u64,
    end: u64,
    kept: bool,
}

/// I3: what counts never speaks of a trace twice and differently, and begins none where one is open.
///
/// Where decisions are forgotten, at different times after a restart, or the time is not the same
/// for all owners because what the commit said of it is lost, or records are deleted, decisions
/// may begin where another's trace is open. Of those that overlap the first in the log rules.
fn first_decisions(world: &World, decisions: &[Decision]) -> HashMap<u64, Vec<FirstDecision>> {
    let mut by_key = HashMap::<u64, Vec<(FirstDecision, &Decision)>>::new();
    for later in decisions {
        let (first_seen, decided_at) = (later.first_seen_ms, later.decided_at_ms);
        let end = decided_at.max(first_seen + 1);
        let of_key = by_key.entry(later.key.0).or_default();
        let same = |(earlier, _): &&mut (FirstDecision, &Decision)| {
            first_seen < earlier.end && earlier.first_seen < end
        };
        let first = of_key.iter_mut().filter(same).min_by_key(|(earlier, _)| earlier.first_seen);
        if let Some((decision, earlier)) = first {
            let agree = *earlier == later || is_unsure(world);
            assert!(agree, "{I3}: {earlier:?} {later:?}");
            decision.first_seen = decision.first_seen.min(first_seen);
        } else {
            of_key.push((FirstDecision { first_seen, end, kept: later.kept }, later));
        }
    }
    let first_decisions =
        |all: Vec<(FirstDecision, &Decision)>| all.into_iter().map(|(one, _)| one).collect();
    by_key.into_iter().map(|(key, all)| (key, first_decisions(all))).collect()
}

/// Whether owners may not agree on when a trace begins.
fn is_unsure(world: &World) -> bool {
    world.scene.forgetful || owners_differ_in_time(world) || world.met.trimmed > 0
}

/// Whether some owner did not know how far the time had come before it, because the commit did not
/// say so or the records are deleted that did, and it had not come evenly.
const fn owners_differ_in_time(world: &World) -> bool {
    world.met.metadata_lost + world.met.trimmed > 0
        && world.met.set_clocks + world.met.rogue_times > 0
}

/// Checks all that is promised.
pub(super) fn judge(world: &World) {
    let (spans, traces) = read(world);
    let records = recorded(world);
    let counts = counting(&records);
    let mistakable = mistakable(world, &records, &counts);
    let counting = records.iter().zip(counts).filter(|(_, counts)| *counts);
    let counting: Vec<&Recorded> = counting.map(|(record, _)| record).collect();
    let decisions: Vec<Decision> =
        counting.iter().flat_map(|(_, decisions, _)| decisions).cloned().collect();
    let first_decisions = first_decisions(world, &decisions);
    if !is_unsure(world) {
        decisions_are_those_of_the_log(world, &traces, &decisions, &changes(&counting));
    }
    let expected = expected(world, &spans, &traces, (&first_decisions, &mistakable));
    let finished = finished(world);
    assert!(world.met.unknown == 0 || is_unsure(world), "{I3}: decisions not found");
    every_kept_span_arrives(world, &spans, &expected, &finished);
    if !is_unsure(world) {
        traces_have_one_id(world, &spans, &traces, &mistakable);
    }
    owners_repeat_nothing(world, &spans);
    commits_pass_nothing(world, &spans, &expected, &finished);
}

/// Replay-stable: whoever reads the log decides the same traces, at the same time, alike.
fn decisions_are_those_of_the_log(
    world: &World,
    traces: &HashMap<u64, Vec<Trace>>,
    decisions: &[Decision],
    changes: &[RateChange],
) {
    let set = policies(30);
    for decision in decisions {
        let same = |trace: &&Trace| trace.first_seen == decision.first_seen_ms;
        let trace = traces[&decision.key.0].iter().find(same);
        let trace = trace.unwrap_or_else(|| panic!("no such trace: {decision:?}"));
        assert_eq!(decision.decided_at_ms, trace.deadline, "{decision:?}");
        let retention = world.scene.settings.decision_retention;
        let end_ms = set.latest_end_ns(&trace.record).map(|ns| ns / 1_000_000);
        let late = end_ms.is_some_and(|end| trace.first_seen > end + retention + trace.ahead);
        assert_eq!(decision.late_fragment, late, "{decision:?}");
        let id_high = if decision.kept { trace.id_high } else { 0 };
        assert_eq!(decision.id_high, id_high, "{decision:?}");
        if world.met.reloads == 0 && !world.scene.quarrel {
            let told = Told(changes, trace.deadline);
            let expected = set.decide_within(decision.key, &trace.record, &told);
            assert_eq!(decision.threshold.get(), expected.threshold, "{decision:?}");
            assert_eq!(decision.kept, expected.kept, "{decision:?}");
        }
    }
    let decided: HashSet<_> =
        decisions.iter().map(|decision| (decision.key.0, decision.first_seen_ms)).collect();
    for (key, trace) in traces.iter().flat_map(|(key, all)| all.iter().map(move |one| (key, one))) {
        assert!(decided.contains(&(*key, trace.first_seen)), "never decided: {key} {trace:?}");
    }
}

type Expected = HashMap<(u64, Position), Option<bool>>;

/// Whether each span must arrive: by the first decision for its trace (I3). `None` where that is
/// not known: a late span may begin a trace of its own where decisions were forgotten or owners do
/// not agree on times, and nobody knows of what is deleted, nor about what is [`mistakable`].
/// By span and position, since a span may come several times.
fn expected(
    world: &World,
    spans: &[Placed],
    traces: &HashMap<u64, Vec<Trace>>,
    (first_decisions, mistakable): (&HashMap<u64, Vec<FirstDecision>>, &HashSet<u64>),
) -> Expected {
    let must_arrive = |span: &Placed| {
        if world.gone.contains(&span.key) || mistakable.contains(&span.key) {
            return None;
        }
        let of_key = &first_decisions[&span.key];
        if is_unsure(world) {
            let sure_of_time = !owners_differ_in_time(world);
            let before =
                |decision: &&FirstDecision| !sure_of_time || decision.first_seen <= span.time;
            let mut kept = of_key.iter().filter(before).map(|decision| decision.kept);
            let one = kept.next().expect("some decision");
            return kept.all(|other| other == one).then_some(one);
        }
        let first_seen = traces[&span.key][span.trace].first_seen;
        let decision = of_key.iter().find(|decision| decision.first_seen == first_seen);
        decision.map(|decision| decision.kept)
    };
    spans.iter().map(|span| ((span.id, span.position), must_arrive(span))).collect()
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
    expected: &Expected,
    finished: &HashMap<(usize, u64), Vec<usize>>,
) {
    let calm = world.met.crashes + world.met.zombies == 0;
    for exporter in 0..world.scene.settings.exporters.len() {
        for (id, copies) in by_id(spans) {
            let times = finished.get(&(exporter, id)).map_or(0, Vec::len);
            let must = |copy: &&Placed| expected[&(id, copy.position)];
            let least = alike(copies.iter().filter(|copy| must(copy) == Some(true)));
            assert!(times >= least, "{I1}: of {copies:?} {times} came to {exporter}");
            if world.met.unknown == 0 && copies.iter().all(|copy| must(copy) == Some(false)) {
                assert_eq!(times, 0, "{I3}: {copies:?} came to {exporter}");
            }
            let most = most(world, &copies);
            assert!(!calm || times <= most, "{I4}: {copies:?} came {times} times to {exporter}");
        }
    }
}

/// The spans, those that came several times together.
fn by_id(spans: &[Placed]) -> HashMap<u64, Vec<&Placed>> {
    let mut copies = HashMap::<u64, Vec<&Placed>>::new();
    for span in spans {
        copies.entry(span.id).or_default().push(span);
    }
    copies
}

/// How many there are, when those count once that are the same to the last byte.
fn alike<'a>(copies: impl Iterator<Item = &'a &'a Placed>) -> usize {
    copies.map(|copy| copy.resource).collect::<HashSet<_>>().len()
}

/// How often an owner may export a span that stands in the log so many times.
fn most(world: &World, copies: &[&Placed]) -> usize {
    if copies_are_known(world) { alike(copies.iter()) } else { copies.len() }
}

/// Whether an owner recognizes all that it has passed: it never has to forget, as it does where a
/// record cannot be read, and no exporter is served by a reader of its own, which recognizes nothing.
fn copies_are_known(world: &World) -> bool {
    let met = &world.met;
    let alone = met.fell_behind + met.fetched_behind > 0;
    let forgets = met.bounds + met.damaged + met.trimmed > 0 || {
        let mut records = world.spans.iter().zip(&world.contents);
        records.any(|(frame, contents)| frame.kind == RecordKind::Spans && contents.is_empty())
    };
    world.scene.settings.bounds.max_recent_spans > 1000 && !forgets && !alone
}

/// The spans of a trace leave with its longest id, whoever releases them and however late they are;
/// only those with another id of 128 bits keep it.
fn traces_have_one_id(
    world: &World,
    spans: &[Placed],
    traces: &HashMap<u64, Vec<Trace>>,
    mistakable: &HashSet<u64>,
) {
    let sure = spans.iter().filter(|span| !mistakable.contains(&span.key));
    let id = |span: &Placed| match [span.id_high, traces[&span.key][span.trace].id_high] {
        [0, high] if high == span.key => u128::from(span.key) << 64,
        // It came after the decision over a trace whose ids are padded otherwise.
        [0, 0] if span.key.is_multiple_of(8) => u128::from(span.key) << 64,
        [0, high] | [high, _] => u128::from(high) << 64 | u128::from(span.key),
    };
    let mut ids = HashMap::<u64, HashSet<u128>>::new();
    for span in sure {
        ids.entry(span.id).or_default().insert(id(span));
    }
    for event in &world.events {
        let Event::Finished { spans, trace_ids, .. } = event else { continue };
        for (span, trace_id) in spans.iter().zip(trace_ids) {
            let fits = ids.get(span).is_none_or(|ids| ids.contains(trace_id));
            assert!(fits, "{span}: {event:?}, not {ids:?}");
        }
    }
}

/// I4: an owner exports nothing twice that is once in the log, and nothing that was finished at the
/// commit it began with.
fn owners_repeat_nothing(world: &World, spans: &[Placed]) {
    let (mut starts, mut done) = (HashMap::new(), HashMap::<_, usize>::new());
    let copies = by_id(spans);
    for event in &world.events {
        match event {
            Event::Started { owner, exporters, .. } => {
                starts.insert(*owner, exporters.clone());
            }
            Event::Finished { owner, exporter, position, spans, .. } => {
                assert!(starts[owner][*exporter] <= *position, "{I4}: {event:?}");
                for span in spans {
                    let times = done.entry((*owner, *exporter, *span)).or_default();
                    *times += 1;
                    assert!(*times <= most(world, &copies[span]), "{I4}: {event:?}");
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
    expected: &Expected,
    finished: &HashMap<(usize, u64), Vec<usize>>,
) {
    let mut reached = HashMap::<usize, Position>::new();
    let mut dead_lettered = HashSet::new();
    for (number, event) in world.events.iter().enumerate() {
        match event {
            Event::Started { owner, position, .. } => drop(reached.insert(*owner, *position)),
            Event::DeadLettered { position } => drop(dead_lettered.insert(*position)),
            Event::Committed { owner, position, exporters } => {
                let last = reached.insert(*owner, *position);
                assert!(last.is_some_and(|last| last <= *position), "{I5}: back: {event:?}");
                assert_eq!(exporters.iter().min(), Some(position));
                for (exporter, below) in exporters.iter().enumerate() {
                    let passed = spans.iter().filter(|span| span.position < *below);
                    for span in
                        passed.filter(|span| expected[&(span.id, span.position)] == Some(true))
                    {
                        let first = finished[&(exporter, span.id)].first();
                        assert!(first.is_some_and(|at| *at < number), "{I5}: {span:?}: {event:?}");
                    }
                }
                for (frame, contents) in world.spans.iter().zip(&world.contents) {
                    let garbage = frame.kind == RecordKind::Spans && contents.is_empty();
                    let readable = frame.position >= world.trimmed.0;
                    let passed = garbage && readable && frame.position < *position;
                    assert!(!passed || dead_lettered.contains(&frame.position), "{I5}: {event:?}");
                }
            }
            Event::Finished { .. } => {}
        }
    }
}
