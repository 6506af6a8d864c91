//! The reading side of one topic.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use wholetrace_spanlog::{
    Cursor, Extent, Frame, LogTime, Partition, Position, ReadError, Reader, Replacement, Start,
    Stretch, TopicName,
};

use super::{
    blocking::BlockingCalls,
    consumer::Consumer,
    consumer_pool::{CATCHING_UP, ConsumerPool, LOOKING, REREADING, TAILING},
    cursor::{Context, KafkaCursor},
    identity::Identities,
    metrics::Meters,
    topic_partition::TopicPartition,
};

/// How long reading again may wait for what the partition is known to hold.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long it waits behind what the client takes for the end.
const SHORT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a reader is kept that may be asked to go on.
const KEEP: Duration = Duration::from_secs(10);

/// One topic to read.
pub(super) struct KafkaReader {
    name: TopicName,
    topic: Arc<str>,
    partitions: u32,
    context: Context,
    /// Where reading again stopped, by partition.
    parked: Mutex<HashMap<Partition, Parked>>,
}

/// A reader that may be asked to go on.
struct Parked {
    cursor: KafkaCursor,
    /// The partition is known to end no earlier.
    end: u64,
    since: Instant,
}

impl KafkaReader {
    pub(super) fn new(
        name: TopicName,
        topic: &str,
        partitions: u32,
        consumers: &Arc<ConsumerPool>,
        meters: &Arc<Meters>,
        identities: &Arc<Identities>,
    ) -> Self {
        Self {
            name,
            topic: Arc::from(topic),
            partitions,
            context: Context {
                consumers: Arc::clone(consumers),
                blocking: Arc::new(BlockingCalls::new()),
                meters: Arc::clone(meters),
                identities: Arc::clone(identities),
            },
            parked: Mutex::default(),
        }
    }

    fn topic_partition(&self, partition: Partition) -> Result<TopicPartition, ReadError> {
        let nowhere =
            ReadError::NoSuchPartition { partition: partition.0, partitions: self.partitions };
        if partition.0 >= self.partitions {
            return Err(nowhere);
        }
        let number = i32::try_from(partition.0).map_err(|_| nowhere)?;
        Ok(TopicPartition { name: self.name, topic: Arc::clone(&self.topic), partition, number })
    }

    async fn open_cursor(
        &self,
        partition: Partition,
        start: Start,
    ) -> Result<KafkaCursor, ReadError> {
        let topic_partition = self.topic_partition(partition)?;
        let consumer = self.context.consumers.for_metadata()?;
        // The end first: what comes while the time is asked for is behind it.
        let extent = self
            .context
            .blocking
            .extent(&consumer, &topic_partition.topic, topic_partition.number)
            .await?;
        let (low, high) = (extent.start.0, extent.end.0);
        let (next, from_time) = match start {
            Start::Earliest => (low, LogTime(0)),
            Start::Position(position) => {
                self.identify(&consumer, &topic_partition, extent, position).await?;
                (position.0.max(low), LogTime(0))
            }
            Start::Time(time) => {
                (self.position_at(consumer, &topic_partition, time, extent).await?, time)
            }
        };
        if next < high {
            let cursor = self.start(topic_partition, &CATCHING_UP, next, next, from_time).await?;
            return Ok(cursor.watched().catching_up());
        }
        let cursor = self.start(topic_partition, &TAILING, next, next.min(high), from_time).await?;
        Ok(cursor.watched())
    }

    /// A part of a partition for those that only look. Its cursor has a consumer that no owner uses,
    /// and says nothing of what the log is known by: it may begin anywhere.
    async fn look(&self, partition: Partition, start: Start) -> Result<Stretch, ReadError> {
        let topic_partition = self.topic_partition(partition)?;
        let consumer = self.context.consumers.for_metadata()?;
        let TopicPartition { topic, number, .. } = &topic_partition;
        let extent = self.context.blocking.extent(&consumer, topic, *number).await?;
        let oldest = extent.start.0;
        let (next, from_time) = match start {
            Start::Earliest => (oldest, LogTime(0)),
            Start::Position(position) => {
                extent.reaches(partition, position)?;
                (position.0.max(oldest), LogTime(0))
            }
            Start::Time(time) => {
                (self.position_at(consumer, &topic_partition, time, extent).await?, time)
            }
        };
        let cursor = self.start(topic_partition, &LOOKING, next, next, from_time).await?;
        Ok(Stretch { from: Position(next), end: extent.end, cursor: Box::new(cursor) })
    }

