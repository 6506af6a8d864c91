//! Plain JSON values as attributes of OTLP: in the text of links and annotations.

use crate::json::error::ReadError;
use crate::json::kind::Kind;
use crate::json::number;
use crate::json::reader::Reader;
use crate::json::values::{bad_value, each_field};
use crate::otlp::depth::Depth;
use crate::otlp::message::MessageWriter;
use crate::otlp::numbers::{any_value, array_value, key_value, key_value_list};
use crate::reject::SpanReject;

/// A plain JSON object as attributes: text, booleans, integers where a number has no fraction,
/// arrays and objects nested. Fields that are `null` are left out.
pub(super) fn plain_attributes(
    reader: &mut Reader<'_>,
    out: &mut MessageWriter<'_, '_>,
    number: u32,
    depth: Depth,
) -> Result<(), ReadError> {
    each_field(reader, "attributes", |reader, name| {
        if reader.null()? {
            return Ok(());
        }
        let depth = depth.down(reader.at())?;
        let attribute = out.begin_message(number);
        out.bytes(key_value::KEY, name.as_bytes());
        let value = out.begin_message(key_value::VALUE);
        plain_value(reader, out, depth)?;
        out.end_message(value);
        out.end_message(attribute);
        Ok(())
    })
}

fn plain_value(
    reader: &mut Reader<'_>,
    out: &mut MessageWriter<'_, '_>,
    depth: Depth,
) -> Result<(), ReadError> {
    let depth = depth.down(reader.at())?;
    match reader.peek()? {
        Kind::Null => drop(reader.null()?),
        Kind::String => out.bytes(any_value::STRING_VALUE, reader.string()?.as_bytes()),
        Kind::Bool => out.uint(any_value::BOOL_VALUE, u64::from(reader.boolean()?)),
        Kind::Number => plain_number(reader, out)?,
        Kind::Array => {
            let list = out.begin_message(any_value::ARRAY_VALUE);
            let depth = depth.down(reader.at())?;
            let mut elements = reader.array()?;
            while reader.element(&mut elements)? {
                let value = out.begin_message(array_value::VALUES);
                plain_value(reader, out, depth)?;
                out.end_message(value);
            }
            out.end_message(list);
        }
        Kind::Object => {
            let list = out.begin_message(any_value::KVLIST_VALUE);
            plain_attributes(reader, out, key_value_list::VALUES, depth.down(reader.at())?)?;
            out.end_message(list);
        }
    }
    Ok(())
}

fn plain_number(reader: &mut Reader<'_>, out: &mut MessageWriter<'_, '_>) -> Result<(), ReadError> {
    let at = reader.at();
    let text = reader.number()?;
    if let Some(value) = number::integer(text).and_then(|number| i64::try_from(number).ok()) {
        out.uint(any_value::INT_VALUE, value.cast_unsigned());
    } else if let Some(value) = number::float(text) {
        out.fixed64(any_value::DOUBLE_VALUE, value.to_bits());
    } else {
        return Err(bad_value(
            SpanReject::Number,
            at,
            "attributes",
            text,
            "a number of at most 1.8e308",
        ));
    }
    Ok(())
}
