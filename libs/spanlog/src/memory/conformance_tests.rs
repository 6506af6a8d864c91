//! The suite over the log in memory.

use futures_util::future::BoxFuture;

use super::{MemoryConfig, MemoryLog};
use crate::{
    conformance::Subject,
    conformance_tests,
    contract::Log,
    position::{LogTime, Partition, Position},
    reader::Group,
    topic::TopicName,
};

struct Memory(MemoryLog);

impl Subject for Memory {
    fn log(&self) -> Log {
        self.0.log()
    }

    fn group(&self) -> Box<dyn Group> {
        self.0.group()
    }

    fn crash(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.0.crash(0) })
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let log = self.0.clone();
        let partitions = log.log().spans.reader.partitions();
        let released: Vec<_> = (0..partitions)
            .filter_map(|partition| log.revoke(Partition(partition), false))
            .collect();
        log.end_groups();
        Box::pin(async move {
            for released in released {
                let _gone = released.await;
            }
        })
    }

    fn restart(&mut self) -> BoxFuture<'_, ()> {
        self.crash()
    }

    fn stall(&self, stalled: bool) -> bool {
        if stalled {
            self.0.hold(TopicName::Spans);
        } else {
            self.0.resume(TopicName::Spans);
        }
        true
    }

    fn set_time(&self, time: LogTime) -> bool {
        self.0.set_time(Some(time));
        true
    }

    fn damage(&self, partition: Partition, position: Position) -> bool {
        self.0.damage(TopicName::Spans, partition, Some(position));
        true
    }
}

conformance_tests!(Memory(MemoryLog::new(MemoryConfig {
    position_gap: 2,
    ..MemoryConfig::default()
})));
