//! What is read.

use std::sync::Arc;

use crate::{position::Partition, topic::TopicName};

/// A partition of a topic, by all its names.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) name: TopicName,
    pub(super) topic: Arc<str>,
    pub(super) partition: Partition,
    /// The partition as the client has it.
    pub(super) number: i32,
}
