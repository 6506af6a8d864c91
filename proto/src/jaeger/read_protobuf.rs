//! Reads spans and processes in the protobuf messages of Jaeger's `model.proto`.
//!
//! Positions in errors count from the start of the span. Text that is not UTF-8 is noted in the texts,
//! and what has some is to be read again from a copy in which that is repaired.

use std::ops::Range;

use super::model::{
    Log, Process, Reference, ReferenceKind, Span, Tag, Value, process_room, span_room,
};
use super::numbers::{key_value, log, process, reference, span};
use super::plain_tag;
use crate::reject::SpanReject;
use crate::texts::Texts;
use crate::wire::{Cursor, FIXED64, LEN, Tag as FieldTag, VARINT, WireError};

const TAGS_TAG: u8 = FieldTag::new(span::TAGS, LEN).byte();
const FIELDS_TAG: u8 = FieldTag::new(log::FIELDS, LEN).byte();
const PROCESS_TAGS_TAG: u8 = FieldTag::new(process::TAGS, LEN).byte();

/// Reads the span whose bytes `texts` are of into `span`, which is clear. Gives its own process, where
/// it has one.
pub(super) fn read_span<'a>(
    texts: &mut Texts<'a>,
    span: &mut Span<'a>,
) -> Result<Option<Process<'a>>, SpanReject> {
    const MESSAGE: Message = Message { name: "Span", numbers: span::WARNINGS };
    let body = texts.buffer();
    let (mut trace_id, mut id) = (None, None);
    let (mut name, mut process_id) = (0..0, 0..0);
    let (mut start, mut duration) = (Moment::default(), Moment::default());
    let mut process = None;
    let mut fields = Cursor::new(body);
    loop {
        let at = fields.position();
        let Some(tag) = fields.next_tag()? else { break };
        match (tag.number(), tag.wire_type()) {
            (span::TRACE_ID, LEN) => {
                trace_id = Some(trace_id_of(&mut fields, MESSAGE, span::TRACE_ID)?)
            }
            (span::SPAN_ID, LEN) => id = Some(span_id_of(&mut fields, MESSAGE, span::SPAN_ID)?),
            (span::OPERATION_NAME, LEN) => name = fields.take_range()?,
            (span::REFERENCES, LEN) => {
                let reference = fields.take_range()?;
                span.room(fields.position())?;
                span.references.push(read_reference(body, reference)?);
            }
            // Flags have 32 bits.
            (span::FLAGS, VARINT) => span.flags = low_half(fields.varint()?),
            (span::START_TIME, LEN) => start.read(body, fields.take_range()?)?,
            (span::DURATION, LEN) => duration.read(body, fields.take_range()?)?,
            (span::TAGS, LEN) => {
                let others = span.parts() - span.tags.len();
                let room = |tags, at| span_room(others + tags, at);
                fields = read_tags(texts, at..body.len(), TAGS_TAG, &mut span.tags, room)?;
            }
            (span::LOGS, LEN) => {
                let log = fields.take_range()?;
                span.room(fields.position())?;
                read_log(texts, log, span)?;
            }
            (span::PROCESS, LEN) => {
                let process = process.get_or_insert_with(Process::default);
                read_process(texts, fields.take_range()?, process)?;
            }
            (span::PROCESS_ID, LEN) => process_id = fields.take_range()?,
            (span::WARNINGS, LEN) => {
                let warning = fields.take_range()?;
                span.room(fields.position())?;
                span.warnings.push(texts.take(warning));
            }
            _ => fields = MESSAGE.behind_other(body, at..body.len())?,
        }
    }
    span.trace_id = present(trace_id, span::TRACE_ID)?;
    span.id = present(id, span::SPAN_ID)?;
    (span.name, span.process_id) = (texts.take(name), texts.take(process_id));
    (span.start, span.duration) = (start.nanoseconds(), duration.nanoseconds());
    Ok(process)
}

