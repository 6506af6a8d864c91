//! Budgets of the whole fleet.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::Path,
    time::{Duration, Instant},
};

use wholetrace_proto::{id::TraceId, record::Decision};
use wholetrace_runtime::invariant::Invariant::{I2, I3};

use super::{
    decisions::{PARTITIONS, decisions},
    fleet::Fleet,
    kafka::{Kafka, REPLACED},
    load::{Load, RATE, Scale},
    oracle::Sent,
    skew::{Phase, routing, write_ids},
    steady::fleet,
};

/// The spans to keep in a second; some seven times as many are sent.
const BUDGET: u64 = 2_000;
/// Sizes of the traces, in turn.
const SIZES: [u64; 6] = [1, 2, 4, 8, 16, 48];
/// The seconds in which other partitions become hot, and the end of the load. Samplers go at 30 and
/// at 60.
const PHASES: [u64; 5] = [0, 32, 55, 75, 100];

/// What was kept of a trace.
#[derive(Debug, Default, PartialEq, Eq)]
struct Kept {
    spans: BTreeSet<String>,
    /// What its spans say in their tracestates.
    states: BTreeSet<String>,
}

/// The traces in the files whose names begin with `stem`.
fn kept(folder: &Path, stem: &str) -> HashMap<String, Kept> {
    let mut kept = HashMap::<String, Kept>::new();
    let names = fs::read_dir(folder).expect("the folder").flatten().map(|entry| entry.path());
    let is_of = |path: &std::path::PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(stem))
    };
    let each =
        |value: &serde_json::Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    for file in names.filter(is_of) {
        let text = fs::read_to_string(&file).expect("kept traces");
        for line in text.lines() {
            // A crash may have cut the last line short.
            let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else { continue };
            let scopes = each(&line, "resourceSpans");
            let scopes = scopes.iter().flat_map(|resource| each(resource, "scopeSpans"));
            for span in scopes.flat_map(|scope| each(&scope, "spans")) {
                let text = |key: &str| span[key].as_str().unwrap_or_default().to_owned();
                let trace = kept.entry(text("traceId")).or_default();
                trace.spans.insert(text("spanId"));
                trace.states.insert(text("traceState"));
            }
        }
    }
    kept
}

/// Half of all spans and more, in few partitions: first all large traces in one, then half of the
/// traces of each size, then the same in two, and in the end the large ones again. All of them are
/// different ones.
fn phases(traces: u64, rng: &mut fastrand::Rng) -> Vec<Phase> {
    let mut partitions: Vec<u32> = (0..PARTITIONS).collect();
    rng.shuffle(&mut partitions);
    let large: fn(u64) -> bool = |number| number % SIZES.len() as u64 == SIZES.len() as u64 - 1;
    let half: fn(u64) -> bool = |number| (number / SIZES.len() as u64).is_multiple_of(2);
    let hot = [&partitions[..1], &partitions[1..2], &partitions[2..4], &partitions[4..5]];
    let at = |index: usize| PHASES[index] * traces / PHASES[4];
    let kinds = hot.into_iter().zip([large, half, half, large]).enumerate();
    kinds
        .map(|(index, (hot, is_hot))| Phase {
            traces: at(index)..at(index + 1),
            hot: hot.to_vec(),
            is_hot,
        })
        .collect()
}

/// What became of the spans of a second.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    asked: u64,
    kept: u64,
}

/// The spans of the traces that were decided in each second of the log's time. What is kept is what
/// the decisions say.
fn by_second(
    sent: &[Sent],
    kept: &HashMap<String, Kept>,
    decisions: &HashMap<u64, Decision>,
) -> Vec<Second> {
    let mut by_second = BTreeMap::<u64, Second>::new();
    for trace in sent {
        let id = u128::from_str_radix(&trace.trace_id, 16).expect("a trace id");
        let decision = decisions.get(&TraceId(id.to_be_bytes()).key().0).expect("a decision");
        let arrived = kept.get(&trace.trace_id).map_or(0, |trace| trace.spans.len());
        let planned = if decision.kept { trace.planned } else { 0 };
        assert_eq!(arrived, planned, "{I2}, {I3}: {} and {decision:?}", trace.trace_id);
        let second = by_second.entry(decision.decided_at_ms / 1_000).or_default();
        second.asked += trace.planned as u64;
        second.kept += planned as u64;
    }
    let (first, last) = (by_second.keys().next(), by_second.keys().last());
    let all = first.copied().unwrap_or(0)..=last.copied().unwrap_or(0);
    all.map(|second| by_second.get(&second).copied().unwrap_or_default()).collect()
}

/// Waits until all is decided and exported: nothing new has come for two decision waits.
fn settled(folder: &Path, stem: &str) -> HashMap<String, Kept> {
    let mut last = HashMap::new();
    loop {
        std::thread::sleep(Duration::from_secs(12));
        let now = kept(folder, stem);
        if now == last && !now.is_empty() {
            return now;
        }
        last = now;
    }
}

