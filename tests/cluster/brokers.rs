//! Brokers that go away.

use std::time::{Duration, Instant};

use super::{
    fleet::Fleet,
    kafka::{AWAY, Kafka, REPLACED},
    load::{Load, RATE, Scale, must_be_few, must_be_whole},
    steady::{fleet, sampling},
};

const REFUSED: &str = "wholetrace_gateway_requests_refused_total";

/// Scenario: one broker of three after the other is killed under load and started again.
///
/// Guarantees: everything arrives whole (I1, I2, I3). What was being appended may be in the log
/// twice, since its answer was lost.
#[test]
fn a_broker_that_is_killed_takes_nothing_along() {
    let Some(kafka) = Kafka::start(&["--fast-failover"]) else { return };
    let scale = Scale::of_this_run();
    // Senders repeat what waits for a new leader: most traces come in sooner than this all the same.
    let mut fleet = fleet(&kafka, 2, 3, &sampling("20s"));
    fleet.expect(AWAY);
    fleet.expect(REPLACED);
    let kills = one_after_the_other(&fleet, scale, &["--slow", "0", "--late", "0"], 3, |node| {
        kafka.node("kill", node);
        std::thread::sleep(Duration::from_secs(4));
        kafka.node("restart", node);
    });
    println!("{kills} brokers killed");
}

/// Sends the usual load and does `harm` to one broker after the other meanwhile, up to `times` times,
/// with `scale`; all must arrive whole. Tells how often it did so.
fn one_after_the_other(
    fleet: &Fleet,
    scale: Scale,
    options: &[&str],
    times: u64,
    harm: impl Fn(&str),
) -> u64 {
    // A broker takes its time to start on a busy machine: the load must outlast a second harm.
    let amount = (2 * scale.traces(), RATE);
    let mut load = Load::named("load", fleet, scale, amount, options);
    let mut harmed = 0;
    while load.is_running() && harmed < times * scale.times {
        std::thread::sleep(Duration::from_secs(3));
        harm(&(harmed % 3 + 1).to_string());
        harmed += 1;
    }
    assert!(harmed >= 2, "only {harmed} brokers were harmed");
    let sent = load.finish();
    let comparison = must_be_whole(&sent, fleet.folder.path());
    must_be_few(&comparison, harmed * 3, RATE, sent.len());
    harmed
}

/// Scenario: all brokers are away for half a minute under load.
///
/// Guarantees: senders are refused, retryably and with a count, in bounded memory (I6, I7); when the
/// brokers are back everything goes on by itself, and all that was acknowledged arrives whole
/// (I1, I2, I8).
#[test]
fn all_brokers_away_is_an_outage_and_no_loss() {
    let Some(kafka) = Kafka::start(&["--fast-failover"]) else { return };
    let scale = Scale::of_this_run();
    let mut fleet = fleet(&kafka, 2, 3, &sampling("5s"));
    fleet.expect(AWAY);
    fleet.expect(REPLACED);
    let options = ["--slow", "0", "--late", "0"];
    let load = Load::start(&fleet, scale, RATE, &options);
    std::thread::sleep(Duration::from_secs(5));
    let before: f64 = fleet.gateways.iter().map(|it| it.process.metric(REFUSED)).sum();
    kafka.node("kill", "all");
    let away = Instant::now();
    while away.elapsed() < Duration::from_secs(30) {
        for gateway in &fleet.gateways {
            let rss = gateway.process.rss();
            assert!(rss < 1 << 30, "{rss} bytes resident while the brokers were away");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    let refused: f64 = fleet.gateways.iter().map(|it| it.process.metric(REFUSED)).sum();
    assert!(refused > before, "nobody was refused while the brokers were away");
    kafka.node("restart", "all");
    let sent = load.finish();
    let comparison = must_be_whole(&sent, fleet.folder.path());
    must_be_few(&comparison, 3, RATE, sent.len());
    println!("{} requests refused", refused - before);
}

/// Scenario: one broker of three after the other is stopped in the middle of its work, for longer than
/// its session lasts, and goes on: its connections stand, and nothing answers on them.
///
/// Guarantees: everything arrives whole (I1, I2, I3), and nobody needs help (I8). What was being
/// appended may be in the log twice, since its answer came too late.
#[test]
fn a_broker_that_is_half_dead_takes_nothing_along() {
    let Some(kafka) = Kafka::start(&["--fast-failover"]) else { return };
    let scale = Scale::of_this_run();
    let mut fleet = fleet(&kafka, 2, 3, &sampling("5s"));
    fleet.expect(AWAY);
    fleet.expect(REPLACED);
    let options = ["--slow", "0", "--late", "0"];
    let naps = one_after_the_other(&fleet, scale, &options, 2, |node| {
        kafka.node("pause", node);
        std::thread::sleep(Duration::from_secs(8));
        kafka.node("resume", node);
    });
    println!("{naps} brokers stopped and resumed");
}
