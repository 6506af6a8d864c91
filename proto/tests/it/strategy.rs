//! Arbitrary OTLP messages, and encodings of them that a tidy encoder would not write.

use proptest::{collection::vec, option, prelude::*};
use prost::Message;
use wholetrace_proto::{
    otlp::{
        AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList, Resource,
        ResourceSpans, ScopeSpans, Span, Status, TracesData,
        any_value::Value,
        span::{Event, Link},
    },
    wire::{put_bytes, put_fixed32, put_tag, put_uint},
};

/// Text, at times longer than lengths of one byte tell.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![6 => "[a-z./]{0,12}", 2 => "\\PC{0,8}", 1 => "[ -~]{120,140}"]
}

/// A value, nested a few levels.
fn value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        4 => text().prop_map(Value::StringValue),
        1 => any::<bool>().prop_map(Value::BoolValue),
        1 => any::<i64>().prop_map(Value::IntValue),
        1 => (-1e9..1e9_f64).prop_map(Value::DoubleValue),
        1 => vec(any::<u8>(), 0..6).prop_map(Value::BytesValue),
        1 => any::<i32>().prop_map(Value::StringValueStrindex),
    ];
    let leaf = option::weighted(0.95, leaf).prop_map(|value| AnyValue { value });
    leaf.prop_recursive(4, 12, 3, |inner| {
        let array =
            vec(inner.clone(), 0..3).prop_map(|values| Value::ArrayValue(ArrayValue { values }));
        let map = vec(key_value(inner), 0..3)
            .prop_map(|values| Value::KvlistValue(KeyValueList { values }));
        prop_oneof![array, map].prop_map(|value| AnyValue { value: Some(value) })
    })
}

fn key_value(value: impl Strategy<Value = AnyValue>) -> impl Strategy<Value = KeyValue> {
    (text(), option::weighted(0.9, value), 0..3).prop_map(|(key, value, key_strindex)| KeyValue {
        key,
        value,
        key_strindex,
    })
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    vec(key_value(value()), 0..4)
}