    /// The first position with that time or a later one, or the end of the partition, which holds
    /// `extent`.
    async fn position_at(
        &self,
        consumer: Arc<Consumer>,
        topic_partition: &TopicPartition,
        time: LogTime,
        extent: Extent,
    ) -> Result<u64, ReadError> {
        let asked = topic_partition.clone();
        let ask = move || consumer.position_at(&asked.topic, asked.number, time.0);
        let found = self.context.blocking.run(ask).await?;
        Ok(found.unwrap_or(extent.end.0).max(extent.start.0))
    }

    /// Fails when `position` is not of the log with this extent.
    async fn identify(
        &self,
        consumer: &Arc<Consumer>,
        topic_partition: &TopicPartition,
        extent: Extent,
        position: Position,
    ) -> Result<(), ReadError> {
        let (log, partition) = ((self.name, topic_partition.partition), topic_partition.partition);
        let known = self.context.identities.unchecked(log);
        let error = match (extent.reaches(partition, position), known) {
            (Err(error), _) => error,
            (Ok(()), None) => return Ok(()),
            (Ok(()), Some(known)) => {
                let (consumer, asked) = (Arc::clone(consumer), topic_partition.clone());
                let ask = move || consumer.are_same(&asked.topic, &[(asked.partition, known)]);
                match self.context.blocking.run(ask).await?.first() {
                    Some(Some(true)) => {
                        self.context.identities.learn(log, Some(known), known);
                        return Ok(());
                    }
                    Some(Some(false)) => extent.replaced(partition, position, Replacement::Younger),
                    _ => {
                        let text = format!("no answer about the times of partition {partition}");
                        return Err(ReadError::Failed(text));
                    }
                }
            }
        };
        self.context.identities.forget(log);
        Err(error)
    }

    /// Looks whether the logs that are being read are still the same ones. Blocks.
    pub(super) fn compare(&self) -> Result<(), ReadError> {
        let read = self.context.identities.read(self.name);
        if read.is_empty() {
            return Ok(());
        }
        // Of a log of which nothing is known yet, what it says of itself must be true.
        let marks = read.iter().map(|(partition, known, now)| (*partition, known.unwrap_or(*now)));
        let marks: Vec<_> = marks.collect();
        let same = self.context.consumers.for_metadata()?.are_same(&self.topic, &marks)?;
        for ((partition, known, now), same) in read.into_iter().zip(same) {
            let log = (self.name, partition);
            match (known, same) {
                (_, Some(true)) => self.context.identities.learn(log, known, now),
                (Some(_), Some(false)) => self.context.identities.replaced(log, known),
                _ => {}
            }
        }
        Ok(())
    }

    /// A cursor that gives what stands at `next` and behind, reading from `from` on.
    async fn start(
        &self,
        topic_partition: TopicPartition,
        order: &'static [usize],
        next: u64,
        from: u64,
        from_time: LogTime,
    ) -> Result<KafkaCursor, ReadError> {
        let slot = topic_partition.take_slot(&self.context.consumers, order, from);
        let slot = self.context.blocking.run(slot).await?;
        Ok(KafkaCursor::new(slot, order, topic_partition, next, from_time, self.context.clone()))
    }

