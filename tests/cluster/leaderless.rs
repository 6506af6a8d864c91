//! A partition without a leader.

use std::{
    fmt::Write as _,
    fs,
    time::{Duration, Instant},
};

use super::{
    fleet::{Fleet, Layout},
    kafka::{AWAY, Kafka},
    load::{Load, Scale},
    oracle::{self, Sent},
    process::wait_until,
    steady::{WATCHFUL, sampling},
};

const REASSIGN: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
const PARTITIONS: u32 = 128;
/// The one whose only broker dies.
const STUCK: u32 = 77;

/// Puts all partitions on the first two brokers, but for one of the spans.
fn place(kafka: &Kafka, fleet: &Fleet) {
    let mut list = Vec::new();
    for (topic, partitions) in [
        ("spans", PARTITIONS),
        ("decisions", PARTITIONS),
        ("dead-letters", PARTITIONS),
        ("ring", 1),
    ] {
        for partition in 0..partitions {
            let stuck = topic == "spans" && partition == STUCK;
            let broker = if stuck { 3 } else { 1 + partition % 2 };
            list.push(format!(
                "{{\"topic\":\"{}-{topic}\",\"partition\":{partition},\"replicas\":[{broker}]}}",
                fleet.name
            ));
        }
    }
    let plan = fleet.folder.path().join("placement.json");
    let text = format!("{{\"version\":1,\"partitions\":[{}]}}", list.join(","));
    fs::write(&plan, text).expect("the placement");
    let file = plan.display().to_string();
    kafka.tool(REASSIGN, &["--reassignment-json-file", &file, "--execute"]);
    wait_until("all partitions are where they belong", || {
        let said = kafka.tool(REASSIGN, &["--reassignment-json-file", &file, "--verify"]);
        !said.contains("still in progress") && said.contains("is complete")
    });
}

/// How long it is dead.
const OUTAGE: Duration = Duration::from_secs(60);

/// Scenario: of 128 partitions one has no leader, since the only broker that has it is dead, for a
/// minute. Many senders send small requests all the time, each to a few
/// partitions; some send large ones, each to all.
///
/// Guarantees: small requests go on, at more than 80 % of their rate, although some wait for the
/// stuck partition until they are refused; large ones are refused retryably, and taken when the
/// leader is back; traces of the other partitions are decided meanwhile; in the end all that was
/// acknowledged has arrived whole (I1, I2, I6, I7, I8).
#[test]
fn one_partition_without_a_leader_costs_its_own_spans_only() {
    let Some(kafka) = Kafka::start_alone(&["--fast-failover"]) else { return };
    let scale = Scale::of_this_run();
    let mut settings = String::from(WATCHFUL);
    let _ = settings.write_str("    replication_factor: 1\n    min_insync_replicas: 1\n");
    let rest = sampling("3s");
    let layout = Layout {
        kafka: &settings,
        rest: &rest,
        partitions: PARTITIONS,
        ..Layout::of(&kafka.brokers)
    };
    let mut fleet = Fleet::new(&layout);
    fleet.create_topics();
    place(&kafka, &fleet);
    fleet.start(2, 2);
    fleet.expect(AWAY);
    let folder = fleet.folder.path().to_owned();

    // One or two spans each, from more connections than the stuck partition can hold up.
    let small = [
        "--slow",
        "0",
        "--errors",
        "0",
        "--late",
        "0",
        "--spans-per-trace",
        "1,2",
        "--batch",
        "2",
        "--connections",
        "48",
        "--give-up-after",
        "1s",
    ];
    let load = Load::named("small", &fleet, scale, (0, 250), &small);
    // What is slow at the beginning is not the rate.
    wait_until("spans are taken and decided", || {
        acknowledged_per_second(&fleet, Duration::from_secs(2)) > 200.0
            && !oracle::arrived(&folder, "kept").is_empty()
    });
    let usual = acknowledged_per_second(&fleet, Duration::from_secs(10));

    kafka.node("kill", "3");
    let decided = || oracle::arrived(&folder, "kept").len();
    let before = decided();
    let large =
        ["--slow", "0", "--errors", "0", "--late", "0", "--batch", "4000", "--services", "1"];
    let big = Load::named("large", &fleet, scale, (1_000, 1_000), &large);
    let meanwhile = acknowledged_per_second(&fleet, OUTAGE);
    println!("{usual:.0} spans/s, {meanwhile:.0} without the leader");
    assert!(meanwhile >= usual * 0.8, "{meanwhile:.0} spans/s, {usual:.0} before");
    wait_until("traces are decided without the leader", || decided() > before + 20);
    let refused = |gateway: &super::fleet::Gateway| {
        gateway.process.metric("wholetrace_gateway_requests_refused_total")
    };
    let refused: f64 = fleet.gateways.iter().map(refused).sum();
    assert!(refused >= 1.0, "nobody was refused without the leader");

    kafka.node("restart", "3");
    let mut sent = big.finish();
    assert!(sent.iter().any(|trace| !trace.repeated.is_empty()), "no large request was refused");
    std::thread::sleep(Duration::from_secs(3));
    let afterwards = acknowledged_per_second(&fleet, Duration::from_secs(5));
    assert!(afterwards >= usual * 0.8, "{afterwards:.0} spans/s afterwards, {usual:.0} before");
    sent.extend(load.stop());
    let given_up = |trace: &&Sent| trace.acknowledged.len() < trace.planned;
    let given_up = sent.iter().filter(given_up).count();
    println!(
        "{given_up} of {} traces were given up in part, {refused} requests refused",
        sent.len()
    );
    oracle::must_arrive(&sent, &folder);
}

/// Spans acknowledged per second by all gateways, over so long a time.
fn acknowledged_per_second(fleet: &Fleet, time: Duration) -> f64 {
    let all = || -> f64 {
        let spans =
            fleet.gateways.iter().map(|it| it.process.metric("wholetrace_gateway_spans_total"));
        spans.sum()
    };
    let (begun, before) = (Instant::now(), all());
    std::thread::sleep(time);
    (all() - before) / begun.elapsed().as_secs_f64()
}
