//! Exporters that speak other protocols, into a real Jaeger.

use super::{
    gateway_process::Gateway,
    jaeger::Jaeger,
    oracle::record,
    parts::stands,
    process::{succeed, wait_until},
};

/// Scenario: of the services of each trace, Jaeger is to get some in Zipkin's JSON and all others over
/// its own gRPC, from exporters with a condition each.
///
/// Guarantee: each trace is whole in Jaeger, so that each exporter has delivered its part; and no span
/// is there twice, so that neither has delivered more (I1, I2, I4).
#[test]
fn two_exporters_deliver_the_parts_of_a_trace() {
    if !stands("jaeger") {
        return;
    }
    let mut jaeger = Jaeger::new();
    jaeger.start();
    let condition = r#"IsMatch(attributes["host.name"], "node-[02468]")"#;
    let mut gateway = Gateway::new(&format!(
        "tail_sampling:\n  decision_wait: 1s\n  policies: [{{ name: all, type: always_sample }}]\n\
         exporters:\n  zipkin:\n    endpoint: \"http://127.0.0.1:{}\"\n    only: '{condition}'\n  \
         jaeger:\n    endpoint: \"127.0.0.1:{}\"\n    tls: {{ insecure: true }}\n    \
         only: 'not {condition}'\n",
        jaeger.zipkin, jaeger.grpc
    ));
    gateway.expect(&[("spans go nowhere", "each of them has a condition, and one holds always")]);
    gateway.start();
    let (generator, sent) = gateway.generate(&["--traces", "50", "--slow", "0", "--late", "0"]);
    succeed(generator, "the generator", &gateway.folder.path().join("generate.log"));
    for trace in record(&sent) {
        wait_until("a trace is whole in Jaeger", || {
            jaeger.trace(&trace.trace_id).len() == trace.acknowledged.len()
        });
        let spans = jaeger.trace(&trace.trace_id);
        for id in &trace.acknowledged {
            assert_eq!(spans.get(id), Some(&1), "span {id} of {}: {spans:?}", trace.trace_id);
        }
    }
    for exporter in ["zipkin", "jaeger"] {
        let of = |name| gateway.metric_with(name, &format!("exporter=\"{exporter}\""));
        assert!(of("wholetrace_exporter_sent_spans_total") > 0.0, "{exporter}");
        assert!(of("wholetrace_exporter_passed_spans_total") > 0.0, "{exporter}");
    }
    assert!(gateway.stop().success(), "{}", gateway.output());
}
