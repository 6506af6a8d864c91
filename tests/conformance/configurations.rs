//! What a Collector does with a configuration: whether it starts by it, refuses it, or starts and
//! dies of its first decision. `configurations.yaml` lists them:
//!
//! ```yaml
//! - name: a wait in seconds
//!   collector: loads
//!   tail_sampling: {decision_wait: 10s}
//! ```
//!
//! `collector` is what a Collector did: `loads`, `refuses` or `panics`. The recorder writes it.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    collector::{self, Outcome},
    differences::Differences,
    notation::{self, Trace},
    ours, parts, vectors,
};

/// Collectors that are started at a time.
const AT_ONCE: usize = 8;

/// Configurations that are tried anew by each run of the tests: each costs a start of a Collector.
const SAMPLE: usize = 120;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Configuration {
    name: String,
    #[serde(default)]
    collector: Option<Outcome>,
    tail_sampling: Value,
}

fn path() -> PathBuf {
    vectors::folder().with_file_name("configurations.yaml")
}

fn all() -> Vec<Configuration> {
    let text = fs::read_to_string(path()).expect("configurations.yaml");
    let list: Vec<Configuration> = vectors::from_yaml(&text, "configurations.yaml");
    let names: BTreeSet<&str> = list.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names.len(), list.len(), "two configurations have one name");
    list
}

/// What a Collector makes of each.
fn recorded(list: &[Configuration]) -> Vec<Outcome> {
    let spans = json!([{ "r": { "k": 1 }, "a": { "k": 1 } }, { "status": "ERROR" }]);
    let trace = Trace::parse("configurations", "trace", &spans).expect("a trace");
    let request = notation::requests(&[trace]).pop().expect("a request");
    let outcome = |one: &Configuration| collector::outcome(&one.tail_sampling, &request);
    let some = |some: &[Configuration]| {
        std::thread::scope(|scope| {
            let running: Vec<_> = some.iter().map(|one| scope.spawn(|| outcome(one))).collect();
            running.into_iter().map(|one| one.join().expect("an outcome")).collect::<Vec<_>>()
        })
    };
    list.chunks(AT_ONCE).flat_map(some).collect()
}

#[test]
#[ignore = "writes the outcomes anew: tests/conformance/record"]
fn record() {
    assert!(parts::stands("collector"), "no Collector, nothing to record");
    let list = all();
    let text = fs::read_to_string(path()).expect("it was read");
    let mut outcomes = recorded(&list).into_iter();
    let mut written = String::new();
    for line in text.lines().filter(|line| !line.starts_with("  collector:")) {
        written.push_str(line);
        written.push('\n');
        if line.starts_with("- name:") {
            let outcome = outcomes.next().expect("each begins with `- name:`");
            let word = format!("{outcome:?}").to_lowercase();
            written.push_str(&format!("  collector: {word}\n"));
        }
    }
    assert!(outcomes.next().is_none(), "each begins with `- name:`");
    fs::write(path(), written).expect("written");
    println!("{} configurations", list.len());
}

#[test]
fn a_collector_still_takes_what_it_took() {
    if !parts::stands("collector") {
        return;
    }
    let sample = fastrand::Rng::new().choose_multiple(all(), SAMPLE);
    for (one, outcome) in sample.iter().zip(recorded(&sample)) {
        assert_eq!(one.collector, Some(outcome), "{}", one.name);
    }
}

#[test]
fn what_a_collector_takes_loads_and_what_it_refuses_does_not() {
    let differences = Differences::read();
    let (mut wrong, mut not_yet) = (Vec::new(), 0);
    let list = all();
    let mut differ: BTreeSet<&str> = differences.configurations().collect();
    for Configuration { name, collector, tail_sampling } in &list {
        let collector = collector.unwrap_or_else(|| panic!("`{name}` was not recorded"));
        let loaded = ours::load(tail_sampling);
        let agrees = loaded.is_ok() == (collector == Outcome::Loads);
        let listed = differ.remove(name.as_str());
        if ours::is_not_yet(tail_sampling) && loaded.is_err() {
            not_yet += 1;
        } else if agrees == listed {
            let why = loaded.err().unwrap_or_else(|| "loads".to_owned());
            let is = if listed { ", and is listed as different" } else { "" };
            wrong.push(format!("`{name}`: a Collector {collector:?}; here: {why}{is}"));
        }
    }
    println!("{} configurations, {not_yet} of them not supported", list.len());
    wrong.extend(differ.into_iter().map(|name| format!("`{name}` is listed and not there")));
    assert!(wrong.is_empty(), "differences that nobody listed:\n{}", wrong.join("\n"));
}
