//! A trace whose services speak different protocols.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use super::{
    envoy::Envoy,
    gateway_process::Gateway,
    jaeger::Jaeger,
    parts::{free_port, stands},
    process::wait_until,
    sender::{ERRORS_ARE_KEPT, Sent, java, python},
};

/// How many spans each of them sends of a trace, under which names, and whose error keeps trace 0, 1,
/// 2 and 3. Nothing keeps trace 4.
const SENDERS: [(&[&str], usize); 4] = [
    (&["otlp"], 4),
    (&["front-proxy"], 1),
    (&["brave", "brave-called"], 7),
    (&["jaeger-client"], 4),
];

/// Scenario: in each of five traces an OpenTelemetry SDK that sends OTLP calls through an Envoy, which
/// reports as to a Zipkin, a service with Brave and one with Jaeger's client, which sends datagrams.
/// Both of these have ids of 64 bits, the others of 128; Envoy's span has the id of its caller's, and
/// each of Brave's called spans has; Envoy is not told the parent of its caller's, so that its span
/// has none. In four of the traces one span has an error, of another sender in each; the fifth has
/// none.
///
/// Guarantee: each trace is decided once, by all of its spans. The four are whole in Jaeger, under
/// the long id, from one root; of the fifth nothing is there.
#[test]
fn a_trace_of_four_protocols() {
    let parts = ["jaeger", "python", "java", "envoy"].map(stands);
    if parts.contains(&false) {
        return;
    }
    let mut jaeger = Jaeger::new();
    jaeger.start();
    let compact = free_port();
    let mut gateway = Gateway::with_receivers(
        &format!(
            "  jaeger: {{ protocols: {{ thrift_compact: {{ endpoint: \"127.0.0.1:{compact}\" }} }} }}\n"
        ),
        &format!("{ERRORS_ARE_KEPT}{}", jaeger.exporter()),
    );
    gateway.start();
    let envoy = Envoy::start(gateway.zipkin);

    let (mut caller, traces) = hold_roots(&mut python("grpc", gateway.grpc));
    let mut called = Vec::new();
    for (number, trace) in traces.iter().enumerate() {
        let last = trace.last.as_deref().expect("a span that calls");
        let (id, span) = Envoy::ask(envoy.json, Some([&trace.trace_id, last]), number == 1);
        assert_eq!(id, trace.trace_id, "Envoy's part is of another trace");
        called.push(format!("{id}:{span}"));
    }
    let under = called.join(",");
    send(java("brave", gateway.zipkin).args([
        "--service",
        "brave",
        "--fails",
        "2",
        "--under",
        &under,
    ]));
    let mut client = python("jaeger", compact);
    send(client.args(["--service", "jaeger-client", "--fails", "3", "--under", &under]));
    let taken = |receiver| gateway.metric_with("wholetrace_gateway_spans_total", receiver);
    wait_until("all but the caller's spans are taken", || {
        taken("zipkin") > 39.5 && taken("jaeger") > 19.5
    });
    // The roots end last, as they do where calls are waited for.
    drop(caller.stdin.take());
    assert!(caller.wait().expect("it ended").success());

    for (number, (services, _)) in SENDERS.iter().enumerate() {
        let id = &traces[number].trace_id;
        let all: usize = SENDERS.iter().map(|(_, spans)| spans).sum();
        wait_until("a trace is whole in Jaeger", || jaeger.trace(id).len() == all);
        is_one_trace(&jaeger.spans(id), id, services);
    }
    assert!(jaeger.spans(&traces[4].trace_id).is_empty(), "nothing keeps the last one");
    let decided = |policy: &str| {
        let label = format!("policy=\"{policy}\"");
        gateway.metric_with("wholetrace_sampler_policy_decisions_total", &label).round()
    };
    wait_until("the last one is decided", || decided("none") > 0.0);
    assert_eq!([decided("errors"), decided("none")], [4.0, 1.0], "a trace is decided once");
    assert!(gateway.stop().success(), "{}", gateway.output());
}

/// Starts the caller of five traces, whose roots end when its standard input does.
fn hold_roots(command: &mut Command) -> (Child, Vec<Sent>) {
    let mut caller = command
        .args(["--service", "otlp", "--traces", "5", "--fails", "0", "--hold"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the caller starts");
    let said = BufReader::new(caller.stdout.take().expect("its output"));
    let lines = said.lines().map_while(Result::ok);
    let traces: Vec<Sent> =
        lines.filter_map(|line| serde_json::from_str(&line).ok()).take(5).collect();
    assert_eq!(traces.len(), 5);
    (caller, traces)
}

fn send(command: &mut Command) {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// These spans are all of the trace `id`, hang together from one root, come from all senders, and one
/// of them has an error: one of these services.
fn is_one_trace(spans: &[Value], id: &str, failed: &[&str]) {
    let context = format!("{spans:#?}");
    let service =
        |span: &Value| span["process"]["serviceName"].as_str().unwrap_or_default().to_owned();
    let ids: BTreeSet<_> = spans.iter().map(|span| span["spanID"].as_str()).collect();
    let mut roots = 0;
    for span in spans {
        assert_eq!(span["traceID"], id, "{context}");
        match span["references"].as_array().into_iter().flatten().next() {
            None => roots += 1,
            Some(parent) => {
                assert!(ids.contains(&parent["spanID"].as_str()), "{span:#?}: {context}")
            }
        }
    }
    assert_eq!(roots, 1, "{context}");
    for (services, expected) in SENDERS {
        let of = spans.iter().filter(|span| services.contains(&service(span).as_str()));
        assert_eq!(of.count(), expected, "{services:?}: {context}");
    }
    let is_error = |span: &&Value| {
        let mut tags = span["tags"].as_array().into_iter().flatten();
        tags.any(|tag| tag["key"] == "error" && tag["value"] == true)
    };
    let errors: Vec<_> = spans.iter().filter(is_error).map(service).collect();
    assert_eq!(errors.len(), 1, "{context}");
    assert!(failed.contains(&errors[0].as_str()), "{errors:?} of {failed:?}");
}
