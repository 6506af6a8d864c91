//! The partitioned log of spans.
//!
//! ```text
//!  gateway ──append──► Writer ──┐                          ┌── Reader ──cursor──► sampler: decide
//!              ▲                ▼                          │            fetch────► sampler: release
//!              └── durable ── partition 0 │ frame frame frame …                       │
//!                             partition 1 │ frame frame …  ▲        Group ◄── commit ─┘
//!                             …                            └── from the last commit
//! ```
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
//!
//! One frame on its way:
//!
//! ```
//! use wholetrace_spanlog::{
//!     Record, Start,
//!     memory::{MemoryConfig, MemoryLog},
//!     routing::{Descriptor, Routing},
//! };
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let log = MemoryLog::new(MemoryConfig { partitions: 8, ..MemoryConfig::default() }).log();
//! // The low half of its trace id says where a trace goes: all its spans to one partition.
//! let routing = Routing::new(Descriptor { epoch: 1, seed: 7, partitions: 8 }).unwrap();
//! let partition = routing.partition(0x69b6_3381_3fc6_0c00);
//! // The answer comes when the frame is durable: now the sender may forget its spans.
//! let position = log.spans.writer.append(partition, Record::spans(1, "spans".into())).await.unwrap();
//! let mut cursor = log.spans.reader.open(partition, Start::Earliest).await.unwrap();
//! let frames = cursor.next(1 << 20).await.unwrap();
//! assert_eq!((frames[0].position, &frames[0].payload[..]), (position, &b"spans"[..]));
//! # });
//! ```

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
    Checkpoint, Committed, Committer, Cursor, Extent, Group, GroupEvent, ReadError, Reader,
    Replacement, Start, Stretch,
};
pub use record::{Frame, Record, RecordKind};
pub use topic::TopicName;
pub use writer::{Append, AppendError, Writer};
