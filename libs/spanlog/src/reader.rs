//! The reading side of the contract: cursors, membership, commits.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::{
    position::{LogTime, Partition, Position},
    record::Frame,
};

/// Reads one topic of the log.
pub trait Reader: Send + Sync + 'static {
    /// How many partitions the topic has.
    fn partitions(&self) -> u32;

    /// A cursor that reads `partition` in order from `start`.
    ///
    /// # Errors
    /// [`ReadError::Replaced`] when `start` is no position of this log.
    fn open(
        &self,
        partition: Partition,
        start: Start,
    ) -> BoxFuture<'_, Result<Box<dyn Cursor>, ReadError>>;

    /// What `partition` holds now from `start` on, for those that only look: no commit depends on it, and
    /// those that do the work are not disturbed.
    ///
    /// # Errors
    /// [`ReadError::Replaced`] when `start` is no position of this log.
    fn peek(&self, partition: Partition, start: Start)
    -> BoxFuture<'_, Result<Stretch, ReadError>>;

    /// Frames at or after `from`, for reading again: as many as fit `max_bytes` of payload, but
    /// at least one if there is one. Never waits for new records: empty at the end of the log.
    ///
    /// They end before a record that cannot be read.
    ///
    /// # Errors
    /// [`ReadError::Gone`] when records at `from` were deleted, and [`ReadError::Replaced`] when
    /// `from` is no position of this log. [`ReadError::Damaged`] when the first record at or after
    /// `from` cannot be read: to go on, ask from behind its position.
    fn fetch(
        &self,
        partition: Partition,
        from: Position,
        max_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<Frame>, ReadError>>;

    /// The positions that can be read now.
    fn extent(&self, partition: Partition) -> BoxFuture<'_, Result<Extent, ReadError>>;
}

/// Where a cursor starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record that is still there.
    Earliest,
    /// At the first record at or after this position. When older records than that are gone and
    /// the position with them, at the oldest that is still there: compare the first frame's
    /// position to see a gap.
    Position(Position),
    /// At the first record with this append time or a later one; at one of those where times go
    /// back.
    Time(LogTime),
}

/// A part of a partition that is looked at: `from <= position < end`.
pub struct Stretch {
    /// Where it begins: no record of it has a lower position.
    pub from: Position,
    /// Where the partition ended when it was asked for. Empty when that is not above `from`.
    pub end: Position,
    /// Reads it, and would go on behind it.
    pub cursor: Box<dyn Cursor>,
}

/// What a partition holds: `start <= position < end`. Empty when both are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The oldest position that can still be read.
    pub start: Position,
    /// One past the newest durable record.
    pub end: Position,
}

impl Extent {
    /// Fails when `position` lies behind the end of `partition`, of which this is the extent.
    ///
    /// # Errors
    /// [`ReadError::Replaced`].
    pub const fn reaches(&self, partition: Partition, position: Position) -> Result<(), ReadError> {
        if position.0 <= self.end.0 {
            return Ok(());
        }
        Err(self.replaced(partition, position, Replacement::Shorter))
    }

    /// The error that says that `position` is not of `partition`, of which this is the extent.
    #[must_use]
    pub const fn replaced(
        &self,
        partition: Partition,
        position: Position,
        why: Replacement,
    ) -> ReadError {
        let Self { start: oldest, end } = *self;
        ReadError::Replaced { partition: partition.0, asked: position, oldest, end, why }
    }
}

/// An ordered reader of one partition.
///
/// Frames come in the order of positions, each once, and only durable ones. Their times are those
/// of the log, whatever else was read: see [`LogTime`]. The same holds for [`Reader::fetch`].
pub trait Cursor: Send {
    /// The next frames: waits until there is at least one, then gives what is at hand, as many as
    /// fit `max_bytes` of payload but at least one. Cancel-safe: a dropped future loses nothing.
    ///
    /// # Errors
    /// [`ReadError::Gone`] when the next record was deleted before it was read: the cursor stays
    /// where it is; to go on behind, open another one. [`ReadError::Damaged`] once for a record
    /// that cannot be read, after all frames before it: the next call goes on behind it.
    /// [`ReadError::Failed`] may pass: call again.
    fn next(&mut self, max_bytes: usize) -> BoxFuture<'_, Result<Vec<Frame>, ReadError>>;
}

/// Membership: which partitions of the span log this process owns.
pub trait Group: Send {
    /// The next change of ownership; waits for it. `None` when the group has ended.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<GroupEvent>, ReadError>>;

    /// The handle that commits for the partitions owned.
    fn committer(&self) -> std::sync::Arc<dyn Committer>;
}

