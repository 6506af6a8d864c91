//! Policies that change while traces are open.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::Path,
};

use serde_json::Value;

use super::{
    gateway_process::Gateway,
    oracle::{self, Sent},
    process::{generate, succeed, wait_until},
};

/// The policies by which each span in the files of `folder` was kept, as its scope says, by trace and
/// span.
fn kept_by(folder: &Path) -> HashMap<String, BTreeMap<String, BTreeSet<String>>> {
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found: HashMap<String, BTreeMap<String, BTreeSet<String>>> = HashMap::new();
    let files = fs::read_dir(folder).expect("the folder").flatten();
    for file in files.filter(|file| file.file_name().to_string_lossy().starts_with("kept")) {
        let lines = fs::read_to_string(file.path()).expect("a file of kept spans");
        // The last line may not be written whole.
        let messages = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let scopes = messages
            .flat_map(|message| list(&message, "resourceSpans"))
            .flat_map(|resource| list(&resource, "scopeSpans"));
        for scope in scopes {
            let attributes = list(&scope["scope"], "attributes");
            let is_policy = |one: &&Value| one["key"] == "tailsampling.policy";
            let policy = attributes.iter().find(is_policy);
            let policy = policy.map_or(String::new(), |one| text(&one["value"]["stringValue"]));
            for span in list(&scope, "spans") {
                let trace = found.entry(text(&span["traceId"])).or_default();
                let policies = trace.entry(text(&span["spanId"])).or_default();
                policies.insert(policy.clone());
            }
        }
    }
    found
}

/// What the metrics say of policies that all keep everything, `before` a reload and `after` it.
fn is_told(gateway: &Gateway, folder: &Path) {
    let output = gateway.output();
    let hash = output.split("policies=1 hash=").nth(1).and_then(|rest| rest.get(..16));
    let label = format!("hash=\"{}\"", hash.expect("a hash"));
    let info = "wholetrace_sampler_policies_info";
    assert_eq!((gateway.metric(info), gateway.metric_with(info, &label)), (1.0, 1.0));
    wait_until("each kept span is counted once", || {
        let arrived = oracle::arrived(folder, "kept");
        let spans: usize = arrived.values().flat_map(HashMap::values).sum();
        gateway.metric("wholetrace_sampler_policy_kept_spans_total") == spans as f64
    });
    for policy in ["before", "after"] {
        let label = format!("policy=\"{policy}\"");
        let metric = |name: &str| gateway.metric_with(name, &label);
        let evaluations = metric("wholetrace_sampler_policy_evaluations_total");
        assert!(evaluations > 0.0);
        assert_eq!(metric("wholetrace_sampler_policy_sole_matches_total"), evaluations);
        assert_eq!(metric("wholetrace_sampler_policy_decisions_total"), evaluations);
        assert!(metric("wholetrace_sampler_policy_evaluation_nanoseconds_total") > 0.0);
    }
}

/// Scenario: under load, the file of the configuration gets other policies, with SIGHUP, while
/// thousands of traces are open.
///
/// Guarantees: no trace is lost or split (I1, I2); all spans of a trace are decided by the policies that
/// were there when it began: by the old ones all that were sent before the reload, by the new ones
/// all that were sent after it.
#[test]
fn traces_end_by_the_policies_that_they_began_with() {
    let mut gateway = Gateway::new(
        "tail_sampling:\n  decision_wait: 5s\n  record_policy: scope\n  policies: [{ name: before, type: always_sample }]\n\
         exporters: { file: { path: \"FOLDER/kept.jsonl\", flush_interval: 100ms } }\n",
    );
    gateway.start();
    let folder = gateway.folder.path().to_owned();
    let start = |name: &str, options: &[&str]| {
        let (record, log) = (folder.join(format!("{name}.record")), folder.join(name));
        let calm = ["--slow", "0", "--late", "0"];
        let options: Vec<&str> = options.iter().chain(&calm).copied().collect();
        (generate(gateway.grpc, &record, &log, &options), record, log)
    };
    let finish = |(child, record, log): (_, std::path::PathBuf, std::path::PathBuf)| {
        succeed(child, "the generator", &log);
        oracle::record(&record)
    };

    let across = start("across", &["--traces", "3000", "--rate", "300", "--seed", "2"]);
    let early = finish(start("early", &["--traces", "800", "--rate", "400", "--seed", "1"]));
    let config = folder.join("wholetrace.yaml");
    let text = fs::read_to_string(&config).expect("the configuration");
    fs::write(&config, text.replace("name: before", "name: after")).expect("it is written");
    gateway.signal("HUP");
    let reloaded = || gateway.output().contains("the policies are reloaded policies=1 hash=");
    wait_until("it has reloaded", reloaded);
    let open = gateway.metric("wholetrace_sampler_open_traces");
    assert!(open > 0.0, "no trace is open");
    // The partitions hear of it by and by: all have when one has decided by it.
    wait_until("the new policies decide", || {
        gateway.metric_with("wholetrace_sampler_policy_decisions_total", "policy=\"after\"") > 0.0
    });
    let late = finish(start("later", &["--traces", "300", "--rate", "300", "--seed", "3"]));
    let across = finish(across);

    let sent = || early.iter().chain(&across).chain(&late);
    wait_until("all spans are kept", || {
        let kept = kept_by(&folder);
        sent().all(|trace| {
            let spans = kept.get(&trace.trace_id);
            trace.acknowledged.iter().all(|id| spans.is_some_and(|spans| spans.contains_key(id)))
        })
    });
    let kept = kept_by(&folder);
    let policies = |trace: &Sent| -> BTreeSet<String> {
        kept[&trace.trace_id].values().flatten().cloned().collect()
    };
    let only = |policy: &str| BTreeSet::from([policy.to_owned()]);
    let mut met = BTreeSet::new();
    for trace in sent() {
        let policies = policies(trace);
        assert_eq!(policies.len(), 1, "{}: {policies:?}", trace.trace_id);
        met.extend(policies);
    }
    assert_eq!(met.len(), 2, "traces were sent before and after the reload");
    assert!(early.iter().all(|trace| policies(trace) == only("before")));
    assert!(late.iter().all(|trace| policies(trace) == only("after")));

    is_told(&gateway, &folder);
    assert!(gateway.stop().success(), "{}", gateway.output());
}
