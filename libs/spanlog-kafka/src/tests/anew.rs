//! Topics that are deleted and made anew.

use std::time::Duration;

use rdkafka::{
    Offset, TopicPartitionList,
    admin::{AdminOptions, NewTopic, TopicReplication},
    consumer::{BaseConsumer, CommitMode, Consumer as _},
};
use wholetrace_spanlog::{Checkpoint, Cursor, GroupEvent, Position, ReadError, Replacement, Start};

use super::{P0, configured, fill, in_time, number, open, take};
use crate::{KafkaConfig, client, testing::admin};

/// More than what passes between two looks at what logs are.
const LOOKS: Duration = Duration::from_secs(4);

/// Deletes `topics` and makes them anew, at once.
async fn make_anew(config: &KafkaConfig, topics: &[&str]) {
    let (admin, options) = (admin(config), AdminOptions::new());
    for deleted in admin.delete_topics(topics, &options).await.unwrap() {
        deleted.unwrap();
    }
    let settings = config.topics();
    for topic in settings.iter().filter(|topic| topics.contains(&topic.topic.as_str())) {
        let values = topic.kafka_settings();
        let new = NewTopic::new(&topic.topic, 1, TopicReplication::Fixed(1));
        let new = values.iter().fold(new, |new, (key, value)| new.set(key, value));
        let made = async {
            while admin.create_topics([&new], &options).await.unwrap()[0].is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        in_time(made).await;
    }
}

/// What ends `cursor`, which may give records before.
async fn end(cursor: &mut dyn Cursor) -> ReadError {
    let read = async {
        loop {
            match cursor.next(1 << 20).await {
                Ok(_) | Err(ReadError::Failed(_)) => {}
                Err(error) => return error,
            }
        }
    };
    in_time(read).await
}

/// Under a reader: it is told, whether the new log has come as far as the old one or not, and reads
/// all of it. Retention is nothing of the kind.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_told_that_its_topic_was_made_anew() {
    for count in [5, 300] {
        let Some(config) = configured(1).await else { return };
        let log = open(&config).await;
        let spans = log.log().spans;
        let positions = fill(&spans, P0, 100, 100).await;
        let mut cursor = spans.reader.open(P0, Start::Earliest).await.unwrap();
        take(&mut *cursor, 100).await;
        tokio::time::sleep(LOOKS).await;
        let mut list = TopicPartitionList::new();
        let kept = Offset::Offset(positions[90].0 as i64);
        list.add_partition_offset(&config.spans.topic, 0, kept).unwrap();
        admin(&config).delete_records(&list, &AdminOptions::new()).await.unwrap();
        tokio::time::sleep(LOOKS).await;
        fill(&spans, P0, 2, 100).await;
        assert_eq!(take(&mut *cursor, 2).await[1].position, Position(101));
        tokio::time::sleep(LOOKS).await;

        make_anew(&config, &[&config.spans.topic]).await;
        // With a log of its own, whose client never knew the old topic.
        let writing = open(&config).await;
        fill(&writing.log().spans, P0, count, 100).await;
        let error = end(&mut *cursor).await;
        let ReadError::Replaced { partition: 0, oldest: Position(0), .. } = error else {
            panic!("{error}")
        };
        // It stays where it is.
        assert_eq!(in_time(cursor.next(1)).await.unwrap_err(), error);
        let mut cursor = in_time(spans.reader.open(P0, Start::Earliest)).await.unwrap();
        let frames = take(&mut *cursor, count as usize).await;
        assert_eq!((number(&frames[0]), frames.len()), (0, count as usize));
        log.close().await;
        writing.close().await;
    }
}

/// A client of the group that reads or sets what is stored, as tools do.
fn tool(config: &KafkaConfig) -> BaseConsumer {
    let mut settings = client::common(config, "tool");
    settings.set("group.id", &config.group_id);
    settings.create().unwrap()
}

