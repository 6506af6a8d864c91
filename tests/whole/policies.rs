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

/// What a span is told of its decision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    policy: String,
    /// The policy within that, which is a composite one.
    sub_policy: String,
    /// Both in one text.
    reason: String,
    /// Whether the reason says that it came late.
    late: bool,
}

/// What each span in the files of `folder` was told, itself and in its scope, by trace and span.
fn told(folder: &Path) -> HashMap<String, BTreeMap<String, BTreeSet<Told>>> {
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let named = |attributes: &[Value], key: &str| {
        let attribute = attributes.iter().find(|one| one["key"] == key);
        attribute.map_or(String::new(), |one| text(&one["value"]["stringValue"]))
    };
    let mut found: HashMap<String, BTreeMap<String, BTreeSet<Told>>> = HashMap::new();
    let files = fs::read_dir(folder).expect("the folder").flatten();
    for file in files.filter(|file| file.file_name().to_string_lossy().starts_with("kept")) {
        let lines = fs::read_to_string(file.path()).expect("a file of kept spans");
        // The last line may not be written whole.
        let messages = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let scopes = messages
            .flat_map(|message| list(&message, "resourceSpans"))
            .flat_map(|resource| list(&resource, "scopeSpans"));
        for scope in scopes {
            let of_scope = list(&scope["scope"], "attributes");
            for span in list(&scope, "spans") {
                let reason = named(&list(&span, "attributes"), "meta.refinery.reason");
                let on_time = reason.strip_suffix(" - late arriving span");
                let told = Told {
                    policy: named(&of_scope, "tailsampling.policy"),
                    sub_policy: named(&of_scope, "tailsampling.composite_policy"),
                    late: on_time.is_some(),
                    reason: on_time.unwrap_or(&reason).to_owned(),
                };
                let trace = found.entry(text(&span["traceId"])).or_default();
                trace.entry(text(&span["spanId"])).or_default().insert(told);
            }
        }
    }
    found
}

/// The policy by which all spans of a trace were kept, as each of them is told.
fn policy(sent: &Sent, spans: &BTreeMap<String, BTreeSet<Told>>) -> String {
    let told: Vec<&Told> = spans.values().flatten().collect();
    let policies: BTreeSet<&str> = told.iter().map(|told| told.policy.as_str()).collect();
    let policy = policies.first().copied().unwrap_or_default();
    assert_eq!(policies.len(), 1, "{}: {policies:?}", sent.trace_id);
    let sub_policy = if sent.error { "errors" } else { "rest" };
    for told in &told {
        assert_eq!(told.sub_policy, sub_policy, "{}: {told:?}", sent.trace_id);
        assert_eq!(told.reason, format!("rules/trace/{policy}:{sub_policy}"), "{told:?}");
    }
    // The first span of a trace is never late.
    assert!(told.iter().any(|told| !told.late), "{}: {told:?}", sent.trace_id);
    if sent.late {
        assert!(told.iter().any(|told| told.late), "{}: {told:?}", sent.trace_id);
    }
    policy.to_owned()
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
/// all that were sent after it. Each span is told the policy, the one within it and the reason, also
/// where it comes after the decision, and after the reload.
#[test]
fn traces_end_by_the_policies_that_they_began_with() {
    let mut gateway = Gateway::new(
        "tail_sampling:\n  decision_wait: 5s\n  record_policy: scope\n  record_reason: meta.refinery.reason\n  \
         policies:\n    - name: before\n      type: composite\n      composite:\n        \
         max_total_spans_per_second: 1000000\n        composite_sub_policy:\n          \
         - { name: errors, type: status_code, status_code: { status_codes: [ERROR] } }\n          \
         - { name: rest, type: always_sample }\n\
         exporters: { file: { path: \"FOLDER/kept.jsonl\", flush_interval: 100ms } }\n",
    );
    gateway.start();
    let folder = gateway.folder.path().to_owned();
    let start = |name: &str, options: &[&str]| {
        let (record, log) = (folder.join(format!("{name}.record")), folder.join(name));
        let options: Vec<&str> = options.iter().chain(&["--slow", "0"]).copied().collect();
        (generate(gateway.grpc, &record, &log, &options), record, log)
    };
    let finish = |(child, record, log): (_, std::path::PathBuf, std::path::PathBuf)| {
        succeed(child, "the generator", &log);
        oracle::record(&record)
    };

    let calm = ["--late", "0"];
    let late = ["--late", "1", "--late-by", "9s", "--seed", "4"];
    let lagging = start("lagging", &[&["--traces", "100", "--rate", "100"], &late[..]].concat());
    let across = ["--traces", "3000", "--rate", "300", "--seed", "2"];
    let across = start("across", &[&across, &calm[..]].concat());
    let early = ["--traces", "800", "--rate", "400", "--seed", "1"];
    let early = finish(start("early", &[&early, &calm[..]].concat()));
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
    let later = ["--traces", "300", "--rate", "300", "--seed", "3"];
    let later = finish(start("later", &[&later, &calm[..]].concat()));
    let (across, lagging) = (finish(across), finish(lagging));

    let sent = || early.iter().chain(&across).chain(&later).chain(&lagging);
    wait_until("all spans are kept", || {
        let kept = told(&folder);
        sent().all(|trace| {
            let spans = kept.get(&trace.trace_id);
            trace.acknowledged.iter().all(|id| spans.is_some_and(|spans| spans.contains_key(id)))
        })
    });
    let kept = told(&folder);
    let policy = |trace: &Sent| policy(trace, &kept[&trace.trace_id]);
    let met: BTreeSet<String> = sent().map(policy).collect();
    assert_eq!(met.len(), 2, "traces were sent before and after the reload");
    assert!(early.iter().all(|trace| policy(trace) == "before"));
    assert!(later.iter().all(|trace| policy(trace) == "after"));
    assert!(lagging.iter().any(|trace| trace.late && policy(trace) == "before"));

    is_told(&gateway, &folder);
    assert!(gateway.stop().success(), "{}", gateway.output());
}
