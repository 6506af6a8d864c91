//! Frames with spans that can be told apart, for tests.

use std::sync::Arc;

use bytes::Bytes;
use wholetrace_proto::{
    spans::{SpanRef, Visitor, visit},
    wire::{Cursor, put_bytes, put_fixed64, put_uint},
};
use wholetrace_runtime::problems::Problems;

use crate::policy::{PolicySet, TailSamplingConfig};

/// A span of the simulation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    pub(crate) key: u64,
    pub(crate) id: u64,
    pub(crate) root: bool,
    pub(crate) error: bool,
    /// When it began and when it ended, in milliseconds; 0 for unknown.
    pub(crate) start_ms: u64,
    pub(crate) end_ms: u64,
    /// The attribute `tier` of the value `gold`.
    pub(crate) gold: bool,
    /// The attribute `noise` of the value `yes`.
    pub(crate) noise: bool,
    /// The attribute `sampling.priority` of the value 1.
    pub(crate) priority: bool,
}

/// A frame of `spans`, a resource for every three of them.
pub(crate) fn frame(spans: &[Span]) -> Bytes {
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
pub(crate) fn body(span: &Span) -> Vec<u8> {
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
pub(crate) fn ids(piece: &[u8]) -> Vec<u64> {
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

/// Policies that keep all errors and some per cent of the rest, after `wait`.
pub(crate) fn policies(wait: &str, percent: u32) -> Arc<PolicySet> {
    compile(serde_json::json!({
        "decision_wait": wait,
        "policies": [
            { "name": "errors", "type": "status_code",
              "status_code": { "status_codes": ["ERROR"] } },
            { "name": "some", "type": "probabilistic",
              "probabilistic": { "sampling_percentage": percent } },
        ],
    }))
}

/// Policies of every kind, beside those that keep all errors and some per cent of the rest.
pub(crate) fn many_policies(percent: u32) -> Arc<PolicySet> {
    compile(serde_json::json!({
        "keep_signals": ["sampling_priority"],
        "policies": [
            { "name": "errors", "type": "status_code",
              "status_code": { "status_codes": ["ERROR"] } },
            { "name": "slow", "type": "latency", "latency": { "threshold_ms": 500 } },
            { "name": "gold", "type": "and", "and": { "and_sub_policy": [
                { "name": "tier", "type": "string_attribute",
                  "string_attribute": { "key": "tier", "values": ["gold"] } },
                { "name": "half", "type": "probabilistic",
                  "probabilistic": { "sampling_percentage": 50 } } ] } },
            { "name": "noise", "type": "drop", "drop": { "drop_sub_policy": [
                { "name": "noisy", "type": "string_attribute",
                  "string_attribute": { "key": "noise", "values": ["yes"] } } ] } },
            { "name": "some", "type": "probabilistic",
              "probabilistic": { "sampling_percentage": percent } },
        ],
    }))
}

fn compile(config: serde_json::Value) -> Arc<PolicySet> {
    let config: TailSamplingConfig = serde_json::from_value(config).expect("a configuration");
    let mut problems = Problems::default();
    Arc::new(PolicySet::compile(&config, "tail_sampling", &mut problems).expect("policies"))
}
