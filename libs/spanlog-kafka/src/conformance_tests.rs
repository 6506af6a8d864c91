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

/// As `conformance_tests!` does it, but skipped where there is no Kafka.
macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                if let Some(subject) = Kafka::start().await {
                    wholetrace_spanlog::conformance::$case(subject).await;
                }
            }
        )*
    };
}

cases!(
    positions_increase_in_order,
    kinds_epochs_and_payloads_come_back,
    topics_are_apart,
    a_dropped_append_is_still_written,
    appends_of_many_callers_all_arrive,
    full_is_answered_at_once,
    a_batch_is_written_in_order,
    a_batch_is_taken_whole_or_not_at_all,
    what_can_never_be_stored_is_refused_for_good,
    a_cursor_starts_where_it_is_told,
    a_cursor_waits_and_loses_nothing_when_cancelled,
    fetch_fits_its_bound_but_gives_at_least_one,
    several_cursors_see_the_same,
    the_extent_is_what_can_be_read,
    a_damaged_record_is_a_gap_of_one,
    a_position_beyond_the_end_is_told,
    an_answered_append_survives_a_crash,
    handles_of_a_closed_log_are_dead,
    times_are_the_same_at_every_reading,
    a_member_owns_every_partition_once,
    closing_revokes_and_waits_for_the_release,
    commits_come_back_to_the_next_owner,
);
