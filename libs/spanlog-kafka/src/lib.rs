//! The log over Apache Kafka: for any number of gateways and samplers.

mod assignment;
mod blocking;
mod client;
mod commits;
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
