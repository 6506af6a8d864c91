//! Kept traces on their way to the backends.
//!
//! `contract` says what an exporter is; `queue` stands in front of each one, forms batches, keeps
//! several of them under way and repeats them until they arrive (`delivery`, `retry`). What an answer
//! proves is judged in `answer` and `next_step`; `job` is what is left of a batch.

mod advice;
mod answer;
mod backends;
pub mod build;
pub mod config;
mod connect;
pub mod contract;
mod debug;
mod delivery;
mod file;
mod file_state;
mod job;
mod journal;
mod limit;
pub mod metrics;
mod next_step;
pub mod options;
mod otlp_grpc;
mod otlp_http;
pub mod outcomes;
mod pace;
mod payload;
mod proxy;
pub mod queue;
mod queue_state;
mod refusals;
mod resolve;
pub mod retry;
mod rotation;
#[cfg(any(test, feature = "test-util"))]
pub mod testing;
mod text;
mod transport;

pub use queue_state::Undelivered;
