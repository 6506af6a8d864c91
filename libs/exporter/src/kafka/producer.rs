//! The client that writes, and the brokers' answers.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext},
};
use tokio::sync::oneshot;
use wholetrace_kafka::{Reports, WatchedFiles, count};

use super::messages::Message;
use crate::{
    config::kafka::{KafkaExporterConfig, KeyHasher},
    contract::ExportError,
};

/// How long a poll waits for answers. The last millisecond of it is spent turning in a circle.
const POLL: Duration = Duration::from_millis(500);

/// Room for the head of a batch around the largest message.
const OVERHEAD: u64 = 64 << 10;

/// What a batch of messages that are not large may have, uncompressed.
const BATCH: u64 = 1_000_000;

type Client = BaseProducer<Deliveries>;

/// Writes to one topic. Its client is made anew when it cannot go on, or when certificates change.
pub(super) struct Producer {
    name: String,
    config: KafkaExporterConfig,
    current: Mutex<Current>,
}

struct Current {
    client: Arc<Client>,
    files: WatchedFiles,
}

impl Producer {
    /// # Errors
    /// When the client does not take its settings.
    pub(super) fn new(name: &str, config: &KafkaExporterConfig) -> Result<Self, KafkaError> {
        let files = WatchedFiles::new(&config.connection());
        let current = Mutex::new(Current { client: start(name, config)?, files });
        Ok(Self { name: name.to_owned(), config: config.clone(), current })
    }

    /// Hands `messages` to the client, all of them or as many as it takes. Blocks for milliseconds.
    pub(super) fn send(&self, messages: &[Message]) -> Sent {
        let client = self.client();
        let (answer, answered) = oneshot::channel();
        let delivery = Arc::new(Delivery {
            topic: self.config.topic().to_owned(),
            seconds: self.config.timeout.get().as_secs_f64(),
            state: Mutex::new(State { left: messages.len(), failed: None, answer: Some(answer) }),
        });
        for (index, message) in messages.iter().enumerate() {
            let record = BaseRecord::<str, [u8], Arc<Delivery>>::with_opaque_to(
                &delivery.topic,
                Arc::clone(&delivery),
            )
            .payload(message.value.as_slice());
            let record = match &message.key {
                Some(key) => record.key(key.as_str()),
                None => record,
            };
            if let Err((error, _)) = client.send(record) {
                let left = messages.len() - index;
                delivery.settle(left, Some(delivery.failure(&error, &client.context().reports)));
                break;
            }
        }
        if messages.is_empty() {
            delivery.settle(0, None);
        }
        Sent { answered, _client: client }
    }

