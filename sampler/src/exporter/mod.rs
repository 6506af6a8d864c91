//! Kept traces on their way to the backends.
//!
//! `contract` says what an exporter is; `queue` stands in front of each one, forms batches, keeps
//! several of them under way and repeats them until they arrive (`delivery`, `retry`).

pub mod contract;
mod delivery;
mod metrics;
pub mod outcomes;
pub mod queue;
pub mod retry;

pub use delivery::Undelivered;
