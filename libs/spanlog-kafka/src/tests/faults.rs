//! Faults that a real broker cannot be made to show at will, with the client's own mock of one.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use futures_util::future::BoxFuture;
use rdkafka::{
    mocking::MockCluster,
    producer::DefaultProducerContext,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};
use wholetrace_runtime::units::{ByteSize, HumanDuration};
use wholetrace_spanlog::{
    AppendError, Checkpoint, Group, GroupEvent, Log, LogTime, Partition, Position, ReadError,
    Record, Start,
    conformance::{
        Subject, a_batch_is_taken_whole_or_not_at_all, a_batch_is_written_in_order,
        full_is_answered_at_once, positions_increase_in_order,
    },
};

use super::{P0, fill, in_time, open};
use crate::{KafkaConfig, KafkaError, KafkaLog, log::Access};

type Cluster = MockCluster<'static, DefaultProducerContext>;

/// A mock of one broker. It stays on the thread that made it, and does there what it is told.
pub(super) struct Mock(mpsc::Sender<Order>);

type Order = Box<dyn FnOnce(&Cluster) + Send>;

impl Mock {
    fn start() -> Self {
        let (sender, orders) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            let cluster = MockCluster::new(1).unwrap();
            orders.into_iter().for_each(|order| order(&cluster));
        });
        Self(sender)
    }

    fn tell<T: Send + 'static>(&self, order: impl FnOnce(&Cluster) -> T + Send + 'static) -> T {
        let (done, result) = mpsc::channel();
        self.0.send(Box::new(move |cluster| done.send(order(cluster)).unwrap())).unwrap();
        result.recv().unwrap()
    }

    pub(super) fn fail(&self, request: RDKafkaApiKey, error: RDKafkaRespErr, times: usize) {
        self.tell(move |cluster| cluster.request_errors(request, &vec![error; times]));
    }

    fn down(&self) {
        self.tell(|cluster| cluster.broker_down(1)).unwrap();
    }

    fn up(&self) {
        self.tell(|cluster| cluster.broker_up(1)).unwrap();
    }
}

pub(super) fn mocked() -> (Mock, KafkaConfig) {
    let mock = Mock::start();
    let brokers = mock.tell(Cluster::bootstrap_servers);
    let mut config = KafkaConfig {
        brokers: brokers.split(',').map(str::to_owned).collect(),
        session_timeout: HumanDuration::from_secs(6),
        heartbeat_interval: HumanDuration::from_millis(500),
        ..KafkaConfig::default()
    };
    config.producer.max_pending_bytes = ByteSize::mib(16);
    config.spans.partitions = 2;
    for topic in config.topics() {
        mock.tell(move |cluster| cluster.create_topic(&topic.topic, 2, 1)).unwrap();
    }
    (mock, config)
}

/// A log whose brokers refuse what is written, in a way that makes the client try again.
struct Refusing {
    mock: Mock,
    log: Arc<KafkaLog>,
}

impl Subject for Refusing {
    fn log(&self) -> Log {
        self.log.log()
    }

    fn group(&self) -> Box<dyn Group> {
        self.log.group().unwrap()
    }

    fn crash(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }

    fn restart(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn keeps_order(&self) -> bool {
        false
    }

    fn stall(&self, stalled: bool) -> bool {
        if stalled {
            let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS;
            self.mock.fail(RDKafkaApiKey::Produce, refusal, 10_000);
        } else {
            self.mock.tell(|cluster| cluster.clear_request_errors(RDKafkaApiKey::Produce));
        }
        true
    }

    fn set_time(&self, _: LogTime) -> bool {
        false
    }

    fn damage(&self, _: Partition, _: Position) -> bool {
        false
    }
}

/// Kafka takes nothing for a while: the bound holds, the answer comes at once, and nothing that was
/// accepted is lost.
#[tokio::test(flavor = "multi_thread")]
async fn full_is_answered_at_once_while_kafka_takes_nothing() {
    let (mock, mut config) = mocked();
    config.producer.delivery_timeout = HumanDuration::from_secs(60);
    let log = open(&config).await;
    full_is_answered_at_once(Refusing { mock, log }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_taken_whole_or_not_at_all_while_kafka_takes_nothing() {
    let (mock, mut config) = mocked();
    config.producer.delivery_timeout = HumanDuration::from_secs(60);
    let log = open(&config).await;
    a_batch_is_taken_whole_or_not_at_all(Refusing { mock, log }).await;
}

/// A broker that leads a partition no more, as when topics were just made: what it refused is sent
/// again, and stands in the log once.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_is_written_once() {
    let moved = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
    for _ in 0..3 {
        let (mock, config) = mocked();
        let log = open(&config).await;
        mock.fail(RDKafkaApiKey::Produce, moved, 1);
        positions_increase_in_order(Refusing { mock, log }).await;
        let (mock, config) = mocked();
        let log = open(&config).await;
        mock.fail(RDKafkaApiKey::Produce, moved, 2);
        a_batch_is_written_in_order(Refusing { mock, log }).await;
    }
}

/// Brokers that are away: a retryable answer within the configured time, and all is well once they
/// are back.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_answered_in_time_and_gets_over_by_itself() {
    let (mock, mut config) = mocked();
    config.producer.delivery_timeout = HumanDuration::from_secs(1);
    let log = open(&config).await;
    let spans = log.log().spans;
    fill(&spans, P0, 3, 10).await;
    mock.down();
    let error = in_time(spans.writer.append(P0, Record::tick())).await.unwrap_err();
    assert!(matches!(error, AppendError::Failed(_)) && error.is_retryable(), "{error}");
    assert!(error.to_string().contains("within 1 s"), "{error}");
    assert_eq!(log.status().waiting_bytes, 0);
    assert!(log.status().last_error.is_some());
    mock.up();
    let after = async {
        while let Err(error) = spans.writer.append(P0, Record::tick()).await {
            assert!(error.is_retryable(), "{error}");
        }
    };
    in_time(after).await;
}

/// The coordinator is away: a commit is answered all the same, and closing does not hang.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_without_a_coordinator_fails_in_time_and_closing_does_not_hang() {
    let (mock, config) = mocked();
    let log = open(&config).await;
    let mut group = log.group().unwrap();
    let mut owned = 0;
    while owned < 2 {
        let event = in_time(group.next()).await.unwrap().unwrap();
        assert!(matches!(event, GroupEvent::Assigned { committed: None, .. }), "{event:?}");
        owned += 1;
    }
    let committer = group.committer();
    let checkpoint = |position| Checkpoint { position: Position(position), metadata: "m".into() };
    in_time(committer.commit(P0, checkpoint(1))).await.unwrap();
    mock.down();
    let error = in_time(committer.commit(Partition(1), checkpoint(1))).await.unwrap_err();
    assert!(matches!(error, ReadError::Failed(_) | ReadError::NotOwner(1)), "{error}");
    drop(group);
    in_time(log.close()).await;
    let closed = in_time(committer.commit(P0, checkpoint(2))).await.unwrap_err();
    assert_eq!(closed, ReadError::Closed);
}

