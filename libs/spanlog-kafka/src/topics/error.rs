//! Why topics could not be made or looked at.

/// Why topics could not be made or looked at, or cannot be used.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum TopicsError {
    /// No broker answered in time.
    #[error(
        "no broker of `{brokers}` (log.kafka.brokers) answered within {seconds} s: {reason}; is \
         the address right, and are `tls` and `auth` as the brokers want them?"
    )]
    Unreachable {
        /// The brokers asked.
        brokers: String,
        /// How long they were asked.
        seconds: u64,
        /// What the client says.
        reason: String,
    },
    /// The client could not be made: a setting that it does not take.
    #[error("the Kafka client cannot be made of `log.kafka`: {0}")]
    Client(String),
    /// The brokers refused.
    #[error("{doing}: {reason}")]
    Refused {
        /// What was to be done.
        doing: String,
        /// What the brokers say.
        reason: String,
    },
    /// Topics are missing, unusable, or weaker than configured; a line for each difference.
    #[error("the topics are not as they must be:\n{0}")]
    Unfit(String),
    /// The mapping that the fleet agreed on is missing or another one.
    #[error("{0}")]
    Ring(String),
}
