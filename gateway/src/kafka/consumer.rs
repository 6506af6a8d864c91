//! The client that reads, on a thread of its own.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use rdkafka::{
    ClientConfig, ClientContext, Message as _, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance},
    error::KafkaError,
    message::{BorrowedMessage, Headers as _},
};
use wholetrace_kafka::{Reports, WatchedFiles, count};
use wholetrace_runtime::budget::{ByteBudget, Lease};

use super::{
    marks::{Marks, Place, Ticket},
    metrics::SourceMetrics,
    take::Received,
};
use crate::{
    format::Metadata,
    receiver::kafka::{InitialOffset, KafkaReceiverConfig},
};

/// How long a poll waits for a message, and how often marks are handed to the client.
const POLL: Duration = Duration::from_millis(100);

/// How long the thread waits for room before it pauses its partitions and serves the group only. What
/// the client has read ahead of them is read again then.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long messages of partitions that are given away may take to be finished, so that the next owner
/// does not read them again.
const HAND_OVER: Duration = Duration::from_secs(5);

/// So many messages are on their way at a time, whatever their size.
const MESSAGES: usize = 4_096;

/// Bytes that a message costs beside its own.
const OVERHEAD: usize = 512;

/// The most that the client takes for one answer of a broker. A single batch may be larger than what was
/// asked for.
const ANSWER: u64 = 128 << 20;

/// Why a client reads no more.
#[derive(Debug)]
pub(super) enum End {
    /// It was asked to.
    Stopped,
    /// Another one is to go on, for this reason.
    Again(String),
}

/// What the thread shares with the tasks that take its messages, and with the client's callbacks.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    marks: Marks,
    /// Messages that tasks have.
    taken: usize,
    stopping: bool,
}

