//! All sections of the configuration, and what stands in them when nothing is configured.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wholetrace_exporter::config::{
    ExporterConfig, ExportersConfig,
    local::{DebugConfig, FileConfig},
};
use wholetrace_gateway::{AuthenticationConfig, GatewayConfig, LimitsConfig, ReceiversConfig};
use wholetrace_runtime::{
    admin::AdminConfig,
    logging::LoggingConfig,
    memory,
    problems::{Problem, Problems},
    units::{ByteSize, HumanDuration},
};
use wholetrace_sampler::{
    config::SamplerMemory,
    policy::{PolicySet, TailSamplingConfig},
};
use wholetrace_spanlog::embedded::EmbeddedConfig;
#[cfg(feature = "kafka")]
use wholetrace_spanlog_kafka::KafkaConfig;

use super::rounds;
#[cfg(feature = "kafka")]
use super::topic_rounds;
use crate::role::Role;

/// Name of the file that kept traces go to when no exporter is configured; in the folder of the
/// log.
const KEPT_TRACES: &str = "kept-traces.jsonl";

/// The largest setting of memory: 16 TiB, beyond what machines have.
const MEMORY_MAX: ByteSize = ByteSize::gib(16 << 10);

/// The configuration file.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where spans come in.
    pub(crate) receivers: ReceiversConfig,
    /// Who may send.
    pub(crate) authentication: AuthenticationConfig,
    /// Bounds of what the receivers hold and wait for.
    pub(crate) limits: LimitsConfig,
    /// Where spans are made durable, and wait for the decision about their trace.
    pub(crate) log: LogConfig,
    /// Which traces are kept, and when that is decided.
    pub(crate) tail_sampling: TailSamplingConfig,
    /// Where kept traces go.
    pub(crate) exporters: ExportersConfig,
    /// What the process may take up.
    pub(crate) memory: MemoryConfig,
    /// The listener for operators.
    pub(crate) admin: AdminConfig,
    /// The process's own log.
    pub(crate) logging: LoggingConfig,
}

/// Where spans are made durable: one of the logs below, `embedded` where none is configured.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogConfig {
    /// The log of a single machine, in a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) embedded: Option<EmbeddedConfig>,
    /// The log of a cluster, which gateways and samplers share.
    #[cfg(feature = "kafka")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kafka: Option<KafkaConfig>,
}

/// The log that a configuration names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LogChoice<'a> {
    Embedded(&'a EmbeddedConfig),
    #[cfg(feature = "kafka")]
    Kafka(&'a KafkaConfig),
}

/// What is used where none is configured.
static EMBEDDED: LazyLock<EmbeddedConfig> = LazyLock::new(EmbeddedConfig::default);

impl LogConfig {
    /// The log to be used.
    pub(crate) fn choice(&self) -> LogChoice<'_> {
        #[cfg(feature = "kafka")]
        if let Some(kafka) = &self.kafka {
            return LogChoice::Kafka(kafka);
        }
        LogChoice::Embedded(self.embedded.as_ref().unwrap_or(&EMBEDDED))
    }

    /// Names the log that is used, where none is configured.
    pub(crate) fn settle(&mut self) {
        #[cfg(feature = "kafka")]
        if self.kafka.is_some() {
            return;
        }
        self.embedded.get_or_insert_default();
    }

    /// How long decisions are kept, and where that stands.
    fn decision_retention(&self) -> (&'static str, HumanDuration) {
        match self.choice() {
            LogChoice::Embedded(embedded) => {
                ("log.embedded.decision_retention", embedded.decision_retention)
            }
            #[cfg(feature = "kafka")]
            LogChoice::Kafka(kafka) => ("log.kafka.decisions.retention", kafka.decisions.retention),
        }
    }

    /// Adds everything that is wrong with it; `limits` are those of the frames that go into it.
    fn check(&self, limits: &LimitsConfig, problems: &mut Problems) {
        // Both, when both are there.
        if let Some(embedded) = &self.embedded {
            embedded.check("log.embedded", problems);
        }
        #[cfg(feature = "kafka")]
        if let Some(kafka) = &self.kafka {
            kafka.check("log.kafka", problems);
            let largest = kafka.producer.max_message_bytes;
            // A frame may be a whole one and one span more.
            let frame = limits.frame_bytes.get().saturating_add(limits.span_bytes.get());
            if largest.get() < frame {
                problems.error(
                    "log.kafka.producer.max_message_bytes",
                    format!("`{largest}` does not hold the largest frame of a gateway"),
                    "raise it to the sum of `limits.frame_bytes` and `limits.span_bytes`",
                );
            }
            let linger = kafka.producer.linger;
            if linger >= limits.append_timeout {
                problems.error(
                    "log.kafka.producer.linger",
                    format!("`{linger}` is not below `limits.append_timeout`"),
                    "lower it: requests would be refused before they are sent",
                );
            }
            let delivered = kafka.producer.delivery_timeout;
            if limits.append_timeout <= delivered {
                problems.warn(
                    "limits.append_timeout",
                    format!(
                        "requests are refused after {}, and Kafka may take their spans until \
                         {delivered}",
                        limits.append_timeout
                    ),
                    "such spans come twice; set it to a second more than \
                     `log.kafka.producer.delivery_timeout`",
                );
            }
            if self.embedded.is_some() {
                let hint = "remove `embedded` for a cluster, `kafka` for a single machine";
                problems.error("log", "both `embedded` and `kafka` are configured", hint);
            }
        }
        #[cfg(not(feature = "kafka"))]
        let _no_frames_that_leave = limits;
    }
}

