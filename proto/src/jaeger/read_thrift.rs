//! Reads spans and processes in the structs of Jaeger's `jaeger.thrift`.
//!
//! What cannot be read at all ends the batch, since structs do not say how long they are; what a span
//! says wrongly is a reason to refuse that span. A known field of a wrong type is skipped. Text that is
//! not UTF-8 is noted in the texts, and what has some is to be read again from a copy in which that is
//! repaired.

use std::ops::Range;

use super::model::{
    Log, Process, Reference, ReferenceKind, Span, Tag, Value, process_room, span_room,
};
use super::plain_tag;
use crate::reject::SpanReject;
use crate::texts::Texts;
use crate::thrift::{Cursor, Kind, ThriftError};

/// Reads the span that comes next into `span`, which is clear; `texts` are of bytes that end where those
/// of the cursor do. Whether it is one that can be taken is in the inner result.
pub(super) fn read_span<'a>(
    cursor: &mut Cursor<'_>,
    texts: &mut Texts<'a>,
    span: &mut Span<'a>,
) -> Result<Result<(), SpanReject>, ThriftError> {
    let (mut low, mut high, mut name) = (0, 0, 0..0);
    let mut room = Ok(());
    let mut fields = cursor.fields();
    while let Some(field) = cursor.next_field(&mut fields)? {
        match (field.id, field.kind) {
            (1, Kind::I64) => low = cursor.i64()?,
            (2, Kind::I64) => high = cursor.i64()?,
            (3, Kind::I64) => span.id = cursor.i64()?.to_be_bytes(),
            (4, Kind::I64) => span.parent_id = cursor.i64()?.to_be_bytes(),
            (5, Kind::Bytes) => name = range_of_bytes(cursor, texts)?,
            (6, Kind::List) => {
                for _ in 0..cursor.list_of(Kind::Struct)? {
                    let reference = read_reference(cursor)?;
                    if has_room(span, cursor.position(), &mut room) {
                        span.references.push(reference);
                    }
                }
            }
            (7, Kind::I32) => span.flags = cursor.i32()?.cast_unsigned(),
            (8, Kind::I64) => span.start = nanoseconds(cursor.i64()?),
            (9, Kind::I64) => span.duration = nanoseconds(cursor.i64()?),
            (10, Kind::List) => {
                let others = span.parts() - span.tags.len();
                let has_room = |tags, at| span_room(others + tags, at);
                read_tags(cursor, texts, &mut span.tags, &mut room, has_room)?;
            }
            (11, Kind::List) => {
                for _ in 0..cursor.list_of(Kind::Struct)? {
                    read_log(cursor, texts, span, &mut room)?;
                }
            }
            (_, kind) => cursor.skip(kind)?,
        }
    }
    span.name = texts.take(name);
    span.trace_id = trace_id(low, high);
    let ids = if span.trace_id == [0; 16] {
        Err(SpanReject::ZeroId { number: 1 })
    } else if span.id == [0; 8] {
        Err(SpanReject::ZeroId { number: 3 })
    } else {
        Ok(())
    };
    Ok(room.and(ids))
}

/// Reads the process that comes next, as [`read_span`] does a span. Whether it is one that can be taken
/// is in the inner result.
pub(super) fn read_process<'a>(
    cursor: &mut Cursor<'_>,
    texts: &mut Texts<'a>,
) -> Result<Result<Process<'a>, SpanReject>, ThriftError> {
    let (mut process, mut name) = (Process::default(), 0..0);
    let mut room = Ok(());
    let mut fields = cursor.fields();
    while let Some(field) = cursor.next_field(&mut fields)? {
        match (field.id, field.kind) {
            (1, Kind::Bytes) => name = range_of_bytes(cursor, texts)?,
            (2, Kind::List) => {
                read_tags(cursor, texts, &mut process.tags, &mut room, process_room)?;
            }
            (_, kind) => cursor.skip(kind)?,
        }
    }
    process.service_name = texts.take(name);
    Ok(room.map(|()| process))
}

fn read_reference(cursor: &mut Cursor<'_>) -> Result<Reference, ThriftError> {
    let (mut low, mut high) = (0, 0);
    let mut reference = Reference::default();
    let mut fields = cursor.fields();
    while let Some(field) = cursor.next_field(&mut fields)? {
        match (field.id, field.kind) {
            (1, Kind::I32) => reference.kind = ReferenceKind::of(cursor.i32()?.into()),
            (2, Kind::I64) => low = cursor.i64()?,
            (3, Kind::I64) => high = cursor.i64()?,
            (4, Kind::I64) => reference.span_id = cursor.i64()?.to_be_bytes(),
            (_, kind) => cursor.skip(kind)?,
        }
    }
    reference.trace_id = trace_id(low, high);
    Ok(reference)
}

