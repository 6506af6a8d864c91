//! What of a span becomes tags.

use super::own_field::own_field;
use crate::jaeger::numbers::{key_value, span as field};
use crate::otlp::enums::{KINDS, STATUS_CODES};
use crate::otlp::plain::text_of;
use crate::otlp::{AnyValue, InstrumentationScope, KeyValue, Span, any_value::Value};
use crate::wire::nested::{begin_message, end_message};
use crate::wire::{put_bytes, put_fixed64, put_uint};

const OK: i32 = 1;
const ERROR: i32 = 2;

/// Writes the tags of `span`: what Jaeger has no fields for. Of an attribute of the scope and one of the
/// span of the same name, the span's stays.
pub(super) fn put_span_tags(out: &mut Vec<u8>, span: &Span, scope: &InstrumentationScope) {
    put_text(out, "otel.scope.name", &scope.name);
    put_text(out, "otel.scope.version", &scope.version);
    for attribute in &scope.attributes {
        if !span.attributes.iter().any(|own| own.key == attribute.key) {
            put_key_value(out, field::TAGS, attribute);
        }
    }
    let (code, message) =
        span.status.as_ref().map_or((0, ""), |status| (status.code, status.message.as_str()));
    for attribute in &span.attributes {
        // It would be an error to Jaeger.
        let is_denied = code == OK && attribute.key == "error" && is_true(attribute);
        if !is_denied && own_field(attribute).is_none() {
            put_key_value(out, field::TAGS, attribute);
        }
    }
    if let Some(kind @ 1..) = usize::try_from(span.kind).ok()
        && let Some(kind) = KINDS.get(kind)
    {
        put_text(out, "span.kind", &kind.to_ascii_lowercase());
    }
    if code != 0 || !message.is_empty() {
        let code = usize::try_from(code).ok().and_then(|code| STATUS_CODES.get(code));
        put_text(out, "otel.status_code", code.copied().unwrap_or("UNSET"));
    }
    if code == ERROR {
        put_tag(out, field::TAGS, "error", Some(&Value::BoolValue(true)));
    }
    put_text(out, "otel.status_description", message);
    put_text(out, "w3c.tracestate", &span.trace_state);
    for (key, count) in [
        ("otel.dropped_attributes_count", span.dropped_attributes_count),
        ("otel.dropped_events_count", span.dropped_events_count),
        ("otel.dropped_links_count", span.dropped_links_count),
    ] {
        if count > 0 {
            put_tag(out, field::TAGS, key, Some(&Value::IntValue(i64::from(count))));
        }
    }
}

fn is_true(attribute: &KeyValue) -> bool {
    text_of(attribute.value.as_ref()).eq_ignore_ascii_case("true")
}

/// A tag of text, unless that is empty.
fn put_text(out: &mut Vec<u8>, key: &str, text: &str) {
    if !text.is_empty() {
        put_tag(out, field::TAGS, key, Some(&Value::StringValue(text.to_owned())));
    }
}

/// Writes an attribute as the field `number`.
pub(super) fn put_key_value(out: &mut Vec<u8>, number: u32, attribute: &KeyValue) {
    let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
    put_tag(out, number, &attribute.key, value);
}

/// Writes a tag as the field `number`: of its type where Jaeger has that, else as text.
pub(super) fn put_tag(out: &mut Vec<u8>, number: u32, key: &str, value: Option<&Value>) {
    let message = begin_message(out, number);
    put_bytes(out, key_value::KEY, key.as_bytes());
    match value {
        Some(Value::StringValue(text)) => put_bytes(out, key_value::TEXT, text.as_bytes()),
        Some(Value::BoolValue(value)) => {
            put_uint(out, key_value::TYPE, key_value::TYPE_BOOL);
            put_uint(out, key_value::BOOL, u64::from(*value));
        }
        Some(Value::IntValue(number)) => {
            put_uint(out, key_value::TYPE, key_value::TYPE_INT);
            put_uint(out, key_value::INT, number.cast_unsigned());
        }
        Some(Value::DoubleValue(number)) => {
            put_uint(out, key_value::TYPE, key_value::TYPE_DOUBLE);
            put_fixed64(out, key_value::DOUBLE, number.to_bits());
        }
        Some(Value::BytesValue(bytes)) => {
            put_uint(out, key_value::TYPE, key_value::TYPE_BYTES);
            put_bytes(out, key_value::BYTES, bytes);
        }
        other => {
            let any = AnyValue { value: other.cloned() };
            put_bytes(out, key_value::TEXT, text_of(Some(&any)).as_bytes());
        }
    }
    end_message(out, message);
}
