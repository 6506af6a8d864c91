//! Real senders, through `wholetrace`, into a real Jaeger.

use std::process::Command;

use super::{
    gateway_process::Gateway,
    jaeger::Jaeger,
    parts::{built, folder, stands},
    process::wait_until,
};

/// A trace as a sender says it sent it.
#[derive(serde::Deserialize)]
struct Sent {
    trace_id: String,
    spans: usize,
    error: bool,
}

const TRACES: usize = 20;

/// How kept traces travel to Jaeger.
#[derive(Clone, Copy)]
enum Export {
    Grpc,
    Http,
}

/// Keeps the traces with an error only, and decides soon.
fn gateway(jaeger: &Jaeger, export: Export) -> Gateway {
    let exporter = match export {
        Export::Grpc => {
            format!(
                "otlp/jaeger: {{ endpoint: \"127.0.0.1:{}\", tls: {{ insecure: true }} }}",
                jaeger.otlp_grpc
            )
        }
        Export::Http => {
            format!("otlphttp/jaeger: {{ endpoint: \"http://127.0.0.1:{}\" }}", jaeger.otlp_http)
        }
    };
    Gateway::new(&format!(
        "tail_sampling:\n  decision_wait: 1s\n  policies:\n    - {{ name: errors, type: status_code, status_code: {{ status_codes: [ERROR] }} }}\n\
         exporters:\n  {exporter}\n"
    ))
}

