//! The metrics of all crates.

use wholetrace_runtime::metrics::{self, Metric};

/// The tables, each with its heading in the documentation.
pub(crate) const TABLES: [(&str, &[Metric]); 5] = [
    ("Gateway", wholetrace_gateway::METRICS),
    ("Log", wholetrace_spanlog::metrics::TABLE),
    ("Sampler", wholetrace_sampler::metrics::TABLE),
    ("Exporters", wholetrace_sampler::exporter::metrics::TABLE),
    ("Process", metrics::TABLE),
];

/// The page about the metrics, as Markdown.
pub(crate) fn markdown() -> String {
    metrics::markdown(&TABLES)
}
