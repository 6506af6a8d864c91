//! Attributes and their values.

use crate::json::error::ReadError;
use crate::json::kind::Kind;
use crate::json::reader::Reader;
use crate::json::values::{
    boolean, bytes, each_element, each_field, float, ignore, integer, text, wrong_type,
};
use crate::otlp::depth::Depth;
use crate::otlp::numbers::{any_value, array_value, key_value, key_value_list};
use crate::wire::nested::{OpenMessage, begin_message, end_message, end_message_or_drop};
use crate::wire::{put_bytes, put_fixed64, put_uint};

/// An array of attributes, each written as field `number`.
pub(crate) fn attributes(
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
    number: u32,
    depth: Depth,
) -> Result<(), ReadError> {
    each_element(reader, "attributes", |reader| {
        let depth = depth.down(reader.at())?;
        let attribute = begin_message(out, number);
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
        end_message(out, attribute);
        Ok(())
    })
}

/// A value in the JSON form of `AnyValue`, written as field `number`; nothing for `null`.
fn any_value(
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
    number: u32,
    depth: Depth,
) -> Result<(), ReadError> {
    if reader.null()? {
        return Ok(());
    }
    let value = begin_message(out, number);
    any_value_body(reader, out, value, depth.down(reader.at())?)?;
    end_message(out, value);
    Ok(())
}

fn any_value_body(
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
    value: OpenMessage,
    depth: Depth,
) -> Result<(), ReadError> {
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
) -> Result<(), ReadError> {
    let depth = depth.down(reader.at())?;
    let message = begin_message(out, number);
    each_field(reader, "value", |reader, name| match &*name {
        "values" if keyed => attributes(reader, out, key_value_list::VALUES, depth),
        "values" => value_array(reader, out, depth),
        _ => ignore(reader),
    })?;
    end_message(out, message);
    Ok(())
}

/// The values of an array. `null` is a value here: one that is not set.
fn value_array(reader: &mut Reader<'_>, out: &mut Vec<u8>, depth: Depth) -> Result<(), ReadError> {
    if reader.null()? {
        return Ok(());
    }
    if reader.peek()? != Kind::Array {
        return Err(wrong_type(reader, "values", "an array"));
    }
    let mut elements = reader.array()?;
    while reader.element(&mut elements)? {
        if reader.null()? {
            let unset = begin_message(out, array_value::VALUES);
            end_message(out, unset);
        } else {
            any_value(reader, out, array_value::VALUES, depth)?;
        }
    }
    Ok(())
}

/// A message that is written as field `number`, unless it stays empty.
pub(crate) fn message_unless_empty(
    out: &mut Vec<u8>,
    number: u32,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let message = begin_message(out, number);
    body(out)?;
    end_message_or_drop(out, message);
    Ok(())
}
