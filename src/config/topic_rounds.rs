//! Topics that two parts of one configuration have for different purposes: what is written to one comes
//! back, or breaks what reads it.

use wholetrace_exporter::config::{ExporterConfig, ExportersConfig};
use wholetrace_gateway::{ReceiverConfig, ReceiversConfig};
use wholetrace_runtime::problems::Problems;
use wholetrace_spanlog_kafka::KafkaConfig;

/// A topic that a part of the configuration has.
struct Topic<'c> {
    /// The key that names it.
    key: String,
    name: &'c str,
    brokers: &'c [String],
}

/// Adds each exporter that writes into a topic of the log or of a receiver, and each receiver that reads
/// one of the log. Brokers are compared as they are written, and topics by their names: patterns are
/// not looked at.
pub(super) fn check(
    log: Option<&KafkaConfig>,
    receivers: &ReceiversConfig,
    exporters: &ExportersConfig,
    problems: &mut Problems,
) {
    let group = log.map(|log| (&log.group_id, &log.brokers));
    let log: Vec<Topic<'_>> = log.into_iter().flat_map(of_log).collect();
    for read in of_receivers(receivers) {
        if let Some(own) = log.iter().find(|topic| topic.is(&read)) {
            let message = format!(
                "is the topic of `{}`: what is in the log would be put there again, and go round for ever",
                own.key
            );
            problems.error(read.key.clone(), message, "name another topic");
        }
        for written in of_exporters(exporters).filter(|written| written.is(&read)) {
            let message = format!(
                "is the topic of `{}`: kept traces would come back as new spans and go round for ever",
                read.key
            );
            problems.error(written.key, message, "name another topic");
        }
    }
    for (name, receiver) in &receivers.0 {
        let ReceiverConfig::Kafka(kafka) = receiver else { continue };
        let same = group.is_some_and(|(group, brokers)| {
            *group == kafka.group_id && brokers.iter().any(|broker| kafka.brokers.contains(broker))
        });
        if same {
            let message = "is `log.kafka.group_id`, whose members own partitions of the log";
            problems.error(format!("receivers.{name}.group_id"), message, "name another group");
        }
    }
    for written in of_exporters(exporters) {
        if let Some(own) = log.iter().find(|topic| topic.is(&written)) {
            let message = format!(
                "is the topic of `{}`: kept traces would stand in the log, where they do not belong",
                own.key
            );
            problems.error(written.key, message, "name another topic");
        }
    }
}

impl Topic<'_> {
    fn is(&self, other: &Self) -> bool {
        let shared = || self.brokers.iter().any(|broker| other.brokers.contains(broker));
        self.name == other.name && shared()
    }
}

fn of_log(log: &KafkaConfig) -> impl Iterator<Item = Topic<'_>> {
    let names = [
        ("spans", &log.spans.topic),
        ("decisions", &log.decisions.topic),
        ("dead_letters", &log.dead_letters.topic),
        ("ring", &log.ring.topic),
    ];
    names.into_iter().map(|(key, name)| Topic {
        key: format!("log.kafka.{key}.topic"),
        name,
        brokers: &log.brokers,
    })
}

fn of_receivers(receivers: &ReceiversConfig) -> impl Iterator<Item = Topic<'_>> {
    receivers.0.iter().flat_map(|(name, receiver)| {
        let ReceiverConfig::Kafka(kafka) = receiver else { return Vec::new() };
        let key = if kafka.topic.is_some() { "topic" } else { "traces.topics" };
        let topic = |topic| Topic {
            key: format!("receivers.{name}.{key}"),
            name: topic,
            brokers: &kafka.brokers,
        };
        kafka.topics().into_iter().map(|name| topic(name.as_str())).collect()
    })
}

fn of_exporters(exporters: &ExportersConfig) -> impl Iterator<Item = Topic<'_>> {
    exporters.0.iter().filter_map(|(name, exporter)| match exporter {
        ExporterConfig::Kafka(kafka) => {
            let key = if kafka.topic.is_some() { "topic" } else { "traces.topic" };
            let key = format!("exporters.{name}.{key}");
            Some(Topic { key, name: kafka.topic(), brokers: &kafka.brokers })
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(receivers: Value, exporters: Value) -> Vec<String> {
        let mut problems = Problems::new();
        let receivers = serde_json::from_value(receivers).unwrap();
        let exporters = serde_json::from_value(exporters).unwrap();
        check(Some(&KafkaConfig::default()), &receivers, &exporters, &mut problems);
        problems.errors().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_would_go_round_is_told() {
        let log = KafkaConfig::default();
        let other = json!({"kafka": {"topic": "kept"}});
        assert!(told(json!({"kafka": {}}), other).is_empty());
        for (receivers, exporters, key) in [
            (json!({}), json!({"kafka": {"topic": log.spans.topic}}), "exporters.kafka.topic"),
            (json!({"kafka": {}}), json!({"kafka": {}}), "exporters.kafka.traces.topic"),
            (json!({"kafka": {"topic": log.ring.topic}}), json!({}), "receivers.kafka.topic"),
            (json!({"kafka": {"group_id": log.group_id}}), json!({}), "receivers.kafka.group_id"),
        ] {
            let told = told(receivers, exporters);
            assert!(told.len() == 1 && told[0].contains(key), "{key}: {told:?}");
        }
        let elsewhere = json!({"kafka": {"topic": log.spans.topic, "brokers": ["a:1"]}});
        assert!(told(elsewhere.clone(), elsewhere)[0].contains("exporters.kafka.topic"));
    }
}