fn read_log<'a>(
    cursor: &mut Cursor<'_>,
    texts: &mut Texts<'a>,
    span: &mut Span<'a>,
    room: &mut Result<(), SpanReject>,
) -> Result<(), ThriftError> {
    let (mut time, first) = (0, span.fields.len());
    let mut fields = cursor.fields();
    while let Some(field) = cursor.next_field(&mut fields)? {
        match (field.id, field.kind) {
            (1, Kind::I64) => time = nanoseconds(cursor.i64()?),
            (2, Kind::List) => {
                let others = span.parts() - span.fields.len();
                let has_room = |tags, at| span_room(others + tags, at);
                read_tags(cursor, texts, &mut span.fields, room, has_room)?;
            }
            (_, kind) => cursor.skip(kind)?,
        }
    }
    if has_room(span, cursor.position(), room) {
        span.logs.push(Log { time, fields: first..span.fields.len() });
    }
    Ok(())
}

/// Whether there is room for one part more, which ends at byte `at`. The first for which there is none
/// is noted in `room`, and there is none for those after it.
fn has_room(span: &Span<'_>, at: usize, room: &mut Result<(), SpanReject>) -> bool {
    if room.is_err() {
        return false;
    }
    match span.room(at) {
        Ok(()) => true,
        Err(reject) => {
            *room = Err(reject);
            false
        }
    }
}

/// Reads a list of tags. Whether there is room depends on how many tags there are, and where one more
/// ends. The first for which there is none is noted in `room`, and none after it is taken.
// By itself, so that what the loop needs stays in registers.
#[inline(never)]
fn read_tags<'a>(
    cursor: &mut Cursor<'_>,
    texts: &mut Texts<'a>,
    tags: &mut Vec<Tag<'a>>,
    room: &mut Result<(), SpanReject>,
    has_room: impl Fn(usize, usize) -> Result<(), SpanReject>,
) -> Result<(), ThriftError> {
    for _ in 0..cursor.list_of(Kind::Struct)? {
        let rest = cursor.binary_rest().unwrap_or_default();
        let start = position_in(texts, cursor);
        let tag = match plain_tag::parse(rest, start, texts, &plain_tag::THRIFT) {
            Some((tag, length)) => {
                cursor.advance(length)?;
                tag
            }
            None => read_any_tag(cursor, texts)?,
        };
        if room.is_ok() {
            match has_room(tags.len(), cursor.position()) {
                Ok(()) => tags.push(tag),
                reject => *room = reject,
            }
        }
    }
    Ok(())
}

fn read_any_tag<'a>(
    cursor: &mut Cursor<'_>,
    texts: &mut Texts<'a>,
) -> Result<Tag<'a>, ThriftError> {
    // Bytes until it shows which of them are the value.
    let (mut key, mut text, mut bytes) = (0..0, 0..0, 0..0);
    let (mut number, mut double, mut boolean, mut integer) = (0, 0.0, false, 0);
    let mut fields = cursor.fields();
    while let Some(field) = cursor.next_field(&mut fields)? {
        match (field.id, field.kind) {
            (1, Kind::Bytes) => key = range_of_bytes(cursor, texts)?,
            (2, Kind::I32) => number = cursor.i32()?,
            (3, Kind::Bytes) => text = range_of_bytes(cursor, texts)?,
            (4, Kind::Double) => double = cursor.double()?,
            (5, Kind::Bool) => boolean = cursor.boolean()?,
            (6, Kind::I64) => integer = cursor.i64()?,
            (7, Kind::Bytes) => bytes = range_of_bytes(cursor, texts)?,
            (_, kind) => cursor.skip(kind)?,
        }
    }
    // Other numbers than in protobuf.
    let value = match number {
        1 => Value::Double(double),
        2 => Value::Bool(boolean),
        3 => Value::Int(integer),
        4 => Value::Bytes(texts.buffer().get(bytes).unwrap_or_default()),
        _ => Value::Text(texts.take(text)),
    };
    Ok(Tag { key: texts.take(key), value })
}

/// Takes the bytes that come next: where they are in what `texts` are of.
#[inline]
fn range_of_bytes(cursor: &mut Cursor<'_>, texts: &Texts<'_>) -> Result<Range<usize>, ThriftError> {
    let length = cursor.bytes()?.len();
    let end = position_in(texts, cursor);
    Ok(end.saturating_sub(length)..end)
}

/// Where the cursor is in what `texts` are of, which ends where its bytes do.
#[inline]
pub(super) const fn position_in(texts: &Texts<'_>, cursor: &Cursor<'_>) -> usize {
    texts.buffer().len().saturating_sub(cursor.left())
}

fn trace_id(low: i64, high: i64) -> [u8; 16] {
    let (low, high) = (low.cast_unsigned(), high.cast_unsigned());
    (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
}

/// Of so many microseconds.
fn nanoseconds(microseconds: i64) -> i128 {
    i128::from(microseconds) * 1_000
}
