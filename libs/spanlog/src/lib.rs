//! The partitioned log of spans.
//!
//! The log is the buffer of Wholetrace: gateways append frames of spans to it and answer their
//! senders once a frame is durable; samplers read each partition twice, first to decide and then
//! to release, and commit how far they are finished.
//!
//! * [`Writer`] and [`Reader`] are the contract, one for each side; [`Group`] tells which
//!   partitions a sampler owns.
//! * [`routing`] says which partition a trace belongs to.
//! * [`embedded`] is the log of a single machine, [`memory`] the one for tests, with fault switches;
//!   that of a cluster is the crate `wholetrace-spanlog-kafka`. `conformance` is the suite that every
//!   implementation passes.

mod burst;
mod clock;
#[cfg(any(test, feature = "test-util"))]
pub mod conformance;
mod contract;
pub mod embedded;
pub mod memory;
pub mod metrics;
mod position;
mod reader;
mod record;
pub mod routing;
mod topic;
mod writer;

pub use burst::BurstClock;
pub use contract::{Log, Topic};
pub use position::{LogTime, Partition, Position};
pub use reader::{
    Checkpoint, Committer, Cursor, Extent, Group, GroupEvent, ReadError, Reader, Replacement, Start,
};
pub use record::{Frame, Record, RecordKind};
pub use topic::TopicName;
pub use writer::{Append, AppendError, Writer};
