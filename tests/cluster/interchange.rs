//! The topics are read, and may be written, by what exists.

use std::{fs, path::Path};

use super::{
    collector::Collector,
    gateway_process::Gateway,
    jaeger::Jaeger,
    kafka::{Kafka, LATE},
    load::Scale,
    oracle,
    parts::{folder, stands},
    process::{succeed, wait_until},
    sender::{ERRORS_ARE_KEPT, go, must_be_whole, run},
    steady::{fleet, sampling},
};

/// A Collector that writes the spans of `topic` to `collected.jsonl` in `place`.
fn reader(place: &Path, brokers: &str, topic: &str) -> Collector {
    let template = fs::read_to_string(folder().join("collector/read-spans.yaml"));
    let config = template
        .expect("the template")
        .replace("BROKERS", brokers)
        .replace("TOPIC", topic)
        .replace("FILE", &place.join("collected.jsonl").display().to_string());
    Collector::start(place, &config)
}

/// Scenario: a real Collector's Kafka receiver reads the spans topic as `otlp_proto`, beside the
/// samplers, ticks included.
///
/// Guarantee: it gets every acknowledged span.
#[test]
fn a_collector_reads_the_spans_topic() {
    let Some(kafka) = Kafka::shared() else { return };
    if !stands("collector") {
        return;
    }
    let scale = Scale::of_this_run();
    let fleet = fleet(&kafka, 1, 1, &sampling("2s"));
    let place = fleet.folder.path();
    let collector = reader(place, &kafka.brokers, &format!("{}-spans", fleet.name));
    let seed = scale.seed.to_string();
    let options = ["--traces", "2000", "--rate", "500", "--late", "0", "--seed", &seed];
    let (mut generator, record) = fleet.generate(0, &options);
    assert!(generator.wait().expect("it ended").success());
    let sent = oracle::record(&record);
    assert_eq!(sent.len(), 2_000);
    wait_until("the Collector has every span", || {
        let collected = oracle::arrived(place, "collected");
        sent.iter().all(|trace| {
            let spans = collected.get(&trace.trace_id);
            trace.acknowledged.iter().all(|id| spans.is_some_and(|spans| spans.contains_key(id)))
        })
    });
    wait_until("a silent partition has a tick", || {
        fleet.samplers[0].metric("wholetrace_sampler_ticks_total") > 0.0
    });
    let said = collector.output();
    assert!(!said.contains("failed to unmarshal"), "{said}");
}

const TOPIC: &str = "org.apache.kafka.tools.TopicCommand";

/// Scenario: a process exports what it keeps to a topic. Another one reads that, and is killed in the
/// midst of it; so does a real Collector, which is left alone.
///
/// Guarantee: both get every acknowledged span.
#[test]
fn what_is_exported_to_a_topic_is_read_by_others() {
    let Some(kafka) = Kafka::shared() else { return };
    let (topic, brokers) = ("exported", kafka.brokers.replace(',', "\", \""));
    let new = ["--create", "--topic", topic, "--partitions", "4", "--replication-factor", "3"];
    kafka.tool(TOPIC, &new);
    let all =
        "tail_sampling:\n  decision_wait: 1s\n  policies: [{ name: all, type: always_sample }]\n";
    let mut writer = Gateway::new(&format!(
        "{all}exporters:\n  kafka:\n    brokers: [\"{brokers}\"]\n    traces: {{ topic: {topic} }}\n"
    ));
    // The group of the Collector has the name of the topic.
    let receiver = format!(
        "  kafka: {{ brokers: [\"{brokers}\"], group_id: of-{topic}, traces: {{ topics: [{topic}] }}, \
         session_timeout: 3s, heartbeat_interval: 500ms }}\n"
    );
    let mut reader = Gateway::with_receivers(
        &receiver,
        &format!("{all}exporters:\n  file: {{ path: \"FOLDER/kept.jsonl\" }}\n"),
    );
    for process in [&mut writer, &mut reader] {
        process.expect(LATE);
    }
    reader.expect(&[("cut an unfinished line", "a kill in the midst of a write leaves one")]);
    writer.start();
    reader.start();
    let place = reader.folder.path().to_owned();
    let collector = stands("collector").then(|| self::reader(&place, &kafka.brokers, topic));
    let options = ["--traces", "2000", "--rate", "400", "--late", "0", "--slow", "0"];
    let (generator, record) = writer.generate(&options);
    let taken = "wholetrace_gateway_spans_total";
    wait_until("some are read", || reader.metric_with(taken, "receiver=\"kafka\"") > 500.0);
    reader.kill();
    reader.start();
    succeed(generator, "the generator", &writer.folder.path().join("generate.log"));
    let sent = oracle::record(&record);
    assert_eq!(sent.len(), 2_000);
    let readers = [("the reader", "kept")].into_iter();
    for (who, stem) in readers.chain(collector.is_some().then_some(("the Collector", "collected")))
    {
        wait_until(&format!("{who} has every span"), || {
            let arrived = oracle::arrived(&place, stem);
            sent.iter().all(|trace| {
                let spans = arrived.get(&trace.trace_id);
                let has = |id| spans.is_some_and(|spans| spans.contains_key(id));
                trace.acknowledged.iter().all(has)
            })
        });
    }
    assert!(reader.stop().success() && writer.stop().success());
}

