//! Every process of a fleet says what became of a trace.

use std::time::Duration;

use super::{
    ask::{self, UNKNOWN},
    fleet::Fleet,
    oracle::{self, Sent},
    process::{Process, wait_until},
};

/// Asks every process of `fleet` for traces of every kind among those that were `sent` and are all
/// decided and exported; then the samplers are stopped one after the other, and all that still run are
/// asked at once, while partitions change their owners. Gives what was sent, with what was sent for
/// this.
pub(crate) fn at_every_process(fleet: &mut Fleet, mut sent: Vec<Sent>) -> Vec<Sent> {
    undecided(fleet, &mut sent);
    oracle::must_arrive(&sent, fleet.folder.path());
    let some = [
        ask::surest(&sent, |trace| trace.error && !trace.late),
        ask::surest(&sent, |trace| trace.must_be_kept() && !trace.error && !trace.late),
        ask::surest(&sent, |trace| trace.is_among_the_tenth() && trace.late),
        ask::surest(&sent, |trace| !trace.must_be_kept() && trace.late),
        ask::surest(&sent, |trace| !trace.must_be_kept() && !trace.late),
    ];
    // What is exported is committed a little later; and what was asked for undecided, and is not kept,
    // has left no other sign of its decision.
    let finished = |said: &serde_json::Value| {
        let exports = said["exports"].as_array();
        said["verdict"] != "undecided"
            && exports.is_none_or(|all| all.iter().all(|one| one["state"] == "finished"))
    };
    let one = fleet.gateways[0].process.admin;
    for trace in &some {
        wait_until("it is decided, and its export committed", || {
            finished(&ask::trace(one, &trace.trace_id).0)
        });
    }
    ask_all(fleet, &some);
    let config = fleet.folder.path().join("sampler-0.yaml");
    let said = ask::command(&config, &[&some[0].trace_id, "--format", "json"]);
    ask::must_be_right(some[0], &serde_json::from_str(&said).expect("JSON"));
    wait_until("the latest decisions", || {
        let (_, latest) = ask::ask(one, "?policy=errors&limit=7");
        latest["decisions"].as_array().is_some_and(|all| all.len() == 7)
    });
    for number in 0..fleet.samplers.len() {
        let sampler = &mut fleet.samplers[number];
        assert!(sampler.stop().success(), "{}", sampler.output());
        ask_all(fleet, &some);
    }
    sent
}

/// Asks for traces that nobody has decided yet.
fn undecided(fleet: &Fleet, sent: &mut Vec<Sent>) {
    let processes = || processes(fleet);
    for process in processes() {
        wait_until("a trace is asked for before it is decided", || {
            let options = ["--traces", "1", "--rate", "100", "--slow", "0", "--late", "0"];
            let (mut generator, record) = fleet.generate(0, &options);
            assert!(generator.wait().expect("it ended").success());
            let one = oracle::record(&record);
            let (said, _) = ask::trace(process.admin, &one[0].trace_id);
            sent.extend(one.into_iter().map(|one| one.decided_after(fleet.decision_wait())));
            said["verdict"] == "undecided"
        });
    }
}

/// Asks all that run.
fn ask_all(fleet: &Fleet, traces: &[&Sent]) {
    let mut longest = Duration::ZERO;
    for process in processes(fleet) {
        for trace in traces {
            let (said, taken) = ask::trace(process.admin, &trace.trace_id);
            ask::must_be_right(trace, &said);
            longest = longest.max(taken);
        }
        let (unknown, taken) = ask::trace(process.admin, UNKNOWN);
        assert_eq!(unknown["verdict"], "unknown", "{unknown}");
        assert!(unknown["log"]["decisions_since"].is_string(), "{unknown}");
        longest = longest.max(taken);
    }
    println!("the longest answer took {:.3} s", longest.as_secs_f64());
}

fn processes(fleet: &Fleet) -> impl Iterator<Item = &Process> {
    let gateways = fleet.gateways.iter().map(|gateway| &gateway.process);
    gateways.chain(&fleet.samplers).filter(|process| process.is_started())
}
