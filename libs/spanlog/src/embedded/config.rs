//! What can be configured about the embedded log.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_runtime::{
    problems::{Problems, join},
    units::{ByteSize, HumanDuration},
};

use super::{
    error::OpenError,
    settings::Settings,
    store::{INDEX_BYTES, MAX_PAYLOAD},
};

/// A group on its way to the disk: the largest, with one record beyond its bound.
const GROUP_BYTES: u64 = (4 << 20) + MAX_PAYLOAD;

/// Indexes: of the segments that are read, of one more that is being made, and of the three that
/// are written to.
const INDEXES: u64 = INDEX_BYTES + 4 * (4 << 20);

/// The durable log of a single machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EmbeddedConfig {
    /// Folder of the data; made when it is missing. One process at a time can use it.
    pub directory: PathBuf,
    /// Bytes on disk that the log may take, 256MiB or more. When it is reached, new spans are
    /// refused until the exporters have caught up; what is in the log is still exported. It should
    /// hold the spans of the longest outage of a backend that is to be survived.
    pub quota: ByteSize,
    /// Partitions, 1 to 64. Each is sampled by one task, so more than CPUs are of no use. Fixed
    /// when the log is created.
    pub partitions: u32,
    /// Free bytes of the disk that the log leaves to others, 64MiB or more. When no more are left,
    /// spans are taken while the files that the log already has give room, then refused. What the
    /// exporters need to go on may use three quarters of it.
    pub min_free_disk: ByteSize,
    /// Bytes of finished spans that are kept for looking at them again; 0 keeps none. They go
    /// first when the quota is reached.
    pub retain: ByteSize,
    /// How long decisions are kept: for that long late spans follow the decision about their trace. From
    /// 1m to 168h. Decisions about spans that are not finished are kept longer.
    pub decision_retention: HumanDuration,
    /// How long dead letters are kept, from 1m to 8760h; but never more than a tenth of the quota,
    /// the oldest go first.
    pub dead_letter_retention: HumanDuration,
    /// Whether an append is answered only when the disk has it. Without, one that was answered
    /// survives a crash of the process, but not of the machine.
    pub sync: bool,
    /// Memory for the newest frames, from which readers at the head are served, up to 16GiB. It
    /// need only bridge the moment until they are read ahead; what is older comes out of the page
    /// cache of the system.
    pub tail_cache: ByteSize,
    /// Bytes that may wait to become durable, 16MiB to 4GiB. Beyond, appends are refused and the
    /// senders asked to come back.
    pub max_waiting: ByteSize,
    /// Open a log although files of it are missing, and go on without the records in them. Not
    /// needed for damaged records: those are passed over one by one, counted and told.
    pub accept_loss: bool,
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("wholetrace-data"),
            quota: ByteSize::gib(10),
            partitions: 4,
            min_free_disk: ByteSize::mib(512),
            retain: ByteSize::bytes(0),
            decision_retention: HumanDuration::from_secs(3_600),
            dead_letter_retention: HumanDuration::from_secs(7 * 24 * 3_600),
            sync: true,
            tail_cache: ByteSize::mib(32),
            max_waiting: ByteSize::mib(64),
            accept_loss: false,
        }
    }
}

impl EmbeddedConfig {
    /// Adds everything that is wrong with it to `problems`; `path` is where it stands.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        let at = |key| join(path, key);
        let (bytes, mib, gib) = (ByteSize::bytes, ByteSize::mib, ByteSize::gib);
        let hours = |hours: u64| HumanDuration::from_secs(hours * 3_600);
        let minute = HumanDuration::from_secs(60);
        if self.directory.as_os_str().is_empty() {
            let hint = "name a folder, for instance `wholetrace-data`";
            problems.error(at("directory"), "must not be empty", hint);
        }
        let most = bytes(u64::MAX);
        problems.check_range(at("quota"), self.quota, mib(256), most);
        problems.check_range(at("partitions"), self.partitions, 1, 64);
        problems.check_range(at("min_free_disk"), self.min_free_disk, mib(64), most);
        problems.check_range(at("retain"), self.retain, bytes(0), self.quota);
        let retention = self.decision_retention;
        problems.check_range(at("decision_retention"), retention, minute, hours(168));
        let retention = self.dead_letter_retention;
        problems.check_range(at("dead_letter_retention"), retention, minute, hours(8_760));
        problems.check_range(at("tail_cache"), self.tail_cache, bytes(0), gib(16));
        problems.check_range(at("max_waiting"), self.max_waiting, mib(16), gib(4));
    }

    /// Whether there is a log in the folder: opening one makes it where there is none.
    #[must_use]
    pub fn holds_log(&self) -> bool {
        self.directory.join("format").exists() || self.directory.join("slots").exists()
    }

    /// The most memory that a log with these settings takes, in bytes: the tail cache, what waits
    /// to become durable, a group on its way to the disk, and the indexes.
    #[must_use]
    pub const fn memory_bytes(&self) -> u64 {
        self.tail_cache
            .get()
            .saturating_add(self.max_waiting.get())
            .saturating_add(GROUP_BYTES + INDEXES)
    }

    /// The settings, all within their bounds.
    pub(super) fn settings(&self) -> Result<Settings, OpenError> {
        let mut problems = Problems::new();
        self.check("", &mut problems);
        // Warnings are told by who checks the whole configuration.
        let _warnings = problems.into_result().map_err(OpenError::Settings)?;
        Ok(Settings {
            directory: self.directory.clone(),
            partitions: self.partitions,
            quota: self.quota.get(),
            slot_bytes: Settings::slots_of(self.quota.get()),
            min_free: self.min_free_disk.get(),
            retain: self.retain.get(),
            decision_retention: self.decision_retention.as_millis(),
            dead_letter_retention: self.dead_letter_retention.as_millis(),
            sync: self.sync,
            tail_cache: self.tail_cache.get(),
            max_waiting: self.max_waiting.get(),
            accept_loss: self.accept_loss,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_their_bounds() {
        EmbeddedConfig::default().settings().unwrap();
    }

    #[test]
    fn slots_grow_with_the_quota() {
        let slots = |quota: ByteSize| Settings::slots_of(quota.get()) >> 20;
        let quotas = [ByteSize::mib(256), ByteSize::gib(4), ByteSize::gib(10), ByteSize::gib(900)];
        assert_eq!(quotas.map(slots), [8, 16, 32, 64]);
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let config = EmbeddedConfig {
            directory: PathBuf::new(),
            quota: ByteSize::mib(1),
            partitions: 0,
            min_free_disk: ByteSize::mib(10),
            decision_retention: HumanDuration::from_secs(1),
            max_waiting: ByteSize::bytes(0),
            ..EmbeddedConfig::default()
        };
        let mut problems = Problems::new();
        config.check("log.embedded", &mut problems);
        let paths: Vec<&str> =
            problems.errors().iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "log.embedded.directory",
                "log.embedded.quota",
                "log.embedded.partitions",
                "log.embedded.min_free_disk",
                "log.embedded.decision_retention",
                "log.embedded.max_waiting",
            ]
        );
    }
}
