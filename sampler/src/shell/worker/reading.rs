//! Reading in order, through failures that pass and over gaps that do not.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};
use wholetrace_exporter::retry::Backoff;
use wholetrace_spanlog::{
    Cursor, Frame, LogTime, Partition, Position, ReadError, Reader, Start, Topic,
};

use crate::shell::{
    metrics::SamplerMetrics,
    worker::jobs::{again, log_backoff, next_wait},
};

/// A cursor that reads again what failed, after a wait.
pub(super) struct Reading {
    cursor: Box<dyn Cursor>,
    reader: Arc<dyn Reader>,
    partition: Partition,
    metrics: SamplerMetrics,
    backoff: Backoff,
    /// Nothing is read before.
    resume: Option<Instant>,
    /// What was looked at and comes next.
    peeked: Vec<Frame>,
    /// A record that could not be read. It is not lost before another try has failed as well.
    suspect: Option<Position>,
    /// What is wrong with the record that comes next.
    damaged: Option<ReadError>,
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
        Ok(Self {
            cursor,
            reader: Arc::clone(&topic.reader),
            partition,
            metrics: metrics.clone(),
            backoff: log_backoff(),
            resume: None,
            peeked: Vec::new(),
            suspect: None,
            damaged: None,
        })
    }

    /// The time of the next frame, for which it waits; `None` when that cannot be read.
    /// Cancel-safe.
    ///
    /// # Errors
    /// As [`next`](Self::next), but for a damaged record.
    pub(super) async fn peek(&mut self) -> Result<Option<LogTime>, ReadError> {
        match self.next(1).await {
            Err(damaged @ ReadError::Damaged { .. }) => self.damaged = Some(damaged),
            peeked => self.peeked = peeked?,
        }
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
        if let Some(damaged) = self.damaged.take() {
            return Err(damaged);
        }
        loop {
            if let Some(resume) = self.resume {
                sleep_until(resume).await;
                self.resume = None;
            }
            let read = match self.suspect {
                None => self.cursor.next(max_bytes).await,
                Some(position) => self.look_again(position).await,
            };
            match read {
                Err(ReadError::Damaged { position, .. }) if self.suspect.is_none() => {
                    self.suspect = Some(position);
                }
                Err(error) if error.is_retryable() => {
                    tracing::warn!(partition = %self.partition, "read the log again: {error}");
                    self.metrics.read_retries.increment(1);
                    self.resume = Some(Instant::now() + next_wait(&mut self.backoff));
                }
                end => {
                    self.suspect = None;
                    self.backoff = log_backoff();
                    return end;
                }
            }
        }
    }

    /// The record at `position`, behind which the cursor is: what could not be read may have been
    /// spoiled on its way here.
    async fn look_again(&mut self, position: Position) -> Result<Vec<Frame>, ReadError> {
        let frames = self.reader.fetch(self.partition, position, 1).await?;
        if frames.first().is_some_and(|frame| frame.position == position) {
            return Ok(frames);
        }
        let detail = "it is not there at a second look".to_owned();
        Err(ReadError::Damaged { partition: self.partition.0, position, detail })
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
        Ok(_) | Err(ReadError::Damaged { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
