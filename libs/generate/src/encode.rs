//! Writes planned spans as OTLP protobuf.
//!
//! What all spans of an operation share is encoded once, when the run starts: the load side of a
//! measurement should cost less than what it measures.

use prost::{Message, encoding::encode_varint};
use wholetrace_proto::otlp;

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
        }
    }

    /// Adds `span` of the trace `trace_id` that started at `start` (Unix nanoseconds).
    pub(crate) fn span(&self, trace_id: [u8; 16], start: u64, span: &Span, out: &mut Spans) {
        let Some(service) = self.services.get(usize::from(span.service)) else { return };
        let fixed = &service.operations[usize::from(span.second_operation)];
        let parent = span.parent.map(u64::to_be_bytes);
        let status: &[u8] = if span.error { b"\x7a\x0b\x12\x07refused\x18\x02" } else { b"" };
        let length = 18 + 10 + parent.map_or(0, |_| 10) + 18 + fixed.bytes.len() + status.len();
        out.bytes.push(0x12);
        encode_varint(length as u64, &mut out.bytes);
        out.bytes.extend_from_slice(&[0x0a, 16]);
        out.bytes.extend_from_slice(&trace_id);
        out.bytes.extend_from_slice(&[0x12, 8]);
        out.bytes.extend_from_slice(&span.id.to_be_bytes());
        if let Some(parent) = parent {
            out.bytes.extend_from_slice(&[0x22, 8]);
            out.bytes.extend_from_slice(&parent);
        }
        let start = start + span.start * 1_000;
        out.bytes.push(0x39);
        out.bytes.extend_from_slice(&start.to_le_bytes());
        out.bytes.push(0x41);
        out.bytes.extend_from_slice(&(start + span.duration * 1_000).to_le_bytes());
        out.bytes.extend_from_slice(&fixed.bytes);
        vary(out.bytes.as_mut_slice(), fixed.varied, span.id);
        out.bytes.extend_from_slice(status);
        out.count += 1;
    }

    /// An `ExportTraceServiceRequest` of one service's spans.
    pub(crate) fn request(&self, service: u8, spans: &Spans) -> Vec<u8> {
        let Some(service) = self.services.get(usize::from(service)) else { return Vec::new() };
        let scope_spans = service.scope.len() + spans.bytes.len();
        let mut out = Vec::with_capacity(scope_spans + service.resource.len() + 32);
        let mut length = Vec::with_capacity(10);
        encode_varint(scope_spans as u64, &mut length);
        out.push(0x0a);
        encode_varint((service.resource.len() + 1 + length.len() + scope_spans) as u64, &mut out);
        out.extend_from_slice(&service.resource);
        out.push(0x12);
        out.extend_from_slice(&length);
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

fn text(key: &str, value: &str) -> otlp::KeyValue {
    otlp::KeyValue {
        key: key.to_owned(),
        value: Some(otlp::AnyValue {
            value: Some(otlp::any_value::Value::StringValue(value.to_owned())),
        }),
        ..Default::default()
    }
}
