//! All lanes of a log.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use rdkafka::config::ClientConfig;

use super::{
    error::KafkaError,
    fate::Fate,
    lane::{Claim, Lane},
};
use crate::reader::ReadError;

/// The first lane, then the others: for who reads along as records come.
pub(super) const AHEAD: [usize; 4] = [0, 1, 2, 3];

/// The first lane last: for who is behind and wants what is there at once. On the first lane a
/// request that leaves out the partitions whose queues are full waits for records of the others,
/// and all of that broker's wait with it.
pub(super) const BEHIND: [usize; 4] = [1, 2, 3, 0];

/// Never the first lane: for who reads again.
pub(super) const AGAIN: [usize; 3] = [1, 2, 3];

/// All lanes of a log.
pub(super) struct Lanes {
    /// Of the first lane.
    ahead: ClientConfig,
    /// Of the others.
    again: ClientConfig,
    fate: Arc<Fate>,
    lanes: Mutex<Vec<Arc<Lane>>>,
    /// For questions; nothing is read there. A broker answers what comes by one connection in
    /// turn, so behind somebody who waits for records every question would wait as long.
    asking: Mutex<Option<Arc<Lane>>>,
}

impl Lanes {
    /// None yet: the first will read with the settings `ahead`, the others with `again`.
    pub(super) fn new(ahead: ClientConfig, again: ClientConfig, fate: &Arc<Fate>) -> Self {
        Self {
            ahead,
            again,
            fate: Arc::clone(fate),
            lanes: Mutex::default(),
            asking: Mutex::default(),
        }
    }

    /// The lane for questions.
    pub(super) fn asking(&self) -> Result<Arc<Lane>, ReadError> {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = asking.as_ref() {
            return Ok(Arc::clone(lane));
        }
        let lane = self.start(&self.again)?;
        *asking = Some(Arc::clone(&lane));
        Ok(lane)
    }

    /// A place to read `partition` of `topic`, on the first of the lanes `order` where it is free.
    /// May block for a moment.
    pub(super) fn claim(
        &self,
        topic: &str,
        partition: i32,
        order: &[usize],
    ) -> Result<Claim, ReadError> {
        let mut lanes = self.lanes();
        for index in order {
            if let Some(claim) = self.lane(&mut lanes, *index)?.claim(topic, partition) {
                return Ok(claim);
            }
        }
        let text = format!("partition {partition} of `{topic}` is read from too many places");
        Err(ReadError::Failed(text))
    }

    fn lane(&self, lanes: &mut Vec<Arc<Lane>>, index: usize) -> Result<Arc<Lane>, ReadError> {
        loop {
            if let Some(lane) = lanes.get(index) {
                return Ok(Arc::clone(lane));
            }
            let settings = if lanes.is_empty() { &self.ahead } else { &self.again };
            lanes.push(self.start(settings)?);
        }
    }

    fn start(&self, settings: &ClientConfig) -> Result<Arc<Lane>, ReadError> {
        if self.fate.is_closed() {
            return Err(ReadError::Closed);
        }
        Lane::start(settings, &self.fate)
            .map_err(|error: KafkaError| ReadError::Failed(error.to_string()))
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lanes().len()
    }

    /// Ends them all. Gives the threads that close the clients.
    pub(super) fn close(&self) -> Vec<JoinHandle<()>> {
        let mut lanes = std::mem::take(&mut *self.lanes());
        lanes.extend(self.asking.lock().unwrap_or_else(PoisonError::into_inner).take());
        lanes.iter().filter_map(|lane| lane.close()).collect()
    }

    fn lanes(&self) -> MutexGuard<'_, Vec<Arc<Lane>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
