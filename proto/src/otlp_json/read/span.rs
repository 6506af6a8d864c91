//! One span in JSON, and the parts of it.

use super::value::{attributes, message_unless_empty, put_int32};
use crate::json::error::ReadError;
use crate::json::reader::Reader;
use crate::json::values::{each_element, each_field, enumeration, id, ignore, integer, text};
use crate::otlp::depth::Depth;
use crate::otlp::enums::{KINDS, STATUS_CODES};
use crate::otlp::numbers::{event, link, span, status};
use crate::wire::nested::{begin_message, end_message};
use crate::wire::{put_bytes, put_fixed32, put_fixed64, put_uint};

/// The fields of the trace id and the span id.
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
pub(crate) fn span(
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
    depth: Depth,
) -> Result<(), ReadError> {
    let start = out.len();
    out.resize(start + IDS_LENGTH, 0);
    let mut ids = Ids::default();
    each_field(reader, "spans", |reader, name| field(reader, &name, out, &mut ids, depth))?;
    let mut head = Vec::with_capacity(IDS_LENGTH);
    if let Some(id) = ids.trace {
        put_bytes(&mut head, span::TRACE_ID, &id);
    }
    if let Some(id) = ids.span {
        put_bytes(&mut head, span::SPAN_ID, &id);
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
) -> Result<(), ReadError> {
    match field {
        "traceId" | "trace_id" => ids.trace = id(reader, field)?.or(ids.trace),
        "spanId" | "span_id" => ids.span = id(reader, field)?.or(ids.span),
        "traceState" | "trace_state" => put_text(reader, field, out, span::TRACE_STATE)?,
        "parentSpanId" | "parent_span_id" => {
            // All zeros is how some say that there is none.
            if let Some(parent) = id::<8>(reader, field)?.filter(|parent| *parent != [0; 8]) {
                put_bytes(out, span::PARENT_SPAN_ID, &parent);
            }
        }
        "name" => put_text(reader, field, out, span::NAME)?,
        "kind" => put_enum(enumeration(reader, field, "SPAN_KIND_", &KINDS)?, out, span::KIND),
        "startTimeUnixNano" | "start_time_unix_nano" => {
            put_time(reader, field, out, span::START_TIME_UNIX_NANO)?
        }
        "endTimeUnixNano" | "end_time_unix_nano" => {
            put_time(reader, field, out, span::END_TIME_UNIX_NANO)?
        }
        "attributes" => attributes(reader, out, span::ATTRIBUTES, depth)?,
        "droppedAttributesCount" | "dropped_attributes_count" => {
            put_count(reader, field, out, span::DROPPED_ATTRIBUTES_COUNT)?;
        }
        "events" => each_element(reader, field, |reader| event(reader, out, depth))?,
        "droppedEventsCount" | "dropped_events_count" => {
            put_count(reader, field, out, span::DROPPED_EVENTS_COUNT)?
        }
        "links" => each_element(reader, field, |reader| link(reader, out, depth))?,
        "droppedLinksCount" | "dropped_links_count" => {
            put_count(reader, field, out, span::DROPPED_LINKS_COUNT)?
        }
        "status" => message_unless_empty(out, span::STATUS, |out| status(reader, out))?,
        "flags" => put_flags(reader, field, out, span::FLAGS)?,
        _ => ignore(reader)?,
    }
    Ok(())
}

fn event(reader: &mut Reader<'_>, out: &mut Vec<u8>, depth: Depth) -> Result<(), ReadError> {
    let depth = depth.down(reader.at())?;
    let event = begin_message(out, span::EVENTS);
    each_field(reader, "events", |reader, name| match &*name {
        "timeUnixNano" | "time_unix_nano" => put_time(reader, &name, out, event::TIME_UNIX_NANO),
        "name" => put_text(reader, &name, out, event::NAME),
        "attributes" => attributes(reader, out, event::ATTRIBUTES, depth),
        "droppedAttributesCount" | "dropped_attributes_count" => {
            put_count(reader, &name, out, event::DROPPED_ATTRIBUTES_COUNT)
        }
        _ => ignore(reader),
    })?;
    end_message(out, event);
    Ok(())
}

fn link(reader: &mut Reader<'_>, out: &mut Vec<u8>, depth: Depth) -> Result<(), ReadError> {
    let depth = depth.down(reader.at())?;
    let link = begin_message(out, span::LINKS);
    each_field(reader, "links", |reader, name| {
        match &*name {
            "traceId" | "trace_id" => {
                if let Some(id) = id::<16>(reader, &name)? {
                    put_bytes(out, link::TRACE_ID, &id);
                }
            }
            "spanId" | "span_id" => {
                if let Some(id) = id::<8>(reader, &name)? {
                    put_bytes(out, link::SPAN_ID, &id);
                }
            }
            "traceState" | "trace_state" => put_text(reader, &name, out, link::TRACE_STATE)?,
            "attributes" => attributes(reader, out, link::ATTRIBUTES, depth)?,
            "droppedAttributesCount" | "dropped_attributes_count" => {
                put_count(reader, &name, out, link::DROPPED_ATTRIBUTES_COUNT)?;
            }
            "flags" => put_flags(reader, &name, out, link::FLAGS)?,
            _ => ignore(reader)?,
        }
        Ok(())
    })?;
    end_message(out, link);
    Ok(())
}

fn status(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), ReadError> {
    each_field(reader, "status", |reader, name| {
        match &*name {
            "message" => put_text(reader, &name, out, status::MESSAGE)?,
            "code" => {
                put_enum(
                    enumeration(reader, &name, "STATUS_CODE_", &STATUS_CODES)?,
                    out,
                    status::CODE,
                );
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
) -> Result<(), ReadError> {
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
) -> Result<(), ReadError> {
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
) -> Result<(), ReadError> {
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
) -> Result<(), ReadError> {
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
