//! A topic that is deleted and made anew.

use std::time::Duration;

use super::{
    fleet::Fleet,
    kafka::{AWAY, Kafka},
    load::{Load, RATE, Scale},
    oracle::{self, Sent},
    process::{Process, wait_until},
    steady::{fleet, sampling},
};

const TOPIC: &str = "org.apache.kafka.tools.TopicCommand";
/// What decides is in each span, its id: how late it comes does not matter.
const BY_ID: [&str; 6] = ["--slow", "0", "--errors", "0", "--late", "0"];

/// Deletes the topic of the spans and makes it again: at once, or when the group has taken the
/// partitions away from all samplers.
fn make_anew(kafka: &Kafka, fleet: &Fleet, at_once: bool) {
    let topic = format!("{}-spans", fleet.name);
    kafka.tool(TOPIC, &["--delete", "--topic", &topic]);
    wait_until("the topic is gone", || {
        !kafka.tool(TOPIC, &["--list"]).lines().any(|name| name == topic)
    });
    wait_until("no sampler has a partition", || {
        let partitions = |sampler: &Process| sampler.metric("wholetrace_sampler_partitions");
        at_once || fleet.samplers.iter().map(partitions).sum::<f64>() < 1.0
    });
    // The brokers remove it one after the other.
    wait_until("the topic can be made again", || fleet.topics("create").0);
}

/// Sends so many seconds of load, all of which must be taken.
fn send(name: &str, fleet: &Fleet, scale: Scale, seconds: u64) -> Vec<Sent> {
    Load::named(name, fleet, scale, (seconds * RATE, RATE), &BY_ID).finish()
}

/// How often samplers noticed that the log is not the one they have read.
fn noticed(fleet: &Fleet) -> f64 {
    let replaced = |sampler: &Process| {
        sampler.metric_with("wholetrace_sampler_replaced_logs_total", "topic=\"spans\"")
    };
    fleet.samplers.iter().map(replaced).sum()
}

/// Scenario: the topic of the spans is deleted and made anew; first under load, with all processes
/// running; then while no sampler runs, so that the new topic ends before what they had read; then
/// the same, so that it ends behind it when the samplers come back.
///
/// Guarantees: what the old topic took along is counted and told (I7), and nothing that was
/// acknowledged after the new one was there is skipped (I1); the processes go on by themselves (I8).
#[test]
fn a_topic_that_is_made_anew_is_read_from_its_beginning() {
    let Some(kafka) = Kafka::shared() else { return };
    let scale = Scale::of_this_run();
    let mut fleet = fleet(&kafka, 2, 2, &sampling("3s"));
    fleet.expect(AWAY);
    fleet.expect(&[("made anew", "that is what the scenario does to a topic")]);
    let folder = fleet.folder.path().to_owned();

    let mut sent = send("before", &fleet, scale, 12);
    oracle::must_arrive(&sent, &folder);
    assert!(noticed(&fleet) < 1.0, "it was noticed before anything happened");
    // The samplers hear of it by what they read, or by their group, whose commits are gone then.
    for (round, at_once) in [("at once", true), ("later", false)] {
        let before = noticed(&fleet);
        let load = Load::named(round, &fleet, scale, (10 * RATE, RATE), &BY_ID);
        std::thread::sleep(Duration::from_secs(4));
        make_anew(&kafka, &fleet, at_once);
        sent.extend(load.finish().into_iter().map(Sent::that_may_be_lost));
        sent.extend(send(&format!("after {round}"), &fleet, scale, 4));
        oracle::must_arrive(&sent, &folder);
        assert!(noticed(&fleet) > before, "{round}: it was not counted");
    }
    let told = |sampler: &Process| {
        let said = sampler.output();
        said.lines().any(|line| line.contains("ERROR") && line.contains("made anew"))
    };
    assert!(fleet.samplers.iter().any(told), "nobody was told");

    // The brokers forget the samplers' commits with the topic: there is nothing to notice.
    for (round, seconds) in [("shorter", 3), ("longer", 8)] {
        for sampler in &mut fleet.samplers {
            assert!(sampler.stop().success(), "{}", sampler.output());
        }
        make_anew(&kafka, &fleet, true);
        sent.extend(send(round, &fleet, scale, seconds));
        fleet.samplers.iter_mut().for_each(Process::spawn);
        fleet.samplers.iter_mut().for_each(Process::wait_ready);
        oracle::must_arrive(&sent, &folder);
    }
}
