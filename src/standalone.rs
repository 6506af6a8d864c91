//! `wholetrace standalone`: everything in one process, from its start to its end.

use std::{io::Write as _, time::Duration};

use anyhow::bail;
use tokio::signal::unix::{Signal, SignalKind, signal};
use wholetrace_runtime::{
    admin::Health,
    clock,
    logging::LogFormat,
    metrics,
    shutdown::{Shutdown, Tasks},
};
use wholetrace_sampler::Sampler;

use crate::{
    announce::{self, VERSION},
    config::{Inputs, Loaded},
    reload::Reload,
    upkeep,
    wiring::{self, Process},
};

/// How long the gateway may take beyond its own drain timeout.
const GATEWAY_SLACK: Duration = Duration::from_secs(5);
/// How long the sampler may take to stop: it bounds itself by less.
const SAMPLER_STOP_WITHIN: Duration = Duration::from_secs(25);
/// How long the log may take to close.
const LOG_CLOSE_WITHIN: Duration = Duration::from_secs(20);
/// How long the rest may take.
const REST_STOP_WITHIN: Duration = Duration::from_secs(2);

/// Runs until a signal, or until something fails.
///
/// # Errors
/// What keeps it from starting, or what failed.
pub(crate) fn run(loaded: &Loaded, inputs: Inputs) -> anyhow::Result<()> {
    loaded.config.logging.init()?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(live(loaded, inputs));
    // What is left has had its time, and must not keep the process.
    runtime.shutdown_timeout(REST_STOP_WITHIN);
    ended
}

async fn live(loaded: &Loaded, inputs: Inputs) -> anyhow::Result<()> {
    // Before anything that takes time: a signal during the start ends it in order.
    let mut signals = Signals::new()?;
    let config = &loaded.config;
    let process = tokio::select! {
        process = wiring::standalone(config) => process?,
        name = signals.next() => {
            tracing::info!("{name} during the start");
            return Ok(());
        }
    };
    let message = announce::message(config, &process);
    let Process { recorder, admin, log, gateway, sampler, policies, window_cache } = process;
    metrics::started(VERSION, clock::unix_millis() as f64 / 1000.0);

    // Three groups that stop one after the other: what takes spans, what works on them, the rest.
    let (stop, working, end) = (Shutdown::new(), Shutdown::new(), Shutdown::new());
    let (receiving, sampling, rest) =
        (Tasks::new(stop.clone()), Tasks::new(stop.clone()), Tasks::new(stop.clone()));
    let health = Health::new();
    let (ready, taking) = (health.register("process"), health.register("log"));

    // Waits for a second signal to the very end.
    Tasks::new(stop.clone()).spawn("signals", signals.watch(stop.clone()));
    rest.spawn("admin", admin.run(health, recorder.clone(), end.clone()));
    rest.spawn("metrics", recorder.upkeep(end.clone()));
    let reload = Reload::new(config.clone(), inputs, policies)?;
    rest.spawn("reload", reload.run(end.clone()));
    sampling.spawn("sampler", sample(sampler, working.clone(), stop.clone()));
    receiving.spawn("gateway", gateway.run(stop.clone()));
    say(&message, config.logging.format);
    ready.ready();

    let watch = upkeep::watch(&log, &window_cache, &taking, config);
    tokio::select! {
        () = stop.requested() => {}
        () = working.requested() => stop.fail(working.failure().unwrap_or_default()),
        () = watch => {}
        () = log.ended() => stop.fail("the log has ended"),
    }
    ready.not_ready("stopping");
    // First what takes spans, then what works on them.
    stop.request();
    receiving.join(config.limits.drain_timeout.get() * 2 + GATEWAY_SLACK).await;
    working.request();
    sampling.join(SAMPLER_STOP_WITHIN).await;
    if tokio::time::timeout(LOG_CLOSE_WITHIN, log.close()).await.is_err() {
        tracing::warn!("the log did not close in time; it is recovered at the next start");
    }
    end.request();
    rest.join(REST_STOP_WITHIN).await;
    match [&stop, &working].into_iter().find_map(Shutdown::failure) {
        Some(reason) => bail!("stopped because of a failure: {reason}"),
        None => {
            tracing::info!("stopped in order");
            Ok(())
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

/// The signals that end the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The first signal stops in order, the second one at once.
    async fn watch(mut self, stop: Shutdown) {
        let name = self.next().await;
        tracing::info!("{name}: finish what was begun and stop; a second signal stops at once");
        stop.request();
        let name = self.next().await;
        tracing::warn!("{name} again: stop at once; nothing acknowledged is lost");
        std::process::exit(1);
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
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
