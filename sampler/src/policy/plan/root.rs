//! Which spans a trace can begin with.

use wholetrace_proto::{
    otlp::numbers::{any_value, key_value, span},
    wire::{Cursor, Value, WireError},
    zipkin::SHARED_ATTRIBUTE,
};

/// Whether a span has no parent, and has not [joined](joins) that of its caller.
pub(crate) fn is_root(body: &[u8]) -> bool {
    let mut fields = Cursor::new(body);
    loop {
        match fields.next_field() {
            Ok(Some(field)) => {
                if let (span::PARENT_SPAN_ID, Value::Bytes(parent)) = (field.number, field.value) {
                    return parent.iter().all(|byte| *byte == 0) && !joins(body);
                }
            }
            Ok(None) => return !joins(body),
            Err(_) => return false,
        }
    }
}

/// Whether a span is the server's half of a call, under the id of the client's half. Where its
/// caller told it no parent, it has none, and is yet no root.
///
/// Envoy says of each span of a server that it is shared. One that begins a trace has an id that is
/// the low half of the trace's: it counts as a root, as does what has joined such a one.
#[inline(never)]
pub(super) fn joins(body: &[u8]) -> bool {
    has_joined(body).unwrap_or_default()
}

fn has_joined(body: &[u8]) -> Result<bool, WireError> {
    let (mut trace_id, mut id, mut shared) = (&[][..], &[][..], false);
    let mut fields = Cursor::new(body);
    while let Some(field) = fields.next_field()? {
        match (field.number, field.value) {
            (span::TRACE_ID, Value::Bytes(bytes)) => trace_id = bytes,
            (span::SPAN_ID, Value::Bytes(bytes)) => id = bytes,
            (span::ATTRIBUTES, Value::Bytes(attribute)) => shared |= is_shared(attribute)?,
            _ => {}
        }
    }
    Ok(shared && !trace_id.ends_with(id))
}

fn is_shared(attribute: &[u8]) -> Result<bool, WireError> {
    // Two bytes before the key, and those of a value behind it: nearly all others are left at once.
    if attribute.len() != SHARED_ATTRIBUTE.len() + 6 {
        return Ok(false);
    }
    let (mut is_key, mut is_true) = (false, false);
    let mut fields = Cursor::new(attribute);
    while let Some(field) = fields.next_field()? {
        match (field.number, field.value) {
            (key_value::KEY, Value::Bytes(key)) => is_key = key == SHARED_ATTRIBUTE.as_bytes(),
            (key_value::VALUE, Value::Bytes(value)) => {
                let value = Cursor::new(value).next_field()?;
                is_true = value.is_some_and(|value| {
                    (value.number, value.value) == (any_value::BOOL_VALUE, Value::Varint(1))
                });
            }
            _ => {}
        }
    }
    Ok(is_key && is_true)
}
