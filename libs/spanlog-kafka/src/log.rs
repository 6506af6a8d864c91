//! The handle of a log over Kafka.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use wholetrace_runtime::problems::Problems;
use wholetrace_spanlog::{Committed, Group, Log, Topic, TopicName};

use super::{
    blocking::BlockingCalls,
    client::{self, Answer, Traffic},
    committed::KafkaCommitted,
    config::KafkaConfig,
    consumer_pool::ConsumerPool,
    discovery::{find_topics, topic_of},
    error::KafkaError,
    group::{KafkaGroup, Membership},
    health::ClientHealth,
    identity::Identities,
    metrics::Meters,
    producer::{KafkaWriter, Pending, Producer},
    reader::KafkaReader,
    renewal::{Renew, Renewal},
    watchdog,
};

/// How long closing the log may take: a little less than the process waits for it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(18);

/// What of it is left for the clients that read, whatever the others take.
const CLOSE_READERS: Duration = Duration::from_secs(3);

/// How often is looked whether a log is still the same one. Until then, what comes of a log that was
/// made anew and has grown beyond the old one is read from the middle on; then all of it is.
const COMPARE_EVERY: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });

/// What a process does with the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Appends spans: a gateway.
    Write,
    /// Reads, and writes little: a sampler.
    Read,
    /// Both in one process.
    ReadAndWrite,
}

/// The log of a cluster. Dropping it closes it without waiting for anybody.
pub struct KafkaLog {
    config: KafkaConfig,
    shared: Arc<Shared>,
    topics: [Topic; 3],
    partitions: u32,
}