/// Reads the process at `range` of what `texts` are of, or adds what further bytes of it say.
pub(super) fn read_process<'a>(
    texts: &mut Texts<'a>,
    range: Range<usize>,
    process: &mut Process<'a>,
) -> Result<(), SpanReject> {
    const MESSAGE: Message = Message { name: "Process", numbers: process::TAGS };
    let (body, end) = (texts.buffer(), range.end);
    let mut name = None;
    let mut fields = Cursor::within(body, range);
    loop {
        let at = fields.position();
        let Some(tag) = fields.next_tag()? else { break };
        match (tag.number(), tag.wire_type()) {
            (process::SERVICE_NAME, LEN) => name = Some(fields.take_range()?),
            (process::TAGS, LEN) => {
                let tags = &mut process.tags;
                fields = read_tags(texts, at..end, PROCESS_TAGS_TAG, tags, process_room)?;
            }
            _ => fields = MESSAGE.behind_other(body, at..end)?,
        }
    }
    if let Some(name) = name {
        process.service_name = texts.take(name);
    }
    Ok(())
}

fn read_reference(body: &[u8], range: Range<usize>) -> Result<Reference, SpanReject> {
    const MESSAGE: Message = Message { name: "SpanRef", numbers: reference::TYPE };
    let mut reference = Reference::default();
    let end = range.end;
    let mut fields = Cursor::within(body, range);
    loop {
        let at = fields.position();
        let Some(tag) = fields.next_tag()? else { break };
        match (tag.number(), tag.wire_type()) {
            (reference::TRACE_ID, LEN) => {
                reference.trace_id = trace_id_of(&mut fields, MESSAGE, reference::TRACE_ID)?;
            }
            (reference::SPAN_ID, LEN) => {
                reference.span_id = span_id_of(&mut fields, MESSAGE, reference::SPAN_ID)?;
            }
            (reference::TYPE, VARINT) => {
                reference.kind = ReferenceKind::of(fields.varint()?.cast_signed());
            }
            _ => fields = MESSAGE.behind_other(body, at..end)?,
        }
    }
    Ok(reference)
}

fn read_log<'a>(
    texts: &mut Texts<'a>,
    range: Range<usize>,
    span: &mut Span<'a>,
) -> Result<(), SpanReject> {
    const MESSAGE: Message = Message { name: "Log", numbers: log::FIELDS };
    let (body, end) = (texts.buffer(), range.end);
    let (mut time, first) = (Moment::default(), span.fields.len());
    let mut fields = Cursor::within(body, range);
    loop {
        let at = fields.position();
        let Some(tag) = fields.next_tag()? else { break };
        match (tag.number(), tag.wire_type()) {
            (log::TIMESTAMP, LEN) => time.read(body, fields.take_range()?)?,
            (log::FIELDS, LEN) => {
                let others = span.parts() - span.fields.len();
                let room = |tags, at| span_room(others + tags, at);
                fields = read_tags(texts, at..end, FIELDS_TAG, &mut span.fields, room)?;
            }
            _ => fields = MESSAGE.behind_other(body, at..end)?,
        }
    }
    span.logs.push(Log { time: time.nanoseconds(), fields: first..span.fields.len() });
    Ok(())
}

/// Reads the tags that stand one behind the other from the start of `range` on, each in a field whose
/// tag is the byte `head`: at least one. Gives the cursor behind them. Whether there is `room` depends on
/// how many tags there are, and where one more ends.
// By itself, so that what the loop needs stays in registers.
#[inline(never)]
fn read_tags<'a>(
    texts: &mut Texts<'a>,
    range: Range<usize>,
    head: u8,
    tags: &mut Vec<Tag<'a>>,
    room: impl Fn(usize, usize) -> Result<(), SpanReject>,
) -> Result<Cursor<'a>, SpanReject> {
    let Range { start, end } = range;
    let body = texts.buffer();
    let message = body.get(..end).unwrap_or_default();
    let mut at = start;
    while let Some([tag, length @ 0..0x80, rest @ ..]) = message.get(at..)
        && *tag == head
        && let length = usize::from(*length)
        && let Some(bytes) = rest.get(..length)
        && let Some((tag, plain)) = plain_tag::parse(bytes, at + 2, texts, &plain_tag::PROTOBUF)
        && plain == length
    {
        at += 2 + length;
        room(tags.len(), at)?;
        tags.push(tag);
    }
    let mut fields = Cursor::within(body, at..end);
    if at == start
        && let Some(field) = fields.next_field()?
    {
        let length = field.bytes("KeyValue")?.len();
        room(tags.len(), field.range.end)?;
        tags.push(read_any_tag(texts, field.range.end - length..field.range.end)?);
    }
    Ok(fields)
}

