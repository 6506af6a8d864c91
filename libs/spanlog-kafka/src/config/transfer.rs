//! How records go to the brokers and come back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_kafka::Compression;
use wholetrace_runtime::{
    problems::{Problems, join},
    units::{ByteSize, HumanDuration},
};

/// How records are sent. They count as durable when `min_insync_replicas` brokers have them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProducerConfig {
    /// How records are compressed.
    pub compression: Compression,
    /// How long records gather, so that those of all partitions are sent at one moment, up to 1s: at
    /// the multiples of this time on the clock, so that all processes send together; earlier where
    /// much has gathered, later (by as much again at most) while the brokers are slow, and at once
    /// after a silence of this time. An acknowledgement takes as long at most, and what the brokers
    /// need. Less costs the brokers more CPU. 0s: nothing gathers while nothing is on its way.
    pub linger: HumanDuration,
    /// Connections to each broker that spans are written over, 1 to 16. A broker works on one request
    /// of a connection at a time, until all copies have the records, and a request has those of one
    /// partition: with few connections the partitions of a burst wait for each other.
    pub connections: u8,
    /// The largest record, uncompressed, 64KiB to 64MiB. It must hold the largest frame that a
    /// gateway makes.
    pub max_message_bytes: ByteSize,
    /// How long a record may take to become durable, 1s to 5m. Then its sender is asked to come
    /// back with it; it may have been written nevertheless. Brokers take up to 8s to notice that one
    /// of them is dead.
    pub delivery_timeout: HumanDuration,
    /// Bytes that may wait to become durable, 16MiB to 4GiB and room for one record of the largest
    /// size. Beyond, records are refused and the senders asked to come back.
    pub max_pending_bytes: ByteSize,
}

/// How records are read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConsumerConfig {
    /// Bytes read ahead of what is asked for, for each partition of spans and of decisions, 64KiB
    /// to 256MiB. One fetched piece comes on top.
    pub queue_bytes: ByteSize,
    /// Bytes that a broker gives of one partition at a time, compressed, 64KiB to 256MiB. One batch
    /// is given in any case.
    pub max_partition_fetch_size: ByteSize,
    /// Bytes that a broker gives at a time, compressed, `max_partition_fetch_size` to 1GiB.
    pub max_fetch_size: ByteSize,
    /// How long a broker may wait for new records before it says that there are none, 1ms to 5s.
    pub max_fetch_wait: HumanDuration,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            compression: Compression::Lz4,
            linger: HumanDuration::from_millis(100),
            connections: 4,
            max_message_bytes: ByteSize::mib(4),
            delivery_timeout: HumanDuration::from_secs(8),
            max_pending_bytes: ByteSize::mib(128),
        }
    }
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            queue_bytes: ByteSize::mib(2),
            max_partition_fetch_size: ByteSize::kib(512),
            max_fetch_size: ByteSize::mib(16),
            max_fetch_wait: HumanDuration::from_millis(250),
        }
    }
}

impl ProducerConfig {
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        let (kib, mib, gib) = (ByteSize::kib, ByteSize::mib, ByteSize::gib);
        let second = HumanDuration::from_secs;
        problems.check_range(join(path, "linger"), self.linger, second(0), second(1));
        problems.check_range(join(path, "connections"), self.connections, 1, 16);
        let largest = self.max_message_bytes;
        problems.check_range(join(path, "max_message_bytes"), largest, kib(64), mib(64));
        let timeout = self.delivery_timeout;
        problems.check_range(join(path, "delivery_timeout"), timeout, second(1), second(300));
        let pending = self.max_pending_bytes;
        let least = mib(16).max(largest);
        problems.check_range(join(path, "max_pending_bytes"), pending, least, gib(4));
    }
}

impl ConsumerConfig {
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        let (kib, mib, gib) = (ByteSize::kib, ByteSize::mib, ByteSize::gib);
        problems.check_range(join(path, "queue_bytes"), self.queue_bytes, kib(64), mib(256));
        let piece = self.max_partition_fetch_size;
        problems.check_range(join(path, "max_partition_fetch_size"), piece, kib(64), mib(256));
        let all = self.max_fetch_size;
        problems.check_range(join(path, "max_fetch_size"), all, piece, gib(1));
        let (wait, least) = (self.max_fetch_wait, HumanDuration::from_millis(1));
        let most = HumanDuration::from_secs(5);
        problems.check_range(join(path, "max_fetch_wait"), wait, least, most);
    }
}
