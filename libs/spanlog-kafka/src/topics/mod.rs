//! The topics: made, held against what is promised, described.
//!
//! `admin` asks the brokers, `report` compares what they say with the configuration.

mod admin;
mod error;
mod reasons;
mod report;

pub use admin::{Made, TopicAdmin};
pub use error::TopicsError;
pub use report::{Difference, FoundTopic, Severity, TopicReport};

#[cfg(test)]
mod tests;