/// Before a start: with its checkpoint restored as well, the sampler is told, for spans and for
/// decisions, and its checkpoints begin again.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_is_told_that_its_topics_were_made_anew() {
    let Some(config) = configured(1).await else { return };
    let log = open(&config).await;
    let topics = [log.log().spans, log.log().decisions];
    for topic in &topics {
        fill(topic, P0, 100, 100).await;
        let mut cursor = topic.reader.open(P0, Start::Earliest).await.unwrap();
        take(&mut *cursor, 100).await;
        // Kept until the end of the test: who reads it is there.
        std::mem::forget(cursor);
    }
    let mut group = log.group().unwrap();
    let assigned = in_time(group.next()).await.unwrap();
    assert!(matches!(assigned, Some(GroupEvent::Assigned { committed: None, .. })));
    tokio::time::sleep(LOOKS).await;
    let checkpoint = Checkpoint { position: Position(90), metadata: "a hint".to_owned() };
    in_time(group.committer().commit(P0, checkpoint.clone())).await.unwrap();
    drop(group);
    log.close().await;

    let mut asked = TopicPartitionList::new();
    asked.add_partition(&config.spans.topic, 0);
    let ask = config.clone();
    let stored = move || tool(&ask).committed_offsets(asked, Duration::from_secs(20)).unwrap();
    let stored = tokio::task::spawn_blocking(stored).await.unwrap();
    let metadata = stored.elements()[0].metadata().to_owned();
    assert!(metadata.starts_with("a hint\nread-up-to 100@"), "{metadata}");

    make_anew(&config, &[&config.spans.topic, &config.decisions.topic]).await;
    // Kafka forgets what was committed for a topic that is deleted.
    let restored = config.clone();
    // The group may know of its member for a moment more.
    let restore = move || {
        while tool(&restored).commit(&stored, CommitMode::Sync).is_err() {
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    in_time(tokio::task::spawn_blocking(restore)).await.unwrap();

    let log = open(&config).await;
    let topics = [log.log().spans, log.log().decisions];
    for topic in &topics {
        fill(topic, P0, 300, 100).await;
    }
    let mut group = log.group().unwrap();
    let assigned = in_time(group.next()).await.unwrap();
    let Some(GroupEvent::Assigned { committed, .. }) = assigned else { panic!("{assigned:?}") };
    assert_eq!(committed, Some(checkpoint.clone()));
    let [spans, decisions] = topics.map(|topic| topic.reader);
    let replaced = |asked| ReadError::Replaced {
        partition: 0,
        asked: Position(asked),
        oldest: Position(0),
        end: Position(300),
        why: Replacement::Younger,
    };
    let opened = in_time(spans.open(P0, Start::Position(Position(90)))).await;
    assert_eq!(opened.map(drop).unwrap_err(), replaced(90));
    assert_eq!(in_time(decisions.fetch(P0, Position(50), 1)).await.unwrap_err(), replaced(50));
    assert_eq!(in_time(decisions.fetch(P0, Position(0), 1)).await.unwrap().len(), 1);
    let mut cursor = in_time(spans.open(P0, Start::Earliest)).await.unwrap();
    assert_eq!(number(&take(&mut *cursor, 1).await[0]), 0);
    let committer = group.committer();
    let lower = Checkpoint { position: Position(7), metadata: String::new() };
    in_time(committer.commit(P0, lower.clone())).await.unwrap();
    drop(group);
    log.close().await;

    let log = open(&config).await;
    let mut group = log.group().unwrap();
    let assigned = in_time(group.next()).await.unwrap();
    let Some(GroupEvent::Assigned { committed, .. }) = assigned else { panic!("{assigned:?}") };
    assert_eq!(committed, Some(lower));
    log.close().await;
}

/// A log that goes on is the same after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_goes_on_is_the_same() {
    let Some(config) = configured(1).await else { return };
    let log = open(&config).await;
    let spans = log.log().spans;
    fill(&spans, P0, 20, 100).await;
    let mut cursor = spans.reader.open(P0, Start::Earliest).await.unwrap();
    take(&mut *cursor, 20).await;
    let mut group = log.group().unwrap();
    in_time(group.next()).await.unwrap();
    tokio::time::sleep(LOOKS).await;
    let checkpoint = Checkpoint { position: Position(20), metadata: String::new() };
    in_time(group.committer().commit(P0, checkpoint.clone())).await.unwrap();
    fill(&spans, P0, 5, 100).await;
    drop(group);
    log.close().await;
    let log = open(&config).await;
    let mut group = log.group().unwrap();
    let assigned = in_time(group.next()).await.unwrap();
    let Some(GroupEvent::Assigned { committed, .. }) = assigned else { panic!("{assigned:?}") };
    assert_eq!(committed, Some(checkpoint));
    let spans = log.log().spans;
    let mut cursor = spans.reader.open(P0, Start::Position(Position(20))).await.unwrap();
    assert_eq!(take(&mut *cursor, 5).await[0].position, Position(20));
    log.close().await;
}
