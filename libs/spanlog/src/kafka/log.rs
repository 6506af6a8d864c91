//! The handle of a log over Kafka.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rdkafka::{
    error::{IsError as _, RDKafkaErrorCode},
    producer::Producer as _,
};
use wholetrace_runtime::problems::Problems;

use super::{
    client::{self, Answer, Order},
    config::KafkaConfig,
    error::KafkaError,
    fate::Fate,
    group::{KafkaGroup, Membership},
    lanes::Lanes,
    metrics::Meters,
    producer::{KafkaWriter, Pending, Producer},
    reader::KafkaReader,
    watchdog,
};
use crate::{
    contract::{Log, Topic},
    reader::Group,
    topic::TopicName,
};

/// How long the brokers may take to answer at the start.
const CONNECT_PATIENCE: Duration = Duration::from_secs(30);

/// How long one question takes at the start, before it is asked again.
const ASK: Duration = Duration::from_secs(5);

/// How long a topic may take to be known to all brokers after it was made.
const NEW_PATIENCE: Duration = Duration::from_secs(3);

/// How long closing a client may take.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);

/// What a process does with the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Appends spans: a gateway.
    Write,
    /// Everything: a sampler.
    ReadAndWrite,
}

/// The log of a cluster. Dropping it closes it without waiting for anybody.
pub struct KafkaLog {
    config: KafkaConfig,
    shared: Arc<Shared>,
    topics: [Topic; 3],
    partitions: u32,
}

/// What closing needs.
struct Shared {
    fate: Arc<Fate>,
    meters: Arc<Meters>,
    pending: Arc<Pending>,
    producers: Vec<Arc<Producer>>,
    lanes: Arc<Lanes>,
    readers: Vec<Arc<KafkaReader>>,
    members: Mutex<Vec<Membership>>,
    /// Dropped to end the watchdog.
    watched: Mutex<Option<mpsc::Sender<()>>>,
    delivery_timeout: Duration,
}

/// What a log over Kafka looks like at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaStatus {
    /// Bytes accepted and not yet acknowledged.
    pub waiting_bytes: u64,
    /// What is wrong, if anything: no broker answers, or the group's thread hangs.
    pub trouble: Option<String>,
    /// The last problem that a client reported, if that is not long ago.
    pub last_error: Option<String>,
}

impl KafkaLog {
    /// Connects to the brokers that `config` names, and finds the topics. To write only, nothing is
    /// made that reads.
    ///
    /// # Errors
    /// [`KafkaError`], which says what to do.
    pub async fn connect(config: &KafkaConfig, access: Access) -> Result<Self, KafkaError> {
        let config = config.clone();
        let connecting = tokio::task::spawn_blocking(move || Self::open(config, access)).await;
        connecting.unwrap_or_else(|error| Err(KafkaError::Client(error.to_string())))
    }

    fn open(config: KafkaConfig, access: Access) -> Result<Self, KafkaError> {
        let mut problems = Problems::new();
        config.check("", &mut problems);
        // Warnings are told by who checks the whole configuration.
        let _warnings = problems.into_result().map_err(KafkaError::Settings)?;
        let (fate, meters) = (Arc::new(Fate::new()), Arc::new(Meters::new()));
        let pending = Arc::new(Pending::new(config.producer.max_pending_bytes.get()));
        let timeout = config.producer.delivery_timeout.get();
        let start = |order, name| {
            let settings = client::producer(&config, order);
            Producer::start(&settings, name, &fate, &meters, &pending, timeout).map(Arc::new)
        };
        let loose = start(Order::Loose, "writer")?;
        let partitions = find_topics(&config, &loose, &fate)?;
        let strict = match access {
            Access::Write => Arc::clone(&loose),
            Access::ReadAndWrite => start(Order::Strict, "ordered_writer")?,
        };
        let lanes = Arc::new(Lanes::new(
            client::reader(&config, Answer::Gathered),
            client::reader(&config, Answer::AtOnce),
            &fate,
        ));
        let readers = TopicName::ALL.map(|name| {
            Arc::new(KafkaReader::new(name, topic_of(&config, name), partitions, &lanes, &meters))
        });
        let topics = TopicName::ALL.map(|name| {
            let spans = name == TopicName::Spans;
            let writer = KafkaWriter {
                producer: Arc::clone(if spans { &loose } else { &strict }),
                fate: Arc::clone(&fate),
                meters: Arc::clone(&meters),
                pending: Arc::clone(&pending),
                name,
                topic: topic_of(&config, name).to_owned(),
                partitions,
                max_payload: config.producer.max_message_bytes.get(),
                linger: config.producer.linger.get(),
            };
            let reader = Arc::clone(&readers[name.index()]);
            Topic { writer: Arc::new(writer), reader }
        });
        let (watched, ended) = mpsc::channel();
        let shared = Arc::new(Shared {
            fate,
            meters,
            pending,
            producers: vec![loose, strict],
            lanes,
            readers: readers.to_vec(),
            members: Mutex::default(),
            watched: Mutex::new(Some(watched)),
            delivery_timeout: timeout,
        });
        let log = Self { config, shared, topics, partitions };
        log.watch(ended)?;
        Ok(log)
    }

