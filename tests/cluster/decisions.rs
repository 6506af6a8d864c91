//! What the decision log of a fleet says.

use std::collections::HashMap;

use wholetrace_proto::record::{Decision, DecisionBatch};
use wholetrace_spanlog::{Partition, RecordKind};
use wholetrace_spanlog_kafka::{
    Access, DeadLettersTopicConfig, DecisionsTopicConfig, KafkaConfig, KafkaLog, RingTopicConfig,
    SpansTopicConfig,
};

use super::fleet::Fleet;

/// The partitions of a fleet, unless its layout has others.
pub(crate) const PARTITIONS: u32 = 8;

/// Where the log of a fleet is.
pub(crate) fn config(fleet: &Fleet, brokers: &str) -> KafkaConfig {
    let topic = |what: &str| format!("{}-{what}", fleet.name);
    KafkaConfig {
        brokers: brokers.split(',').map(str::to_owned).collect(),
        spans: SpansTopicConfig {
            topic: topic("spans"),
            partitions: PARTITIONS,
            ..SpansTopicConfig::default()
        },
        decisions: DecisionsTopicConfig {
            topic: topic("decisions"),
            ..DecisionsTopicConfig::default()
        },
        dead_letters: DeadLettersTopicConfig {
            topic: topic("dead-letters"),
            ..DeadLettersTopicConfig::default()
        },
        ring: RingTopicConfig { topic: topic("ring") },
        ..KafkaConfig::default()
    }
}

/// The first decision about each trace, by its key.
pub(crate) fn decisions(fleet: &Fleet, brokers: &str) -> HashMap<u64, Decision> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let config = config(fleet, brokers);
        let log = KafkaLog::connect(&config, Access::Read).await.expect("the log");
        let reader = log.log().decisions.reader;
        let mut decisions = HashMap::new();
        for partition in (0..PARTITIONS).map(Partition) {
            let mut from = reader.extent(partition).await.expect("its extent").start;
            loop {
                let records = reader.fetch(partition, from, 1 << 20).await.expect("decisions");
                let Some(last) = records.last() else { break };
                from = last.position.next();
                let is_decisions = |kind| kind == RecordKind::Decisions;
                for record in records.iter().filter(|record| is_decisions(record.kind)) {
                    let batch = DecisionBatch::read(&record.payload).expect("decisions");
                    for decision in batch.decisions() {
                        decisions.entry(decision.key.0).or_insert(decision);
                    }
                }
            }
        }
        log.close().await;
        decisions
    })
}
