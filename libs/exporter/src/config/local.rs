//! The configuration of the exporters that need no network.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_runtime::{problems::Problems, units::HumanDuration};

use crate::{config::queue::QueueConfig, options::Verbosity};

/// `file`: one line of OTLP/JSON for each piece of kept spans, as the Collector's file exporter
/// writes them. A batch counts as delivered once its lines are on the disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FileConfig {
    /// The file, relative to the working directory or absolute. Required.
    pub path: PathBuf,
    /// Go on behind what is in the file. With `false` it is emptied at each start, together with
    /// traces that had been delivered to it.
    pub append: bool,
    /// Make the folders above the file if they are missing.
    pub create_directory: bool,
    /// When the file is put aside as a backup, and which backups are kept.
    pub rotation: RotationConfig,
    /// What is written: `json` is the only format.
    pub format: FileFormat,
    /// No effect: each batch is on the disk before it counts as delivered.
    pub flush_interval: Option<HumanDuration>,
    /// Which spans it takes: a condition on their resource in the OpenTelemetry Transformation
    /// Language, such as `attributes["deployment.environment.name"] == "prod"`. Unset, it takes all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// The queue in front of the file.
    pub sending_queue: QueueConfig,
}

impl Default for FileConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            append: true,
            create_directory: false,
            rotation: RotationConfig::default(),
            format: FileFormat::Json,
            flush_interval: None,
            only: None,
            sending_queue: QueueConfig::default(),
        }
    }
}

impl FileConfig {
    /// Adds what is wrong with the block at `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        if self.path.as_os_str().is_empty() {
            problems.error(
                format!("{path}.path"),
                "no file is named",
                "set it, such as `traces.json`",
            );
        }
        let rotation = &self.rotation;
        problems.check_range(
            format!("{path}.rotation.max_megabytes"),
            rotation.max_megabytes,
            1,
            1 << 20,
        );
        problems.check_range(format!("{path}.rotation.max_days"), rotation.max_days, 0, 36_500);
        self.sending_queue.check(&format!("{path}.sending_queue"), problems);
    }
}

/// Formats of the file exporter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    /// Lines of OTLP/JSON.
    #[default]
    Json,
}

/// Rotation: a file that is full gets the time into its name, and a new one is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RotationConfig {
    /// Size of a file in MiB before it is put aside, 1 to 1,048,576. A batch is never torn.
    pub max_megabytes: u64,
    /// Days until a backup is deleted; 0 is never.
    pub max_days: u32,
    /// Backups that are kept, the newest ones; 0 is all.
    pub max_backups: usize,
    /// Local time and not UTC in the names of backups.
    pub localtime: bool,
}

impl Default for RotationConfig {
    fn default() -> Self {
        Self { max_megabytes: 100, max_days: 0, max_backups: 100, localtime: false }
    }
}

/// `debug`: kept traces in the log of this process, for people who try things out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DebugConfig {
    /// How much is said: `basic` is a count for each batch, `normal` a line for each span,
    /// `detailed` all of each span.
    pub verbosity: Verbosity,
    /// Batches of each second that are logged in any case.
    pub sampling_initial: u32,
    /// Of the batches after them in the same second, each how-manieth is logged: 1 is all, 0 none.
    pub sampling_thereafter: u32,
    /// No effect: it is always the log of this process that is written to.
    pub use_internal_logger: Option<bool>,
    /// Which spans it takes: a condition on their resource in the OpenTelemetry Transformation
    /// Language, such as `attributes["deployment.environment.name"] == "prod"`. Unset, it takes all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// The queue in front of the log.
    pub sending_queue: QueueConfig,
}

impl Default for DebugConfig {
    fn default() -> Self {
        Self {
            verbosity: Verbosity::Basic,
            sampling_initial: 2,
            sampling_thereafter: 1,
            use_internal_logger: None,
            only: None,
            sending_queue: QueueConfig::default(),
        }
    }
}

impl DebugConfig {
    /// Adds what is wrong with the block at `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        if self.use_internal_logger == Some(false) {
            problems.warn(
                format!("{path}.use_internal_logger"),
                "`false` has no effect",
                "kept traces go to the log of this process",
            );
        }
        self.sending_queue.check(&format!("{path}.sending_queue"), problems);
    }
}
