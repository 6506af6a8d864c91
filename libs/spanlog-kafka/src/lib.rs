//! The log over Apache Kafka: for any number of gateways and samplers.
//!
//! ```text
//!                producer ──produce──► spans, decisions, dead letters ──fetch──► consumer
//!  Writer ──────► (a librdkafka         (topics with equal             (one tails, others read
//!   ▲             client)                partitions)                    again: consumer_pool)
//!   └─ answer ── deliveries ◄─ acks=all ──┘                                 │
//!                                                                           ▼
//!  Group ◄─ events ── assignment ◄── member ◄──rebalances── the group     cursor ──frames──► Reader
//!   └─ commit ──────► commits ────────┘ (reads nothing)
//!
//!  topics     creates and checks them         client    every setting of librdkafka, with its reason
//!  identity   is the log still the same?      renewal   clients are made anew when certificates change
//!  health     what is wrong at the moment     watchdog  ends a process whose threads hang
//! ```
//!
//! One frame on its way: a gateway appends it to its partition. `producer` takes bytes of
//! `max_pending_bytes` for it, or refuses it at once, and hands it to librdkafka. All in-sync replicas
//! have it: the delivery answers the append, and the gateway answers the sender. In a sampler, `member`
//! was assigned the partition in a rebalance, and `assignment` has told the sampler with the last
//! commit of the group. The sampler opens a cursor there: `consumer_pool` finds a slot for it on one of
//! its consumers, and the cursor copies the frame out of the fetched batch. Decided and released, the
//! frame is read a second time, by another consumer if it is not in memory any more, and `commits`
//! stores the position behind it, with the sampler's checkpoint as metadata.

mod assignment;
mod blocking;
mod client;
mod commits;
mod committed;
mod config;
#[cfg(test)]
mod conformance_tests;
mod consumer;
mod consumer_pool;
mod cursor;
mod deadline;
pub mod descriptor;
mod discovery;
mod error;
mod events;
mod group;
mod header;
mod health;
mod identity;
mod log;
mod member;
mod metrics;
mod producer;
mod reader;
mod renewal;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod topic_partition;
mod topics;
mod watchdog;

pub use config::{
    AuthConfig, Compression, ConsumerConfig, DeadLettersTopicConfig, DecisionsTopicConfig,
    KafkaConfig, Mechanism, OauthConfig, ProducerConfig, RingTopicConfig, SaslConfig,
    SpansTopicConfig, TopicSettings, WeakTopics,
};
pub use error::KafkaError;
pub use log::{Access, KafkaLog, KafkaStatus};
pub use metrics::TABLE;
pub use topics::{Difference, FoundTopic, Made, Severity, TopicAdmin, TopicReport, TopicsError};
