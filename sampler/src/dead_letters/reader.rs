//! Reads the dead letters of all partitions, in order, without those that are settled.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use wholetrace_proto::record::read_replayed;
use wholetrace_spanlog::{Frame, Partition, Position, ReadError, Reader};

use crate::dead_letters::{marks::Marks, stored::StoredDeadLetter};

/// What is read at a time, in bytes of payload.
const READ_BYTES: usize = 1 << 20;

/// How often reading is tried, and the wait in between.
const TRIES: u32 = 5;
const AGAIN: Duration = Duration::from_secs(1);

/// Why the dead letters cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the dead letters cannot be read: {0}")]
pub struct DeadLettersError(#[from] ReadError);

/// Which of the dead letters are meant.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Those of this exporter only.
    pub exporter: Option<String>,
    /// Those that came at or after this time only, in milliseconds since the Unix epoch.
    pub since_ms: u64,
}

impl Selection {
    fn has(&self, dead_letter: &StoredDeadLetter) -> bool {
        let exporter =
            self.exporter.as_deref().is_none_or(|exporter| *dead_letter.exporter == *exporter);
        exporter && dead_letter.time_ms >= self.since_ms
    }
}

/// Gives one dead letter after the other: those that the topic held when the reader came to their
/// partition. Each partition is read twice, because what is settled is told behind the dead letters.
pub struct DeadLettersReader {
    topic: Arc<dyn Reader>,
    selection: Selection,
    /// The partition that is to be read next.
    next: u32,
    current: Option<Pass>,
    marks: Marks,
    damaged: u64,
}

impl DeadLettersReader {
    /// Reads `topic`, the topic of the dead letters.
    #[must_use]
    pub fn new(topic: Arc<dyn Reader>, selection: Selection) -> Self {
        let (next, current, marks) = (0, None, Marks::default());
        Self { topic, selection, next, current, marks, damaged: 0 }
    }

    /// The next one; `None` at the end. Not cancel-safe.
    ///
    /// # Errors
    /// When the log cannot be read, however often.
    pub async fn next(&mut self) -> Result<Option<StoredDeadLetter>, DeadLettersError> {
        loop {
            let Some(pass) = &mut self.current else {
                if self.next >= self.topic.partitions() {
                    return Ok(None);
                }
                self.begin(Partition(self.next)).await?;
                self.next += 1;
                continue;
            };
            let Some(frame) = pass.next(&self.topic).await? else {
                self.damaged += pass.damaged;
                self.current = None;
                continue;
            };
            if self.marks.contains(frame.position) {
                continue;
            }
            match letter_of(pass.partition, &frame) {
                Some(dead_letter) if self.selection.has(&dead_letter) => {
                    return Ok(Some(dead_letter));
                }
                Some(_) => {}
                None => self.damaged += u64::from(!is_mark(&frame)),
            }
        }
    }

    /// How many records were passed over so far that cannot be read.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.damaged + self.current.as_ref().map_or(0, |pass| pass.damaged)
    }

    /// Learns what of `partition` is settled.
    async fn begin(&mut self, partition: Partition) -> Result<(), DeadLettersError> {
        self.marks = Marks::default();
        let first = Pass::begin(&self.topic, partition).await?;
        // What is damaged is told by the second one.
        let mut pass = Pass { tells: false, ..first.clone() };
        while let Some(frame) = pass.next(&self.topic).await? {
            if let Ok(Some(positions)) = read_replayed(&frame.payload) {
                positions.into_iter().for_each(|position| self.marks.add(position));
            }
        }
        self.current = Some(first);
        Ok(())
    }
}

fn is_mark(frame: &Frame) -> bool {
    matches!(read_replayed(&frame.payload), Ok(Some(_)))
}

fn letter_of(partition: Partition, frame: &Frame) -> Option<StoredDeadLetter> {
    if is_mark(frame) {
        return None;
    }
    let dead_letter = StoredDeadLetter::of(partition, frame);
    let told = dead_letter.inspect_err(|error| {
        let position = frame.position;
        tracing::warn!(%partition, %position, %error, "pass over a record that is no dead letter");
    });
    told.ok()
}

/// One way through a partition, to where it ended in the beginning.
#[derive(Clone, Debug)]
struct Pass {
    partition: Partition,
    at: Position,
    end: Position,
    frames: VecDeque<Frame>,
    damaged: u64,
    tells: bool,
}

impl Pass {
    async fn begin(
        topic: &Arc<dyn Reader>,
        partition: Partition,
    ) -> Result<Self, DeadLettersError> {
        let extent = again(|| topic.extent(partition)).await?;
        let (at, end) = (extent.start, extent.end);
        Ok(Self { partition, at, end, frames: VecDeque::new(), damaged: 0, tells: true })
    }

    async fn next(&mut self, topic: &Arc<dyn Reader>) -> Result<Option<Frame>, DeadLettersError> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Ok(Some(frame).filter(|frame| frame.position < self.end));
            }
            if self.at >= self.end {
                return Ok(None);
            }
            match again(|| topic.fetch(self.partition, self.at, READ_BYTES)).await {
                Ok(frames) => {
                    // What is there and has no frame holds no records.
                    self.at = frames.last().map_or(self.end, |frame| frame.position.next());
                    self.frames = frames.into();
                }
                Err(ReadError::Gone { oldest, .. }) => self.at = oldest.max(self.at.next()),
                Err(ReadError::Damaged { position, detail, .. }) => {
                    let partition = self.partition;
                    if self.tells {
                        tracing::warn!(%partition, %position, "pass over a damaged record: {detail}");
                    }
                    self.damaged += 1;
                    self.at = position.next();
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Asks again what may pass, a few times.
async fn again<T, F>(ask: impl Fn() -> F) -> Result<T, ReadError>
where
    F: Future<Output = Result<T, ReadError>>,
{
    let mut tries = 1;
    loop {
        match ask().await {
            Err(error) if error.is_retryable() && tries < TRIES => {
                tracing::warn!("read the dead letters again: {error}");
                tries += 1;
                tokio::time::sleep(AGAIN).await;
            }
            other => return other,
        }
    }
}
