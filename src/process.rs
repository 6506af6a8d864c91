//! The life of a process, from its start to its end, whatever its role is.

use std::{io::Write as _, sync::Arc, time::Duration};

use anyhow::bail;
use tokio::signal::unix::Signal;
use wholetrace_runtime::{
    admin::Health,
    logging::LogFormat,
    metrics,
    shutdown::{Shutdown, Tasks},
};
use wholetrace_sampler::Sampler;

use crate::{
    banner::{self, VERSION},
    checks::{self, Checks},
    config::{Inputs, Loaded, load},
    explain::{self, DecisionsApi},
    reload::Reload,
    role::Role,
    signals::{self, Signals},
    summary,
    wiring::{self, Base, Process, Sampling},
};

/// How long the gateway may take beyond its own drain timeout.
const GATEWAY_SLACK: Duration = Duration::from_secs(5);
/// How long the sampler may take to stop: it bounds itself by less.
const SAMPLER_STOP_WITHIN: Duration = Duration::from_secs(25);
/// How long the log may take to close.
const LOG_CLOSE_WITHIN: Duration = Duration::from_secs(20);
/// How long the rest may take.
const REST_STOP_WITHIN: Duration = Duration::from_secs(2);

/// Loads the configuration and runs until a signal, or until something fails.
///
/// # Errors
/// What is wrong with the configuration, what keeps it from starting, or what failed.
pub(crate) fn run(role: Role, inputs: Inputs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // Before the configuration, whose files can be slow to read.
    let hangup = runtime.block_on(async { signals::hangup() })?;
    let loaded = load(&inputs, Some(role))?;
    loaded.config.logging.init()?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let ended = runtime.block_on(live(role, &loaded, inputs, hangup));
    // What is left has had its time, and must not keep the process.
    runtime.shutdown_timeout(REST_STOP_WITHIN);
    ended
}

async fn live(role: Role, loaded: &Loaded, inputs: Inputs, hangup: Signal) -> anyhow::Result<()> {
    // Before anything that takes time: a signal during the start ends it in order.
    let mut signals = Signals::new()?;
    let config = &loaded.config;
    let Base { recorder, admin } = wiring::base(role, config).await?;
    let stages = Stages::new();
    let (health, address) = (Health::new(), admin.local_address());
    let ready = health.require("process");
    let group = (role == Role::Sampler).then(|| health.require("group"));
    let checks = Checks { log: health.observe("log"), group };
    let decisions = Arc::new(DecisionsApi::new());
    let admin = admin.with_api(Arc::clone(&decisions) as _);
    stages.rest.spawn("admin", admin.run(health, recorder.clone(), stages.end.clone()));
    let process = tokio::select! {
        process = wiring::build(role, config) => process?,
        name = signals.next() => {
            tracing::info!("{name} during the start");
            return Ok(());
        }
    };
    metrics::started(VERSION);
    metrics::configured(config.hash());
    let message = banner::message(config, &process, address);
    let Process { log, gateway, sampling, .. } = process;
    decisions.begin(explain::explainer(config, &log, Some(role))?);

    // Waits for a second signal to the very end.
    Tasks::new(stages.stop.clone()).spawn("signals", signals.watch(stages.stop.clone()));
    stages.rest.spawn("summary", summary::tell(recorder.clone(), stages.end.clone()));
    stages.rest.spawn("metrics", recorder.upkeep(stages.end.clone()));
    let window_cache = sampling.as_ref().map(|sampling| sampling.window_cache.clone());
    let policies = sampling.map(|Sampling { sampler, policies, .. }| {
        let (working, stop) = (stages.working.clone(), stages.stop.clone());
        stages.sampling.spawn("sampler", sample(sampler, working, stop));
        policies
    });
    let reload = Reload::new(role, config.clone(), inputs, policies, hangup);
    stages.rest.spawn("reload", reload.run(stages.end.clone()));
    if let Some(gateway) = gateway {
        stages.receiving.spawn("gateway", gateway.run(stages.stop.clone()));
    }
    say(&message, config.logging.format);
    ready.pass();

    let ended = tokio::select! {
        biased;
        cause = log.ended() => Some(cause),
        // What uses a log that has ended may notice it first.
        () = stages.ended() => log.cause(),
        () = checks::watch(&log, window_cache.as_ref(), &checks, config) => None,
    };
    ready.fail("stopping");
    // First what takes spans, then what works on them.
    stages.stop.request();
    stages.receiving.join(config.limits.drain_timeout.get() * 2 + GATEWAY_SLACK).await;
    stages.working.request();
    stages.sampling.join(SAMPLER_STOP_WITHIN).await;
    if tokio::time::timeout(LOG_CLOSE_WITHIN, log.close()).await.is_err() {
        tracing::warn!("the log did not close in time; it is recovered at the next start");
    }
    stages.end.request();
    stages.rest.join(REST_STOP_WITHIN).await;
    stages.outcome(ended)
}

/// Three groups of tasks that stop one after the other: what takes spans, what works on them, and
/// the rest.
struct Stages {
    stop: Shutdown,
    receiving: Tasks,
    working: Shutdown,
    sampling: Tasks,
    end: Shutdown,
    rest: Tasks,
}

impl Stages {
    fn new() -> Self {
        let stop = Shutdown::new();
        let tasks = || Tasks::new(stop.clone());
        let (receiving, sampling, rest) = (tasks(), tasks(), tasks());
        let (working, end) = (Shutdown::new(), Shutdown::new());
        Self { stop, receiving, working, sampling, end, rest }
    }

    /// Resolves when a group ends, or when it is asked to.
    async fn ended(&self) {
        tokio::select! {
            () = self.stop.requested() => {}
            () = self.working.requested() => {
                self.stop.fail(self.working.failure().unwrap_or_default());
            }
        }
    }

    /// What the process ends with; `ended` is why the log has ended, if it has.
    fn outcome(&self, ended: Option<String>) -> anyhow::Result<()> {
        // Why the log has ended says more than what follows from it.
        let follows = || [&self.stop, &self.working].into_iter().find_map(Shutdown::failure);
        match ended.or_else(follows) {
            Some(reason) => bail!("stopped because of a failure: {reason}"),
            None => {
                tracing::info!("stopped in order");
                Ok(())
            }
        }
    }
}

/// Runs the sampler; if it ends before it was asked to, everything stops.
async fn sample(sampler: Sampler, working: Shutdown, stop: Shutdown) {
    match sampler.run(working.clone()).await {
        Err(error) => {
            tracing::error!("the sampler failed: {error}");
            stop.fail(format!("the sampler failed: {error}"));
        }
        Ok(()) if working.is_requested() || stop.is_requested() => {}
        Ok(()) => stop.fail("the sampler ended"),
    }
}

fn say(message: &str, format: LogFormat) {
    match format {
        // Nobody reads it where standard output is gone.
        LogFormat::Console => drop(std::io::stdout().lock().write_all(message.as_bytes())),
        LogFormat::Json => {
            tracing::info!("{}", message.split_whitespace().collect::<Vec<_>>().join(" "))
        }
    }
}
