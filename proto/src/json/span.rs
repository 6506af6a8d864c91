//! One span in JSON, and the parts of it.

use super::error::Fault;
use super::nest::{close, open};
use super::reader::Reader;
use super::scalar::{each_element, each_field, enumeration, id, ignore, integer, text};
use super::value::{Depth, attributes, message_unless_empty, put_int32};
use crate::wire::{put_bytes, put_fixed32, put_fixed64, put_uint};

/// Names of the kinds of spans, in the order of their numbers.
pub(crate) const KINDS: [&str; 6] =
    ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];

/// Names of the status codes, in the order of their numbers.
pub(crate) const STATUS_CODES: [&str; 3] = ["UNSET", "OK", "ERROR"];

/// The trace id and the span id as fields 1 and 2.
const IDS_LENGTH: usize = 2 + 16 + 2 + 8;

/// Ids of a span, as far as they were given.
#[derive(Default)]
struct Ids {
    trace: Option<[u8; 16]>,
    span: Option<[u8; 8]>,
}

/// A span, appended as the body of its message. When this fails, a part of it may be appended.
///
/// The ids are written first, wherever they stand in the text, so that what routes the span
/// finds them at once.
pub(crate) fn span(reader: &mut Reader<'_>, out: &mut Vec<u8>, depth: Depth) -> Result<(), Fault> {
    let start = out.len();
    out.resize(start + IDS_LENGTH, 0);
    let mut ids = Ids::default();
    each_field(reader, "spans", |reader, name| field(reader, &name, out, &mut ids, depth))?;
    let mut head = Vec::with_capacity(IDS_LENGTH);
    if let Some(id) = ids.trace {
        put_bytes(&mut head, 1, &id);
    }
    if let Some(id) = ids.span {
        put_bytes(&mut head, 2, &id);
    }
    out.splice(start..start + IDS_LENGTH, head);
    Ok(())
}

fn field(
    reader: &mut Reader<'_>,
    field: &str,
    out: &mut Vec<u8>,
    ids: &mut Ids,
    depth: Depth,
) -> Result<(), Fault> {
    match field {
        "traceId" | "trace_id" => ids.trace = id(reader, field)?.or(ids.trace),
        "spanId" | "span_id" => ids.span = id(reader, field)?.or(ids.span),
        "traceState" | "trace_state" => put_text(reader, field, out, 3)?,
        "parentSpanId" | "parent_span_id" => {
            // All zeros is how some say that there is none.
            if let Some(parent) = id::<8>(reader, field)?.filter(|parent| *parent != [0; 8]) {
                put_bytes(out, 4, &parent);
            }
        }
        "name" => put_text(reader, field, out, 5)?,
        "kind" => put_enum(enumeration(reader, field, "SPAN_KIND_", &KINDS)?, out, 6),
        "startTimeUnixNano" | "start_time_unix_nano" => put_time(reader, field, out, 7)?,
        "endTimeUnixNano" | "end_time_unix_nano" => put_time(reader, field, out, 8)?,
        "attributes" => attributes(reader, out, 9, depth)?,
        "droppedAttributesCount" | "dropped_attributes_count" => {
            put_count(reader, field, out, 10)?;
        }
        "events" => each_element(reader, field, |reader| event(reader, out, depth))?,
        "droppedEventsCount" | "dropped_events_count" => put_count(reader, field, out, 12)?,
        "links" => each_element(reader, field, |reader| link(reader, out, depth))?,
        "droppedLinksCount" | "dropped_links_count" => put_count(reader, field, out, 14)?,
        "status" => message_unless_empty(out, 15, |out| status(reader, out))?,
        "flags" => put_flags(reader, field, out, 16)?,
        _ => ignore(reader)?,
    }
    Ok(())
}

fn event(reader: &mut Reader<'_>, out: &mut Vec<u8>, depth: Depth) -> Result<(), Fault> {
    let depth = depth.down(reader.at())?;
    let event = open(out, 11);
    each_field(reader, "events", |reader, name| match &*name {
        "timeUnixNano" | "time_unix_nano" => put_time(reader, &name, out, 1),
        "name" => put_text(reader, &name, out, 2),
        "attributes" => attributes(reader, out, 3, depth),
        "droppedAttributesCount" | "dropped_attributes_count" => put_count(reader, &name, out, 4),
        _ => ignore(reader),
    })?;
    close(out, event);
    Ok(())
}

fn link(reader: &mut Reader<'_>, out: &mut Vec<u8>, depth: Depth) -> Result<(), Fault> {
    let depth = depth.down(reader.at())?;
    let link = open(out, 13);
    each_field(reader, "links", |reader, name| {
        match &*name {
            "traceId" | "trace_id" => {
                if let Some(id) = id::<16>(reader, &name)? {
                    put_bytes(out, 1, &id);
                }
            }
            "spanId" | "span_id" => {
                if let Some(id) = id::<8>(reader, &name)? {
                    put_bytes(out, 2, &id);
                }
            }
            "traceState" | "trace_state" => put_text(reader, &name, out, 3)?,
            "attributes" => attributes(reader, out, 4, depth)?,
            "droppedAttributesCount" | "dropped_attributes_count" => {
                put_count(reader, &name, out, 5)?;
            }
            "flags" => put_flags(reader, &name, out, 6)?,
            _ => ignore(reader)?,
        }
        Ok(())
    })?;
    close(out, link);
    Ok(())
}

fn status(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    each_field(reader, "status", |reader, name| {
        match &*name {
            "message" => put_text(reader, &name, out, 2)?,
            "code" => {
                put_enum(enumeration(reader, &name, "STATUS_CODE_", &STATUS_CODES)?, out, 3);
            }
            _ => ignore(reader)?,
        }
        Ok(())
    })
}

/// A text field, left out when empty.
pub(crate) fn put_text(
    reader: &mut Reader<'_>,
    field: &str,
    out: &mut Vec<u8>,
    number: u32,
) -> Result<(), Fault> {
    if let Some(text) = text(reader, field)?.filter(|text| !text.is_empty()) {
        put_bytes(out, number, text.as_bytes());
    }
    Ok(())
}

/// A counter, left out when 0.
pub(crate) fn put_count(
    reader: &mut Reader<'_>,
    field: &str,
    out: &mut Vec<u8>,
    number: u32,
) -> Result<(), Fault> {
    if let Some(count) = integer::<u32>(reader, field)?.filter(|count| *count > 0) {
        put_uint(out, number, u64::from(count));
    }
    Ok(())
}

fn put_time(
    reader: &mut Reader<'_>,
    field: &str,
    out: &mut Vec<u8>,
    number: u32,
) -> Result<(), Fault> {
    if let Some(time) = integer::<u64>(reader, field)?.filter(|time| *time > 0) {
        put_fixed64(out, number, time);
    }
    Ok(())
}

fn put_flags(
    reader: &mut Reader<'_>,
    field: &str,
    out: &mut Vec<u8>,
    number: u32,
) -> Result<(), Fault> {
    if let Some(flags) = integer::<u32>(reader, field)?.filter(|flags| *flags > 0) {
        put_fixed32(out, number, flags);
    }
    Ok(())
}

fn put_enum(value: Option<i32>, out: &mut Vec<u8>, number: u32) {
    if let Some(value) = value.filter(|value| *value != 0) {
        put_int32(out, number, value);
    }
}
