//! The writing side.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message,
    config::RDKafkaLogLevel,
    error::{KafkaError as ClientError, RDKafkaErrorCode},
    producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext},
};
use tokio::sync::oneshot;
use wholetrace_spanlog::{Append, AppendError, Partition, Position, Record, TopicName, Writer};

use super::{
    client::{self, Traffic},
    config::KafkaConfig,
    error::KafkaError,
    events::Events,
    header,
    health::ClientHealth,
    metrics::{Meters, Reason},
};

/// Bytes that the client keeps for a record beside its payload.
const RECORD_OVERHEAD: u64 = 256;

/// What waits to be acknowledged, in bytes; one for all writers of a log.
pub(super) struct Pending {
    bytes: AtomicU64,
    limit: u64,
}

impl Pending {
    pub(super) const fn new(limit: u64) -> Self {
        Self { bytes: AtomicU64::new(0), limit }
    }

    /// Takes room for `bytes`.
    fn take(&self, bytes: u64) -> Result<(), AppendError> {
        let room = |taken: u64| taken.checked_add(bytes).filter(|total| *total <= self.limit);
        let taken = self.bytes.fetch_update(Ordering::AcqRel, Ordering::Acquire, room);
        taken.map(drop).map_err(|waiting| AppendError::Full { waiting, limit: self.limit })
    }

    fn give_back(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }
}

/// A record that is on its way.
pub(super) struct InFlight {
    answer: oneshot::Sender<Result<Position, AppendError>>,
    topic: TopicName,
    payload: u64,
    since: Instant,
}

/// How long a poll waits for answers. The last millisecond of it is spent turning in a circle, which
/// is why the client's own polling thread, at 100 ms, costs a hundredth of a CPU when idle.
const POLL: Duration = Duration::from_millis(500);

/// How long a new client may take to get a first answer from the brokers.
const ANSWER: Duration = Duration::from_secs(10);

/// Longer than it takes to hand a record to a client.
const HAND_OVER: Duration = Duration::from_millis(500);

/// What is done about the answers of the brokers.
pub(super) struct Deliveries {
    events: Events,
    health: Arc<ClientHealth>,
    meters: Arc<Meters>,
    pending: Arc<Pending>,
    timeout: Duration,
}

type Client = BaseProducer<Deliveries>;

/// A client that writes. It can be replaced by another one with other settings.
pub(super) struct Producer {
    name: &'static str,
    traffic: Traffic,
    health: Arc<ClientHealth>,
    meters: Arc<Meters>,
    pending: Arc<Pending>,
    timeout: Duration,
    /// The largest payload that the topics take.
    max_payload: u64,
    clients: Mutex<Clients>,
}

/// The clients that a producer has at a time.
#[derive(Default)]
struct Clients {
    /// Takes records; taken out to be closed.
    current: Option<Arc<Client>>,
    /// Takes none any more, and waits for the answers to those that it has.
    previous: Option<Arc<Client>>,
}

/// One topic to write to.
pub(super) struct KafkaWriter {
    /// Each has its part of the partitions.
    pub(super) producers: Vec<Arc<Producer>>,
    pub(super) health: Arc<ClientHealth>,
    pub(super) meters: Arc<Meters>,
    pub(super) pending: Arc<Pending>,
    pub(super) name: TopicName,
    pub(super) topic: String,
    pub(super) partitions: u32,
    /// How long records gather before they come here.
    pub(super) linger: Duration,
}

impl Producer {
    /// A client for records of this `traffic`, with the settings of `config`.
    pub(super) fn start(
        config: &KafkaConfig,
        traffic: Traffic,
        health: &Arc<ClientHealth>,
        meters: &Arc<Meters>,
        pending: &Arc<Pending>,
    ) -> Result<Self, KafkaError> {
        let name = match traffic {
            Traffic::Spans => "writer",
            Traffic::Sparse => "ordered_writer",
        };
        let producer = Self {
            name,
            traffic,
            health: Arc::clone(health),
            meters: Arc::clone(meters),
            pending: Arc::clone(pending),
            timeout: config.producer.delivery_timeout.get(),
            max_payload: config.producer.max_message_bytes.get(),
            clients: Mutex::default(),
        };
        let client = producer.make(config)?;
        client.context().events.set_idle(false);
        producer.clients().current = Some(client);
        Ok(producer)
    }

