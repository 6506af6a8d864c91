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

/// The most lanes: one partition can be read from so many places at a time.
const MOST: usize = 4;

/// All lanes of a log.
pub(super) struct Lanes {
    settings: ClientConfig,
    fate: Arc<Fate>,
    lanes: Mutex<Vec<Arc<Lane>>>,
}

impl Lanes {
    /// None yet.
    pub(super) fn new(settings: ClientConfig, fate: &Arc<Fate>) -> Self {
        Self { settings, fate: Arc::clone(fate), lanes: Mutex::default() }
    }

    /// The lane that is used first, and for questions.
    pub(super) fn first(&self) -> Result<Arc<Lane>, ReadError> {
        self.lane(&mut self.lanes(), 0)
    }

    /// A place to read `partition` of `topic`, on the lane `first` or one behind it. May block for
    /// a moment.
    pub(super) fn claim(
        &self,
        topic: &str,
        partition: i32,
        first: usize,
    ) -> Result<Claim, ReadError> {
        let mut lanes = self.lanes();
        for index in first..MOST {
            if let Some(claim) = self.lane(&mut lanes, index)?.claim(topic, partition) {
                return Ok(claim);
            }
        }
        let text = format!("partition {partition} of `{topic}` is read from too many places");
        Err(ReadError::Failed(text))
    }

    fn lane(&self, lanes: &mut Vec<Arc<Lane>>, index: usize) -> Result<Arc<Lane>, ReadError> {
        if self.fate.is_closed() {
            return Err(ReadError::Closed);
        }
        loop {
            if let Some(lane) = lanes.get(index) {
                return Ok(Arc::clone(lane));
            }
            let lane = Lane::start(&self.settings, &self.fate)
                .map_err(|error: KafkaError| ReadError::Failed(error.to_string()))?;
            lanes.push(lane);
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lanes().len()
    }

    /// Ends them all. Gives the threads that close the clients.
    pub(super) fn close(&self) -> Vec<JoinHandle<()>> {
        let lanes = std::mem::take(&mut *self.lanes());
        lanes.iter().filter_map(|lane| lane.close()).collect()
    }

    fn lanes(&self) -> MutexGuard<'_, Vec<Arc<Lane>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
