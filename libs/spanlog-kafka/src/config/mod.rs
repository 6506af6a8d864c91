//! What can be configured about the log over Kafka.

mod kafka;
#[cfg(test)]
mod tests;
mod topics;
mod transfer;

pub use kafka::KafkaConfig;
pub use topics::{
    DeadLettersTopicConfig, DecisionsTopicConfig, RingTopicConfig, SpansTopicConfig, TopicSettings,
    WeakTopics,
};
pub use transfer::{ConsumerConfig, ProducerConfig};
pub use wholetrace_kafka::{AuthConfig, Compression, Mechanism, OauthConfig, SaslConfig};