/// What the process may take up.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MemoryConfig {
    /// Memory that the process may take up; 0 for nine tenths of what the machine or its container
    /// has. A configuration whose bounds add up to more is refused. 0 to 16TiB.
    pub(crate) limit: ByteSize,
    /// Bytes of the log that are held in memory: frames that wait from their first reading to
    /// their release, and before those, which make room, frames that are read again, dead letters
    /// under way and kept spans for which an exporter's queue has no room. What does
    /// not fit is read again from the log, which costs time, never a trace; 0 reads everything
    /// twice. Enough for the traffic of one `decision_wait` is best: 512MiB are about 120,000
    /// spans a second for 10 seconds. A 32nd part of it, beside it, is for knowing kept spans again
    /// that a sender sends twice. 0 to 16TiB.
    pub(crate) window_cache: ByteSize,
    /// Traces that may be undecided at a time, about 110 bytes each. When there are more, frames
    /// are read once more later on, when there is room for their traces: that costs time, and no
    /// trace is decided early. Enough for the new traces of one `decision_wait` is best. 10,000 to
    /// 1,000,000,000.
    pub(crate) open_traces: u64,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        let sampler = SamplerMemory::default();
        Self {
            limit: ByteSize::bytes(0),
            window_cache: sampler.window_cache,
            open_traces: sampler.open_traces,
        }
    }
}

impl MemoryConfig {
    /// The sampler's part.
    pub(crate) const fn sampler(&self) -> SamplerMemory {
        SamplerMemory { window_cache: self.window_cache, open_traces: self.open_traces }
    }
}

impl Config {
    /// What stands in sections that are not configured at all.
    pub(crate) fn starter() -> Self {
        let mut log = LogConfig::default();
        log.settle();
        Self { tail_sampling: TailSamplingConfig::starter(), log, ..Self::default() }
    }

    /// A number for what is configured, with all defaults: equal for configurations that differ in
    /// nothing but how they were written, and in secrets. The first bytes of the SHA-256 of its JSON,
    /// with sorted keys.
    pub(crate) fn hash(&self) -> u64 {
        // What has been read from text can be written as JSON.
        let mut value = serde_json::to_value(self).unwrap_or_default();
        value.sort_all_objects();
        let digest = Sha256::digest(value.to_string());
        digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
    }

