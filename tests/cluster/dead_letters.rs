//! Dead letters in Kafka: looked at and sent again beside the running cluster.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use super::{
    fleet::Fleet,
    kafka::Kafka,
    mock::{Answer, Backend},
    oracle::{self, Arrived},
    process::{BACKEND_AWAY, BACKEND_REFUSES, dead_letters, succeed, wait_until},
    steady::fleet,
};

/// Scenario: a backend refuses some traces whenever one of them is in a request, two samplers export
/// to it; then it is mended, and the dead letters are replayed while the cluster runs.
///
/// Guarantees: those traces alone become dead letters (I7), and arrive once by the replay; what is
/// replayed is not listed any more, by whoever looks; the cluster notices nothing.
#[test]
fn dead_letters_are_replayed_beside_the_cluster() {
    let Some(kafka) = Kafka::shared() else { return };
    // Which traces are refused: some, and once it is known which of them were sent, those.
    let known: Arc<Mutex<Option<HashSet<String>>>> = Arc::default();
    let refused = Arc::clone(&known);
    let is_bad = |trace: &String| trace.ends_with(['0', '1']);
    let backend = Backend::start(0, move |asked| {
        let known = refused.lock().expect("no panic");
        let refuses = |trace: &String| match &*known {
            Some(bad) => bad.contains(trace),
            None => is_bad(trace),
        };
        if asked.traces.iter().any(refuses) {
            return Answer::grpc(3, "this trace is not liked");
        }
        Answer::Take
    });
    let all =
        "tail_sampling:\n  decision_wait: 2s\n  policies: [ { name: all, type: always_sample } ]\n";
    let mut fleet: Fleet = fleet(&kafka, 1, 0, all);
    fleet.expect(BACKEND_AWAY);
    fleet.expect(BACKEND_REFUSES);
    let exporter = format!(
        "exporters:\n  otlp: {{ endpoint: \"127.0.0.1:{}\", tls: {{ insecure: true }}, \
         retry_on_failure: {{ initial_interval: 100ms, max_interval: 500ms }} }}\n",
        backend.port
    );
    for _ in 0..2 {
        let number = fleet.add_sampler(&exporter);
        fleet.samplers[number].start();
    }
    let send = |options: &[&str]| {
        let few = ["--rate", "100", "--spans-per-trace", "3", "--late", "0", "--slow", "0"];
        let (generator, record) = fleet.generate(0, &[&few[..], options].concat());
        succeed(generator, "the generator", &fleet.generator_log(0));
        oracle::record(&record)
    };
    let sent = send(&["--traces", "120"]);
    let (bad, good): (HashSet<_>, HashSet<_>) =
        sent.iter().map(|trace| trace.trace_id.clone()).partition(is_bad);
    assert!(bad.len() > 2, "{bad:?}");
    *known.lock().expect("no panic") = Some(bad.clone());
    wait_until("the others are taken", || {
        let taken = backend.taken();
        good.iter().all(|id| taken.get(id).is_some_and(|spans| spans.len() == 3))
    });

    let config = fleet.folder.path().join("sampler-0.yaml");
    let run = |arguments: &[&str]| dead_letters(&config, arguments);
    let listed = || {
        let (code, said, errors) = run(&["list", "--format", "json"]);
        assert_eq!(code, Some(0), "{errors}");
        let rows = said.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        rows.collect::<Vec<serde_json::Value>>()
    };
    let spans = |rows: &[serde_json::Value]| {
        rows.iter().filter_map(|row| row["spans"].as_u64()).sum::<u64>()
    };
    // What is refused is only given up while others are delivered.
    wait_until("all that is refused is in the dead letters", || {
        send(&["--traces", "10", "--seed", "3"]);
        spans(&listed()) == 3 * bad.len() as u64
    });
    assert!(listed().iter().all(|row| row["exporter"] == "otlp"), "{:?}", listed());
    let of_the_bad =
        || -> Arrived { backend.taken().into_iter().filter(|(id, _)| bad.contains(id)).collect() };
    assert!(of_the_bad().is_empty());
    let file = fleet.folder.path().join("refused.jsonl");
    let (code, _, said) = run(&["export", "--output", &file.display().to_string()]);
    assert_eq!(code, Some(0), "{said}");
    let exported: HashSet<String> =
        oracle::arrived(fleet.folder.path(), "refused").into_keys().collect();
    assert_eq!(exported, bad);

    *known.lock().expect("no panic") = Some(HashSet::new());
    let (code, done, said) = run(&["replay"]);
    assert_eq!(code, Some(0), "{done}{said}");
    assert!(done.contains(&format!("with {} spans were delivered", 3 * bad.len())), "{done}");
    assert!(listed().is_empty(), "{:?}", listed());
    let taken = of_the_bad();
    assert!(taken.len() == bad.len() && taken.values().all(|spans| spans.len() == 3));
    assert!(taken.values().flat_map(|spans| spans.values()).all(|count| *count == 1), "{taken:?}");
    let (_, done, _) = run(&["replay"]);
    assert!(done.starts_with("0 dead letters"), "{done}");
    assert!(of_the_bad() == taken, "nothing is sent twice");
    for sampler in &mut fleet.samplers {
        assert!(sampler.stop().success(), "{}", sampler.output());
    }
}
