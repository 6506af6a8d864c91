//! Budgets of the whole fleet.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::{Duration, Instant},
};

use wholetrace_runtime::invariant::Invariant::I3;

use super::{
    kafka::Kafka,
    load::{Load, RATE, Scale},
    steady::fleet,
};

/// The spans to keep in a second; some seven times as many are sent.
const BUDGET: u64 = 2_000;

/// Spans kept, once each, by the second that their trace began in.
fn kept_by_second(folder: &Path) -> BTreeMap<u64, u64> {
    let mut seen = BTreeSet::new();
    let mut begins = BTreeMap::<String, u64>::new();
    let mut spans = BTreeMap::<String, u64>::new();
    let names = fs::read_dir(folder).expect("the folder").flatten().map(|entry| entry.path());
    let is_kept = |path: &std::path::PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("kept"))
    };
    for file in names.filter(is_kept) {
        let text = fs::read_to_string(&file).expect("kept traces");
        for line in text.lines() {
            let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else { continue };
            let spans_of = |line: &serde_json::Value| {
                let each = |value: &serde_json::Value, key: &str| {
                    value[key].as_array().cloned().unwrap_or_default()
                };
                let scopes = each(line, "resourceSpans");
                let scopes = scopes.iter().flat_map(|resource| each(resource, "scopeSpans"));
                scopes.flat_map(|scope| each(&scope, "spans")).collect::<Vec<_>>()
            };
            for span in spans_of(&line) {
                let text = |key: &str| span[key].as_str().unwrap_or_default().to_owned();
                let trace = text("traceId");
                if !seen.insert((trace.clone(), text("spanId"))) {
                    continue;
                }
                let start: u64 = text("startTimeUnixNano").parse().expect("a time");
                let begin = begins.entry(trace.clone()).or_insert(start);
                *begin = start.min(*begin);
                *spans.entry(trace).or_default() += 1;
            }
        }
    }
    let mut by_second = BTreeMap::new();
    for (trace, spans) in spans {
        *by_second.entry(begins[&trace] / 1_000_000_000).or_default() += spans;
    }
    by_second
}

/// Scenario: three samplers share a budget; one is restarted, and one goes for good.
///
/// Guarantee: the fleet keeps as many spans as the budget has: within 5 % in each minute, and never
/// more than 1.2 times as many in ten seconds, through the rebalances as well.
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
    let started = Instant::now();
    let options = ["--slow", "0", "--errors", "0", "--late", "0"];
    let mut load = Load::named("load", &fleet, scale, (100_000 * scale.times, RATE), &options);
    let wait = |until: u64| {
        std::thread::sleep(Duration::from_secs(until).saturating_sub(started.elapsed()));
    };
    wait(30);
    assert!(fleet.samplers[0].stop().success(), "{}", fleet.samplers[0].output());
    fleet.samplers[0].start();
    wait(60);
    assert!(fleet.samplers[1].stop().success(), "{}", fleet.samplers[1].output());
    assert!(load.is_running());
    load.finish();
    // All is decided and exported when nothing new has come for three decision waits.
    let mut last = 0;
    let by_second = loop {
        std::thread::sleep(Duration::from_secs(18));
        let now = kept_by_second(fleet.folder.path());
        let all = now.values().sum::<u64>();
        if all == last && all > 0 {
            break now;
        }
        last = all;
    };
    // The first seconds have nothing to go by, and the last one is not a whole one.
    let seconds: Vec<u64> = by_second.values().copied().skip(15).collect();
    let seconds = &seconds[..seconds.len() - 2];
    let of_budget =
        |window: &[u64]| window.iter().sum::<u64>() as f64 / (BUDGET * window.len() as u64) as f64;
    let minutes: Vec<f64> = seconds.windows(60).map(of_budget).collect();
    let tens: Vec<f64> = seconds.windows(10).map(of_budget).collect();
    let extremes = |shares: &[f64]| {
        shares.iter().fold((f64::MAX, 0.0), |(least, most): (f64, f64), share| {
            (least.min(*share), most.max(*share))
        })
    };
    println!(
        "minutes {:.3?}, ten seconds {:.3?} of the budget",
        extremes(&minutes),
        extremes(&tens)
    );
    assert!(!minutes.is_empty(), "{} seconds only", seconds.len());
    let (least, most) = extremes(&minutes);
    assert!((0.95..=1.05).contains(&least) && most <= 1.05, "{I3}: {least:.3} to {most:.3}");
    assert!(extremes(&tens).1 <= 1.2, "{seconds:?}");
}
