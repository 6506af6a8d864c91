//! The process's own log, on standard error.

use std::{
    io::{self, IsTerminal},
    sync::{Mutex, OnceLock, PoisonError},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, fmt, reload};

use crate::problems::{Problem, Problems, join};

/// The process's own log, on standard error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LoggingConfig {
    /// How much is said: `error`, `warn`, `info`, `debug` or `trace`; parts can differ:
    /// `info,wholetrace_sampler=debug`. Until the process ends, `POST /log_level` at `admin.endpoint`
    /// changes it.
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

/// Why the level stays as it was.
#[derive(Debug, thiserror::Error)]
#[error(
    "the level of the log stays as it was: {0}; take `error`, `warn`, `info`, `debug` or `trace`"
)]
pub struct LevelError(String);

/// How much this process says; one for all of it, as its log is.
static CURRENT: OnceLock<Current> = OnceLock::new();

struct Current {
    level: Mutex<String>,
    replace: Replace,
}

/// Puts another filter in the place of the one that there is.
type Replace = Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>;

/// How much this process says at the moment, as `logging.level` writes it. `None` before its log is set
/// up.
#[must_use]
pub fn level() -> Option<String> {
    let current = CURRENT.get()?;
    Some(current.level.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

/// Has this process say as much as `level` says, in the words of `logging.level`, until it ends or is
/// told something else.
///
/// # Errors
/// When the level cannot be understood, or there is no log.
pub fn set_level(level: &str) -> Result<(), LevelError> {
    let filter = filter(level).map_err(LevelError)?;
    let no_log = || LevelError("this process has no log".to_owned());
    let current = CURRENT.get().ok_or_else(no_log)?;
    let mut now = current.level.lock().unwrap_or_else(PoisonError::into_inner);
    (current.replace)(filter).map_err(|error| LevelError(error.to_string()))?;
    let before = std::mem::replace(&mut *now, level.to_owned());
    drop(now);
    tracing::info!(level, before, "the level of the log was changed");
    Ok(())
}

impl LoggingConfig {
    /// Adds what is wrong with this section, found at `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        if let Err(reason) = filter(&self.level) {
            let problem = Problem::new(join(path, "level"), reason).value(&self.level);
            problems.push_error(problem.hint("take `error`, `warn`, `info`, `debug` or `trace`"));
        }
    }

    /// Sets up the log of this process.
    ///
    /// # Errors
    /// When the level cannot be understood, or the process has a log already.
    pub fn init(&self) -> Result<(), LoggingError> {
        let filter = filter(&self.level).map_err(LoggingError)?;
        // Where standard error is gone, with a terminal or a pipe, complaints that it is gone would
        // go there too, and end the task that has something to say.
        let lines = fmt().log_internal_errors(false).with_env_filter(filter);
        let lines = lines.with_writer(io::stderr);
        let (done, replace) = match self.format {
            LogFormat::Console => {
                let lines = lines.with_ansi(io::stderr().is_terminal()).with_filter_reloading();
                let replace = replace(lines.reload_handle());
                (lines.try_init(), replace)
            }
            LogFormat::Json => {
                let lines = lines.json().flatten_event(true).with_filter_reloading();
                let replace = replace(lines.reload_handle());
                (lines.try_init(), replace)
            }
        };
        done.map_err(|error| LoggingError(error.to_string()))?;
        // A second log would not have been set up.
        CURRENT.get_or_init(|| Current { level: Mutex::new(self.level.clone()), replace });
        Ok(())
    }
}

fn replace<S: 'static>(handle: reload::Handle<EnvFilter, S>) -> Replace {
    Box::new(move |filter| handle.reload(filter))
}

fn filter(text: &str) -> Result<EnvFilter, String> {
    // A word that is no level would be taken for the name of a part: everything else silent.
    let known = |word: &str| {
        ["error", "warn", "info", "debug", "trace", "off"]
            .iter()
            .any(|level| level.eq_ignore_ascii_case(word))
    };
    for directive in text.split(',') {
        let level = directive.rsplit('=').next().unwrap_or(directive).trim();
        if !known(level) {
            return Err(format!("`{level}` is not a level"));
        }
    }
    EnvFilter::try_new(text).map_err(|error| error.to_string())
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
