//! The log over Kafka: what writing and reading frames of spans costs the client.
//!
//! `WHOLETRACE_TEST_KAFKA=127.0.0.1:9092 cargo bench -p wholetrace-spanlog --bench kafka`, with a
//! broker from `tests/parts/kafka/cluster start DIR --full-speed`. Each line says how much CPU this
//! process used (user and system, the client's threads included) and how fast it went; time that
//! waits for the broker counts for the second figure only. Spans have 430 bytes.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a bench")]

use std::{
    collections::VecDeque,
    fs,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use tokio::runtime::Runtime;
use wholetrace_spanlog::{Append, Partition, Record, Start, Topic};
use wholetrace_spanlog_kafka::{Access, Compression, KafkaConfig, KafkaLog, TopicAdmin};

const SPAN_BYTES: usize = 430;
const PARTITIONS: u32 = 16;

/// Bytes written in each case.
const TOTAL: usize = 512 << 20;

/// Bytes that look like spans: random ids, times that differ little, words that come again.
fn pseudo_spans(bytes: usize, random: &mut fastrand::Rng) -> Bytes {
    const WORDS: [&str; 8] = [
        "checkout",
        "payment",
        "GET",
        "200",
        "/api/v1/orders",
        "postgres",
        "SELECT * FROM orders WHERE id = ?",
        "us-east-1a",
    ];
    let mut frame = Vec::with_capacity(bytes + SPAN_BYTES);
    while frame.len() < bytes {
        let end = frame.len() + SPAN_BYTES;
        frame.extend((0..32).map(|_| random.u8(..)));
        frame.extend(
            1_790_000_000_000_000_000_u64.wrapping_add(random.u64(..1 << 40)).to_le_bytes(),
        );
        while frame.len() < end {
            for name in ["http.method", "http.route", "net.peer.name", "db.statement"] {
                frame.extend_from_slice(name.as_bytes());
                frame.extend_from_slice(WORDS[random.usize(..WORDS.len())].as_bytes());
                frame.extend(random.u16(..).to_le_bytes());
            }
        }
        frame.truncate(end);
    }
    frame.truncate(bytes);
    Bytes::from(frame)
}

/// Seconds of CPU that this process has used.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    ticks as f64 / 100.0
}

struct Clock(Instant, f64);

impl Clock {
    fn start() -> Self {
        Self(Instant::now(), cpu_seconds())
    }

    fn tell(&self, what: &str, bytes: usize) {
        let (wall, cpu) = (self.0.elapsed().as_secs_f64(), cpu_seconds() - self.1);
        let spans = (bytes / SPAN_BYTES) as f64;
        eprintln!(
            "{what}: {:.3} µs CPU per span, {:.0} MB/s, {:.0} thousand spans/s",
            cpu * 1e6 / spans,
            bytes as f64 / 1e6 / wall,
            spans / 1e3 / wall
        );
    }
}

/// Writes frames, `flying` of them on their way.
async fn write(spans: &Topic, frames: &[Bytes], flying: usize) -> usize {
    let mut waiting: VecDeque<Append> = VecDeque::with_capacity(flying);
    let (mut bytes, mut number) = (0, 0_u32);
    while bytes < TOTAL {
        if waiting.len() == flying {
            waiting.pop_front().unwrap().await.unwrap();
        }
        let frame = frames[number as usize % frames.len()].clone();
        bytes += frame.len();
        let record = Record::spans(1, frame);
        waiting.push_back(spans.writer.append(Partition(number % PARTITIONS), record));
        number += 1;
    }
    for waiting in waiting {
        waiting.await.unwrap();
    }
    bytes
}

/// Reads all that there is.
async fn read(spans: &Topic) -> usize {
    let mut tasks = Vec::new();
    for number in 0..PARTITIONS {
        let reader = std::sync::Arc::clone(&spans.reader);
        tasks.push(tokio::spawn(async move {
            let partition = Partition(number);
            let end = reader.extent(partition).await.unwrap().end;
            let mut cursor = reader.open(partition, Start::Earliest).await.unwrap();
            let mut bytes = 0;
            loop {
                let frames = cursor.next(1 << 20).await.unwrap();
                bytes += frames.iter().map(|frame| frame.payload.len()).sum::<usize>();
                if frames.last().unwrap().position.next() >= end {
                    return bytes;
                }
            }
        }));
    }
    let mut bytes = 0;
    for task in tasks {
        bytes += task.await.unwrap();
    }
    bytes
}

async fn case(brokers: &str, frame_bytes: usize, codec: Compression) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let mut config = KafkaConfig {
        brokers: brokers.split(',').map(str::to_owned).collect(),
        replication_factor: 1,
        min_insync_replicas: 1,
        ..KafkaConfig::default()
    };
    let name = format!("bench-{now:x}");
    config.spans.topic = format!("{name}-spans");
    config.spans.partitions = PARTITIONS;
    config.decisions.topic = format!("{name}-decisions");
    config.dead_letters.topic = format!("{name}-dead-letters");
    config.ring.topic = format!("{name}-ring");
    config.producer.compression = codec;
    let admin = TopicAdmin::connect(&config, Duration::from_secs(30)).await.unwrap();
    admin.create().await.unwrap();
    let log = KafkaLog::connect(&config, Access::ReadAndWrite).await.unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let frames: Vec<Bytes> = (0..64).map(|_| pseudo_spans(frame_bytes, &mut random)).collect();
    let spans = log.log().spans;
    let what = format!("{} KiB, {}", frame_bytes >> 10, codec.as_str());
    let clock = Clock::start();
    let bytes = write(&spans, &frames, (8 << 20) / frame_bytes).await;
    clock.tell(&format!("write {what}"), bytes);
    let clock = Clock::start();
    let bytes = read(&spans).await;
    clock.tell(&format!("read  {what}"), bytes);
    log.close().await;
}

fn main() {
    #[expect(clippy::disallowed_methods, reason = "where the broker is, is no configuration")]
    let Ok(brokers) = std::env::var("WHOLETRACE_TEST_KAFKA") else {
        eprintln!("set WHOLETRACE_TEST_KAFKA to the address of a broker");
        return;
    };
    let runtime = Runtime::new().unwrap();
    for (frame_bytes, codec) in [
        (256 << 10, Compression::Lz4),
        (64 << 10, Compression::Lz4),
        (16 << 10, Compression::Lz4),
        (64 << 10, Compression::Zstd),
        (64 << 10, Compression::None),
    ] {
        runtime.block_on(case(&brokers, frame_bytes, codec));
    }
}
