//! The price of policies: folding a span into the record of its trace, and deciding about a trace.
//!
//! Of the same sets and spans `policies` tells the CPU time, beside a Collector's.

#![expect(clippy::expect_used, reason = "the policies stand beside this, and are right")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wholetrace_proto::id::TraceId;
use wholetrace_sampler::policy::Heads;

#[path = "policies/sets.rs"]
mod sets;
#[path = "policies/spans.rs"]
mod spans;

use sets::SETS;
use spans::{SPANS_PER_TRACE, span, trace_id};

const SPANS: u64 = 1024;

fn observe(criterion: &mut Criterion) {
    let spans: Vec<Vec<u8>> = (0..SPANS).map(span).collect();
    let mut group = criterion.benchmark_group("observe");
    group.throughput(Throughput::Elements(SPANS));
    for set in SETS {
        let policies = set.compile(|_| {});
        group.bench_function(set.name, |bencher| {
            bencher.iter(|| {
                let mut record = policies.blank_record().to_vec();
                let mut heads = Heads::default();
                for span in &spans {
                    black_box(policies.observe(black_box(span), &mut heads, &mut record));
                }
                record
            });
        });
    }
    group.finish();
}

fn decide(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    group.throughput(Throughput::Elements(1));
    for set in SETS {
        let policies = set.compile(|_| {});
        let mut record = policies.blank_record().to_vec();
        for number in 0..SPANS_PER_TRACE {
            policies.observe(&span(number), &mut Heads::default(), &mut record);
        }
        let key = TraceId(trace_id(0)).key();
        group.bench_function(set.name, |bencher| {
            bencher.iter(|| policies.decide(black_box(key), black_box(&record)));
        });
    }
    group.finish();
}

criterion_group!(benches, observe, decide);
criterion_main!(benches);
