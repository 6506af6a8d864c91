//! The suite over a real Kafka.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use wholetrace_spanlog::{Group, Log, LogTime, Partition, Position, conformance::Subject};

use super::{
    KafkaConfig, KafkaLog,
    log::Access,
    testing::{brokers, config},
};

struct Kafka {
    log: Arc<KafkaLog>,
    config: KafkaConfig,
}

impl Kafka {
    /// Topics of its own. `None` where there is no Kafka.
    async fn start() -> Option<Self> {
        let brokers = tokio::task::spawn_blocking(brokers).await.unwrap()?;
        let config = config(brokers, 3).await;
        let log = open(&config).await;
        Some(Self { log, config })
    }
}

async fn open(config: &KafkaConfig) -> Arc<KafkaLog> {
    Arc::new(KafkaLog::connect(config, Access::ReadAndWrite).await.unwrap())
}

impl Subject for Kafka {
    fn log(&self) -> Log {
        self.log.log()
    }

    fn group(&self) -> Box<dyn Group> {
        self.log.group().unwrap()
    }

    fn crash(&mut self) -> BoxFuture<'_, ()> {
        // What a killed process leaves behind: nothing is waited for, nothing is handed on.
        Box::pin(async { self.log = open(&self.config).await })
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let log = Arc::clone(&self.log);
        Box::pin(async move { log.close().await })
    }

    fn restart(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.log.close().await;
            self.log = open(&self.config).await;
        })
    }

    fn keeps_order(&self) -> bool {
        false
    }

    fn stall(&self, _: bool) -> bool {
        // The broker is shared with other tests; see `faults`.
        false
    }

    fn set_time(&self, _: LogTime) -> bool {
        // The broker's clock is not ours.
        false
    }

    fn damage(&self, _: Partition, _: Position) -> bool {
        // The broker's files are not ours.
        false
    }
}

// Where there is no Kafka, it says so.
wholetrace_spanlog::conformance_tests!(if Kafka::start().await);
