//! Attributes of OTLP protobuf as JSON, and the list of messages that all of them have.

use super::object::{Object, put_base64, put_display, put_float, put_text};
use super::parts::{Body, each_field};
use crate::wire::{Field, Value, WireError};

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

pub(super) fn attribute(body: &[&[u8]], out: &mut Vec<u8>) -> Result {
    key_value(body, out, DEPTH_MAX)
}

fn key_value(body: &[&[u8]], out: &mut Vec<u8>, depth: u32) -> Result {
    let (mut key, mut value, mut key_index) = (&[][..], Body::default(), 0);
    each_field(body, |field| {
        match field.number {
            1 => key = field.bytes("KeyValue")?,
            2 => value.add(&field, "KeyValue")?,
            3 => key_index = int32(field.varint("KeyValue")?),
            _ => {}
        }
        Ok(())
    })?;
    let mut object = Object::begin(out);
    object.text("key", key);
    any_value(value.parts(), object.field("value"), depth)?;
    object.short("keyStrindex", key_index);
    object.end();
    Ok(())
}

/// One of the alternatives of a value.
#[derive(Default)]
enum Alternative<'a> {
    #[default]
    None,
    Text(&'a [u8]),
    Bool(bool),
    Int(i64),
    Double(f64),
    Array(Body<'a>),
    Map(Body<'a>),
    Bytes(&'a [u8]),
    /// A place in a table that profiles have, and traces have not.
    TextIndex(i64),
}

impl<'a> Alternative<'a> {
    /// The last alternative counts. A message that comes right after one of its kind is one with it.
    fn read(body: &[&'a [u8]]) -> Result<Self> {
        const MESSAGE: &str = "AnyValue";
        let mut last = Self::None;
        each_field(body, |field| {
            match field.number {
                1 => last = Self::Text(field.bytes(MESSAGE)?),
                2 => last = Self::Bool(field.varint(MESSAGE)? != 0),
                3 => last = Self::Int(field.varint(MESSAGE)?.cast_signed()),
                4 => last = Self::Double(f64::from_bits(field.fixed64(MESSAGE)?)),
                5 => {
                    if !matches!(last, Self::Array(_)) {
                        last = Self::Array(Body::default());
                    }
                    last.add(&field)?;
                }
                6 => {
                    if !matches!(last, Self::Map(_)) {
                        last = Self::Map(Body::default());
                    }
                    last.add(&field)?;
                }
                7 => last = Self::Bytes(field.bytes(MESSAGE)?),
                8 => last = Self::TextIndex(int32(field.varint(MESSAGE)?)),
                _ => {}
            }
            Ok(())
        })?;
        Ok(last)
    }

    fn add(&mut self, field: &Field<'a>) -> Result {
        if let Self::Array(body) | Self::Map(body) = self {
            body.add(field, "AnyValue")?;
        }
        Ok(())
    }
}

fn any_value(body: &[&[u8]], out: &mut Vec<u8>, depth: u32) -> Result {
    let depth = depth.checked_sub(1).ok_or(LineError::Nesting { limit: DEPTH_MAX })?;
    let alternative = Alternative::read(body)?;
    let mut object = Object::begin(out);
    match alternative {
        Alternative::None => {}
        Alternative::Text(text) => put_text(object.field("stringValue"), text),
        Alternative::Bool(value) => put_display(object.field("boolValue"), &value),
        Alternative::Int(number) => {
            put_display(object.field("intValue"), &format_args!("\"{number}\""));
        }
        Alternative::Double(number) => put_float(object.field("doubleValue"), number),
        Alternative::Array(body) => {
            let mut list = Object::begin(object.field("arrayValue"));
            let each = |body: &[&[u8]], out: &mut Vec<u8>| any_value(body, out, depth);
            repeated(&mut list, "values", body.parts(), 1, each)?;
            list.end();
        }
        Alternative::Map(body) => {
            let mut list = Object::begin(object.field("kvlistValue"));
            let each = |body: &[&[u8]], out: &mut Vec<u8>| key_value(body, out, depth);
            repeated(&mut list, "values", body.parts(), 1, each)?;
            list.end();
        }
        Alternative::Bytes(bytes) => put_base64(object.field("bytesValue"), bytes),
        Alternative::TextIndex(index) => put_display(object.field("stringValueStrindex"), &index),
    }
    object.end();
    Ok(())
}

/// Writes all fields `number` of the message `body` as the array `name`, left out when there are
/// none.
pub(super) fn repeated(
    object: &mut Object<'_>,
    name: &'static str,
    body: &[&[u8]],
    number: u32,
    mut each: impl FnMut(&[&[u8]], &mut Vec<u8>) -> Result,
) -> Result {
    let mut empty = true;
    each_field(body, |field| {
        if field.number != number {
            return Ok(());
        }
        let element = field.bytes(name)?;
        if std::mem::replace(&mut empty, false) {
            object.field(name).push(b'[');
        } else {
            object.more().push(b',');
        }
        each(&[element], object.more())
    })?;
    if !empty {
        object.more().push(b']');
    }
    Ok(())
}

/// A signed number of 32 bits, read as protobuf reads it: the low half.
#[expect(clippy::cast_possible_truncation, reason = "what the wire format asks for")]
pub(super) const fn int32(number: u64) -> i64 {
    (number as i32) as i64
}

pub(super) fn fixed32(field: &Field<'_>, message: &'static str) -> Result<u32> {
    match field.value {
        Value::Fixed32(number) => Ok(number),
        _ => Err(field.wrong_type(message).into()),
    }
}
