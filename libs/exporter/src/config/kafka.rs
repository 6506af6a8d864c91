//! The configuration of the Kafka exporter.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_kafka::{AuthConfig, Compression, Connection, check_name};
use wholetrace_runtime::{
    problems::Problems,
    tls::ClientTlsConfig,
    units::{ByteSize, HumanDuration},
};

use crate::config::queue::{QueueConfig, RetryConfig};

/// `kafka`: messages in a topic of Apache Kafka, for whoever reads it: Collectors, Jaeger, ClickHouse.
/// Spans count as delivered once all in-sync replicas have them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaExporterConfig {
    /// Brokers to begin with, as `host:port`; the others are learned from them.
    pub brokers: Vec<String>,
    /// Name of this process in the brokers' logs, metrics and quotas; `-exporter` and the name of the
    /// machine are put behind it.
    pub client_id: String,
    /// Where messages go, and what they are.
    pub traces: TopicConfig,
    /// The same as `traces.topic`, as older Collectors have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The same as `traces.encoding`, as older Collectors have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<MessageEncoding>,
    /// A message for each trace of a request, with the trace id (32 hexadecimal digits) as its key: all
    /// spans of a trace are in one partition. With `false`, as in Collectors unless configured, messages
    /// hold many traces and have no key.
    pub partition_traces_by_id: bool,
    /// How the key of a message chooses its partition.
    pub record_partitioner: RecordPartitionerConfig,
    /// TLS of the connections. Unset, they are not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClientTlsConfig>,
    /// How we prove to the brokers who we are.
    pub auth: AuthConfig,
    /// How messages are sent.
    pub producer: KafkaProducerConfig,
    /// How long messages may take to be acknowledged, 1s to 5m, before they are sent again as a new
    /// request. Within it the client repeats by itself what a broker did not answer, and makes no
    /// duplicates.
    pub timeout: HumanDuration,
    /// The waits before a request that failed is sent again.
    pub retry_on_failure: RetryConfig,
    /// Which spans it takes: a condition on their resource in the OpenTelemetry Transformation
    /// Language, such as `attributes["deployment.environment.name"] == "prod"`. Unset, it takes all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// The queue in front of the brokers, and the size of requests: the spans that are handed to the
    /// client at once.
    pub sending_queue: QueueConfig,
}

impl Default for KafkaExporterConfig {
    fn default() -> Self {
        Self {
            brokers: vec!["localhost:9092".to_owned()],
            client_id: "wholetrace".to_owned(),
            traces: TopicConfig::default(),
            topic: None,
            encoding: None,
            partition_traces_by_id: true,
            record_partitioner: RecordPartitionerConfig::default(),
            tls: None,
            auth: AuthConfig::default(),
            producer: KafkaProducerConfig::default(),
            timeout: HumanDuration::from_secs(10),
            retry_on_failure: RetryConfig::default(),
            only: None,
            sending_queue: QueueConfig::default(),
        }
    }
}

/// Where messages go, and what they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TopicConfig {
    /// The topic.
    pub topic: String,
    /// What is in a message.
    pub encoding: MessageEncoding,
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self { topic: "otlp_spans".to_owned(), encoding: MessageEncoding::default() }
    }
}

/// What is in a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageEncoding {
    /// OTLP in protobuf: `TracesData`, and so an `ExportTraceServiceRequest`.
    #[default]
    OtlpProto,
    /// The same in JSON: several times the work, here and at the reader.
    OtlpJson,
    /// A span of Jaeger's model in protobuf, with its process, as Jaeger's ingesters read it: each
    /// span is a message, and its key is the trace id as Jaeger writes it.
    JaegerProto,
}

/// How the key of a message chooses its partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RecordPartitionerConfig {
    /// The same key, the same partition; messages without a key go to one after the other.
    pub sticky_key: StickyKeyConfig,
}

/// The same key, the same partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StickyKeyConfig {
    /// The hash of the key. Writers of one topic should have the same.
    pub hasher: KeyHasher,
}

/// A hash of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyHasher {
    /// FNV-1a, as Collectors have it unless configured, and clients made with Sarama.
    #[default]
    SaramaCompat,
    /// As clients in Java have it.
    Murmur2,
}

/// How messages are sent. All in-sync replicas acknowledge them, and the producer is idempotent: what
/// the client repeats is there once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaProducerConfig {
    /// The largest message, key included and before compression, 16KiB to 64MiB: at most
    /// `max.message.bytes` of the topic, which is 1,048,588 unless set. What is larger goes in several
    /// messages; a single span that is larger goes to the dead letters.
    pub max_message_bytes: ByteSize,
    /// How messages are compressed.
    pub compression: Compression,
    /// How long messages for one partition wait for others, up to 1s.
    pub linger: HumanDuration,
    /// Have brokers that are configured so make the topic if it is not there. It gets as many
    /// partitions as they are configured with: better make it before.
    pub allow_auto_topic_creation: bool,
}

impl Default for KafkaProducerConfig {
    fn default() -> Self {
        Self {
            max_message_bytes: ByteSize::bytes(1_000_000),
            compression: Compression::default(),
            linger: HumanDuration::from_millis(10),
            allow_auto_topic_creation: true,
        }
    }
}

impl KafkaExporterConfig {
    /// Adds what is wrong with the block at `path`. Reads the certificate files.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        self.connection().check(path, problems);
        let key = if self.topic.is_some() { "topic" } else { "traces.topic" };
        check_name(&format!("{path}.{key}"), self.topic(), problems);
        let second = HumanDuration::from_secs;
        problems.check_range(format!("{path}.timeout"), self.timeout, second(1), second(300));
        let producer = &self.producer;
        let (least, most) = (ByteSize::kib(16), ByteSize::mib(64));
        let largest = producer.max_message_bytes;
        problems.check_range(format!("{path}.producer.max_message_bytes"), largest, least, most);
        let (linger, none) = (producer.linger, HumanDuration::from_secs(0));
        problems.check_range(format!("{path}.producer.linger"), linger, none, second(1));
        self.retry_on_failure.check(&format!("{path}.retry_on_failure"), problems);
        self.sending_queue.check(&format!("{path}.sending_queue"), problems);
    }

    /// How the brokers are reached.
    #[must_use]
    pub fn connection(&self) -> Connection<'_> {
        Connection {
            brokers: &self.brokers,
            client_id: &self.client_id,
            tls: self.tls.as_ref(),
            auth: &self.auth,
        }
    }

    /// The topic that is written to.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.topic.as_ref().unwrap_or(&self.traces.topic)
    }

    /// What messages are.
    #[must_use]
    pub fn encoding(&self) -> MessageEncoding {
        self.encoding.unwrap_or(self.traces.encoding)
    }
}
