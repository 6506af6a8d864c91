//! Topics that two parts of one configuration have for different purposes: what is written to one comes
//! back, or breaks what reads it.

use wholetrace_exporter::config::{ExporterConfig, ExportersConfig};
use wholetrace_runtime::problems::Problems;
use wholetrace_spanlog_kafka::KafkaConfig;

/// A topic that a part of the configuration has.
struct Topic<'c> {
    /// The key that names it.
    key: String,
    name: &'c str,
    brokers: &'c [String],
}

/// Adds each exporter that writes into a topic of the log. Brokers are compared as they are written.
pub(super) fn check(
    log: Option<&KafkaConfig>,
    exporters: &ExportersConfig,
    problems: &mut Problems,
) {
    let log: Vec<Topic<'_>> = log.into_iter().flat_map(of_log).collect();
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
    use super::*;

    #[test]
    fn an_exporter_into_the_log_is_told() {
        let log = KafkaConfig::default();
        let told = |exporters: serde_json::Value| {
            let exporters: ExportersConfig = serde_json::from_value(exporters).unwrap();
            let mut problems = Problems::new();
            check(Some(&log), &exporters, &mut problems);
            problems.errors().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert!(told(serde_json::json!({"kafka": {}})).is_empty());
        let own = told(serde_json::json!({"kafka": {"traces": {"topic": log.spans.topic}}}));
        assert!(own.len() == 1 && own[0].contains("exporters.kafka.traces.topic"), "{own:?}");
        let other = serde_json::json!({"kafka": {"topic": log.spans.topic, "brokers": ["a:1"]}});
        assert!(told(other).is_empty());
    }
}
