//! The durable log of a single machine, on the embedded store fjall.
//!
//! One thread writes: it groups the appends of all partitions and topics into one batch, makes it
//! durable with one sync, then answers them all (`appender`). Records lie in
//! `slices` that are removed whole once they are finished. Readers at the head are
//! served from memory (`tail`), others from the store (`reading`).
//!
//! What goes when is in `retention`, what a full disk or a failed write does in
//! `housekeeping`.

mod appender;
mod checkpoints;
mod codec;
mod config;
mod error;
mod folder;
mod group;
mod hooks;
mod housekeeping;
mod log;
mod queue;
mod reading;
mod recovery;
mod retention;
mod settings;
mod shared;
mod slices;
mod state;
mod store;
mod tail;
mod topic;

pub use config::EmbeddedConfig;
pub use error::OpenError;
pub use hooks::Hooks;
pub use log::{EmbeddedLog, EmbeddedStatus};

#[cfg(test)]
mod conformance_tests;
#[cfg(test)]
mod tests;