/// The clients of a log, and what looks after them.
struct Shared {
    health: Arc<ClientHealth>,
    meters: Arc<Meters>,
    pending: Arc<Pending>,
    producers: Vec<Arc<Producer>>,
    consumers: Arc<ConsumerPool>,
    readers: Vec<Arc<KafkaReader>>,
    identities: Arc<Identities>,
    members: Mutex<Vec<Membership>>,
    /// Dropped to end the threads that look after the others.
    watched: Mutex<Vec<mpsc::Sender<()>>>,
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
    /// Whether a member was given its partitions, be they none.
    pub joined: bool,
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
        // Warnings are told when the whole configuration is checked.
        let _warnings = problems.into_result().map_err(KafkaError::Settings)?;
        let renewal = Renewal::mark(&config);
        let (health, meters) = (Arc::new(ClientHealth::new()), Arc::new(Meters::new()));
        let pending = Arc::new(Pending::new(config.producer.max_pending_bytes.get()));
        let timeout = config.producer.delivery_timeout.get();
        let start =
            |traffic| Producer::start(&config, traffic, &health, &meters, &pending).map(Arc::new);
        let mut kinds = vec![Traffic::Spans; usize::from(config.producer.connections.max(1))];
        match access {
            Access::Write => {}
            // It writes ticks only.
            Access::Read => kinds = vec![Traffic::Sparse],
            Access::ReadAndWrite => kinds.push(Traffic::Sparse),
        }
        let producers: Vec<_> =
            kinds.iter().map(|traffic| start(*traffic)).collect::<Result<_, _>>()?;
        let for_spans = kinds.iter().filter(|traffic| **traffic == Traffic::Spans).count().max(1);
        let (Some(first), Some(sparse)) = (producers.first(), producers.last()) else {
            return Err(KafkaError::Closed);
        };
        let partitions = find_topics(&config, first, &health)?;
        let consumers = Arc::new(ConsumerPool::new(
            client::reader(&config, Answer::Gathered),
            client::reader(&config, Answer::AtOnce),
            &health,
        ));
        let identities = Arc::new(Identities::default());
        let readers = TopicName::ALL.map(|name| {
            let topic = topic_of(&config, name);
            let reader =
                KafkaReader::new(name, topic, partitions, &consumers, &meters, &identities);
            Arc::new(reader)
        });
        let topics = TopicName::ALL.map(|name| {
            let spans = name == TopicName::Spans;
            let writer = KafkaWriter {
                producers: if spans {
                    producers.iter().take(for_spans).cloned().collect()
                } else {
                    vec![Arc::clone(sparse)]
                },
                health: Arc::clone(&health),
                meters: Arc::clone(&meters),
                pending: Arc::clone(&pending),
                name,
                topic: topic_of(&config, name).to_owned(),
                partitions,
                linger: config.producer.linger.get(),
            };
            let reader = Arc::clone(&readers[name.index()]);
            Topic { writer: Arc::new(writer), reader }
        });
        let shared = Arc::new(Shared {
            health,
            meters,
            pending,
            producers,
            consumers,
            readers: readers.to_vec(),
            identities,
            members: Mutex::default(),
            watched: Mutex::default(),
            delivery_timeout: timeout,
        });
        let log = Self { config, shared, topics, partitions };
        log.watch()?;
        log.watch_files(renewal)?;
        if access != Access::Write {
            log.compare()?;
        }
        Ok(log)
    }

    fn watch(&self) -> Result<(), KafkaError> {
        let (watched, ended) = mpsc::channel();
        self.shared.watched().push(watched);
        let shared = Arc::downgrade(&self.shared);
        let tick = move |dog: &mut watchdog::Watchdog| {
            let Some(shared) = shared.upgrade() else { return };
            let beats: Vec<u64> =
                shared.members().iter().map(|member| member.member.beats()).collect();
            dog.look(&shared.health, &beats);
            for reader in &shared.readers {
                reader.sweep();
            }
            shared.consumers.sweep();
        };
        watchdog::start(tick, ended).map_err(KafkaError::Thread)
    }

    /// Has clients made anew when the files that they read have changed.
    fn watch_files(&self, renewal: Renewal) -> Result<(), KafkaError> {
        let Some(interval) = renewal.interval() else { return Ok(()) };
        let (watched, ended) = mpsc::channel();
        self.shared.watched().push(watched);
        let shared = Arc::downgrade(&self.shared);
        let thread = std::thread::Builder::new().name("wholetrace-files".to_owned());
        let run = move || renewal.run(&shared, interval, &ended);
        thread.spawn(run).map(drop).map_err(KafkaError::Thread)
    }

    /// Looks now and then whether the logs are still the ones that are being read.
    fn compare(&self) -> Result<(), KafkaError> {
        let (watched, ended) = mpsc::channel();
        self.shared.watched().push(watched);
        let shared = Arc::downgrade(&self.shared);
        let compare = move || {
            while ended.recv_timeout(COMPARE_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                let Some(shared) = shared.upgrade() else { return };
                for reader in &shared.readers {
                    if let Err(error) = reader.compare() {
                        tracing::debug!("not known whether a log is the same: {error}");
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("wholetrace-same".to_owned());
        thread.spawn(compare).map(drop).map_err(KafkaError::Thread)
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
        if shared.health.is_closed() {
            return Err(KafkaError::Closed);
        }
        let (group, membership) = KafkaGroup::join(
            &client::member(&self.config),
            &self.config.spans.topic,
            self.partitions,
            (self.config.session_timeout.get(), self.config.commit_interval.get()),
            &shared.health,
            &shared.meters,
            &shared.identities,
        )?;
        let mut members = shared.members();
        members.retain(|member| !member.thread.is_finished());
        members.push(membership);
        Ok(Box::new(group))
    }

    /// What the group has committed, for those that only look.
    #[must_use]
    pub fn checkpoints(&self) -> Arc<dyn Committed> {
        Arc::new(KafkaCommitted {
            consumers: Arc::clone(&self.shared.consumers),
            blocking: BlockingCalls::new(),
            topic: Arc::from(self.config.spans.topic.as_str()),
            partitions: self.partitions,
        })
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> KafkaStatus {
        let health = &self.shared.health;
        KafkaStatus {
            waiting_bytes: self.shared.pending.bytes(),
            trouble: health.worst(),
            last_error: health.last_error(),
            joined: self.shared.members().iter().any(|member| member.member.has_joined()),
        }
    }

    /// Resolves with the cause when the log cannot go on and the process has to end. Not when it
    /// was closed.
    pub async fn ended(&self) -> String {
        self.shared.health.ended().await
    }

    /// The same cause, if there is one.
    #[must_use]
    pub fn cause(&self) -> Option<String> {
        self.shared.health.cause()
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

    /// Has all clients made anew, as when files have changed. Blocks.
    pub(super) fn renew(&self) {
        self.shared.renew(&self.config).unwrap();
        self.shared.rejoin(&self.config).unwrap();
    }

    /// The same for clients that ask `broker`.
    pub(super) async fn renew_for(&self, broker: &str) -> Result<(), KafkaError> {
        let (shared, mut config) = (Arc::clone(&self.shared), self.config.clone());
        config.brokers = vec![broker.to_owned()];
        tokio::task::spawn_blocking(move || shared.renew(&config)).await.unwrap()
    }

    /// How many clients read.
    pub(super) fn consumers(&self) -> usize {
        self.shared.consumers.count()
    }
}

impl Drop for KafkaLog {
    fn drop(&mut self) {
        let shared = Arc::clone(&self.shared);
        if shared.health.is_closed() {
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
        let deadline = Instant::now() + CLOSE_TIMEOUT;
        let writers = deadline - CLOSE_READERS;
        let members = std::mem::take(&mut *self.members());
        for member in &members {
            member.member.leave();
        }
        // While they leave, what they still work on may be written.
        wait_for(members.into_iter().map(|member| member.thread).collect(), writers);
        self.health.close();
        self.watched().clear();
        for producer in &self.producers {
            let left = writers.saturating_duration_since(Instant::now());
            producer.close(self.delivery_timeout.min(left));
        }
        for reader in &self.readers {
            reader.let_go();
        }
        wait_for(self.consumers.close(), deadline);
    }

    fn watched(&self) -> MutexGuard<'_, Vec<mpsc::Sender<()>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn members(&self) -> MutexGuard<'_, Vec<Membership>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Renew for Shared {
    fn renew(&self, config: &KafkaConfig) -> Result<(), KafkaError> {
        for producer in &self.producers {
            producer.renew(config)?;
        }
        self.consumers.renew(
            client::reader(config, Answer::Gathered),
            client::reader(config, Answer::AtOnce),
        );
        for reader in &self.readers {
            reader.let_go();
        }
        Ok(())
    }

    fn rejoin(&self, config: &KafkaConfig) -> Result<(), KafkaError> {
        for member in &*self.members() {
            let renewed = member.member.renew(&client::member(config));
            renewed.map_err(|error| KafkaError::Client(error.to_string()))?;
        }
        Ok(())
    }

    fn are_outdated(&self, outdated: bool) {
        self.meters.outdated.set(f64::from(u8::from(outdated)));
    }
}

/// Waits for threads that close clients, which may hang; at most until `deadline`.
fn wait_for(threads: Vec<JoinHandle<()>>, deadline: Instant) {
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
