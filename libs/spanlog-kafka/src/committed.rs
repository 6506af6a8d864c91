//! What the group has committed, for those that are no member of it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use wholetrace_spanlog::{Checkpoint, Committed, Partition, Position, ReadError};

use super::{blocking::BlockingCalls, consumer_pool::ConsumerPool, identity};

/// Asks the brokers.
pub(super) struct KafkaCommitted {
    pub(super) consumers: Arc<ConsumerPool>,
    pub(super) blocking: BlockingCalls,
    /// The topic of the spans.
    pub(super) topic: Arc<str>,
    pub(super) partitions: u32,
}

impl Committed for KafkaCommitted {
    fn checkpoint(
        &self,
        partition: Partition,
    ) -> BoxFuture<'_, Result<Option<Checkpoint>, ReadError>> {
        Box::pin(async move {
            let (number, partitions) = (partition.0, self.partitions);
            let nowhere = ReadError::NoSuchPartition { partition: number, partitions };
            let number =
                i32::try_from(number).ok().filter(|_| number < partitions).ok_or(nowhere)?;
            let (consumers, topic) = (Arc::clone(&self.consumers), Arc::clone(&self.topic));
            let ask = move || consumers.for_metadata()?.committed(&topic, number);
            let found = self.blocking.run(ask).await?;
            Ok(found.map(|(position, stored)| {
                // Behind the sampler's metadata stands what the log is known by.
                let (metadata, _) = identity::parse(&stored);
                Checkpoint { position: Position(position), metadata: metadata.to_owned() }
            }))
        })
    }
}
