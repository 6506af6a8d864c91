//! Writing: codecs, the headers on the wire.

use std::time::Duration;

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::Headers as _,
};
use wholetrace_spanlog::{Record, Start};

use super::{P0, configured, fill, in_time, number, open, take};
use crate::{Compression, client};

/// All codecs that can be configured are there, on both sides.
#[tokio::test(flavor = "multi_thread")]
async fn every_codec_works() {
    let Some(mut config) = configured(1).await else { return };
    let codecs = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];
    for codec in codecs {
        config.producer.compression = codec;
        let log = open(&config).await;
        fill(&log.log().spans, P0, 3, 50_000).await;
        log.close().await;
    }
    let log = open(&config).await;
    let mut cursor = log.log().spans.reader.open(P0, Start::Earliest).await.unwrap();
    let numbers: Vec<u32> = take(&mut *cursor, 15).await.iter().map(number).collect();
    assert_eq!(numbers, [0, 1, 2].repeat(5));
}

/// Values are what others can read; what is ours goes beside. A wire contract: never change it.
#[tokio::test(flavor = "multi_thread")]
async fn records_look_like_this_on_the_wire() {
    let Some(config) = configured(1).await else { return };
    let log = open(&config).await;
    let spans = log.log().spans;
    let frame = Record::spans(7, bytes::Bytes::from_static(b"otlp"));
    for record in [frame, Record::tick()] {
        in_time(spans.writer.append(P0, record)).await.unwrap();
    }
    let consumer: BaseConsumer =
        client::reader(&config, client::Answer::Gathered).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&config.spans.topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    let read = move || {
        let mut found = Vec::new();
        while found.len() < 2 {
            let Some(Ok(message)) = consumer.poll(Duration::from_secs(1)) else { continue };
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let headers: Vec<_> = message
                .headers()
                .unwrap()
                .iter()
                .map(|header| format!("{}={}", header.key, text(header.value.unwrap())))
                .collect();
            found.push((message.key().map(text), message.payload().map(text), headers.join(" ")));
        }
        found
    };
    let found = in_time(tokio::task::spawn_blocking(read)).await.unwrap();
    let spans = "wholetrace.version=1 wholetrace.kind=spans wholetrace.epoch=7";
    let tick = "wholetrace.version=1 wholetrace.kind=tick";
    assert_eq!(
        found,
        [
            (None, Some("otlp".to_owned()), spans.to_owned()),
            (None, Some(String::new()), tick.to_owned()),
        ]
    );
}
