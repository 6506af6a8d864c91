//! The log of a process, whichever it is.

use std::{sync::Arc, time::Duration};

use wholetrace_spanlog::{Committed, Group, Log, embedded::EmbeddedLog, routing::Descriptor};
#[cfg(feature = "kafka")]
use wholetrace_spanlog_kafka::{Access, KafkaConfig, KafkaLog, TopicAdmin, descriptor};

use crate::{
    config::{Config, LogChoice},
    role::Role,
};

/// A log that is open.
pub(crate) struct OpenLog {
    kind: Kind,
    routing: Descriptor,
    place: String,
    retention: Option<Duration>,
}

enum Kind {
    /// In a folder of this machine.
    Embedded(EmbeddedLog),
    /// In the topics of a cluster.
    #[cfg(feature = "kafka")]
    Kafka(Box<KafkaLog>),
}

/// Why a log cannot do its work at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// For the readiness and the process's log.
    pub(crate) reason: String,
    /// What may have changed since the last look; for the process's log.
    pub(crate) figures: String,
}

impl OpenLog {
    /// Opens the log that `config` names, for `role`.
    ///
    /// # Errors
    /// What keeps it from being used.
    pub(crate) async fn open(config: &Config, role: Role) -> anyhow::Result<Self> {
        match config.log.choice() {
            LogChoice::Embedded(embedded) => {
                tracing::info!(%role, directory = %embedded.directory.display(), "open the log");
                let place =
                    format!("{} (at most {})", embedded.directory.display(), embedded.quota);
                let embedded = embedded.clone();
                let open = move || EmbeddedLog::open(&embedded);
                let log = tokio::task::spawn_blocking(open).await??;
                let routing = log.routing();
                // It deletes nothing that is not finished.
                Ok(Self { kind: Kind::Embedded(log), routing, place, retention: None })
            }
            #[cfg(feature = "kafka")]
            LogChoice::Kafka(kafka) => {
                tracing::info!(%role, brokers = kafka.brokers.join(","), "connect to the log");
                let routing = agreed(kafka).await?;
                let access = match (role.samples(), role.takes_spans()) {
                    (false, _) => Access::Write,
                    (true, false) => Access::Read,
                    (true, true) => Access::ReadAndWrite,
                };
                let log = KafkaLog::connect(kafka, access).await?;
                let (brokers, topic) = (kafka.brokers.join(","), &kafka.spans.topic);
                let place = format!("Kafka {brokers}, {} partitions of {topic}", log.partitions());
                let retention = Some(kafka.spans.retention.get());
                Ok(Self { kind: Kind::Kafka(Box::new(log)), routing, place, retention })
            }
        }
    }

    /// Where it is, for people.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// How long spans are kept, whether they are finished or not, if that is bounded.
    pub(crate) const fn retention(&self) -> Option<Duration> {
        self.retention
    }

    /// The mapping of traces to partitions.
    pub(crate) const fn routing(&self) -> Descriptor {
        self.routing
    }

    /// Both sides of all topics.
    pub(crate) fn log(&self) -> Log {
        match &self.kind {
            Kind::Embedded(log) => log.log(),
            #[cfg(feature = "kafka")]
            Kind::Kafka(log) => log.log(),
        }
    }

    /// The membership of this process.
    ///
    /// # Errors
    /// When the group cannot be joined.
    pub(crate) fn group(&self) -> anyhow::Result<Box<dyn Group>> {
        match &self.kind {
            Kind::Embedded(log) => Ok(log.group()),
            #[cfg(feature = "kafka")]
            Kind::Kafka(log) => Ok(log.group()?),
        }
    }

    /// What the group has committed.
    pub(crate) fn committed(&self) -> Arc<dyn Committed> {
        match &self.kind {
            Kind::Embedded(log) => log.checkpoints(),
            #[cfg(feature = "kafka")]
            Kind::Kafka(log) => log.checkpoints(),
        }
    }

    /// Whether a membership of this process was given its partitions, be they none.
    pub(crate) fn has_joined(&self) -> bool {
        match &self.kind {
            // Nobody else is a member.
            Kind::Embedded(_) => true,
            #[cfg(feature = "kafka")]
            Kind::Kafka(log) => log.status().joined,
        }
    }

    /// Why it cannot do its work, if it cannot.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        match &self.kind {
            Kind::Embedded(log) => {
                let status = log.status();
                status.refusing.map(|reason| Trouble {
                    reason: format!("it takes no spans: {reason}"),
                    figures: format!("{} of {} bytes in use", status.used_bytes, status.quota),
                })
            }
            #[cfg(feature = "kafka")]
            Kind::Kafka(log) => {
                let status = log.status();
                status.trouble.map(|trouble| {
                    // What comes behind changes all the time.
                    let (reason, detail) = trouble.split_once(": ").unwrap_or((&trouble, ""));
                    let waiting = status.waiting_bytes;
                    let figures = format!("{waiting} bytes wait to be written; {detail}");
                    Trouble { reason: reason.to_owned(), figures }
                })
            }
        }
    }

    /// Resolves with the cause when the log has ended without having been asked to.
    pub(crate) async fn ended(&self) -> String {
        match &self.kind {
            Kind::Embedded(log) => log.ended().await,
            #[cfg(feature = "kafka")]
            Kind::Kafka(log) => log.ended().await,
        }
    }

    /// The same cause, if there is one: known before anybody notices that the log has ended.
    pub(crate) fn cause(&self) -> Option<String> {
        match &self.kind {
            Kind::Embedded(log) => log.cause(),
            #[cfg(feature = "kafka")]
            Kind::Kafka(log) => log.cause(),
        }
    }

    /// Ends it in order.
    pub(crate) async fn close(&self) {
        match &self.kind {
            Kind::Embedded(log) => log.close().await,
            #[cfg(feature = "kafka")]
            Kind::Kafka(log) => log.close().await,
        }
    }
}

/// The mapping that the fleet has agreed on, once brokers have answered and the topics were held
/// against what they must be.
#[cfg(feature = "kafka")]
async fn agreed(config: &KafkaConfig) -> anyhow::Result<Descriptor> {
    let admin = TopicAdmin::connect(config, config.start_timeout.get()).await?;
    admin.verify().await?;
    Ok(descriptor::agreed(config).await?)
}
