//! The one recorder of the process.

use std::time::Duration;

use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::{
    metrics::{
        process,
        table::{Kind, Metric},
    },
    shutdown::Shutdown,
};

/// Samples of histograms wait in memory until they are rendered or this is done: often enough
/// that a process without a scraper does not gather them.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Why the recorder cannot be installed.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be recorded: {0}")]
pub struct InstallError(String);

/// The recorder of this process's metrics.
#[derive(Clone)]
pub struct Recorder {
    handle: PrometheusHandle,
}

impl Recorder {
    /// All metrics in the Prometheus text format.
    #[must_use]
    pub fn render(&self) -> String {
        process::collect();
        self.handle.render()
    }

    /// Sorts recorded samples into their buckets from time to time, until the shutdown.
    pub async fn upkeep(self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(UPKEEP_INTERVAL) => self.handle.run_upkeep(),
            }
        }
    }
}

/// Makes the recorder of this process, with the buckets and descriptions of `tables`.
///
/// # Errors
/// When the process has one already, or a table declares a histogram without buckets.
pub fn install(tables: &[&[Metric]]) -> Result<Recorder, InstallError> {
    let builder = with_buckets(PrometheusBuilder::new(), tables)?;
    let handle = builder.install_recorder().map_err(|error| InstallError(error.to_string()))?;
    for metric in tables.iter().copied().flatten() {
        describe(metric);
    }
    Ok(Recorder { handle })
}

fn with_buckets(
    mut builder: PrometheusBuilder,
    tables: &[&[Metric]],
) -> Result<PrometheusBuilder, InstallError> {
    for metric in tables.iter().copied().flatten() {
        if metric.kind == Kind::Histogram {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), metric.buckets)
                .map_err(|error| InstallError(format!("`{}`: {error}", metric.name)))?;
        }
    }
    Ok(builder)
}

fn describe(metric: &Metric) {
    match metric.kind {
        Kind::Counter => describe_counter!(metric.name, metric.help),
        Kind::Gauge => describe_gauge!(metric.name, metric.help),
        Kind::Histogram => describe_histogram!(metric.name, metric.help),
    }
}

#[cfg(test)]
mod tests {
    use metrics::{counter, histogram, with_local_recorder};

    use super::*;
    use crate::metrics::table::Unit;

    const TABLE: &[Metric] = &[
        Metric::counter("test_things_total", Unit::None, "Things."),
        Metric::histogram("test_wait_seconds", Unit::Seconds, "Waits.", &[0.1, 1.0]),
    ];

    #[test]
    fn histograms_have_the_buckets_of_their_table() {
        let recorder = with_buckets(PrometheusBuilder::new(), &[TABLE]).unwrap().build_recorder();
        with_local_recorder(&recorder, || {
            TABLE.iter().for_each(describe);
            counter!("test_things_total").increment(3);
            histogram!("test_wait_seconds").record(0.5);
        });
        let text = recorder.handle().render();
        assert!(text.contains("# HELP test_things_total Things."), "{text}");
        assert!(text.contains("test_things_total 3"), "{text}");
        assert!(text.contains(r#"test_wait_seconds_bucket{le="0.1"} 0"#), "{text}");
        assert!(text.contains(r#"test_wait_seconds_bucket{le="1"} 1"#), "{text}");
    }

    #[test]
    fn a_histogram_without_buckets_is_refused() {
        let table: &[Metric] = &[Metric::histogram("test_seconds", Unit::Seconds, "x", &[])];
        assert!(with_buckets(PrometheusBuilder::new(), &[table]).is_err());
    }
}
