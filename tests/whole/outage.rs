//! The backend away, memory small, the log read again.

use std::{process::Command, time::Duration};

use super::{
    gateway_process::Gateway,
    jaeger::Jaeger,
    oracle::{self, POLICIES},
    parts::stands,
    process::{BACKEND_AWAY, succeed, wait_until},
};

/// Scenario: Jaeger is away while far more spans come than the window cache holds, then it starts.
///
/// Guarantees: senders notice nothing; memory stays bounded; Jaeger then gets every trace that had
/// to be kept, whole (I1, I2, I6, I8).
#[test]
fn a_backend_that_was_away_gets_everything() {
    if !stands("jaeger") {
        return;
    }
    let mut jaeger = Jaeger::new();
    let mut gateway = Gateway::new(&format!(
        "tail_sampling:\n  decision_wait: 10s\n{POLICIES}exporters:\n  otlp/jaeger: {{ endpoint: \"127.0.0.1:{}\", tls: {{ insecure: true }} }}\n\
         memory: {{ window_cache: 1MiB }}\n",
        jaeger.otlp_grpc
    ));
    gateway.expect(BACKEND_AWAY);
    gateway.start();
    let (generator, record) =
        gateway.generate(&["--traces", "6000", "--rate", "1000", "--seed", "5", "--late", "0"]);
    succeed(generator, "the generator", &gateway.folder.path().join("generate.log"));
    let sent = oracle::record(&record);
    assert!(
        sent.iter().all(|trace| trace.acknowledged.len() == trace.planned),
        "the senders noticed the outage"
    );
    let rss = gateway.rss();
    assert!(rss < 1 << 30, "{rss} bytes resident while the backend was away");

    jaeger.start();
    for trace in sent.iter().filter(|trace| trace.must_be_kept()) {
        wait_until("Jaeger has a kept trace whole after the outage", || {
            jaeger.trace(&trace.trace_id).len() == trace.acknowledged.len()
        });
    }
    let plain = sent.iter().filter(|trace| !trace.must_be_kept()).take(500);
    for trace in plain {
        assert!(jaeger.trace(&trace.trace_id).is_empty(), "{} was not to be kept", trace.trace_id);
    }
    assert!(gateway.stop().success());
}

/// Scenario: of two exporters one has no backend; the process is restarted meanwhile; then the
/// backend starts.
///
/// Guarantees: the other exporter gets every trace that had to be kept while the first has none, and
/// none of them twice, also not after the restart (I1, I2, I4); the first gets them all when its
/// backend is there (I8).
#[test]
fn an_exporter_that_is_away_stops_no_other() {
    if !stands("jaeger") {
        return;
    }
    let mut jaeger = Jaeger::new();
    let mut gateway = Gateway::new(&format!(
        "tail_sampling:\n  decision_wait: 1s\n{POLICIES}exporters:\n  file: {{ path: \"FOLDER/kept.jsonl\", flush_interval: 100ms }}\n  \
         otlp/jaeger: {{ endpoint: \"127.0.0.1:{}\", tls: {{ insecure: true }}, sending_queue: {{ queue_size: 1MiB }} }}\n",
        jaeger.otlp_grpc
    ));
    gateway.expect(BACKEND_AWAY);
    gateway.expect(&[("stop exporter before all is delivered", "it restarts with Jaeger away")]);
    gateway.start();
    // Long enough that what Jaeger does not take is many decision waits behind.
    let (generator, record) =
        gateway.generate(&["--traces", "5000", "--rate", "500", "--slow", "0", "--late", "0"]);
    succeed(generator, "the generator", &gateway.folder.path().join("generate.log"));
    let (sent, folder) = (oracle::record(&record), gateway.folder.path().to_owned());
    let in_the_file = || {
        let comparison = oracle::must_arrive(&sent, &folder);
        assert_eq!(comparison.replayed, 0, "the file got spans twice");
    };
    in_the_file();
    assert!(gateway.metric("wholetrace_sampler_exporters_behind") > 0.0, "Jaeger is not behind");

    assert!(gateway.stop().success());
    gateway.start();
    jaeger.start();
    for trace in sent.iter().filter(|trace| trace.must_be_kept()) {
        wait_until("Jaeger has a kept trace whole after the outage", || {
            let spans = jaeger.trace(&trace.trace_id);
            trace.acknowledged.iter().all(|id| spans.contains_key(id))
        });
    }
    in_the_file();
    wait_until("the exporters are together again", || {
        gateway.metric("wholetrace_sampler_exporters_behind") == 0.0
    });
    assert!(gateway.stop().success());
}

