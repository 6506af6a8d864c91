//! The Kafka receiver: its configuration.
//!
//! * Configuration: [`KafkaReceiverConfig`], `receivers.kafka`: brokers, topics and what is in their
//!   messages, the group, what is fetched at a time.
//! * Limits: bytes that were read and are not in the log yet (`in_flight`), beyond which partitions are
//!   paused; the largest message is an eighth of `limits.in_flight`. Nothing is refused for want of
//!   room: it waits.
//! * Metrics, labelled by the receiver's name: messages as requests, spans and what was refused of them
//!   by reason, as with OTLP; `wholetrace_gateway_message_retries_total`,
//!   `…_messages_in_flight_bytes`, `…_reading_paused` and `…_messages_revoked_total`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_kafka::{AuthConfig, Connection, check_name};
use wholetrace_runtime::{
    problems::{Problems, join},
    tls::ClientTlsConfig,
    units::{ByteSize, HumanDuration},
};

use crate::format::{
    Format, JAEGER_BATCH_THRIFT, JAEGER_PROTO, OTLP_JSON, OTLP_PROTO, ZIPKIN_JSON, ZIPKIN_PROTO,
    ZIPKIN_THRIFT,
};

/// A receiver that reads topics of Apache Kafka which others write. A message is marked as read once
/// the log has its spans: none is lost, and after a crash some come again. Processes with the same
/// `group_id` share the partitions.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaReceiverConfig {
    /// Brokers to begin with, as `host:port`; the others are learned from them.
    pub brokers: Vec<String>,
    /// Name of this process in the brokers' logs, metrics and quotas; `-receiver` and the name of the
    /// machine are put behind it.
    pub client_id: String,
    /// What is read.
    pub traces: TopicsConfig,
    /// The same as one of `traces.topics`, as older Collectors have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The same as `traces.encoding`, as older Collectors have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<MessageEncoding>,
    /// The group that the readers form. It must be another one than that of `log.kafka`.
    pub group_id: String,
    /// Makes this process a static member of the group under this name, which must differ between
    /// processes: restarted within `session_timeout` it gets its partitions back without a rebalance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_instance_id: Option<String>,
    /// Where a partition is begun of which the group has marked nothing: `earliest` or `latest`. With
    /// the last one, what was written before is never read.
    pub initial_offset: InitialOffset,
    /// How long a process may be silent before its partitions are given to others, 1s to 5m.
    pub session_timeout: HumanDuration,
    /// How often a process tells that it is alive, at most a third of `session_timeout`.
    pub heartbeat_interval: HumanDuration,
    /// When marks are stored.
    pub autocommit: AutocommitConfig,
    /// Bytes that a broker gathers before it answers, 1B to 16MiB.
    pub min_fetch_size: ByteSize,
    /// Bytes that a broker gives at a time, compressed, 64KiB to 1GiB. One batch is given in any case.
    pub max_fetch_size: ByteSize,
    /// The same of one partition, 64KiB to `max_fetch_size`.
    pub max_partition_fetch_size: ByteSize,
    /// How long a broker may wait for new messages before it says that there are none, 1ms to 5s.
    pub max_fetch_wait: HumanDuration,
    /// Bytes of messages that are read and not yet in the log, 1MiB to 1GiB. When they are reached,
    /// nothing more is read until the log has some. As many bytes may be read ahead.
    pub in_flight: ByteSize,
    /// TLS of the connections. Unset, they are not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClientTlsConfig>,
    /// How we prove to the brokers who we are.
    pub auth: AuthConfig,
}

/// What is read.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TopicsConfig {
    /// The topics. One that begins with `^` is a regular expression; topics that are made later are
    /// found within 30s.
    pub topics: Vec<String>,
    /// Regular expressions, each beginning with `^`, of topics that are not read.
    pub exclude_topics: Vec<String>,
    /// What is in a message. Unset, each message is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<MessageEncoding>,
}

impl Default for TopicsConfig {
    fn default() -> Self {
        Self { topics: vec!["otlp_spans".to_owned()], exclude_topics: Vec::new(), encoding: None }
    }
}

/// What is in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageEncoding {
    /// OTLP in protobuf: `TracesData` or `ExportTraceServiceRequest`.
    OtlpProto,
    /// The same in JSON.
    OtlpJson,
    /// A list of Zipkin spans in JSON, v2 or v1.
    ZipkinJson,
    /// A list of Zipkin v2 spans in protobuf.
    ZipkinProto,
    /// A list of Zipkin v1 spans in Thrift's binary protocol.
    ZipkinThrift,
    /// One span of Jaeger in protobuf, with its process, as Jaeger's collector writes them.
    JaegerProto,
    /// A batch of Jaeger in Thrift's binary protocol.
    JaegerThrift,
}

/// Where a partition is begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InitialOffset {
    /// At the oldest message that is there.
    #[default]
    Earliest,
    /// At the messages that come from now on.
    Latest,
}

/// When marks are stored.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AutocommitConfig {
    /// How often marks are stored, 100ms to 1m: what was read since comes again after a crash.
    pub interval: HumanDuration,
}

