//! The CPU time that a span takes from the bytes of a request to frames of the log, by protocol; and,
//! with `--collector PROGRAM`, in a Collector's receivers: the same requests, in turn.
//! `benches/receive` runs it.
//!
//! ```text
//! cargo bench -p wholetrace-gateway --bench receive [-- [--collector PROGRAM] [ROUNDS [SECONDS]]]
//! ```

#![expect(clippy::print_stdout, reason = "a bench says what it measures")]
#![expect(clippy::expect_used, reason = "a bench stops when something is wrong")]

mod collector;
#[path = "../../../proto/fuzz/jaeger_model.rs"]
mod jaeger_model;
#[expect(dead_code, reason = "here no message is sent to an agent")]
#[path = "../../../proto/fuzz/jaeger_thrift.rs"]
mod jaeger_thrift;
mod ours;
#[path = "../../../proto/benches/support/requests.rs"]
mod requests;

use std::{path::PathBuf, time::Duration};

use ours::PROTOCOLS;

/// Spans of a request.
const SPANS: u32 = 200;

/// What was measured of a protocol, in CPU seconds per million spans.
#[derive(Default)]
struct Row {
    ours: Vec<f64>,
    /// A Collector's, to receive.
    received: Vec<f64>,
    /// A Collector's, to receive and to write as OTLP.
    written: Vec<f64>,
}

fn main() {
    let (mut program, mut numbers) = (None, Vec::new());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--collector" => program = words.next().map(PathBuf::from),
            // From cargo.
            "--bench" => {}
            _ => {
                numbers.push(word.parse::<f64>().expect("[--collector PROGRAM] [ROUNDS [SECONDS]]"))
            }
        }
    }
    let rounds = numbers.first().map_or(5, |rounds| *rounds as usize);
    let seconds = Duration::from_secs_f64(numbers.get(1).copied().unwrap_or(1.0));

    let mut rows: Vec<Row> = PROTOCOLS.iter().map(|_| Row::default()).collect();
    for _ in 0..rounds {
        for (protocol, row) in PROTOCOLS.iter().zip(&mut rows) {
            row.ours.push(ours::measure(protocol, seconds));
            if let Some(program) = &program {
                let request = (protocol.request)(SPANS);
                let [received, written] =
                    collector::measure(program, protocol.name, seconds, &request);
                row.received.push(received);
                row.written.push(written);
            }
        }
    }
    println!("{rounds} rounds of {seconds:?}, requests of {SPANS} spans");
    println!("CPU s per million spans, user and system: medians (least–most)");
    for (protocol, row) in PROTOCOLS.iter().zip(&mut rows) {
        let bytes = (protocol.request)(SPANS).len() / SPANS as usize;
        let ours = figure(&mut row.ours);
        println!("{:16} {bytes:4} bytes a span; to frames {ours}", protocol.name);
        if program.is_some() {
            let (received, written) = (figure(&mut row.received), figure(&mut row.written));
            println!("{:16} a Collector: received {received}, written as OTLP {written}", "");
        }
    }
}

/// The median, with the least and the most.
fn figure(figures: &mut [f64]) -> String {
    figures.sort_by(f64::total_cmp);
    let at = |place: usize| figures.get(place).copied().unwrap_or(f64::NAN);
    let last = figures.len().saturating_sub(1);
    format!("{:.2} ({:.2}–{:.2})", at(last / 2), at(0), at(last))
}
