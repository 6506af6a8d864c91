//! Reads spans and processes in the protobuf messages of Jaeger's `model.proto`.
//!
//! Positions in errors count from the start of the span.

use std::borrow::Cow;

use super::model::{Log, Process, Reference, ReferenceKind, Span, Tag, Value};
use super::numbers::span;
use super::plain_tag;
use crate::reject::SpanReject;
use crate::utf8;
use crate::wire::{Cursor, Field, WireError};

/// Reads the span with the bytes `body` into `span`, which is clear. Gives its own process, where it
/// has one.
pub(super) fn read_span<'a>(
    body: &'a [u8],
    span: &mut Span<'a>,
) -> Result<Option<Process<'a>>, SpanReject> {
    const MESSAGE: &str = "Span";
    let (mut trace_id, mut id) = (None, None);
    let (mut start, mut duration) = (Moment::default(), Moment::default());
    let mut process = None;
    let mut fields = Cursor::new(body);
    while let Some(field) = fields.next_field()? {
        match field.number {
            span::TRACE_ID => trace_id = Some(trace_id_of(&field, MESSAGE)?),
            span::SPAN_ID => id = Some(span_id_of(&field, MESSAGE)?),
            span::OPERATION_NAME => span.name = text(&field, MESSAGE)?,
            span::REFERENCES => {
                span.room(field.range.end)?;
                span.references.push(read_reference(message(body, &field, MESSAGE)?)?);
            }
            // Flags have 32 bits.
            span::FLAGS => span.flags = low_half(field.varint(MESSAGE)?),
            span::START_TIME => start.read(message(body, &field, MESSAGE)?)?,
            span::DURATION => duration.read(message(body, &field, MESSAGE)?)?,
            span::TAGS => {
                span.room(field.range.end)?;
                span.tags.push(read_tag(message(body, &field, MESSAGE)?)?);
            }
            span::LOGS => {
                span.room(field.range.end)?;
                read_log(body, message(body, &field, MESSAGE)?, span)?;
            }
            span::PROCESS => {
                let process = process.get_or_insert_with(Process::default);
                read_process_fields(body, message(body, &field, MESSAGE)?, process)?;
            }
            span::PROCESS_ID => span.process_id = text(&field, MESSAGE)?,
            span::WARNINGS => {
                span.room(field.range.end)?;
                span.warnings.push(text(&field, MESSAGE)?);
            }
            _ => {}
        }
    }
    span.trace_id = present(trace_id, span::TRACE_ID)?;
    span.id = present(id, span::SPAN_ID)?;
    (span.start, span.duration) = (start.nanoseconds(), duration.nanoseconds());
    Ok(process)
}

/// Reads a process, or adds what further bytes of it say.
pub(super) fn read_process<'a>(
    body: &'a [u8],
    process: &mut Process<'a>,
) -> Result<(), SpanReject> {
    read_process_fields(body, Cursor::new(body), process)
}

fn read_process_fields<'a>(
    body: &'a [u8],
    mut fields: Cursor<'a>,
    process: &mut Process<'a>,
) -> Result<(), SpanReject> {
    const MESSAGE: &str = "Process";
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => process.service_name = text(&field, MESSAGE)?,
            2 => {
                process.room(field.range.end)?;
                process.tags.push(read_tag(message(body, &field, MESSAGE)?)?);
            }
            _ => {}
        }
    }
    Ok(())
}

fn read_reference(mut fields: Cursor<'_>) -> Result<Reference, SpanReject> {
    const MESSAGE: &str = "SpanRef";
    let mut reference = Reference::default();
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => reference.trace_id = trace_id_of(&field, MESSAGE)?,
            2 => reference.span_id = span_id_of(&field, MESSAGE)?,
            3 => {
                reference.kind = ReferenceKind::of(field.varint(MESSAGE)?.cast_signed());
            }
            _ => {}
        }
    }
    Ok(reference)
}

fn read_log<'a>(
    body: &'a [u8],
    mut fields: Cursor<'a>,
    span: &mut Span<'a>,
) -> Result<(), SpanReject> {
    const MESSAGE: &str = "Log";
    let (mut time, first) = (Moment::default(), span.fields.len());
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => time.read(message(body, &field, MESSAGE)?)?,
            2 => {
                span.room(field.range.end)?;
                span.fields.push(read_tag(message(body, &field, MESSAGE)?)?);
            }
            _ => {}
        }
    }
    span.logs.push(Log { time: time.nanoseconds(), fields: first..span.fields.len() });
    Ok(())
}

