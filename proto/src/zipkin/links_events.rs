//! Links and events, which OpenTelemetry writes into Zipkin's text in a form of its own.

use super::plain_json::plain_attributes;
use crate::hex;
use crate::json::error::ReadError;
use crate::json::reader::Reader;
use crate::otlp::depth::Depth;
use crate::otlp::message::MessageWriter;
use crate::otlp::numbers::{event, link, span};
use crate::utf8::str_of;

/// Appends the link that `text` writes (`trace id|span id|trace state|attributes|dropped`) as a
/// field of a span. Appends nothing and gives `false` when the text is of another form.
pub(super) fn put_link(out: &mut MessageWriter<'_, '_>, text: &[u8]) -> bool {
    let start = out.position();
    let put = link(out, str_of(text));
    if put.is_none() {
        out.rewind(start);
    }
    put.is_some()
}

fn link(out: &mut MessageWriter<'_, '_>, text: &str) -> Option<()> {
    let (trace_id, text) = text.split_once('|')?;
    let (span_id, text) = text.split_once('|')?;
    let (trace_state, text) = text.split_once('|')?;
    let message = out.begin_message(span::LINKS);
    out.bytes(link::TRACE_ID, &link_id::<16>(trace_id)?);
    out.bytes(link::SPAN_ID, &link_id::<8>(span_id)?);
    if !trace_state.is_empty() {
        out.bytes(link::TRACE_STATE, trace_state.as_bytes());
    }
    put_attributes_and_dropped(out, text, link::ATTRIBUTES, link::DROPPED_ATTRIBUTES_COUNT)?;
    out.end_message(message);
    Some(())
}

fn link_id<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Some writers leave the quotes of JSON around it.
    let text = text.trim_matches('"');
    if text.is_empty() { None } else { hex::padded(text.as_bytes()) }
}

/// Appends an annotation as an event of a span. Text in the form `name|attributes|dropped` is
/// taken apart; any other is the event's name as it stands.
pub(super) fn put_event(out: &mut MessageWriter<'_, '_>, time: u64, text: &[u8]) {
    // Nearly every text is a name.
    if !text.contains(&b'|') {
        return out.event(span::EVENTS, time, text);
    }
    let message = out.begin_message(span::EVENTS);
    if time > 0 {
        out.fixed64(event::TIME_UNIX_NANO, time);
    }
    let start = out.position();
    if event(out, str_of(text)).is_none() {
        out.rewind(start);
        out.bytes(event::NAME, text);
    }
    out.end_message(message);
}

fn event(out: &mut MessageWriter<'_, '_>, text: &str) -> Option<()> {
    let (name, text) = text.split_once('|')?;
    out.bytes(event::NAME, name.as_bytes());
    put_attributes_and_dropped(out, text, event::ATTRIBUTES, event::DROPPED_ATTRIBUTES_COUNT)
}

/// `attributes|dropped`: a JSON object and a count, written as the fields of these numbers.
fn put_attributes_and_dropped(
    out: &mut MessageWriter<'_, '_>,
    text: &str,
    attributes_number: u32,
    dropped_number: u32,
) -> Option<()> {
    let (attributes, dropped) = text.rsplit_once('|')?;
    let dropped: u32 = dropped.parse().ok()?;
    put_json_object(out, attributes, attributes_number).ok()?;
    if dropped > 0 {
        out.uint(dropped_number, u64::from(dropped));
    }
    Some(())
}

/// In a link or an event, which is in a span.
fn put_json_object(
    out: &mut MessageWriter<'_, '_>,
    text: &str,
    number: u32,
) -> Result<(), ReadError> {
    let mut reader = Reader::new(text.as_bytes())?;
    plain_attributes(&mut reader, out, number, Depth::SPAN.down(0)?)?;
    Ok(reader.end()?)
}
