//! The log over Apache Kafka: for any number of gateways and samplers.

mod config;

pub use config::{
    AuthConfig, Compression, ConsumerConfig, DeadLettersTopicConfig, DecisionsTopicConfig,
    KafkaConfig, Mechanism, OauthConfig, ProducerConfig, RingTopicConfig, SaslConfig,
    SpansTopicConfig, TopicSettings, WeakTopics,
};
