//! Both sides of one topic of the embedded log.

use std::{sync::Arc, time::Instant};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::{
    codec,
    queue::Pending,
    reading::{self, Place},
    shared::Shared,
};
use crate::{
    position::{Partition, Position},
    reader::{Cursor, Extent, ReadError, Reader, Start},
    record::{Frame, Record},
    topic::TopicName,
    writer::{Append, AppendError, Writer},
};

/// A handle on one topic.
#[derive(Clone)]
pub(super) struct EmbeddedTopic {
    pub(super) shared: Arc<Shared>,
    pub(super) name: TopicName,
}

impl EmbeddedTopic {
    fn accept(&self, partition: Partition, record: Record) -> Result<Append, AppendError> {
        let Shared { settings, .. } = &*self.shared;
        if partition.0 >= settings.partitions {
            let (partition, partitions) = (partition.0, settings.partitions);
            return Err(AppendError::NoSuchPartition { partition, partitions });
        }
        let (size, limit) = (record.payload.len() as u64, settings.max_payload);
        if size > limit {
            return Err(AppendError::TooLarge { size, limit });
        }
        if self.shared.is_closed() {
            return Err(AppendError::Closed);
        }
        if let Some(error) = self.shared.refused(self.name) {
            return Err(error);
        }
        let (answer, receiver) = oneshot::channel();
        // Compressed here, by the caller: the writer thread stays free for the disk, and callers
        // compress while it waits for it.
        let value = codec::encode(&record);
        self.shared.queue.push(Pending {
            topic: self.name,
            partition,
            record,
            value,
            answer,
            accepted: Instant::now(),
        })?;
        Ok(Append::pending(receiver))
    }

    /// Runs a blocking read off the runtime's workers.
    async fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Shared, Place) -> Result<T, ReadError> + Send + 'static,
        partition: Partition,
    ) -> Result<T, ReadError> {
        let shared = Arc::clone(&self.shared);
        let place = Place { topic: self.name, partition };
        tokio::task::spawn_blocking(move || read(&shared, place))
            .await
            .map_err(|error| ReadError::Failed(format!("a read did not end: {error}")))?
    }

    /// Frames from `from` on; none when the log ends there.
    async fn read(
        &self,
        partition: Partition,
        from: Position,
        max_bytes: usize,
    ) -> Result<Vec<Frame>, ReadError> {
        let state = self.shared.readable(self.name, partition)?;
        let Extent { start, end } = state.extent();
        if from < start {
            return Err(ReadError::Gone { partition: partition.0, asked: from, oldest: start });
        }
        if from >= end {
            return Ok(Vec::new());
        }
        let queue = self.shared.queue_index(self.name, partition);
        if let Some(frames) = self.shared.tail().read(queue, from.0, max_bytes) {
            self.shared.meters.tail_reads.increment(frames.len() as u64);
            return Ok(frames);
        }
        let read = move |shared: &Shared, place: Place| {
            reading::read(shared, place, from.0, end.0, max_bytes)
        };
        let result = self.blocking(read, partition).await;
        // Deleted while it was being read: not damaged.
        let oldest = state.extent().start;
        if result.is_err() && from < oldest {
            return Err(ReadError::Gone { partition: partition.0, asked: from, oldest });
        }
        if let Ok(frames) = &result {
            self.shared.meters.store_reads.increment(frames.len() as u64);
        }
        result
    }

    async fn resolve(&self, partition: Partition, start: Start) -> Result<Position, ReadError> {
        let extent = self.shared.readable(self.name, partition)?.extent();
        match start {
            Start::Earliest => Ok(extent.start),
            Start::Position(position) => {
                extent.reaches(partition, position)?;
                Ok(position.max(extent.start))
            }
            Start::Time(time) => {
                let range = (extent.start.0, extent.end.0);
                let find =
                    move |shared: &Shared, place| reading::find_time(shared, place, range, time);
                Ok(Position(self.blocking(find, partition).await?))
            }
        }
    }
}

impl Writer for EmbeddedTopic {
    fn partitions(&self) -> u32 {
        self.shared.settings.partitions
    }

    fn append(&self, partition: Partition, record: Record) -> Append {
        self.accept(partition, record).unwrap_or_else(|error| {
            self.shared.meters.refused(self.name, &error, 1);
            Append::refused(error)
        })
    }
}

impl Reader for EmbeddedTopic {
    fn partitions(&self) -> u32 {
        self.shared.settings.partitions
    }

    fn open(
        &self,
        partition: Partition,
        start: Start,
    ) -> BoxFuture<'_, Result<Box<dyn Cursor>, ReadError>> {
        Box::pin(async move {
            let at = self.resolve(partition, start).await?;
            let cursor = EmbeddedCursor { topic: self.clone(), partition, at };
            Ok(Box::new(cursor) as Box<dyn Cursor>)
        })
    }

    fn fetch(
        &self,
        partition: Partition,
        from: Position,
        max_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<Frame>, ReadError>> {
        Box::pin(async move {
            self.shared.readable(self.name, partition)?.extent().reaches(partition, from)?;
            self.read(partition, from, max_bytes).await
        })
    }

    fn extent(&self, partition: Partition) -> BoxFuture<'_, Result<Extent, ReadError>> {
        Box::pin(async move { Ok(self.shared.readable(self.name, partition)?.extent()) })
    }
}

struct EmbeddedCursor {
    topic: EmbeddedTopic,
    partition: Partition,
    at: Position,
}

impl EmbeddedCursor {
    /// Waits until there is a record at or after the cursor's position.
    async fn wait(&self) -> Result<(), ReadError> {
        loop {
            let state = self.topic.shared.readable(self.topic.name, self.partition)?;
            // Registered before looking, so that no growth in between is missed.
            let mut grown = std::pin::pin!(state.grown.notified());
            grown.as_mut().enable();
            if self.topic.shared.is_closed() {
                return Err(ReadError::Closed);
            }
            if state.end() > self.at.0 {
                return Ok(());
            }
            grown.await;
        }
    }
}

impl Cursor for EmbeddedCursor {
    fn next(&mut self, max_bytes: usize) -> BoxFuture<'_, Result<Vec<Frame>, ReadError>> {
        Box::pin(async move {
            loop {
                self.wait().await?;
                let frames = self.topic.read(self.partition, self.at, max_bytes).await?;
                if let Some(last) = frames.last() {
                    self.at = last.position.next();
                    return Ok(frames);
                }
                // Only when what was there is passed over as lost.
                self.at = self.at.next();
            }
        })
    }
}
