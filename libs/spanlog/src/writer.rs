//! The writing side of the contract.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{
    position::{Partition, Position},
    record::Record,
};

/// Appends records to one topic of the log.
///
/// The contract, which `conformance` checks for every implementation:
///
/// * The future of [`append`](Self::append) resolves to a position only once the record is
///   **durable**: it survives a crash of this process and, as far as the implementation promises,
///   of its machine.
/// * Records of one partition appended one after the other by one caller get increasing positions in
///   that order, except where a log over a network has to send some again, which then may stand
///   behind younger ones. Where the order matters, as behind a claim, wait for the answer first.
/// * What is accepted and not yet durable is bounded in bytes. Beyond the bound `append` answers
///   [`AppendError::Full`] at once; it never waits for room.
/// * A failed append may still have been written (the answer got lost): the caller retries and
///   readers see the record twice. A resolved append is written exactly once.
/// * Dropping the future does not take the record back.
pub trait Writer: Send + Sync + 'static {
    /// How many partitions the topic has.
    fn partitions(&self) -> u32;

    /// Hands `record` over for `partition`, without blocking.
    fn append(&self, partition: Partition, record: Record) -> Append;

    /// Hands over records that belong together, whose payloads have no more than `bytes` in all: either
    /// there is room for all of them, or nothing is written. What is accepted can still fail, each
    /// record by itself, and so can what is never stored or more than `bytes` said.
    ///
    /// `records` is asked for one record after the other, each of which can be made at that moment;
    /// when there is no room it is not asked at all. The answers are in its order.
    ///
    /// # Errors
    /// Why nothing is taken at the moment, or any more.
    fn append_batch(
        &self,
        bytes: usize,
        records: &mut dyn ExactSizeIterator<Item = (Partition, Record)>,
    ) -> Result<Vec<Append>, AppendError>;

    /// How long records should gather before they are handed over, all partitions' together: what
    /// an append costs such a log hangs on how many moments there are at which something is
    /// appended. [`BurstClock`](crate::BurstClock) says which moments. Zero for a log that groups
    /// appends by itself: then nothing is to be kept from it.
    fn linger(&self) -> Duration {
        Duration::ZERO
    }
}

/// The answer to an append: resolves when the record is durable, or was refused.
#[derive(Debug)]
pub struct Append(State);

#[derive(Debug)]
enum State {
    /// Taken out when polled.
    Settled(Option<Result<Position, AppendError>>),
    Pending(oneshot::Receiver<Result<Position, AppendError>>),
}

impl Append {
    /// An append refused at once.
    #[must_use]
    pub const fn refused(error: AppendError) -> Self {
        Self::settled(Err(error))
    }

    /// An append whose answer is known already.
    #[must_use]
    pub const fn settled(answer: Result<Position, AppendError>) -> Self {
        Self(State::Settled(Some(answer)))
    }

    /// An append that the sender of `answer` will settle. Dropping that sender settles it as
    /// [`AppendError::Closed`].
    #[must_use]
    pub const fn pending(answer: oneshot::Receiver<Result<Position, AppendError>>) -> Self {
        Self(State::Pending(answer))
    }
}

impl Future for Append {
    type Output = Result<Position, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Settled(answer) => {
                Poll::Ready(answer.take().unwrap_or(Err(AppendError::Closed)))
            }
            State::Pending(answer) => Pin::new(answer)
                .poll(context)
                .map(|answer| answer.unwrap_or(Err(AppendError::Closed))),
        }
    }
}

/// Why a record was not appended.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum AppendError {
    /// Too many bytes wait to become durable. Retry soon.
    #[error("{waiting} bytes wait to become durable, `{limit}` is the bound: retry later")]
    Full {
        /// Bytes accepted and not yet durable.
        waiting: u64,
        /// The bound.
        limit: u64,
    },
    /// The log holds as many bytes as it may. Retry once the backend has caught up.
    #[error(
        "the log holds {used} bytes of its quota of {quota}: raise `quota` or let the exporters catch up"
    )]
    QuotaReached {
        /// Bytes on disk.
        used: u64,
        /// The configured quota.
        quota: u64,
    },
    /// The disk under the log is full. Retry once there is room.
    #[error("no space is left on the disk of the log: free some, writing resumes by itself")]
    DiskFull,
    /// The record can never be stored.
    #[error("a record of {size} bytes is larger than the log takes ({limit})")]
    TooLarge {
        /// Bytes of the payload.
        size: u64,
        /// The largest payload.
        limit: u64,
    },
    /// The topic has no such partition.
    #[error("partition {partition} does not exist: the topic has {partitions}")]
    NoSuchPartition {
        /// What was asked for.
        partition: u32,
        /// How many there are.
        partitions: u32,
    },
    /// The log is shutting down.
    #[error("the log is closed")]
    Closed,
    /// The store or broker failed; nothing is known of the record.
    #[error("the log could not be written: {0}")]
    Failed(String),
}

impl AppendError {
    /// Whether the same record may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        !matches!(self, Self::TooLarge { .. } | Self::NoSuchPartition { .. })
    }
}
