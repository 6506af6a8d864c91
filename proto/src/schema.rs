//! What is known of the fields of OTLP messages: enough to tell well-formed from malformed.

use crate::otlp::numbers::{
    any_value, array_value, entity_ref, event, instrumentation_scope, key_value, key_value_list,
    link, resource, resource_spans, scope_spans, span, status,
};

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

/// The rules by number, as [`Schema::rules`] has them, of the fields that are known; `LEN` is one
/// more than the highest number.
const fn rules<const LEN: usize>(known: &[(u32, Rule)]) -> [Rule; LEN] {
    let mut rules = [Unknown; LEN];
    let mut at = 0;
    while at < known.len() {
        let (number, rule) = known[at];
        rules[number as usize] = rule;
        at += 1;
    }
    rules
}

/// The head of a `ResourceSpans`.
pub(crate) static RESOURCE_HEAD: Schema = Schema {
    name: "ResourceSpans",
    rules: &rules::<4>(&[
        (resource_spans::RESOURCE, Message(&RESOURCE)),
        (resource_spans::SCHEMA_URL, Text),
    ]),
};

/// The head of a `ScopeSpans`.
pub(crate) static SCOPE_HEAD: Schema = Schema {
    name: "ScopeSpans",
    rules: &rules::<4>(&[(scope_spans::SCOPE, Message(&SCOPE)), (scope_spans::SCHEMA_URL, Text)]),
};

static RESOURCE: Schema = Schema {
    name: "Resource",
    rules: &rules::<4>(&[
        (resource::ATTRIBUTES, Message(&KEY_VALUE)),
        (resource::DROPPED_ATTRIBUTES_COUNT, Varint),
        (resource::ENTITY_REFS, Message(&ENTITY_REF)),
    ]),
};

static ENTITY_REF: Schema = Schema {
    name: "EntityRef",
    rules: &rules::<5>(&[
        (entity_ref::SCHEMA_URL, Text),
        (entity_ref::TYPE, Text),
        (entity_ref::ID_KEYS, Text),
        (entity_ref::DESCRIPTION_KEYS, Text),
    ]),
};

static SCOPE: Schema = Schema {
    name: "InstrumentationScope",
    rules: &rules::<5>(&[
        (instrumentation_scope::NAME, Text),
        (instrumentation_scope::VERSION, Text),
        (instrumentation_scope::ATTRIBUTES, Message(&KEY_VALUE)),
        (instrumentation_scope::DROPPED_ATTRIBUTES_COUNT, Varint),
    ]),
};

/// A span.
pub(crate) static SPAN: Schema = Schema {
    name: "Span",
    rules: &rules::<17>(&[
        (span::TRACE_ID, TraceId),
        (span::SPAN_ID, SpanId),
        (span::TRACE_STATE, Text),
        (span::PARENT_SPAN_ID, SpanId),
        (span::NAME, Text),
        (span::KIND, Varint),
        (span::START_TIME_UNIX_NANO, Fixed64),
        (span::END_TIME_UNIX_NANO, Fixed64),
        (span::ATTRIBUTES, Message(&KEY_VALUE)),
        (span::DROPPED_ATTRIBUTES_COUNT, Varint),
        (span::EVENTS, Message(&EVENT)),
        (span::DROPPED_EVENTS_COUNT, Varint),
        (span::LINKS, Message(&LINK)),
        (span::DROPPED_LINKS_COUNT, Varint),
        (span::STATUS, Message(&STATUS)),
        (span::FLAGS, Fixed32),
    ]),
};

static EVENT: Schema = Schema {
    name: "Event",
    rules: &rules::<5>(&[
        (event::TIME_UNIX_NANO, Fixed64),
        (event::NAME, Text),
        (event::ATTRIBUTES, Message(&KEY_VALUE)),
        (event::DROPPED_ATTRIBUTES_COUNT, Varint),
    ]),
};

static LINK: Schema = Schema {
    name: "Link",
    rules: &rules::<7>(&[
        (link::TRACE_ID, TraceId),
        (link::SPAN_ID, SpanId),
        (link::TRACE_STATE, Text),
        (link::ATTRIBUTES, Message(&KEY_VALUE)),
        (link::DROPPED_ATTRIBUTES_COUNT, Varint),
        (link::FLAGS, Fixed32),
    ]),
};

static STATUS: Schema = Schema {
    name: "Status",
    rules: &rules::<4>(&[(status::MESSAGE, Text), (status::CODE, Varint)]),
};

static KEY_VALUE: Schema = Schema {
    name: "KeyValue",
    rules: &rules::<4>(&[
        (key_value::KEY, Text),
        (key_value::VALUE, Message(&ANY_VALUE)),
        (key_value::KEY_STRINDEX, Varint),
    ]),
};

static ANY_VALUE: Schema = Schema {
    name: "AnyValue",
    rules: &rules::<9>(&[
        (any_value::STRING_VALUE, Text),
        (any_value::BOOL_VALUE, Varint),
        (any_value::INT_VALUE, Varint),
        (any_value::DOUBLE_VALUE, Fixed64),
        (any_value::ARRAY_VALUE, Message(&ARRAY_VALUE)),
        (any_value::KVLIST_VALUE, Message(&KEY_VALUE_LIST)),
        (any_value::BYTES_VALUE, Bytes),
        (any_value::STRING_VALUE_STRINDEX, Varint),
    ]),
};

static ARRAY_VALUE: Schema = Schema {
    name: "ArrayValue",
    rules: &rules::<2>(&[(array_value::VALUES, Message(&ANY_VALUE))]),
};

static KEY_VALUE_LIST: Schema = Schema {
    name: "KeyValueList",
    rules: &rules::<2>(&[(key_value_list::VALUES, Message(&KEY_VALUE))]),
};
