//! Attributes and their values.

use super::error::Fault;
use super::nest::{Open, close, close_or_drop, open};
use super::number;
use super::open::Kind;
use super::reader::Reader;
use super::scalar::{
    boolean, bytes, each_element, each_field, fault, float, ignore, integer, text, wrong_type,
};
use crate::otlp::numbers::{any_value, array_value, key_value, key_value_list};
use crate::otlp::{NESTING_MAX, SPAN_LEVEL};
use crate::reject::SpanReject;
use crate::wire::{put_bytes, put_fixed64, put_uint};

/// How many levels of messages may still be opened, of [`NESTING_MAX`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Depth(u32);

impl Depth {
    /// Inside of a `Resource`: below `TracesData` and `ResourceSpans`.
    pub(crate) const RESOURCE: Self = Self(NESTING_MAX - 3);
    /// Inside of an `InstrumentationScope`: below `ScopeSpans` too.
    pub(crate) const SCOPE: Self = Self(NESTING_MAX - 4);
    /// Inside of a `Span`.
    pub(crate) const SPAN: Self = Self(NESTING_MAX - SPAN_LEVEL);

    /// The depth inside a message that is opened here.
    pub(crate) fn down(self, at: usize) -> Result<Self, Fault> {
        match self.0.checked_sub(1) {
            Some(left) => Ok(Self(left)),
            None => Err(SpanReject::Nesting { at }.into()),
        }
    }
}

/// An array of attributes, each written as field `number`.
pub(crate) fn attributes(
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
    number: u32,
    depth: Depth,
) -> Result<(), Fault> {
    each_element(reader, "attributes", |reader| {
        let depth = depth.down(reader.at())?;
        let attribute = open(out, number);
        each_field(reader, "attributes", |reader, name| {
            match &*name {
                "key" => {
                    if let Some(key) = text(reader, "key")? {
                        put_bytes(out, key_value::KEY, key.as_bytes());
                    }
                }
                "value" => any_value(reader, out, key_value::VALUE, depth)?,
                "keyStrindex" | "key_strindex" => {
                    if let Some(index) = integer::<i32>(reader, &name)?.filter(|index| *index != 0)
                    {
                        put_int32(out, key_value::KEY_STRINDEX, index);
                    }
                }
                _ => ignore(reader)?,
            }
            Ok(())
        })?;
        close(out, attribute);
        Ok(())
    })
}

/// A value in the JSON form of `AnyValue`, written as field `number`; nothing for `null`.
fn any_value(
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
    number: u32,
    depth: Depth,
) -> Result<(), Fault> {
    if reader.null()? {
        return Ok(());
    }
    let value = open(out, number);
    any_value_body(reader, out, value, depth.down(reader.at())?)?;
    close(out, value);
    Ok(())
}

fn any_value_body(
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
    value: Open,
    depth: Depth,
) -> Result<(), Fault> {
    each_field(reader, "value", |reader, name| {
        if reader.null()? {
            return Ok(());
        }
        let before = out.len();
        let field = &*name;
        match field {
            "stringValue" | "string_value" => {
                if let Some(text) = text(reader, field)? {
                    put_bytes(out, any_value::STRING_VALUE, text.as_bytes());
                }
            }
            "boolValue" | "bool_value" => {
                if let Some(value) = boolean(reader, field)? {
                    put_uint(out, any_value::BOOL_VALUE, u64::from(value));
                }
            }
            "intValue" | "int_value" => {
                if let Some(value) = integer::<i64>(reader, field)? {
                    put_uint(out, any_value::INT_VALUE, value.cast_unsigned());
                }
            }
            "doubleValue" | "double_value" => {
                if let Some(value) = float(reader, field)? {
                    put_fixed64(out, any_value::DOUBLE_VALUE, value.to_bits());
                }
            }
            "arrayValue" | "array_value" => {
                list(reader, out, any_value::ARRAY_VALUE, false, depth)?
            }
            "kvlistValue" | "kvlist_value" => {
                list(reader, out, any_value::KVLIST_VALUE, true, depth)?
            }
            "bytesValue" | "bytes_value" => {
                if let Some(bytes) = bytes(reader, field)? {
                    put_bytes(out, any_value::BYTES_VALUE, &bytes);
                }
            }
            "stringValueStrindex" | "string_value_strindex" => {
                if let Some(index) = integer::<i32>(reader, field)? {
                    put_int32(out, any_value::STRING_VALUE_STRINDEX, index);
                }
            }
            _ => ignore(reader)?,
        }
        // A value has one alternative: the last one that is given.
        if out.len() > before && before > value.body_start() {
            let kept = out.len() - before;
            out.copy_within(before.., value.body_start());
            out.truncate(value.body_start() + kept);
        }
        Ok(())
    })
}