/// A commit that is overtaken by a rebalance is tried again while the partition is ours: nobody need
/// be told.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_an_old_generation_is_tried_again() {
    let (mock, config) = mocked();
    let log = open(&config).await;
    let mut group = log.group().unwrap();
    for _ in 0..2 {
        in_time(group.next()).await.unwrap().unwrap();
    }
    let committer = group.committer();
    let racing = RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
    mock.fail(RDKafkaApiKey::OffsetCommit, racing, 2);
    let checkpoint = Checkpoint { position: Position(9), metadata: String::new() };
    in_time(committer.commit(P0, checkpoint)).await.unwrap();
}

/// Checkpoints wait for each other, so that a process asks once for all of its partitions; not
/// those that somebody waits for.
#[tokio::test(flavor = "multi_thread")]
async fn commits_gather_and_those_at_once_do_not() {
    let (_mock, mut config) = mocked();
    config.commit_interval = HumanDuration::from_secs(60);
    let log = open(&config).await;
    let mut group = log.group().unwrap();
    for _ in 0..2 {
        in_time(group.next()).await.unwrap().unwrap();
    }
    let committer = group.committer();
    let checkpoint = |position| Checkpoint { position: Position(position), metadata: "m".into() };
    // The first one has nothing to wait for.
    in_time(committer.commit(P0, checkpoint(1))).await.unwrap();
    let mut waiting = futures_util::future::join(
        committer.commit(P0, checkpoint(2)),
        committer.commit(Partition(1), checkpoint(2)),
    );
    let soon = tokio::time::timeout(Duration::from_millis(500), &mut waiting).await;
    assert!(soon.is_err(), "{soon:?}");
    // With it goes what waits.
    in_time(committer.commit_at_once(Partition(1), checkpoint(3))).await.unwrap();
    let (first, second) = in_time(waiting).await;
    first.unwrap();
    second.unwrap();
}

/// Brokers that do not let us read say so all the time, and so do we; and once they do, all is read.
#[tokio::test(flavor = "multi_thread")]
async fn not_being_allowed_to_read_is_told_until_it_is_over() {
    let (mock, config) = mocked();
    let log = open(&config).await;
    let spans = log.log().spans;
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    mock.fail(RDKafkaApiKey::Fetch, refusal, 100_000);
    let mut cursor = in_time(spans.reader.open(P0, Start::Earliest)).await.unwrap();
    for _ in 0..3 {
        let error = in_time(cursor.next(1)).await.unwrap_err();
        assert!(error.to_string().contains("allow this user Read"), "{error}");
    }
    mock.tell(|cluster| cluster.clear_request_errors(RDKafkaApiKey::Fetch));
    fill(&spans, P0, 1, 10).await;
    let read = async {
        loop {
            if let Ok(frames) = cursor.next(1).await {
                return frames;
            }
        }
    };
    assert_eq!(in_time(read).await.len(), 1);
}

/// Nobody there: the error names who was asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_topic_is_told_by_name() {
    let (_mock, mut config) = mocked();
    config.decisions.topic = "not-made".to_owned();
    let error = in_time(KafkaLog::connect(&config, Access::Write)).await.map(drop).unwrap_err();
    assert!(matches!(&error, KafkaError::NoTopic { topic } if topic == "not-made"), "{error}");
    config.decisions.topic = config.ring.topic.clone();
    let error = KafkaLog::connect(&config, Access::Write).await.map(drop).unwrap_err();
    assert!(matches!(error, KafkaError::Settings(_)), "{error}");
}

/// A gateway reads nothing: no client for it is made.
#[tokio::test(flavor = "multi_thread")]
async fn who_only_writes_has_no_consumer() {
    let (_mock, config) = mocked();
    let log = KafkaLog::connect(&config, Access::Write).await.unwrap();
    fill(&log.log().spans, P0, 3, 10).await;
    assert_eq!(log.consumers(), 0);
    in_time(log.close()).await;
    let closed = in_time(log.log().spans.writer.append(P0, Record::tick())).await;
    assert_eq!(closed, Err(AppendError::Closed));
    assert!(tokio::time::timeout(Duration::from_millis(1), log.ended()).await.is_err());
}
