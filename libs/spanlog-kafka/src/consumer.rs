//! A Kafka consumer that is not in any group, and the slots on it where partitions are read.
//!
//! A consumer fetches a partition from one offset at a time: each partition has one slot on it. Several
//! cursors of one partition, and reading again behind a cursor, need several consumers, which
//! [`consumer_pool`](super::consumer_pool) makes when they are needed.
//!
//! The pitfalls of librdkafka that decide how this is built:
//!
//! * Each partition has a queue of its own, split off before the partition is assigned. The client
//!   stops fetching when it is full: that is the back-pressure, and the bound of memory. (`pause`
//!   would throw away what was fetched.)
//! * A queue is dropped only after the partition is unassigned: otherwise messages that are fetched
//!   for it are lost to all others.
//! * The client's own queue is polled by a thread of its own: errors and statistics come there.
//! * A message is a view into a buffer of up to `max_fetch_size`: its payload is copied out at
//!   once.
//! * Closing a client may hang: a thread of its own does it.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use rdkafka::{
    Offset, TopicPartitionList,
    config::ClientConfig,
    consumer::{BaseConsumer, Consumer as _, base_consumer::PartitionQueue},
    error::{KafkaError as ClientError, RDKafkaErrorCode},
    message::BorrowedMessage,
};
use tokio::{runtime::Handle, sync::Notify};
use wholetrace_spanlog::ReadError;

use super::{error::KafkaError, events::Events, health::ClientHealth};

mod metadata;

/// How long the thread of a client waits for something to tell.
const POLL: Duration = Duration::from_millis(100);

/// How long a request to the brokers may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may take to find the leaders of a topic that is new to it. It looks by itself
/// once a second.
const INTRODUCTION: Duration = Duration::from_secs(1);

type Client = BaseConsumer<Events>;

/// Topic and partition.
type Key = (String, i32);

/// A client that reads.
pub(super) struct Consumer {
    health: Arc<ClientHealth>,
    /// Taken out to be closed.
    client: Mutex<Option<Arc<Client>>>,
    slots: Mutex<HashMap<Key, Arc<SlotState>>>,
    /// Told when a slot becomes free.
    freed: Condvar,
    /// The topics whose leaders the client was made to look up.
    introduced: Mutex<HashSet<String>>,
    /// Whether another client replaces it: cursors are to move there.
    retired: AtomicBool,
    stop: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A slot on a consumer where one partition is read.
#[derive(Default)]
struct SlotState {
    queue: Mutex<Option<PartitionQueue<Events>>>,
    ready: Arc<Notify>,
    /// Whether it is about to become free.
    leaving: AtomicBool,
}

/// The right to read one partition on a consumer; the slot is free again soon after it is dropped.
pub(super) struct FetchSlot(Arc<HeldSlot>);

/// A slot that is held.
struct HeldSlot {
    consumer: Arc<Consumer>,
    key: Key,
    state: Arc<SlotState>,
}

impl Consumer {
    /// A client with `settings`.
    pub(super) fn start(
        settings: &ClientConfig,
        health: &Arc<ClientHealth>,
    ) -> Result<Arc<Self>, KafkaError> {
        let client: Client = settings
            .create_with_context(Events::new("reader", settings, health))
            .map_err(|error| KafkaError::Client(error.to_string()))?;
        let client = Arc::new(client);
        let consumer = Arc::new(Self {
            health: Arc::clone(health),
            client: Mutex::new(Some(Arc::clone(&client))),
            slots: Mutex::default(),
            freed: Condvar::new(),
            introduced: Mutex::default(),
            retired: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            thread: Mutex::default(),
        });
        let own = Arc::clone(&consumer);
        let thread = std::thread::Builder::new()
            .name("wholetrace-read".to_owned())
            .spawn(move || own.serve(client))
            .map_err(KafkaError::Thread)?;
        *consumer.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(consumer)
    }

    fn serve(&self, client: Arc<Client>) {
        while !self.stop.load(Ordering::Acquire) {
            client.context().remind(client.client());
            match client.poll(POLL) {
                // What comes here belongs to no slot: it was asked for by one that is gone.
                None | Some(Ok(_) | Err(ClientError::PartitionEOF(_))) => {}
                Some(Err(ClientError::MessageConsumptionFatal(code))) if !self.is_retired() => {
                    let told = client.client().fatal_error().map(|(_, text)| text);
                    let text = told.unwrap_or_else(|| code.to_string());
                    self.health.end(&format!("the Kafka client `reader` cannot go on: {text}"));
                }
                // Told to the context already.
                Some(Err(_)) => {}
            }
        }
        // In this order: queues keep the client alive.
        for state in self.slots().values() {
            drop(state.queue().take());
            state.ready.notify_one();
        }
        // The last handle closes the client, which may take long: here, on a thread of its own.
        drop(client);
    }

