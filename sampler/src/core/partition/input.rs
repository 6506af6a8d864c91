//! What a partition is told.

use std::sync::Arc;

use wholetrace_exporter::contract::{ExporterIndex, Settled};
use wholetrace_proto::record::PartitionDemand;
use wholetrace_runtime::budget::Lease;
use wholetrace_spanlog::{Frame, LogTime, Position, TopicName};

use crate::{core::partition::effect::DeadLetterId, policy::PolicySet};

/// A record of the span log that is read for the first time.
#[derive(Debug)]
pub struct ReadFrame {
    /// The record.
    pub frame: Frame,
    /// The window cache's room for its payload. Without it the payload is not kept, and is read
    /// again when it is time to release it.
    pub lease: Option<Lease>,
}

/// What is in a log from a position on.
#[derive(Debug)]
pub enum Found {
    /// Records, at least one.
    Records(Vec<Frame>),
    /// The oldest that was not deleted is here.
    Gone(Position),
    /// One that cannot be read.
    Unreadable {
        /// The record.
        position: Position,
        /// What is wrong with it.
        detail: String,
    },
}

/// What a partition is told.
#[derive(Debug)]
pub enum Input {
    /// The next records of the span log, in order.
    Frames(Vec<ReadFrame>),
    /// The next record of the span log cannot be read, or one that
    /// [`Effect::Fetch`](super::Effect::Fetch) asked for.
    Unreadable {
        /// The record.
        position: Position,
        /// What is wrong with it.
        detail: String,
    },
    /// The next records of the decision log, in order: its decisions take effect.
    Decisions(Vec<Frame>),
    /// When the oldest record of the span log was appended. Said first, if it is known: decisions whose
    /// spans are all older are then not remembered.
    LogBegins(LogTime),
    /// The decision log is read to the end that it had when the ownership began.
    DecisionsLoaded,
    /// What [`Effect::Fetch`](super::Effect::Fetch) asked for.
    Refetched {
        /// The position that was asked for.
        from: Position,
        /// The records there, at least one.
        frames: Vec<Frame>,
    },
    /// What [`Effect::FetchFor`](super::Effect::FetchFor) asked for.
    FetchedFor {
        /// Which exporter it was for.
        exporter: ExporterIndex,
        /// The log, and the position that was asked for.
        from: (TopicName, Position),
        /// What was there.
        found: Found,
    },
    /// The log's retention deleted what is below this position before it was released.
    Lost(Position),
    /// The reader stands where [`Effect::Seek`](super::Effect::Seek) asked for.
    SeekDone,
    /// Outcomes of exports.
    Settled(Vec<Settled>),
    /// A dead letter is durable.
    DeadLettered(DeadLetterId),
    /// The end of the span log was reached and nothing came for a while.
    Idle,
    /// What other partitions, and owners of this one before, ask of budgets, in the order of the log.
    Demand(Vec<Arc<PartitionDemand>>),
    /// New policies, for traces that are first seen from now on.
    Policies(Arc<PolicySet>),
    /// Nothing new: go on with the work that the last step left for now.
    Continue,
}
