//! Records that are damaged on a real broker's disk.

use std::{fs, time::Duration};

use bytes::Bytes;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::{P0, in_time, open};
use crate::{
    Compression, KafkaConfig, client,
    testing::{Node, config},
};

/// What a reader meets: records, and what it is told of those that cannot be read.
#[derive(Debug, PartialEq, Eq)]
enum Met {
    Read(Position),
    Damaged(Position),
}

use Met::{Damaged, Read};
use wholetrace_spanlog::{Position, ReadError, Reader, Record, Start, Topic};

fn damaged(error: &ReadError) -> Position {
    let ReadError::Damaged { partition: 0, position, .. } = error else { panic!("{error}") };
    *position
}

/// What a cursor meets from `start` to `end`.
async fn along(reader: &dyn Reader, start: Start, end: u64) -> Vec<Met> {
    let mut cursor = in_time(reader.open(P0, start)).await.unwrap();
    let mut met = Vec::new();
    loop {
        let last = match in_time(cursor.next(1 << 20)).await {
            Ok(frames) => {
                met.extend(frames.iter().map(|frame| Read(frame.position)));
                frames.last().unwrap().position
            }
            Err(error) => {
                let position = damaged(&error);
                met.push(Damaged(position));
                position
            }
        };
        if last.next().0 >= end {
            return met;
        }
    }
}

/// What fetches meet from `from` to `end`.
async fn piecewise(reader: &dyn Reader, mut from: u64, end: u64) -> Vec<Met> {
    let mut met = Vec::new();
    while from < end {
        let last = match in_time(reader.fetch(P0, Position(from), 1 << 20)).await {
            Ok(frames) => {
                met.extend(frames.iter().map(|frame| Read(frame.position)));
                frames.last().expect("there is more").position
            }
            Err(error) => {
                let position = damaged(&error);
                met.push(Damaged(position));
                position
            }
        };
        from = last.next().0;
    }
    met
}

/// Flips a bit of `text`, where it first stands in the log of the spans.
fn flip(node: &Node, config: &KafkaConfig, text: &[u8]) {
    let segment = format!("n1/data/{}-0/00000000000000000000.log", config.spans.topic);
    let path = node.file(&segment);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(text.len()).position(|window| window == text).expect("it is there");
    bytes[at + text.len() / 2] ^= 1;
    fs::write(&path, bytes).unwrap();
}

/// Records that are batches of their own.
async fn alone(topic: &Topic, texts: &[&'static str]) {
    for text in texts {
        let record = Record::spans(1, Bytes::from_static(text.as_bytes()));
        in_time(topic.writer.append(P0, record)).await.unwrap();
    }
}

/// One batch of three records, as another program may write them.
async fn batch(config: &KafkaConfig, texts: [&'static str; 3]) {
    let mut settings = client::common(config, "stranger");
    settings.set("linger.ms", "2000").set("acks", "all");
    let topic = config.spans.topic.clone();
    let write = move || {
        let stranger: BaseProducer = settings.create().unwrap();
        for text in texts {
            let record = BaseRecord::<(), str>::to(&topic).partition(0).payload(text);
            stranger.send(record).map_err(|(error, _)| error).unwrap();
        }
        stranger.flush(Duration::from_secs(30)).unwrap();
    };
    tokio::task::spawn_blocking(write).await.unwrap();
}

/// A record that a broker's disk has damaged is a gap of that record, wherever it stands: the rest
/// is read, in order and once, by cursors and by fetches. Of a batch with several, each is one, and
/// nothing but them is.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_record_is_a_gap_of_one() {
    let Some(node) = tokio::task::spawn_blocking(Node::own).await.unwrap() else { return };
    let mut config = config(node.brokers(), 1).await;
    config.producer.compression = Compression::None;
    let log = open(&config).await;
    let spans = log.log().spans;
    alone(&spans, &["zero", "one of them", "two", "three", "four"]).await;
    // 5, 6 and 7.
    batch(&config, ["of a batch", "the middle of it", "its last one"]).await;
    alone(&spans, &["eight", "nine"]).await;
    // 10, 11 and 12.
    batch(&config, ["the last batch", "has", "three"]).await;
    log.close().await;
    drop((log, spans));

    let flipped = config.clone();
    let break_it = move || {
        node.restarted(|| {
            for text in ["one of them", "the middle of it", "the last batch"] {
                flip(&node, &flipped, text.as_bytes());
            }
        });
        node
    };
    let node = tokio::task::spawn_blocking(break_it).await.unwrap();

    let log = open(&config).await;
    let spans = log.log().spans;
    let reader = spans.reader.as_ref();
    let met = |at| match at {
        1 | 5..=7 | 10..=12 => Damaged(Position(at)),
        _ => Read(Position(at)),
    };
    let expected: Vec<Met> = (0..10).map(met).collect();
    assert_eq!(along(reader, Start::Earliest, 10).await, expected);
    assert_eq!(along(reader, Start::Position(Position(1)), 10).await, expected[1..]);
    assert_eq!(piecewise(reader, 0, 10).await, expected);
    assert_eq!(piecewise(reader, 1, 10).await, expected[1..]);
    assert_eq!(piecewise(reader, 6, 10).await, expected[6..]);
    // At the end of the log.
    let end: Vec<Met> = (10..13).map(met).collect();
    assert_eq!(along(reader, Start::Position(Position(10)), 13).await, end);
    assert_eq!(piecewise(reader, 10, 13).await, end);
    // And on.
    alone(&spans, &["thirteen"]).await;
    assert_eq!(along(reader, Start::Position(Position(13)), 14).await, [Read(Position(13))]);
    log.close().await;
    drop(node);
}
