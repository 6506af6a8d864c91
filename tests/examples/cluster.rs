//! The example of a cluster.

use std::process::Command;

use crate::{machine::Machine, parts::stands, script::commands};

/// Ports of the brokers, of two gateways and of five processes' operators.
const PORTS: [u16; 15] = [
    19092, 19093, 19102, 19103, 19112, 19113, 4317, 4318, 5317, 5318, 8890, 8891, 8892, 8893, 8894,
];

/// Ends what the scripts started, whatever becomes of the test.
struct End<'a>(&'a std::path::Path, &'a str);

impl Drop for End<'_> {
    fn drop(&mut self) {
        let _ = Command::new("bash").args(["-c", self.1]).current_dir(self.0).output();
    }
}

#[test]
fn started_by_the_script() {
    if !stands("kafka") {
        return;
    }
    let mut machine = Machine::new(&PORTS);
    machine.set("WHOLETRACE", env!("CARGO_BIN_EXE_wholetrace"));
    let place = machine.folder.path().to_owned();
    let [start, status, stop] = &commands("examples/cluster/run")[..] else {
        panic!("three commands")
    };
    let _end = End(&place, stop);
    machine.type_one(start);
    machine.type_one(status);
    let sent = machine.send(5317);
    machine.must_reach_files("kept-traces.jsonl", &sent);
    machine.type_one(stop);
}

#[test]
fn started_by_hand() {
    const KAFKA: &str = "tests/parts/kafka/cluster";
    if !stands("kafka") {
        return;
    }
    let mut machine = Machine::new(&PORTS);
    let place = machine.folder.path().to_owned();
    let stop = format!("{KAFKA} stop kafka");
    let _end = End(&place, &stop);
    machine.type_one(&format!("{KAFKA} start kafka --base-port 19092"));
    machine.type_all(&commands("examples/cluster/cluster.yaml"));
    let sent = machine.send(4317);
    machine.must_reach_files("kept-traces.jsonl", &sent);
}
