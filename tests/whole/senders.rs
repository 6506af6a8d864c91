//! Real senders, through `wholetrace`, into a real Jaeger.

use std::process::Command;

use super::{
    collector::Collector,
    gateway_process::Gateway,
    jaeger::Jaeger,
    parts::{built, stands},
    process::wait_until,
    sender::{ERRORS_ARE_KEPT, go, java, must_be_whole, node, python, run},
};

/// How kept traces travel to Jaeger.
#[derive(Clone, Copy)]
enum Export {
    Grpc,
    Http,
}

/// Keeps the traces with an error only. OpenTelemetry's exporter for Zipkin sets
/// Zipkin's debug flag on whatever is sampled, so that is no reason to keep a trace here.
fn gateway(jaeger: &Jaeger, export: Export) -> Gateway {
    let exporter = match export {
        Export::Grpc => jaeger.exporter(),
        Export::Http => format!(
            "exporters:\n  otlphttp/jaeger: {{ endpoint: \"http://127.0.0.1:{}\" }}\n",
            jaeger.otlp_http
        ),
    };
    Gateway::new(&format!("{ERRORS_ARE_KEPT}  keep_signals: []\n{exporter}"))
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
    let sent = run(&mut command(&gateway));
    must_be_whole(&jaeger, &sent);
    assert!(gateway.stop().success());
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

/// Scenario: what sends to a Zipkin sends here: py-zipkin in each of its encodings, OpenTelemetry's
/// exporter for Zipkin, and Brave in JSON and protobuf.
///
/// Guarantee: the traces of each are whole; also those of Brave, whose called services have joined
/// the spans of their callers and have ids of 64 bits.
#[test]
fn zipkins_reporters() {
    let parts = ["jaeger", "python", "java"].map(stands);
    if parts.contains(&false) {
        return;
    }
    let mut jaeger = Jaeger::new();
    jaeger.start();
    let mut gateway = gateway(&jaeger, Export::Grpc);
    gateway.start();
    let of_python = ["zipkin", "zipkin-proto", "zipkin-v1", "otel-zipkin"];
    let of_python = of_python.map(|protocol| python(protocol, gateway.zipkin));
    let of_java = ["brave", "brave-proto"].map(|protocol| java(protocol, gateway.zipkin));
    let sent: Vec<_> =
        of_python.into_iter().chain(of_java).flat_map(|mut sender| run(&mut sender)).collect();
    must_be_whole(&jaeger, &sent);
    assert!(gateway.stop().success());
}

/// Scenario: a real Collector passes on what it takes by its exporter for Zipkin, in both of its
/// encodings.
///
/// Guarantee: the traces with an error are whole in Jaeger, the others are not there.
#[test]
fn a_collectors_zipkin_exporter() {
    let parts = ["jaeger", "collector", "go"].map(stands);
    if parts.contains(&false) {
        return;
    }
    let mut jaeger = Jaeger::new();
    jaeger.start();
    let mut gateway = gateway(&jaeger, Export::Grpc);
    gateway.start();
    let endpoint = format!("endpoint: \"http://127.0.0.1:{}/api/v2/spans\"", gateway.zipkin);
    let exporters = ["json", "proto"]
        .map(|format| (format!("zipkin/{format}"), format!("{endpoint}, format: {format}")));
    let (_collector, ports) = Collector::relay(gateway.folder.path(), &exporters);
    let sent: Vec<_> = ports.into_iter().flat_map(|port| run(&mut go("http", port))).collect();
    must_be_whole(&jaeger, &sent);
    assert!(gateway.stop().success());
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
