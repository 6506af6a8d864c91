//! Time per span to walk, check and join requests of about 430 bytes a span.
//!
//! `cargo bench -p wholetrace-proto --bench walk`; criterion's elements are spans.

#[path = "../tests/it/sample.rs"]
mod sample;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prost::Message;
use wholetrace_proto::{
    assemble::Assembler,
    check::check_span,
    otlp::TracesData,
    spans::{Head, ScopeRef, SpanRef, Visitor, count, visit},
    tracestate::{Kept, Threshold, rewrite},
};

/// Adds up the keys, so that they are looked at.
struct Keys(u64);

impl Visitor<'_> for Keys {
    fn span(&mut self, span: SpanRef<'_>) {
        self.0 ^= span.key().map_or(0, |key| key.0);
    }
}

/// The same with the check of all of each span.
struct Checked(u64);

impl Visitor<'_> for Checked {
    fn span(&mut self, span: SpanRef<'_>) {
        self.0 ^= check_span(span.body).map_or(0, |span| span.trace_id.key().0);
    }
}

/// Keeps every tenth span, marked with its threshold.
struct Tenth<'a> {
    out: Assembler<'a>,
    seen: u64,
}

impl<'a> Visitor<'a> for Tenth<'a> {
    fn resource(&mut self, head: Head<'a>) {
        self.out.resource(head);
    }

    fn scope(&mut self, scope: ScopeRef<'a>) {
        self.out.scope(scope.head());
    }

    fn span(&mut self, span: SpanRef<'a>) {
        self.seen += 1;
        if self.seen.is_multiple_of(10) {
            let own = Threshold::new(1 << 52).map_or(Kept::Unknown, Kept::At);
            match rewrite(span.body, own) {
                Some(change) => self.out.span_with(|out| change.append_to(out)),
                None => self.out.span(span.body),
            }
        }
    }
}

fn walk(criterion: &mut Criterion) {
    let input = sample::bytes(20);
    let spans = count(&input).unwrap_or_default();
    let mut group = criterion.benchmark_group("walk");
    group.throughput(Throughput::Elements(spans as u64));
    group.bench_function("keys", |bencher| {
        bencher.iter(|| {
            let mut keys = Keys(0);
            visit(black_box(&input), &mut keys).map(|()| keys.0)
        });
    });
    group.bench_function("keys and check", |bencher| {
        bencher.iter(|| {
            let mut keys = Checked(0);
            visit(black_box(&input), &mut keys).map(|()| keys.0)
        });
    });
    group.bench_function("join all", |bencher| {
        let mut out = Vec::with_capacity(input.len());
        bencher.iter(|| {
            let mut all = Assembler::new();
            out.clear();
            let walked = visit(black_box(&input), &mut all);
            all.append_to(&mut out);
            walked.map(|()| out.len())
        });
    });
    group.bench_function("join a tenth with its threshold", |bencher| {
        let mut out = Vec::with_capacity(input.len());
        bencher.iter(|| {
            let mut tenth = Tenth { out: Assembler::new(), seen: 0 };
            out.clear();
            let walked = visit(black_box(&input), &mut tenth);
            tenth.out.append_to(&mut out);
            walked.map(|()| out.len())
        });
    });
    group.bench_function("full decode, to compare", |bencher| {
        bencher
            .iter(|| TracesData::decode(black_box(&*input)).map(|data| data.resource_spans.len()));
    });
    group.finish();
}

criterion_group!(benches, walk);
criterion_main!(benches);
