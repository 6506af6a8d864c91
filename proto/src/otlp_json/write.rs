//! OTLP protobuf as a line of OTLP/JSON, in the form that the Collector's file exporter writes.
//!
//! Fields are in `lowerCamelCase` and in the Collector's order, ids in hexadecimal, 64-bit
//! integers in quotes, enumerations as numbers; fields with default values are left out, but
//! `resource`, `scope`, `status` and the `value` of an attribute are always there. Unknown fields
//! are left out. A message that is given twice is one, as protobuf says; of other fields that occur
//! once, the last counts.

mod merge;
mod value;

use self::merge::Merged;
pub use self::value::WriteError;
use self::value::{Result, attribute, each_field, fixed32, int32, repeated};
use crate::json::writer::{Object, put_text};
use crate::otlp::numbers::{
    INSTRUMENTATION_LIBRARY_SPANS, entity_ref, event, instrumentation_scope, link, resource,
    resource_spans, scope_spans, span, status, traces_data::RESOURCE_SPANS,
};

/// The `TracesData` (or `ExportTraceServiceRequest`) in `traces_data` as one line of OTLP/JSON,
/// without a line end. Text that is not UTF-8 is repaired.
///
/// # Errors
/// When the bytes are not such a message.
pub fn from_protobuf(traces_data: &[u8]) -> std::result::Result<Vec<u8>, WriteError> {
    let mut line = Vec::with_capacity(2 * traces_data.len());
    write_line(traces_data, &mut line)?;
    Ok(line)
}

/// Appends what [`from_protobuf`] gives to `out`. On an error a part of it may be appended.
///
/// # Errors
/// When the bytes are not such a message.
pub fn write_line(traces_data: &[u8], out: &mut Vec<u8>) -> std::result::Result<(), WriteError> {
    let mut object = Object::begin(out);
    repeated(&mut object, "resourceSpans", traces_data, RESOURCE_SPANS, resource_spans)?;
    object.end();
    Ok(())
}

fn resource_spans(body: &[u8], out: &mut Vec<u8>) -> Result {
    let (mut resource_body, mut schema_url, mut scopes) =
        (Merged::default(), &[][..], INSTRUMENTATION_LIBRARY_SPANS);
    each_field(body, |field| {
        match field.number {
            resource_spans::RESOURCE => resource_body.add(&field, "ResourceSpans")?,
            resource_spans::SCOPE_SPANS => scopes = resource_spans::SCOPE_SPANS,
            resource_spans::SCHEMA_URL => schema_url = field.bytes("ResourceSpans")?,
            _ => {}
        }
        Ok(())
    })?;
    let mut object = Object::begin(out);
    resource(&resource_body.body(body, resource_spans::RESOURCE)?, object.field("resource"))?;
    repeated(&mut object, "scopeSpans", body, scopes, scope_spans)?;
    object.text("schemaUrl", schema_url);
    object.end();
    Ok(())
}

fn resource(body: &[u8], out: &mut Vec<u8>) -> Result {
    let mut dropped = 0;
    each_field(body, |field| {
        if field.number == resource::DROPPED_ATTRIBUTES_COUNT {
            dropped = field.varint("Resource")?;
        }
        Ok(())
    })?;
    let mut object = Object::begin(out);
    repeated(&mut object, "attributes", body, resource::ATTRIBUTES, attribute)?;
    object.short("droppedAttributesCount", count(dropped));
    repeated(&mut object, "entityRefs", body, resource::ENTITY_REFS, entity_ref)?;
    object.end();
    Ok(())
}

fn entity_ref(body: &[u8], out: &mut Vec<u8>) -> Result {
    let (mut schema_url, mut kind) = (&[][..], &[][..]);
    each_field(body, |field| {
        match field.number {
            entity_ref::SCHEMA_URL => schema_url = field.bytes("EntityRef")?,
            entity_ref::TYPE => kind = field.bytes("EntityRef")?,
            _ => {}
        }
        Ok(())
    })?;
    let text = |text: &[u8], out: &mut Vec<u8>| {
        put_text(out, text);
        Ok(())
    };
    let mut object = Object::begin(out);
    object.text("schemaUrl", schema_url);
    object.text("type", kind);
    repeated(&mut object, "idKeys", body, entity_ref::ID_KEYS, text)?;
    repeated(&mut object, "descriptionKeys", body, entity_ref::DESCRIPTION_KEYS, text)?;
    object.end();
    Ok(())
}

fn scope_spans(body: &[u8], out: &mut Vec<u8>) -> Result {
    let (mut scope_body, mut schema_url) = (Merged::default(), &[][..]);
    each_field(body, |field| {
        match field.number {
            scope_spans::SCOPE => scope_body.add(&field, "ScopeSpans")?,
            scope_spans::SCHEMA_URL => schema_url = field.bytes("ScopeSpans")?,
            _ => {}
        }
        Ok(())
    })?;
    let mut object = Object::begin(out);
    scope(&scope_body.body(body, scope_spans::SCOPE)?, object.field("scope"))?;
    repeated(&mut object, "spans", body, scope_spans::SPANS, span)?;
    object.text("schemaUrl", schema_url);
    object.end();
    Ok(())
}

fn scope(body: &[u8], out: &mut Vec<u8>) -> Result {
    let (mut name, mut version, mut dropped) = (&[][..], &[][..], 0);
    each_field(body, |field| {
        match field.number {
            instrumentation_scope::NAME => name = field.bytes("InstrumentationScope")?,
            instrumentation_scope::VERSION => version = field.bytes("InstrumentationScope")?,
            instrumentation_scope::DROPPED_ATTRIBUTES_COUNT => {
                dropped = field.varint("InstrumentationScope")?
            }
            _ => {}
        }
        Ok(())
    })?;
    let mut object = Object::begin(out);
    object.text("name", name);
    object.text("version", version);
    repeated(&mut object, "attributes", body, instrumentation_scope::ATTRIBUTES, attribute)?;
    object.short("droppedAttributesCount", count(dropped));
    object.end();
    Ok(())
}

