//! Topics of one test alone.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};
use wholetrace_runtime::units::{ByteSize, HumanDuration};

use crate::{KafkaConfig, client};

/// How long making topics may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A configuration of its own with `partitions`, whose topics exist.
pub(crate) async fn config(brokers: &str, partitions: u32) -> KafkaConfig {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    let name = format!("test-{now:x}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let mut config = KafkaConfig {
        brokers: brokers.split(',').map(str::to_owned).collect(),
        group_id: name.clone(),
        session_timeout: HumanDuration::from_secs(6),
        heartbeat_interval: HumanDuration::from_millis(500),
        commit_interval: HumanDuration::from_millis(50),
        replication_factor: 1,
        min_insync_replicas: 1,
        ..KafkaConfig::default()
    };
    config.spans.topic = format!("{name}-spans");
    config.spans.partitions = partitions;
    config.decisions.topic = format!("{name}-decisions");
    config.dead_letters.topic = format!("{name}-dead-letters");
    config.producer.max_pending_bytes = ByteSize::mib(16);
    let admin = admin(&config);
    let topics = config.topics();
    let settings: Vec<_> = topics.iter().map(|topic| topic.kafka_settings()).collect();
    let wanted: Vec<NewTopic<'_>> = topics
        .iter()
        .zip(&settings)
        .filter(|(topic, _)| topic.holds.is_some())
        .map(|(topic, settings)| {
            let new = NewTopic::new(
                &topic.topic,
                i32::try_from(topic.partitions).unwrap(),
                TopicReplication::Fixed(i32::from(topic.replication_factor)),
            );
            settings.iter().fold(new, |new, (key, value)| new.set(key, value))
        })
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
    for made in admin.create_topics(&wanted, &options).await.expect("the broker answers") {
        made.expect("the topic is made");
    }
    // The broker answers before its own metadata has them.
    let begun = Instant::now();
    for topic in topics.iter().filter(|topic| topic.holds.is_some()) {
        while !is_told(&admin, &topic.topic) {
            assert!(begun.elapsed() < TIMEOUT, "`{}` is made, and not told of", topic.topic);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    config
}

/// Whether the broker tells of a topic, with a leader for each partition.
fn is_told(admin: &AdminClient<DefaultClientContext>, topic: &str) -> bool {
    let asked = admin.inner().fetch_metadata(Some(topic), TIMEOUT);
    let metadata = asked.expect("the broker answers");
    metadata.topics().iter().any(|topic| {
        let partitions = topic.partitions();
        topic.error().is_none()
            && !partitions.is_empty()
            && partitions.iter().all(|partition| partition.leader() >= 0)
    })
}

/// A client that changes topics.
pub(crate) fn admin(config: &KafkaConfig) -> AdminClient<DefaultClientContext> {
    client::common(config, "admin").create().expect("the settings are right")
}
