//! No faults: steady state, partitions that are nearly silent, scaling and rolling restarts.

use std::time::{Duration, Instant};

use super::{
    explain,
    fleet::{Fleet, Layout},
    kafka::Kafka,
    load::{Load, RATE, Scale, must_be_whole},
    oracle::{self, POLICIES},
    process::wait_until,
};

/// `tail_sampling` of the scenarios.
pub(crate) fn sampling(decision_wait: &str) -> String {
    format!("tail_sampling:\n  decision_wait: {decision_wait}\n{POLICIES}")
}

/// Settings of groups that notice a crash soon.
pub(crate) const WATCHFUL: &str = "    session_timeout: 3s\n    heartbeat_interval: 500ms\n";

/// A fleet with topics, ready for spans: `gateways` and `samplers` of the usual kind.
pub(crate) fn fleet(kafka: &Kafka, gateways: usize, samplers: usize, rest: &str) -> Fleet {
    let layout = Layout { kafka: WATCHFUL, rest, ..Layout::of(&kafka.brokers) };
    let mut fleet = Fleet::new(&layout);
    fleet.create_topics();
    fleet.start(gateways, samplers);
    fleet
}

/// Scenario: two gateways, three samplers, spans out of order and late, no faults.
///
/// Guarantees: everything that must be kept arrives whole, and nothing twice (I1 to I4). Every process
/// explains what became of any trace, also while partitions change their owners.
#[test]
fn without_faults_nothing_arrives_twice() {
    let Some(kafka) = Kafka::shared() else { return };
    let scale = Scale::of_this_run();
    let mut fleet = fleet(&kafka, 2, 3, &sampling("12s"));
    // Faster than in life: the traces of ten minutes at 38 a second.
    let load = Load::start(
        &fleet,
        scale,
        2 * RATE,
        &["--slow", "0", "--late", "0.05", "--late-by", "20s"],
    );
    let sent = load.finish();
    let comparison = must_be_whole(&sent, fleet.folder.path());
    let arrived = oracle::arrived(fleet.folder.path(), "kept");
    let twice = arrived.values().flat_map(|spans| spans.values()).filter(|count| **count > 1);
    assert_eq!((comparison.replayed, twice.count()), (0, 0));
    for sampler in &fleet.samplers {
        assert!(sampler.metric("wholetrace_sampler_partitions") >= 1.0, "{}", sampler.output());
    }
    let sent = explain::at_every_process(&mut fleet, sent);
    for gateway in &mut fleet.gateways {
        assert!(gateway.process.stop().success(), "{}", gateway.process.output());
    }
    let comparison = oracle::judge(&sent, &oracle::arrived(fleet.folder.path(), "kept"));
    assert_eq!(
        (comparison.wrong.len(), comparison.replayed),
        (0, 0),
        "a stop in order repeats nothing"
    );
}

/// Scenario: so few traces that most partitions are silent after each.
///
/// Guarantee: a silent partition's owner brings the time into the log, and each trace is decided
/// (I8) within two decision waits, although no span comes after it.
#[test]
fn a_trace_in_a_silent_partition_is_decided() {
    let Some(kafka) = Kafka::shared() else { return };
    // Long enough that a busy machine does not decide about the second of them.
    let wait = Duration::from_secs(10);
    let fleet = fleet(&kafka, 1, 2, &sampling("10s"));
    let mut ticks = 0.0;
    for seed in ["1", "2"] {
        let options =
            ["--traces", "4", "--rate", "100", "--errors", "1", "--late", "0", "--seed", seed];
        let (mut generator, record) = fleet.generate(0, &options);
        assert!(generator.wait().expect("it ended").success());
        let sent = oracle::record(&record);
        let begun = Instant::now();
        wait_until("all traces are decided and exported", || {
            let arrived = oracle::arrived(fleet.folder.path(), "kept");
            sent.iter().all(|trace| {
                arrived.get(&trace.trace_id).is_some_and(|spans| spans.len() == trace.planned)
            })
        });
        let taken = begun.elapsed();
        println!("decided and exported {:.1} s after the last span", taken.as_secs_f64());
        assert!(taken < wait * 2, "decided {taken:?} after the last span, with a wait of {wait:?}");
        let all = fleet.samplers.iter().map(|it| it.metric("wholetrace_sampler_ticks_total"));
        let all: f64 = all.sum();
        assert!(all > ticks, "no tick was written: {all}");
        ticks = all;
    }
    // Nothing is undecided any more: nobody writes ticks.
    let written = || -> f64 {
        fleet.samplers.iter().map(|it| it.metric("wholetrace_sampler_ticks_total")).sum()
    };
    wait_until("ticks stop", || {
        let before = written();
        std::thread::sleep(Duration::from_secs(3));
        written() == before
    });
}

/// Scenario: one sampler, then three, then two, then every process of the fleet is stopped in
/// order and started again, under load.
///
/// Guarantees: everything arrives whole, and nothing twice, since every stop was clean (I1 to I4).
#[test]
fn scaling_and_rolling_restarts_repeat_nothing() {
    let Some(kafka) = Kafka::shared() else { return };
    let scale = Scale::of_this_run();
    let mut fleet = fleet(&kafka, 2, 1, &sampling("12s"));
    let mut load = Load::start(
        &fleet,
        scale,
        RATE * 3 / 4,
        &["--slow", "0", "--late", "0.05", "--late-by", "20s"],
    );
    let mut round = 0;
    while load.is_running() {
        std::thread::sleep(Duration::from_secs(2));
        if round == 0 {
            for _ in 0..2 {
                let number = fleet.add_sampler("");
                fleet.samplers[number].start();
            }
            std::thread::sleep(Duration::from_secs(3));
            assert!(fleet.samplers[0].stop().success());
            std::thread::sleep(Duration::from_secs(2));
            fleet.samplers[0].start();
        }
        for sampler in &mut fleet.samplers {
            assert!(sampler.stop().success());
            sampler.start();
        }
        for gateway in &mut fleet.gateways {
            assert!(gateway.process.stop().success());
            gateway.process.start();
        }
        round += 1;
    }
    println!("{round} rolling restarts");
    let sent = load.finish();
    let comparison = must_be_whole(&sent, fleet.folder.path());
    assert_eq!(comparison.replayed, 0, "clean stops repeat nothing");
}