    /// A client that does no work yet, served by a thread of its own until it is dropped.
    fn make(&self, config: &KafkaConfig) -> Result<Arc<Client>, KafkaError> {
        let settings = client::producer(config, self.traffic);
        let deliveries = Deliveries {
            events: Events::new(self.name, &settings, &self.health).idle(),
            health: Arc::clone(&self.health),
            meters: Arc::clone(&self.meters),
            pending: Arc::clone(&self.pending),
            timeout: self.timeout,
        };
        let client: Client = settings
            .create_with_context(deliveries)
            .map_err(|error| KafkaError::Client(error.to_string()))?;
        let client = Arc::new(client);
        let polled = Arc::downgrade(&client);
        std::thread::Builder::new()
            .name(format!("wholetrace-{}", self.name))
            .spawn(move || {
                while let Some(client) = polled.upgrade() {
                    client.poll(POLL);
                    client.context().events.remind(client.client());
                }
            })
            .map_err(KafkaError::Thread)?;
        Ok(client)
    }

    /// The client, unless it is closed.
    pub(super) fn client(&self) -> Option<Arc<Client>> {
        self.clients().current.clone()
    }

    /// Goes on with a new client with the settings of `config`, once the brokers answer that one.
    /// Records that are on their way stay with the old one. Blocks.
    ///
    /// # Errors
    /// Why it goes on with the old one.
    pub(super) fn renew(self: &Arc<Self>, config: &KafkaConfig) -> Result<(), KafkaError> {
        let client = self.make(config)?;
        client.client().fetch_metadata(Some(&config.spans.topic), ANSWER).map_err(|error| {
            let reason = client.context().events.last_error();
            KafkaError::Client(reason.unwrap_or_else(|| error.to_string()))
        })?;
        self.replace(client);
        Ok(())
    }

    /// Records go to `client` from now on.
    fn replace(self: &Arc<Self>, client: Arc<Client>) {
        let mut clients = self.clients();
        if clients.current.is_none() {
            return;
        }
        client.context().events.set_idle(false);
        clients.previous = clients.current.replace(client);
        if let Some(previous) = &clients.previous {
            previous.context().events.set_idle(true);
        }
        let (producer, previous) = (Arc::clone(self), clients.previous.clone());
        drop(clients);
        let answered = move || {
            let Some(previous) = previous else { return };
            // Somebody may just be handing a record to it.
            std::thread::sleep(HAND_OVER);
            let _answered = previous.flush(producer.timeout + HAND_OVER);
            let mut clients = producer.clients();
            if clients.previous.as_ref().is_some_and(|client| Arc::ptr_eq(client, &previous)) {
                clients.previous = None;
            }
        };
        if let Err(error) =
            std::thread::Builder::new().name(format!("wholetrace-{}", self.name)).spawn(answered)
        {
            tracing::warn!(%error, "nobody waits for the answers to a Kafka client that was replaced");
        }
    }

    /// Hands `record` to the client.
    fn send(&self, record: BaseRecord<'_, (), [u8], Box<InFlight>>) -> Result<(), AppendError> {
        let sent = self.client().ok_or(AppendError::Closed)?.send(record);
        sent.map_err(|(error, record)| {
            let payload = record.payload.map_or(0, <[u8]>::len);
            self.refusal(&error, u64::try_from(payload).unwrap_or(u64::MAX))
        })
    }

