//! Frames with spans that can be told apart.

use bytes::Bytes;
use wholetrace_proto::{
    otlp::numbers::{
        any_value, key_value, resource, resource_spans, scope_spans, span as field, status,
        traces_data,
    },
    spans::{SpanRef, Visitor, visit},
    wire::{Cursor, put_bytes, put_fixed64, put_uint},
};

/// A span of tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    /// The low half of its trace id; padded on the right where it is a multiple of eight.
    pub key: u64,
    /// The high half of its trace id, if that has 128 bits; else 0.
    pub id_high: u64,
    /// Its span id.
    pub id: u64,
    /// Whether it has no parent.
    pub root: bool,
    /// Whether its status is ERROR.
    pub error: bool,
    /// When it began and when it ended, in milliseconds; 0 for unknown.
    pub start_ms: u64,
    /// See `start_ms`.
    pub end_ms: u64,
    /// The attribute `tier` of the value `gold`.
    pub gold: bool,
    /// The attribute `noise` of the value `yes`.
    pub noise: bool,
    /// The attribute `sampling.priority` of the value 1.
    pub priority: bool,
}

/// A frame of `spans`, a resource for every three of them.
pub fn frame(spans: &[Span]) -> Bytes {
    let mut out = Vec::new();
    for (number, few) in spans.chunks(3).enumerate() {
        let mut scope = Vec::new();
        put_bytes(&mut scope, scope_spans::SCOPE, b"");
        for span in few {
            put_bytes(&mut scope, scope_spans::SPANS, &body(span));
        }
        let mut resource = Vec::new();
        let service = attribute("service.name", &format!("service-{number}"));
        put_bytes(&mut resource, resource_spans::RESOURCE, &service);
        put_bytes(&mut resource, resource_spans::SCOPE_SPANS, &scope);
        put_bytes(&mut out, traces_data::RESOURCE_SPANS, &resource);
    }
    out.into()
}

/// The body of a span message.
pub fn body(span: &Span) -> Vec<u8> {
    let mut out = Vec::new();
    // Some senders pad short ids on the right.
    let padded = if span.key.is_multiple_of(8) && span.id_high == 0 { 64 } else { 0 };
    let trace_id = u128::from(span.id_high) << 64 | u128::from(span.key) << padded;
    put_bytes(&mut out, field::TRACE_ID, &trace_id.to_be_bytes());
    put_bytes(&mut out, field::SPAN_ID, &span.id.to_be_bytes());
    if !span.root {
        put_bytes(&mut out, field::PARENT_SPAN_ID, &[1; 8]);
    }
    put_bytes(&mut out, field::NAME, b"work");
    put_fixed64(&mut out, field::START_TIME_UNIX_NANO, span.start_ms * 1_000_000);
    put_fixed64(&mut out, field::END_TIME_UNIX_NANO, span.end_ms * 1_000_000);
    if span.gold {
        put_bytes(&mut out, field::ATTRIBUTES, &pair("tier", "gold"));
    }
    if span.noise {
        put_bytes(&mut out, field::ATTRIBUTES, &pair("noise", "yes"));
    }
    if span.priority {
        let (mut any, mut pair) = (Vec::new(), Vec::new());
        put_uint(&mut any, any_value::INT_VALUE, 1);
        put_bytes(&mut pair, key_value::KEY, b"sampling.priority");
        put_bytes(&mut pair, key_value::VALUE, &any);
        put_bytes(&mut out, field::ATTRIBUTES, &pair);
    }
    if span.error {
        let mut status = Vec::new();
        put_uint(&mut status, status::CODE, 2);
        put_bytes(&mut out, field::STATUS, &status);
    }
    out
}

/// The body of a resource with one attribute.
fn attribute(name: &str, value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, resource::ATTRIBUTES, &pair(name, value));
    out
}

fn pair(name: &str, value: &str) -> Vec<u8> {
    let (mut any, mut pair) = (Vec::new(), Vec::new());
    put_bytes(&mut any, any_value::STRING_VALUE, value.as_bytes());
    put_bytes(&mut pair, key_value::KEY, name.as_bytes());
    put_bytes(&mut pair, key_value::VALUE, &any);
    pair
}

/// The span ids in a piece of kept spans.
pub fn ids(piece: &[u8]) -> Vec<u64> {
    let ids = field_of_spans(piece, field::SPAN_ID);
    ids.into_iter().map(|id| u64::from_be_bytes(id.try_into().unwrap())).collect()
}

/// The trace ids of the spans in such a piece.
pub fn trace_ids(piece: &[u8]) -> Vec<u128> {
    let ids = field_of_spans(piece, field::TRACE_ID);
    ids.into_iter().map(|id| u128::from_be_bytes(id.try_into().unwrap())).collect()
}

fn field_of_spans(piece: &[u8], number: u32) -> Vec<&[u8]> {
    struct Values<'a>(u32, Vec<&'a [u8]>);
    impl<'a> Visitor<'a> for Values<'a> {
        fn span(&mut self, span: SpanRef<'a>) {
            let mut fields = Cursor::new(span.body);
            while let Some(field) = fields.next_field().unwrap() {
                if field.number == self.0 {
                    self.1.push(field.bytes("Span").unwrap());
                }
            }
        }
    }
    let mut values = Values(number, Vec::new());
    visit(piece, &mut values).expect("pieces are valid messages");
    values.1
}
