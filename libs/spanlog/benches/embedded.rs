//! The embedded log: how fast frames of spans become durable, and what that costs.
//!
//! `cargo bench -p wholetrace-spanlog --bench embedded`. Criterion shows MB/s of uncompressed
//! frames; the lines in between show CPU time per span of 430 bytes (process, user and system,
//! background threads included), bytes written per span, and the time to open the log again. Put
//! the folder elsewhere with `TMPDIR`.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a bench")]

use std::{
    collections::VecDeque,
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Runtime;
use wholetrace_runtime::units::ByteSize;
use wholetrace_spanlog::{
    Append, Checkpoint, Committer, Partition, Position, Record, Start, Topic,
    embedded::{EmbeddedConfig, EmbeddedLog},
};

const SPAN_BYTES: usize = 430;
const PARTITIONS: u32 = 4;

/// Bytes that look like spans: random ids, times that differ little, words that come again.
fn pseudo_spans(bytes: usize, random: &mut fastrand::Rng) -> Bytes {
    const WORDS: [&str; 12] = [
        "checkout",
        "cart",
        "payment",
        "GET",
        "POST",
        "200",
        "500",
        "/api/v1/orders",
        "postgres",
        "SELECT * FROM orders WHERE id = ?",
        "grpc",
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
            for name in ["http.method", "http.route", "net.peer.name", "db.statement", "thread.id"]
            {
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

/// Bytes that this process has given to the disk.
fn written_bytes() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or_default()
}

/// One way of writing.
struct Case {
    name: &'static str,
    frame_bytes: usize,
    /// Appends that wait to become durable together.
    group: usize,
    /// Bytes after which a frame is finished, and its room used again.
    finished_after: u64,
}

const CASES: [Case; 5] = [
    Case { name: "64KiB_group_16", frame_bytes: 64 << 10, group: 16, finished_after: 100 << 20 },
    Case { name: "64KiB_group_4", frame_bytes: 64 << 10, group: 4, finished_after: 100 << 20 },
    Case { name: "64KiB_kept_long", frame_bytes: 64 << 10, group: 16, finished_after: 2 << 30 },
    Case { name: "256KiB_group_8", frame_bytes: 256 << 10, group: 8, finished_after: 100 << 20 },
    Case { name: "16KiB_group_64", frame_bytes: 16 << 10, group: 64, finished_after: 100 << 20 },
];

/// Writes frames, a window of them in flight, and commits behind.
async fn write(
    spans: &Topic,
    committer: &dyn Committer,
    frames: &[Bytes],
    case: &Case,
    count: u64,
) {
    let mut flying: VecDeque<(Partition, Append)> = VecDeque::with_capacity(case.group);
    let lag = case.finished_after / case.frame_bytes as u64 / u64::from(PARTITIONS);
    for number in 0..count {
        if flying.len() == case.group {
            settle(flying.pop_front().unwrap(), committer, lag).await;
        }
        let partition = Partition(u32::try_from(number % u64::from(PARTITIONS)).unwrap());
        let frame = frames[usize::try_from(number).unwrap() % frames.len()].clone();
        flying.push_back((partition, spans.writer.append(partition, Record::spans(1, frame))));
    }
    for flying in flying {
        settle(flying, committer, lag).await;
    }
}

async fn settle((partition, append): (Partition, Append), committer: &dyn Committer, lag: u64) {
    let position = append.await.unwrap();
    if position.0 % 64 == 0 {
        let position = Position(position.0.saturating_sub(lag));
        let checkpoint = Checkpoint { position, metadata: String::new() };
        committer.commit(partition, checkpoint).await.unwrap();
    }
}

fn durable_appends(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    for case in &CASES {
        let frames: Vec<Bytes> =
            (0..64).map(|_| pseudo_spans(case.frame_bytes, &mut random)).collect();
        let folder = tempfile::tempdir().unwrap();
        let config = EmbeddedConfig {
            directory: folder.path().join("data"),
            quota: ByteSize::gib(20),
            partitions: PARTITIONS,
            ..EmbeddedConfig::default()
        };
        let log = Arc::new(EmbeddedLog::open(&config).unwrap());
        let (spans, committer) = (log.log().spans, log.group().committer());
        let (disk, mut cpu, mut total) = (written_bytes(), 0.0, 0_u64);
        let mut group = criterion.benchmark_group("embedded_append");
        group.throughput(Throughput::Bytes(case.frame_bytes as u64)).sample_size(10);
        group.measurement_time(Duration::from_secs(6)).warm_up_time(Duration::from_secs(1));
        group.bench_function(case.name, |bencher| {
            bencher.iter_custom(|count| {
                // Only what the log costs, not what criterion does with the samples.
                let (started, used) = (Instant::now(), cpu_seconds());
                runtime.block_on(write(&spans, &*committer, &frames, case, count));
                total += count * case.frame_bytes as u64;
                cpu += cpu_seconds() - used;
                started.elapsed()
            });
        });
        group.finish();
        if total == 0 {
            // Filtered out.
            runtime.block_on(log.close());
            continue;
        }
        let spans_written = (total / SPAN_BYTES as u64) as f64;
        let disk = written_bytes() - disk;
        runtime.block_on(log.close());
        let started = Instant::now();
        let log = EmbeddedLog::open(&config).unwrap();
        let opened = started.elapsed();
        eprintln!(
            "{}: {:.3} µs CPU per span (lz4 alone {:.3}), {:.0} bytes written per span, {} MB in all, opened again \
             in {opened:?}, peak memory {}\n",
            case.name,
            cpu * 1e6 / spans_written,
            compression_alone(&frames),
            disk as f64 / spans_written,
            total / 1_000_000,
            peak_memory(),
        );
        runtime.block_on(log.close());
    }
}

/// µs of CPU that compressing a span takes.
fn compression_alone(frames: &[Bytes]) -> f64 {
    const ROUNDS: usize = 40;
    let used = cpu_seconds();
    let bytes: usize = (0..ROUNDS)
        .flat_map(|_| frames)
        .map(|frame| {
            std::hint::black_box(lz4_flex::block::compress(frame)).len().min(1) * frame.len()
        })
        .sum();
    (cpu_seconds() - used) * 1e6 * SPAN_BYTES as f64 / bytes as f64
}

fn peak_memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap_or("unknown").trim().to_owned()
}

/// Reading what is no longer in the tail cache.
fn reading(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let folder = tempfile::tempdir().unwrap();
    let config = EmbeddedConfig {
        directory: folder.path().join("data"),
        tail_cache: ByteSize::bytes(0),
        ..EmbeddedConfig::default()
    };
    let log = EmbeddedLog::open(&config).unwrap();
    let (spans, committer) = (log.log().spans, log.group().committer());
    let frames: Vec<Bytes> = (0..64).map(|_| pseudo_spans(64 << 10, &mut random)).collect();
    let case = Case { name: "", frame_bytes: 64 << 10, group: 16, finished_after: u64::MAX };
    runtime.block_on(write(&spans, &*committer, &frames, &case, 16_384));
    let mut group = criterion.benchmark_group("embedded_read");
    group.throughput(Throughput::Bytes(1 << 20)).sample_size(10);
    group.bench_function("from_store", |bencher| {
        bencher.iter_custom(|count| {
            runtime.block_on(async {
                let started = Instant::now();
                let mut cursor = spans.reader.open(Partition(0), Start::Earliest).await.unwrap();
                let mut left = count << 20;
                while left > 0 {
                    let end = spans.reader.extent(Partition(0)).await.unwrap().end;
                    let read = cursor.next(1 << 20).await.unwrap();
                    if read.last().unwrap().position.next() >= end {
                        cursor = spans.reader.open(Partition(0), Start::Earliest).await.unwrap();
                    }
                    let bytes: usize = read.iter().map(|frame| frame.payload.len()).sum();
                    left = left.saturating_sub(bytes as u64);
                }
                started.elapsed()
            })
        });
    });
    group.finish();
    runtime.block_on(log.close());
}

criterion_group!(benches, durable_appends, reading);
criterion_main!(benches);
