//! Makes the parts of a process and puts them together. The one place that knows which log,
//! exporters and listeners there are.

use std::sync::Arc;

use anyhow::Context as _;
use wholetrace_gateway::{Gateway, GatewayConfig};
use wholetrace_runtime::{
    admin::Admin,
    budget::ByteBudget,
    listen,
    metrics::{self, Recorder},
    problems::Problems,
};
use wholetrace_sampler::{
    Parts, PolicyHandle, Sampler, config::SamplerConfig, exporter::build::build_all,
    policy::PolicySet,
};
use wholetrace_spanlog::{embedded::EmbeddedLog, routing::Routing};

use crate::{config::Config, tables::TABLES};

/// A process whose parts are made, whose log is open and whose ports are bound.
pub(crate) struct Process {
    pub(crate) recorder: Recorder,
    pub(crate) admin: Admin,
    pub(crate) log: EmbeddedLog,
    pub(crate) gateway: Gateway,
    pub(crate) sampler: Sampler,
    pub(crate) policies: PolicyHandle,
    pub(crate) window_cache: ByteBudget,
}

/// Makes all parts of a standalone process.
///
/// # Errors
/// A port that is taken, a folder that cannot be used, an exporter that cannot be made.
pub(crate) async fn standalone(config: &Config) -> anyhow::Result<Process> {
    // Before all handles: those made without a recorder record nothing.
    let recorder = metrics::install(&TABLES.map(|(_, table)| table))?;
    let gateway_config = config.gateway();
    probe(&gateway_config).await?;
    let admin = Admin::bind(&config.admin).await?;
    let log = open(config).await?;
    // After the log, which takes no folder that somebody else has files in.
    let exporters = build_all(&config.exporters)?;
    let routing = Routing::new(log.routing())?;
    let gateway = Gateway::bind(&gateway_config, routing, log.log().spans.writer).await?;
    let window_cache = ByteBudget::new("window_cache", config.memory.window_cache.as_usize());
    let parts = Parts {
        log: log.log(),
        group: log.group(),
        exporters,
        policies: policies(config)?,
        window_cache: window_cache.clone(),
    };
    let sampler_config = SamplerConfig {
        tail_sampling: config.tail_sampling.clone(),
        exporters: config.exporters.clone(),
        memory: config.memory.sampler(),
    };
    let sampler = Sampler::new(&sampler_config, parts);
    let policies = sampler.policies();
    Ok(Process { recorder, admin, log, gateway, sampler, policies, window_cache })
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

async fn open(config: &Config) -> anyhow::Result<EmbeddedLog> {
    let embedded = config.log.embedded.clone();
    tracing::info!(directory = %embedded.directory.display(), "open the log");
    let log = tokio::task::spawn_blocking(move || EmbeddedLog::open(&embedded)).await??;
    Ok(log)
}

/// Tries all endpoints of the gateway before the log is opened, which can take long and locks its
/// folder: a second process by mistake is told of the port at once.
async fn probe(config: &GatewayConfig) -> Result<(), listen::BindError> {
    let mut endpoints = Vec::new();
    for (name, receiver) in &config.receivers.otlp {
        if let Some(grpc) = &receiver.protocols.grpc {
            endpoints.push((format!("receivers.{name}.protocols.grpc.endpoint"), &grpc.endpoint));
        }
        if let Some(http) = &receiver.protocols.http {
            endpoints.push((format!("receivers.{name}.protocols.http.endpoint"), &http.endpoint));
        }
    }
    for (name, receiver) in &config.receivers.zipkin {
        endpoints.push((format!("receivers.{name}.endpoint"), &receiver.endpoint));
    }
    for (setting, endpoint) in endpoints {
        drop(listen::bind(&setting, endpoint).await?);
    }
    Ok(())
}
