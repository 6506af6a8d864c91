//! All consumers of a log.
//!
//! A sampler needs two. The first tails the partitions: brokers gather records before they answer. On
//! the others they answer at once, for records that are there already; the second takes requests for
//! metadata as well. So a cursor that is behind begins on one of the others, and moves to the first
//! when it comes to the end.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rdkafka::config::ClientConfig;
use wholetrace_spanlog::ReadError;

use super::{
    consumer::{Consumer, FetchSlot},
    error::KafkaError,
    health::ClientHealth,
};

/// The first consumer, then the others: for cursors at the end, which read records as they come.
pub(super) const TAILING: [usize; 3] = [0, 1, 2];

/// The first consumer last: for cursors that are behind, whose records are there already. On the first
/// consumer a fetch request that leaves out the partitions whose queues are full waits for records of
/// the others, and all partitions of that broker wait with it.
pub(super) const CATCHING_UP: [usize; 3] = [1, 2, 0];

/// Never the first consumer: for reading again behind a cursor.
pub(super) const REREADING: [usize; 2] = [1, 2];

/// Of their own for those that only look, two of a partition at a time: no cursor of an owner finds
/// its slot taken by them.
pub(super) const LOOKING: [usize; 2] = [3, 4];

/// The consumer that asks for metadata. A broker answers the requests of one connection in turn: on
/// this one no fetch request waits for records for long.
const METADATA: usize = 1;

/// Consumers from here on are made for a while, as when a partition that is behind is read again as
/// well: they are closed when unused for [`KEEP`].
const SPARE: usize = 2;

/// How long to wait for a slot when all are taken, as when several cursors read again.
const SLOT_TIMEOUT: Duration = Duration::from_secs(2);

/// Pause between two tries to take a slot.
const PAUSE: Duration = Duration::from_millis(20);

/// How long an unused consumer is kept; longer than any request takes.
const KEEP: Duration = Duration::from_secs(60);

/// All consumers of a log.
pub(super) struct ConsumerPool {
    health: Arc<ClientHealth>,
    state: Mutex<State>,
}

struct State {
    /// Settings of the first consumer.
    first: ClientConfig,
    /// Settings of the others.
    others: ClientConfig,
    consumers: BTreeMap<usize, Kept>,
    /// Replaced by others; closed when unused for [`KEEP`].
    retired: Vec<Kept>,
}

/// A consumer.
struct Kept {
    consumer: Arc<Consumer>,
    /// When one of its slots was last taken.
    used: Instant,
}

impl ConsumerPool {
    /// None yet: the first will read with the settings `first`, the others with `others`.
    pub(super) fn new(
        first: ClientConfig,
        others: ClientConfig,
        health: &Arc<ClientHealth>,
    ) -> Self {
        let state = State { first, others, consumers: BTreeMap::new(), retired: Vec::new() };
        Self { health: Arc::clone(health), state: Mutex::new(state) }
    }

    /// Cursors get new consumers with these settings from now on; those that are reading move by
    /// themselves.
    pub(super) fn renew(&self, first: ClientConfig, others: ClientConfig) {
        let mut state = self.state();
        let old = std::mem::take(&mut state.consumers);
        for kept in old.into_values() {
            kept.consumer.retire();
            state.retired.push(Kept { used: Instant::now(), ..kept });
        }
        (state.first, state.others) = (first, others);
    }

    /// The consumer that asks for metadata.
    pub(super) fn for_metadata(&self) -> Result<Arc<Consumer>, ReadError> {
        self.consumer(METADATA)
    }

    /// A slot to read `partition` of `topic`, on the first of the consumers `order` where it is free.
    /// Waits for one if all are taken; blocks.
    pub(super) fn take_slot(
        &self,
        topic: &str,
        partition: i32,
        order: &[usize],
    ) -> Result<FetchSlot, ReadError> {
        let deadline = Instant::now() + SLOT_TIMEOUT;
        loop {
            for index in order {
                let consumer = self.consumer(*index)?;
                if let Some(slot) = consumer.take_slot(topic, partition) {
                    return Ok(slot);
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

    fn consumer(&self, index: usize) -> Result<Arc<Consumer>, ReadError> {
        let state = &mut *self.state();
        if let Some(kept) = state.consumers.get_mut(&index) {
            kept.used = Instant::now();
            return Ok(Arc::clone(&kept.consumer));
        }
        let consumer = self.start(if index == 0 { &state.first } else { &state.others })?;
        state
            .consumers
            .insert(index, Kept { consumer: Arc::clone(&consumer), used: Instant::now() });
        Ok(consumer)
    }

    /// Closes consumers unused for [`KEEP`]: spare ones, and those that were replaced.
    pub(super) fn sweep(&self) {
        let state = &mut *self.state();
        let all = state.consumers.values_mut().chain(&mut state.retired);
        for kept in all.filter(|kept| !kept.consumer.is_free()) {
            kept.used = Instant::now();
        }
        let spare =
            state.consumers.extract_if(SPARE.., |_, kept| kept.is_old()).map(|(_, kept)| kept);
        for kept in spare.chain(state.retired.extract_if(.., |kept| kept.is_old())) {
            // Its own thread closes the client.
            drop(kept.consumer.close());
        }
    }

    fn start(&self, settings: &ClientConfig) -> Result<Arc<Consumer>, ReadError> {
        if self.health.is_closed() {
            return Err(ReadError::Closed);
        }
        Consumer::start(settings, &self.health)
            .map_err(|error: KafkaError| ReadError::Failed(error.to_string()))
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.state().consumers.len()
    }

    /// Closes them all. Gives the threads that do it.
    pub(super) fn close(&self) -> Vec<JoinHandle<()>> {
        let mut state = self.state();
        let consumers = std::mem::take(&mut state.consumers).into_values();
        let all = consumers.chain(std::mem::take(&mut state.retired));
        all.filter_map(|kept| kept.consumer.close()).collect()
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
