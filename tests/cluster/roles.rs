//! What the roles do at their edges: alone, replaced, and without brokers.

use std::fs;

use super::{
    fleet::{Fleet, Layout},
    kafka::{AWAY, Kafka, REPLACED},
    oracle::{self, POLICIES},
    process::{succeed, wait_until},
};

/// Guarantee: one process can be gateway and sampler of a cluster at once.
#[test]
fn one_process_can_be_the_whole_cluster() {
    let Some(kafka) = Kafka::shared() else { return };
    let rest = format!("tail_sampling:\n  decision_wait: 10s\n{POLICIES}");
    let mut fleet = Fleet::new(&Layout { rest: &rest, ..Layout::of(&kafka.brokers) });
    fleet.create_topics();
    let number = fleet.add_standalone();
    fleet.gateways[number].process.start();
    let options = ["--traces", "200", "--rate", "200", "--slow", "0", "--late", "0"];
    let (generator, record) = fleet.generate(number, &options);
    succeed(generator, "the generator", &fleet.generator_log(number));
    let sent = oracle::record(&record);
    let folder = fleet.folder.path().to_owned();
    let comparison = oracle::settle(&sent, || oracle::arrived(&folder, "kept"));
    assert!(comparison.wrong.is_empty() && comparison.replayed == 0, "{comparison:#?}");
    assert!(fleet.gateways[number].process.stop().success());
}

/// Scenario: a second sampler takes the name of a first one in the group, as happens when a
/// configuration is copied.
///
/// Guarantee: the first one, which the brokers then shut out for good, says so and ends with 1: it
/// does not stay and seem alive.
#[test]
fn a_sampler_that_is_shut_out_says_so_and_ends() {
    let Some(kafka) = Kafka::shared() else { return };
    let name = "    group_instance_id: the-only-one\n";
    let mut fleet = Fleet::new(&Layout { kafka: name, ..Layout::of(&kafka.brokers) });
    fleet.create_topics();
    let (first, second) = (fleet.add_sampler(""), fleet.add_sampler(""));
    fleet.samplers[first].start();
    let owned = "wholetrace_sampler_partitions";
    wait_until("the first owns all", || fleet.samplers[first].metric(owned) >= 8.0);
    // Until the first knows, both work on the partitions.
    fleet.expect(REPLACED);
    fleet.samplers[first].expect(&[("fenced", "another sampler has its name")]);
    fleet.samplers[second].start();
    let status = fleet.samplers[first].end();
    let said = fleet.samplers[first].output();
    assert_eq!(status.code(), Some(1), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(last.contains("stopped because of a failure") && last.contains("fenced"), "{said}");
    wait_until("the second owns all", || fleet.samplers[second].metric(owned) >= 8.0);
    assert!(fleet.samplers[second].stop().success());
}

/// Scenario: all brokers go away under a gateway and a sampler, and come back.
///
/// Guarantee: both stay ready, since senders are still answered (refused, retryably) and a sampler
/// still has its place; both say in their checks, their log and a metric what is wrong, and that it
/// is over (I7). SIGHUP ends none of them.
#[test]
fn who_has_no_brokers_is_ready_and_says_so() {
    const CHECK: &str = "wholetrace_process_check_passes";
    let Some(kafka) = Kafka::start(&["--nodes", "1"]) else { return };
    let (fine, said) = Fleet::new(&Layout::of(&kafka.brokers)).topics("create");
    assert!(!fine && said.contains("there are not 3 brokers for its copies"), "{said}");
    let one = "    replication_factor: 1\n    min_insync_replicas: 1\n";
    let mut fleet = Fleet::new(&Layout { kafka: one, ..Layout::of(&kafka.brokers) });
    fleet.create_topics();
    fleet.start(1, 1);
    fleet.expect(AWAY);
    for process in [&fleet.gateways[0].process, &fleet.samplers[0]] {
        process.signal("HUP");
    }
    wait_until("the gateway has heard SIGHUP, and has nothing to reload", || {
        fleet.gateways[0]
            .process
            .output()
            .contains("SIGHUP: a gateway has nothing that is reloaded")
    });
    assert!(fleet.samplers[0].checks().expect("ready").contains("[+]group ok"), "it has joined");
    kafka.node("kill", "1");
    for process in [&fleet.gateways[0].process, &fleet.samplers[0]] {
        wait_until("ready, and the log said to be away", || {
            let checks = process.checks().expect("ready without brokers");
            checks.contains("[-]log failed: no broker is connected")
        });
        assert!(process.metric_with(CHECK, "check=\"log\"") < 1.0);
    }
    let (mut generator, _) = fleet.generate(0, &["--traces", "1", "--give-up-after", "1s"]);
    assert!(!generator.wait().expect("it ends").success(), "nothing can be acknowledged");
    let said = fs::read_to_string(fleet.generator_log(0)).expect("what it said");
    assert!(said.contains("unavailable"), "an answer, and one that says to come again: {said}");
    kafka.node("restart", "1");
    for process in [&fleet.gateways[0].process, &fleet.samplers[0]] {
        wait_until("the log works again", || {
            process.checks().expect("still ready").contains("[+]log ok")
        });
        assert!(process.metric_with(CHECK, "check=\"log\"") > 0.0);
    }
    let said = fleet.gateways[0].process.output();
    assert!(said.contains("the log: no broker is connected"), "{said}");
    assert!(said.contains("the log works again"), "{said}");
    assert!(fleet.gateways[0].process.stop().success());
    assert!(fleet.samplers[0].stop().success());
}
