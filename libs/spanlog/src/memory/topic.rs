//! Both sides of one topic in memory.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::{
    partition::PartitionLog,
    shared::{AppendFault, Held, Shared, TopicState},
};
use crate::{
    position::{Partition, Position},
    reader::{Cursor, Extent, ReadError, Reader, Start, Stretch},
    record::{Frame, Record},
    topic::TopicName,
    writer::{Append, AppendError, Writer},
};

/// A handle on one topic; dead once the log has crashed.
#[derive(Clone)]
pub(super) struct MemoryTopic {
    pub(super) shared: Arc<Shared>,
    pub(super) name: TopicName,
    pub(super) generation: u64,
}

impl MemoryTopic {
    fn state(&self) -> &TopicState {
        self.shared.topic(self.name)
    }

    fn check(&self) -> Result<(), ReadError> {
        if self.shared.is_current(self.generation) { Ok(()) } else { Err(ReadError::Closed) }
    }

    fn write(&self, partition: &PartitionLog, record: Record) -> Position {
        partition.write(record, self.shared.clock.now(), self.shared.config.position_gap)
    }

    fn append_with_faults(&self, partition: Partition, record: Record) -> Append {
        let state = self.state();
        let Some(log) = state.partition(partition) else { return no_such(partition, state) };
        let failed = || Append::settled(Err(AppendError::Failed("a fault was injected".into())));
        state.with_faults(|faults| {
            if let Some(error) = &faults.refuse {
                return Append::refused(error.clone());
            }
            match faults.planned.pop_front() {
                Some(AppendFault::Refuse(error)) => return Append::refused(error),
                Some(AppendFault::FailBefore) => return failed(),
                Some(AppendFault::FailAfter) => {
                    self.write(log, record);
                    return failed();
                }
                Some(AppendFault::Duplicate) => {
                    let position = self.write(log, record.clone());
                    self.write(log, record);
                    return Append::settled(Ok(position));
                }
                None if faults.holding || faults.stuck.contains_key(&partition) => {}
                None => return Append::settled(Ok(self.write(log, record))),
            }
            let limit = self.shared.config.max_waiting_bytes;
            let waiting = faults.held_bytes;
            let size = record.payload.len() as u64;
            if waiting + size > limit {
                return Append::refused(AppendError::Full { waiting, limit });
            }
            faults.held_bytes += size;
            let (answer, receiver) = oneshot::channel();
            let held = Held { partition, record, answer };
            faults.stuck.get_mut(&partition).unwrap_or(&mut faults.held).push_back(held);
            Append::pending(receiver)
        })
    }
}

fn no_such(partition: Partition, state: &TopicState) -> Append {
    let partitions = u32::try_from(state.partitions.len()).unwrap_or(u32::MAX);
    Append::refused(AppendError::NoSuchPartition { partition: partition.0, partitions })
}

impl Writer for MemoryTopic {
    fn partitions(&self) -> u32 {
        self.shared.partitions()
    }

    fn linger(&self) -> Duration {
        self.shared.config.linger
    }

    fn append(&self, partition: Partition, record: Record) -> Append {
        if !self.shared.is_current(self.generation) {
            return Append::refused(AppendError::Closed);
        }
        let (size, limit) = (record.payload.len() as u64, self.shared.config.max_payload_bytes);
        if size > limit {
            return Append::refused(AppendError::TooLarge { size, limit });
        }
        let state = self.state();
        if state.faulty.load(Ordering::Acquire) {
            return self.append_with_faults(partition, record);
        }
        match state.partition(partition) {
            Some(log) => Append::settled(Ok(self.write(log, record))),
            None => no_such(partition, state),
        }
    }

