//! Kept traces on their way to the backends.
//!
//! `contract` says what an exporter is; `queue` stands in front of each one, forms batches, keeps
//! several of them under way and repeats them until they arrive (`delivery`, `retry`).

mod answer;
pub mod build;
pub mod config;
pub mod contract;
mod debug;
mod delivery;
mod file;
pub mod metrics;
pub mod options;
mod otlp_grpc;
mod otlp_http;
pub mod outcomes;
mod payload;
pub mod queue;
mod remains;
pub mod retry;
mod rotation;
#[cfg(test)]
mod testing;
mod text;
mod transport;

pub use delivery::Undelivered;