    /// The client. It is made anew where it cannot go on, or where its files have changed; messages that
    /// it has go on with it.
    fn client(&self) -> Arc<Client> {
        let mut current = self.current();
        let fatal = current.client.context().reports.is_fatal();
        if !current.files.have_changed() && !fatal {
            return Arc::clone(&current.client);
        }
        let (exporter, files) = (&self.name, current.files.names());
        match start(&self.name, &self.config) {
            Ok(client) => {
                tracing::info!(exporter, fatal, files, "the Kafka client was made anew");
                current.client = client;
            }
            Err(error) => tracing::warn!(
                exporter, %error, files,
                "the Kafka client cannot be made anew, and goes on as it was: put files there that \
                 belong together"
            ),
        }
        Arc::clone(&current.client)
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client, served by a thread of its own until it is dropped.
fn start(name: &str, config: &KafkaExporterConfig) -> Result<Arc<Client>, KafkaError> {
    let settings = settings(config);
    let deliveries = Deliveries { reports: Reports::new(name, &settings) };
    let client: Arc<Client> = Arc::new(settings.create_with_context(deliveries)?);
    let polled = Arc::downgrade(&client);
    let poll = move || {
        while let Some(client) = polled.upgrade() {
            client.poll(POLL);
            client.context().reports.remind(client.client());
        }
    };
    std::thread::Builder::new()
        .name("wholetrace-kafka-exporter".to_owned())
        .spawn(poll)
        .map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
    Ok(client)
}

/// The settings of the client; those of every client are in the crate `wholetrace-kafka`.
fn settings(config: &KafkaExporterConfig) -> ClientConfig {
    let producer = &config.producer;
    let timeout = config.timeout.as_millis();
    let largest = producer.max_message_bytes.get();
    let queue = config.sending_queue.queue_size.get().saturating_mul(4) >> 10;
    let hasher = match config.record_partitioner.sticky_key.hasher {
        KeyHasher::SaramaCompat => "fnv1a_random",
        KeyHasher::Murmur2 => "murmur2_random",
    };
    let mut client = config.connection().client("exporter");
    client
        // Delivered means that `min.insync.replicas` brokers have it.
        .set("acks", "all")
        // What is repeated is there once. Where it cannot go on, it is made anew.
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", timeout.to_string())
        // A request that hangs is sent again, to a new leader perhaps, while there is still time.
        .set("request.timeout.ms", (timeout / 2).clamp(1, 5_000).to_string())
        .set("retry.backoff.max.ms", "500")
        .set("linger.ms", producer.linger.as_millis().to_string())
        .set("compression.codec", producer.compression.as_str())
        .set("message.max.bytes", (largest + OVERHEAD).to_string())
        // What the topic takes as one batch; a larger message goes alone.
        .set("batch.size", largest.min(BATCH).to_string())
        .set("partitioner", hasher)
        .set("allow.auto.create.topics", producer.allow_auto_topic_creation.to_string())
        // The queue of the exporter is the bound, and is lower: JSON is larger than what it holds.
        .set("queue.buffering.max.messages", "0")
        .set("queue.buffering.max.kbytes", queue.clamp(1, 2_000_000).to_string());
    count(&mut client);
    client
}

/// Messages that are with the client.
pub(super) struct Sent {
    answered: oneshot::Receiver<Result<(), ExportError>>,
    /// Lives until it has answered, also when another one has taken its place.
    _client: Arc<Client>,
}

impl Sent {
    /// Resolves when the brokers have acknowledged all of them, or some never will be.
    pub(super) async fn acknowledged(self) -> Result<(), ExportError> {
        self.answered.await.unwrap_or_else(|_| Err(ExportError::retryable("the client has ended")))
    }
}

/// The messages of one batch until all are answered.
pub(super) struct Delivery {
    topic: String,
    /// How long they may take.
    seconds: f64,
    state: Mutex<State>,
}

struct State {
    left: usize,
    failed: Option<ExportError>,
    answer: Option<oneshot::Sender<Result<(), ExportError>>>,
}

impl Delivery {
    /// Notes that `messages` are answered. The first failure counts, unless a later one says that the
    /// spans are at fault.
    fn settle(&self, messages: usize, failed: Option<ExportError>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.left = state.left.saturating_sub(messages);
        if let Some(failed) = failed
            && (state.failed.is_none() || matches!(failed, ExportError::Rejected { .. }))
        {
            state.failed = Some(failed);
        }
        if state.left == 0
            && let Some(answer) = state.answer.take()
        {
            // Who asked may be gone: the messages are written all the same.
            let _gone = answer.send(state.failed.take().map_or(Ok(()), Err));
        }
    }

    /// What an error of a message means.
    fn failure(&self, error: &KafkaError, reports: &Reports) -> ExportError {
        use RDKafkaErrorCode as Code;
        let topic = &self.topic;
        let said = || reports.last_error().unwrap_or_else(|| error.to_string());
        match error.rdkafka_error_code() {
            Some(Code::MessageTimedOut | Code::RequestTimedOut | Code::OperationTimedOut) => {
                let seconds = self.seconds;
                ExportError::retryable(format!(
                    "Kafka has not acknowledged messages for the topic `{topic}` within {seconds} s: {}",
                    said()
                ))
            }
            Some(Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend) => {
                ExportError::retryable(format!(
                    "fewer brokers are up than `min.insync.replicas` of the topic `{topic}` asks for"
                ))
            }
            Some(
                Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::MessageBatchTooLarge,
            ) => ExportError::Rejected {
                message: format!(
                    "the topic `{topic}` takes no messages of this size: raise its \
                         `max.message.bytes`, or lower `producer.max_message_bytes`"
                ),
            },
            Some(Code::InvalidRecord) => {
                ExportError::Rejected { message: format!("the topic `{topic}` says: {error}") }
            }
            Some(
                Code::UnknownTopic
                | Code::UnknownTopicOrPartition
                | Code::UnknownPartition
                | Code::InvalidTopic
                | Code::TopicAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::PolicyViolation
                | Code::Authentication
                | Code::SaslAuthenticationFailed,
            ) => ExportError::Misconfigured {
                message: format!(
                    "the topic `{topic}` cannot be written to: {error}: create it, or let this user \
                     write there"
                ),
            },
            _ => ExportError::retryable(format!("the topic `{topic}`: {}", said())),
        }
    }
}

/// Takes the brokers' answers.
pub(super) struct Deliveries {
    reports: Reports,
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Arc<Delivery>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivery: Arc<Delivery>) {
        let failed = result.as_ref().err().map(|(error, _)| delivery.failure(error, &self.reports));
        delivery.settle(1, failed);
    }
}

impl ClientContext for Deliveries {
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
