//! The log in memory, with fault switches: for tests and benches.
//!
//! It keeps the whole contract of [`Writer`](crate::Writer) and [`Reader`](crate::Reader) as long
//! as no fault is switched on; "durable" means here what [`MemoryLog::crash`] does not take away.

mod group;
mod log;
mod partition;
mod shared;
mod topic;

pub use log::MemoryLog;
pub use shared::{AppendFault, MemoryConfig};

#[cfg(test)]
mod conformance_tests;
#[cfg(test)]
mod tests;
