//! More is sent than the brokers take.

use std::{fs, process::Stdio, time::Duration};

use super::{
    fleet::{Fleet, Layout},
    kafka::{AWAY, Kafka},
    load::Scale,
    oracle,
    process::{wait_until, wholetrace},
    steady::{WATCHFUL, sampling},
};

/// Bytes a second that each of the three brokers takes from a client.
const QUOTA: u32 = 83_000;

/// Traces a second that this is: 13 spans each, and about 145 bytes a span as Kafka stores them. Of
/// eight partitions, one broker has but two, and the two others decide.
const TAKEN: f64 = 116.0;

/// How long it goes on; longer by `WHOLETRACE_SCALE`.
const SECONDS: u64 = 30;

/// What a generator that does not wait for answers says in the end, and what it has noted.
fn overload(fleet: &Fleet, scale: Scale, times: f64) -> (String, u64) {
    let record = fleet.folder.path().join(format!("overload-{times}.record"));
    let endpoint = format!("http://127.0.0.1:{}", fleet.gateways[0].grpc);
    let output = wholetrace()
        .args(["generate", "--open-loop", "--batch", "20", "--late", "0", "--slow", "0"])
        .args(["--endpoint", &endpoint, "--give-up-after", "5s"])
        .args(["--rate", &(TAKEN * times).to_string()])
        .args(["--duration", &format!("{}s", SECONDS * scale.times)])
        .args(["--seed", &(scale.seed + times as u64).to_string(), "--record"])
        .arg(&record)
        .stderr(Stdio::null())
        .output()
        .expect("the generator starts");
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let acknowledged = oracle::record(&record);
    let acknowledged = acknowledged.iter().map(|trace| trace.acknowledged.len() as u64).sum();
    let _ = fs::remove_file(record);
    (said, acknowledged)
}

/// The most memory that a process has had, in MiB.
fn peak_mib(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1_024
}

/// Scenario: each broker has a producer quota, and senders that do not wait for each other send one
/// and a half times, then three times what that allows, in requests of 20 spans. Brokers with a
/// quota take much at a time, and then nothing for a while.
///
/// Guarantees: of what is written, nine tenths are acknowledged, at both rates: what the brokers
/// will not take in time is refused before it is written (I6, I7); what was acknowledged is in the
/// log (I1).
#[test]
fn what_a_quota_allows_is_acknowledged() {
    let Some(kafka) = Kafka::start_alone(&[]) else { return };
    let scale = Scale::of_this_run();
    let rest = sampling("5s");
    let layout = Layout { kafka: WATCHFUL, rest: &rest, ..Layout::of(&kafka.brokers) };
    let mut fleet = Fleet::new(&layout);
    fleet.create_topics();
    fleet.start(1, 1);
    fleet.expect(AWAY);
    fleet.expect(&[("refuse requests", "more is sent than the quota allows")]);
    let rate = format!("producer_byte_rate={QUOTA}");
    kafka.tool(
        "kafka.admin.ConfigCommand",
        &[
            "--bootstrap-server",
            &kafka.brokers,
            "--alter",
            "--entity-type",
            "clients",
            "--entity-default",
            "--add-config",
            &rate,
        ],
    );
    let read = || fleet.samplers[0].metric("wholetrace_sampler_read_spans_total") as u64;
    for times in [1.5, 3.0] {
        let before = read();
        let (said, acknowledged) = overload(&fleet, scale, times);
        let mut last = 0;
        wait_until("the sampler has read what was written", || {
            std::thread::sleep(Duration::from_secs(3));
            let now = read();
            std::mem::replace(&mut last, now) == now
        });
        let written = last - before;
        println!(
            "{times} times: {acknowledged} spans acknowledged of {written} written, {} MiB; {said}",
            peak_mib(fleet.gateways[0].process.id())
        );
        assert!(acknowledged <= written, "{acknowledged} of {written}");
        assert!(acknowledged * 10 >= written * 9, "{acknowledged} of {written} at {times} times");
        assert!(acknowledged > 20_000 * scale.times, "{acknowledged} spans are too few");
    }
}
