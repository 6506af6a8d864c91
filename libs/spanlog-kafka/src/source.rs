//! What is read.

use std::sync::Arc;

use wholetrace_spanlog::{Partition, ReadError, TopicName};

use super::{lane::Claim, lanes::Lanes};

/// A partition of a topic, by all its names.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) name: TopicName,
    pub(super) topic: Arc<str>,
    pub(super) partition: Partition,
    /// The partition as the client has it.
    pub(super) number: i32,
}

impl Source {
    /// The question for a place to read it on one of the lanes `order`, from `position` on.
    pub(super) fn claim(
        &self,
        lanes: &Arc<Lanes>,
        order: &'static [usize],
        position: u64,
    ) -> impl FnOnce() -> Result<Claim, ReadError> + Send + 'static {
        let (source, lanes) = (self.clone(), Arc::clone(lanes));
        move || {
            let claim = lanes.claim(&source.topic, source.number, order)?;
            claim.start(position)?;
            Ok(claim)
        }
    }
}
