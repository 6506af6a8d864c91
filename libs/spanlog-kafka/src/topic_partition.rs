//! A partition of a topic, to be read.

use std::sync::Arc;

use wholetrace_spanlog::{Partition, ReadError, TopicName};

use super::{consumer::FetchSlot, consumer_pool::ConsumerPool};

/// A partition of a topic, by all its names.
#[derive(Clone)]
pub(super) struct TopicPartition {
    pub(super) name: TopicName,
    pub(super) topic: Arc<str>,
    pub(super) partition: Partition,
    /// The partition as the client has it.
    pub(super) number: i32,
}

impl TopicPartition {
    /// Takes a slot on one of the consumers `order`, to fetch from `position` on. For a thread that may
    /// block.
    pub(super) fn take_slot(
        &self,
        consumers: &Arc<ConsumerPool>,
        order: &'static [usize],
        position: u64,
    ) -> impl FnOnce() -> Result<FetchSlot, ReadError> + Send + 'static {
        let (topic_partition, consumers) = (self.clone(), Arc::clone(consumers));
        move || {
            let slot =
                consumers.take_slot(&topic_partition.topic, topic_partition.number, order)?;
            slot.start(position)?;
            Ok(slot)
        }
    }
}
