//! Asks the brokers about topics, and has them made.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    config::FromClientConfigAndContext as _,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    metadata::{Metadata, MetadataTopic},
    types::RDKafkaErrorCode,
};

use super::{
    error::TopicsError,
    reasons::Reasons,
    report::{FoundTopic, Severity, TopicReport},
};
use crate::{
    client,
    config::{KafkaConfig, TopicSettings, WeakTopics},
};

/// How long one request may take.
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// The same for the first one, which is repeated: the client goes on connecting in between.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// How long making topics may take, and until all brokers know of them.
const MAKE_WITHIN: Duration = Duration::from_secs(30);
/// Pause between two requests that wait for something.
const PAUSE: Duration = Duration::from_millis(250);
/// How often an unanswered request is told.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// What became of a topic that was to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// It did not exist.
    Created(TopicSettings),
    /// It did, and was left as it is.
    Existed(TopicSettings),
}

/// Brokers that answer requests about topics.
pub struct TopicAdmin {
    config: KafkaConfig,
    brokers: String,
    for_metadata: Arc<BaseConsumer<Reasons>>,
    admin: AdminClient<DefaultClientContext>,
}

impl TopicAdmin {
    /// Waits at most `within` until a broker answers, and says in the log that it does.
    ///
    /// # Errors
    /// [`TopicsError::Client`], or [`TopicsError::Unreachable`] with what the client says.
    pub async fn connect(config: &KafkaConfig, within: Duration) -> Result<Self, TopicsError> {
        let unusable = |error: KafkaError| TopicsError::Client(error.to_string());
        let client = client::common(config, "topics");
        let for_metadata = BaseConsumer::from_config_and_context(&client, Reasons::default());
        let this = Self {
            config: config.clone(),
            brokers: config.brokers.join(","),
            for_metadata: Arc::new(for_metadata.map_err(unusable)?),
            admin: client.create().map_err(unusable)?,
        };
        let begun = Instant::now();
        let mut told: Option<Instant> = None;
        loop {
            let error = match this.metadata(CONNECT_WITHIN).await {
                Ok(_) => return Ok(this),
                Err(error) => error,
            };
            let reason =
                this.for_metadata.client().context().last().unwrap_or_else(|| error.to_string());
            let waited = begun.elapsed();
            if waited >= within {
                let (brokers, seconds) = (this.brokers, waited.as_secs());
                return Err(TopicsError::Unreachable { brokers, seconds, reason });
            }
            if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                let left = (within - waited).as_secs();
                tracing::warn!(
                    brokers = this.brokers,
                    "no broker answers: {reason}; trying for {left} s more"
                );
                told = Some(Instant::now());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// All topics, each as it must be and as it is.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub async fn describe(&self) -> Result<Vec<TopicReport>, TopicsError> {
        let metadata = self.ask().await?;
        let mut reports = Vec::new();
        for settings in self.config.topics() {
            let found = match visible(&metadata, &settings.topic)? {
                None => None,
                Some(topic) => {
                    let mut found = layout(topic);
                    found.settings = self.settings(&settings.topic).await?;
                    Some(found)
                }
            };
            reports.push(TopicReport::new(settings, found, &self.brokers));
        }
        Ok(reports)
    }

    /// Holds the topics against what must be, before they are used. What is only weaker than
    /// configured is an error or a warning in the log, as `weak_topics` says.
    ///
    /// # Errors
    /// [`TopicsError::Unfit`] names all differences and what to do about each.
    pub async fn verify(&self) -> Result<(), TopicsError> {
        let accepted = match self.config.weak_topics {
            WeakTopics::Refuse => Severity::Unknown,
            WeakTopics::Warn => Severity::Weak,
        };
        let mut unfit = Vec::new();
        for report in self.describe().await? {
            match report.worst() {
                None => {}
                Some(worst) if worst > accepted => unfit.push(report.to_string()),
                Some(worst) => {
                    for difference in &report.differences {
                        let (topic, what) = (&report.settings.topic, &difference.what);
                        match difference.severity {
                            Severity::Remark => tracing::info!("topic `{topic}` {what}"),
                            Severity::Unknown => {
                                tracing::warn!("topic `{topic}` {what}: {}", difference.remedy);
                            }
                            _ => tracing::warn!(
                                "topic `{topic}` {what}: acknowledged spans may be lost or decided \
                                 wrongly; {}",
                                difference.remedy
                            ),
                        }
                    }
                    debug_assert!(worst <= Severity::Weak);
                }
            }
        }
        if unfit.is_empty() { Ok(()) } else { Err(TopicsError::Unfit(unfit.join("\n"))) }
    }

    /// Makes the topics that do not exist. The others are left as they are.
    ///
    /// # Errors
    /// When the brokers refuse to make one, or do not have it soon after.
    pub async fn create(&self) -> Result<Vec<Made>, TopicsError> {
        let metadata = self.ask().await?;
        let mut made = Vec::new();
        for settings in self.config.topics() {
            if topic(&metadata, &settings.topic).is_some() || !self.make(&settings).await? {
                made.push(Made::Existed(settings));
            } else {
                made.push(Made::Created(settings));
            }
        }
        self.wait_for(&made).await?;
        Ok(made)
    }

    /// Makes a topic; `false` when somebody else was faster.
    async fn make(&self, settings: &TopicSettings) -> Result<bool, TopicsError> {
        let refused = |reason: String| TopicsError::Refused {
            doing: format!("create the topic `{}`", settings.topic),
            reason,
        };
        let values = settings.kafka_settings();
        let partitions = i32::try_from(settings.partitions).unwrap_or(i32::MAX);
        let copies = TopicReplication::Fixed(i32::from(settings.replication_factor));
        let topic = values
            .iter()
            .fold(NewTopic::new(&settings.topic, partitions, copies), |topic, (name, value)| {
                topic.set(name, value)
            });
        let options = AdminOptions::new()
            .request_timeout(Some(MAKE_WITHIN))
            .operation_timeout(Some(MAKE_WITHIN));
        let results = self.admin.create_topics([&topic], &options).await;
        match results.map_err(|error| refused(error.to_string()))?.into_iter().next() {
            Some(Ok(_)) => Ok(true),
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(false),
            Some(Err((_, RDKafkaErrorCode::InvalidReplicationFactor))) => Err(refused(format!(
                "there are not {} brokers for its copies; lower `log.kafka.replication_factor`",
                settings.replication_factor
            ))),
            Some(Err((_, code))) => Err(refused(code.to_string())),
            None => Err(refused("the brokers did not say".to_owned())),
        }
    }

    /// Waits until the brokers tell of all partitions, with leaders.
    async fn wait_for(&self, made: &[Made]) -> Result<(), TopicsError> {
        let begun = Instant::now();
        loop {
            let metadata = self.ask().await?;
            let missing = made.iter().find_map(|made| {
                let (Made::Created(settings) | Made::Existed(settings)) = made;
                let there = topic(&metadata, &settings.topic).is_some_and(|topic| {
                    matches!(made, Made::Existed(_)) || layout(topic).leaderless == 0
                });
                (!there).then_some(&settings.topic)
            });
            let Some(missing) = missing else { return Ok(()) };
            if begun.elapsed() > MAKE_WITHIN {
                return Err(TopicsError::Refused {
                    doing: format!("wait for the topic `{missing}`"),
                    reason: format!("not there after {} s", MAKE_WITHIN.as_secs()),
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The settings of a topic; empty where we are not allowed to see them.
    async fn settings(&self, topic: &str) -> Result<BTreeMap<String, String>, TopicsError> {
        let refused = |reason: String| TopicsError::Refused {
            doing: format!("read the settings of the topic `{topic}`"),
            reason,
        };
        let options = AdminOptions::new().request_timeout(Some(ASK_WITHIN));
        let asked = [ResourceSpecifier::Topic(topic)];
        let results = self.admin.describe_configs(&asked, &options).await;
        let result = results.map_err(|error| refused(error.to_string()))?.into_iter().next();
        match result {
            Some(Ok(resource)) => Ok(resource
                .entries
                .into_iter()
                .filter_map(|entry| Some((entry.name, entry.value?)))
                .collect()),
            Some(Err(
                RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed,
            )) => Ok(BTreeMap::new()),
            Some(Err(code)) => Err(refused(code.to_string())),
            None => Err(refused("the brokers did not say".to_owned())),
        }
    }

    /// What the brokers tell of our topics.
    pub(super) async fn ask(&self) -> Result<Vec<Metadata>, TopicsError> {
        self.metadata(ASK_WITHIN).await.map_err(|error| {
            let reason =
                self.for_metadata.client().context().last().unwrap_or_else(|| error.to_string());
            let (brokers, seconds) = (self.brokers.clone(), ASK_WITHIN.as_secs());
            TopicsError::Unreachable { brokers, seconds, reason }
        })
    }

    /// What the brokers tell of our topics, and of no others: there may be thousands. None is created
    /// by being asked for: the client says so.
    async fn metadata(&self, within: Duration) -> Result<Vec<Metadata>, KafkaError> {
        let for_metadata = Arc::clone(&self.for_metadata);
        let topics = self.config.topics().map(|settings| settings.topic);
        let ask = move || {
            let metadata = topics
                .iter()
                .map(|topic| for_metadata.fetch_metadata(Some(topic), within))
                .collect();
            // Polling gives the reason of a failure; there are no records to miss.
            for _ in 0..1_000 {
                if for_metadata.poll(Duration::ZERO).is_none() {
                    break;
                }
            }
            metadata
        };
        tokio::task::spawn_blocking(ask).await.unwrap_or(Err(KafkaError::Canceled))
    }
}

/// The topic `name`, if it exists.
fn topic<'a>(metadata: &'a [Metadata], name: &str) -> Option<&'a MetadataTopic> {
    let mut topics = metadata.iter().flat_map(Metadata::topics);
    topics.find(|topic| topic.name() == name && !topic.partitions().is_empty())
}

/// The same, when the brokers show it to us if it does.
fn visible<'a>(
    metadata: &'a [Metadata],
    name: &str,
) -> Result<Option<&'a MetadataTopic>, TopicsError> {
    let hidden = |topic: &&MetadataTopic| {
        let code = topic.error().map(RDKafkaErrorCode::from);
        topic.name() == name && code == Some(RDKafkaErrorCode::TopicAuthorizationFailed)
    };
    match metadata.iter().flat_map(Metadata::topics).find(hidden) {
        None => Ok(topic(metadata, name)),
        Some(_) => Err(TopicsError::Refused {
            doing: format!("look at the topic `{name}`"),
            reason: "this user may not: allow it Describe on the topic".to_owned(),
        }),
    }
}

/// All of a topic but its settings.
fn layout(topic: &MetadataTopic) -> FoundTopic {
    let partitions = topic.partitions();
    let least = |count: fn(&rdkafka::metadata::MetadataPartition) -> usize| {
        let least = partitions.iter().map(count).min().unwrap_or_default();
        u16::try_from(least).unwrap_or(u16::MAX)
    };
    let leaderless = partitions.iter().filter(|partition| partition.leader() < 0).count();
    FoundTopic {
        partitions: u32::try_from(partitions.len()).unwrap_or(u32::MAX),
        replication_factor: least(|partition| partition.replicas().len()),
        in_sync: least(|partition| partition.isr().len()),
        leaderless: u32::try_from(leaderless).unwrap_or(u32::MAX),
        settings: BTreeMap::new(),
    }
}