#[inline]
fn read_tag(fields: Cursor<'_>) -> Result<Tag<'_>, WireError> {
    match plain_tag::parse(fields.rest().unwrap_or_default(), &plain_tag::PROTOBUF) {
        Some((tag, [])) => Ok(tag),
        _ => read_any_tag(fields),
    }
}

fn read_any_tag(mut fields: Cursor<'_>) -> Result<Tag<'_>, WireError> {
    const MESSAGE: &str = "KeyValue";
    // Bytes until it shows which of them are the value.
    let (mut key, mut string, mut bytes) = (&[][..], &[][..], &[][..]);
    let (mut kind, mut boolean, mut integer, mut double) = (0, false, 0, 0);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => key = field.bytes(MESSAGE)?,
            2 => kind = field.varint(MESSAGE)?,
            3 => string = field.bytes(MESSAGE)?,
            4 => boolean = field.varint(MESSAGE)? != 0,
            5 => integer = field.varint(MESSAGE)?.cast_signed(),
            6 => double = field.fixed64(MESSAGE)?,
            7 => bytes = field.bytes(MESSAGE)?,
            _ => {}
        }
    }
    let value = match kind {
        1 => Value::Bool(boolean),
        2 => Value::Int(integer),
        3 => Value::Double(f64::from_bits(double)),
        4 => Value::Bytes(bytes),
        _ => Value::Text(utf8::text(string)),
    };
    Ok(Tag { key: utf8::text(key), value })
}

/// A point in time or a length of it: the two messages have the same fields.
#[derive(Clone, Copy, Debug, Default)]
struct Moment {
    seconds: i64,
    nanos: i64,
}

impl Moment {
    fn read(&mut self, mut fields: Cursor<'_>) -> Result<(), WireError> {
        const MESSAGE: &str = "Timestamp or Duration";
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => self.seconds = field.varint(MESSAGE)?.cast_signed(),
                2 => self.nanos = field.varint(MESSAGE)?.cast_signed(),
                _ => {}
            }
        }
        Ok(())
    }

    fn nanoseconds(self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos)
    }
}

/// The message in `field`, which lies in `body`, with positions of `body`.
fn message<'a>(
    body: &'a [u8],
    field: &Field<'a>,
    of: &'static str,
) -> Result<Cursor<'a>, WireError> {
    let (bytes, end) = (field.bytes(of)?, field.range.end);
    Ok(Cursor::within(body, end - bytes.len()..end))
}

fn text<'a>(field: &Field<'a>, of: &'static str) -> Result<Cow<'a, str>, WireError> {
    Ok(utf8::text(field.bytes(of)?))
}

/// Of 8 bytes, the low half.
fn trace_id_of(field: &Field<'_>, of: &'static str) -> Result<[u8; 16], SpanReject> {
    let bytes = field.bytes(of)?;
    if let Ok(low) = bytes.try_into() {
        return Ok(u128::from(u64::from_be_bytes(low)).to_be_bytes());
    }
    bytes.try_into().map_err(|_| wrong_length(field, of, bytes.len(), 16))
}

fn span_id_of(field: &Field<'_>, of: &'static str) -> Result<[u8; 8], SpanReject> {
    let bytes = field.bytes(of)?;
    bytes.try_into().map_err(|_| wrong_length(field, of, bytes.len(), 8))
}

fn wrong_length(
    field: &Field<'_>,
    message: &'static str,
    found: usize,
    wanted: usize,
) -> SpanReject {
    SpanReject::IdLength { message, number: field.number, found, wanted }
}

fn present<const N: usize>(id: Option<[u8; N]>, number: u32) -> Result<[u8; N], SpanReject> {
    match id {
        Some(id) if id != [0; N] => Ok(id),
        Some(_) => Err(SpanReject::ZeroId { number }),
        None => Err(SpanReject::IdLength { message: "Span", number, found: 0, wanted: N }),
    }
}

/// What a number of 32 bits is that came as one of 64.
fn low_half(number: u64) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
