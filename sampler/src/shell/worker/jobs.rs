//! Appends, reads and commits that a worker has under way.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use wholetrace_exporter::{
    contract::ExporterIndex,
    queue::{Room, Stopped},
    retry::{Backoff, RetryPolicy},
};
use wholetrace_runtime::budget::Lease;
use wholetrace_spanlog::{
    AppendError, Checkpoint, Committer, Extent, Frame, Partition, Position, ReadError, Reader,
    Record, TopicName, Writer,
};

use crate::{
    core::partition::DeadLetterId,
    shell::metrics::{Appending, SamplerMetrics},
};

/// The waits before a log is asked again. Their spread keeps partitions from asking at the same
/// moment.
const RETRY: RetryPolicy = RetryPolicy {
    initial_interval: Duration::from_millis(20),
    max_interval: Duration::from_secs(5),
    multiplier: 2.0,
    randomization: 0.5,
    max_elapsed_time: Duration::ZERO,
};

/// Why a worker cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The decision log cannot be read.
    #[error(transparent)]
    ReadDecisions(ReadError),
    /// The log refuses what the sampler must write.
    #[error("the sampler cannot write to the log: {0}")]
    Append(#[from] AppendError),
}

impl WorkerError {
    /// Whether the log was closed or taken over by another process: an end, not a failure.
    pub(crate) const fn is_end(&self) -> bool {
        matches!(
            self,
            Self::Read(ReadError::Closed | ReadError::NotOwner(_))
                | Self::ReadDecisions(ReadError::Closed | ReadError::NotOwner(_))
                | Self::Append(AppendError::Closed)
        )
    }
}

/// What was under way is done.
pub(super) enum Done {
    Decisions,
    Tick,
    /// With its room in the budget.
    DeadLettered {
        id: DeadLetterId,
        lease: Lease,
    },
    /// A dead letter that nothing waits for.
    Told,
    Fetched {
        from: Position,
        frames: Result<Vec<Frame>, ReadError>,
    },
    FetchedFor {
        exporter: ExporterIndex,
        from: (TopicName, Position),
        found: Result<Vec<Frame>, ReadError>,
    },
    Room {
        exporter: usize,
        room: Result<Room, Stopped>,
    },
    Committed(Checkpoint, Result<(), ReadError>),
    /// What the log holds, and when it was asked, in milliseconds since 1970.
    Extent(u64, Result<Extent, ReadError>),
    Failed(WorkerError),
}

/// The waits before a log is asked again, from the first.
pub(super) fn log_backoff() -> Backoff {
    Backoff::new(RETRY)
}

/// The next wait of `backoff`.
pub(super) fn next_wait(backoff: &mut Backoff) -> Duration {
    backoff.next_wait(None, fastrand::f64())
}

/// Waits before a log is asked again.
pub(super) async fn wait(backoff: &mut Backoff) {
    sleep(next_wait(backoff)).await;
}

/// Tries until the log answers.
pub(super) async fn again<T, F>(
    metrics: &SamplerMetrics,
    read: impl Fn() -> F,
) -> Result<T, ReadError>
where
    F: Future<Output = Result<T, ReadError>>,
{
    let mut backoff = log_backoff();
    loop {
        match read().await {
            Err(error) if error.is_retryable() => {
                tracing::warn!("read the log again: {error}");
                metrics.read_retries.increment(1);
                wait(&mut backoff).await;
            }
            other => return other,
        }
    }
}

/// Appends `record`, trying until it is durable.
///
/// # Errors
/// When the log will never take it.
pub(crate) async fn append(
    writer: Arc<dyn Writer>,
    partition: Partition,
    record: Record,
    appending: Appending,
    metrics: SamplerMetrics,
) -> Result<(), WorkerError> {
    let mut backoff = log_backoff();
    loop {
        let error = match writer.append(partition, record.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        if !error.is_retryable() || error == AppendError::Closed {
            return Err(error.into());
        }
        metrics.append_retried(appending);
        tracing::debug!(%partition, ?appending, "append again: {error}");
        wait(&mut backoff).await;
    }
}

/// Reads again from `from` on, trying until it succeeds or cannot.
pub(super) async fn fetch(
    reader: Arc<dyn Reader>,
    partition: Partition,
    from: Position,
    max_bytes: usize,
    metrics: SamplerMetrics,
) -> Result<Vec<Frame>, ReadError> {
    let mut backoff = log_backoff();
    let mut suspect = false;
    loop {
        match reader.fetch(partition, from, max_bytes).await {
            Err(error) if error.is_retryable() => {
                tracing::warn!(%partition, "read the log again: {error}");
            }
            // It may have been spoiled on its way here.
            Err(ReadError::Damaged { .. }) if !suspect => suspect = true,
            // What was read ahead is durable, so it comes to light again.
            Ok(frames) if frames.is_empty() => {}
            other => return other,
        }
        metrics.read_retries.increment(1);
        wait(&mut backoff).await;
    }
}

/// Commits once; the caller decides whether to try again. `at_once`: what other partitions have
/// finished is not waited for.
pub(super) async fn commit(
    committer: Arc<dyn Committer>,
    partition: Partition,
    checkpoint: Checkpoint,
    at_once: bool,
) -> Done {
    let stored = if at_once {
        committer.commit_at_once(partition, checkpoint.clone())
    } else {
        committer.commit(partition, checkpoint.clone())
    };
    Done::Committed(checkpoint, stored.await)
}
