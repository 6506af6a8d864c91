//! The examples for one machine.

use std::{collections::BTreeSet, fs, os::unix::fs::symlink, path::Path};

use crate::{
    machine::Machine,
    parts::{built, stands},
    script::commands,
};

/// Ports of Wholetrace: OTLP, Zipkin, admin.
const OURS: [u16; 4] = [4317, 4318, 9411, 8890];
/// Usual ports of Jaeger's all-in-one beside those that its examples move: its query service, its own
/// metrics and health, its sampling service, and where the examples move its OTLP and Zipkin to.
const JAEGERS: [u16; 9] = [16685, 16686, 8888, 13133, 5778, 5779, 14317, 14318, 19411];

fn all() -> Vec<u16> {
    [&OURS[..], &JAEGERS].concat()
}

#[test]
fn jaeger() {
    if !stands("jaeger") {
        return;
    }
    let mut machine = Machine::new(&all());
    machine.type_all(&commands("examples/jaeger.yaml"));
    let sent = machine.send(4317);
    machine.must_reach_jaeger(&sent);
}

/// Wholetrace first, then Jaeger: the file says "before or after".
#[test]
fn jaeger_after_wholetrace() {
    if !stands("jaeger") {
        return;
    }
    let mut machine = Machine::new(&all());
    let mut commands = commands("examples/jaeger.yaml");
    commands.swap(0, 1);
    machine.type_all(&commands);
    let sent = machine.send(4317);
    machine.must_reach_jaeger(&sent);
}

#[test]
fn zipkin() {
    if !stands("jaeger") || !stands("python") {
        return;
    }
    let mut machine = Machine::new(&all());
    machine.type_all(&commands("examples/zipkin.yaml"));
    machine.type_one(&format!(
        "{} tests/parts/python/send.py --protocol zipkin --endpoint 127.0.0.1:9411 --traces 5 >sent",
        built("python/bin/python").display()
    ));
    let sent = fs::read_to_string(machine.folder.path().join("sent")).expect("what was sent");
    let sent = sent.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let kept: Vec<(String, usize)> = sent
        .filter(|trace| trace["error"] == true)
        .map(|trace| {
            let spans = trace["spans"].as_u64().and_then(|spans| usize::try_from(spans).ok());
            (trace["trace_id"].as_str().unwrap_or_default().to_owned(), spans.unwrap_or(1))
        })
        .collect();
    assert!(!kept.is_empty(), "no trace with an error was sent");
    machine.must_reach_jaeger(&kept);
}

/// The backend is a Jaeger.
#[test]
fn otlp_http() {
    if !stands("jaeger") {
        return;
    }
    let mut machine = Machine::new(&all());
    machine.type_one(&commands("examples/jaeger.yaml")[0]);
    machine.set("BACKEND_URL", "http://127.0.0.1:14318");
    machine.type_all(&commands("examples/otlp-http.yaml"));
    let sent = machine.send(4317);
    machine.must_reach_jaeger(&sent);
}

/// Beside an agent: a Collector that has its own metrics where all Collectors have them, and sends to
/// the usual port.
#[test]
fn standalone_behind_a_collector() {
    if !stands("collector") {
        return;
    }
    let mut machine = Machine::new(&[&OURS[..], &[8888, 15317]].concat());
    let place = machine.folder.path().to_owned();
    symlink(built("collector/collector"), place.join("bin/collector")).expect("a link");
    let agent = "receivers: { otlp: { protocols: { grpc: { endpoint: 127.0.0.1:15317 } } } }\n\
                 exporters: { otlp: { endpoint: 127.0.0.1:4317, tls: { insecure: true } } }\n\
                 service: { pipelines: { traces: { receivers: [otlp], exporters: [otlp] } } }\n";
    fs::write(place.join("agent.yaml"), agent).expect("the configuration");
    machine.type_one("collector --config agent.yaml");
    machine.type_all(&commands("examples/standalone.yaml"));
    let sent = machine.send(15317);
    machine.must_reach_files("kept-traces.jsonl", &sent);
}

#[test]
fn from_a_collector() {
    let mut machine = Machine::new(&[]);
    machine.type_all(&commands("examples/from-a-collector.yaml"));
}

/// No example is forgotten here.
#[test]
fn all_examples_are_tried() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let entries = fs::read_dir(folder).expect("the examples").flatten();
    let found: BTreeSet<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let tried = [
        "cluster",
        // By tests/cli, with the files of senders: no machine has all of their ports free.
        "every-protocol.yaml",
        "from-a-collector.yaml",
        "jaeger.yaml",
        "otlp-http.yaml",
        // These three by tests/cli.
        "policies.test.yaml",
        "policies.yaml",
        "senders",
        "standalone.yaml",
        "zipkin.yaml",
    ];
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), tried);
}
