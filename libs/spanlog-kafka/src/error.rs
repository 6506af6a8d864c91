//! Why the log over Kafka cannot be used.

use wholetrace_runtime::problems::Problems;

/// Why the log over Kafka cannot be used. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// Settings are out of their bounds.
    #[error("the settings of the log over Kafka are impossible: {0}")]
    Settings(Problems),
    /// The client does not take a setting.
    #[error("the Kafka client cannot be made: {0}: check `tls` and `auth`")]
    Client(String),
    /// No broker answers.
    #[error(
        "no answer from the brokers `{brokers}` within {seconds} s: {reason}: check `brokers`, \
             `tls` and `auth`, and that Kafka is up"
    )]
    Unreachable {
        /// Those that were asked.
        brokers: String,
        /// How long was waited.
        seconds: u64,
        /// What the client said last.
        reason: String,
    },
    /// A topic is missing.
    #[error("the topic `{topic}` does not exist: create it with `wholetrace topics create`")]
    NoTopic {
        /// Its name.
        topic: String,
    },
    /// The brokers do not tell about a topic.
    #[error("the brokers do not show the topic `{topic}`: {reason}: check what this user may do")]
    Topic {
        /// Its name.
        topic: String,
        /// What they said.
        reason: String,
    },
    /// The topics are not partitioned alike.
    #[error(
        "the topic `{topic}` has {partitions} partitions, but `{spans}` has {expected}: they \
             must have the same number; create it again"
    )]
    Partitions {
        /// The topic that differs.
        topic: String,
        /// How many it has.
        partitions: u32,
        /// The topic of the spans.
        spans: String,
        /// How many that has.
        expected: u32,
    },
    /// A thread cannot be started.
    #[error("a thread of the Kafka client cannot be started: {0}")]
    Thread(std::io::Error),
    /// The log is closed.
    #[error("the log is closed")]
    Closed,
}
