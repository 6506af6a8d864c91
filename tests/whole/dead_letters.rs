//! What a backend has refused for good: listed, exported and replayed.

use std::{
    collections::HashSet,
    fs,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    gateway_process::Gateway,
    mock::{Answer, Backend},
    oracle::{self, Arrived, Sent},
    process::{BACKEND_AWAY, BACKEND_REFUSES, dead_letters, succeed, wait_until, wholetrace},
};

/// Whether every span of `before` has arrived once more.
fn arrived_once_more(before: &Arrived, after: &Arrived) -> bool {
    let mut traces = before.iter();
    traces.all(|(id, spans)| spans.iter().all(|(span, count)| after[id][span] == count + 1))
}

/// Scenario: a backend refuses some traces whenever one of them is in a request, and takes all others;
/// then it is mended, and one replay is killed before the backend has answered.
///
/// Guarantees: those traces alone become dead letters (I7), which the log says without a line for each;
/// they are listed with their reason and exported as OTLP that can be read; replayed they stay as long as
/// they are refused, and arrive once when the backend takes them; they are none any more then.
#[test]
fn what_was_refused_is_listed_exported_and_replayed() {
    let bad: Arc<Mutex<HashSet<String>>> = Arc::default();
    let refused = Arc::clone(&bad);
    let silent = Arc::new(AtomicBool::new(false));
    let says_nothing = Arc::clone(&silent);
    let backend = Backend::start(0, move |asked| {
        if says_nothing.load(Ordering::Relaxed) {
            return Answer::TakeAnd(Box::new(Answer::Silence));
        }
        if !refused.lock().expect("no panic").is_disjoint(&asked.traces) {
            return Answer::http(400, "text/plain", "this trace is not liked");
        }
        Answer::Take
    });
    let mut gateway = Gateway::new(&format!(
        "tail_sampling:\n  decision_wait: 1s\n  policies: [ {{ name: all, type: always_sample }} ]\n\
         exporters:\n  otlphttp: {{ endpoint: \"http://127.0.0.1:{}\", \
         retry_on_failure: {{ initial_interval: 100ms, max_interval: 500ms }} }}\n",
        backend.port
    ));
    gateway.expect(BACKEND_AWAY);
    gateway.expect(BACKEND_REFUSES);
    let folder = gateway.folder.path().to_owned();
    let config = folder.join("wholetrace.yaml");
    let run = |arguments: &[&str]| dead_letters(&config, arguments);

    let (code, _, said) = run(&["list"]);
    assert!(code == Some(1) && said.contains("there is no log in"), "{said}");
    gateway.start();
    let send = |options: &[&str]| -> Vec<Sent> {
        let few = ["--rate", "200", "--slow", "0", "--late", "0", "--spans-per-trace", "3"];
        let (generator, record) = gateway.generate(&[&few[..], options].concat());
        succeed(generator, "the generator", &folder.join("generate.log"));
        oracle::record(&record)
    };
    let first = send(&["--traces", "20", "--seed", "1"]);
    let all = |sent: &[Sent]| -> HashSet<String> {
        sent.iter().map(|trace| trace.trace_id.clone()).collect()
    };
    let has = |arrived: &Arrived, wanted: &HashSet<String>| {
        wanted.iter().all(|id| arrived.get(id).is_some_and(|spans| spans.len() == 3))
    };
    wait_until("all is taken", || has(&backend.taken(), &all(&first)));

    // The traces of a seed are planned beforehand.
    let planned = send(&["--traces", "20", "--seed", "2"]);
    wait_until("all is taken", || has(&backend.taken(), &all(&planned)));
    let victims: HashSet<String> =
        planned.iter().step_by(2).map(|trace| trace.trace_id.clone()).collect();
    *bad.lock().expect("no panic") = victims.clone();
    let of_victims = || -> Arrived {
        backend.taken().into_iter().filter(|(id, _)| victims.contains(id)).collect()
    };
    let before = of_victims();
    let again = send(&["--traces", "20", "--seed", "2"]);
    assert_eq!(all(&again), all(&planned));
    let counter = "wholetrace_sampler_dead_letters_total";
    // What is refused is only given up while others are delivered.
    wait_until("the traces are in the dead letters", || {
        send(&["--traces", "5", "--seed", "3"]);
        gateway.metric_with("wholetrace_exporter_refused_spans_total", "") == 30.0
            && gateway.metric_with(counter, "refused") > 0.0
    });
    let twice = |id: &String| backend.taken()[id].values().all(|count| *count >= 2);
    wait_until("the others are taken", || {
        all(&again).iter().filter(|id| !victims.contains(*id)).all(twice)
    });
    assert_eq!(of_victims(), before);

    let (code, _, said) = run(&["list"]);
    let holder = format!("in use by process {}", gateway.id());
    assert!(code == Some(1) && said.contains(&holder) && said.contains("stop"), "{said}");
    assert!(gateway.stop().success());

    let output = gateway.output();
    let lines = output.lines().filter(|line| line.contains("put kept spans to the dead letters"));
    let lines = lines.count();

    let (code, table, said) = run(&["list"]);
    assert_eq!(code, Some(0), "{said}");
    for expected in ["POSITION", "otlphttp", "this trace is not liked", "spans 30"] {
        assert!(table.contains(expected), "{expected}: {table}");
    }
    let (_, json, _) = run(&["list", "--format", "json"]);
    let rows: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let sum = |key: &str| rows.iter().filter_map(|row| row[key].as_u64()).sum::<u64>();
    assert_eq!((sum("spans"), rows[0]["exporter"].as_str()), (30, Some("otlphttp")), "{json}");
    assert!(
        (1..rows.len()).contains(&lines),
        "{lines} lines for {} dead letters: {output}",
        rows.len()
    );
    for nothing in
        [["--exporter", "otlp/other"], ["--since", "0s"], ["--since", "2999-01-01T00:00:00Z"]]
    {
        let (code, table, _) = run(&["list", nothing[0], nothing[1]]);
        assert_eq!((code, table.trim()), (Some(0), "no dead letters"), "{nothing:?}");
    }

    let file = folder.join("refused.jsonl");
    let output = file.display().to_string();
    let (code, _, said) = run(&["export", "--output", &output, "--since", "1h"]);
    assert_eq!(code, Some(0), "{said}");
    let exported = oracle::arrived(&folder, "refused");
    assert_eq!(exported.len(), 10);
    assert!(has(&exported, &victims), "{exported:?}");
    let (code, _, said) = run(&["export", "--output", &output]);
    assert!(code == Some(1) && said.contains("refused.jsonl"), "nothing is written over: {said}");
    assert!(!fs::read(&file).expect("the export").is_empty());

    let (code, done, said) = run(&["replay", "--dry-run"]);
    assert!(code == Some(0) && done.contains("with 30 spans would be sent"), "{done}{said}");
    let (code, _, said) = run(&["replay", "--give-up-after", "2s"]);
    assert!(code == Some(1) && said.contains("stay"), "{said}");
    assert!(said.contains("this trace is not liked"), "{said}");
    assert!(run(&["list"]).1.contains("spans 30"));
    let (code, _, said) = run(&["replay", "--exporter", "otlp/other"]);
    assert!(code == Some(1) && said.contains("no exporter `otlp/other`"), "{said}");

    // A replay that is killed behind the delivery and before its mark has not been.
    bad.lock().expect("no panic").clear();
    silent.store(true, Ordering::Relaxed);
    let mut replay = wholetrace();
    let replay = replay.args(["dead-letters", "replay", "--config"]).arg(&config);
    let mut replay = replay.stdout(Stdio::null()).spawn().expect("the executable starts");
    wait_until("all is delivered", || arrived_once_more(&before, &of_victims()));
    replay.kill().expect("SIGKILL");
    replay.wait().expect("it ended");
    silent.store(false, Ordering::Relaxed);
    assert!(run(&["list"]).1.contains("spans 30"));
    let before = of_victims();

    let (code, done, said) = run(&["replay", "--exporter", "otlphttp"]);
    assert!(code == Some(0) && done.contains("with 30 spans were delivered"), "{done}{said}");
    assert!(arrived_once_more(&before, &of_victims()), "{before:?} {:?}", of_victims());
    let (code, table, _) = run(&["list"]);
    assert_eq!((code, table.trim()), (Some(0), "no dead letters"));
    let (code, done, _) = run(&["replay"]);
    assert!(code == Some(0) && done.contains("0 dead letters"), "{done}");

    gateway.start();
    assert!(gateway.stop().success());
}
