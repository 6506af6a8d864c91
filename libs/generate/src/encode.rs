//! Writes planned spans as OTLP protobuf.
//!
//! What all spans of an operation share is encoded once, when the run starts: the load side of a
//! measurement should cost less than what it measures.

use prost::Message;
use wholetrace_proto::{
    otlp::{
        self,
        numbers::{resource_spans, scope_spans, span as field, traces_data},
    },
    wire::{delimited_len, put_bytes, put_delimited_head, put_fixed64},
};

use super::{
    options::Options,
    shape::{OPERATIONS, Span},
};

/// Spans of one service on their way into a request.
#[derive(Debug, Default)]
pub(crate) struct Spans {
    /// `ScopeSpans.spans` fields, one after the other.
    bytes: Vec<u8>,
    pub(crate) count: u64,
}

/// The parts of requests that do not change, per service.
pub(crate) struct Encoder {
    services: Vec<Service>,
    /// The `status` field of spans that failed.
    error: Vec<u8>,
}

struct Service {
    /// The `resource` field of `ResourceSpans`.
    resource: Vec<u8>,
    /// The `scope` field of `ScopeSpans`.
    scope: Vec<u8>,
    /// Name, kind and attributes of a span, for both operations.
    operations: [Operation; 2],
}

/// What all spans of an operation share.
struct Operation {
    bytes: Vec<u8>,
    /// As many bytes at their end are text that is different in every span.
    varied: usize,
}

/// Text that is different in every span: with it, spans compress about as well as real ones do.
const VARIED: usize = 96;

/// Overwrites the last `length` bytes with digits that follow from `seed`.
fn vary(bytes: &mut [u8], length: usize, seed: u64) {
    let from = bytes.len().saturating_sub(length);
    let mut state = seed | 1;
    for piece in bytes.get_mut(from..).unwrap_or_default().chunks_mut(8) {
        // Xorshift: fast, and nobody has to believe in it.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        for (byte, random) in piece.iter_mut().zip(state.to_le_bytes()) {
            *byte = b'a' + random % 26;
        }
    }
}

impl Encoder {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            services: (0..options.services).map(|number| Service::new(options, number)).collect(),
            error: error(),
        }
    }

    /// Adds `span` of the trace `trace_id` that started at `start` (Unix nanoseconds).
    pub(crate) fn span(&self, trace_id: [u8; 16], start: u64, span: &Span, out: &mut Spans) {
        let Some(service) = self.services.get(usize::from(span.service)) else { return };
        let fixed = &service.operations[usize::from(span.second_operation)];
        let parent = span.parent.map(u64::to_be_bytes);
        let status: &[u8] = if span.error { &self.error } else { b"" };
        let length = 18 + 10 + parent.map_or(0, |_| 10) + 18 + fixed.bytes.len() + status.len();
        let bytes = &mut out.bytes;
        put_delimited_head(bytes, scope_spans::SPANS, length);
        put_bytes(bytes, field::TRACE_ID, &trace_id);
        put_bytes(bytes, field::SPAN_ID, &span.id.to_be_bytes());
        if let Some(parent) = parent {
            put_bytes(bytes, field::PARENT_SPAN_ID, &parent);
        }
        let start = start + span.start * 1_000;
        put_fixed64(bytes, field::START_TIME_UNIX_NANO, start);
        put_fixed64(bytes, field::END_TIME_UNIX_NANO, start + span.duration * 1_000);
        bytes.extend_from_slice(&fixed.bytes);
        vary(bytes.as_mut_slice(), fixed.varied, span.id);
        bytes.extend_from_slice(status);
        out.count += 1;
    }

    /// An `ExportTraceServiceRequest` of one service's spans.
    pub(crate) fn request(&self, service: u8, spans: &Spans) -> Vec<u8> {
        let Some(service) = self.services.get(usize::from(service)) else { return Vec::new() };
        let scope_spans = service.scope.len() + spans.bytes.len();
        let mut out = Vec::with_capacity(scope_spans + service.resource.len() + 32);
        let resource_spans =
            service.resource.len() + delimited_len(resource_spans::SCOPE_SPANS, scope_spans);
        put_delimited_head(&mut out, traces_data::RESOURCE_SPANS, resource_spans);
        out.extend_from_slice(&service.resource);
        put_delimited_head(&mut out, resource_spans::SCOPE_SPANS, scope_spans);
        out.extend_from_slice(&service.scope);
        out.extend_from_slice(&spans.bytes);
        out
    }
}

impl Service {
    fn new(options: &Options, number: u8) -> Self {
        let (name, first, second) = OPERATIONS[usize::from(number) % OPERATIONS.len()];
        let name = match usize::from(number) / OPERATIONS.len() {
            0 => name.to_owned(),
            copy => format!("{name}-{copy}"),
        };
        let resource = otlp::ResourceSpans {
            resource: Some(otlp::Resource {
                attributes: vec![
                    text("service.name", &name),
                    text("service.version", "1.4.2"),
                    text("host.name", &format!("node-{number}")),
                    text("k8s.pod.name", &format!("{name}-5d4f8c7b9d-{number:05}")),
                ],
                ..Default::default()
            }),
            ..Default::default()
        };
        let scope = otlp::ScopeSpans {
            scope: Some(otlp::InstrumentationScope {
                name: "shop.instrumentation".to_owned(),
                version: "2.1.0".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        Self {
            resource: resource.encode_to_vec(),
            scope: scope.encode_to_vec(),
            operations: [operation(options, number, first), operation(options, number, second)],
        }
    }
}

/// Everything of a span but ids, times and status; filled up to the size asked for.
fn operation(options: &Options, service: u8, name: &str) -> Operation {
    let mut span = otlp::Span {
        name: name.to_owned(),
        kind: if service == 0 { 2 } else { 3 },
        attributes: vec![
            text("http.request.method", name.split(' ').next().unwrap_or(name)),
            text("url.path", "/api/v1/items"),
            text("server.address", "shop.internal"),
            otlp::KeyValue {
                key: "http.response.status_code".to_owned(),
                value: Some(otlp::AnyValue { value: Some(otlp::any_value::Value::IntValue(200)) }),
                ..Default::default()
            },
        ],
        ..Default::default()
    };
    // Ids, times and the key of the filling take about 75 bytes.
    let missing = (options.span_bytes as usize).saturating_sub(span.encoded_len() + 75);
    if missing > 0 {
        let filling: String = "select name, price, stock from items where id = ? "
            .chars()
            .cycle()
            .take(missing)
            .collect();
        span.attributes.push(text("db.query.text", &filling));
    }
    // The filling is the last field, so its text is at the end.
    Operation { bytes: span.encode_to_vec(), varied: missing.min(VARIED) }
}

/// The `status` field of a span that failed.
fn error() -> Vec<u8> {
    let status = otlp::Status { message: "refused".to_owned(), code: 2 };
    otlp::Span { status: Some(status), ..Default::default() }.encode_to_vec()
}

fn text(key: &str, value: &str) -> otlp::KeyValue {
    otlp::KeyValue {
        key: key.to_owned(),
        value: Some(otlp::AnyValue {
            value: Some(otlp::any_value::Value::StringValue(value.to_owned())),
        }),
        ..Default::default()
    }
}
