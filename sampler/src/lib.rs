//! Span log in, decisions and kept traces out.

pub mod checkpoint;
pub mod config;
mod cut;
pub mod dead_letters;
mod decision;
mod epochs;
mod fold;
mod held;
mod keyed;
pub mod metrics;
mod open_traces;
pub mod partition;
pub mod partition_metrics;
pub mod policy;
mod release;
mod sampler;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod testing;
mod watermark;
mod window;
mod worker;

pub use sampler::{Parts, PolicyHandle, Sampler};
