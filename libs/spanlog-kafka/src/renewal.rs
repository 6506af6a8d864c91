//! Certificates, keys and passwords of files that change while we run.
//!
//! A client reads them when it is made, and has no way to read them again: connections that it has go
//! on, but new ones fail once what it has read has expired. So clients are made anew when the files
//! have changed, and have to get an answer from the brokers before any work goes to them.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::{
        Weak,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use wholetrace_runtime::{metrics::tls_reloaded, tls::FileMarks};

use super::{config::KafkaConfig, error::KafkaError};

/// The clients of a log, which can be made anew.
pub(super) trait Renew {
    /// Makes the clients that write and read anew, once the brokers answer to what the files of
    /// `config` hold now. Nothing is lost. Blocks.
    fn renew(&self, config: &KafkaConfig) -> Result<(), KafkaError>;

    /// Has the members leave the group and come back with clients made anew.
    fn rejoin(&self, config: &KafkaConfig) -> Result<(), KafkaError>;

    /// States whether the files hold something else than the clients use.
    fn are_outdated(&self, outdated: bool);
}

/// The files of a configuration, and what they held when the clients were made.
pub(super) struct Renewal {
    config: KafkaConfig,
    files: FileMarks,
    used: u64,
    /// What could not be used.
    refused: Option<u64>,
}

impl Renewal {
    /// To be marked before clients read the files of `config`.
    pub(super) fn mark(config: &KafkaConfig) -> Self {
        let files = FileMarks::new(config.connection().files());
        let used = files.mark();
        Self { config: config.clone(), files, used, refused: None }
    }

    /// How often the files are looked at; `None` when there is nothing to look at.
    pub(super) fn interval(&self) -> Option<Duration> {
        let interval = self.config.reload_interval();
        (!self.files.is_empty() && !interval.is_zero()).then_some(interval)
    }

    /// Looks at the files every `interval` until the other end of `ended` is dropped, and has the
    /// `clients` made anew when these have changed.
    pub(super) fn run<C: Renew>(
        mut self,
        clients: &Weak<C>,
        interval: Duration,
        ended: &Receiver<()>,
    ) {
        let goes_on = |wait| ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout);
        while goes_on(interval) {
            let holding = self.files.mark();
            let Some(log) = clients.upgrade() else { return };
            log.are_outdated(holding != self.used);
            if holding == self.used {
                continue;
            }
            let mut renewed = log.renew(&self.config);
            drop(log);
            if renewed.is_ok() {
                // The files of a whole cluster change at one moment: its samplers shall leave and join
                // the group one after the other.
                let share = RandomState::new().build_hasher().finish() % 1_000;
                if !goes_on(interval.mul_f64(share as f64 / 1e3)) {
                    return;
                }
                let Some(log) = clients.upgrade() else { return };
                renewed = log.rejoin(&self.config);
            }
            self.tell(holding, renewed);
        }
    }

    /// Tells what became of the files, which are `holding` this; each refusal once.
    fn tell(&mut self, holding: u64, renewed: Result<(), KafkaError>) {
        let files = self.files.names();
        tls_reloaded(renewed.is_ok());
        match renewed {
            Ok(()) => {
                (self.used, self.refused) = (holding, None);
                tracing::info!(
                    files,
                    "certificate, key or password files have changed: the Kafka clients were made anew"
                );
            }
            Err(error) if self.refused != Some(holding) => {
                self.refused = Some(holding);
                tracing::warn!(
                    files, %error,
                    "certificate, key or password files have changed, and the brokers cannot be reached \
                     with them: the Kafka clients go on with what they read before, and it is tried \
                     again; put files there that belong together and that the brokers trust"
                );
            }
            Err(error) => tracing::debug!(%error, "the changed files can still not be used"),
        }
    }
}