fn resource() -> impl Strategy<Value = Resource> {
    let entity = (text(), text(), vec(text(), 0..2)).prop_map(|(schema_url, r#type, id_keys)| {
        EntityRef { schema_url, r#type, id_keys, description_keys: Vec::new() }
    });
    (attributes(), 0..3_u32, vec(entity, 0..2)).prop_map(
        |(attributes, dropped_attributes_count, entity_refs)| Resource {
            attributes,
            dropped_attributes_count,
            entity_refs,
        },
    )
}

fn scope() -> impl Strategy<Value = InstrumentationScope> {
    (text(), text(), attributes(), 0..3_u32).prop_map(
        |(name, version, attributes, dropped_attributes_count)| InstrumentationScope {
            name,
            version,
            attributes,
            dropped_attributes_count,
        },
    )
}

fn id(len: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(1..=255_u8, len)
}

/// A parent or a link's id: there or not.
fn optional_id(len: usize) -> impl Strategy<Value = Vec<u8>> {
    option::of(id(len)).prop_map(Option::unwrap_or_default)
}

fn link() -> impl Strategy<Value = Link> {
    (optional_id(16), optional_id(8), text(), attributes(), any::<u32>()).prop_map(
        |(trace_id, span_id, trace_state, attributes, flags)| Link {
            trace_id,
            span_id,
            trace_state,
            attributes,
            dropped_attributes_count: 0,
            flags,
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    (any::<u64>(), text(), attributes()).prop_map(|(time_unix_nano, name, attributes)| Event {
        time_unix_nano,
        name,
        attributes,
        dropped_attributes_count: 1,
    })
}

/// A span with valid ids.
pub(crate) fn span() -> impl Strategy<Value = Span> {
    let ids = (id(16), id(8), optional_id(8));
    let times = (any::<u64>(), any::<u64>());
    let lists = (attributes(), vec(event(), 0..2), vec(link(), 0..2));
    let status = option::of((text(), 0..3).prop_map(|(message, code)| Status { message, code }));
    (ids, text(), text(), -1..7, times, lists, status, any::<u32>()).prop_map(
        |(ids, trace_state, name, kind, times, lists, status, flags)| Span {
            trace_id: ids.0,
            span_id: ids.1,
            parent_span_id: ids.2,
            trace_state,
            name,
            kind,
            start_time_unix_nano: times.0,
            end_time_unix_nano: times.1,
            attributes: lists.0,
            events: lists.1,
            links: lists.2,
            status,
            flags,
            ..Span::default()
        },
    )
}

/// A message with a few resources, scopes and spans; all of them may be empty.
pub(crate) fn traces() -> impl Strategy<Value = TracesData> {
    let scope_spans = (option::of(scope()), vec(span(), 0..4), text())
        .prop_map(|(scope, spans, schema_url)| ScopeSpans { scope, spans, schema_url });
    let resource_spans = (option::of(resource()), vec(scope_spans, 0..3), text()).prop_map(
        |(resource, scope_spans, schema_url)| ResourceSpans { resource, scope_spans, schema_url },
    );
    vec(resource_spans, 0..3).prop_map(|resource_spans| TracesData { resource_spans })
}

/// The message in an order that `keys` chooses, with unknown fields in between, and with messages
/// that occur once given in two parts.
pub(crate) fn untidy(traces: &TracesData, keys: &[u64]) -> Vec<u8> {
    let mut keys = keys.iter().copied().cycle();
    let mut next = move || keys.next().unwrap_or(0);
    let mut fields = vec![unknown(next())];
    for resource in &traces.resource_spans {
        let mut inner = vec![unknown(next())];
        for scope in &resource.scope_spans {
            let mut parts = vec![unknown(next())];
            for span in &scope.spans {
                let fields = fields_of(span).into_iter().map(|field| in_two(field, 15, next()));
                parts.push(field(2, &fields.collect::<Vec<_>>().concat()));
            }
            let bare = ScopeSpans { spans: Vec::new(), ..scope.clone() };
            parts.extend(fields_of(&bare).into_iter().map(|field| in_two(field, 1, next())));
            let body = shuffled(parts, &mut next);
            inner.push(field(2, &body));
        }
        let bare = ResourceSpans { scope_spans: Vec::new(), ..resource.clone() };
        inner.extend(fields_of(&bare).into_iter().map(|field| in_two(field, 1, next())));
        fields.push(field(1, &shuffled(inner, &mut next)));
    }
    shuffled(fields, &mut next)
}

/// The fields of an encoded message, apart.
fn fields_of(message: &impl Message) -> Vec<Vec<u8>> {
    let bytes = message.encode_to_vec();
    let mut cursor = wholetrace_proto::wire::Cursor::new(&bytes);
    std::iter::from_fn(|| cursor.next_field().unwrap())
        .map(|field| bytes[field.range].to_vec())
        .collect()
}

/// A field; if it is `number`, a message, its own fields stand in two of them.
fn in_two(bytes: Vec<u8>, number: u32, key: u64) -> Vec<u8> {
    let mut cursor = wholetrace_proto::wire::Cursor::new(&bytes);
    let whole = cursor.next_field().unwrap().unwrap();
    let Ok(body) = whole.bytes("message") else { return bytes };
    if whole.number != number || key.is_multiple_of(3) {
        return bytes;
    }
    let mut fields = wholetrace_proto::wire::Cursor::new(body);
    for _ in 0..key % 4 {
        drop(fields.next_field());
    }
    let (first, second) = body.split_at(fields.position());
    [field(number, first), field(number, second)].concat()
}

fn shuffled(fields: impl IntoIterator<Item = Vec<u8>>, next: &mut impl FnMut() -> u64) -> Vec<u8> {
    let mut fields: Vec<_> = fields.into_iter().map(|field| (next(), field)).collect();
    fields.sort();
    fields.into_iter().flat_map(|(_, field)| field).collect()
}

fn field(number: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, number, body);
    out
}

/// A field that nobody knows, of any wire type.
fn unknown(key: u64) -> Vec<u8> {
    let mut out = Vec::new();
    match key % 5 {
        0 => put_uint(&mut out, 77, key),
        1 => put_bytes(&mut out, 20_000, b"unknown"),
        2 => put_fixed32(&mut out, 100, 7),
        3 => {
            // A group with a group in it.
            put_tag(&mut out, 50, 3);
            put_tag(&mut out, 51, 3);
            put_uint(&mut out, 1, 5);
            put_tag(&mut out, 51, 4);
            put_tag(&mut out, 50, 4);
        }
        _ => {}
    }
    out
}
