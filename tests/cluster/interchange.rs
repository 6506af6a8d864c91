//! The topics are read, and may be written, by what exists.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
};

use super::{
    gateway_process::Gateway,
    kafka::Kafka,
    load::Scale,
    oracle,
    parts::{built, folder, stands},
    process::{succeed, wait_until},
    steady::{fleet, sampling},
};

/// A real OpenTelemetry Collector. Killed when dropped.
struct Collector(Child);

impl Collector {
    /// Starts it to write the spans of `topic` to `collected.jsonl` in `place`.
    fn start(place: &Path, brokers: &str, topic: &str) -> Self {
        let template = folder().join("collector/read-spans.yaml");
        let config = fs::read_to_string(template).expect("the template");
        let config = config
            .replace("BROKERS", brokers)
            .replace("TOPIC", topic)
            .replace("FILE", &place.join("collected.jsonl").display().to_string());
        let path = place.join("collector.yaml");
        fs::write(&path, config).expect("the configuration");
        let log = File::create(place.join("collector.output")).expect("the log file");
        let child = Command::new(built("collector/collector"))
            .arg("--config")
            .arg(path)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn();
        Self(child.expect("the Collector starts"))
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
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
    let _collector = Collector::start(place, &kafka.brokers, &format!("{}-spans", fleet.name));
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
    let said = fs::read_to_string(place.join("collector.output")).unwrap_or_default();
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
    let receiver = format!(
        "  kafka: {{ brokers: [\"{brokers}\"], traces: {{ topics: [{topic}] }}, session_timeout: 3s, \
         heartbeat_interval: 500ms }}\n"
    );
    let mut reader = Gateway::with_receivers(
        &receiver,
        &format!("{all}exporters:\n  file: {{ path: \"FOLDER/kept.jsonl\" }}\n"),
    );
    reader.expect(&[("cut an unfinished line", "a kill in the midst of a write leaves one")]);
    writer.start();
    reader.start();
    let place = reader.folder.path().to_owned();
    let collector = stands("collector").then(|| Collector::start(&place, &kafka.brokers, topic));
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