/// Scenario: a window cache smaller than a frame, so that every frame is read again for its
/// release; no faults.
///
/// Guarantees: everything arrives, once (I1, I2, I4).
#[test]
fn every_frame_can_be_read_again() {
    let mut gateway = Gateway::new(&format!(
        "tail_sampling:\n  decision_wait: 10s\n{POLICIES}exporters:\n  file: {{ path: \"FOLDER/kept.jsonl\" }}\nmemory: {{ window_cache: 0 }}\n"
    ));
    gateway.start();
    let (generator, record) = gateway.generate(&[
        "--traces",
        "5000",
        "--rate",
        "1000",
        "--seed",
        "6",
        "--late",
        "0.1",
        "--late-by",
        "12s",
    ]);
    succeed(generator, "the generator", &gateway.folder.path().join("generate.log"));
    let sent = oracle::record(&record);
    let folder = gateway.folder.path().to_owned();
    let comparison = oracle::must_arrive(&sent, &folder);
    assert_eq!(comparison.replayed, 0, "without faults nothing comes twice");
    let read = gateway.metric("wholetrace_sampler_refetched_bytes_total");
    assert!(read > 0.0, "nothing was read again");
    assert!(gateway.stop().success());
}

/// Scenario: Jaeger is away until the log has reached its quota, and spans keep coming.
///
/// Guarantees: memory stays under its limit all the time (I6); senders are refused with an answer
/// that is counted (I7), by a process that stays ready to do so and says why; once Jaeger is there
/// everything that was acknowledged arrives (I1), and new spans are taken again without a restart.
#[test]
fn a_full_log_refuses_and_recovers() {
    const LIMIT: u64 = 640 << 20;
    if !stands("jaeger") {
        return;
    }
    let mut jaeger = Jaeger::new();
    let mut gateway = Gateway::with_log(
        "quota: 256MiB, tail_cache: 16MiB, max_waiting: 16MiB",
        &format!(
            "limits: {{ in_flight: 64MiB }}\nmemory: {{ limit: 640MiB, window_cache: 16MiB, open_traces: 300000 }}\n\
             tail_sampling:\n  decision_wait: 1s\n  decision_cache: {{ max_entries: 200000 }}\n{POLICIES}\
             exporters:\n  otlp/jaeger: {{ endpoint: \"127.0.0.1:{}\", tls: {{ insecure: true }}, sending_queue: {{ queue_size: 16MiB }} }}\n",
            jaeger.otlp_grpc
        ),
    );
    gateway.expect(BACKEND_AWAY);
    gateway.expect(&[
        ("the log has reached its quota", "that is what the scenario is about"),
        ("it takes no spans", "the process says what its log says"),
    ]);
    gateway.start();
    let (mut generator, record) = gateway.generate(&[
        "--rate",
        "0",
        "--slow",
        "0",
        "--late",
        "0",
        "--give-up-after",
        "3s",
        "--traces",
        "0",
    ]);
    let mut highest = 0;
    let refused = "wholetrace_gateway_requests_refused_total";
    wait_until("the log is full", || {
        highest = highest.max(gateway.rss());
        gateway.metric(refused) > 0.0
    });
    wait_until("ready, and the log said to be full", || {
        let checks = gateway.checks().expect("a process that refuses retryably is ready");
        checks.contains("[-]log failed: it takes no spans: quota")
    });
    assert!(gateway.metric_with("wholetrace_process_check_passes", "log") < 1.0);
    // Ctrl-C: it writes down what was acknowledged until then.
    let stopped = Command::new("kill").args(["-INT", &generator.id().to_string()]).status();
    assert!(stopped.expect("kill").success());
    while generator.try_wait().expect("its status").is_none() {
        highest = highest.max(gateway.rss());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(highest < LIMIT, "{highest} bytes resident, {LIMIT} are allowed");

    jaeger.start();
    // Senders were held up longer than a decision waits: what a trace says comes too late, its id not.
    let sent = oracle::record(&record);
    let whole: Vec<_> = sent
        .iter()
        .filter(|trace| trace.acknowledged.len() == trace.planned && trace.is_among_the_tenth())
        .collect();
    assert!(whole.len() > 100, "only {} kept traces were acknowledged whole", whole.len());
    for trace in whole {
        wait_until("Jaeger has a kept trace whole after the log was full", || {
            let spans = jaeger.trace(&trace.trace_id);
            trace.acknowledged.iter().all(|id| spans.contains_key(id))
        });
    }
    let (generator, _) =
        gateway.generate(&["--rate", "100", "--traces", "50", "--slow", "0", "--late", "0"]);
    succeed(
        generator,
        "the generator, once there is room",
        &gateway.folder.path().join("generate.log"),
    );
    assert!(gateway.checks().expect("ready").contains("[+]log ok"));
    assert!(gateway.stop().success());
}
