//! The section as a whole.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_kafka::{AuthConfig, Connection, check_name};
use wholetrace_runtime::{
    problems::{Problems, join},
    tls::ClientTlsConfig,
    units::HumanDuration,
};

use super::{
    topics::{
        self, DeadLettersTopicConfig, DecisionsTopicConfig, RingTopicConfig, SpansTopicConfig,
        TopicSettings, Topics, WeakTopics,
    },
    transfer::{ConsumerConfig, ProducerConfig},
};

/// How much larger records of spans are than what a broker sends of them: `lz4` makes them 39 % of
/// their size, `zstd` 27 %.
const USUAL_RATIO: u64 = 3;

/// The log of a cluster: topics of an Apache Kafka that all gateways and samplers share.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaConfig {
    /// Brokers to begin with, as `host:port`; the others are learned from them. Two or three are
    /// enough.
    pub brokers: Vec<String>,
    /// Name of this process in the brokers' logs, metrics and quotas. What a client is for and the name
    /// of the machine are put behind it, as in `wholetrace-reader@host-1`.
    pub client_id: String,
    /// The group that the samplers form: partitions are divided among its members, and commits are
    /// stored under it.
    pub group_id: String,
    /// Makes this sampler a static member of the group under this name, which must differ between
    /// samplers: restarted within `session_timeout` it gets its partitions back without a
    /// rebalance, but until then nobody else takes them. Unset, it is a dynamic member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_instance_id: Option<String>,
    /// How long a start waits for brokers to answer, 1s to 1h. Then the process ends, and whoever
    /// started it may try again.
    pub start_timeout: HumanDuration,
    /// How long a sampler may be silent before its partitions are given to others, from 1s to 5m.
    /// The brokers have bounds of their own (6s to 30m, unless set otherwise).
    pub session_timeout: HumanDuration,
    /// How often a sampler tells that it is alive, at most a third of `session_timeout`.
    pub heartbeat_interval: HumanDuration,
    /// How long a sampler gathers what its partitions have finished before it stores it, all of it at
    /// once, 0s to 1m. What was exported within it is exported again after a crash; each time costs the
    /// brokers a replicated write. Partitions that are handed over do not wait for it.
    pub commit_interval: HumanDuration,
    /// TLS of the connections. Unset, they are not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClientTlsConfig>,
    /// How we prove to the brokers who we are.
    pub auth: AuthConfig,
    /// Copies of each topic, 1 to 9. With 3, and 2 for `min_insync_replicas`, a broker may be lost
    /// for good and nothing that was acknowledged is.
    pub replication_factor: u16,
    /// Copies that must have a record before it counts as durable, 1 to `replication_factor`.
    pub min_insync_replicas: u16,
    /// The topic that holds the spans.
    pub spans: SpansTopicConfig,
    /// The topic that holds the decisions, with as many partitions.
    pub decisions: DecisionsTopicConfig,
    /// The topic that holds what could not be decoded or was refused for good, with as many
    /// partitions.
    pub dead_letters: DeadLettersTopicConfig,
    /// The topic that holds which trace belongs to which partition, so that the whole fleet
    /// agrees.
    pub ring: RingTopicConfig,
    /// What to do at start when a topic keeps less than is promised here.
    pub weak_topics: WeakTopics,
    /// How records are sent.
    pub producer: ProducerConfig,
    /// How records are read.
    pub consumer: ConsumerConfig,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: vec!["localhost:9092".to_owned()],
            client_id: "wholetrace".to_owned(),
            group_id: "wholetrace".to_owned(),
            group_instance_id: None,
            start_timeout: HumanDuration::from_secs(60),
            session_timeout: HumanDuration::from_secs(10),
            heartbeat_interval: HumanDuration::from_secs(3),
            commit_interval: HumanDuration::from_secs(5),
            tls: None,
            auth: AuthConfig::default(),
            replication_factor: 3,
            min_insync_replicas: 2,
            spans: SpansTopicConfig::default(),
            decisions: DecisionsTopicConfig::default(),
            dead_letters: DeadLettersTopicConfig::default(),
            ring: RingTopicConfig::default(),
            weak_topics: WeakTopics::Refuse,
            producer: ProducerConfig::default(),
            consumer: ConsumerConfig::default(),
        }
    }
}

