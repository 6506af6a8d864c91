//! Looks at the configuration again, on SIGHUP or when a file has changed: takes the policies from
//! it without a restart, and says what else has changed.

use std::{fs, path::PathBuf, time::Duration};

use serde_json::Value;
use tokio::signal::unix::Signal;
use wholetrace_runtime::{metrics, problems::join, shutdown::Shutdown};
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

/// The section that is taken without a restart.
const RELOADED: &str = "tail_sampling";

/// Keeps the policies as the files have them.
pub(crate) struct Reload {
    role: Role,
    running: Config,
    inputs: Inputs,
    /// Of a process that samples.
    policies: Option<PolicyHandle>,
    hangup: Signal,
    texts: Texts,
}

impl Reload {
    /// `running` is what the process has been started with, from `inputs`.
    pub(crate) fn new(
        role: Role,
        running: Config,
        inputs: Inputs,
        policies: Option<PolicyHandle>,
        hangup: Signal,
    ) -> Self {
        let texts = texts(&inputs.files);
        Self { role, running, inputs, policies, hangup, texts }
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
            Err(refused) => return self.refuse(why, &refused),
        };
        for path in changed(&self.running, &loaded.config) {
            if self.policies.is_none() || !is_reloaded(&path) {
                tracing::warn!("`{path}` has changed: that takes effect at the next start");
            }
        }
        let Some(handle) = &self.policies else {
            metrics::configured(self.running.hash());
            tracing::info!("{why}: a {} has nothing that is reloaded", self.role);
            return;
        };
        match wiring::policies(&loaded.config) {
            Ok(policies) => {
                let hash = policies.hash();
                handle.replace(policies);
                self.running.tail_sampling = loaded.config.tail_sampling;
                metrics::policies_reloaded(true);
                metrics::configured(self.running.hash());
                let count = self.running.tail_sampling.policies.len();
                tracing::info!(policies = count, %hash, "{why}: the policies are reloaded");
            }
            Err(error) => self.refuse(why, &error),
        }
    }

    fn refuse(&self, why: &str, error: &dyn std::fmt::Display) {
        if self.policies.is_some() {
            metrics::policies_reloaded(false);
        }
        metrics::misconfigured();
        tracing::error!("{why}, but everything stays as it is: {error}");
    }
}

fn texts(files: &[PathBuf]) -> Texts {
    files.iter().map(|file| fs::read_to_string(file).ok()).collect()
}

fn is_reloaded(path: &str) -> bool {
    path.strip_prefix(RELOADED).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The key paths of the settings that differ. Lists differ as a whole.
fn changed(one: &Config, other: &Config) -> Vec<String> {
    let value = |config: &Config| serde_json::to_value(config).unwrap_or_default();
    let mut paths = Vec::new();
    differences(&value(one), &value(other), "", &mut paths);
    paths
}

fn differences(one: &Value, other: &Value, path: &str, found: &mut Vec<String>) {
    let (Value::Object(left), Value::Object(right)) = (one, other) else {
        if one != other {
            found.push(path.to_owned());
        }
        return;
    };
    let added = right.keys().filter(|key| !left.contains_key(*key));
    for key in left.keys().chain(added) {
        let (one, other) = (left.get(key), right.get(key));
        let (one, other) = (one.unwrap_or(&Value::Null), other.unwrap_or(&Value::Null));
        differences(one, other, &join(path, key), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_differ_are_named() {
        let one = Config::default();
        let mut other = one.clone();
        other.admin.endpoint = "127.0.0.1:1".to_owned();
        other.tail_sampling = Config::starter().tail_sampling;
        other.tail_sampling.decision_cache.max_entries = Some(7);
        let paths = changed(&one, &other);
        let (mut reloaded, mut others): (Vec<_>, Vec<_>) =
            paths.iter().map(String::as_str).partition(|path| is_reloaded(path));
        others.sort_unstable();
        assert_eq!(others, ["admin.endpoint"]);
        reloaded.sort_unstable();
        for path in ["tail_sampling.policies", "tail_sampling.decision_cache.max_entries"] {
            assert!(reloaded.contains(&path), "{reloaded:?}");
        }
        assert!(changed(&one, &one).is_empty());
        assert!(!is_reloaded("tail_sampling_of_others"));
    }
}
