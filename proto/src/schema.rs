//! What is known of the fields of OTLP messages: enough to tell well-formed from malformed.

/// The known fields of one message.
pub(crate) struct Schema {
    /// Its name, for errors.
    pub(crate) name: &'static str,
    /// What each field is, by number. Numbers beyond are unknown.
    pub(crate) rules: &'static [Rule],
}

/// What a field is.
#[derive(Clone, Copy)]
pub(crate) enum Rule {
    /// Nobody knows: any wire type will do.
    Unknown,
    Varint,
    Fixed32,
    Fixed64,
    Bytes,
    Text,
    /// 16 bytes or none.
    TraceId,
    /// 8 bytes or none.
    SpanId,
    Message(&'static Schema),
}

use Rule::{Bytes, Fixed32, Fixed64, Message, SpanId, Text, TraceId, Unknown, Varint};

const fn schema(name: &'static str, rules: &'static [Rule]) -> Schema {
    Schema { name, rules }
}

/// The head of a `ResourceSpans`.
pub(crate) static RESOURCE_HEAD: Schema =
    schema("ResourceSpans", &[Unknown, Message(&RESOURCE), Unknown, Text]);

/// The head of a `ScopeSpans`.
pub(crate) static SCOPE_HEAD: Schema =
    schema("ScopeSpans", &[Unknown, Message(&SCOPE), Unknown, Text]);

static RESOURCE: Schema =
    schema("Resource", &[Unknown, Message(&KEY_VALUE), Varint, Message(&ENTITY_REF)]);

static ENTITY_REF: Schema = schema("EntityRef", &[Unknown, Text, Text, Text, Text]);

static SCOPE: Schema =
    schema("InstrumentationScope", &[Unknown, Text, Text, Message(&KEY_VALUE), Varint]);

/// A span.
pub(crate) static SPAN: Schema = schema(
    "Span",
    &[
        Unknown,
        TraceId,
        SpanId,
        Text,
        SpanId,
        Text,
        Varint,
        Fixed64,
        Fixed64,
        Message(&KEY_VALUE),
        Varint,
        Message(&EVENT),
        Varint,
        Message(&LINK),
        Varint,
        Message(&STATUS),
        Fixed32,
    ],
);

static EVENT: Schema = schema("Event", &[Unknown, Fixed64, Text, Message(&KEY_VALUE), Varint]);

static LINK: Schema =
    schema("Link", &[Unknown, TraceId, SpanId, Text, Message(&KEY_VALUE), Varint, Fixed32]);

static STATUS: Schema = schema("Status", &[Unknown, Unknown, Text, Varint]);

static KEY_VALUE: Schema = schema("KeyValue", &[Unknown, Text, Message(&ANY_VALUE), Varint]);

static ANY_VALUE: Schema = schema(
    "AnyValue",
    &[
        Unknown,
        Text,
        Varint,
        Varint,
        Fixed64,
        Message(&ARRAY_VALUE),
        Message(&KEY_VALUE_LIST),
        Bytes,
        Varint,
    ],
);

static ARRAY_VALUE: Schema = schema("ArrayValue", &[Unknown, Message(&ANY_VALUE)]);

static KEY_VALUE_LIST: Schema = schema("KeyValueList", &[Unknown, Message(&KEY_VALUE)]);
