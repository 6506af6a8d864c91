//! The cluster without faults.

use std::time::{Duration, Instant};

use super::{
    fleet::{Fleet, Layout},
    kafka::Kafka,
    oracle::{self, Arrived, POLICIES, Sent, Verdict},
    process::succeed,
};

/// How long kept traces may take to arrive after the last span was acknowledged.
const SETTLE_WITHIN: Duration = Duration::from_secs(90);

/// Waits until everything has arrived, and gives the last verdict.
pub(crate) fn settle(sent: &[Sent], arrived: impl Fn() -> Arrived) -> Verdict {
    let begun = Instant::now();
    loop {
        let verdict = oracle::judge(sent, &arrived());
        if verdict.wrong.is_empty() || begun.elapsed() > SETTLE_WITHIN {
            return verdict;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Scenario: two gateways, three samplers, traces whose spans come over both gateways' connections;
/// then all stop in order.
///
/// Guarantees: everything that has to be kept arrives, whole and once, and nothing else (I1 to I4);
/// every sampler has partitions; all end with 0.
#[test]
fn everything_arrives_once() {
    let Some(kafka) = Kafka::shared() else { return };
    let rest = format!("tail_sampling:\n  decision_wait: 4s\n{POLICIES}");
    let mut fleet = Fleet::new(&Layout { rest: &rest, ..Layout::of(&kafka.brokers) });
    fleet.create_topics();
    fleet.start(2, 3);
    let options = |seed| {
        let options = ["--traces", "2000", "--rate", "500", "--slow", "0", "--late-by", "6s"];
        [&options[..], &["--seed", seed]].concat()
    };
    let (first, first_record) = fleet.generate(0, &options("21"));
    let (second, second_record) = fleet.generate(1, &options("22"));
    succeed(first, "the first generator", &fleet.generator_log(0));
    succeed(second, "the second generator", &fleet.generator_log(1));
    let mut sent = oracle::record(&first_record);
    sent.extend(oracle::record(&second_record));
    assert_eq!(sent.len(), 4_000);

    let folder = fleet.folder.path().to_owned();
    let verdict = settle(&sent, || oracle::arrived(&folder, "kept"));
    assert!(verdict.wrong.is_empty(), "{:#?}", &verdict.wrong[..verdict.wrong.len().min(20)]);
    assert_eq!(verdict.replayed, 0, "without faults nothing comes twice");
    for sampler in &fleet.samplers {
        assert!(sampler.metric("wholetrace_sampler_partitions") >= 1.0, "{}", sampler.output());
    }
    for gateway in &mut fleet.gateways {
        assert!(gateway.process.stop().success(), "{}", gateway.process.output());
    }
    for sampler in &mut fleet.samplers {
        assert!(sampler.stop().success(), "{}", sampler.output());
    }
    let verdict = oracle::judge(&sent, &oracle::arrived(&folder, "kept"));
    assert_eq!((verdict.wrong.len(), verdict.replayed), (0, 0), "a stop in order repeats nothing");
}
