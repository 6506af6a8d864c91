//! What all clients of Apache Kafka have in common, whatever they read or write.
//!
//! [`Connection`] is how the brokers are reached: its settings become those of a client, and are
//! checked here. What is configured about it, [`AuthConfig`] and [`Compression`], is the same for the
//! log, for exporters and for receivers. [`Reports`] tells what a client says of itself, and
//! [`WatchedFiles`] when its certificates have changed. [`Bootstrap`] is for a client that has lost sight
//! of all brokers.

mod compression;
mod connection;
mod files;
mod reports;
mod security;

pub use compression::Compression;
pub use connection::{Connection, check_name};
pub use files::WatchedFiles;
pub use reports::{Reports, plain};
pub use security::{AuthConfig, Mechanism, OauthConfig, SaslConfig};
pub use wholetrace_kafka_bootstrap::{Bootstrap, count};
