//! Reading: gaps, deleted records, strangers, bounds.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    admin::AdminOptions,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use tokio::task::JoinHandle;
use wholetrace_runtime::units::{ByteSize, HumanDuration};
use wholetrace_spanlog::{Partition, Position, ReadError, RecordKind, Start, Topic};

use super::{P0, configured, fill, in_time, number, open, take};
use crate::{KafkaLog, client, testing::admin};

/// Retention deletes below a cursor: it says so, and does not go on somewhere else in silence.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_is_gone_and_told() {
    let Some(config) = configured(1).await else { return };
    let log = open(&config).await;
    let spans = log.log().spans;
    // More than a queue takes ahead, so that the cursor has to ask again.
    let positions = fill(&spans, P0, 64, 128 << 10).await;
    let mut cursor = spans.reader.open(P0, Start::Earliest).await.unwrap();
    assert_eq!(number(&take(&mut *cursor, 1).await[0]), 0);
    let mut list = TopicPartitionList::new();
    let kept = positions[60];
    list.add_partition_offset(&config.spans.topic, 0, Offset::Offset(kept.0 as i64)).unwrap();
    admin(&config).delete_records(&list, &AdminOptions::new()).await.unwrap();
    let error = loop {
        match in_time(cursor.next(1)).await {
            Ok(frames) => assert!(frames[0].position < kept, "it jumped to {}", frames[0].position),
            Err(error) => break error,
        }
    };
    let ReadError::Gone { asked, oldest, .. } = error else { panic!("{error}") };
    assert!(asked < kept && oldest == kept, "{asked} and {oldest}, not {kept}");
    // It stays where it is.
    assert!(matches!(in_time(cursor.next(1)).await, Err(ReadError::Gone { .. })));
    let again = in_time(spans.reader.fetch(P0, positions[3], 100)).await.unwrap_err();
    assert_eq!(again, ReadError::Gone { partition: 0, asked: positions[3], oldest: kept });
    let mut cursor = spans.reader.open(P0, Start::Position(positions[3])).await.unwrap();
    assert_eq!(take(&mut *cursor, 1).await[0].position, kept);
    assert_eq!(spans.reader.extent(P0).await.unwrap().start, kept);
}

/// Another program's records have no headers, and its transactions leave gaps.
#[tokio::test(flavor = "multi_thread")]
async fn records_of_strangers_are_spans_and_gaps_are_no_end() {
    let Some(config) = configured(1).await else { return };
    let log = open(&config).await;
    let spans = log.log().spans;
    let mut settings = client::common(&config, "stranger");
    settings.set("transactional.id", &config.group_id);
    let stranger: BaseProducer = settings.create().unwrap();
    let topic = config.spans.topic.clone();
    let write = move || {
        stranger.init_transactions(Duration::from_secs(30)).unwrap();
        for text in ["a", "dropped", "b"] {
            stranger.begin_transaction().unwrap();
            let record = BaseRecord::<(), str>::to(&topic).partition(0).payload(text);
            stranger.send(record).map_err(|(error, _)| error).unwrap();
            if text == "dropped" {
                stranger.flush(Duration::from_secs(30)).unwrap();
                stranger.abort_transaction(Duration::from_secs(30)).unwrap();
            } else {
                stranger.commit_transaction(Duration::from_secs(30)).unwrap();
            }
        }
    };
    tokio::task::spawn_blocking(write).await.unwrap();
    let extent = spans.reader.extent(P0).await.unwrap();
    assert_eq!((extent.start, extent.end), (Position(0), Position(6)));
    let mut cursor = spans.reader.open(P0, Start::Earliest).await.unwrap();
    let frames = take(&mut *cursor, 2).await;
    let found: Vec<_> = frames.iter().map(|frame| (&frame.payload[..], frame.position)).collect();
    assert_eq!(found, [(&b"a"[..], Position(0)), (&b"b"[..], Position(4))]);
    assert!(frames.iter().all(|frame| frame.kind == RecordKind::Spans && frame.epoch == 0));
    // The marker behind the last record is the end, and nothing to be waited for.
    let frames = in_time(spans.reader.fetch(P0, Position(1), 1 << 20)).await.unwrap();
    assert_eq!(frames.len(), 1);
    assert!(in_time(spans.reader.fetch(P0, Position(5), 1 << 20)).await.unwrap().is_empty());
    let positions = fill(&spans, P0, 1, 10).await;
    assert_eq!(take(&mut *cursor, 1).await[0].position, positions[0]);
    let frames = in_time(spans.reader.fetch(P0, Position(5), 1 << 20)).await.unwrap();
    assert_eq!(frames[0].position, positions[0]);
}

