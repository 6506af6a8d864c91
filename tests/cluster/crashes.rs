//! Processes that are killed, or sleep for too long.

use std::time::Duration;

use super::{
    fleet::Fleet,
    kafka::{Kafka, REPLACED},
    load::{Load, RATE, Scale, must_be_few, must_be_whole},
    oracle::Sent,
    process::Process,
    steady::{fleet, sampling},
};

/// Sends the usual load and does `harm` to the fleet again and again meanwhile: with a number that
/// counts up, and moments to choose. Gives what was sent, and how often harm was done.
fn under_load(
    fleet: &mut Fleet,
    scale: Scale,
    mut harm: impl FnMut(&mut Fleet, usize, &mut fastrand::Rng),
) -> (Vec<Sent>, usize) {
    fleet.expect(REPLACED);
    let mut moments = scale.moments();
    let options = ["--slow", "0", "--late", "0.05", "--late-by", "20s"];
    let mut load = Load::start(fleet, scale, RATE, &options);
    let mut times = 0;
    while load.is_running() {
        harm(fleet, times, &mut moments);
        times += 1;
    }
    assert!(times >= 3, "harmed {times} times only");
    println!("harmed {times} times");
    (load.finish(), times)
}

fn pause(moments: &mut fastrand::Rng, millis: std::ops::Range<u64>) {
    std::thread::sleep(Duration::from_millis(moments.u64(millis)));
}

/// Scenario: each sampler in turn is killed at random moments and started again, under load.
///
/// Guarantees: everything arrives whole (I1, I2, I3); each crash repeats at most what was exported
/// since the last commit (I4).
#[test]
fn samplers_that_are_killed_lose_nothing() {
    let Some(kafka) = Kafka::shared() else { return };
    let mut fleet = fleet(&kafka, 2, 3, &sampling("12s"));
    let (sent, kills) = under_load(&mut fleet, Scale::of_this_run(), |fleet, number, moments| {
        let sampler = &mut fleet.samplers[number % 3];
        pause(moments, 50..2_500);
        sampler.kill();
        // Sometimes back before the group has noticed, sometimes after others took over.
        pause(moments, 0..4_500);
        sampler.start();
    });
    let comparison = must_be_whole(&sent, fleet.folder.path());
    must_be_few(&comparison, kills as u64, RATE, sent.len());
}

/// Scenario: gateways are killed in turn under load; their senders go to the other one.
///
/// Guarantees: what was acknowledged arrives whole (I1, I2); what was not is the senders' to
/// repeat, and only their repeats arrive twice (I4).
#[test]
fn gateways_that_are_killed_lose_nothing_acknowledged() {
    let Some(kafka) = Kafka::shared() else { return };
    let mut fleet = fleet(&kafka, 2, 3, &sampling("12s"));
    let (sent, _) = under_load(&mut fleet, Scale::of_this_run(), |fleet, number, moments| {
        let gateway = &mut fleet.gateways[number % 2].process;
        pause(moments, 50..2_000);
        gateway.kill();
        pause(moments, 0..1_000);
        gateway.start();
    });
    let comparison = must_be_whole(&sent, fleet.folder.path());
    assert_eq!(comparison.replayed, 0, "samplers were left alone");
}

/// Scenario: a sampler is stopped in the middle of its work for longer than its session lasts, so
/// that others take its partitions, and then wakes up; several times.
///
/// Guarantees: the zombie's decisions and commits do not count (I3, I5), everything arrives whole (I1,
/// I2); it repeats at most what it had in its hands (I4), and goes on as a member like any other.
#[test]
fn a_zombie_contradicts_nobody() {
    let Some(kafka) = Kafka::shared() else { return };
    let mut fleet = fleet(&kafka, 2, 3, &sampling("12s"));
    let (sent, naps) = under_load(&mut fleet, Scale::of_this_run(), |fleet, number, moments| {
        pause(moments, 500..2_500);
        let sampler = &fleet.samplers[number % 3];
        sampler.pause();
        pause(moments, 4_000..6_000);
        sampler.resume();
    });
    // None has ended.
    fleet.samplers.iter_mut().for_each(Process::wait_ready);
    let comparison = must_be_whole(&sent, fleet.folder.path());
    must_be_few(&comparison, naps as u64, RATE, sent.len());
}
