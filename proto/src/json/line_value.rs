//! Attributes of OTLP protobuf as JSON, and the walk over fields that all messages share.

use super::object::{Object, put_base64, put_display, put_float, put_text};
use crate::wire::{Cursor, Field, Value, WireError};

/// How deep values may stand in each other.
const DEPTH_MAX: u32 = 100;

/// Why bytes cannot be written as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
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

pub(super) type Result<T = ()> = std::result::Result<T, LineError>;

pub(super) fn attribute(body: &[u8], out: &mut Vec<u8>) -> Result {
    key_value(body, out, DEPTH_MAX)
}

fn key_value(body: &[u8], out: &mut Vec<u8>, depth: u32) -> Result {
    let (mut key, mut value) = (&[][..], &[][..]);
    each_field(body, |field| {
        match field.number {
            1 => key = field.bytes("KeyValue")?,
            2 => value = field.bytes("KeyValue")?,
            _ => {}
        }
        Ok(())
    })?;
    let mut object = Object::begin(out);
    object.text("key", key);
    any_value(value, object.field("value"), depth)?;
    object.end();
    Ok(())
}

fn any_value(body: &[u8], out: &mut Vec<u8>, depth: u32) -> Result {
    let depth = depth.checked_sub(1).ok_or(LineError::Nesting { limit: DEPTH_MAX })?;
    // The last alternative counts.
    let mut last = None;
    each_field(body, |field| {
        if (1..=7).contains(&field.number) {
            last = Some(field);
        }
        Ok(())
    })?;
    let mut object = Object::begin(out);
    if let Some(field) = last {
        alternative(&field, &mut object, depth)?;
    }
    object.end();
    Ok(())
}

fn alternative(field: &Field<'_>, object: &mut Object<'_>, depth: u32) -> Result {
    const MESSAGE: &str = "AnyValue";
    match field.number {
        1 => put_text(object.field("stringValue"), field.bytes(MESSAGE)?),
        2 => put_display(object.field("boolValue"), &(field.varint(MESSAGE)? != 0)),
        3 => {
            let number = field.varint(MESSAGE)?.cast_signed();
            put_display(object.field("intValue"), &format_args!("\"{number}\""));
        }
        4 => put_float(object.field("doubleValue"), f64::from_bits(field.fixed64(MESSAGE)?)),
        5 => {
            let body = field.bytes(MESSAGE)?;
            let mut list = Object::begin(object.field("arrayValue"));
            repeated(&mut list, "values", body, 1, |body, out| any_value(body, out, depth))?;
            list.end();
        }
        6 => {
            let body = field.bytes(MESSAGE)?;
            let mut list = Object::begin(object.field("kvlistValue"));
            repeated(&mut list, "values", body, 1, |body, out| key_value(body, out, depth))?;
            list.end();
        }
        _ => put_base64(object.field("bytesValue"), field.bytes(MESSAGE)?),
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
