//! Finds the topics at the start.

use std::time::{Duration, Instant};

use rdkafka::{
    error::{IsError as _, RDKafkaErrorCode},
    producer::Producer as _,
};
use wholetrace_spanlog::TopicName;

use super::{config::KafkaConfig, error::KafkaError, health::ClientHealth, producer::Producer};

/// How long the brokers may take to answer at the start.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long one request takes at the start, before it is asked again.
const ASK: Duration = Duration::from_secs(5);

/// How long a topic may take to be known to all brokers after it was made.
const NEW_TIMEOUT: Duration = Duration::from_secs(3);

/// The name of a topic.
pub(super) fn topic_of(config: &KafkaConfig, name: TopicName) -> &str {
    match name {
        TopicName::Spans => &config.spans.topic,
        TopicName::Decisions => &config.decisions.topic,
        TopicName::DeadLetters => &config.dead_letters.topic,
    }
}

/// How many partitions the topics have: all the same number.
pub(super) fn find_topics(
    config: &KafkaConfig,
    producer: &Producer,
    health: &ClientHealth,
) -> Result<u32, KafkaError> {
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    let spans = &config.spans.topic;
    let expected = partitions_of(config, spans, producer, health, deadline)?;
    for name in [TopicName::Decisions, TopicName::DeadLetters] {
        let topic = topic_of(config, name);
        let partitions = partitions_of(config, topic, producer, health, deadline)?;
        if partitions != expected {
            let (topic, spans) = (topic.to_owned(), spans.clone());
            return Err(KafkaError::Partitions { topic, partitions, spans, expected });
        }
    }
    Ok(expected)
}

/// How many partitions `topic` has; asks until there is an answer or `deadline`.
fn partitions_of(
    config: &KafkaConfig,
    topic: &str,
    producer: &Producer,
    health: &ClientHealth,
    deadline: Instant,
) -> Result<u32, KafkaError> {
    let client = producer.client().ok_or(KafkaError::Closed)?;
    let new = Instant::now() + NEW_TIMEOUT;
    loop {
        let asked = client.client().fetch_metadata(Some(topic), ASK);
        let over = Instant::now() >= deadline;
        match asked {
            Ok(metadata) => {
                let found = metadata.topics().iter().find(|found| found.name() == topic);
                let error = found.and_then(|found| found.error()).filter(|e| e.is_error());
                let partitions = found.map_or(0, |found| found.partitions().len());
                match error.map(RDKafkaErrorCode::from) {
                    None if partitions > 0 => {
                        return Ok(u32::try_from(partitions).unwrap_or(u32::MAX));
                    }
                    // Just made: this broker has not heard of it.
                    None | Some(RDKafkaErrorCode::UnknownTopicOrPartition)
                        if Instant::now() < new => {}
                    None | Some(RDKafkaErrorCode::UnknownTopicOrPartition) => {
                        return Err(KafkaError::NoTopic { topic: topic.to_owned() });
                    }
                    // Just made: it has no leaders yet.
                    Some(RDKafkaErrorCode::LeaderNotAvailable) if !over => {}
                    Some(code) => {
                        let (topic, reason) = (topic.to_owned(), code.to_string());
                        return Err(KafkaError::Topic { topic, reason });
                    }
                }
            }
            Err(error) if over => {
                let reason = health.last_error().unwrap_or_else(|| error.to_string());
                let brokers = config.brokers.join(", ");
                let seconds = CONNECT_TIMEOUT.as_secs();
                return Err(KafkaError::Unreachable { brokers, seconds, reason });
            }
            Err(_) => {}
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
