//! The backend away, memory small, the log read again.

use super::{
    crash::settle,
    gateway_process::{Gateway, succeed, wait_until},
    jaeger::Jaeger,
    oracle::{self, POLICIES},
    parts::stands,
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
    let verdict = settle(&sent, || oracle::arrived(&folder, "kept"));
    assert!(verdict.wrong.is_empty(), "{:#?}", &verdict.wrong[..verdict.wrong.len().min(20)]);
    assert_eq!(verdict.replayed, 0, "without faults nothing comes twice");
    let read = gateway.metric("wholetrace_sampler_refetched_bytes_total");
    assert!(read > 0.0, "nothing was read again");
    assert!(gateway.stop().success());
}