/// Scenario: a real Collector writes what it takes to a topic, in each of the encodings that its
/// exporter and our receiver have, which is not told them; and in JSON of Jaeger, which we do not read.
///
/// Guarantee: of all of them the traces with an error are whole in a real Jaeger, and the others are
/// not there. Each message that is not read is counted.
#[test]
fn what_a_collector_exports_to_a_topic_is_read() {
    let Some(kafka) = Kafka::shared() else { return };
    let parts = ["jaeger", "collector", "go"].map(stands);
    if parts.contains(&false) {
        return;
    }
    let mut jaeger = Jaeger::new();
    jaeger.start();
    let topic = "collected";
    // One partition: the root of a trace, by which it is decided, stays behind the rest.
    let new = ["--create", "--topic", topic, "--partitions", "1", "--replication-factor", "3"];
    kafka.tool(TOPIC, &new);
    let brokers = format!("brokers: [\"{}\"]", kafka.brokers.replace(',', "\", \""));
    let mut gateway = Gateway::with_receivers(
        &format!(
            "  kafka: {{ {brokers}, group_id: of-{topic}, traces: {{ topics: [{topic}] }} }}\n"
        ),
        &format!("{ERRORS_ARE_KEPT}{}", jaeger.exporter()),
    );
    gateway.expect(LATE);
    gateway.start();
    let encodings =
        ["otlp_proto", "otlp_json", "zipkin_proto", "zipkin_json", "jaeger_proto", "jaeger_json"];
    let exporters = encodings.map(|encoding| {
        let settings = format!("{brokers}, traces: {{ topic: {topic}, encoding: {encoding} }}");
        (format!("kafka/{encoding}"), settings)
    });
    let (collector, mut ports) = Collector::relay(gateway.folder.path(), &exporters);
    let jaeger_json = ports.pop().expect("a port for each");
    let sent: Vec<_> = ports.into_iter().flat_map(|port| run(&mut go("http", port))).collect();
    must_be_whole(&jaeger, &sent);
    let spans: usize = run(&mut go("http", jaeger_json)).iter().map(|trace| trace.spans).sum();
    wait_until("each span in JSON of Jaeger is refused", || {
        let name = "wholetrace_gateway_requests_refused_total";
        gateway.metric_with(name, "reason=\"content_type\"").to_string() == spans.to_string()
    });
    let refused = gateway.metric("wholetrace_gateway_spans_refused_total");
    assert!(refused < 1.0, "{refused} spans were refused: {}", collector.output());
    assert!(gateway.stop().success(), "{}", gateway.output());
}
