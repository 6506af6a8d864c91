//! Both sides of one topic of the embedded log.

use std::{sync::Arc, time::Instant};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::{
    disk::Disk,
    queue::{Pending, Room},
    shared::Shared,
    store::{Encoded, Segments},
};
use crate::{
    position::{Partition, Position},
    reader::{Cursor, Extent, ReadError, Reader, Start, Stretch},
    record::{Frame, Record, RecordKind},
    topic::TopicName,
    writer::{Append, AppendError, Writer},
};

/// A handle on one topic.
pub(super) struct EmbeddedTopic<D: Disk> {
    pub(super) shared: Arc<Shared>,
    pub(super) segments: Arc<Segments<D>>,
    pub(super) name: TopicName,
}

impl<D: Disk> Clone for EmbeddedTopic<D> {
    fn clone(&self) -> Self {
        let (shared, segments) = (Arc::clone(&self.shared), Arc::clone(&self.segments));
        Self { shared, segments, name: self.name }
    }
}

impl<D: Disk> EmbeddedTopic<D> {
    /// Accepts a record. The room for it is taken from `batch`, if there is enough.
    fn accept(
        &self,
        partition: Partition,
        record: Record,
        batch: Option<&mut Room>,
    ) -> Result<Append, AppendError> {
        let Shared { settings, queue, .. } = &*self.shared;
        if partition.0 >= settings.partitions {
            let (partition, partitions) = (partition.0, settings.partitions);
            return Err(AppendError::NoSuchPartition { partition, partitions });
        }
        let (size, limit) = (record.payload.len() as u64, self.shared.max_payload);
        if size > limit {
            return Err(AppendError::TooLarge { size, limit });
        }
        let accepted = Instant::now();
        let room = match batch.and_then(|batch| batch.part(size)) {
            Some(room) => room,
            None => self.admit(record.kind, size)?,
        };
        let (answer, receiver) = oneshot::channel();
        // Compressed here, by the caller: the writer thread stays free for the disk, and callers
        // compress while it waits for it.
        let encoded = Encoded::new(&record);
        let pending = Pending { topic: self.name, partition, record, encoded, answer, accepted };
        queue.push(room, pending)?;
        Ok(Append::pending(receiver))
    }

    /// Sets room aside for records of `kind` with payloads of `size` bytes.
    fn admit(&self, kind: RecordKind, size: u64) -> Result<Room, AppendError> {
        if let Some(error) = self.shared.refused(self.name, kind) {
            return Err(error);
        }
        if self.shared.is_closed() {
            return Err(AppendError::Closed);
        }
        self.shared.queue.admit(size)
    }

    fn refused(&self, error: AppendError) -> Append {
        self.shared.meters.refused(self.name, &error, 1);
        Append::refused(error)
    }

    /// Runs a blocking read off the runtime's workers.
    async fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Segments<D>, TopicName) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let (segments, name) = (Arc::clone(&self.segments), self.name);
        tokio::task::spawn_blocking(move || read(&segments, name))
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
        self.shared.grown(self.name, partition)?;
        let extent = self.segments.extent(self.name, partition);
        if (extent.start..extent.end).contains(&from) {
            let queue = self.shared.queue_index(self.name, partition);
            if let Some(frames) = self.shared.tail().read(queue, from.0, max_bytes) {
                self.shared.meters.tail_reads.increment(frames.len() as u64);
                return Ok(frames);
            }
        } else if from >= extent.end {
            return Ok(Vec::new());
        }
        let read =
            move |segments: &Segments<D>, name| segments.read(name, partition, from, max_bytes);
        let result = self.blocking(read).await;
        match &result {
            Ok(frames) => self.shared.meters.store_reads.increment(frames.len() as u64),
            Err(error @ ReadError::Damaged { .. }) => {
                self.shared.meters.damaged(self.name);
                tracing::error!(topic = %self.name, "a record is passed over: {error}");
            }
            Err(_) => {}
        }
        result
    }

    async fn resolve(&self, partition: Partition, start: Start) -> Result<Position, ReadError> {
        self.shared.grown(self.name, partition)?;
        let extent = self.segments.extent(self.name, partition);
        match start {
            Start::Earliest => Ok(extent.start),
            Start::Position(position) => {
                extent.reaches(partition, position)?;
                Ok(position.max(extent.start))
            }
            Start::Time(time) => {
                let find =
                    move |segments: &Segments<D>, name| segments.find_time(name, partition, time);
                self.blocking(find).await
            }
        }
    }
}

