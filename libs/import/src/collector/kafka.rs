//! Kafka between two tiers: it becomes the log.

use serde_json::{Map, Value, json};

use crate::{collector::model::Collector, document::words, draft::Draft, report::Report};

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
    let auth = settings.get("auth").unwrap_or(&Value::Null);
    if let Some(tls) = settings.get("tls").or_else(|| auth.get("tls")) {
        kafka.insert("tls".to_owned(), tls.clone());
    }
    let sasl = auth.get("sasl").cloned().or_else(|| {
        let mut plain = auth.get("plain_text")?.as_object()?.clone();
        plain.insert("mechanism".to_owned(), "PLAIN".into());
        Some(Value::Object(plain))
    });
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