/// Jumping to and fro, what was fetched for another place never comes out.
#[tokio::test(flavor = "multi_thread")]
async fn rereads_at_random_places_give_what_stands_there() {
    let Some(config) = configured(2).await else { return };
    let log = open(&config).await;
    let spans = log.log().spans;
    let positions = fill(&spans, P0, 300, 20_000).await;
    let mut live = spans.reader.open(P0, Start::Earliest).await.unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let mut live_next = 0;
    for _ in 0..60 {
        let from = random.usize(..positions.len());
        let mut at = positions[from];
        let mut expected = from;
        for _ in 0..random.usize(1..4) {
            let max_bytes = random.usize(..200_000);
            let frames = in_time(spans.reader.fetch(P0, at, max_bytes)).await.unwrap();
            for frame in &frames {
                assert_eq!(number(frame) as usize, expected);
                assert_eq!(frame.position, positions[expected]);
                expected += 1;
            }
            let Some(last) = frames.last() else { break };
            let whole =
                (max_bytes / 20_000).max(1).min(positions.len() - (expected - frames.len()));
            assert_eq!(frames.len(), whole, "from {at} with {max_bytes} bytes");
            at = last.position.next();
        }
        assert!(expected > from);
        if live_next < positions.len() {
            for frame in in_time(live.next(60_000)).await.unwrap() {
                assert_eq!(number(&frame) as usize, live_next);
                live_next += 1;
            }
        }
    }
}

/// A partition is read from a few places at a time, and a place that is let go is free again.
#[tokio::test(flavor = "multi_thread")]
async fn places_are_bounded_and_come_back() {
    let Some(config) = configured(1).await else { return };
    let log = open(&config).await;
    let spans = log.log().spans;
    fill(&spans, P0, 3, 10).await;
    for _ in 0..3 {
        let mut cursors = Vec::new();
        for _ in 0..3 {
            cursors.push(spans.reader.open(P0, Start::Earliest).await.unwrap());
        }
        let one_more = spans.reader.open(P0, Start::Earliest).await.map(drop);
        assert!(matches!(one_more, Err(ReadError::Failed(_))), "{one_more:?}");
        for cursor in &mut cursors {
            assert_eq!(take(&mut **cursor, 3).await.len(), 3);
        }
    }
}

/// What the client says that it holds.
#[derive(Default)]
struct Held(Mutex<(Option<u64>, u32)>);

impl ClientContext for Held {
    fn stats_raw(&self, json: &[u8]) {
        let figures: serde_json::Value = serde_json::from_slice(json).unwrap();
        let mut total = 0;
        for topic in figures["topics"].as_object().into_iter().flat_map(|topics| topics.values()) {
            for partition in topic["partitions"].as_object().unwrap().values() {
                total += partition["fetchq_size"].as_u64().unwrap_or_default();
            }
        }
        let mut held = self.0.lock().unwrap();
        // How often it has been the same, and not nothing.
        held.1 = if held.0 == Some(total) && total > 0 { held.1 + 1 } else { 0 };
        held.0 = Some(total);
    }
}

impl ConsumerContext for Held {}

/// However much waits in the log, the client reads ahead no more than configured.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_ahead_is_bounded() {
    let Some(config) = configured(2).await else { return };
    let log = open(&config).await;
    fill(&log.log().spans, P0, 128, 256 << 10).await;
    let mut settings = client::reader(&config, client::Answer::Gathered);
    settings.set("statistics.interval.ms", "100");
    let topic = config.spans.topic.clone();
    let read = move || {
        let consumer: BaseConsumer<Held> = settings.create_with_context(Held::default()).unwrap();
        let consumer = Arc::new(consumer);
        let queue = consumer.split_partition_queue(&topic, 0).unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Offset(0)).unwrap();
        consumer.incremental_assign(&list).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let held = loop {
            // What comes here is not of the partition: it has a queue of its own.
            let here = consumer.poll(Duration::from_millis(100));
            assert!(here.is_none_or(|message| message.is_err()));
            let (held, same) = *consumer.context().0.lock().unwrap();
            if same >= 5 {
                break held.unwrap();
            }
            assert!(Instant::now() < deadline, "the client does not come to rest");
        };
        drop(queue);
        held
    };
    let held = tokio::task::spawn_blocking(read).await.unwrap();
    let piece = config.consumer.max_partition_fetch_size.get();
    let bound = config.consumer.queue_bytes.get() + piece + (256 << 10);
    assert!(held <= bound, "{held} bytes, more than {bound}");
}