/// Runs the sender and asks Jaeger for what it said it sent: the traces with an error whole, the
/// others not at all.
fn whole_traces_arrive(part: &str, export: Export, command: impl FnOnce(&Gateway) -> Command) {
    if !stands("jaeger") || !stands(part) {
        return;
    }
    let mut jaeger = Jaeger::new();
    jaeger.start();
    let mut gateway = gateway(&jaeger, export);
    gateway.start();
    let output = command(&gateway)
        .args(["--traces", &TRACES.to_string()])
        .output()
        .expect("the sender runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let sent: Vec<Sent> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(sent.len(), TRACES, "{said}");
    for trace in sent.iter().filter(|trace| trace.error) {
        wait_until("a trace with an error is whole in Jaeger", || {
            jaeger.trace(&trace.trace_id).len() == trace.spans
        });
    }
    for trace in sent.iter().filter(|trace| !trace.error) {
        assert!(jaeger.trace(&trace.trace_id).is_empty(), "a trace without an error was exported");
    }
    assert!(gateway.stop().success());
}

fn python(protocol: &str, port: u16) -> Command {
    let mut command = Command::new(built("python/bin/python"));
    command.arg(folder().join("python/send.py"));
    command.args(["--protocol", protocol, "--endpoint", &format!("127.0.0.1:{port}")]);
    command
}

fn node(protocol: &str, port: u16) -> Command {
    let mut command = Command::new("node");
    command.env("NODE_PATH", built("node/node_modules")).arg(folder().join("node/send.js"));
    command.args(["--protocol", protocol, "--endpoint", &format!("127.0.0.1:{port}")]);
    command
}

fn go(protocol: &str, port: u16) -> Command {
    let mut command = Command::new(built("go/send"));
    command.args(["--protocol", protocol, "--endpoint", &format!("127.0.0.1:{port}")]);
    command
}

fn java(protocol: &str, port: u16) -> Command {
    let mut command = Command::new("java");
    let classes = format!("{}:{}", built("java").display(), built("java/libs/*").display());
    command
        .args(["-cp", &classes, "Send", "--protocol", protocol, "--endpoint"])
        .arg(format!("127.0.0.1:{port}"));
    command
}

/// Scenario: a real SDK is pointed at the port of the other transport. Each row: the protocol, whether
/// it is sent to the port of gRPC, and what the SDK is to say.
///
/// Guarantee: the SDK says that it could not export, and why; nothing of it is taken (I7). The process
/// says in its log which port is meant.
#[test]
fn ports_that_are_mixed_up_are_told_to_the_sender() {
    if !stands("python") {
        return;
    }
    let mut gateway = Gateway::new(
        "tail_sampling:\n  policies: [{ name: all, type: always_sample }]\n\
         exporters:\n  file: { path: \"FOLDER/kept.jsonl\" }\n",
    );
    gateway.start();
    for (protocol, port, expected) in
        [("http", gateway.grpc, "415"), ("grpc", gateway.http, "UNIMPLEMENTED")]
    {
        let output = python(protocol, port).args(["--traces", "2"]).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("Failed to export"), "{protocol}: {said}");
        assert!(said.contains(expected), "{protocol}: {expected}: {said}");
    }
    let said = gateway.output();
    for expected in
        ["send OTLP/HTTP to the port of `protocols.http`", "traces are taken at `/v1/traces`"]
    {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(gateway.metric("wholetrace_gateway_spans_total") < 1.0);
    assert!(gateway.stop().success());
}

#[test]
fn python_over_grpc() {
    whole_traces_arrive("python", Export::Grpc, |gateway| python("grpc", gateway.grpc));
}

#[test]
fn python_over_http() {
    whole_traces_arrive("python", Export::Http, |gateway| python("http", gateway.http));
}

#[test]
fn py_zipkin() {
    whole_traces_arrive("python", Export::Grpc, |gateway| python("zipkin", gateway.zipkin));
}

#[test]
fn node_over_grpc() {
    whole_traces_arrive("node", Export::Grpc, |gateway| node("grpc", gateway.grpc));
}

#[test]
fn node_over_http_as_json() {
    whole_traces_arrive("node", Export::Grpc, |gateway| node("json", gateway.http));
}

#[test]
fn node_over_http_as_protobuf() {
    whole_traces_arrive("node", Export::Grpc, |gateway| node("http", gateway.http));
}

#[test]
fn go_over_grpc_with_gzip() {
    whole_traces_arrive("go", Export::Grpc, |gateway| go("grpc", gateway.grpc));
}

#[test]
fn go_over_http_with_gzip() {
    whole_traces_arrive("go", Export::Grpc, |gateway| go("http", gateway.http));
}

#[test]
fn java_over_grpc_with_gzip() {
    whole_traces_arrive("java", Export::Grpc, |gateway| java("grpc", gateway.grpc));
}

#[test]
fn java_over_http_with_gzip() {
    whole_traces_arrive("java", Export::Http, |gateway| java("http", gateway.http));
}

/// telemetrygen cannot say which traces it sent: all it sends have an error, so that Jaeger must
/// hold as many traces as it was told to send.
#[test]
fn telemetrygen_over_both() {
    if !stands("jaeger") || !stands("telemetrygen") {
        return;
    }
    let mut jaeger = Jaeger::new();
    jaeger.start();
    let mut gateway = gateway(&jaeger, Export::Grpc);
    gateway.start();
    for (service, arguments) in [
        (
            "telemetrygen-grpc",
            vec!["--otlp-endpoint".to_owned(), format!("127.0.0.1:{}", gateway.grpc)],
        ),
        (
            "telemetrygen-http",
            vec![
                "--otlp-http".to_owned(),
                "--otlp-endpoint".to_owned(),
                format!("127.0.0.1:{}", gateway.http),
            ],
        ),
    ] {
        let output = Command::new(built("telemetrygen/telemetrygen"))
            .args([
                "traces",
                "--otlp-insecure",
                "--traces",
                "30",
                "--child-spans",
                "3",
                "--status-code",
                "Error",
                "--batch=false",
                "--rate",
                "100",
                "--service",
                service,
            ])
            .args(arguments)
            .output()
            .expect("telemetrygen runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        wait_until("its traces are whole in Jaeger", || {
            let traces = jaeger.traces_of(service);
            traces.len() == 30 && traces.iter().all(|spans| *spans == 4)
        });
    }
}