    /// Adds a file below the log's folder and the process's own log as exporters.
    pub(crate) fn export_to_file(&mut self) {
        let directory = match self.log.choice() {
            LogChoice::Embedded(embedded) => &embedded.directory,
            // Kept traces of a cluster are for more than one machine: somebody must say where to.
            #[cfg(feature = "kafka")]
            LogChoice::Kafka(_) => return,
        };
        let file = FileConfig {
            path: directory.join(KEPT_TRACES),
            create_directory: true,
            ..FileConfig::default()
        };
        self.exporters = ExportersConfig(vec![
            ("file".to_owned(), ExporterConfig::File(file)),
            ("debug".to_owned(), ExporterConfig::Debug(DebugConfig::default())),
        ]);
    }

    /// The roles that a process with this configuration can have.
    pub(crate) fn roles(&self) -> &'static [Role] {
        match self.log.choice() {
            LogChoice::Embedded(_) => &[Role::Standalone],
            #[cfg(feature = "kafka")]
            LogChoice::Kafka(_) => &[Role::Gateway, Role::Sampler],
        }
    }

    /// Adds what keeps a process of this role from using it.
    pub(crate) fn check_role(&self, role: Role, problems: &mut Problems) {
        if role != Role::Standalone && matches!(self.log.choice(), LogChoice::Embedded(_)) {
            problems.error(
                "log",
                format!("a {role} shares its log with others, and `embedded` is for one process"),
                "configure `log.kafka`, or run `wholetrace standalone`",
            );
        }
        if role.samples() && role.takes_spans() {
            rounds::check(&self.receivers, &self.exporters, problems);
        }
        if role.samples() && self.exporters.0.is_empty() {
            let message = format!("no exporter is configured, and a {role} needs one");
            problems.error("exporters", message, "add one, such as `otlp` or `file`");
        }
    }

    /// The sections of the gateway.
    pub(crate) fn gateway(&self) -> GatewayConfig {
        let mut limits = self.limits.clone();
        if limits.process_memory.get() == 0 {
            limits.process_memory = ByteSize::bytes(memory_limit(self).unwrap_or(0));
        }
        let authentication = self.authentication.clone();
        GatewayConfig { receivers: self.receivers.clone(), authentication, limits }
    }

    /// Adds everything that is wrong to `problems`.
    pub(crate) fn check(&self, problems: &mut Problems) {
        let gateway = GatewayConfig {
            receivers: self.receivers.clone(),
            authentication: self.authentication.clone(),
            limits: self.limits.clone(),
        };
        gateway.check("", problems);
        self.log.check(&self.limits, problems);
        // Compiled again where it is used.
        let _policies = PolicySet::compile(&self.tail_sampling, "tail_sampling", problems);
        let (setting, kept) = self.log.decision_retention();
        let remembered = self.tail_sampling.decision_cache.max_age;
        if kept < remembered {
            problems.warn(
                setting,
                format!("decisions are kept for {kept}, but are to be remembered for {remembered}"),
                "after a restart, spans later than that start a new trace; raise it to \
                 `tail_sampling.decision_cache.max_age`",
            );
        }
        // Only some roles need one.
        if !self.exporters.0.is_empty() {
            self.exporters.check("exporters", problems);
        }
        #[cfg(feature = "kafka")]
        topic_rounds::check(self.log.kafka.as_ref(), &self.receivers, &self.exporters, problems);
        self.logging.check("logging", problems);
        let none = ByteSize::bytes(0);
        problems.check_range("memory.limit", self.memory.limit, none, MEMORY_MAX);
        problems.check_range("memory.window_cache", self.memory.window_cache, none, MEMORY_MAX);
        let open_traces = self.memory.open_traces;
        problems.check_range("memory.open_traces", open_traces, 10_000, 1_000_000_000);
        if self.admin.endpoint.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err())
        {
            let problem = Problem::new("admin.endpoint", "has no port from 0 to 65535");
            problems.push_error(
                problem.value(&self.admin.endpoint).hint("write `host:port`: `127.0.0.1:8890`"),
            );
        }
    }
}

/// Memory that the process may take up, in bytes; `None` where nothing is configured and the
/// system does not tell.
pub(crate) fn memory_limit(config: &Config) -> Option<u64> {
    memory::limit(config.memory.limit.get())
}
