//! The log over Apache Kafka: for any number of gateways and samplers.

mod client;
mod commits;
mod config;
#[cfg(test)]
mod conformance_tests;
mod cursor;
mod discovery;
mod error;
mod events;
mod fate;
mod group;
mod header;
mod identity;
mod lane;
mod lanes;
mod log;
mod member;
mod metrics;
mod ownership;
mod patience;
mod producer;
mod queries;
mod reader;
mod renewal;
pub mod ring;
mod source;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
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