impl KafkaConfig {
    /// Adds everything that is wrong with it to `problems`; `path` is where it stands. Reads the
    /// certificate files, connects to nobody.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        self.connection().check(path, problems);
        check_name(&join(path, "group_id"), &self.group_id, problems);
        if let Some(id) = &self.group_instance_id {
            check_name(&join(path, "group_instance_id"), id, problems);
        }
        let second = HumanDuration::from_secs;
        let start = self.start_timeout;
        problems.check_range(join(path, "start_timeout"), start, second(1), second(3_600));
        let session = self.session_timeout;
        problems.check_range(join(path, "session_timeout"), session, second(1), second(300));
        let third = HumanDuration::from(session.get() / 3);
        let (heartbeat, least) = (self.heartbeat_interval, HumanDuration::from_millis(100));
        problems.check_range(join(path, "heartbeat_interval"), heartbeat, least, third);
        let (commits, none) = (self.commit_interval, HumanDuration::from_secs(0));
        problems.check_range(join(path, "commit_interval"), commits, none, second(60));
        problems.check_range(join(path, "replication_factor"), self.replication_factor, 1, 9);
        let (insync, most) = (self.min_insync_replicas, self.replication_factor);
        problems.check_range(join(path, "min_insync_replicas"), insync, 1, most.max(1));
        topics::check(&self.all_topics(), path, problems);
        self.producer.check(&join(path, "producer"), problems);
        self.consumer.check(&join(path, "consumer"), problems);
    }

    /// How the brokers are reached.
    pub(crate) fn connection(&self) -> Connection<'_> {
        Connection {
            brokers: &self.brokers,
            client_id: &self.client_id,
            tls: self.tls.as_ref(),
            auth: &self.auth,
        }
    }

    /// How often these files are looked at; zero is never.
    pub(crate) fn reload_interval(&self) -> Duration {
        self.tls.clone().unwrap_or_default().reload_interval.get()
    }

    /// How the topics must be: spans, decisions, dead letters and the ring.
    #[must_use]
    pub fn topics(&self) -> [TopicSettings; 4] {
        topics::settings(&self.all_topics())
    }

    const fn all_topics(&self) -> Topics<'_> {
        Topics {
            spans: &self.spans,
            decisions: &self.decisions,
            dead_letters: &self.dead_letters,
            ring: &self.ring,
            replication_factor: self.replication_factor,
            min_insync_replicas: self.min_insync_replicas,
            max_message_bytes: self.producer.max_message_bytes.get(),
        }
    }

    /// The most memory that the client takes in a gateway, in bytes.
    #[must_use]
    pub const fn writing_memory_bytes(&self) -> u64 {
        // Each record is copied once into the client, and once more compressed.
        self.producer.max_pending_bytes.get().saturating_mul(2)
    }

    /// The most memory that the client takes to read `partitions` partitions of spans and as many
    /// of decisions, in bytes.
    #[must_use]
    pub fn reading_memory_bytes(&self, partitions: u32) -> u64 {
        let consumer = &self.consumer;
        // A queue takes one fetched piece more than it may hold before it stops.
        let piece = consumer.max_partition_fetch_size.get().saturating_mul(USUAL_RATIO);
        let queue = consumer.queue_bytes.get().saturating_add(piece);
        // Of each partition spans are read along or behind, and again; decisions are read at the start
        // or along. Each of the two clients has a broker's answer in hand, compressed.
        queue
            .saturating_mul(3 * u64::from(partitions))
            .saturating_add(consumer.max_fetch_size.get().saturating_mul(2))
    }
}
