//! What the importer is given, and how it fails.

use serde_json::Value;
use wholetrace_runtime::problems::Problem;

/// What the loader of the configuration says of a text.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// What keeps it from loading.
    pub errors: Vec<Problem>,
    /// What the user should know.
    pub warnings: Vec<Problem>,
    /// The configuration with all defaults, as it is used; nothing where it does not load.
    pub effective: Value,
}

/// Loads a configuration, given as YAML, without doing anything with it.
pub type Check<'a> = &'a dyn Fn(&str) -> Checked;

/// What is taken of files that have several of a kind.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The pipeline of a Collector, such as `traces/tail`; the one that samples if none is named.
    pub pipeline: Option<String>,
    /// The environment of Refinery's rules; `__default__` if none is named.
    pub environment: Option<String>,
}

/// Why files cannot be read as the configuration of another sampler.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub(crate) String);
