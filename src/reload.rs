//! Reloads the policies without a restart: on SIGHUP, or when a configuration file has changed.

use std::{fs, path::PathBuf, time::Duration};

use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};
use wholetrace_runtime::{metrics, shutdown::Shutdown};
use wholetrace_sampler::PolicyHandle;

use crate::{
    config::{Config, Inputs, load},
    role::Role,
    wiring,
};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// What a file was when it was looked at: its text, if it could be read. Files are small, and
/// times of changes are not to be trusted where files are mounted into containers.
type Texts = Vec<Option<String>>;

/// Keeps the policies as the files have them.
pub(crate) struct Reload {
    role: Role,
    running: Config,
    inputs: Inputs,
    policies: PolicyHandle,
    hangup: Signal,
    texts: Texts,
}

impl Reload {
    /// # Errors
    /// When the process cannot listen for the signal.
    pub(crate) fn new(
        role: Role,
        running: Config,
        inputs: Inputs,
        policies: PolicyHandle,
    ) -> std::io::Result<Self> {
        let hangup = signal(SignalKind::hangup())?;
        let texts = texts(&inputs.files);
        Ok(Self { role, running, inputs, policies, hangup, texts })
    }

    /// Watches until the shutdown.
    pub(crate) async fn run(mut self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                _ = self.hangup.recv() => {
                    self.texts = texts(&self.inputs.files);
                    self.reload("SIGHUP");
                }
                () = tokio::time::sleep(LOOK) => {
                    let texts = texts(&self.inputs.files);
                    if texts != self.texts {
                        self.texts = texts;
                        self.reload("a file has changed");
                    }
                }
            }
        }
    }

    fn reload(&mut self, why: &str) {
        let loaded = match load(&self.inputs, Some(self.role)) {
            Ok(loaded) => loaded,
            Err(refused) => {
                metrics::policies_reloaded(false);
                tracing::error!("{why}, but the policies stay as they are: {refused}");
                return;
            }
        };
        for section in changed(&self.running, &loaded.config) {
            if section != "tail_sampling" {
                tracing::warn!("`{section}` has changed: that takes effect at the next start");
            }
        }
        match wiring::policies(&loaded.config) {
            Ok(policies) => {
                self.policies.replace(policies);
                self.running.tail_sampling = loaded.config.tail_sampling;
                metrics::policies_reloaded(true);
                let count = self.running.tail_sampling.policies.len();
                tracing::info!(policies = count, "{why}: the policies are reloaded");
            }
            Err(error) => {
                metrics::policies_reloaded(false);
                tracing::error!("{why}, but the policies stay as they are: {error}");
            }
        }
    }
}

fn texts(files: &[PathBuf]) -> Texts {
    files.iter().map(|file| fs::read_to_string(file).ok()).collect()
}

/// The names of the sections that differ.
fn changed(one: &Config, other: &Config) -> Vec<String> {
    let sections = |config: &Config| serde_json::to_value(config).unwrap_or_default();
    let (one, other) = (sections(one), sections(other));
    let Value::Object(sections) = &one else { return Vec::new() };
    sections.keys().filter(|name| one.get(*name) != other.get(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_that_differ_are_named() {
        let one = Config::default();
        let mut other = one.clone();
        other.admin.endpoint = "127.0.0.1:1".to_owned();
        other.tail_sampling = Config::starter().tail_sampling;
        assert_eq!(changed(&one, &other), ["tail_sampling", "admin"]);
        assert!(changed(&one, &one).is_empty());
    }
}
