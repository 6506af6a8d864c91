//! Requests as services send them: spans of about 430 bytes.

use prost::Message;
use wholetrace_proto::otlp::{
    AnyValue, ExportTraceServiceRequest, InstrumentationScope, KeyValue, Resource, ResourceSpans,
    ScopeSpans, Span, Status, any_value::Value,
};

/// An attribute with a text.
pub(crate) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

/// An attribute.
pub(crate) fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), key_strindex: 0 }
}

/// Span `number` of trace `trace`.
pub(crate) fn span(trace: u64, number: u64) -> Span {
    let spread = trace.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number);
    let start = 1_760_000_000_000_000_000 + trace * 1_000_000 + number * 1_000;
    let mut trace_id = trace.to_be_bytes().to_vec();
    trace_id.extend_from_slice(&(trace.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1).to_be_bytes());
    Span {
        trace_id,
        span_id: (spread | 1).to_be_bytes().to_vec(),
        parent_span_id: if number == 0 { Vec::new() } else { trace.to_be_bytes().to_vec() },
        name: "GET /api/v1/orders/{id}".to_owned(),
        kind: 2,
        start_time_unix_nano: start,
        end_time_unix_nano: start + 12_345_678,
        attributes: vec![
            text("http.request.method", "GET"),
            text("url.path", "/api/v1/orders/7f3c91d2"),
            text("url.scheme", "https"),
            text("server.address", "orders.shop.svc.cluster.local"),
            attribute("http.response.status_code", Value::IntValue(200)),
            attribute("server.port", Value::IntValue(8443)),
            text("network.peer.address", "10.42.17.133"),
            text("user_agent.original", "okhttp/4.12.0"),
            text("thread.name", "http-nio-8443-exec-7"),
            attribute("http.cached", Value::BoolValue(false)),
        ],
        status: Some(Status { message: String::new(), code: 1 }),
        flags: 0x101,
        ..Span::default()
    }
}

/// A request with `traces` traces, whose sizes go round 1 to 48 spans.
pub(crate) fn request(traces: u64) -> ExportTraceServiceRequest {
    let spans = (0..traces).flat_map(|trace| {
        let size = 1 + trace * 7 % 48;
        (0..size).map(move |number| span(trace + 1, number))
    });
    let resource = Resource {
        attributes: vec![
            text("service.name", "orders"),
            text("service.version", "2.14.0"),
            text("k8s.pod.name", "orders-6d5c9c7b8d-x2x7k"),
            text("telemetry.sdk.language", "java"),
        ],
        ..Resource::default()
    };
    let scope = InstrumentationScope {
        name: "io.opentelemetry.tomcat-10.0".to_owned(),
        version: "2.9.0".to_owned(),
        ..InstrumentationScope::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope),
                spans: spans.collect(),
                schema_url: "https://opentelemetry.io/schemas/1.24.0".to_owned(),
            }],
            schema_url: String::new(),
        }],
    }
}

/// The bytes of [`request`].
pub(crate) fn bytes(traces: u64) -> Vec<u8> {
    request(traces).encode_to_vec()
}
