//! The gateway alone: OTLP over gRPC into an in-memory log that throws the frames away.
//!
//! ```text
//! cargo bench --bench gateway [-- SPANS]
//! ```
//!
//! The load comes from `wholetrace generate` in a process of its own, so that the CPU time of this
//! process is the gateway's. Prints one line per run and the median.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a bench talks, and stops when something is wrong"
)]

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use wholetrace_gateway::{
    Gateway, GatewayConfig, OtlpConfig, OtlpGrpcConfig, OtlpProtocols, ReceiverConfig,
};
use wholetrace_runtime::shutdown::Shutdown;
use wholetrace_spanlog::{
    TopicName,
    memory::{MemoryConfig, MemoryLog},
    routing::{Descriptor, Routing},
};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const RUNS: usize = 5;
const PARTITIONS: u32 = 4;
/// Mean of the generator's sizes of traces: 1, 2, 4, 8, 16 and 48 spans.
const SPANS_PER_TRACE: f64 = 79.0 / 6.0;

fn main() {
    let spans: f64 = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(2e6);
    let traces = (spans / SPANS_PER_TRACE).ceil().to_string();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut figures: Vec<f64> = (0..RUNS).map(|_| runtime.block_on(run(&traces))).collect();
    figures.sort_by(f64::total_cmp);
    println!("median of {RUNS}: {:.3} CPU s per million spans", figures[RUNS / 2]);
}

/// One run; gives CPU seconds per million spans.
async fn run(traces: &str) -> f64 {
    let log = MemoryLog::new(MemoryConfig {
        partitions: PARTITIONS,
        discard: true,
        ..MemoryConfig::default()
    });
    let routing =
        Routing::new(Descriptor { epoch: 1, seed: 7, partitions: PARTITIONS }).expect("a mapping");
    let grpc = OtlpGrpcConfig { endpoint: "127.0.0.1:0".to_owned(), ..OtlpGrpcConfig::default() };
    let mut config = GatewayConfig::default();
    let protocols = OtlpProtocols { grpc: Some(grpc), http: None };
    let otlp = ReceiverConfig::Otlp(Box::new(OtlpConfig { protocols }));
    config.receivers.0 = BTreeMap::from([("otlp".to_owned(), otlp)]);
    let gateway = Gateway::bind(&config, routing, Arc::clone(&log.log().spans.writer))
        .await
        .expect("a free port");
    let address = gateway.addresses()["otlp/grpc"].ip().expect("a port");
    let shutdown = Shutdown::new();
    let running = tokio::spawn(gateway.run(shutdown.clone()));

    let (cpu, begun) = (cpu(), Instant::now());
    let mut load = Command::new(env!("CARGO_BIN_EXE_wholetrace"))
        .args([
            "generate",
            "--endpoint",
            &format!("http://{address}"),
            "--rate",
            "0",
            "--traces",
            traces,
        ])
        .stdout(Stdio::null())
        .spawn()
        .expect("the generator starts");
    let status = tokio::task::spawn_blocking(move || load.wait())
        .await
        .expect("no panic")
        .expect("it ended");
    assert!(status.success(), "the generator ended with {status}");
    let (cpu, elapsed) = (self::cpu() - cpu, begun.elapsed());
    shutdown.request();
    running.await.expect("the gateway ends");

    let (frames, bytes) = log.appended(TopicName::Spans);
    let spans = traces.parse::<f64>().expect("a number") * SPANS_PER_TRACE;
    let per_million = cpu.as_secs_f64() / spans * 1e6;
    println!(
        "{per_million:.3} CPU s per million spans; {:.0} spans/s; {frames} frames of {:.0} KiB",
        spans / elapsed.as_secs_f64(),
        bytes as f64 / frames.max(1) as f64 / 1024.0
    );
    per_million
}

/// CPU time of this process, user and system, to a hundredth of a second.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 =
        fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}