/// The fields of a span that occur once.
#[derive(Default)]
struct SpanFields<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    trace_state: &'a [u8],
    parent_span_id: &'a [u8],
    name: &'a [u8],
    kind: u64,
    start: u64,
    end: u64,
    dropped_attributes: u64,
    dropped_events: u64,
    dropped_links: u64,
    status: Merged<'a>,
    flags: u32,
}

impl<'a> SpanFields<'a> {
    fn read(body: &'a [u8]) -> Result<Self> {
        let mut fields = Self::default();
        each_field(body, |field| {
            match field.number {
                span::TRACE_ID => fields.trace_id = field.bytes("Span")?,
                span::SPAN_ID => fields.span_id = field.bytes("Span")?,
                span::TRACE_STATE => fields.trace_state = field.bytes("Span")?,
                span::PARENT_SPAN_ID => fields.parent_span_id = field.bytes("Span")?,
                span::NAME => fields.name = field.bytes("Span")?,
                span::KIND => fields.kind = field.varint("Span")?,
                span::START_TIME_UNIX_NANO => fields.start = field.fixed64("Span")?,
                span::END_TIME_UNIX_NANO => fields.end = field.fixed64("Span")?,
                span::DROPPED_ATTRIBUTES_COUNT => {
                    fields.dropped_attributes = field.varint("Span")?
                }
                span::DROPPED_EVENTS_COUNT => fields.dropped_events = field.varint("Span")?,
                span::DROPPED_LINKS_COUNT => fields.dropped_links = field.varint("Span")?,
                span::STATUS => fields.status.add(&field, "Span")?,
                span::FLAGS => fields.flags = fixed32(&field, "Span")?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(fields)
    }
}

fn span(body: &[u8], out: &mut Vec<u8>) -> Result {
    let fields = SpanFields::read(body)?;
    let mut object = Object::begin(out);
    object.id("traceId", fields.trace_id);
    object.id("spanId", fields.span_id);
    object.text("traceState", fields.trace_state);
    object.id("parentSpanId", fields.parent_span_id);
    object.short("flags", i64::from(fields.flags));
    object.text("name", fields.name);
    object.short("kind", int32(fields.kind));
    object.long("startTimeUnixNano", fields.start);
    object.long("endTimeUnixNano", fields.end);
    repeated(&mut object, "attributes", body, span::ATTRIBUTES, attribute)?;
    object.short("droppedAttributesCount", count(fields.dropped_attributes));
    repeated(&mut object, "events", body, span::EVENTS, event)?;
    object.short("droppedEventsCount", count(fields.dropped_events));
    repeated(&mut object, "links", body, span::LINKS, link)?;
    object.short("droppedLinksCount", count(fields.dropped_links));
    status(&fields.status.body(body, span::STATUS)?, object.field("status"))?;
    object.end();
    Ok(())
}

fn event(body: &[u8], out: &mut Vec<u8>) -> Result {
    let (mut time, mut name, mut dropped) = (0, &[][..], 0);
    each_field(body, |field| {
        match field.number {
            event::TIME_UNIX_NANO => time = field.fixed64("Event")?,
            event::NAME => name = field.bytes("Event")?,
            event::DROPPED_ATTRIBUTES_COUNT => dropped = field.varint("Event")?,
            _ => {}
        }
        Ok(())
    })?;
    let mut object = Object::begin(out);
    object.long("timeUnixNano", time);
    object.text("name", name);
    repeated(&mut object, "attributes", body, event::ATTRIBUTES, attribute)?;
    object.short("droppedAttributesCount", count(dropped));
    object.end();
    Ok(())
}

fn link(body: &[u8], out: &mut Vec<u8>) -> Result {
    let (mut trace_id, mut span_id, mut trace_state) = (&[][..], &[][..], &[][..]);
    let (mut dropped, mut flags) = (0, 0);
    each_field(body, |field| {
        match field.number {
            link::TRACE_ID => trace_id = field.bytes("Link")?,
            link::SPAN_ID => span_id = field.bytes("Link")?,
            link::TRACE_STATE => trace_state = field.bytes("Link")?,
            link::DROPPED_ATTRIBUTES_COUNT => dropped = field.varint("Link")?,
            link::FLAGS => flags = fixed32(&field, "Link")?,
            _ => {}
        }
        Ok(())
    })?;
    let mut object = Object::begin(out);
    object.id("traceId", trace_id);
    object.id("spanId", span_id);
    object.text("traceState", trace_state);
    repeated(&mut object, "attributes", body, link::ATTRIBUTES, attribute)?;
    object.short("droppedAttributesCount", count(dropped));
    object.short("flags", i64::from(flags));
    object.end();
    Ok(())
}

fn status(body: &[u8], out: &mut Vec<u8>) -> Result {
    let (mut message, mut code) = (&[][..], 0);
    each_field(body, |field| {
        match field.number {
            status::MESSAGE => message = field.bytes("Status")?,
            status::CODE => code = field.varint("Status")?,
            _ => {}
        }
        Ok(())
    })?;
    let mut object = Object::begin(out);
    object.text("message", message);
    object.short("code", int32(code));
    object.end();
    Ok(())
}

/// A counter of 32 bits, read as protobuf reads it: the low half.
#[expect(clippy::cast_possible_truncation, reason = "what the wire format asks for")]
fn count(number: u64) -> i64 {
    i64::from(number as u32)
}