impl Shared {
    /// A message was taken, and is `finished` or was given up.
    pub(super) fn ended(&self, ticket: &Ticket, finished: bool) {
        let mut state = self.state();
        state.taken = state.taken.saturating_sub(1);
        if finished {
            state.marks.finish(ticket);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Nothing more is read.
    pub(super) fn stop(&self) {
        self.state().stopping = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `is_so`, or for `timeout`.
    fn wait(&self, timeout: Duration, is_so: impl Fn(&State) -> bool) {
        let waited = self.changed.wait_timeout_while(self.state(), timeout, |state| !is_so(state));
        drop(waited);
    }
}

/// A client that reads.
pub(super) struct Consumer {
    client: BaseConsumer<Context>,
    shared: Arc<Shared>,
    metrics: SourceMetrics,
    files: WatchedFiles,
    stored: Instant,
}

impl Consumer {
    /// # Errors
    /// When the client does not take its settings, or the name of a topic.
    pub(super) fn start(
        name: &str,
        config: &KafkaReceiverConfig,
        shared: &Arc<Shared>,
        metrics: &SourceMetrics,
    ) -> Result<Self, KafkaError> {
        let files = WatchedFiles::new(&config.connection());
        let settings = settings(config);
        let context = Context {
            reports: Reports::new(name, &settings),
            shared: Arc::clone(shared),
            metrics: metrics.clone(),
        };
        let client: BaseConsumer<Context> = settings.create_with_context(context)?;
        let topics: Vec<&str> = config.topics().into_iter().map(String::as_str).collect();
        client.subscribe(&topics)?;
        let (shared, metrics) = (Arc::clone(shared), metrics.clone());
        Ok(Self { client, shared, metrics, files, stored: Instant::now() })
    }

    /// Reads, and hands each message over when there is `room` for it, with its part of the room. When
    /// it is stopped, waits up to `drain` for what was handed over. Blocks.
    pub(super) fn read(
        mut self,
        room: &ByteBudget,
        drain: Duration,
        mut hand_over: impl FnMut(Received, Lease),
    ) -> End {
        let mut held = VecDeque::new();
        let mut full: Option<Instant> = None;
        let mut paused = false;
        let end = loop {
            if let Some(end) = self.end() {
                break end;
            }
            self.store_now_and_then();
            // What is of a partition that was given away is read by its next owner.
            held.retain(|received: &Received| self.shared.state().marks.has(&received.ticket));
            while let Some(received) = held.pop_front() {
                match self.make_room(&received, room) {
                    Some(lease) => hand_over(received, lease),
                    None => {
                        held.push_front(received);
                        break;
                    }
                }
            }
            self.metrics.in_flight(room.used());
            if held.is_empty() {
                full = None;
                if std::mem::take(&mut paused) {
                    self.pause(false);
                }
                held.extend(self.poll());
                continue;
            }
            let since = *full.get_or_insert_with(Instant::now);
            if since.elapsed() < PATIENCE {
                let taken = self.shared.state().taken;
                self.shared.wait(POLL, |state| state.stopping || state.taken < taken);
                continue;
            }
            // Partitions that were given to us since read on.
            if !std::mem::replace(&mut paused, true) || held.len() > 1 {
                self.pause(true);
            }
            held.extend(self.poll());
        };
        self.shared.wait(drain, |state| state.taken == 0);
        self.store();
        if let Err(error) = self.client.commit_consumer_state(CommitMode::Async) {
            // There may be nothing to commit.
            tracing::debug!(%error, "marks are not stored at the end");
        }
        self.metrics.paused(false);
        end
    }

    /// Why nothing more is to be read, if so.
    fn end(&mut self) -> Option<End> {
        if self.shared.state().stopping {
            return Some(End::Stopped);
        }
        let reports = &self.client.context().reports;
        if reports.is_fatal() {
            return Some(End::Again(reports.last_error().unwrap_or_default()));
        }
        let changed = self.files.have_changed();
        changed.then(|| End::Again(format!("{} have changed", self.files.names())))
    }

    /// Room for a message that is to be handed over; none where it has to wait.
    fn make_room(&self, received: &Received, room: &ByteBudget) -> Option<Lease> {
        let mut state = self.shared.state();
        if state.taken >= MESSAGES {
            return None;
        }
        let mut lease = room.try_lease(0)?;
        if !lease.grow_or_alone(received.bytes.len().saturating_add(OVERHEAD)) {
            return None;
        }
        state.taken += 1;
        Some(lease)
    }

    /// The next message, if one comes soon.
    fn poll(&self) -> Option<Received> {
        self.client.context().reports.remind(self.client.client());
        match self.client.poll(POLL)? {
            Ok(message) => Some(self.begin(&message)),
            Err(error) => {
                self.client.context().reports.error(&error, "");
                None
            }
        }
    }

    fn begin(&self, message: &BorrowedMessage<'_>) -> Received {
        let place = Place { topic: message.topic().to_owned(), partition: message.partition() };
        let ticket = self.shared.state().marks.begin(place, message.offset());
        // A view would hold all that was fetched with it.
        let bytes = Bytes::copy_from_slice(message.payload().unwrap_or_default());
        Received { ticket, bytes, metadata: metadata(message) }
    }

    /// Stops or goes on reading all that is ours.
    fn pause(&self, paused: bool) {
        self.metrics.paused(paused);
        let changed = self.client.assignment().and_then(|assigned| {
            if paused { self.client.pause(&assigned) } else { self.client.resume(&assigned) }
        });
        if let Err(error) = changed {
            tracing::warn!(%error, paused, "partitions cannot be paused or resumed");
        }
    }

    fn store_now_and_then(&mut self) {
        if self.stored.elapsed() >= POLL {
            self.stored = Instant::now();
            self.store();
        }
    }

    fn store(&self) {
        store(&self.client, &self.shared);
    }
}

/// Tells the client how far the log has what was read. It stores that in the group by itself.
fn store(client: &BaseConsumer<Context>, shared: &Shared) {
    let reached = shared.state().marks.take_reached();
    if reached.is_empty() {
        return;
    }
    let mut list = TopicPartitionList::new();
    for (place, position) in &reached {
        let offset = Offset::Offset(*position);
        if let Err(error) = list.add_partition_offset(&place.topic, place.partition, offset) {
            tracing::warn!(%error, "a mark cannot be stored");
        }
    }
    if let Err(error) = client.store_offsets(&list) {
        // A partition that is not ours any more: the next owner reads it from its last mark.
        tracing::debug!(%error, "marks are not stored");
    }
}

/// The headers of a message that can be those of a request.
fn metadata(message: &BorrowedMessage<'_>) -> Metadata {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    let named = headers.filter_map(|header| {
        let name = HeaderName::from_bytes(header.key.as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(header.value?).ok()?))
    });
    named.collect()
}