    fn append_batch(
        &self,
        bytes: usize,
        records: &mut dyn ExactSizeIterator<Item = (Partition, Record)>,
    ) -> Result<Vec<Append>, AppendError> {
        if !self.shared.is_current(self.generation) {
            return Err(AppendError::Closed);
        }
        let state = self.state();
        if state.faulty.load(Ordering::Acquire) {
            let limit = self.shared.config.max_waiting_bytes;
            state.with_faults(|faults| {
                let waiting = faults.held_bytes;
                match &faults.refuse {
                    Some(error) => Err(error.clone()),
                    None if waiting > 0 && waiting + bytes as u64 > limit => {
                        Err(AppendError::Full { waiting, limit })
                    }
                    None => Ok(()),
                }
            })?;
        }
        Ok(records.map(|(partition, record)| self.append(partition, record)).collect())
    }
}

impl Reader for MemoryTopic {
    fn partitions(&self) -> u32 {
        self.shared.partitions()
    }

    fn open(
        &self,
        partition: Partition,
        start: Start,
    ) -> BoxFuture<'_, Result<Box<dyn Cursor>, ReadError>> {
        Box::pin(async move {
            self.check()?;
            let mut records = self.state().readable(partition)?.records();
            if let Start::Position(position) = start {
                records.known(partition, position, None)?;
            }
            let (at, of) = (records.resolve(start), records.replaced);
            let cursor = MemoryCursor { topic: self.clone(), partition, at, of };
            Ok(Box::new(cursor) as Box<dyn Cursor>)
        })
    }

    fn peek(
        &self,
        partition: Partition,
        start: Start,
    ) -> BoxFuture<'_, Result<Stretch, ReadError>> {
        Box::pin(async move {
            self.check()?;
            let records = self.state().readable(partition)?.records();
            let extent = records.extent();
            if let Start::Position(position) = start {
                extent.reaches(partition, position)?;
            }
            let (from, of) = (records.resolve(start), records.replaced);
            let cursor = Box::new(MemoryCursor { topic: self.clone(), partition, at: from, of });
            Ok(Stretch { from, end: extent.end, cursor })
        })
    }

    fn fetch(
        &self,
        partition: Partition,
        from: Position,
        max_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<Frame>, ReadError>> {
        Box::pin(async move {
            self.check()?;
            let log = self.state().readable(partition)?;
            let mut records = log.records();
            records.known(partition, from, None)?;
            let oldest = records.start;
            if records.is_gone(from) {
                return Err(ReadError::Gone { partition: partition.0, asked: from, oldest });
            }
            records.read(from, max_bytes).map_err(|position| damaged(partition, position))
        })
    }

    fn extent(&self, partition: Partition) -> BoxFuture<'_, Result<Extent, ReadError>> {
        Box::pin(async move {
            self.check()?;
            Ok(self.state().readable(partition)?.records().extent())
        })
    }
}

fn damaged(partition: Partition, position: Position) -> ReadError {
    let detail = "a fault was injected".to_owned();
    ReadError::Damaged { partition: partition.0, position, detail }
}

struct MemoryCursor {
    topic: MemoryTopic,
    partition: Partition,
    at: Position,
    /// The log that it reads, as counted.
    of: u64,
}

impl Cursor for MemoryCursor {
    fn next(&mut self, max_bytes: usize) -> BoxFuture<'_, Result<Vec<Frame>, ReadError>> {
        Box::pin(async move {
            let log = self.topic.state().readable(self.partition)?;
            loop {
                // Registered before looking, so that no growth in between is missed.
                let mut grown = std::pin::pin!(log.grown.notified());
                grown.as_mut().enable();
                self.topic.check()?;
                let read = {
                    let mut records = log.records();
                    records.known(self.partition, self.at, Some(self.of))?;
                    if records.is_gone(self.at) {
                        let (asked, oldest) = (self.at, records.start);
                        let partition = self.partition.0;
                        return Err(ReadError::Gone { partition, asked, oldest });
                    }
                    records.read(self.at, max_bytes)
                };
                let frames = read.map_err(|position| {
                    self.at = position.next();
                    damaged(self.partition, position)
                })?;
                if let Some(last) = frames.last() {
                    self.at = last.position.next();
                    return Ok(frames);
                }
                grown.await;
            }
        })
    }
}
