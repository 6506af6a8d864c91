//! Time per span to translate: OTLP/JSON to protobuf and back, and Zipkin and Jaeger to protobuf.
//!
//! `cargo bench -p wholetrace-proto --bench translate`; criterion's elements are spans.

#[path = "../fuzz/jaeger_model.rs"]
mod jaeger_model;
#[path = "../tests/it/sample.rs"]
mod sample;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wholetrace_proto::{
    jaeger::api_v2,
    otlp_json,
    spans::count,
    thrift::{Kind, Protocol, Writer},
    translated::Limits,
    wire::{put_bytes, put_fixed64, put_uint},
    zipkin::{self, Encoding, Envelope},
};

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

/// The same in protobuf.
fn zipkin_protobuf(spans: u64) -> Vec<u8> {
    let message = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        out
    };
    let mut list = Vec::new();
    for number in 1..=spans {
        let service = number % 10;
        let tag = |key: &str, value: &str| {
            message(&|out| {
                put_bytes(out, 1, key.as_bytes());
                put_bytes(out, 2, value.as_bytes());
            })
        };
        let span = message(&|out| {
            put_bytes(out, 1, &u128::from(number / 10 + 1).to_be_bytes());
            put_bytes(out, 2, &(number / 2 + 1).to_be_bytes());
            put_bytes(out, 3, &number.to_be_bytes());
            put_uint(out, 4, 1);
            put_bytes(out, 5, b"get /api/items/{id}");
            put_fixed64(out, 6, 1_700_000_000_000_000);
            put_uint(out, 7, 1_234);
            let local = message(&|out| {
                put_bytes(out, 1, format!("service-{service}").as_bytes());
                put_bytes(out, 2, &[10, 0, 0, service.to_le_bytes()[0]]);
            });
            put_bytes(out, 8, &local);
            let remote = message(&|out| {
                put_bytes(out, 2, &[10, 0, 1, 7]);
                put_uint(out, 4, 8080);
            });
            put_bytes(out, 9, &remote);
            let annotation = message(&|out| {
                put_fixed64(out, 1, 1_700_000_000_000_100);
                put_bytes(out, 2, b"wire.send");
            });
            put_bytes(out, 10, &annotation);
            put_bytes(out, 11, &tag("http.method", "GET"));
            put_bytes(out, 11, &tag("http.path", "/api/items/17"));
            put_bytes(out, 11, &tag("http.status_code", "200"));
            put_bytes(out, 11, &tag("k8s.pod.name", &format!("pod-{service}")));
            put_bytes(out, 11, &tag("otel.scope.name", "brave"));
        });
        put_bytes(&mut list, 1, &span);
    }
    list
}

/// Spans of ten services of v1, as an instrumented HTTP client wrote them.
fn zipkin_thrift(spans: u32) -> Vec<u8> {
    let mut writer = Writer::new(Protocol::Binary);
    writer.put_list(Kind::Struct, spans);
    for number in 1..=i64::from(spans) {
        let name = format!("service-{}", number % 10);
        let host = |writer: &mut Writer, id| {
            writer.nested(id, |host| {
                host.i32(1, 0x0a00_0001);
                host.text(3, &name);
            });
        };
        let tag = |list: &mut Writer, key: &str, value: &str| {
            list.structure(|one| {
                one.text(1, key);
                one.text(2, value);
                one.i32(3, 6);
                host(one, 4);
            });
        };
        writer.structure(|span| {
            span.i64(1, number / 10 + 1);
            span.text(3, "get /api/items/{id}");
            span.i64(4, number);
            span.i64(5, number / 2 + 1);
            span.list(6, Kind::Struct, 2, |list| {
                for (value, time) in [("cs", 0), ("cr", 1_234)] {
                    list.structure(|one| {
                        one.i64(1, 1_700_000_000_000_000 + time);
                        one.text(2, value);
                        host(one, 3);
                    });
                }
            });
            span.list(8, Kind::Struct, 4, |list| {
                tag(list, "http.method", "GET");
                tag(list, "http.path", "/api/items/17");
                tag(list, "http.status_code", "200");
                tag(list, "component", "brave");
            });
            span.i64(10, 1_700_000_000_000_000);
            span.i64(11, 1_234);
        });
    }
    writer.into_bytes()
}

fn zipkin(criterion: &mut Criterion) {
    let spans = 500;
    let rows = [
        ("v2 json", zipkin_request(spans as usize).into_bytes(), Encoding::Json),
        ("v2 protobuf", zipkin_protobuf(u64::from(spans)), Encoding::Protobuf),
        ("v1 thrift", zipkin_thrift(spans), Encoding::Thrift),
    ];
    let mut group = criterion.benchmark_group("zipkin");
    group.throughput(Throughput::Elements(u64::from(spans)));
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
    group.finish();
}

/// Spans as a Jaeger client of a web server writes them.
fn jaeger_request(spans: usize) -> Vec<u8> {
    let integer = |key: &str, value| jaeger_model::KeyValue {
        v_type: 2,
        v_int64: value,
        ..jaeger_model::tag(key, "")
    };
    let spans = (1..=spans as u64).map(|number| {
        let trace_id = u128::from(number / 10 + 1).to_be_bytes().to_vec();
        let moment = |seconds, nanos| Some(jaeger_model::Moment { seconds, nanos });
        jaeger_model::Span {
            references: vec![jaeger_model::SpanRef {
                trace_id: trace_id.clone(),
                span_id: (number / 2 + 1).to_be_bytes().to_vec(),
                ref_type: 0,
            }],
            trace_id,
            span_id: (number + 1).to_be_bytes().to_vec(),
            operation_name: "GET /api/items/{id}".to_owned(),
            flags: 1,
            start_time: moment(1_700_000_000, 5_000),
            duration: moment(0, 1_234_000),
            tags: vec![
                jaeger_model::tag("span.kind", "server"),
                jaeger_model::tag("component", "net/http"),
                jaeger_model::tag("http.method", "GET"),
                jaeger_model::tag("http.url", "http://items.shop/api/items/17"),
                integer("http.status_code", 200),
                jaeger_model::tag("sampler.type", "const"),
            ],
            logs: vec![jaeger_model::Log {
                timestamp: moment(1_700_000_000, 6_000),
                fields: vec![
                    jaeger_model::tag("event", "redis"),
                    jaeger_model::tag("message", "found after 2 tries"),
                ],
            }],
            ..jaeger_model::Span::default()
        }
    });
    let tags = [("hostname", "items-6d5c9c7b8d-x2x7k"), ("ip", "10.42.17.133")];
    let process = jaeger_model::Process {
        service_name: "items".to_owned(),
        tags: tags.map(|(key, value)| jaeger_model::tag(key, value)).into(),
    };
    jaeger_model::request(spans.collect(), Some(process))
}

fn jaeger(criterion: &mut Criterion) {
    let spans = 500;
    let request = jaeger_request(spans);
    let mut group = criterion.benchmark_group("jaeger");
    group.throughput(Throughput::Elements(spans as u64));
    group.bench_function("protobuf", |bencher| {
        bencher.iter(|| {
            let read = api_v2::to_protobuf(black_box(&request), &mut Limits::default());
            read.map(|read| read.spans)
        });
    });
    group.finish();
}

criterion_group!(benches, otlp_json, zipkin, jaeger);
criterion_main!(benches);