impl Default for AutocommitConfig {
    fn default() -> Self {
        Self { interval: HumanDuration::from_secs(1) }
    }
}

impl Default for KafkaReceiverConfig {
    fn default() -> Self {
        Self {
            brokers: vec!["localhost:9092".to_owned()],
            client_id: "wholetrace".to_owned(),
            traces: TopicsConfig::default(),
            topic: None,
            encoding: None,
            group_id: "wholetrace-receiver".to_owned(),
            group_instance_id: None,
            initial_offset: InitialOffset::default(),
            session_timeout: HumanDuration::from_secs(10),
            heartbeat_interval: HumanDuration::from_secs(3),
            autocommit: AutocommitConfig::default(),
            min_fetch_size: ByteSize::bytes(1),
            max_fetch_size: ByteSize::mib(16),
            max_partition_fetch_size: ByteSize::mib(1),
            max_fetch_wait: HumanDuration::from_millis(250),
            in_flight: ByteSize::mib(32),
            tls: None,
            auth: AuthConfig::default(),
        }
    }
}

impl MessageEncoding {
    pub(crate) const fn format(self) -> &'static Format {
        match self {
            Self::OtlpProto => &OTLP_PROTO,
            Self::OtlpJson => &OTLP_JSON,
            Self::ZipkinJson => &ZIPKIN_JSON,
            Self::ZipkinProto => &ZIPKIN_PROTO,
            Self::ZipkinThrift => &ZIPKIN_THRIFT,
            Self::JaegerProto => &JAEGER_PROTO,
            Self::JaegerThrift => &JAEGER_BATCH_THRIFT,
        }
    }
}

impl KafkaReceiverConfig {
    /// Adds everything that is wrong with it to `problems`; `path` is where it stands. Reads the
    /// certificate files.
    pub(crate) fn check(&self, path: &str, problems: &mut Problems) {
        self.connection().check(path, problems);
        check_name(&join(path, "group_id"), &self.group_id, problems);
        if let Some(id) = &self.group_instance_id {
            check_name(&join(path, "group_instance_id"), id, problems);
        }
        let topics = self.topics();
        if topics.is_empty() {
            let hint = "for instance `[otlp_spans]`";
            problems.error(join(path, "traces.topics"), "names no topic", hint);
        }
        for topic in topics.into_iter().chain(&self.traces.exclude_topics) {
            check_name(&join(path, "traces.topics"), topic, problems);
        }
        for excluded in self.traces.exclude_topics.iter().filter(|one| !one.starts_with('^')) {
            let message = format!("`{excluded}` is no regular expression that begins with `^`");
            problems.error(join(path, "traces.exclude_topics"), message, "write `^` before it");
        }
        self.check_bounds(path, problems);
    }

    fn check_bounds(&self, path: &str, problems: &mut Problems) {
        let (secs, millis) = (HumanDuration::from_secs, HumanDuration::from_millis);
        let third = HumanDuration::from(self.session_timeout.get() / 3);
        for (key, value, bounds) in [
            ("session_timeout", self.session_timeout, secs(1)..=secs(300)),
            ("heartbeat_interval", self.heartbeat_interval, millis(100)..=third),
            ("autocommit.interval", self.autocommit.interval, millis(100)..=secs(60)),
            ("max_fetch_wait", self.max_fetch_wait, millis(1)..=secs(5)),
        ] {
            problems.within(path, key, &value, &bounds);
        }
        let (kib, mib, gib) = (ByteSize::kib, ByteSize::mib, ByteSize::gib);
        let piece = kib(64)..=self.max_fetch_size.max(kib(64));
        for (key, value, bounds) in [
            ("min_fetch_size", self.min_fetch_size, ByteSize::bytes(1)..=mib(16)),
            ("max_fetch_size", self.max_fetch_size, kib(64)..=gib(1)),
            ("max_partition_fetch_size", self.max_partition_fetch_size, piece),
            ("in_flight", self.in_flight, mib(1)..=gib(1)),
        ] {
            problems.within(path, key, &value, &bounds);
        }
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

    /// The topics that are read.
    #[must_use]
    pub fn topics(&self) -> Vec<&String> {
        self.topic.as_ref().map_or_else(|| self.traces.topics.iter().collect(), |one| vec![one])
    }

    /// What messages are, where that is said.
    pub(crate) fn format(&self) -> Option<&'static Format> {
        self.encoding.or(self.traces.encoding).map(MessageEncoding::format)
    }

    /// How many times its size a message takes of the bytes in flight, at most.
    pub(crate) fn need(&self) -> u64 {
        // The largest of what a message may be taken for.
        self.format().unwrap_or(&JAEGER_PROTO).need
    }

    /// The most memory that it takes beside the requests in flight, in bytes.
    #[must_use]
    pub const fn memory_bytes(&self) -> u64 {
        // In flight, read ahead, and an answer of a broker.
        self.in_flight.get().saturating_mul(2).saturating_add(self.max_fetch_size.get())
    }
}
