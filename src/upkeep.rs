//! What the process looks at once a second: its memory, its budgets, its log.

use std::time::Duration;

use wholetrace_runtime::{admin::Readiness, budget::ByteBudget, memory, metrics};

use crate::{
    config::{Config, memory_limit},
    log::{OpenLog, Trouble},
};

const INTERVAL: Duration = Duration::from_secs(1);

/// Goes on until it is dropped. `working` says whether the log does its work.
pub(crate) async fn watch(
    log: &OpenLog,
    window_cache: Option<&ByteBudget>,
    working: &Readiness,
    config: &Config,
) {
    let limit = memory_limit(config).unwrap_or_default();
    let mut before = None;
    loop {
        metrics::memory(memory::resident().unwrap_or_default(), limit);
        if let Some(budget) = window_cache {
            metrics::budget(budget);
        }
        let trouble = log.trouble();
        match &trouble {
            None => working.ready(),
            Some(trouble) => {
                working.not_ready(format!("{} ({})", trouble.reason, trouble.figures));
            }
        }
        tell(before.as_ref(), trouble.as_ref());
        before = trouble;
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Says in the process's log what has changed.
fn tell(before: Option<&Trouble>, now: Option<&Trouble>) {
    match (before, now) {
        (Some(before), Some(now)) if before.reason == now.reason => {}
        (_, Some(now)) => tracing::warn!(
            figures = now.figures,
            "the log: {}; it goes on by itself when that is over",
            now.reason
        ),
        (Some(before), None) => tracing::info!("the log works again; before, {}", before.reason),
        (None, None) => {}
    }
}