    /// Why the client did not take a record.
    fn refusal(&self, error: &ClientError, payload: u64) -> AppendError {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => {
                AppendError::Full { waiting: self.pending.bytes(), limit: self.pending.limit }
            }
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                AppendError::TooLarge { size: payload, limit: self.max_payload }
            }
            _ => AppendError::Failed(error.to_string()),
        }
    }

    /// Waits for what is on its way, at most for `timeout`, then gives it up. Blocks.
    pub(super) fn close(&self, timeout: Duration) {
        let Clients { current, previous } = std::mem::take(&mut *self.clients());
        let deadline = Instant::now() + timeout;
        for client in previous.into_iter().chain(current) {
            let left = deadline.saturating_duration_since(Instant::now());
            if let Err(error) = client.flush(left) {
                tracing::warn!(%error, "records were still on their way to Kafka when the log closed");
            }
        }
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KafkaWriter {
    /// Hands a record to the client. Room for it is taken from what is left of `batch`, if that is
    /// enough.
    fn send(
        &self,
        partition: Partition,
        record: &Record,
        batch: Option<&mut u64>,
    ) -> Result<Append, AppendError> {
        let payload = u64::try_from(record.payload.len()).unwrap_or(u64::MAX / 2);
        if self.health.is_closed() {
            return Err(AppendError::Closed);
        }
        let known = partition.0 < self.partitions;
        let number = i32::try_from(partition.0).ok().filter(|_| known).ok_or(
            AppendError::NoSuchPartition { partition: partition.0, partitions: self.partitions },
        )?;
        let producer = self.producer_of(partition).ok_or(AppendError::Closed)?;
        if payload > producer.max_payload {
            return Err(AppendError::TooLarge { size: payload, limit: producer.max_payload });
        }
        let room = payload + RECORD_OVERHEAD;
        match batch.and_then(|left| Some((left.checked_sub(room)?, left))) {
            Some((rest, left)) => *left = rest,
            None => self.pending.take(room)?,
        }
        let (answer, receiver) = oneshot::channel();
        let in_flight =
            Box::new(InFlight { answer, topic: self.name, payload, since: Instant::now() });
        let sent = producer.send(
            BaseRecord::<(), [u8], Box<InFlight>>::with_opaque_to(&self.topic, in_flight)
                .partition(number)
                .payload(&record.payload)
                .headers(header::write(record.kind, record.epoch)),
        );
        if let Err(error) = sent {
            self.pending.give_back(room);
            return Err(error);
        }
        Ok(Append::pending(receiver))
    }

    fn refused(&self, error: AppendError) -> Append {
        Append::refused(self.meters.topic(self.name).refusing(error))
    }

    fn producer_of(&self, partition: Partition) -> Option<&Producer> {
        let number = usize::try_from(partition.0).ok()?.checked_rem(self.producers.len())?;
        self.producers.get(number).map(Arc::as_ref)
    }
}

impl Writer for KafkaWriter {
    fn partitions(&self) -> u32 {
        self.partitions
    }

    fn linger(&self) -> Duration {
        self.linger
    }

    fn append(&self, partition: Partition, record: Record) -> Append {
        self.send(partition, &record, None).unwrap_or_else(|error| self.refused(error))
    }

    fn append_batch(
        &self,
        bytes: usize,
        records: &mut dyn ExactSizeIterator<Item = (Partition, Record)>,
    ) -> Result<Vec<Append>, AppendError> {
        let meters = self.meters.topic(self.name);
        if self.health.is_closed() {
            return Err(meters.refusing(AppendError::Closed));
        }
        let mut room = bytes as u64 + RECORD_OVERHEAD * records.len() as u64;
        self.pending.take(room).map_err(|error| meters.refusing(error))?;
        let send = |(partition, record): (Partition, Record)| {
            let sent = self.send(partition, &record, Some(&mut room));
            sent.unwrap_or_else(|error| self.refused(error))
        };
        let appends = records.map(send).collect();
        self.pending.give_back(room);
        Ok(appends)
    }
}

impl Deliveries {
    /// What a record that was not acknowledged is answered.
    fn failure(&self, error: &ClientError, in_flight: &InFlight) -> (Reason, AppendError) {
        use RDKafkaErrorCode as Code;
        let code = error.rdkafka_error_code();
        let said = || self.health.last_error().unwrap_or_else(|| error.to_string());
        match code {
            Some(Code::MessageTimedOut | Code::RequestTimedOut | Code::OperationTimedOut) => {
                let seconds = self.timeout.as_secs_f64();
                let text = format!("not acknowledged by Kafka within {seconds} s: {}", said());
                (Reason::TimedOut, AppendError::Failed(text))
            }
            Some(Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend) => {
                let text = "fewer brokers are up than `min_insync_replicas` asks for".to_owned();
                (Reason::NotEnoughCopies, AppendError::Failed(text))
            }
            Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize) => {
                // The topic takes less than we do: the payload is all that is known of a bound.
                let size = in_flight.payload;
                (Reason::TooLarge, AppendError::TooLarge { size, limit: size.saturating_sub(1) })
            }
            Some(Code::PurgeQueue | Code::PurgeInflight) => (Reason::Closed, AppendError::Closed),
            _ => (Reason::Failed, AppendError::Failed(error.to_string())),
        }
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<InFlight>;

    fn delivery(&self, result: &DeliveryResult<'_>, in_flight: Box<InFlight>) {
        self.pending.give_back(in_flight.payload + RECORD_OVERHEAD);
        let meters = self.meters.topic(in_flight.topic);
        let answer = match result {
            Ok(message) => {
                meters.written.increment(1);
                meters.written_bytes.increment(in_flight.payload);
                meters.delivery.record(in_flight.since.elapsed());
                Ok(Position(u64::try_from(message.offset()).unwrap_or_default()))
            }
            Err((error, _)) => {
                let (reason, error) = self.failure(error, &in_flight);
                meters.refused(reason);
                Err(error)
            }
        };
        // Who asked may be gone: the record is written all the same.
        let _gone = in_flight.answer.send(answer);
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        self.events.log(level, fac, message);
    }

    fn stats_raw(&self, json: &[u8]) {
        self.meters.waiting.set(self.pending.bytes() as f64);
        self.events.stats_raw(json);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.events.error(error, reason);
    }
}
