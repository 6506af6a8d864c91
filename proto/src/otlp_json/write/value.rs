//! Attributes of OTLP protobuf as JSON, and the walk over fields that all messages share.

use super::merge::Merged;
use crate::json::writer::{Object, put_base64, put_display, put_float, put_text};
use crate::otlp::numbers::{any_value, array_value, key_value, key_value_list};
use crate::wire::{Cursor, Field, Value, WireError};

/// How deep values may stand in each other.
const DEPTH_MAX: u32 = 100;

/// Why bytes cannot be written as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// They are not protobuf.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Values are nested too deep.
    #[error("the values of an attribute are nested deeper than `{limit}`")]
    Nesting {
        /// The most levels.
        limit: u32,
    },
}

pub(super) type Result<T = ()> = std::result::Result<T, WriteError>;

pub(super) fn attribute(body: &[u8], out: &mut Vec<u8>) -> Result {
    key_value(body, out, DEPTH_MAX)
}

fn key_value(body: &[u8], out: &mut Vec<u8>, depth: u32) -> Result {
    let (mut key, mut value, mut key_index) = (&[][..], Merged::default(), 0);
    each_field(body, |field| {
        match field.number {
            key_value::KEY => key = field.bytes("KeyValue")?,
            key_value::VALUE => value.add(&field, "KeyValue")?,
            key_value::KEY_STRINDEX => key_index = field.varint("KeyValue")?,
            _ => {}
        }
        Ok(())
    })?;
    let mut object = Object::begin(out);
    object.text("key", key);
    any_value(&value.body(body, key_value::VALUE)?, object.field("value"), depth)?;
    object.short("keyStrindex", int32(key_index));
    object.end();
    Ok(())
}

fn any_value(body: &[u8], out: &mut Vec<u8>, depth: u32) -> Result {
    let depth = depth.checked_sub(1).ok_or(WriteError::Nesting { limit: DEPTH_MAX })?;
    // The last alternative counts, and how often it came in a row.
    let (mut last, mut times): (Option<Field<'_>>, usize) = (None, 0);
    each_field(body, |field| {
        if is_alternative(field.number) {
            let again = last.as_ref().is_some_and(|last| last.number == field.number);
            times = if again { times + 1 } else { 1 };
            last = Some(field);
        }
        Ok(())
    })?;
    let mut object = Object::begin(out);
    if let Some(field) = last {
        alternative(&field, body, times, &mut object, depth)?;
    }
    object.end();
    Ok(())
}

/// Whether the field `number` of `AnyValue` is one of those of which a value has one.
const fn is_alternative(number: u32) -> bool {
    matches!(number, any_value::STRING_VALUE..=any_value::STRING_VALUE_STRINDEX)
}

fn alternative(
    field: &Field<'_>,
    value: &[u8],
    times: usize,
    object: &mut Object<'_>,
    depth: u32,
) -> Result {
    const MESSAGE: &str = "AnyValue";
    match field.number {
        any_value::STRING_VALUE => put_text(object.field("stringValue"), field.bytes(MESSAGE)?),
        any_value::BOOL_VALUE => {
            put_display(object.field("boolValue"), &(field.varint(MESSAGE)? != 0));
        }
        any_value::INT_VALUE => {
            let number = field.varint(MESSAGE)?.cast_signed();
            put_display(object.field("intValue"), &format_args!("\"{number}\""));
        }
        any_value::DOUBLE_VALUE => {
            put_float(object.field("doubleValue"), f64::from_bits(field.fixed64(MESSAGE)?));
        }
        any_value::ARRAY_VALUE => {
            let body =
                Merged::last(field.bytes(MESSAGE)?, times).body(value, any_value::ARRAY_VALUE)?;
            let mut list = Object::begin(object.field("arrayValue"));
            repeated(&mut list, "values", &body, array_value::VALUES, |body, out| {
                any_value(body, out, depth)
            })?;
            list.end();
        }
        any_value::KVLIST_VALUE => {
            let body =
                Merged::last(field.bytes(MESSAGE)?, times).body(value, any_value::KVLIST_VALUE)?;
            let mut list = Object::begin(object.field("kvlistValue"));
            repeated(&mut list, "values", &body, key_value_list::VALUES, |body, out| {
                key_value(body, out, depth)
            })?;
            list.end();
        }
        any_value::BYTES_VALUE => put_base64(object.field("bytesValue"), field.bytes(MESSAGE)?),
        // A place in a table that profiles have, and traces have not.
        _ => put_display(object.field("stringValueStrindex"), &int32(field.varint(MESSAGE)?)),
    }
    Ok(())
}

/// Writes all fields `number` of the message `body` as the array `name`, left out when there are
/// none.
pub(super) fn repeated(
    object: &mut Object<'_>,
    name: &'static str,
    body: &[u8],
    number: u32,
    mut each: impl FnMut(&[u8], &mut Vec<u8>) -> Result,
) -> Result {
    let mut cursor = Cursor::new(body);
    let mut array: Option<&mut Vec<u8>> = None;
    while let Some(field) = cursor.next_field()? {
        if field.number != number {
            continue;
        }
        let element = field.bytes(name)?;
        let out = match array.take() {
            Some(out) => {
                out.push(b',');
                out
            }
            None => {
                let out = object.field(name);
                out.push(b'[');
                out
            }
        };
        each(element, out)?;
        array = Some(out);
    }
    if let Some(out) = array {
        out.push(b']');
    }
    Ok(())
}

pub(super) fn each_field<'a>(body: &'a [u8], mut each: impl FnMut(Field<'a>) -> Result) -> Result {
    let mut cursor = Cursor::new(body);
    while let Some(field) = cursor.next_field()? {
        each(field)?;
    }
    Ok(())
}

pub(super) fn fixed32(field: &Field<'_>, message: &'static str) -> Result<u32> {
    match field.value {
        Value::Fixed32(number) => Ok(number),
        _ => Err(field.wrong_type(message).into()),
    }
}

/// A signed number of 32 bits, read as protobuf reads it: the low half.
#[expect(clippy::cast_possible_truncation, reason = "what the wire format asks for")]
pub(super) const fn int32(number: u64) -> i64 {
    (number as i32) as i64
}
