//! Problems of a configuration and the key they are at.

use std::{collections::BTreeMap, fmt::Display};

use wholetrace_runtime::problems::{Problem, Problems, did_you_mean, join};

/// Keys that the configuration's types do not know, with their values.
pub type Unknown = BTreeMap<String, serde_json::Value>;

/// Tells problems of the part of a configuration at a key path.
#[derive(Debug)]
pub(super) struct Report<'a> {
    path: String,
    problems: &'a mut Problems,
}

impl<'a> Report<'a> {
    pub(super) fn new(path: &str, problems: &'a mut Problems) -> Self {
        Self { path: path.to_owned(), problems }
    }

    /// The part under `key`.
    pub(super) fn under(&mut self, key: &str) -> Report<'_> {
        Report { path: join(&self.path, key), problems: self.problems }
    }

    /// Item `index` of the list under `key`.
    pub(super) fn item(&mut self, key: &str, index: usize) -> Report<'_> {
        self.under(&format!("{key}[{index}]"))
    }

    /// A problem with this part itself.
    pub(super) fn error(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.error(&self.path, message, hint);
    }

    /// A warning if no attribute is named under `key`.
    pub(super) fn named(&mut self, key: &str) {
        if key.is_empty() {
            let message = "no attribute is named, so nothing matches";
            self.warn("key", message, "give the name of one");
        }
    }

    /// A problem with the value of this part.
    pub(super) fn bad_value(
        &mut self,
        value: impl Display,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.problems.push_error(Problem::new(&self.path, message).value(value).hint(hint));
    }

    /// A problem if the value under `key` is out of its bounds.
    pub(super) fn within<T: PartialOrd + Display>(&mut self, key: &str, value: T, low: T, high: T) {
        self.problems.check_range(join(&self.path, key), value, low, high);
    }

    /// Something that the user should know about this part.
    pub(super) fn warn_here(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.warn(&self.path, message, hint);
    }

    /// Something that the user should know about the value under `key`.
    pub(super) fn warn(&mut self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.warn(join(&self.path, key), message, hint);
    }

    /// Refuses unknown keys.
    pub(super) fn refuse(&mut self, unknown: &Unknown, known: &[&str]) {
        for key in unknown.keys() {
            let hint = did_you_mean(key, known.iter().copied()).map_or_else(
                || format!("known here are {}", list(known)),
                |meant| format!("did you mean `{meant}`?"),
            );
            self.under(key).error("unknown key", hint);
        }
    }
}

/// The words in backticks, with commas.
pub(super) fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
