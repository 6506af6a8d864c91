//! Whole and lossless through crashes: the process is killed again and again under load.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use super::{
    gateway_process::Gateway,
    jaeger::Jaeger,
    oracle::{self, POLICIES},
    parts::stands,
    process::{succeed, wait_until},
};

/// How often the process is killed.
const KILLS: u64 = 12;
/// Longest pause between a start and the next kill.
const LONGEST_LIFE_MILLIS: u64 = 2_500;
const TRACES: &str = "20000";

/// Scenario: more than 200,000 spans of 20,000 traces, over several connections, out of order,
/// with late spans, while the process is killed at random moments and started again.
///
/// No trace is slow: while the process is down, senders repeat their requests, and a span must not come
/// so much later than its trace's first that it misses the decision.
///
/// Guarantees: every acknowledged span of every trace that the policies must keep arrives (I1, I2),
/// nothing of the others does (I3), at a file and at a real Jaeger; spans are repeated by crashes
/// only, each time at most what was exported since the last commit (I4).
#[test]
fn nothing_acknowledged_is_lost_through_kills() {
    if !stands("jaeger") {
        return;
    }
    let mut jaeger = Jaeger::new();
    jaeger.start();
    let mut gateway = Gateway::new(&format!(
        "tail_sampling:\n  decision_wait: 10s\n{POLICIES}exporters:\n  otlp/jaeger: {{ endpoint: \"127.0.0.1:{}\", tls: {{ insecure: true }} }}\n  \
         file: {{ path: \"FOLDER/kept.jsonl\", rotation: {{ max_megabytes: 20 }} }}\n",
        jaeger.otlp_grpc
    ));
    gateway.expect(&[("cut an unfinished line", "a kill in the midst of a write leaves one")]);
    gateway.start();
    let (generator, record) = gateway.generate(&[
        "--traces",
        TRACES,
        "--rate",
        "700",
        "--slow",
        "0",
        "--late",
        "0.05",
        "--late-by",
        "15s",
        "--connections",
        "2",
        "--seed",
        "11",
    ]);
    let seed = fastrand::u64(..);
    println!("moments of the kills by seed {seed}");
    let mut moments = fastrand::Rng::with_seed(seed);
    for _ in 0..KILLS {
        std::thread::sleep(Duration::from_millis(moments.u64(50..LONGEST_LIFE_MILLIS)));
        gateway.kill();
        gateway.start();
    }
    succeed(generator, "the generator", &gateway.folder.path().join("generate.log"));
    let sent = oracle::record(&record);
    assert_eq!(sent.len(), 20_000);
    assert!(
        sent.iter().all(|trace| trace.acknowledged.len() == trace.planned),
        "the generator gave spans up"
    );

    let folder = gateway.folder.path().to_owned();
    let comparison = oracle::must_arrive(&sent, &folder);
    assert!(comparison.spans >= 200_000, "only {} spans were sent", comparison.spans);
    println!(
        "{} spans, {} traces kept, {} spans repeated by {KILLS} kills",
        comparison.spans, comparison.kept, comparison.replayed
    );
    let lives = KILLS as usize;
    let exported_per_second = comparison.spans * comparison.kept / sent.len() / 25;
    assert!(
        comparison.replayed <= lives * exported_per_second * 4,
        "{} spans were repeated by {KILLS} kills at about {exported_per_second} kept spans a second",
        comparison.replayed
    );

    for trace in sent.iter().filter(|trace| trace.must_be_kept()) {
        wait_until("Jaeger has a kept trace whole", || {
            let spans = jaeger.trace(&trace.trace_id);
            trace.acknowledged.iter().all(|id| spans.contains_key(id))
        });
    }
    assert!(gateway.stop().success());
}

/// Kills of [`every_folder_opens`], unless `WHOLETRACE_KILLS` says another number.
const MANY_KILLS: u64 = 40;

/// Scenario: the process is killed again and again under load, most often soon after its start, with
/// a log so small that parts of it are removed and used again all the time.
///
/// Guarantees: every start finds a folder that opens; every acknowledged span of every trace that must
/// be kept arrives (I1, I2), nothing of the others does (I3); what is repeated was exported since the
/// last commit (I4).
#[test]
fn every_folder_opens() {
    let kills = kills();
    let mut gateway = Gateway::with_log(
        "quota: 256MiB",
        &format!(
            "tail_sampling:\n  decision_wait: 1s\n{POLICIES}exporters:\n  file: {{ path: \"FOLDER/kept.jsonl\", flush_interval: 50ms }}\n"
        ),
    );
    gateway.expect(&[("cut an unfinished line", "a kill in the midst of a write leaves one")]);
    gateway.start();
    // What decides is in each span, its id: senders wait for longer than a decision while nobody listens.
    let options = [
        "--traces",
        "0",
        "--rate",
        "300",
        "--slow",
        "0",
        "--errors",
        "0",
        "--late",
        "0",
        "--connections",
        "2",
        "--give-up-after",
        "5m",
    ];
    let (mut generator, record) = gateway.generate(&options);
    let seed = fastrand::u64(..);
    println!("moments of {kills} kills by seed {seed}");
    let mut moments = fastrand::Rng::with_seed(seed);
    let begun = Instant::now();
    for kill in 0..kills {
        // Every tenth life is long enough that much is decided and removed.
        let longest = if kill % 10 == 9 { LONGEST_LIFE_MILLIS * 2 } else { 600 };
        std::thread::sleep(Duration::from_millis(moments.u64(0..longest)));
        gateway.kill();
        if moments.bool() {
            gateway.start();
        } else {
            // The next kill may come in the middle of the start.
            gateway.spawn();
        }
    }
    gateway.wait_ready();
    let lived = begun.elapsed().as_secs();
    let stopped = Command::new("kill").args(["-INT", &generator.id().to_string()]).status();
    assert!(stopped.expect("kill starts").success());
    assert!(generator.wait().expect("it ended").success(), "the generator gave spans up");
    let sent = oracle::record(&record);
    let folder = gateway.folder.path().to_owned();
    let comparison = oracle::must_arrive(&sent, &folder);
    println!(
        "{} spans, {} traces kept, {} spans repeated by {kills} kills in {lived} s",
        comparison.spans, comparison.kept, comparison.replayed
    );
    assert!(comparison.kept > 0, "nothing had to be kept");
    assert!(gateway.stop().success());
}

#[expect(clippy::disallowed_methods, reason = "an option of a test that is run by hand")]
fn kills() -> u64 {
    let said = std::env::var("WHOLETRACE_KILLS").ok();
    said.map_or(MANY_KILLS, |number| number.parse().expect("a number of kills"))
}
