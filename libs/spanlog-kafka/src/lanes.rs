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

/// How long a lane that nobody uses is kept; longer than any question takes.
const KEEP: Duration = Duration::from_secs(60);

/// All lanes of a log.
pub(super) struct Lanes {
    fate: Arc<Fate>,
    state: Mutex<State>,
}

struct State {
    /// Settings of the first lane.
    ahead: ClientConfig,
    /// Settings of the others.
    again: ClientConfig,
    lanes: BTreeMap<usize, Kept>,
    /// Have been replaced; they end when nobody has used them for [`KEEP`].
    retired: Vec<Kept>,
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
        let state = State { ahead, again, lanes: BTreeMap::new(), retired: Vec::new() };
        Self { fate: Arc::clone(fate), state: Mutex::new(state) }
    }

    /// Clients are made anew, with these settings, for who comes from now on. Cursors move by
    /// themselves.
    pub(super) fn renew(&self, ahead: ClientConfig, again: ClientConfig) {
        let mut state = self.state();
        let old = std::mem::take(&mut state.lanes);
        for kept in old.into_values() {
            kept.lane.retire();
            state.retired.push(Kept { used: Instant::now(), ..kept });
        }
        (state.ahead, state.again) = (ahead, again);
    }

    /// The lane for questions.
    pub(super) fn asking(&self) -> Result<Arc<Lane>, ReadError> {
        self.lane(ASKING)
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
                let lane = self.lane(*index)?;
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

    fn lane(&self, index: usize) -> Result<Arc<Lane>, ReadError> {
        let state = &mut *self.state();
        if let Some(kept) = state.lanes.get_mut(&index) {
            kept.used = Instant::now();
            return Ok(Arc::clone(&kept.lane));
        }
        let lane = self.start(if index == 0 { &state.ahead } else { &state.again })?;
        state.lanes.insert(index, Kept { lane: Arc::clone(&lane), used: Instant::now() });
        Ok(lane)
    }

    /// Ends lanes that were made for a while, or were replaced.
    pub(super) fn sweep(&self) {
        let state = &mut *self.state();
        let all = state.lanes.values_mut().chain(&mut state.retired);
        for kept in all.filter(|kept| !kept.lane.is_free()) {
            kept.used = Instant::now();
        }
        let spare = state.lanes.extract_if(SPARE.., |_, kept| kept.is_old()).map(|(_, kept)| kept);
        for kept in spare.chain(state.retired.extract_if(.., |kept| kept.is_old())) {
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
        self.state().lanes.len()
    }

    /// Ends them all. Gives the threads that close the clients.
    pub(super) fn close(&self) -> Vec<JoinHandle<()>> {
        let mut state = self.state();
        let lanes = std::mem::take(&mut state.lanes).into_values();
        let all = lanes.chain(std::mem::take(&mut state.retired));
        all.filter_map(|kept| kept.lane.close()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn is_old(&self) -> bool {
        self.used.elapsed() > KEEP
    }
}
