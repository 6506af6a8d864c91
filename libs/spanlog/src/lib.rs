//! The partitioned log of spans.
//!
//! The log is the buffer of Wholetrace: gateways append frames of spans to it and answer their
//! senders once a frame is durable; samplers read each partition twice, first to decide and then
//! to release, and commit how far they are finished.
//!
//! * [`Writer`] and [`Reader`] are the contract, one for each side; [`Group`] tells which
//!   partitions a sampler owns.
//! * [`routing`] says which partition a trace belongs to.
//! * `embedded` is the single-machine log, `memory` the one for tests, with fault switches;
//!   `conformance` is the suite that every implementation passes.

mod position;
mod reader;
mod record;
pub mod routing;
mod writer;

use std::sync::Arc;

pub use position::{LogTime, Partition, Position};
pub use reader::{
    Checkpoint, Committer, Cursor, Extent, Group, GroupEvent, ReadError, Reader, Start,
};
pub use record::{Frame, Record, RecordKind};
pub use writer::{Append, AppendError, Writer};

/// Both sides of one topic.
#[derive(Clone)]
pub struct Topic {
    /// Appends to it.
    pub writer: Arc<dyn Writer>,
    /// Reads from it.
    pub reader: Arc<dyn Reader>,
}

/// The three topics of a deployment, partitioned alike.
#[derive(Clone)]
pub struct Log {
    /// Frames of spans, and ticks.
    pub spans: Topic,
    /// Batches of decisions: partition *n* holds those of the traces in partition *n* of `spans`.
    pub decisions: Topic,
    /// What could not be decoded or was refused for good.
    pub dead_letters: Topic,
}
