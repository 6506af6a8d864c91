use std::time::Duration;

use super::{FoundTopic, Severity, TopicAdmin, TopicReport};
use crate::{
    config::KafkaConfig,
    testing::{brokers, config},
};

/// A report on the spans topic, as it must be but for what `change` does to it.
fn report(change: impl FnOnce(&mut FoundTopic)) -> TopicReport {
    let [settings, ..] = KafkaConfig::default().topics();
    let mut found = FoundTopic {
        partitions: settings.partitions,
        replication_factor: 3,
        in_sync: 3,
        leaderless: 0,
        settings: settings
            .kafka_settings()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    };
    change(&mut found);
    TopicReport::new(settings, Some(found), "a:1,b:2")
}

fn with(name: &str, value: &str) -> TopicReport {
    report(|found| {
        found.settings.insert(name.to_owned(), value.to_owned());
    })
}

#[test]
fn what_keeps_the_promise_is_fine() {
    assert_eq!(report(|_| {}).differences, []);
    for (name, value) in [
        ("retention.ms", "-1"),
        ("retention.ms", "999999999999"),
        ("min.insync.replicas", "3"),
        ("max.message.bytes", "99999999"),
    ] {
        assert_eq!(with(name, value).differences, [], "{name}={value}");
    }
    assert_eq!(report(|found| found.replication_factor = 5).worst(), Some(Severity::Remark));
}

#[test]
fn what_is_weaker_is_said_with_its_remedy() {
    for (name, value) in [
        ("retention.ms", "3600000"),
        ("retention.bytes", "1000000"),
        ("min.insync.replicas", "1"),
        ("message.timestamp.type", "CreateTime"),
        ("max.message.bytes", "1048588"),
        ("unclean.leader.election.enable", "true"),
    ] {
        let report = with(name, value);
        assert_eq!(report.worst(), Some(Severity::Weak), "{name}={value}");
        let said = report.to_string();
        assert!(said.contains(&format!("has {name}={value}, must be ")), "{said}");
        let command = "--bootstrap-server a:1,b:2 --alter --entity-type topics --entity-name \
                       wholetrace-spans --add-config";
        assert!(said.contains(&format!("{command} {name}=")), "{said}");
    }
    assert_eq!(report(|found| found.replication_factor = 2).worst(), Some(Severity::Weak));
    assert_eq!(with("compression.type", "gzip").worst(), Some(Severity::Remark));
    assert_eq!(report(|found| found.in_sync = 2).worst(), Some(Severity::Remark));
}

#[test]
fn what_cannot_work_is_unusable() {
    assert_eq!(report(|found| found.partitions = 64).worst(), Some(Severity::Unusable));
    assert_eq!(with("cleanup.policy", "compact").worst(), Some(Severity::Unusable));
    assert_eq!(with("min.insync.replicas", "4").worst(), Some(Severity::Unusable));
    let [settings, ..] = KafkaConfig::default().topics();
    let missing = TopicReport::new(settings, None, "a:1");
    assert_eq!(missing.worst(), Some(Severity::Unusable));
    assert!(missing.to_string().contains("`wholetrace-spans` does not exist"));
}

/// Who may not see the settings cannot say that they are wrong.
#[test]
fn settings_that_are_not_shown_are_no_reason_to_refuse() {
    let report = report(|found| found.settings.clear());
    assert_eq!(report.worst(), Some(Severity::Unknown));
    assert!(Severity::Unknown < Severity::Weak);
    assert!(report.to_string().contains("DescribeConfigs"), "{report}");
}

/// Of the thousands of topics that a cluster may have, the brokers are asked for ours.
#[tokio::test(flavor = "multi_thread")]
async fn only_our_topics_are_asked_for() {
    let Some(brokers) = tokio::task::spawn_blocking(brokers).await.unwrap() else { return };
    let (ours, _others) = (config(brokers, 1).await, config(brokers, 1).await);
    let admin = TopicAdmin::connect(&ours, Duration::from_secs(30)).await.unwrap();
    let metadata = admin.ask().await.unwrap();
    let told = metadata.iter().flat_map(|metadata| metadata.topics());
    let told: Vec<String> = told.map(|topic| topic.name().to_owned()).collect();
    assert_eq!(told, ours.topics().map(|topic| topic.topic));
    // One of them does not exist, and does not by being asked for.
    let reports = admin.describe().await.unwrap();
    let missing: Vec<bool> = reports.iter().map(|report| report.found.is_none()).collect();
    assert_eq!(missing, [false, false, false, true]);
}
