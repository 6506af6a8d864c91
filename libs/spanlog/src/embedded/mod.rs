//! The durable log of a single machine.
//!
//! One thread writes (`appender`): it groups the appends of all partitions and topics, makes them
//! durable with one sync for each topic, then answers them all. What lies on the disk, and how it
//! is found again, is the business of the [`store`](self), which knows neither threads nor clocks;
//! the files are behind `disk`. Readers at the head are served from memory (`tail`), others from
//! the store.
//!
//! What goes when, and what a full disk does, is in `housekeeping`; what must not be waited for
//! in `keeper`.

mod appender;
mod checkpoints;
mod config;
mod disk;
mod error;
mod folder;
mod group;
mod housekeeping;
mod keeper;
mod log;
mod queue;
mod real_disk;
mod settings;
mod shared;
mod state;
mod store;
mod tail;
mod topic;

pub use config::EmbeddedConfig;
pub use error::OpenError;
pub use log::{EmbeddedLog, EmbeddedStatus};

#[cfg(test)]
mod conformance_tests;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