/// Negative ones are widened to 64 bits on the wire.
pub(crate) fn put_int32(out: &mut Vec<u8>, number: u32, value: i32) {
    put_uint(out, number, i64::from(value).cast_unsigned());
}

/// `{"values": […]}`, of values or of attributes, written as field `number`.
fn list(
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
    number: u32,
    keyed: bool,
    depth: Depth,
) -> Result<(), Fault> {
    let depth = depth.down(reader.at())?;
    let message = open(out, number);
    each_field(reader, "value", |reader, name| match &*name {
        "values" if keyed => attributes(reader, out, key_value_list::VALUES, depth),
        "values" => value_array(reader, out, depth),
        _ => ignore(reader),
    })?;
    close(out, message);
    Ok(())
}

/// The values of an array. `null` is a value here: one that is not set.
fn value_array(reader: &mut Reader<'_>, out: &mut Vec<u8>, depth: Depth) -> Result<(), Fault> {
    if reader.null()? {
        return Ok(());
    }
    if reader.peek()? != Kind::Array {
        return Err(wrong_type(reader, "values", "an array"));
    }
    let mut elements = reader.array()?;
    while reader.element(&mut elements)? {
        if reader.null()? {
            let unset = open(out, array_value::VALUES);
            close(out, unset);
        } else {
            any_value(reader, out, array_value::VALUES, depth)?;
        }
    }
    Ok(())
}

/// A plain JSON object as attributes: text, booleans, integers where a number has no fraction,
/// arrays and objects nested. Fields that are `null` are left out.
pub(crate) fn plain_attributes(
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
    number: u32,
    depth: Depth,
) -> Result<(), Fault> {
    each_field(reader, "attributes", |reader, name| {
        if reader.null()? {
            return Ok(());
        }
        let depth = depth.down(reader.at())?;
        let attribute = open(out, number);
        put_bytes(out, key_value::KEY, name.as_bytes());
        let value = open(out, key_value::VALUE);
        plain_value(reader, out, depth)?;
        close(out, value);
        close(out, attribute);
        Ok(())
    })
}

fn plain_value(reader: &mut Reader<'_>, out: &mut Vec<u8>, depth: Depth) -> Result<(), Fault> {
    let depth = depth.down(reader.at())?;
    match reader.peek()? {
        Kind::Null => drop(reader.null()?),
        Kind::String => put_bytes(out, any_value::STRING_VALUE, reader.string()?.as_bytes()),
        Kind::Bool => put_uint(out, any_value::BOOL_VALUE, u64::from(reader.boolean()?)),
        Kind::Number => plain_number(reader, out)?,
        Kind::Array => {
            let list = open(out, any_value::ARRAY_VALUE);
            let depth = depth.down(reader.at())?;
            let mut elements = reader.array()?;
            while reader.element(&mut elements)? {
                let value = open(out, array_value::VALUES);
                plain_value(reader, out, depth)?;
                close(out, value);
            }
            close(out, list);
        }
        Kind::Object => {
            let list = open(out, any_value::KVLIST_VALUE);
            plain_attributes(reader, out, key_value_list::VALUES, depth.down(reader.at())?)?;
            close(out, list);
        }
    }
    Ok(())
}

fn plain_number(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let at = reader.at();
    let text = reader.number()?;
    if let Some(value) = number::integer(text).and_then(|number| i64::try_from(number).ok()) {
        put_uint(out, any_value::INT_VALUE, value.cast_unsigned());
    } else if let Some(value) = number::float(text) {
        put_fixed64(out, any_value::DOUBLE_VALUE, value.to_bits());
    } else {
        return Err(fault(
            SpanReject::Number,
            at,
            "attributes",
            text,
            "a number of at most 1.8e308",
        ));
    }
    Ok(())
}

/// A message that is written as field `number`, unless it stays empty.
pub(crate) fn message_unless_empty(
    out: &mut Vec<u8>,
    number: u32,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let message = open(out, number);
    body(out)?;
    close_or_drop(out, message);
    Ok(())
}