/// A log of two partitions whose brokers hold answers back for long and give little at a time, with
/// queues of `queue` bytes; and somebody who waits at the end of the second partition.
async fn held_back(queue: ByteSize) -> Option<(Arc<KafkaLog>, JoinHandle<()>)> {
    let mut config = configured(2).await?;
    config.consumer.max_fetch_wait = HumanDuration::from_secs(5);
    config.consumer.max_partition_fetch_size = ByteSize::kib(64);
    config.consumer.queue_bytes = queue;
    let log = open(&config).await;
    let mut idle = log.log().spans.reader.open(Partition(1), Start::Earliest).await.unwrap();
    let waiting = tokio::spawn(async move { drop(idle.next(1).await) });
    Some((log, waiting))
}

/// Appends `count` records, each a batch of its own and as much as a broker gives at a time.
async fn fill_by_one(topic: &Topic, count: u32) -> Vec<Position> {
    let mut positions = Vec::new();
    for _ in 0..count {
        positions.extend(fill(topic, P0, 1, 64 << 10).await);
    }
    positions
}

/// A broker may hold an answer back until enough has come together. Nobody waits for that where
/// there is enough, in one partition alone too, and no request waits behind it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_given_at_once() {
    let Some((log, waiting)) = held_back(ByteSize::mib(64)).await else { return };
    let spans = log.log().spans;
    // At the end, too.
    let mut cursor = spans.reader.open(P0, Start::Earliest).await.unwrap();
    let positions = fill_by_one(&spans, 40).await;
    // Were each of these held back, it would be minutes.
    let read = async {
        for (number, position) in positions.iter().enumerate() {
            let extent = spans.reader.extent(Partition(1)).await.unwrap();
            assert_eq!(extent.start, extent.end);
            if number % 8 == 0 {
                let again = spans.reader.fetch(P0, *position, 1).await.unwrap();
                assert_eq!(again[0].position, *position);
            }
        }
        let frames = take(&mut *cursor, positions.len()).await;
        assert_eq!(frames.last().unwrap().position, *positions.last().unwrap());
    };
    in_time(read).await;
    assert!(!waiting.is_finished());
    waiting.abort();
}

/// A cursor that is behind, and whose queue is full again and again, does not wait until something
/// comes in partitions where nothing does.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_behind_waits_for_nobody() {
    let Some((log, waiting)) = held_back(ByteSize::kib(64)).await else { return };
    let spans = log.log().spans;
    let positions = fill_by_one(&spans, 40).await;
    let mut cursor = spans.reader.open(P0, Start::Earliest).await.unwrap();
    let read = async {
        let mut found: Vec<Position> = Vec::new();
        while found.len() < positions.len() {
            let frames = cursor.next(64 << 10).await.unwrap();
            found.extend(frames.iter().map(|frame| frame.position));
            // The queue is full by then.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(found, positions);
    };
    in_time(read).await;
    assert!(!waiting.is_finished());
    waiting.abort();
}

/// While a cursor moves from where it caught up to where the others read along, nothing is lost or
/// doubled, also for one who gives up waiting again and again.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_caught_up_misses_nothing() {
    let Some(config) = configured(1).await else { return };
    let log = open(&config).await;
    let spans = log.log().spans;
    let mut positions = fill(&spans, P0, 4, 10).await;
    for round in 0..12 {
        let mut cursor = spans.reader.open(P0, Start::Earliest).await.unwrap();
        let more = async {
            tokio::time::sleep(Duration::from_millis(round)).await;
            fill(&spans, P0, 4, 10).await
        };
        let read = async {
            let (count, mut found) = (positions.len() + 4, Vec::new());
            while found.len() < count {
                let soon = Duration::from_millis(round / 2);
                if let Ok(frames) = tokio::time::timeout(soon, cursor.next(1)).await {
                    found.extend(frames.unwrap().iter().map(|frame| frame.position));
                }
            }
            found
        };
        let (more, found) = in_time(async { tokio::join!(more, read) }).await;
        positions.extend(more);
        assert_eq!(found, positions, "in round {round}");
    }
}
