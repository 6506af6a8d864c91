//! Why a trace was kept or not: `wholetrace explain`, and what the admin listener answers below
//! `/api/decisions`.

mod api;
mod ask;
mod json;
mod metrics;
mod options;
mod query;
mod text;

use std::{io::Write as _, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use serde_json::Value;
use wholetrace_proto::id::TraceId;
use wholetrace_sampler::explain::Explainer;
use wholetrace_spanlog::{embedded::OpenError, routing::Routing};

use crate::{
    config::{Config, LogChoice},
    log::OpenLog,
    role::Role,
};

pub(crate) use api::DecisionsApi;
pub(crate) use metrics::TABLE as METRICS;
use options::Format;
pub(crate) use options::{HELP, Options};

/// How long threads may take to end.
const END_WITHIN: Duration = Duration::from_secs(2);

/// What answers questions from `log`, in a process of this role; `None` is a command.
///
/// # Errors
/// When the mapping of traces to partitions is none.
pub(crate) fn explainer(
    config: &Config,
    log: &OpenLog,
    role: Option<Role>,
) -> anyhow::Result<Explainer> {
    // A gateway's configuration may lack what only samplers use.
    let samples = role.is_none_or(Role::samples);
    let exporters = config.exporters.0.iter().filter(|_| samples);
    Ok(Explainer {
        log: log.log(),
        routing: Routing::new(log.routing())?,
        committed: log.committed(),
        exporters: exporters.map(|(name, _)| Arc::from(name.as_str())).collect(),
        decision_wait: samples.then(|| config.tail_sampling.decision_wait.as_millis()),
    })
}

/// Explains a trace on standard output.
///
/// # Errors
/// When nobody can be asked.
pub(crate) fn run(options: &Options, config: &Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let answered = runtime.block_on(answer(options, config));
    runtime.shutdown_timeout(END_WITHIN);
    let (answer, more) = answered?;
    let text = match options.format {
        Format::Text => text::of(&answer, more),
        Format::Json => format!("{answer:#}\n"),
    };
    let written = std::io::stdout().lock().write_all(text.as_bytes());
    written.context("the output cannot be written")
}

/// The answer of a running process, or of the log, and how to get more where it is not whole.
async fn answer(options: &Options, config: &Config) -> anyhow::Result<(Value, &'static str)> {
    let again = "ask again when the process has less to do";
    if let Some(address) = &options.at {
        return Ok((ask::decisions(address, options.trace_id).await?, again));
    }
    if let LogChoice::Embedded(embedded) = config.log.choice()
        && !embedded.holds_log()
    {
        let directory = embedded.directory.display();
        bail!(
            "there is no log in `{directory}`: name the configuration of the process that is meant \
             with `--config`, or the admin listener of one that runs with `--at HOST:PORT`"
        );
    }
    let log = match OpenLog::open(config, Role::Sampler).await {
        Ok(log) => log,
        // It is used by a process that can be asked.
        Err(error) if matches!(error.downcast_ref(), Some(OpenError::Locked { .. })) => {
            let asked = ask::decisions(&config.admin.endpoint, options.trace_id).await;
            let asked = asked.with_context(|| format!("{error}, and cannot be asked"))?;
            return Ok((asked, again));
        }
        Err(error) => return Err(error),
    };
    let explained = explained(options.trace_id, options.within, config, &log).await;
    log.close().await;
    Ok((explained?, "`--within` gives it longer"))
}

async fn explained(
    id: TraceId,
    within: Duration,
    config: &Config,
    log: &OpenLog,
) -> anyhow::Result<Value> {
    let explanation = explainer(config, log, None)?.explain(id, within).await?;
    Ok(json::explanation(&explanation))
}
