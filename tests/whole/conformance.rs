//! The whole process beside a Collector: what it kept is known from its vectors.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use prost::Message as _;
use serde_json::Value;

use super::{
    gateway_process::Gateway,
    notation::{Trace, requests},
    process::wait_until,
    vectors::{self, Set, Vectors},
};

/// Sets of the generated vectors: of many types, some of them `drop`.
const SETS: [&str; 3] = ["g47", "g127", "g143"];

/// Scenario: a process per set of policies is sent the traces of the vectors, in several requests.
///
/// Guarantees: it exports exactly the traces that a Collector kept, each whole (I1, I3).
#[test]
fn the_process_keeps_what_a_collector_keeps() {
    let mut files = vectors::all();
    files.retain(|vectors| vectors.name == "generated");
    let vectors = files.first().expect("generated.yaml");
    let sets = vectors.sets.iter().filter(|set| SETS.contains(&set.name.as_str()));
    let tried = sets.map(|set| try_set(vectors, set)).count();
    assert_eq!(tried, SETS.len(), "a set is gone");
}

fn try_set(vectors: &Vectors, set: &Set) {
    let mut block = set.block.clone();
    block.insert("compatibility".into(), "collector".into());
    block.insert("decision_wait".into(), "3s".into());
    // It is not needed, and the process would say so.
    block.remove("sample_on_first_match");
    let block = Value::Object(block);
    let mut gateway = Gateway::new(&format!(
        "tail_sampling: {block}\nexporters: {{ file: {{ path: \"FOLDER/kept.jsonl\" }} }}\n"
    ));
    gateway.start();
    for request in requests(&vectors.traces) {
        let url = format!("http://127.0.0.1:{}/v1/traces", gateway.http);
        let sent = ureq::post(&url).header("content-type", "application/x-protobuf");
        let answer = sent.send(&request.encode_to_vec()[..]).expect("it is taken");
        assert!(answer.status().is_success(), "{}", answer.status());
    }
    let kept = vectors.places(set.kept.as_deref().expect("recorded"));
    let decided =
        |verdict: &str| gateway.metric_with("wholetrace_sampler_decisions_total", verdict);
    wait_until("all are decided", || decided("") as usize >= vectors.traces.len());
    assert_eq!(decided("\"kept\"") as usize, kept.len(), "{}: {block}", set.name);
    let path = gateway.folder.path().join("kept.jsonl");
    let wanted = spans_of(&vectors.traces, &kept);
    wait_until("all are exported", || {
        spans_in(&path).values().sum::<usize>() >= wanted.values().sum()
    });
    assert_eq!(spans_in(&path), wanted, "{}: {block}", set.name);
    assert!(gateway.stop().success(), "{}", gateway.output());
}

/// How many spans of each trace id are kept.
fn spans_of(traces: &[Trace], kept: &BTreeSet<usize>) -> BTreeMap<String, usize> {
    let kept = kept.iter().map(|place| &traces[*place]);
    kept.map(|trace| (format!("{:032x}", trace.id), trace.spans())).collect()
}

/// How many spans of each trace id are in a file of OTLP/JSON.
fn spans_in(path: &std::path::Path) -> BTreeMap<String, usize> {
    let mut spans = BTreeMap::new();
    for line in fs::read_to_string(path).unwrap_or_default().lines() {
        // The last line may be in the midst of being written.
        let Ok(request) = serde_json::from_str::<Value>(line) else { continue };
        for resource in list(&request, "resourceSpans") {
            for span in list(resource, "scopeSpans").iter().flat_map(|scope| list(scope, "spans")) {
                let id = span["traceId"].as_str().expect("an id").to_owned();
                *spans.entry(id).or_default() += 1;
            }
        }
    }
    spans
}

fn list<'v>(of: &'v Value, key: &str) -> &'v [Value] {
    of.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
