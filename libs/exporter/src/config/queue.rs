//! The queue in front of an exporter, its batches and its retries, as they are configured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_runtime::{
    problems::Problems,
    units::{ByteSize, HumanDuration},
};

use crate::retry::RetryPolicy;

/// The queue in front of an exporter, and its batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    /// There always is a queue: `false` has no effect.
    pub enabled: bool,
    /// Requests under way at a time, 1 to 256. More of them help against a distant backend.
    pub num_consumers: usize,
    /// Bytes of spans that wait or are under way, 1MiB to 4GiB. What does not fit waits in the
    /// log. Counts as memory.
    pub queue_size: ByteSize,
    /// `bytes`. Sizes of a Collector's file that count `items` or `requests` are translated, with a
    /// warning.
    pub sizer: Option<Sizer>,
    /// No effect: what does not fit waits in the log, always.
    pub block_on_overflow: Option<bool>,
    /// No effect: spans are finished once the backend has them, always.
    pub wait_for_result: Option<bool>,
    /// No effect: the log holds what is not delivered.
    pub storage: Option<String>,
    /// How spans are put together into requests.
    pub batch: BatchConfig,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            num_consumers: 4,
            queue_size: ByteSize::mib(64),
            sizer: None,
            block_on_overflow: None,
            wait_for_result: None,
            storage: None,
            batch: BatchConfig::default(),
        }
    }
}

/// How spans are put together into requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BatchConfig {
    /// How long spans wait for others, 0s to 1m.
    pub flush_timeout: HumanDuration,
    /// No effect: a request leaves when it is full or `flush_timeout` has passed.
    pub min_size: Option<ByteSize>,
    /// Bytes of spans in a request, before compression, 1KiB to 64MiB. To be kept below what the
    /// backend takes: Collectors and Jaeger take 4MiB.
    pub max_size: ByteSize,
    /// `bytes`. Sizes of a Collector's file that count `items` or `requests` are translated, with a
    /// warning.
    pub sizer: Option<Sizer>,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            flush_timeout: HumanDuration::from_millis(200),
            min_size: None,
            max_size: ByteSize::mib(1),
            sizer: None,
        }
    }
}

/// What sizes of the Collector's queues count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sizer {
    /// Bytes.
    Bytes,
    /// Spans.
    Items,
    /// Requests.
    Requests,
}

impl QueueConfig {
    /// Adds what is wrong with the block at `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        let size_path = format!("{path}.queue_size");
        if self.queue_size < ByteSize::mib(1) || self.queue_size > ByteSize::gib(4) {
            problems.error(
                size_path,
                format!("`{}` is out of bounds: it counts bytes", self.queue_size),
                "take 1MiB to 4GiB, or leave it out",
            );
        }
        problems.check_range(format!("{path}.num_consumers"), self.num_consumers, 1, 256);
        check_sizer(self.sizer, &format!("{path}.sizer"), problems);
        let mut no_effect = |key: &str, set: bool, hint: &str| {
            if set {
                problems.warn(format!("{path}.{key}"), "has no effect", hint);
            }
        };
        no_effect("enabled", !self.enabled, "there always is a queue");
        no_effect(
            "block_on_overflow",
            self.block_on_overflow == Some(false),
            "what does not fit waits in the log",
        );
        no_effect(
            "wait_for_result",
            self.wait_for_result == Some(false),
            "spans are finished once the backend has them",
        );
        no_effect("storage", self.storage.is_some(), "the log holds what is not delivered");
        no_effect(
            "batch.min_size",
            self.batch.min_size.is_some(),
            "a request leaves when it is full or `flush_timeout` has passed",
        );
        self.batch.check(&format!("{path}.batch"), problems);
        if self.batch.max_size > self.queue_size {
            problems.error(
                format!("{path}.batch.max_size"),
                format!("`{}` is more than the queue holds", self.batch.max_size),
                format!("take at most `queue_size`, `{}`", self.queue_size),
            );
        }
    }
}

impl BatchConfig {
    fn check(&self, path: &str, problems: &mut Problems) {
        let (lowest, highest) = (ByteSize::kib(1), ByteSize::mib(64));
        problems.check_range(format!("{path}.max_size"), self.max_size, lowest, highest);
        let (lowest, highest) = (HumanDuration::from_secs(0), HumanDuration::from_secs(60));
        problems.check_range(format!("{path}.flush_timeout"), self.flush_timeout, lowest, highest);
        check_sizer(self.sizer, &format!("{path}.sizer"), problems);
    }
}

fn check_sizer(sizer: Option<Sizer>, path: &str, problems: &mut Problems) {
    if matches!(sizer, Some(Sizer::Items | Sizer::Requests)) {
        problems.error(path, "sizes are in bytes here", "take `bytes`, and sizes such as `64MiB`");
    }
}

/// The waits before a request that failed is sent again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    /// What is not delivered is always sent again: `false` has no effect.
    pub enabled: bool,
    /// The first wait, 10ms to `max_interval`.
    pub initial_interval: HumanDuration,
    /// Spread of each wait, 0 to 1: 0.5 makes 10s anything from 5s to 15s, so that many senders
    /// do not come back at the same moment.
    pub randomization_factor: f64,
    /// Each wait is this many times the one before, 1 to 100.
    pub multiplier: f64,
    /// The longest wait, up to 1h. The backend's own advice can make a wait longer, up to 5m.
    pub max_interval: HumanDuration,
    /// For how long a span is sent again at least, 0s to 24h, that the backend refuses for a reason
    /// that may be its own (500, INTERNAL, …). Nothing is given up because the time is over: only
    /// what is refused still while others are delivered. `0s`: nothing at all.
    pub max_elapsed_time: HumanDuration,
}

impl Default for RetryConfig {
    fn default() -> Self {
        let policy = RetryPolicy::default();
        Self {
            enabled: true,
            initial_interval: HumanDuration::from_secs(1),
            randomization_factor: policy.randomization,
            multiplier: policy.multiplier,
            max_interval: HumanDuration::from_secs(30),
            max_elapsed_time: HumanDuration::from_secs(300),
        }
    }
}

impl RetryConfig {
    /// Adds what is wrong with the block at `path`.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        let (lowest, highest) = (HumanDuration::from_millis(10), HumanDuration::from_secs(3600));
        problems.check_range(format!("{path}.max_interval"), self.max_interval, lowest, highest);
        let highest = self.max_interval;
        problems.check_range(
            format!("{path}.initial_interval"),
            self.initial_interval,
            lowest,
            highest,
        );
        let spread = self.randomization_factor;
        problems.check_range(format!("{path}.randomization_factor"), spread, 0.0, 1.0);
        problems.check_range(format!("{path}.multiplier"), self.multiplier, 1.0, 100.0);
        if !self.enabled {
            let hint = "what is not delivered is always sent again";
            problems.warn(format!("{path}.enabled"), "`false` has no effect", hint);
        }
        problems.check_range(
            format!("{path}.max_elapsed_time"),
            self.max_elapsed_time,
            HumanDuration::from_secs(0),
            HumanDuration::from_secs(86_400),
        );
    }

    /// The waits that it says.
    #[must_use]
    pub fn policy(&self) -> RetryPolicy {
        RetryPolicy {
            initial_interval: self.initial_interval.get(),
            max_interval: self.max_interval.get(),
            multiplier: self.multiplier,
            randomization: self.randomization_factor,
            max_elapsed_time: self.max_elapsed_time.get(),
        }
    }
}