/// A change of ownership.
#[derive(Debug)]
pub enum GroupEvent {
    /// This process now owns `partition`; the last owner had finished all below `committed`.
    Assigned {
        /// The partition.
        partition: Partition,
        /// Where to go on; `None` when nobody has ever committed: start at the earliest record.
        committed: Option<Checkpoint>,
    },
    /// This process is about to lose `partition`: stop, commit, drop its state, then send on
    /// `released`. If `lost`, it is gone already: commits would be refused.
    Revoked {
        /// The partition.
        partition: Partition,
        /// Whether another owner may already be at work.
        lost: bool,
        /// How long the log waits for `released`: commits after that may be refused.
        within: Duration,
        /// To be sent on once nothing works on the partition any more.
        released: oneshot::Sender<()>,
    },
}

/// How far a partition is finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// All records below this position are finished (I5).
    pub position: Position,
    /// A hint for the next owner, of at most [`MAX_METADATA`](Self::MAX_METADATA) bytes; may come
    /// back empty.
    pub metadata: String,
}

impl Checkpoint {
    /// The longest metadata that is stored, in bytes: as much as a Kafka broker keeps. Longer metadata
    /// is left out.
    pub const MAX_METADATA: usize = 4_096;
}

/// Commits checkpoints.
pub trait Committer: Send + Sync + 'static {
    /// Stores `checkpoint` for `partition`. Durable no later than the next owner's start. What is
    /// below every partition's checkpoint may be deleted, so that checkpoints go forward: a lower
    /// position than the stored one may be ignored. It may wait for some seconds until checkpoints of
    /// other partitions have come together with it.
    fn commit(
        &self,
        partition: Partition,
        checkpoint: Checkpoint,
    ) -> BoxFuture<'_, Result<(), ReadError>>;

    /// The same without waiting for other partitions: for who hands the partition over.
    fn commit_at_once(
        &self,
        partition: Partition,
        checkpoint: Checkpoint,
    ) -> BoxFuture<'_, Result<(), ReadError>> {
        self.commit(partition, checkpoint)
    }
}

/// What the group has committed, for those that only look and are no member of it.
pub trait Committed: Send + Sync + 'static {
    /// The newest checkpoint of `partition` that is stored; `None` when nobody has ever committed.
    ///
    /// # Errors
    /// [`ReadError::NoSuchPartition`]; [`ReadError::Failed`] may pass: call again.
    fn checkpoint(
        &self,
        partition: Partition,
    ) -> BoxFuture<'_, Result<Option<Checkpoint>, ReadError>>;
}

/// Why the log could not be read or committed to.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReadError {
    /// The records asked for were deleted.
    #[error("position {asked} of partition {partition} is gone: the oldest is {oldest}")]
    Gone {
        /// The partition.
        partition: u32,
        /// The position asked for.
        asked: Position,
        /// The oldest that can be read.
        oldest: Position,
    },
    /// The position is not one of this log. A cursor that says so has ended. Nothing tells which of
    /// the records that are there were read: go on at the oldest, and nothing is missed.
    #[error(
        "position {asked} is not of this log: partition {partition} {why}, and holds {oldest} up to \
         {end}"
    )]
    Replaced {
        /// The partition.
        partition: u32,
        /// The position asked for.
        asked: Position,
        /// The oldest that can be read.
        oldest: Position,
        /// One past the newest.
        end: Position,
        /// How that is known.
        why: Replacement,
    },
    /// The topic has no such partition.
    #[error("partition {partition} does not exist: the topic has {partitions}")]
    NoSuchPartition {
        /// What was asked for.
        partition: u32,
        /// How many there are.
        partitions: u32,
    },
    /// Ownership has moved: this process must not commit for the partition any more.
    #[error("partition {0} is owned by another process now")]
    NotOwner(u32),
    /// A stored record does not decode or fails its checksum: a gap of this one record, behind
    /// which reading goes on.
    #[error("the log is damaged at position {position} of partition {partition}: {detail}")]
    Damaged {
        /// The partition.
        partition: u32,
        /// The record.
        position: Position,
        /// What is wrong with it.
        detail: String,
    },
    /// The log is shutting down.
    #[error("the log is closed")]
    Closed,
    /// The store or broker failed. Try again.
    #[error("the log failed: {0}")]
    Failed(String),
}

impl ReadError {
    /// Whether the same call may succeed later. Every other error says what to do instead: go on
    /// elsewhere, give up the partition, or end.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

/// How it is known that a log is not the one that a position is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// It ends before the position: its topic was made anew, or what was at its end is lost.
    Shorter,
    /// What stands before the position is younger than when the position was reached: its topic was
    /// made anew, or what was at its end is lost and was written again.
    Younger,
}

impl Replacement {
    /// Its name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shorter => "shorter",
            Self::Younger => "younger",
        }
    }
}

impl std::fmt::Display for Replacement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Shorter => "ends before it",
            Self::Younger => "was written anew since",
        })
    }
}
