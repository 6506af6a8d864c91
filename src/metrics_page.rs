//! The metrics of all crates.

use wholetrace_runtime::metrics::{self, Metric};

/// The metrics of the log over Kafka, where it is part of this build.
#[cfg(feature = "kafka")]
const KAFKA: &[Metric] = wholetrace_spanlog_kafka::TABLE;
#[cfg(not(feature = "kafka"))]
const KAFKA: &[Metric] = &[];

/// The metrics of receivers that read topics, where they are part of this build.
#[cfg(feature = "kafka")]
const KAFKA_RECEIVERS: &[Metric] = wholetrace_gateway::KAFKA_METRICS;
#[cfg(not(feature = "kafka"))]
const KAFKA_RECEIVERS: &[Metric] = &[];

/// The tables, each with its heading in the documentation.
pub(crate) const TABLES: [(&str, &[Metric]); 13] = [
    ("Gateway", wholetrace_gateway::METRICS),
    ("Tenants", wholetrace_gateway::TENANT_METRICS),
    ("Kafka receivers", KAFKA_RECEIVERS),
    ("Log of a single machine", wholetrace_spanlog::metrics::TABLE),
    ("Log over Kafka", KAFKA),
    ("Sampler", wholetrace_sampler::shell::metrics::TABLE),
    ("Traces", wholetrace_sampler::shell::measured_metrics::TABLE),
    ("Policies", wholetrace_sampler::shell::policy_metrics::TABLE),
    ("Budgets", wholetrace_sampler::shell::budget_metrics::TABLE),
    ("Partitions", wholetrace_sampler::shell::partition_metrics::TABLE),
    ("Exporters", wholetrace_exporter::metrics::TABLE),
    ("Explanations", crate::explain::METRICS),
    ("Process", metrics::TABLE),
];

/// The page about the metrics, as Markdown.
pub(crate) fn markdown() -> String {
    metrics::markdown(&TABLES)
}