    fn watch(&self, ended: mpsc::Receiver<()>) -> Result<(), KafkaError> {
        let shared = Arc::downgrade(&self.shared);
        let tick = move |dog: &mut watchdog::Watchdog| {
            let Some(shared) = shared.upgrade() else { return };
            let beats: Vec<u64> =
                shared.members().iter().map(|member| member.member.beats()).collect();
            dog.look(&shared.fate, &beats);
            for reader in &shared.readers {
                reader.sweep();
            }
        };
        watchdog::start(tick, ended).map_err(KafkaError::Thread)
    }

    /// Both sides of all topics.
    #[must_use]
    pub fn log(&self) -> Log {
        let [spans, decisions, dead_letters] = self.topics.clone();
        Log { spans, decisions, dead_letters }
    }

    /// How many partitions each topic has.
    #[must_use]
    pub const fn partitions(&self) -> u32 {
        self.partitions
    }

    /// Joins the group of the samplers. The member leaves it when the handle is dropped or the log
    /// closes.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn group(&self) -> Result<Box<dyn Group>, KafkaError> {
        let shared = &self.shared;
        if shared.fate.is_closed() {
            return Err(KafkaError::Closed);
        }
        let (group, membership) = KafkaGroup::join(
            &client::member(&self.config),
            &self.config.spans.topic,
            self.partitions,
            self.config.session_timeout.get(),
            &shared.fate,
            &shared.meters,
        )?;
        let mut members = shared.members();
        members.retain(|member| !member.thread.is_finished());
        members.push(membership);
        Ok(Box::new(group))
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> KafkaStatus {
        let fate = &self.shared.fate;
        KafkaStatus {
            waiting_bytes: self.shared.pending.bytes(),
            trouble: fate.worst(),
            last_error: fate.last_error(),
        }
    }

    /// Resolves with the cause when the log cannot go on and the process has to end. Not when it
    /// was closed.
    pub async fn ended(&self) -> String {
        self.shared.fate.ended().await
    }

    /// Closes the log in order: partitions are revoked and waited for, records on their way become
    /// durable, clients are closed; all of it for a bounded time. Handles that are left are dead.
    pub async fn close(&self) {
        let shared = Arc::clone(&self.shared);
        // A panic in there was told already.
        let _done = tokio::task::spawn_blocking(move || shared.close()).await;
    }
}

#[cfg(test)]
impl KafkaLog {
    /// Messages that members of the group got and should not have.
    pub(super) fn strays(&self) -> u64 {
        self.shared.members().iter().map(|member| member.member.strays()).sum()
    }

    /// How many clients read.
    pub(super) fn lanes(&self) -> usize {
        self.shared.lanes.count()
    }
}

impl Drop for KafkaLog {
    fn drop(&mut self) {
        let shared = Arc::clone(&self.shared);
        if shared.fate.is_closed() {
            return;
        }
        let closing = std::thread::Builder::new().name("wholetrace-close".to_owned());
        if let Err(error) = closing.spawn(move || shared.close()) {
            tracing::warn!(%error, "the log over Kafka was not closed in order");
        }
    }
}

