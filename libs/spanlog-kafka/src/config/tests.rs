//! Tests of the bounds.

use wholetrace_runtime::{problems::Problems, secret::Secret, units::HumanDuration};
use wholetrace_spanlog::TopicName;

use super::{AuthConfig, KafkaConfig, Mechanism, SaslConfig};

fn paths(config: &KafkaConfig) -> Vec<String> {
    let mut problems = Problems::new();
    config.check("log.kafka", &mut problems);
    problems.errors().iter().map(|problem| problem.path.clone()).collect()
}

#[test]
fn the_defaults_are_within_their_bounds() {
    assert_eq!(paths(&KafkaConfig::default()), Vec::<String>::new());
}

#[test]
fn all_problems_are_told_at_once() {
    let mut config = KafkaConfig {
        brokers: vec!["kafka".to_owned(), "kafka:9092,other:9092".to_owned()],
        group_id: String::new(),
        heartbeat_interval: HumanDuration::from_secs(4),
        replication_factor: 1,
        auth: AuthConfig {
            sasl: Some(SaslConfig {
                mechanism: Mechanism::ScramSha512,
                username: "me".to_owned(),
                password: Secret::default(),
                password_file: None,
                oauth: None,
            }),
        },
        ..KafkaConfig::default()
    };
    config.decisions.topic = config.spans.topic.clone();
    config.ring.topic = "a/b".to_owned();
    config.decisions.retention = HumanDuration::from_secs(3_600);
    assert_eq!(
        paths(&config),
        [
            "log.kafka.brokers",
            "log.kafka.brokers",
            "log.kafka.auth.sasl.password",
            "log.kafka.group_id",
            "log.kafka.heartbeat_interval",
            "log.kafka.min_insync_replicas",
            "log.kafka.decisions.topic",
            "log.kafka.ring.topic",
            "log.kafka.decisions.retention",
        ]
    );
}

#[test]
fn a_password_comes_from_one_place_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (there, empty) = (folder.path().join("there"), folder.path().join("empty"));
    std::fs::write(&there, "hunter2\n").unwrap();
    std::fs::write(&empty, "\n").unwrap();
    let missing = folder.path().join("missing");
    let at = "log.kafka.auth.sasl.password_file";
    for (password, file, expected) in [
        ("", there.clone(), &[][..]),
        ("beside", there, &[at]),
        ("", empty, &[at]),
        ("", missing, &[at]),
    ] {
        let sasl = SaslConfig {
            mechanism: Mechanism::ScramSha512,
            username: "me".to_owned(),
            password: Secret::new(password),
            password_file: Some(file),
            oauth: None,
        };
        let auth = AuthConfig { sasl: Some(sasl) };
        assert_eq!(paths(&KafkaConfig { auth, ..KafkaConfig::default() }), expected);
    }
}

#[test]
fn topics_are_as_the_promise_wants_them() {
    let topics = KafkaConfig::default().topics();
    let holds: Vec<_> = topics.iter().map(|topic| topic.holds).collect();
    let [spans, decisions, letters] = TopicName::ALL.map(Some);
    assert_eq!(holds, [spans, decisions, letters, None]);
    for topic in &topics[..3] {
        assert_eq!((topic.partitions, topic.replication_factor), (16, 3));
        let settings = topic.kafka_settings();
        assert!(settings.contains(&("message.timestamp.type", "LogAppendTime".to_owned())));
        assert!(settings.contains(&("min.insync.replicas", "2".to_owned())));
    }
    assert_eq!(topics[3].partitions, 1);
    assert!(topics[3].kafka_settings().contains(&("cleanup.policy", "compact".to_owned())));
}
