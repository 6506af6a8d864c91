//! Sets an attribute of a span to true, without decoding the span.

use crate::{
    otlp::numbers::{
        any_value::BOOL_VALUE,
        key_value::{KEY, VALUE},
        span::ATTRIBUTES,
    },
    wire::{Cursor, Field, Value, delimited_len, put_bytes, put_delimited_head, put_uint},
};

/// A true `AnyValue`: tag and value.
const TRUE_LEN: usize = 2;

/// Appends to `out` the bytes of the span `body` with the attribute `key` set to true, whatever it
/// was set to before. A malformed span is appended as it is.
pub fn append_with_true(body: &[u8], key: &str, out: &mut Vec<u8>) {
    let start = out.len();
    let mut fields = Cursor::new(body);
    let mut copied = 0;
    loop {
        match fields.next_field() {
            Ok(Some(field)) if sets(&field, key) => {
                out.extend_from_slice(body.get(copied..field.range.start).unwrap_or_default());
                copied = field.range.end;
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(_) => {
                out.truncate(start);
                out.extend_from_slice(body);
                return;
            }
        }
    }
    out.extend_from_slice(body.get(copied..).unwrap_or_default());
    put_delimited_head(
        out,
        ATTRIBUTES,
        delimited_len(KEY, key.len()) + delimited_len(VALUE, TRUE_LEN),
    );
    put_bytes(out, KEY, key.as_bytes());
    put_delimited_head(out, VALUE, TRUE_LEN);
    put_uint(out, BOOL_VALUE, 1);
}

/// Whether `field` of a span is the attribute `key`.
fn sets(field: &Field<'_>, key: &str) -> bool {
    let (ATTRIBUTES, Value::Bytes(attribute)) = (field.number, field.value) else { return false };
    let (mut fields, mut found) = (Cursor::new(attribute), false);
    while let Ok(Some(field)) = fields.next_field() {
        if field.number == KEY {
            // The last one counts.
            found = field.value == Value::Bytes(key.as_bytes());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::otlp::{AnyValue, KeyValue, Span, any_value::Value as Any};

    fn attribute(key: &str, value: Any) -> KeyValue {
        KeyValue {
            key: key.into(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        }
    }

    fn with_true(span: &Span) -> Span {
        let mut out = b"before".to_vec();
        append_with_true(&span.encode_to_vec(), "late", &mut out);
        Span::decode(out.strip_prefix(b"before").unwrap()).unwrap()
    }

    #[test]
    fn the_attribute_is_set_once_and_all_else_stays() {
        let plain = Span {
            name: "work".into(),
            attributes: vec![attribute("later", Any::IntValue(3))],
            ..Span::default()
        };
        let mut expected = plain.clone();
        expected.attributes.push(attribute("late", Any::BoolValue(true)));
        assert_eq!(with_true(&plain), expected);
        for value in [Any::BoolValue(true), Any::StringValue("no".into())] {
            let mut given = plain.clone();
            given.attributes.insert(0, attribute("late", value));
            assert_eq!(with_true(&given), expected);
        }
        assert_eq!(with_true(&expected), expected);
    }

    #[test]
    fn a_malformed_span_stays_as_it_is() {
        for body in [&b"\x4a\x06\x0a\x04late\x4a\xff"[..], b"\x0a"] {
            let mut out = Vec::new();
            append_with_true(body, "late", &mut out);
            assert_eq!(out, body);
        }
    }
}
