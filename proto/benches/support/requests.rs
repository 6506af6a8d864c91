//! Requests of every protocol but OTLP, as instrumented servers and clients send them: what benches of
//! translators and of receivers read.

use wholetrace_proto::{
    thrift::{Kind, Protocol, Writer},
    wire::{put_bytes, put_fixed64, put_uint},
};

use crate::{jaeger_model, jaeger_thrift};

/// Spans of ten services, as an instrumented HTTP client writes them.
pub(crate) fn zipkin_json(spans: u32) -> Vec<u8> {
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
    format!("[{}]", spans.join(",")).into_bytes()
}

/// The same in protobuf.
pub(crate) fn zipkin_protobuf(spans: u32) -> Vec<u8> {
    let message = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        out
    };
    let mut list = Vec::new();
    for number in 1..=u64::from(spans) {
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
pub(crate) fn zipkin_thrift(spans: u32) -> Vec<u8> {
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

/// Spans as a Jaeger client of a web server writes them.
fn jaeger_batch(spans: u32) -> jaeger_model::Batch {
    let integer = |key: &str, value| jaeger_model::KeyValue {
        v_type: 2,
        v_int64: value,
        ..jaeger_model::tag(key, "")
    };
    let spans = (1..=u64::from(spans)).map(|number| {
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
    jaeger_model::Batch { spans: spans.collect(), process: Some(process) }
}

/// A `PostSpansRequest` in protobuf.
pub(crate) fn jaeger_protobuf(spans: u32) -> Vec<u8> {
    let jaeger_model::Batch { spans, process } = jaeger_batch(spans);
    jaeger_model::request(spans, process)
}

/// A `Batch` in Thrift's binary protocol, as it is posted.
pub(crate) fn jaeger_thrift(spans: u32) -> Vec<u8> {
    jaeger_thrift::batch(&jaeger_batch(spans), Protocol::Binary)
}
