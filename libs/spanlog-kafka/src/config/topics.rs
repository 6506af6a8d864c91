//! The topics and what they must keep.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_runtime::{
    problems::{Problem, Problems, join},
    units::HumanDuration,
};
use wholetrace_spanlog::{TopicName, routing::MAX_PARTITIONS};

/// Room for the headers of a record and the frame of a batch around the largest value.
const BATCH_OVERHEAD: u64 = 64 << 10;

/// The topic of the spans.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SpansTopicConfig {
    /// Its name.
    pub topic: String,
    /// Partitions it is created with, 1 to 1024: at most so many samplers share the work. Fixed
    /// once it exists. More cost brokers and clients more for the same spans: take 64 from some
    /// 300,000 spans a second, or more than eight samplers, on.
    pub partitions: u32,
    /// How long spans are kept, 1m or longer: longer than the longest outage of a backend that is
    /// to be survived.
    pub retention: HumanDuration,
}

/// The topic of the decisions.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DecisionsTopicConfig {
    /// Its name.
    pub topic: String,
    /// How long decisions are kept, at least as long as spans: for that long late spans follow the
    /// decision about their trace.
    pub retention: HumanDuration,
}

/// The topic of the dead letters.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeadLettersTopicConfig {
    /// Its name.
    pub topic: String,
    /// How long dead letters are kept.
    pub retention: HumanDuration,
}

/// The topic of the ring: one partition, compacted, a single record.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RingTopicConfig {
    /// Its name.
    pub topic: String,
}

/// What to do about a topic that keeps less than it should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WeakTopics {
    /// Refuse to start.
    #[default]
    Refuse,
    /// Start, and say so in the log.
    Warn,
}

impl Default for SpansTopicConfig {
    fn default() -> Self {
        let (topic, retention) = ("wholetrace-spans".to_owned(), HumanDuration::from_secs(86_400));
        Self { topic, partitions: 16, retention }
    }
}

impl Default for DecisionsTopicConfig {
    fn default() -> Self {
        let topic = "wholetrace-decisions".to_owned();
        Self { topic, retention: HumanDuration::from_secs(86_400) }
    }
}

impl Default for DeadLettersTopicConfig {
    fn default() -> Self {
        let topic = "wholetrace-dead-letters".to_owned();
        Self { topic, retention: HumanDuration::from_secs(7 * 86_400) }
    }
}

impl Default for RingTopicConfig {
    fn default() -> Self {
        Self { topic: "wholetrace-ring".to_owned() }
    }
}

/// How a topic must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// What it holds; `None` for the ring.
    pub holds: Option<TopicName>,
    /// Its name.
    pub topic: String,
    /// Number of partitions.
    pub partitions: u32,
    /// Number of copies.
    pub replication_factor: u16,
    /// Copies that must have a record before it counts as durable: `min.insync.replicas`.
    pub min_insync_replicas: u16,
    /// How long records are kept: `retention.ms`. `None` for a compacted topic, which keeps the
    /// newest record of each key for ever.
    pub retention: Option<HumanDuration>,
    /// The largest batch, in bytes: `max.message.bytes`.
    pub max_message_bytes: u64,
}

impl TopicSettings {
    /// The topic's settings by their names in Kafka, as `topics create` makes them.
    #[must_use]
    pub fn kafka_settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            ("min.insync.replicas", self.min_insync_replicas.to_string()),
            // The broker's clock: decisions depend on the time in the log, and gateways' clocks
            // disagree.
            ("message.timestamp.type", "LogAppendTime".to_owned()),
            ("max.message.bytes", self.max_message_bytes.to_string()),
            // Nothing acknowledged is given up for availability.
            ("unclean.leader.election.enable", "false".to_owned()),
            // Stored as the producer compressed it: the broker spends nothing on it.
            ("compression.type", "producer".to_owned()),
        ];
        match self.retention {
            None => settings.push(("cleanup.policy", "compact".to_owned())),
            Some(retention) => {
                settings.push(("cleanup.policy", "delete".to_owned()));
                settings.push(("retention.ms", retention.as_millis().to_string()));
                // Bytes are not bounded by default: time is what was promised.
                settings.push(("retention.bytes", "-1".to_owned()));
                // Only whole segments are deleted: small enough pieces of the retention.
                let segment = (retention.as_millis() / 24).clamp(60_000, 3_600_000);
                settings.push(("segment.ms", segment.to_string()));
            }
        }
        settings
    }
}

/// All that the configuration says about topics.
pub(super) struct Topics<'a> {
    pub(super) spans: &'a SpansTopicConfig,
    pub(super) decisions: &'a DecisionsTopicConfig,
    pub(super) dead_letters: &'a DeadLettersTopicConfig,
    pub(super) ring: &'a RingTopicConfig,
    pub(super) replication_factor: u16,
    pub(super) min_insync_replicas: u16,
    /// The largest record.
    pub(super) max_message_bytes: u64,
}

pub(super) fn settings(config: &Topics<'_>) -> [TopicSettings; 4] {
    let base = TopicSettings {
        holds: None,
        topic: config.ring.topic.clone(),
        partitions: 1,
        replication_factor: config.replication_factor,
        min_insync_replicas: config.min_insync_replicas,
        retention: None,
        max_message_bytes: config.max_message_bytes.saturating_add(BATCH_OVERHEAD),
    };
    let topic = |holds, topic: &str, retention| TopicSettings {
        holds: Some(holds),
        topic: topic.to_owned(),
        partitions: config.spans.partitions,
        retention: Some(retention),
        ..base.clone()
    };
    [
        topic(TopicName::Spans, &config.spans.topic, config.spans.retention),
        topic(TopicName::Decisions, &config.decisions.topic, config.decisions.retention),
        topic(TopicName::DeadLetters, &config.dead_letters.topic, config.dead_letters.retention),
        base,
    ]
}

pub(super) fn check(config: &Topics<'_>, path: &str, problems: &mut Problems) {
    let names = [
        ("spans", &config.spans.topic),
        ("decisions", &config.decisions.topic),
        ("dead_letters", &config.dead_letters.topic),
        ("ring", &config.ring.topic),
    ];
    for (index, (key, name)) in names.iter().enumerate() {
        let at = join(&join(path, key), "topic");
        check_topic_name(&at, name, problems);
        if let Some((other, _)) = names.iter().take(index).find(|(_, other)| other == name) {
            let message = format!("is also the topic of `{other}`");
            problems.push_error(Problem::new(at, message).value(name));
        }
    }
    let at = join(path, "spans");
    let partitions = config.spans.partitions;
    problems.check_range(join(&at, "partitions"), partitions, 1, MAX_PARTITIONS);
    let spans = config.spans.retention;
    let (minute, ever) = (HumanDuration::from_secs(60), HumanDuration::from_secs(10 * 31_536_000));
    problems.check_range(join(&at, "retention"), spans, minute, ever);
    let at = join(&join(path, "decisions"), "retention");
    problems.check_range(at, config.decisions.retention, spans.max(minute), ever);
    let at = join(&join(path, "dead_letters"), "retention");
    problems.check_range(at, config.dead_letters.retention, minute, ever);
}

fn check_topic_name(path: &str, name: &str, problems: &mut Problems) {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 249 || !name.chars().all(legal) || matches!(name, "." | "..")
    {
        let message = "must be 1 to 249 letters, digits, `.`, `_` or `-`";
        problems.push_error(Problem::new(path, message).value(name));
    }
}
