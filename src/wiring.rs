//! Makes the parts of a process and puts them together. The one place that knows which log,
//! exporters and listeners there are.

use std::sync::Arc;

use anyhow::Context as _;
use wholetrace_exporter::build::build_all;
use wholetrace_gateway::{Address, Gateway, GatewayConfig};
use wholetrace_runtime::{
    admin::Admin,
    budget::ByteBudget,
    listen,
    metrics::{self, Recorder},
    problems::Problems,
};
use wholetrace_sampler::{
    PolicyHandle, Sampler, SamplerParts, config::SamplerConfig, policy::PolicySet,
};
use wholetrace_spanlog::routing::Routing;

use crate::{config::Config, log::OpenLog, metrics_page::TABLES, role::Role};

/// What a process has before its log is open: operators can ask it how it is.
pub(crate) struct Base {
    pub(crate) recorder: Recorder,
    pub(crate) admin: Admin,
}

/// A process whose parts are made, whose log is open and whose ports are bound.
pub(crate) struct Process {
    pub(crate) role: Role,
    pub(crate) log: OpenLog,
    /// Where the role takes spans.
    pub(crate) gateway: Option<Gateway>,
    /// Where the role samples.
    pub(crate) sampling: Option<Sampling>,
}

/// A sampler, and the handles on it.
pub(crate) struct Sampling {
    pub(crate) sampler: Sampler,
    pub(crate) policies: PolicyHandle,
    pub(crate) window_cache: ByteBudget,
}

impl Process {
    /// The addresses that spans are taken on, by receiver.
    pub(crate) fn receivers(&self) -> impl Iterator<Item = (&String, &Address)> {
        self.gateway.iter().flat_map(|gateway| gateway.addresses())
    }
}

/// Makes what tells operators about the process.
///
/// # Errors
/// A port that is taken.
pub(crate) async fn base(role: Role, config: &Config) -> anyhow::Result<Base> {
    // Before all handles: those made without a recorder record nothing.
    let recorder = metrics::install(&TABLES.map(|(_, table)| table))?;
    if role.takes_spans() {
        probe(&config.gateway()).await?;
    }
    Ok(Base { recorder, admin: Admin::bind(&config.admin).await? })
}

/// Makes all other parts.
///
/// # Errors
/// A port that is taken, a log that cannot be used, an exporter that cannot be made.
pub(crate) async fn build(role: Role, config: &Config) -> anyhow::Result<Process> {
    let log = OpenLog::open(config, role).await?;
    let gateway = if role.takes_spans() {
        let routing = Routing::new(log.routing())?;
        let writer = log.log().spans.writer;
        Some(Gateway::bind(&config.gateway(), routing, writer).await?)
    } else {
        None
    };
    let sampling = if role.samples() { Some(sampling(config, &log)?) } else { None };
    Ok(Process { role, log, gateway, sampling })
}

fn sampling(config: &Config, log: &OpenLog) -> anyhow::Result<Sampling> {
    // After the log, which takes no folder that somebody else has files in.
    let exporters = build_all(&config.exporters)?;
    let window_cache = ByteBudget::new("window_cache", config.memory.window_cache.as_usize());
    let parts = SamplerParts {
        log: log.log(),
        group: log.group()?,
        exporters,
        policies: policies(config)?,
        window_cache: window_cache.clone(),
    };
    let sampler_config = SamplerConfig {
        tail_sampling: config.tail_sampling.clone(),
        exporters: config.exporters.clone(),
        memory: config.memory.sampler(),
        epoch: log.routing().epoch,
    };
    let mut sampler = Sampler::new(&sampler_config, parts);
    if let Some(retention) = log.retention() {
        sampler = sampler.with_retention(retention);
    }
    let policies = sampler.policies();
    Ok(Sampling { sampler, policies, window_cache })
}

/// The compiled policies of `config`.
///
/// # Errors
/// What checking the configuration finds too.
pub(crate) fn policies(config: &Config) -> anyhow::Result<Arc<PolicySet>> {
    let mut problems = Problems::new();
    let policies = PolicySet::compile(&config.tail_sampling, "tail_sampling", &mut problems);
    policies.map(Arc::new).with_context(|| problems.to_string())
}

/// Tries all endpoints of the gateway before the log is opened, which can take long and locks its
/// folder: a second process by mistake is told of the port at once.
async fn probe(config: &GatewayConfig) -> Result<(), listen::BindError> {
    for listener in config.receivers.listeners() {
        listener.probe().await?;
    }
    Ok(())
}
