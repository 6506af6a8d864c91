//! The log of a process, whichever it is.

use wholetrace_spanlog::{Group, Log, embedded::EmbeddedLog, routing::Descriptor};

use crate::{
    config::{Config, LogChoice},
    role::Role,
};

/// A log that is open.
pub(crate) enum OpenLog {
    /// In a folder of this machine; and where that is.
    Embedded(EmbeddedLog, String),
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
        let _any = role;
        match config.log.choice() {
            LogChoice::Embedded(embedded) => {
                tracing::info!(directory = %embedded.directory.display(), "open the log");
                let place =
                    format!("{} (at most {})", embedded.directory.display(), embedded.quota);
                let embedded = embedded.clone();
                let open = move || EmbeddedLog::open(&embedded);
                Ok(Self::Embedded(tokio::task::spawn_blocking(open).await??, place))
            }
        }
    }

    /// Where it is, for people.
    pub(crate) fn place(&self) -> &str {
        match self {
            Self::Embedded(_, place) => place,
        }
    }

    /// Both sides of all topics.
    pub(crate) fn log(&self) -> Log {
        match self {
            Self::Embedded(log, _) => log.log(),
        }
    }

    /// The membership of this process.
    pub(crate) fn group(&self) -> Box<dyn Group> {
        match self {
            Self::Embedded(log, _) => log.group(),
        }
    }

    /// The mapping of traces to partitions.
    pub(crate) fn routing(&self) -> Descriptor {
        match self {
            Self::Embedded(log, _) => log.routing(),
        }
    }

    /// Why it cannot do its work, if it cannot.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Embedded(log, _) => {
                let status = log.status();
                status.refusing.map(|reason| Trouble {
                    reason: format!("it takes no spans: {reason}"),
                    figures: format!("{} of {} bytes on disk", status.disk_bytes, status.quota),
                })
            }
        }
    }

    /// Resolves with the cause when the log has ended without having been asked to.
    pub(crate) async fn ended(&self) -> String {
        match self {
            Self::Embedded(log, _) => {
                log.ended().await;
                "the log has ended".to_owned()
            }
        }
    }

    /// Ends it in order.
    pub(crate) async fn close(&self) {
        match self {
            Self::Embedded(log, _) => log.close().await,
        }
    }
}
