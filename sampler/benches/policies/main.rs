//! The CPU time that policies take here and, with `--collector PROGRAM`, in a Collector: the same
//! policies over the same spans, in turn. `benches/policies` runs it, and says what the figures have
//! in them.
//!
//! ```text
//! cargo bench -p wholetrace-sampler --bench policies [-- [--collector PROGRAM] [ROUNDS [TRACES]]]
//! ```

#![expect(clippy::print_stdout, reason = "a bench says what it measures")]
#![expect(clippy::expect_used, reason = "a bench stops when something is wrong")]

mod collector;
mod ours;
mod sets;
mod spans;
mod table;

use std::path::PathBuf;

use collector::Collector;
use ours::Ours;
use sets::SETS;
use spans::SPANS_PER_TRACE;
use table::Row;

const ROUNDS: usize = 5;
/// More spans than the caches of a CPU hold.
const TRACES: u64 = 8192;

fn main() {
    let (mut program, mut numbers) = (None, Vec::new());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--collector" => program = words.next().map(PathBuf::from),
            // From cargo.
            "--bench" => {}
            _ => {
                numbers.push(word.parse::<u64>().expect("[--collector PROGRAM] [ROUNDS [TRACES]]"))
            }
        }
    }
    let rounds = numbers.first().map_or(ROUNDS, |rounds| usize::try_from(*rounds).expect("few"));
    let traces = numbers.get(1).copied().unwrap_or(TRACES);
    assert!(rounds > 0 && traces > 0, "at least one round and one trace");

    let ours = Ours::new(traces);
    let collector = program.map(|program| Collector::new(program, traces));
    let mut rows: Vec<Row> = SETS.iter().map(|set| Row::new(set.name)).collect();
    for _ in 0..rounds {
        for (set, row) in SETS.into_iter().zip(&mut rows) {
            row.ours.push(ours.measure(set));
            if let Some(collector) = &collector {
                let (figures, kept) = collector.measure(set);
                let expected = ours.kept_by_a_collectors_hash(set);
                assert_eq!(kept, expected, "traces kept by {}: a Collector's and ours", set.name);
                row.collectors.push(figures);
            }
        }
    }
    println!(
        "{rounds} rounds; {traces} traces of {} spans of {} bytes; CPU time, user and system: medians (least–most)",
        SPANS_PER_TRACE,
        ours.bytes_per_span()
    );
    table::print(&rows, SPANS_PER_TRACE as f64);
}
