//! Time per span to translate: OTLP/JSON to protobuf and back, and Zipkin v2 JSON to protobuf.
//!
//! `cargo bench -p wholetrace-proto --bench translate`; criterion's elements are spans.

#[path = "../tests/it/sample.rs"]
mod sample;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wholetrace_proto::{otlp_json, spans::count, translated::Limits, zipkin::v2};

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

/// Spans of ten services, as an instrumented HTTP client writes them.
fn zipkin_request(spans: usize) -> String {
    let spans: Vec<String> = (1..=spans)
        .map(|number| {
            let service = number % 10;
            format!(
                r#"{{"traceId":"{:032x}","id":"{number:016x}","parentId":"{:016x}","kind":"CLIENT",
                "name":"get /api/items/{{id}}","timestamp":1700000000000000,"duration":1234,
                "localEndpoint":{{"serviceName":"service-{service}","ipv4":"10.0.0.{service}"}},
                "remoteEndpoint":{{"ipv4":"10.0.1.7","port":8080}},
                "annotations":[{{"timestamp":1700000000000100,"value":"wire.send"}}],
                "tags":{{"http.method":"GET","http.path":"/api/items/17","http.status_code":"200",
                "k8s.pod.name":"pod-{service}","otel.scope.name":"brave"}}}}"#,
                number / 10 + 1,
                number / 2 + 1,
            )
        })
        .collect();
    format!("[{}]", spans.join(","))
}

fn zipkin(criterion: &mut Criterion) {
    let spans = 500;
    let request = zipkin_request(spans);
    let mut group = criterion.benchmark_group("zipkin");
    group.throughput(Throughput::Elements(spans as u64));
    group.bench_function("v2 json", |bencher| {
        bencher.iter(|| {
            let request = black_box(request.as_bytes());
            let read = v2::to_protobuf(request, &mut Limits::default());
            read.map(|read| read.spans)
        });
    });
    group.finish();
}

criterion_group!(benches, otlp_json, zipkin);
criterion_main!(benches);