/// What is kept is within 5 % of the budget in each minute, or of what asks where that is less, and
/// never more than 1.2 times the budget in ten seconds.
fn must_hold(seconds: &[Second]) {
    // The first seconds have nothing to go by, and the last one is not a whole one.
    let seconds = &seconds[15..seconds.len() - 2];
    let of_budget = |window: &[Second]| {
        let kept = window.iter().map(|second| second.kept).sum::<u64>() as f64;
        let possible = window.iter().map(|second| second.asked.min(BUDGET)).sum::<u64>();
        (kept / possible as f64, kept / (BUDGET * window.len() as u64) as f64)
    };
    let extremes = |length: usize| {
        let shares = seconds.windows(length).map(of_budget);
        shares.fold((f64::MAX, 0.0), |(least, most): (f64, f64), (of_possible, of_budget)| {
            (least.min(of_possible), most.max(of_budget))
        })
    };
    let (minutes, tens) = (extremes(60), extremes(10));
    println!("minutes {minutes:.3?}, ten seconds {tens:.3?} of the budget");
    assert!(seconds.len() >= 60, "{} seconds only", seconds.len());
    assert!(minutes.0 >= 0.95 && minutes.1 <= 1.05, "{I3}: {minutes:.3?} {seconds:?}");
    assert!(tens.1 <= 1.2, "{tens:.3?} {seconds:?}");
}

/// Who reads all again keeps the very same traces, with the same probabilities.
fn must_be_kept_again(fleet: &mut Fleet, kept: &HashMap<String, Kept>) {
    for sampler in fleet.samplers.iter_mut().filter(|sampler| sampler.is_started()) {
        assert!(sampler.stop().success(), "{}", sampler.output());
    }
    let file = fleet.folder.path().join("again.jsonl");
    let file = format!("exporters:\n  file: {{ path: \"{}\" }}\n", file.display());
    let number = fleet.add_sampler(&file);
    // Of a group of its own: nothing is committed, so it begins with the first record.
    let config = fleet.folder.path().join(format!("sampler-{number}.yaml"));
    let text = fs::read_to_string(&config).expect("its configuration");
    fs::write(&config, text.replace("group_id: ", "group_id: again-")).expect("its configuration");
    fleet.samplers[number].start();
    let again = settled(fleet.folder.path(), "again");
    let differs = |(trace, was): &(&String, &Kept)| again.get(*trace) != Some(*was);
    let differing: Vec<_> = kept.iter().filter(differs).take(10).collect();
    assert!(differing.is_empty(), "{I3}: kept otherwise when read again: {differing:?}");
    assert_eq!(again.len(), kept.len(), "{I3}: more is kept when it is read again");
    println!("{} traces kept again", again.len());
}

/// Scenario: three samplers share a budget, of traces of which most spans are in few partitions, and
/// soon in others; one sampler is restarted, and one crashes for good.
///
/// Guarantees: the fleet keeps as many spans as the budget has, within 5 % in each minute, and never
/// more than 1.2 times as many in ten seconds, through the rebalances as well. What is kept is whole
/// (I2), and kept again when all is read again (I3).
#[test]
fn a_budget_holds_for_the_fleet() {
    // What is kept in a second is measured: no other test may hold the load back.
    let Some(kafka) = Kafka::start_alone(&[]) else { return };
    let scale = Scale::of_this_run();
    let sampling = format!(
        "tail_sampling:\n  decision_wait: 6s\n  policies:\n    - {{ name: budget, type: \
         rate_limiting, rate_limiting: {{ spans_per_second: {BUDGET} }} }}\n"
    );
    let mut fleet = fleet(&kafka, 2, 3, &sampling);
    fleet.expect(REPLACED);
    let (traces, mut rng) = (100 * RATE * scale.times, scale.moments());
    let phases = phases(traces, &mut rng);
    let ids = write_ids(&fleet, &routing(&fleet, &kafka.brokers), &phases, &mut rng);
    let sizes = SIZES.map(|size| size.to_string()).join(",");
    let (ids, started) = (ids.display().to_string(), Instant::now());
    let options = ["--slow", "0", "--errors", "0", "--late", "0"];
    let options = [&options[..], &["--ids", &ids, "--spans-per-trace", &sizes]].concat();
    let mut load = Load::named("load", &fleet, scale, (traces, RATE), &options);
    let wait = |until: u64| {
        std::thread::sleep(Duration::from_secs(until).saturating_sub(started.elapsed()));
    };
    wait(30);
    assert!(fleet.samplers[0].stop().success(), "{}", fleet.samplers[0].output());
    fleet.samplers[0].start();
    wait(60);
    fleet.samplers[1].kill();
    assert!(load.is_running());
    let sent = load.finish();
    let kept = settled(fleet.folder.path(), "kept");
    assert!(kept.values().all(|trace| trace.states.len() == 1), "{I3}: spans of a trace disagree");
    must_hold(&by_second(&sent, &kept, &decisions(&fleet, &kafka.brokers)));
    must_be_kept_again(&mut fleet, &kept);
}
