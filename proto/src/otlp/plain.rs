//! Values of attributes as text, for formats whose tags are text: lists and maps in plain JSON, bytes in
//! base64.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{AnyValue, KeyValue, any_value::Value};
use crate::json::writer::{put_base64, put_display, put_float, put_text};

/// The value as text; one that is not set is empty.
pub(crate) fn text_of(value: Option<&AnyValue>) -> Cow<'_, str> {
    match value.and_then(|value| value.value.as_ref()) {
        None | Some(Value::StringValueStrindex(_)) => Cow::Borrowed(""),
        Some(Value::StringValue(text)) => Cow::Borrowed(text),
        Some(Value::BytesValue(bytes)) => Cow::Owned(STANDARD.encode(bytes)),
        Some(Value::DoubleValue(number)) if !number.is_finite() => Cow::Owned(number.to_string()),
        Some(value) => {
            let mut text = Vec::new();
            put_value(&mut text, value);
            // JSON that was written from text.
            Cow::Owned(String::from_utf8(text).unwrap_or_default())
        }
    }
}

/// Appends a list or a map of values, or anything that may stand in one, as JSON.
fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::StringValue(text) => put_text(out, text.as_bytes()),
        Value::BoolValue(value) => put_display(out, value),
        Value::IntValue(number) => put_display(out, number),
        Value::DoubleValue(number) => put_float(out, *number),
        Value::BytesValue(bytes) => put_base64(out, bytes),
        Value::StringValueStrindex(_) => out.extend_from_slice(b"null"),
        Value::KvlistValue(map) => put_attributes(out, &map.values),
        Value::ArrayValue(list) => {
            out.push(b'[');
            for (value, at) in list.values.iter().zip(0..) {
                if at > 0 {
                    out.push(b',');
                }
                put_or_null(out, Some(value));
            }
            out.push(b']');
        }
    }
}

/// Appends attributes as a JSON object.
pub(crate) fn put_attributes(out: &mut Vec<u8>, attributes: &[KeyValue]) {
    out.push(b'{');
    for (attribute, at) in attributes.iter().zip(0..) {
        if at > 0 {
            out.push(b',');
        }
        put_text(out, attribute.key.as_bytes());
        out.push(b':');
        put_or_null(out, attribute.value.as_ref());
    }
    out.push(b'}');
}

fn put_or_null(out: &mut Vec<u8>, value: Option<&AnyValue>) {
    match value.and_then(|value| value.value.as_ref()) {
        Some(value) => put_value(out, value),
        None => out.extend_from_slice(b"null"),
    }
}
