//! Processes that are killed, or sleep for too long.

use std::time::Duration;

use super::{
    kafka::Kafka,
    load::{Load, RATE, Scale, must_be_few, must_be_whole},
    steady::{fleet, sampling},
};

/// Scenario: each sampler in turn is killed at random moments and started again, under load.
///
/// Guarantees: everything arrives whole (I1, I2, I3); each crash repeats at most what was exported
/// since the last commit (I4).
#[test]
fn samplers_that_are_killed_lose_nothing() {
    let Some(kafka) = Kafka::shared() else { return };
    let scale = Scale::of_this_run();
    let mut fleet = fleet(&kafka, 2, 3, &sampling("12s"));
    let mut moments = scale.moments();
    let mut load =
        Load::start(&fleet, scale, RATE, &["--slow", "0", "--late", "0.05", "--late-by", "20s"]);
    let mut kills = 0;
    while load.is_running() {
        let sampler = &mut fleet.samplers[kills % 3];
        std::thread::sleep(Duration::from_millis(moments.u64(50..2_500)));
        sampler.kill();
        // Sometimes back before the group has noticed, sometimes after others took over.
        std::thread::sleep(Duration::from_millis(moments.u64(0..4_500)));
        sampler.start();
        kills += 1;
    }
    assert!(kills >= 3, "only {kills} kills");
    let sent = load.finish();
    let verdict = must_be_whole(&sent, fleet.folder.path());
    must_be_few(&verdict, kills as u64, RATE, sent.len());
    println!("{kills} kills");
}

/// Scenario: gateways are killed in turn under load; their senders go to the other one.
///
/// Guarantees: what was acknowledged arrives whole (I1, I2); what was not is the senders' to
/// repeat, and only their repeats arrive twice (I4).
#[test]
fn gateways_that_are_killed_lose_nothing_acknowledged() {
    let Some(kafka) = Kafka::shared() else { return };
    let scale = Scale::of_this_run();
    let mut fleet = fleet(&kafka, 2, 3, &sampling("12s"));
    let mut moments = scale.moments();
    let mut load =
        Load::start(&fleet, scale, RATE, &["--slow", "0", "--late", "0.05", "--late-by", "20s"]);
    let mut kills = 0;
    while load.is_running() {
        let gateway = &mut fleet.gateways[kills % 2].process;
        std::thread::sleep(Duration::from_millis(moments.u64(50..2_000)));
        gateway.kill();
        std::thread::sleep(Duration::from_millis(moments.u64(0..1_000)));
        gateway.start();
        kills += 1;
    }
    assert!(kills >= 3, "only {kills} kills");
    let sent = load.finish();
    let verdict = must_be_whole(&sent, fleet.folder.path());
    assert_eq!(verdict.replayed, 0, "samplers were left alone");
    println!("{kills} kills");
}

/// Scenario: a sampler is stopped in the middle of its work for longer than its session lasts, so
/// that others take its partitions, and then wakes up; several times.
///
/// Guarantees: the zombie's verdicts and commits do not count (I3, I5), everything arrives whole (I1,
/// I2); it repeats at most what it had in its hands (I4).
#[test]
fn a_zombie_contradicts_nobody() {
    let Some(kafka) = Kafka::shared() else { return };
    let scale = Scale::of_this_run();
    let mut fleet = fleet(&kafka, 2, 3, &sampling("12s"));
    let mut moments = scale.moments();
    let mut load =
        Load::start(&fleet, scale, RATE, &["--slow", "0", "--late", "0.05", "--late-by", "20s"]);
    let mut naps = 0;
    while load.is_running() {
        std::thread::sleep(Duration::from_millis(moments.u64(500..2_500)));
        let sampler = &fleet.samplers[naps % 3];
        sampler.pause();
        std::thread::sleep(Duration::from_millis(moments.u64(4_000..6_000)));
        sampler.resume();
        naps += 1;
    }
    assert!(naps >= 3, "only {naps} naps");
    // A process may end because it was too late; it is started again then, as anybody's would be.
    for sampler in &mut fleet.samplers {
        if !sampler.is_ready() {
            sampler.wait_ready();
        }
    }
    let sent = load.finish();
    let verdict = must_be_whole(&sent, fleet.folder.path());
    must_be_few(&verdict, naps as u64, RATE, sent.len());
    println!("{naps} naps");
}
