//! What the process looks at once a second: its memory, its budgets, its log.

use std::time::Duration;

use wholetrace_runtime::{admin::Readiness, budget::ByteBudget, memory, metrics};
use wholetrace_spanlog::embedded::EmbeddedLog;

use crate::config::{Config, memory_limit};

const INTERVAL: Duration = Duration::from_secs(1);

/// Goes on until it is dropped. `taking` says whether the log takes spans.
pub(crate) async fn watch(
    log: &EmbeddedLog,
    window_cache: &ByteBudget,
    taking: &Readiness,
    config: &Config,
) {
    let limit = memory_limit(config).unwrap_or_default();
    let mut refusing = None;
    loop {
        metrics::memory(memory::resident().unwrap_or_default(), limit);
        metrics::budget(window_cache);
        let status = log.status();
        match status.refusing {
            None => taking.ready(),
            Some(reason) => taking.not_ready(format!("it takes no spans: {reason}")),
        }
        if status.refusing != refusing {
            tell(status.refusing, status.disk_bytes, status.quota);
            refusing = status.refusing;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn tell(refusing: Option<&str>, disk_bytes: u64, quota: u64) {
    match refusing {
        Some(reason) => tracing::warn!(
            reason,
            disk_bytes,
            quota,
            "the log takes no more spans; senders are asked to come back"
        ),
        None => tracing::info!(disk_bytes, quota, "the log takes spans again"),
    }
}
