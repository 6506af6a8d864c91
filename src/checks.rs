//! What the process looks at once a second: its memory, its budgets, its log, its group.

use std::time::Duration;

use wholetrace_runtime::{admin::Check, budget::ByteBudget, metrics};

use crate::{
    config::{Config, memory_limit},
    log::{OpenLog, Trouble},
};

const INTERVAL: Duration = Duration::from_secs(1);

/// What operators are told of the log.
pub(crate) struct Checks {
    /// Whether it does its work. A gateway without its log refuses retryably, and a sampler waits:
    /// neither would be helped by being taken for dead.
    pub(crate) log: Check,
    /// Of a sampler, whether it has joined the group.
    pub(crate) group: Option<Check>,
}

/// Goes on until it is dropped.
pub(crate) async fn watch(
    log: &OpenLog,
    window_cache: Option<&ByteBudget>,
    checks: &Checks,
    config: &Config,
) {
    let limit = memory_limit(config).unwrap_or_default();
    let mut before = None;
    loop {
        metrics::memory_limit(limit);
        if let Some(budget) = window_cache {
            metrics::budget(budget);
        }
        let trouble = log.trouble();
        match &trouble {
            None => checks.log.pass(),
            Some(trouble) => checks.log.fail(format!("{} ({})", trouble.reason, trouble.figures)),
        }
        // For good: a sampler gets no requests, and a rollout waits only until it has taken its place.
        if let Some(group) = &checks.group
            && log.has_joined()
        {
            group.pass();
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