/// The settings of the client; those of every client are in the crate `wholetrace-kafka`.
fn settings(config: &KafkaReceiverConfig) -> ClientConfig {
    let all = config.max_fetch_size.get();
    let mut client = config.connection().client("receiver");
    client
        .set("group.id", &config.group_id)
        // A change of members moves only the partitions that have to move.
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", config.session_timeout.as_millis().to_string())
        .set("heartbeat.interval.ms", config.heartbeat_interval.as_millis().to_string())
        // What is stored is committed; and we store what the log has.
        .set("enable.auto.commit", "true")
        .set("auto.commit.interval.ms", config.autocommit.interval.as_millis().to_string())
        .set("enable.auto.offset.store", "false")
        .set(
            "auto.offset.reset",
            match config.initial_offset {
                InitialOffset::Earliest => "earliest",
                InitialOffset::Latest => "latest",
            },
        )
        .set("allow.auto.create.topics", "false")
        // A damaged message is found here, not by what it does to the spans.
        .set("check.crcs", "true")
        .set("fetch.min.bytes", config.min_fetch_size.get().to_string())
        .set("fetch.wait.max.ms", config.max_fetch_wait.as_millis().to_string())
        .set("fetch.message.max.bytes", config.max_partition_fetch_size.get().to_string())
        .set("fetch.max.bytes", all.to_string())
        .set("message.max.bytes", all.clamp(1_000, 1_000_000_000).to_string())
        .set("receive.message.max.bytes", (all * 2).max(ANSWER).to_string())
        // A full queue is looked at again after this; the default of 1 s makes hiccups.
        .set("fetch.queue.backoff.ms", "10")
        .set("queued.min.messages", "1000")
        .set("queued.max.messages.kbytes", (config.in_flight.get() >> 10).max(64).to_string());
    if let Some(id) = &config.group_instance_id {
        client.set("group.instance.id", id);
    }
    if !config.traces.exclude_topics.is_empty() {
        client.set("topic.blacklist", config.traces.exclude_topics.join(","));
    }
    count(&mut client);
    client
}

/// Takes what the client tells.
pub(super) struct Context {
    reports: Reports,
    shared: Arc<Shared>,
    metrics: SourceMetrics,
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, client: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Revoke(list) = rebalance else { return };
        let place = |topic: &str, partition| Place { topic: topic.to_owned(), partition };
        let places: Vec<Place> = list
            .elements()
            .iter()
            .map(|element| place(element.topic(), element.partition()))
            .collect();
        // What was read and is still held here is begun, and never finished by us.
        if !client.assignment_lost() {
            self.shared
                .wait(HAND_OVER, |state| state.stopping || state.marks.are_finished(&places));
            store(client, &self.shared);
        }
        let mut state = self.shared.state();
        self.metrics.revoked(state.marks.unfinished(&places));
        state.marks.forget(&places);
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        self.reports.log(level, fac, message);
    }

    fn stats_raw(&self, json: &[u8]) {
        self.reports.statistics(json);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reports.error(&error, reason);
    }
}
