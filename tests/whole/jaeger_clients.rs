//! Jaeger's own clients, through `wholetrace`, into a real Jaeger: what its query API says of them.

use serde_json::Value;

use super::{
    gateway_process::Gateway,
    jaeger::Jaeger,
    parts::{free_port, stands},
    process::wait_until,
    sender::{ERRORS_ARE_KEPT, Sent, java, must_be_whole, python, run},
};

/// Scenario: Jaeger's clients send as they do to an agent and to a collector: that for Java in
/// datagrams and over HTTP with trace ids of 128 bits, that for Python in datagrams with ids of 64.
/// Each of them asks for some traces by the debug flag: set by its code, or for a request that
/// brought the header `jaeger-debug-id`.
///
/// Guarantee: the traces with an error and those that were asked for are whole in Jaeger, and no
/// others are. Jaeger shows of each span what the client said of it.
#[test]
fn jaegers_clients() {
    let parts = ["jaeger", "python", "java"].map(stands);
    if parts.contains(&false) {
        return;
    }
    let mut jaeger = Jaeger::new();
    jaeger.start();
    let (compact, http) = (free_port(), free_port());
    let mut gateway = Gateway::with_receivers(
        &format!(
            "  jaeger:\n    protocols:\n      thrift_compact: {{ endpoint: \"127.0.0.1:{compact}\" }}\n      \
             thrift_http: {{ endpoint: \"127.0.0.1:{http}\" }}\n"
        ),
        &format!("{ERRORS_ARE_KEPT}{}", jaeger.exporter()),
    );
    gateway.start();
    let clients = [
        ("java-udp", java("jaeger", compact)),
        ("java-http", java("jaeger-http", http)),
        ("python-udp", python("jaeger", compact)),
    ];
    let sent = clients.map(|(service, mut command)| {
        command.args(["--service", service]);
        (service, run(&mut command))
    });
    for (service, sent) in &sent {
        must_be_whole(&jaeger, sent);
        assert!(sent.iter().any(|trace| trace.insists && !trace.error), "{service} asks for some");
        let failed = sent.iter().position(|trace| trace.error).expect("one has an error");
        shows_what_was_said(&jaeger, service, failed, &sent[failed]);
        let asked = sent.iter().filter(|trace| trace.insists).collect::<Vec<_>>();
        let with_id = asked.iter().filter(|trace| {
            let root = root(&jaeger.spans(&trace.trace_id));
            tag(&root, "jaeger-debug-id").is_some_and(|id| id["value"] == "please")
        });
        assert_eq!(with_id.count(), asked.len() / 2, "{service}");
    }
    let kept = |policy| {
        let label = format!("policy=\"{policy}\"");
        gateway.metric_with("wholetrace_sampler_policy_decisions_total", &label)
    };
    // A client is asked for eight of its twenty, none of which has an error.
    wait_until("each trace is counted", || kept("none") >= 24.0);
    assert_eq!(
        [kept("errors"), kept("keep_signals"), kept("none")].map(f64::round),
        [12., 24., 24.]
    );
    assert!(gateway.stop().success(), "{}", gateway.output());
}

/// What Jaeger has of trace number `number` of a client, which has an error.
fn shows_what_was_said(jaeger: &Jaeger, service: &str, number: usize, sent: &Sent) {
    let spans = jaeger.spans(&sent.trace_id);
    let context = format!("{service}: {spans:#?}");
    let root = root(&spans);
    assert_eq!(root["operationName"], "checkout", "{context}");
    assert_eq!(tag(&root, "span.kind").expect("a kind")["value"], "server", "{context}");
    let of = |name: &str| {
        let found = spans.iter().find(|span| span["operationName"] == name);
        found.unwrap_or_else(|| panic!("no {name}: {context}"))
    };
    for span in &spans {
        let process = &span["process"];
        assert_eq!(process["serviceName"], service, "{context}");
        // Called `jaeger.version` and `hostname` by the client.
        for key in ["opencensus.exporterversion", "host.name", "ip"] {
            assert!(in_list(&process["tags"], key).is_some(), "{key}: {context}");
        }
        assert!(span["duration"].as_u64() < Some(60_000_000), "{context}");
    }
    let mut before: Option<&Value> = None;
    for name in ["cart", "payment", "shipping"] {
        let span = of(name);
        let mut expected = vec![("CHILD_OF", &root["spanID"])];
        expected.extend(before.map(|before| ("FOLLOWS_FROM", &before["spanID"])));
        let references = span["references"].as_array().into_iter().flatten();
        let references: Vec<_> = references
            .map(|reference| {
                (reference["refType"].as_str().unwrap_or_default(), &reference["spanID"])
            })
            .collect();
        assert_eq!(references, expected, "{name}: {context}");
        assert_eq!(tag(span, "span.kind").expect("a kind")["value"], "client", "{context}");
        let attempt = tag(span, "attempt").expect("a number");
        assert_eq!((&attempt["type"], &attempt["value"]), (&"int64".into(), &number.into()));
        let log = &span["logs"][0];
        assert_eq!(
            in_list(&log["fields"], "event").expect("a log")["value"],
            "called",
            "{context}"
        );
        let error = tag(span, "error").map(|error| &error["value"]);
        assert_eq!(error, (name == "payment").then_some(&Value::Bool(true)), "{context}");
        before = Some(span);
    }
}

/// The span without a parent.
fn root(spans: &[Value]) -> Value {
    let is_root = |span: &&Value| span["references"].as_array().is_none_or(Vec::is_empty);
    spans.iter().find(is_root).expect("a root").clone()
}

fn tag<'a>(span: &'a Value, key: &str) -> Option<&'a Value> {
    in_list(&span["tags"], key)
}

fn in_list<'a>(list: &'a Value, key: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|entry| entry["key"] == key)
}
