//! Kafka between two tiers, which becomes the log, and topics that others write or read.

use serde_json::{Map, Value, json};

use crate::{
    collector::model::Collector,
    document::words,
    draft::Draft,
    report::{Place, Report},
};

/// Has the log in the brokers that the exporter `name` writes to.
pub(crate) fn log(collector: &Collector, name: &str, draft: &mut Draft, report: &mut Report) {
    let place = collector.at("exporters", name);
    let none = Map::new();
    let settings =
        collector.component("exporters", name).and_then(Value::as_object).unwrap_or(&none);
    let mut kafka = Map::new();
    let brokers = words(settings.get("brokers"));
    let brokers = if brokers.is_empty() { vec!["localhost:9092".to_owned()] } else { brokers };
    kafka.insert("brokers".to_owned(), json!(brokers));
    let Login { tls, sasl } = Login::of(settings);
    if let Some(tls) = tls {
        kafka.insert("tls".to_owned(), tls);
    }
    if let Some(sasl) = sasl {
        kafka.insert("auth".to_owned(), json!({ "sasl": sasl }));
    }
    if let Some(compression) = settings.get("producer").and_then(|one| one.get("compression")) {
        kafka.insert("producer".to_owned(), json!({ "compression": compression }));
    }
    report.taken(place.clone(), "its brokers have the log: as `log.kafka`");
    let idle = ["topic", "traces", "encoding", "partition_traces_by_id", "topic_from_attribute"];
    for key in idle.into_iter().filter(|key| settings.contains_key(*key)) {
        report.not_needed(
            place.key(key),
            "the log has topics of its own, which `wholetrace topics create` makes: their names are \
             under `log.kafka`",
        );
    }
    draft.put("log", "kafka", Value::Object(kafka), place);
}

/// How a Collector proves to brokers who it is, in the words of newer ones.
struct Login {
    tls: Option<Value>,
    sasl: Option<Value>,
}

impl Login {
    fn of(settings: &Map<String, Value>) -> Self {
        let auth = settings.get("auth").unwrap_or(&Value::Null);
        let tls = settings.get("tls").or_else(|| auth.get("tls")).cloned();
        let sasl = auth.get("sasl").cloned().or_else(|| {
            let mut plain = auth.get("plain_text")?.as_object()?.clone();
            plain.insert("mechanism".to_owned(), "PLAIN".into());
            Some(Value::Object(plain))
        });
        Self { tls, sasl }
    }
}

/// What is in messages that we read, and that we write.
const READ: [&str; 6] =
    ["otlp_proto", "otlp_json", "zipkin_json", "zipkin_proto", "zipkin_thrift", "jaeger_proto"];
const WRITTEN: [&str; 3] = ["otlp_proto", "otlp_json", "jaeger_proto"];

/// The group that readers form unless they are told.
const GROUP: &str = "otel-collector";

/// Has the receiver at `place` read what it read in the Collector. Gives whether it can.
pub(crate) fn receiver(settings: &mut Value, place: &Place, report: &mut Report) -> bool {
    let Some(settings) = settings.as_object_mut() else { return true };
    if let Some(encoding) = unknown_encoding(settings, &READ) {
        report.lost(
            place.clone(),
            format!("messages of `{encoding}` are not read"),
            "let a Collector in front read the topic, and send `otlp` here",
        );
        return false;
    }
    log_in(settings);
    if let Some(traces) = settings.get_mut("traces").and_then(Value::as_object_mut)
        && let Some(topic) = traces.shift_remove("topic")
    {
        traces.insert("topics".to_owned(), json!([topic]));
    }
    // It goes on where the Collectors are.
    settings.entry("group_id").or_insert_with(|| GROUP.into());
    report.taken(place.clone(), "goes on where its group is: stop the Collectors that read in it");
    true
}

/// Has the exporter at `place` write what it wrote in the Collector. Gives whether it can.
pub(crate) fn exporter(settings: &mut Value, place: &Place, report: &mut Report) -> bool {
    let Some(settings) = settings.as_object_mut() else { return true };
    if let Some(encoding) = unknown_encoding(settings, &WRITTEN) {
        report.lost(
            place.clone(),
            format!("messages of `{encoding}` are not written"),
            "have its readers take `otlp_proto` or `jaeger_proto`; or export `otlp` to a Collector behind \
             that writes them",
        );
        return false;
    }
    log_in(settings);
    report.taken(place.clone(), "");
    true
}

/// The encoding of messages, if it is none of `known`.
fn unknown_encoding(settings: &Map<String, Value>, known: &[&str]) -> Option<String> {
    let traces = settings.get("traces").and_then(|traces| traces.get("encoding"));
    let encoding = traces.or_else(|| settings.get("encoding"))?.as_str()?;
    // What a variable holds is known where the process runs.
    (!known.contains(&encoding) && !encoding.contains('$')).then(|| encoding.to_owned())
}

/// Writes the login where newer Collectors, and we, have it.
fn log_in(settings: &mut Map<String, Value>) {
    let Login { tls, sasl } = Login::of(settings);
    let Some(auth) = settings.get_mut("auth").and_then(Value::as_object_mut) else { return };
    auth.shift_remove("tls");
    auth.shift_remove("plain_text");
    if let Some(sasl) = sasl {
        auth.insert("sasl".to_owned(), sasl);
    }
    if let Some(tls) = tls {
        settings.insert("tls".to_owned(), tls);
    }
}
