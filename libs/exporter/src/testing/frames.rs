//! Frames with spans that can be told apart.

use bytes::Bytes;
use wholetrace_proto::{
    spans::{SpanRef, Visitor, visit},
    wire::{Cursor, put_bytes, put_fixed64, put_uint},
};

/// A span of tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    /// The low half of its trace id; padded on the right where it is a multiple of eight.
    pub key: u64,
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
        put_bytes(&mut scope, 1, b"");
        for span in few {
            put_bytes(&mut scope, 2, &body(span));
        }
        let mut resource = Vec::new();
        put_bytes(&mut resource, 1, &attribute(1, "service.name", &format!("service-{number}")));
        put_bytes(&mut resource, 2, &scope);
        put_bytes(&mut out, 1, &resource);
    }
    out.into()
}

/// The body of a span message.
pub fn body(span: &Span) -> Vec<u8> {
    let mut out = Vec::new();
    // Some senders pad short ids on the right.
    let padded = if span.key.is_multiple_of(8) { 64 } else { 0 };
    put_bytes(&mut out, 1, &(u128::from(span.key) << padded).to_be_bytes());
    put_bytes(&mut out, 2, &span.id.to_be_bytes());
    if !span.root {
        put_bytes(&mut out, 4, &[1; 8]);
    }
    put_bytes(&mut out, 5, b"work");
    put_fixed64(&mut out, 7, span.start_ms * 1_000_000);
    put_fixed64(&mut out, 8, span.end_ms * 1_000_000);
    if span.gold {
        put_bytes(&mut out, 9, &pair("tier", "gold"));
    }
    if span.noise {
        put_bytes(&mut out, 9, &pair("noise", "yes"));
    }
    if span.priority {
        let (mut any, mut pair) = (Vec::new(), Vec::new());
        put_uint(&mut any, 3, 1);
        put_bytes(&mut pair, 1, b"sampling.priority");
        put_bytes(&mut pair, 2, &any);
        put_bytes(&mut out, 9, &pair);
    }
    if span.error {
        let mut status = Vec::new();
        put_uint(&mut status, 3, 2);
        put_bytes(&mut out, 15, &status);
    }
    out
}

fn attribute(field: u32, name: &str, value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, field, &pair(name, value));
    out
}

fn pair(name: &str, value: &str) -> Vec<u8> {
    let (mut any, mut pair) = (Vec::new(), Vec::new());
    put_bytes(&mut any, 1, value.as_bytes());
    put_bytes(&mut pair, 1, name.as_bytes());
    put_bytes(&mut pair, 2, &any);
    pair
}

/// The span ids in a piece of kept spans.
pub fn ids(piece: &[u8]) -> Vec<u64> {
    struct Ids(Vec<u64>);
    impl Visitor<'_> for Ids {
        fn span(&mut self, span: SpanRef<'_>) {
            let mut fields = Cursor::new(span.body);
            while let Some(field) = fields.next_field().unwrap() {
                if field.number == 2 {
                    let id = field.bytes("Span").unwrap();
                    self.0.push(u64::from_be_bytes(id.try_into().unwrap()));
                }
            }
        }
    }
    let mut ids = Ids(Vec::new());
    visit(piece, &mut ids).expect("pieces are valid messages");
    ids.0
}
