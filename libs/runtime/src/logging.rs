//! The process's own log, on standard error.

use std::io::{self, IsTerminal};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, fmt};

use crate::problems::{Problem, Problems, join};

/// The process's own log, on standard error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LoggingConfig {
    /// How much is said: `error`, `warn`, `info`, `debug` or `trace`; parts can differ:
    /// `info,wholetrace_sampler=debug`.
    pub level: String,
    /// How it is written.
    pub format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Console,
    /// One JSON object a line, for programs.
    Json,
}

impl Default for LoggingConfig {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Console }
    }
}

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("the log cannot be set up: {0}")]
pub struct LoggingError(String);

impl LoggingConfig {
    /// Adds what is wrong with this section, found at `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        if let Err(reason) = self.filter() {
            let problem = Problem::new(join(path, "level"), reason).value(&self.level);
            problems.push_error(problem.hint("take `error`, `warn`, `info`, `debug` or `trace`"));
        }
    }

    /// Sets up the log of this process.
    ///
    /// # Errors
    /// When the level cannot be understood, or the process has a log already.
    pub fn init(&self) -> Result<(), LoggingError> {
        let filter = self.filter().map_err(LoggingError)?;
        // Where standard error is gone, with a terminal or a pipe, complaints that it is gone would
        // go there too, and end the task that has something to say.
        let lines = fmt().log_internal_errors(false).with_env_filter(filter);
        let lines = lines.with_writer(io::stderr);
        let done = match self.format {
            LogFormat::Console => lines.with_ansi(io::stderr().is_terminal()).try_init(),
            LogFormat::Json => lines.json().flatten_event(true).try_init(),
        };
        done.map_err(|error| LoggingError(error.to_string()))
    }

    fn filter(&self) -> Result<EnvFilter, String> {
        // A word that is no level would be taken for the name of a part: everything else silent.
        let known = |word: &str| {
            ["error", "warn", "info", "debug", "trace", "off"]
                .iter()
                .any(|level| level.eq_ignore_ascii_case(word))
        };
        for directive in self.level.split(',') {
            let level = directive.rsplit('=').next().unwrap_or(directive).trim();
            if !known(level) {
                return Err(format!("`{level}` is not a level"));
            }
        }
        EnvFilter::try_new(&self.level).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_checked() {
        for (level, fine) in [
            ("info", true),
            ("WARN", true),
            ("info,wholetrace_sampler=debug", true),
            ("loud", false),
            ("", false),
            ("info,wholetrace_sampler=loud", false),
        ] {
            let mut problems = Problems::new();
            let config = LoggingConfig { level: level.to_owned(), ..LoggingConfig::default() };
            config.check("logging", &mut problems);
            assert_eq!(!problems.has_errors(), fine, "{level}: {problems}");
        }
    }
}