impl<D: Disk> Writer for EmbeddedTopic<D> {
    fn partitions(&self) -> u32 {
        self.shared.settings.partitions
    }

    fn append(&self, partition: Partition, record: Record) -> Append {
        self.accept(partition, record, None).unwrap_or_else(|error| self.refused(error))
    }

    fn append_batch(
        &self,
        bytes: usize,
        records: &mut dyn ExactSizeIterator<Item = (Partition, Record)>,
    ) -> Result<Vec<Append>, AppendError> {
        let count = records.len() as u64;
        let mut room = self
            .admit(RecordKind::Spans, bytes as u64)
            .inspect_err(|error| self.shared.meters.refused(self.name, error, count))?;
        let accept = |(partition, record)| {
            let accepted = self.accept(partition, record, Some(&mut room));
            accepted.unwrap_or_else(|error| self.refused(error))
        };
        let appends = records.map(accept).collect();
        self.shared.queue.give_back(room);
        Ok(appends)
    }
}

impl<D: Disk> Reader for EmbeddedTopic<D> {
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

    fn peek(
        &self,
        partition: Partition,
        start: Start,
    ) -> BoxFuture<'_, Result<Stretch, ReadError>> {
        Box::pin(async move {
            // The end first: what comes meanwhile is behind it.
            let end = self.extent(partition).await?.end;
            let from = self.resolve(partition, start).await?;
            let cursor = Box::new(EmbeddedCursor { topic: self.clone(), partition, at: from });
            Ok(Stretch { from, end, cursor })
        })
    }

    fn fetch(
        &self,
        partition: Partition,
        from: Position,
        max_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<Frame>, ReadError>> {
        Box::pin(async move {
            self.shared.grown(self.name, partition)?;
            self.segments.extent(self.name, partition).reaches(partition, from)?;
            self.read(partition, from, max_bytes).await
        })
    }

    fn extent(&self, partition: Partition) -> BoxFuture<'_, Result<Extent, ReadError>> {
        Box::pin(async move {
            self.shared.grown(self.name, partition)?;
            Ok(self.segments.extent(self.name, partition))
        })
    }
}

struct EmbeddedCursor<D: Disk> {
    topic: EmbeddedTopic<D>,
    partition: Partition,
    at: Position,
}

impl<D: Disk> EmbeddedCursor<D> {
    /// Waits until there is a record at or after the cursor's position.
    async fn wait(&self) -> Result<(), ReadError> {
        let EmbeddedTopic { shared, segments, name } = &self.topic;
        loop {
            // Registered before looking, so that no growth in between is missed.
            let mut grown = std::pin::pin!(shared.grown(*name, self.partition)?.notified());
            grown.as_mut().enable();
            if shared.is_closed() {
                return Err(ReadError::Closed);
            }
            if segments.extent(*name, self.partition).end > self.at {
                return Ok(());
            }
            grown.await;
        }
    }
}

impl<D: Disk> Cursor for EmbeddedCursor<D> {
    fn next(&mut self, max_bytes: usize) -> BoxFuture<'_, Result<Vec<Frame>, ReadError>> {
        Box::pin(async move {
            loop {
                self.wait().await?;
                let end = self.topic.segments.extent(self.topic.name, self.partition).end;
                match self.topic.read(self.partition, self.at, max_bytes).await {
                    Ok(frames) => {
                        if let Some(last) = frames.last() {
                            self.at = last.position.next();
                            return Ok(frames);
                        }
                        // What was there is passed over as lost.
                        self.at = end;
                    }
                    // A gap of one record: told once.
                    Err(error @ ReadError::Damaged { position, .. }) => {
                        self.at = position.next();
                        return Err(error);
                    }
                    Err(error) => return Err(error),
                }
            }
        })
    }
}
