//! Cost of a span on its way through the gateway, sockets aside: split by partition, and joined to
//! frames. `cargo bench -p wholetrace-gateway` prints spans per second.

#![expect(clippy::unwrap_used, reason = "a bench")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use prost::Message;
use wholetrace_gateway::{Split, frames, split};
use wholetrace_proto::otlp::{
    AnyValue, ExportTraceServiceRequest, InstrumentationScope, KeyValue, Resource, ResourceSpans,
    ScopeSpans, Span, any_value,
};
use wholetrace_spanlog::routing::{Descriptor, Routing};

/// Spans of a request.
const SPANS: usize = 300;

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// A span of about 430 bytes.
fn span(trace: u64, index: u64) -> Span {
    let mut trace_id = trace.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec();
    trace_id.extend_from_slice(&trace.wrapping_mul(0xd6e8_feb8_6659_fd93).to_be_bytes());
    Span {
        trace_id,
        span_id: (index + 1).to_be_bytes().to_vec(),
        parent_span_id: vec![1; 8],
        name: "GET /api/v1/products/{id}".to_owned(),
        kind: 2,
        start_time_unix_nano: 1_700_000_000_000_000_000,
        end_time_unix_nano: 1_700_000_000_010_000_000,
        attributes: vec![
            attribute("http.request.method", "GET"),
            attribute("http.route", "/api/v1/products/{id}"),
            attribute("http.response.status_code", "200"),
            attribute("server.address", "catalog.shop.svc.cluster.local"),
            attribute("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101"),
            attribute("network.peer.address", "10.42.17.133"),
            attribute("url.scheme", "https"),
        ],
        ..Span::default()
    }
}

/// Spans of one service, in traces of `per_trace` neighbours.
fn request(seed: u64, per_trace: usize) -> Bytes {
    let first = seed * SPANS as u64;
    let spans = (first..first + SPANS as u64)
        .map(|index| span(index / per_trace as u64 + seed * 7_919, index))
        .collect();
    let scope = InstrumentationScope { name: "shop".to_owned(), ..InstrumentationScope::default() };
    let scope_spans = ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() };
    let attributes =
        ["service.name", "service.version", "host.name", "k8s.pod.name", "k8s.namespace.name"]
            .map(|key| attribute(key, "some value of a usual length"))
            .to_vec();
    let resource = Resource { attributes, ..Resource::default() };
    let resource_spans = vec![ResourceSpans {
        resource: Some(resource),
        scope_spans: vec![scope_spans],
        ..ResourceSpans::default()
    }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec().into()
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gateway");
    for partitions in [4, 128] {
        let routing = Routing::new(Descriptor { epoch: 1, seed: 7, partitions }).unwrap();
        for per_trace in [1, 8] {
            let name = format!("{partitions} partitions, {per_trace} neighbours");
            let body = request(1, per_trace);
            group.throughput(Throughput::Elements(SPANS as u64));
            group.bench_function(format!("split/{name}"), |bencher| {
                bencher.iter(|| split(black_box(body.clone()), &routing, 1 << 20, None).unwrap());
            });
            for requests in [1_u64, 16] {
                let splits: Vec<Split> = (0..requests)
                    .map(|seed| split(request(seed, per_trace), &routing, 1 << 20, None).unwrap())
                    .collect();
                let splits: Vec<&Split> = splits.iter().collect();
                group.throughput(Throughput::Elements(SPANS as u64 * requests));
                group.bench_function(format!("frames/{name}, {requests} requests"), |bencher| {
                    bencher.iter_batched(
                        || (),
                        |()| frames(black_box(&splits), 256 << 10).map(black_box).count(),
                        BatchSize::SmallInput,
                    );
                });
            }
        }
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
