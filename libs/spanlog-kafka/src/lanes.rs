//! All lanes of a log.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rdkafka::config::ClientConfig;
use wholetrace_spanlog::ReadError;

use super::{
    error::KafkaError,
    fate::Fate,
    lane::{Claim, Lane},
};

/// The first lane, then the others: for who reads along as records come.
pub(super) const AHEAD: [usize; 3] = [0, 1, 2];

/// The first lane last: for who is behind and wants what is there at once. On the first lane a
/// request that leaves out the partitions whose queues are full waits for records of the others,
/// and all of that broker's wait with it.
pub(super) const BEHIND: [usize; 3] = [1, 2, 0];

/// Never the first lane: for who reads again.
pub(super) const AGAIN: [usize; 2] = [1, 2];

/// The lane that questions are asked on. A broker answers what comes by one connection in turn: there
/// nobody waits for records for long.
const ASKING: usize = 1;

/// Lanes from here on are made for a while, as when a partition that is behind is read again as well:
/// they end when nobody has used them for [`KEEP`].
const SPARE: usize = 2;

/// How long is waited for a place when all are taken: several that read again may want one.
const PLACE_PATIENCE: Duration = Duration::from_secs(2);

/// Pause between two looks for a place.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a lane that nobody uses is kept.
const KEEP: Duration = Duration::from_secs(60);

/// All lanes of a log.
pub(super) struct Lanes {
    /// Of the first lane.
    ahead: ClientConfig,
    /// Of the others.
    again: ClientConfig,
    fate: Arc<Fate>,
    lanes: Mutex<BTreeMap<usize, Kept>>,
}

/// A lane.
struct Kept {
    lane: Arc<Lane>,
    /// When somebody had a place on it.
    used: Instant,
}

impl Lanes {
    /// None yet: the first will read with the settings `ahead`, the others with `again`.
    pub(super) fn new(ahead: ClientConfig, again: ClientConfig, fate: &Arc<Fate>) -> Self {
        Self { ahead, again, fate: Arc::clone(fate), lanes: Mutex::default() }
    }

    /// The lane for questions.
    pub(super) fn asking(&self) -> Result<Arc<Lane>, ReadError> {
        self.lane(&mut self.lanes(), ASKING)
    }

    /// A place to read `partition` of `topic`, on the first of the lanes `order` where it is free.
    /// Waits for one if all are taken; blocks.
    pub(super) fn claim(
        &self,
        topic: &str,
        partition: i32,
        order: &[usize],
    ) -> Result<Claim, ReadError> {
        let deadline = Instant::now() + PLACE_PATIENCE;
        loop {
            for index in order {
                let lane = self.lane(&mut self.lanes(), *index)?;
                if let Some(claim) = lane.claim(topic, partition) {
                    return Ok(claim);
                }
            }
            if Instant::now() >= deadline {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        let text = format!("partition {partition} of `{topic}` is read from too many places");
        Err(ReadError::Failed(text))
    }

    fn lane(
        &self,
        lanes: &mut BTreeMap<usize, Kept>,
        index: usize,
    ) -> Result<Arc<Lane>, ReadError> {
        if let Some(kept) = lanes.get_mut(&index) {
            kept.used = Instant::now();
            return Ok(Arc::clone(&kept.lane));
        }
        let lane = self.start(if index == 0 { &self.ahead } else { &self.again })?;
        lanes.insert(index, Kept { lane: Arc::clone(&lane), used: Instant::now() });
        Ok(lane)
    }

    /// Ends lanes that were made for a while.
    pub(super) fn sweep(&self) {
        let mut lanes = self.lanes();
        for kept in lanes.values_mut().filter(|kept| !kept.lane.is_free()) {
            kept.used = Instant::now();
        }
        let old = |index: &usize, kept: &mut Kept| *index >= SPARE && kept.used.elapsed() > KEEP;
        for (_, kept) in lanes.extract_if(.., old) {
            // Its own thread closes the client.
            drop(kept.lane.close());
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
        let lanes = std::mem::take(&mut *self.lanes());
        lanes.values().filter_map(|kept| kept.lane.close()).collect()
    }

    fn lanes(&self) -> MutexGuard<'_, BTreeMap<usize, Kept>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
