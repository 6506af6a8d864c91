//! What can be configured about the log over Kafka.

mod kafka;
mod security;
#[cfg(test)]
mod tests;
mod topics;
mod transfer;

pub use kafka::KafkaConfig;
pub use security::{AuthConfig, Mechanism, OauthConfig, SaslConfig};
pub use topics::{
    DeadLettersTopicConfig, DecisionsTopicConfig, RingTopicConfig, SpansTopicConfig, TopicSettings,
    WeakTopics,
};
pub use transfer::{Compression, ConsumerConfig, ProducerConfig};