impl Shared {
    fn close(&self) {
        let members = std::mem::take(&mut *self.members());
        for member in &members {
            member.member.leave();
        }
        // While they leave, what they still work on may be written.
        let patience = 2 * CLOSE_PATIENCE;
        wait_for(members.into_iter().map(|member| member.thread).collect(), patience);
        self.fate.close();
        drop(self.watched.lock().unwrap_or_else(PoisonError::into_inner).take());
        for producer in &self.producers {
            producer.close(self.delivery_timeout);
        }
        for reader in &self.readers {
            reader.close();
        }
        wait_for(self.lanes.close(), CLOSE_PATIENCE);
    }

    fn members(&self) -> MutexGuard<'_, Vec<Membership>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for threads that close clients, which may hang; at most for `patience`.
fn wait_for(threads: Vec<JoinHandle<()>>, patience: Duration) {
    let deadline = Instant::now() + patience;
    for thread in threads {
        while !thread.is_finished() {
            if Instant::now() >= deadline {
                tracing::warn!("a Kafka client does not close; it is left to the system");
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _done = thread.join();
    }
}

fn topic_of(config: &KafkaConfig, name: TopicName) -> &str {
    match name {
        TopicName::Spans => &config.spans.topic,
        TopicName::Decisions => &config.decisions.topic,
        TopicName::DeadLetters => &config.dead_letters.topic,
    }
}

/// How many partitions the topics have: all the same number.
fn find_topics(config: &KafkaConfig, producer: &Producer, fate: &Fate) -> Result<u32, KafkaError> {
    let deadline = Instant::now() + CONNECT_PATIENCE;
    let spans = &config.spans.topic;
    let expected = partitions_of(config, spans, producer, fate, deadline)?;
    for name in [TopicName::Decisions, TopicName::DeadLetters] {
        let topic = topic_of(config, name);
        let partitions = partitions_of(config, topic, producer, fate, deadline)?;
        if partitions != expected {
            let (topic, spans) = (topic.to_owned(), spans.clone());
            return Err(KafkaError::Partitions { topic, partitions, spans, expected });
        }
    }
    Ok(expected)
}

/// How many partitions `topic` has; asks until there is an answer or `deadline`.
fn partitions_of(
    config: &KafkaConfig,
    topic: &str,
    producer: &Producer,
    fate: &Fate,
    deadline: Instant,
) -> Result<u32, KafkaError> {
    let client = producer.client().ok_or(KafkaError::Closed)?;
    let new = Instant::now() + NEW_PATIENCE;
    loop {
        let asked = client.client().fetch_metadata(Some(topic), ASK);
        let over = Instant::now() >= deadline;
        match asked {
            Ok(metadata) => {
                let found = metadata.topics().iter().find(|found| found.name() == topic);
                let error = found.and_then(|found| found.error()).filter(|e| e.is_error());
                let partitions = found.map_or(0, |found| found.partitions().len());
                match error.map(RDKafkaErrorCode::from) {
                    None if partitions > 0 => {
                        return Ok(u32::try_from(partitions).unwrap_or(u32::MAX));
                    }
                    // Just made: this broker has not heard of it.
                    None | Some(RDKafkaErrorCode::UnknownTopicOrPartition)
                        if Instant::now() < new => {}
                    None | Some(RDKafkaErrorCode::UnknownTopicOrPartition) => {
                        return Err(KafkaError::NoTopic { topic: topic.to_owned() });
                    }
                    // Just made: it has no leaders yet.
                    Some(RDKafkaErrorCode::LeaderNotAvailable) if !over => {}
                    Some(code) => {
                        let (topic, reason) = (topic.to_owned(), code.to_string());
                        return Err(KafkaError::Topic { topic, reason });
                    }
                }
            }
            Err(error) if over => {
                let reason = fate.last_error().unwrap_or_else(|| error.to_string());
                let brokers = config.brokers.join(", ");
                let seconds = CONNECT_PATIENCE.as_secs();
                return Err(KafkaError::Unreachable { brokers, seconds, reason });
            }
            Err(_) => {}
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