fn read_any_tag<'a>(texts: &mut Texts<'a>, range: Range<usize>) -> Result<Tag<'a>, WireError> {
    const MESSAGE: Message = Message { name: "KeyValue", numbers: key_value::BYTES };
    let (body, end) = (texts.buffer(), range.end);
    // Bytes until it shows which of them are the value.
    let (mut key, mut text, mut bytes) = (0..0, 0..0, 0..0);
    let (mut kind, mut boolean, mut integer, mut double) = (0, false, 0, 0);
    let mut fields = Cursor::within(body, range);
    loop {
        let at = fields.position();
        let Some(tag) = fields.next_tag()? else { break };
        match (tag.number(), tag.wire_type()) {
            (key_value::KEY, LEN) => key = fields.take_range()?,
            (key_value::TYPE, VARINT) => kind = fields.varint()?,
            (key_value::TEXT, LEN) => text = fields.take_range()?,
            (key_value::BOOL, VARINT) => boolean = fields.varint()? != 0,
            (key_value::INT, VARINT) => integer = fields.varint()?.cast_signed(),
            (key_value::DOUBLE, FIXED64) => double = u64::from_le_bytes(fields.array()?),
            (key_value::BYTES, LEN) => bytes = fields.take_range()?,
            _ => fields = MESSAGE.behind_other(body, at..end)?,
        }
    }
    let value = match kind {
        key_value::TYPE_BOOL => Value::Bool(boolean),
        key_value::TYPE_INT => Value::Int(integer),
        key_value::TYPE_DOUBLE => Value::Double(f64::from_bits(double)),
        key_value::TYPE_BYTES => Value::Bytes(body.get(bytes).unwrap_or_default()),
        _ => Value::Text(texts.take(text)),
    };
    Ok(Tag { key: texts.take(key), value })
}

/// A point in time or a length of it: the two messages have the same fields.
#[derive(Clone, Copy, Debug, Default)]
struct Moment {
    seconds: i64,
    nanos: i64,
}

impl Moment {
    #[inline]
    fn read(&mut self, body: &[u8], range: Range<usize>) -> Result<(), WireError> {
        const MESSAGE: Message = Message { name: "Timestamp or Duration", numbers: 2 };
        let end = range.end;
        let mut fields = Cursor::within(body, range);
        loop {
            let at = fields.position();
            let Some(tag) = fields.next_tag()? else { return Ok(()) };
            match (tag.number(), tag.wire_type()) {
                (1, VARINT) => self.seconds = fields.varint()?.cast_signed(),
                (2, VARINT) => self.nanos = fields.varint()?.cast_signed(),
                _ => fields = MESSAGE.behind_other(body, at..end)?,
            }
        }
    }

    fn nanoseconds(self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos)
    }
}

/// A message whose fields have the numbers up to `numbers`.
#[derive(Clone, Copy)]
struct Message {
    name: &'static str,
    numbers: u32,
}

impl Message {
    /// Passes over a field that is none of the message, at the start of `range`, which is what is left
    /// of the message; a known one of a wrong type is an error.
    #[cold]
    fn behind_other<'a>(
        self,
        body: &'a [u8],
        range: Range<usize>,
    ) -> Result<Cursor<'a>, WireError> {
        let mut fields = Cursor::within(body, range);
        match fields.next_field()? {
            Some(field) if field.number <= self.numbers => Err(field.wrong_type(self.name)),
            _ => Ok(fields),
        }
    }
}

/// The id that is the value of the field whose tag was just read. Of 8 bytes, it is the low half.
#[inline(always)]
fn trace_id_of(fields: &mut Cursor<'_>, of: Message, number: u32) -> Result<[u8; 16], SpanReject> {
    let bytes = fields.delimited()?;
    if let Ok(id) = bytes.try_into() {
        return Ok(id);
    }
    let low = bytes.try_into().map_err(|_| wrong_length(of, number, bytes.len(), 16))?;
    Ok(u128::from(u64::from_be_bytes(low)).to_be_bytes())
}

fn span_id_of(fields: &mut Cursor<'_>, of: Message, number: u32) -> Result<[u8; 8], SpanReject> {
    let bytes = fields.delimited()?;
    bytes.try_into().map_err(|_| wrong_length(of, number, bytes.len(), 8))
}

#[cold]
fn wrong_length(of: Message, number: u32, found: usize, wanted: usize) -> SpanReject {
    SpanReject::IdLength { message: of.name, number, found, wanted }
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
