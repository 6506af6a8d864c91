//! Traces of what the mappings to other formats promise to keep, and what is promised of them.

use std::collections::BTreeMap;

use proptest::{collection::vec, option, prelude::*};
use serde_json::{Value as Json, json};
use wholetrace_proto::otlp::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, Resource, ResourceSpans, ScopeSpans,
    Span, Status, TracesData,
    any_value::Value,
    span::{Event, Link},
};

use crate::sample::{attribute, text};

/// Spans of one resource and one scope.
pub(crate) fn traces(
    resource: Vec<KeyValue>,
    scope: InstrumentationScope,
    spans: Vec<Span>,
) -> TracesData {
    let resource = Resource { attributes: resource, ..Resource::default() };
    let scope = ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() };
    let scope_spans = vec![scope];
    let spans = ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() };
    TracesData { resource_spans: vec![spans] }
}

fn plain_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        3 => "\\PC{0,8}".prop_map(Value::StringValue),
        1 => any::<bool>().prop_map(Value::BoolValue),
        1 => any::<i64>().prop_map(Value::IntValue),
    ];
    let list = vec(leaf.clone(), 0..3).prop_map(|values| {
        let values = values.into_iter().map(|value| AnyValue { value: Some(value) }).collect();
        Value::ArrayValue(ArrayValue { values })
    });
    prop_oneof![4 => leaf, 1 => list]
}

/// Attributes with keys that differ.
fn attributes(keys: &'static str) -> impl Strategy<Value = Vec<KeyValue>> {
    proptest::collection::btree_map(keys, plain_value(), 0..4)
        .prop_map(|map| map.into_iter().map(|(key, value)| attribute(&key, value)).collect())
}

/// A span of what the mapping promises to keep.
fn kept_span() -> impl Strategy<Value = Span> {
    let id = |len: usize| vec(1..=255_u8, len);
    // Of 128 bits, and of 64.
    let short = id(8).prop_map(|low| [vec![0; 8], low].concat());
    let trace_id = prop_oneof![3 => id(16), 1 => short];
    let time = 1_700_000_000_000_000_000..1_800_000_000_000_000_000_u64;
    let event = (time.clone(), "[a-z ]{0,8}", attributes("[a-z]{1,4}"), 0..3_u32).prop_map(
        |(time_unix_nano, name, attributes, dropped_attributes_count)| Event {
            time_unix_nano,
            name,
            attributes,
            dropped_attributes_count,
        },
    );
    let link = (trace_id.clone(), id(8), "[a-z=]{0,5}", attributes("[a-z]{1,4}"), 0..3_u32)
        .prop_map(|(trace_id, span_id, trace_state, attributes, dropped_attributes_count)| Link {
            trace_id,
            span_id,
            trace_state,
            attributes,
            dropped_attributes_count,
            flags: 0,
        });
    let status =
        option::of(("[a-z]{0,5}", 0..3).prop_map(|(message, code)| Status { message, code }));
    let peer = option::of(prop_oneof![
        Just(text("service.peer.name", "stock")),
        Just(text("network.peer.address", "10.0.0.1")),
        Just(text("network.peer.address", "::1")),
        Just(text("network.peer.address", "no address")),
        Just(attribute("net.peer.port", Value::IntValue(80))),
        Just(attribute("net.peer.port", Value::IntValue(70_000))),
        Just(text("net.host.port", "80")),
        Just(text("host.name", "the span's")),
    ]);
    let lists = (attributes("k\\.[a-z]{1,6}"), peer, vec(event, 0..3), vec(link, 0..3));
    let head = (trace_id, id(8), option::of(id(8)), "[a-z=;]{0,6}", "\\PC{0,10}", 0..6);
    (head, (time, 1..10_000_000_u64), lists, status).prop_map(
        |(head, (start, took), (mut attributes, peer, events, links), status)| {
            attributes.extend(peer);
            Span {
                trace_id: head.0,
                span_id: head.1,
                parent_span_id: head.2.unwrap_or_default(),
                trace_state: head.3,
                name: head.4,
                kind: head.5,
                start_time_unix_nano: start,
                end_time_unix_nano: start + took,
                attributes,
                events,
                links,
                status: status.filter(|status| *status != Status::default()),
                ..Span::default()
            }
        },
    )
}

pub(crate) fn kept_traces() -> impl Strategy<Value = TracesData> {
    let scope = ("[a-z]{0,5}", "[0-9.]{0,3}", attributes("s\\.[a-z]{1,3}")).prop_map(
        |(name, version, attributes)| InstrumentationScope {
            name,
            version,
            attributes,
            dropped_attributes_count: 0,
        },
    );
    let resource = (option::of("[a-z-]{1,8}"), attributes("(host\\.name|k8s\\.pod\\.name|team)"));
    (resource, scope, vec(kept_span(), 1..4)).prop_map(
        |((service, mut attributes), scope, spans)| {
            attributes.extend(service.map(|name| text("service.name", &name)));
            traces(attributes, scope, spans)
        },
    )
}

/// A value as the text that Zipkin has of it.
pub(crate) fn as_text(value: &Value) -> String {
    match value {
        Value::StringValue(text) => text.clone(),
        value => as_json(value).to_string(),
    }
}

fn as_json(value: &Value) -> Json {
    match value {
        Value::StringValue(text) => json!(text),
        Value::BoolValue(value) => json!(value),
        Value::IntValue(number) => json!(number),
        Value::ArrayValue(list) => {
            list.values.iter().filter_map(|one| one.value.as_ref()).map(as_json).collect()
        }
        other => panic!("{other:?} is not made here"),
    }
}

/// What is promised of each span: itself with its times in microseconds and without attributes, the
/// name and version of its scope, and the attributes of resource, scope and span together, as text.
pub(crate) type Promise = (Span, String, String, BTreeMap<String, String>);

/// With times in units of so many nanoseconds.
pub(crate) fn promises(traces: &TracesData, unit: u64) -> Vec<Promise> {
    let mut promises = Vec::new();
    for resource in &traces.resource_spans {
        for scope_spans in &resource.scope_spans {
            let scope = scope_spans.scope.clone().unwrap_or_default();
            for span in &scope_spans.spans {
                let of_resource =
                    resource.resource.iter().flat_map(|resource| &resource.attributes);
                let all = of_resource.chain(&scope.attributes).chain(&span.attributes);
                let all = all.filter_map(|one| {
                    Some((one.key.clone(), as_text(one.value.as_ref()?.value.as_ref()?)))
                });
                let start = span.start_time_unix_nano / unit;
                let took = span.end_time_unix_nano - span.start_time_unix_nano;
                let mut left = Span {
                    start_time_unix_nano: start * unit,
                    end_time_unix_nano: (start + (took / unit).max(1)) * unit,
                    attributes: Vec::new(),
                    ..span.clone()
                };
                for event in &mut left.events {
                    event.time_unix_nano = event.time_unix_nano / unit * unit;
                }
                let (name, version) = (scope.name.clone(), scope.version.clone());
                promises.push((left, name, version, all.collect()));
            }
        }
    }
    promises.sort_by_key(|(span, ..)| (span.trace_id.clone(), span.span_id.clone()));
    promises
}