    /// Closes it: its cursors end with [`ReadError::Closed`]. Gives the thread that closes the client.
    pub(super) fn close(&self) -> Option<JoinHandle<()>> {
        self.stop.store(true, Ordering::Release);
        drop(self.lock_client().take());
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// A slot to read `partition` of `topic`, unless it is taken. Waits for one that is about to
    /// become free; blocks.
    pub(super) fn take_slot(self: &Arc<Self>, topic: &str, partition: i32) -> Option<FetchSlot> {
        let key = (topic.to_owned(), partition);
        let leaving = |slots: &mut HashMap<Key, Arc<SlotState>>| {
            slots.get(&key).is_some_and(|state| state.leaving.load(Ordering::Acquire))
        };
        let waited = self.freed.wait_timeout_while(self.slots(), TIMEOUT, leaving);
        let (mut slots, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if slots.contains_key(&key) {
            return None;
        }
        let state = Arc::new(SlotState::default());
        slots.insert(key.clone(), Arc::clone(&state));
        Some(FetchSlot(Arc::new(HeldSlot { consumer: Arc::clone(self), key, state })))
    }

    /// Another client replaces it.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        if let Some(client) = &*self.lock_client() {
            client.context().set_idle(true);
        }
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// Whether all slots are free.
    pub(super) fn is_free(&self) -> bool {
        self.slots().is_empty()
    }

    /// Makes the client look up the leaders of `topic`, which it knows by now, if this is the
    /// first time; otherwise reading it would begin up to a second later. Blocks.
    fn introduce(&self, client: &Client, topic: &str) {
        let introduced = || self.introduced.lock().unwrap_or_else(PoisonError::into_inner);
        if introduced().contains(topic) {
            return;
        }
        // If it fails, the client goes on looking.
        if client.fetch_metadata(Some(topic), INTRODUCTION).is_ok() {
            introduced().insert(topic.to_owned());
        }
    }

    fn client(&self) -> Result<Arc<Client>, ReadError> {
        self.lock_client().clone().ok_or(ReadError::Closed)
    }

    /// The client says only that it failed; the reason was told to its context.
    fn failure(&self, error: &ClientError) -> ReadError {
        if self.health.is_closed() {
            return ReadError::Closed;
        }
        ReadError::Failed(match self.health.last_error() {
            Some(reason) => format!("{error}: {reason}"),
            None => error.to_string(),
        })
    }

    fn lock_client(&self) -> MutexGuard<'_, Option<Arc<Client>>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Key, Arc<SlotState>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlotState {
    fn queue(&self) -> MutexGuard<'_, Option<PartitionQueue<Events>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FetchSlot {
    /// Reads from `position` on. Blocks for a moment.
    pub(super) fn start(&self, position: u64) -> Result<(), ReadError> {
        let client = self.0.consumer.client()?;
        let (topic, partition) = &self.0.key;
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        let mut queue = client.split_partition_queue(topic, *partition).ok_or(ReadError::Closed)?;
        let ready = Arc::clone(&self.0.state.ready);
        queue.set_nonempty_callback(move || ready.notify_one());
        // Kept before it is assigned: nothing can be fetched for a queue that is let go.
        *self.0.state.queue() = Some(queue);
        self.0.consumer.introduce(&client, topic);
        list(topic, *partition, Offset::Offset(position))
            .and_then(|list| client.incremental_assign(&list))
            .map_err(|error| self.0.consumer.failure(&error))?;
        if self.0.consumer.stop.load(Ordering::Acquire) {
            // Too late to be closed with the others.
            drop(self.0.state.queue().take());
            return Err(ReadError::Closed);
        }
        Ok(())
    }

    /// Reads from another position on. Blocks for a moment.
    pub(super) fn restart(&self, position: u64) -> Result<(), ReadError> {
        self.0.stop();
        self.start(position)
    }

    /// The next message, if one is at hand, as `take` sees it. `None`: nothing at hand.
    ///
    /// # Errors
    /// What the client says: also that the partition ends here.
    pub(super) fn poll<T>(
        &self,
        take: impl FnOnce(BorrowedMessage<'_>) -> T,
    ) -> Result<Option<T>, Polled> {
        let queue = self.0.state.queue();
        let queue = queue.as_ref().ok_or(Polled::Closed)?;
        match queue.poll(Duration::ZERO) {
            None => Ok(None),
            Some(Ok(message)) => Ok(Some(take(message))),
            Some(Err(ClientError::PartitionEOF(_))) => Err(Polled::End),
            Some(Err(error)) if is_damage(&error) => Err(Polled::Damaged(error)),
            Some(Err(error)) => Err(Polled::Error(error)),
        }
    }

    /// Resolves when there may be a message.
    pub(super) async fn ready(&self) {
        self.0.state.ready.notified().await;
    }

    /// The consumer that it is on.
    pub(super) fn consumer(&self) -> &Arc<Consumer> {
        &self.0.consumer
    }
}

impl HeldSlot {
    fn stop(&self) {
        if let Ok(client) = self.consumer.client() {
            let (topic, partition) = &self.key;
            let stopped = list(topic, *partition, Offset::Invalid)
                .and_then(|list| client.incremental_unassign(&list));
            if let Err(error) = stopped {
                tracing::debug!(topic, partition, %error, "a partition was not being read");
            }
        }
        // Only now: see above.
        drop(self.state.queue().take());
    }

    fn free(&self) {
        self.stop();
        drop(self.consumer.slots().remove(&self.key));
        self.consumer.freed.notify_all();
    }
}

impl Drop for FetchSlot {
    /// Off the threads that run async code: the client's answer may take seconds while a broker is
    /// away.
    fn drop(&mut self) {
        self.0.state.leaving.store(true, Ordering::Release);
        let held = Arc::clone(&self.0);
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || held.free())),
            Err(_) => held.free(),
        }
    }
}

/// Why a poll gave no message.
pub(super) enum Polled {
    /// All there is has been read.
    End,
    /// The consumer is closed.
    Closed,
    /// What stands in the log cannot be read.
    Damaged(ClientError),
    /// The client met another error.
    Error(ClientError),
}

/// Whether `error` says that what stands in the log cannot be read.
fn is_damage(error: &ClientError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::BadMessage
                | Code::BadCompression
                | Code::InvalidMessage
                | Code::InvalidMessageSize
                | Code::InvalidRecord
                // A batch of a format that there is not.
                | Code::NotImplemented
        )
    )
}

/// A list of one partition.
fn list(topic: &str, partition: i32, offset: Offset) -> Result<TopicPartitionList, ClientError> {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(topic, partition, offset)?;
    Ok(list)
}
