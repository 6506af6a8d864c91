//! Time per span to translate: OTLP/JSON, Zipkin and Jaeger to OTLP in protobuf, and back.
//!
//! `cargo bench -p wholetrace-proto --bench translate`; criterion's elements are spans.

#[path = "../fuzz/jaeger_model.rs"]
mod jaeger_model;
#[expect(dead_code, reason = "here no message is sent to an agent")]
#[path = "../fuzz/jaeger_thrift.rs"]
mod jaeger_thrift;
#[path = "support/requests.rs"]
mod requests;
#[path = "../tests/it/sample.rs"]
mod sample;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wholetrace_proto::{
    jaeger::{PostSpansWriter, api_v2, thrift},
    otlp_json,
    spans::count,
    translated::Limits,
    zipkin::{self, Encoding, Envelope, JsonWriter, NO_SERVICE_NAME},
};

/// Spans of a request.
const SPANS: u32 = 500;

fn otlp_json(criterion: &mut Criterion) {
    let protobuf = sample::bytes(20);
    let json = otlp_json::from_protobuf(&protobuf).unwrap_or_default();
    let mut group = criterion.benchmark_group("otlp json");
    group.throughput(Throughput::Elements(count(&protobuf).unwrap_or_default() as u64));
    group.bench_function("read", |bencher| {
        bencher.iter(|| {
            otlp_json::to_protobuf(black_box(&json), &mut Limits::default()).map(|read| read.spans)
        });
    });
    group.bench_function("write", |bencher| {
        bencher.iter(|| otlp_json::from_protobuf(black_box(&protobuf)).map(|line| line.len()));
    });
    group.finish();
}

fn zipkin(criterion: &mut Criterion) {
    let rows = [
        ("v2 json", requests::zipkin_json(SPANS), Encoding::Json),
        ("v2 protobuf", requests::zipkin_protobuf(SPANS), Encoding::Protobuf),
        ("v1 thrift", requests::zipkin_thrift(SPANS), Encoding::Thrift),
    ];
    let mut group = criterion.benchmark_group("zipkin");
    group.throughput(Throughput::Elements(u64::from(SPANS)));
    for (name, request, encoding) in rows {
        let envelope = Envelope { encoding, debug: false };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let read =
                    zipkin::to_protobuf(black_box(&request), envelope, &mut Limits::default());
                read.map(|read| read.spans)
            });
        });
    }
    let kept = sample::bytes(20);
    group.throughput(Throughput::Elements(count(&kept).unwrap_or_default() as u64));
    group.bench_function("write", |bencher| {
        bencher.iter(|| {
            let mut writer = JsonWriter::new(NO_SERVICE_NAME, usize::MAX);
            writer.add(black_box(&kept)).map(|()| writer.finish().len())
        });
    });
    group.finish();
}

fn jaeger(criterion: &mut Criterion) {
    let (protobuf, thrift) = (requests::jaeger_protobuf(SPANS), requests::jaeger_thrift(SPANS));
    let mut group = criterion.benchmark_group("jaeger");
    group.throughput(Throughput::Elements(u64::from(SPANS)));
    group.bench_function("protobuf", |bencher| {
        bencher.iter(|| {
            let read = api_v2::to_protobuf(black_box(&protobuf), &mut Limits::default());
            read.map(|read| read.spans)
        });
    });
    group.bench_function("thrift", |bencher| {
        bencher.iter(|| {
            let read = thrift::to_protobuf(black_box(&thrift), &mut Limits::default());
            read.map(|read| read.spans)
        });
    });
    let kept = sample::bytes(20);
    group.throughput(Throughput::Elements(count(&kept).unwrap_or_default() as u64));
    group.bench_function("write", |bencher| {
        bencher.iter(|| {
            let mut writer = PostSpansWriter::new(usize::MAX);
            writer.add(black_box(&kept)).and_then(|()| writer.finish()).map(|bytes| bytes.len())
        });
    });
    group.finish();
}

criterion_group!(benches, otlp_json, zipkin, jaeger);
criterion_main!(benches);
