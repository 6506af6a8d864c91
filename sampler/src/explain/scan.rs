//! Reads a part of a log, within bounds, and waits for nothing that is yet to come.

use std::time::Duration;

use tokio::{
    task::yield_now,
    time::{Instant, sleep, timeout_at},
};
use wholetrace_spanlog::{Cursor, Frame, Partition, Position, ReadError, Reader, Start, Stretch};

/// What is read at a time, in bytes of payload.
const READ_BYTES: usize = 1 << 20;

/// The wait before what failed is asked for again.
const AGAIN: Duration = Duration::from_millis(100);

/// How much may be read for one question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Nothing is read any more from then on.
    pub(super) until: Instant,
    /// Bytes of payload to be read of one log.
    pub(super) max_bytes: u64,
}

/// One way through a part of a partition, up to where that ends now. It has a cursor of its own: what
/// the partition's owner reads again is not disturbed.
pub(super) struct Scan<'r> {
    reader: &'r dyn Reader,
    partition: Partition,
    cursor: Option<Box<dyn Cursor>>,
    /// Where it begins, if that came in time.
    first: Option<Position>,
    /// Where to stop.
    end: Position,
    bounds: Bounds,
    /// Whether there is more between the start and the end than was read.
    cut: bool,
}

impl<'r> Scan<'r> {
    /// Begins at `start`, or at the oldest record where that is no place of this log, and ends before
    /// `end` or where the partition ends now.
    ///
    /// # Errors
    /// When the log is closed or has no such partition.
    pub(super) async fn begin(
        reader: &'r dyn Reader,
        partition: Partition,
        start: Start,
        end: Option<Position>,
        bounds: Bounds,
    ) -> Result<Self, ReadError> {
        let (end, none) = (end.unwrap_or(Position(u64::MAX)), None);
        let mut scan =
            Self { reader, partition, cursor: none, first: None, end, bounds, cut: true };
        scan.open(start).await?;
        Ok(scan)
    }

    /// Where it begins: no record of it has a lower position. `None` when that did not come in time.
    pub(super) const fn first(&self) -> Option<Position> {
        self.first
    }

    /// Whether there is more between the start and the end than was read.
    pub(super) const fn is_cut(&self) -> bool {
        self.cut
    }

    /// The next records; `None` at the end, or at the bounds. Records that cannot be read are passed
    /// over.
    ///
    /// # Errors
    /// When the log is closed, or another one by now.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Frame>>, ReadError> {
        loop {
            let Some(cursor) = &mut self.cursor else { return Ok(None) };
            // What is at hand, or fails at once, comes however late it is.
            if self.bounds.max_bytes == 0 || self.bounds.until <= Instant::now() {
                self.cursor = None;
                return Ok(None);
            }
            // What is at hand comes without a wait: the data have their turn in between.
            yield_now().await;
            let next = timeout_at(self.bounds.until, cursor.next(READ_BYTES)).await;
            match next {
                Err(_) => self.cursor = None,
                Ok(Ok(frames)) => return Ok(self.take(frames)),
                Ok(Err(ReadError::Damaged { position, .. })) => self.is_at(position.next()),
                Ok(Err(ReadError::Gone { oldest, .. })) => {
                    self.open(Start::Position(oldest)).await?;
                }
                Ok(Err(error)) if error.is_retryable() => sleep(AGAIN).await,
                Ok(Err(error)) => return Err(error),
            }
        }
    }

    fn take(&mut self, mut frames: Vec<Frame>) -> Option<Vec<Frame>> {
        if let Some(last) = frames.last() {
            self.is_at(last.position.next());
        }
        frames.retain(|frame| frame.position < self.end);
        let bytes: usize = frames.iter().map(|frame| frame.payload.len()).sum();
        self.bounds.max_bytes = self.bounds.max_bytes.saturating_sub(bytes as u64);
        Some(frames).filter(|frames| !frames.is_empty())
    }

    /// All before `position` is read.
    fn is_at(&mut self, position: Position) {
        if position >= self.end {
            (self.cursor, self.cut) = (None, false);
        }
    }

    async fn open(&mut self, start: Start) -> Result<(), ReadError> {
        let (reader, partition, until) = (self.reader, self.partition, self.bounds.until);
        let looked = match in_time(until, || reader.peek(partition, start)).await {
            Err(ReadError::Replaced { .. }) => {
                in_time(until, || reader.peek(partition, Start::Earliest)).await?
            }
            looked => looked?,
        };
        self.cursor = None;
        let Some(Stretch { from, end, cursor }) = looked else { return Ok(()) };
        self.end = self.end.min(end);
        let begin = from.min(self.end);
        self.first = self.first.or(Some(begin));
        if from < self.end {
            self.cursor = Some(cursor);
        } else {
            self.cut = false;
        }
        Ok(())
    }
}

/// The answer to `ask`, asked again while it may pass; `None` when the time is over.
pub(super) async fn in_time<T, F>(
    until: Instant,
    ask: impl Fn() -> F,
) -> Result<Option<T>, ReadError>
where
    F: Future<Output = Result<T, ReadError>>,
{
    loop {
        match timeout_at(until, ask()).await {
            Err(_) => return Ok(None),
            Ok(Err(error)) if error.is_retryable() && Instant::now() + AGAIN < until => {
                sleep(AGAIN).await;
            }
            Ok(answer) => return answer.map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use wholetrace_spanlog::{
        Record, TopicName,
        memory::{MemoryConfig, MemoryLog},
    };

    use super::*;

    const PARTITION: Partition = Partition(0);

    #[tokio::test]
    async fn a_scan_ends_when_its_time_is_over_whatever_is_at_hand_or_fails() {
        let memory = MemoryLog::new(MemoryConfig { partitions: 1, ..MemoryConfig::default() });
        let decisions = memory.log().decisions;
        let record = Record::decisions(Bytes::from_static(b"one"));
        decisions.writer.append(PARTITION, record).await.unwrap();
        for fails in [false, true] {
            let until = Instant::now() + Duration::from_millis(300);
            let bounds = Bounds { until, max_bytes: 1 << 20 };
            let (reader, start) = (&*decisions.reader, Start::Earliest);
            let mut scan = Scan::begin(reader, PARTITION, start, None, bounds).await.unwrap();
            if fails {
                memory.fail_reads(TopicName::Decisions, usize::MAX);
            } else {
                tokio::time::sleep_until(until).await;
            }
            assert!(scan.next().await.unwrap().is_none());
            assert!(scan.is_cut());
        }
    }
}
