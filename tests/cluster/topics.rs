//! The topics: made, checked, described, and refused where they do not keep what is promised.

use super::{
    fleet::{Fleet, Layout},
    kafka::Kafka,
    process::wait_until,
};

const CONFIG: &str = "kafka.admin.ConfigCommand";
const TOPIC: &str = "org.apache.kafka.tools.TopicCommand";

/// Scenario: the topics are made, made again, checked, changed behind our back, checked again.
///
/// Guarantees: what exists is never altered; what is weaker than configured is said with the command
/// that mends it, and ends with 1; gateways and samplers refuse it, or start if told to.
#[test]
fn topics_are_made_once_and_held_against_what_is_promised() {
    let Some(kafka) = Kafka::shared() else { return };
    let fleet = Fleet::new(&Layout::of(&kafka.brokers));
    let spans = format!("{}-spans", fleet.name);

    let (fine, said) = fleet.topics("check");
    assert!(!fine && said.matches("does not exist").count() == 4, "{said}");
    assert!(said.contains("wholetrace topics create"), "{said}");
    for role in ["gateway", "sampler"] {
        let (code, said) = fleet.run(role, &[]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&format!("`{spans}` does not exist")), "{said}");
    }

    let (fine, said) = fleet.topics("create");
    assert!(fine && said.matches("created ").count() == 4, "{said}");
    assert!(said.contains(&format!("{spans}: 8 partitions, 3 copies")), "{said}");
    let (fine, again) = fleet.topics("create");
    assert!(fine && again.matches("exists ").count() == 4, "{again}");
    let digest = |said: &str| said.split("digest ").nth(1).map(str::trim).map(str::to_owned);
    assert!(digest(&said).is_some() && digest(&said) == digest(&again), "{said}{again}");
    let (fine, said) = fleet.topics("check");
    assert!(fine && said.matches("fine ").count() == 4, "{said}");

    let altered = ["--alter", "--entity-type", "topics", "--entity-name", &spans];
    let weak = ["--add-config", "retention.ms=60000,message.timestamp.type=CreateTime"];
    kafka.tool(CONFIG, &[&altered[..], &weak].concat());
    for action in ["check", "create", "describe"] {
        let (fine, said) = fleet.topics(action);
        assert!(!fine, "{said}");
        for expected in [
            "has retention.ms=60000, must be 86400000 or more",
            "has message.timestamp.type=CreateTime, must be LogAppendTime",
            &format!("--entity-name {spans} --add-config retention.ms=86400000"),
        ] {
            assert!(said.contains(expected), "{action}: {expected}: {said}");
        }
    }
    for role in ["gateway", "sampler"] {
        let (code, said) = fleet.run(role, &[]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("must be LogAppendTime"), "{said}");
    }

    let mut warned =
        Fleet::new(&Layout { kafka: "    weak_topics: warn\n", ..Layout::of(&kafka.brokers) });
    warned.create_topics();
    warned.expect(&[("topic `", "weak topics are told")]);
    let spans = format!("{}-spans", warned.name);
    let altered = ["--alter", "--entity-type", "topics", "--entity-name", &spans];
    kafka.tool(CONFIG, &[&altered[..], &weak].concat());
    warned.start(1, 0);
    let said = warned.gateways[0].process.output();
    assert!(said.contains("WARN") && said.contains("has retention.ms=60000"), "{said}");
    assert!(warned.gateways[0].process.stop().success());
}

/// Scenario: partitions are added to the topic of the spans, as an operator might to scale; and a
/// process is configured for another number than the fleet.
///
/// Guarantees: who would divide traces in another way than the fleet refuses to start.
#[test]
fn another_mapping_is_refused() {
    let Some(kafka) = Kafka::shared() else { return };
    let fleet = Fleet::new(&Layout::of(&kafka.brokers));
    fleet.create_topics();
    for role in ["gateway", "sampler"] {
        let (code, said) = fleet.run(role, &["log.kafka.spans.partitions=16"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("has 8 partitions, must have 16"), "{said}");
    }
    for topic in ["spans", "decisions", "dead-letters"] {
        let topic = format!("{}-{topic}", fleet.name);
        kafka.tool(TOPIC, &["--alter", "--topic", &topic, "--partitions", "16"]);
    }
    wait_until("the brokers tell of the new partitions", || {
        fleet.topics("check").1.matches("has 16 partitions, must have 8").count() == 3
    });
    for role in ["gateway", "sampler"] {
        let (code, said) = fleet.run(role, &["log.kafka.spans.partitions=16"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("the fleet divides traces among 8 partitions"), "{said}");
    }
}

/// Guarantee: who finds no broker says so, with its reason, and gives up after the time that is
/// configured.
#[test]
fn brokers_that_are_away_at_the_start_are_waited_for_and_not_for_ever() {
    let layout = Layout { kafka: "    start_timeout: 2s\n", ..Layout::of("127.0.0.1:9") };
    let fleet = Fleet::new(&layout);
    for role in ["gateway", "sampler"] {
        let (code, said) = fleet.run(role, &[]);
        assert_eq!(code, Some(1), "{said}");
        for expected in ["trying for", "no broker of `127.0.0.1:9`", "Connection refused"] {
            assert!(said.contains(expected), "{expected}: {said}");
        }
    }
    let (fine, said) = fleet.topics("check");
    assert!(!fine && said.contains("no broker of `127.0.0.1:9`"), "{said}");
}
