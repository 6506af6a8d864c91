//! Reading in order, through failures that pass and over gaps that do not.

use tokio::time::{Instant, sleep_until};
use wholetrace_spanlog::{
    Cursor, Frame, LogTime, Partition, Position, ReadError, Reader, Start, Topic,
};

use crate::{
    metrics::SamplerMetrics,
    worker::jobs::{Backoff, again},
};

/// A cursor that reads again what failed, after a wait.
pub(super) struct Reading {
    cursor: Box<dyn Cursor>,
    partition: Partition,
    metrics: SamplerMetrics,
    backoff: Backoff,
    /// Nothing is read before.
    resume: Option<Instant>,
    /// What was looked at and comes next.
    peeked: Vec<Frame>,
}

impl Reading {
    /// Reads `topic` from `start` on.
    ///
    /// # Errors
    /// When the log cannot be read for good.
    pub(super) async fn open(
        topic: &Topic,
        partition: Partition,
        start: Start,
        metrics: &SamplerMetrics,
    ) -> Result<Self, ReadError> {
        let cursor = again(metrics, || topic.reader.open(partition, start)).await?;
        let (metrics, backoff) = (metrics.clone(), Backoff::new());
        Ok(Self { cursor, partition, metrics, backoff, resume: None, peeked: Vec::new() })
    }

    /// The time of the next frame, for which it waits. Cancel-safe.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub(super) async fn peek(&mut self) -> Result<Option<LogTime>, ReadError> {
        self.peeked = self.next(1).await?;
        Ok(self.peeked.first().map(|frame| frame.time))
    }

    /// The next frames, of at most `max_bytes` or one. Cancel-safe.
    ///
    /// # Errors
    /// When the next record cannot be read for good; those of [`Cursor::next`].
    pub(super) async fn next(&mut self, max_bytes: usize) -> Result<Vec<Frame>, ReadError> {
        if !self.peeked.is_empty() {
            return Ok(std::mem::take(&mut self.peeked));
        }
        loop {
            if let Some(resume) = self.resume {
                sleep_until(resume).await;
                self.resume = None;
            }
            match self.cursor.next(max_bytes).await {
                Err(ReadError::Failed(error)) => {
                    tracing::warn!(partition = %self.partition, "read the log again: {error}");
                    self.metrics.read_retries.increment(1);
                    self.resume = Some(Instant::now() + self.backoff.next());
                }
                Ok(frames) => {
                    self.backoff = Backoff::new();
                    return Ok(frames);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// The oldest position that can be read, if records at `from` or behind were deleted before.
///
/// # Errors
/// When the log cannot be read for good.
pub(super) async fn gap(
    reader: &dyn Reader,
    partition: Partition,
    from: Position,
    metrics: &SamplerMetrics,
) -> Result<Option<Position>, ReadError> {
    let oldest = again(metrics, || reader.extent(partition)).await?.start;
    if oldest <= from {
        return Ok(None);
    }
    // Positions need not be contiguous: there may have been nothing in between.
    match again(metrics, || reader.fetch(partition, from, 1)).await {
        Err(ReadError::Gone { oldest, .. }) => Ok(Some(oldest)),
        Err(error) => Err(error),
        Ok(_) => Ok(None),
    }
}