    async fn reread(
        &self,
        partition: Partition,
        from: Position,
        max_bytes: usize,
    ) -> Result<Vec<Frame>, ReadError> {
        let topic_partition = self.topic_partition(partition)?;
        let consumer = self.context.consumers.for_metadata()?;
        let kept = self.parked().remove(&partition).filter(|kept| kept.cursor.position() == from.0);
        let mut parked = match kept {
            Some(mut kept) => {
                self.context.meters.rereads_next.increment(1);
                if from.0 >= kept.end {
                    kept.end = self
                        .context
                        .blocking
                        .extent(&consumer, &topic_partition.topic, topic_partition.number)
                        .await?
                        .end
                        .0;
                }
                kept
            }
            None => {
                self.context.meters.rereads_elsewhere.increment(1);
                let extent = self
                    .context
                    .blocking
                    .extent(&consumer, &topic_partition.topic, topic_partition.number)
                    .await?;
                self.identify(&consumer, &topic_partition, extent, from).await?;
                let (oldest, end) = (extent.start, extent.end.0);
                if from < oldest {
                    let asked = from;
                    return Err(ReadError::Gone { partition: partition.0, asked, oldest });
                }
                if from.0 >= end {
                    return Ok(Vec::new());
                }
                let cursor =
                    self.start(topic_partition, &REREADING, from.0, from.0, LogTime(0)).await?;
                Parked { cursor, end, since: Instant::now() }
            }
        };
        let frames = read_to(&mut parked, max_bytes).await;
        // Behind a damaged record the cursor goes on, and so will its caller.
        if !matches!(frames, Ok(_) | Err(ReadError::Damaged { .. })) {
            return frames;
        }
        // At the end it would only read ahead without need.
        if parked.cursor.position() < parked.end {
            parked.since = Instant::now();
            drop(self.parked().insert(partition, parked));
        }
        frames
    }

    /// Drops cursors that were not continued for a while.
    pub(super) fn sweep(&self) {
        let mut old = Vec::new();
        {
            let mut parked = self.parked();
            let partitions: Vec<Partition> = parked
                .iter()
                .filter(|(_, kept)| kept.since.elapsed() > KEEP)
                .map(|(partition, _)| *partition)
                .collect();
            old.extend(partitions.iter().filter_map(|partition| parked.remove(partition)));
        }
        // Not under the lock: it takes a moment.
        drop(old);
    }

    /// Lets go of all readers kept.
    pub(super) fn let_go(&self) {
        let parked = std::mem::take(&mut *self.parked());
        drop(parked);
    }

    fn parked(&self) -> MutexGuard<'_, HashMap<Partition, Parked>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As many frames below the known end as fit `max_bytes`, but at least one if there is one.
async fn read_to(parked: &mut Parked, max_bytes: usize) -> Result<Vec<Frame>, ReadError> {
    let (mut frames, mut left): (Vec<Frame>, usize) = (Vec::new(), max_bytes);
    let begun = Instant::now();
    let cursor = &mut parked.cursor;
    while cursor.position() < parked.end {
        let more = cursor.take(left, frames.is_empty())?;
        if more.is_empty() {
            if cursor.holds() {
                break;
            }
            // Markers of transactions take positions: the end may be nearer than it seems.
            let timeout = if cursor.at_end() { SHORT_TIMEOUT } else { TIMEOUT };
            if begun.elapsed() > timeout {
                if cursor.at_end() || !frames.is_empty() {
                    parked.end = cursor.position();
                    break;
                }
                let text = format!("nothing came from the brokers within {} s", TIMEOUT.as_secs());
                return Err(ReadError::Failed(text));
            }
            cursor.wait().await?;
            continue;
        }
        let bytes: usize = more.iter().map(|frame| frame.payload.len()).sum();
        frames.extend(more);
        if bytes >= left {
            break;
        }
        left -= bytes;
    }
    Ok(frames)
}

impl Reader for KafkaReader {
    fn partitions(&self) -> u32 {
        self.partitions
    }

    fn open(
        &self,
        partition: Partition,
        start: Start,
    ) -> BoxFuture<'_, Result<Box<dyn Cursor>, ReadError>> {
        Box::pin(async move {
            let cursor = self.open_cursor(partition, start).await?;
            Ok(Box::new(cursor) as Box<dyn Cursor>)
        })
    }

    fn peek(
        &self,
        partition: Partition,
        start: Start,
    ) -> BoxFuture<'_, Result<Stretch, ReadError>> {
        Box::pin(self.look(partition, start))
    }

    fn fetch(
        &self,
        partition: Partition,
        from: Position,
        max_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<Frame>, ReadError>> {
        Box::pin(self.reread(partition, from, max_bytes))
    }

    fn extent(&self, partition: Partition) -> BoxFuture<'_, Result<Extent, ReadError>> {
        Box::pin(async move {
            let topic_partition = self.topic_partition(partition)?;
            let consumer: Arc<Consumer> = self.context.consumers.for_metadata()?;
            self.context
                .blocking
                .extent(&consumer, &topic_partition.topic, topic_partition.number)
                .await
        })
    }
}
