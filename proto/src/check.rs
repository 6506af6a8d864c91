//! Tells whether a span, or a head, is what every receiver down the line can read, without
//! decoding it.
//!
//! Text that is not UTF-8 is no error: it is common in the field, and many senders never notice.
//! Since strict receivers refuse the whole request for it, it is to be repaired before it is
//! forwarded: see [`repair`](crate::repair).

use std::ops::Range;

use crate::{
    id::{SpanId, TraceId},
    schema::{KEY_VALUE, RESOURCE_HEAD, Rule, SCOPE_HEAD, SPAN, Schema},
    wire::{Cursor, Field, Value, WireError},
};

/// The deepest nesting of attribute values: an array in an array is two deep.
pub const NESTING_MAX: u32 = 64;

/// Why a span cannot be accepted. It says nothing about other spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// It is not a protobuf message of the form of a span; positions count from its start.
    #[error("the span is malformed: {0}")]
    Malformed(#[from] WireError),
    /// An id has a wrong number of bytes.
    #[error("field `{number}` of `{message}` is an id of `{found}` bytes, must have `{wanted}`")]
    IdLength {
        /// The message with the id: `Span` or `Link`.
        message: &'static str,
        /// The number of the field.
        number: u32,
        /// The bytes it has; 0 also when it is missing.
        found: usize,
        /// The bytes it must have.
        wanted: usize,
    },
    /// The trace id or the span id is all zeros.
    #[error("field `{number}` of `Span` is an id of zeros, must have a bit set")]
    ZeroId {
        /// The number of the field.
        number: u32,
    },
    /// The trace id or the span id is given twice, so that readers would disagree on it.
    #[error("field `{number}` of `Span` is given twice, must be given once")]
    RepeatedId {
        /// The number of the field.
        number: u32,
    },
    /// Attribute values are nested too deep.
    #[error("the value at byte `{at}` is nested deeper than `{NESTING_MAX}`")]
    Nesting {
        /// Where the value starts.
        at: usize,
    },
}

/// What the check of a span found out by the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedSpan {
    /// Its trace: not zero.
    pub trace_id: TraceId,
    /// Its id: not zero.
    pub span_id: SpanId,
    /// Whether all its text is UTF-8. If not, repair it before it is forwarded.
    pub text_valid: bool,
}

/// Looks at all of the span with the bytes `body`, without copying or allocating anything.
///
/// # Errors
/// When the span must be refused; see [`SpanError`].
pub fn check_span(body: &[u8]) -> Result<CheckedSpan, SpanError> {
    let mut walk = Walk { buffer: body, text: Validity::new(body) };
    let ids = walk.span()?;
    let trace_id = sized(TraceId::from_slice(ids.trace_id), 1, ids.trace_id.len(), 16)?;
    let span_id = sized(SpanId::from_slice(ids.span_id), 2, ids.span_id.len(), 8)?;
    if trace_id.is_zero() {
        return Err(SpanError::ZeroId { number: 1 });
    }
    if span_id.is_zero() {
        return Err(SpanError::ZeroId { number: 2 });
    }
    Ok(CheckedSpan { trace_id, span_id, text_valid: walk.text.valid })
}

fn sized<T, E>(id: Result<T, E>, number: u32, found: usize, wanted: usize) -> Result<T, SpanError> {
    id.map_err(|_| SpanError::IdLength { message: SPAN.name, number, found, wanted })
}

/// Which message a head was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadKind {
    /// `ResourceSpans`.
    Resource,
    /// `ScopeSpans`.
    Scope,
}

impl HeadKind {
    pub(crate) const fn schema(self) -> &'static Schema {
        match self {
            Self::Resource => &RESOURCE_HEAD,
            Self::Scope => &SCOPE_HEAD,
        }
    }
}

/// Looks at all of a head: `bytes` are its fields, joined. Tells whether all its text is UTF-8.
///
/// # Errors
/// When it is malformed; positions count from the start of `bytes`.
pub fn check_head(kind: HeadKind, bytes: &[u8]) -> Result<bool, SpanError> {
    let mut walk = Walk { buffer: bytes, text: Validity::new(bytes) };
    walk.message(kind.schema(), 0..bytes.len(), 0)?;
    Ok(walk.text.valid)
}

/// Is told where the text of a message is.
pub(crate) trait TextVisitor {
    /// There is text at this range of the buffer.
    fn text(&mut self, range: Range<usize>);
}

/// Walks all fields of a message.
pub(crate) struct Walk<'a, T> {
    pub(crate) buffer: &'a [u8],
    pub(crate) text: T,
}

struct Ids<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
}

impl<'a, T: TextVisitor> Walk<'a, T> {
    /// Walks the span that the buffer is. Ids have any length here.
    fn span(&mut self) -> Result<Ids<'a>, SpanError> {
        let mut ids = Ids { trace_id: &[], span_id: &[] };
        let mut fields = Cursor::new(self.buffer);
        while let Some(field) = fields.next_field()? {
            match (field.number, field.value) {
                (9, Value::Bytes(body)) => self.attribute(ending_at(&field, body))?,
                (1, Value::Bytes(id)) => once(&mut ids.trace_id, id, 1)?,
                (2, Value::Bytes(id)) => once(&mut ids.span_id, id, 2)?,
                _ => self.field(&SPAN, &field, 0)?,
            }
        }
        Ok(ids)
    }

    /// Walks the message at `range` of the buffer, which stands in `depth` attribute values.
    pub(crate) fn message(
        &mut self,
        schema: &'static Schema,
        range: Range<usize>,
        depth: u32,
    ) -> Result<(), SpanError> {
        let mut fields = Cursor::within(self.buffer, range);
        while let Some(field) = fields.next_field()? {
            self.field(schema, &field, depth)?;
        }
        Ok(())
    }

    #[inline]
    fn field(
        &mut self,
        schema: &'static Schema,
        field: &Field<'_>,
        depth: u32,
    ) -> Result<(), SpanError> {
        let rule = schema.rules.get(field.number as usize).unwrap_or(&Rule::Unknown);
        match (rule, field.value) {
            (Rule::Unknown, _)
            | (Rule::Varint, Value::Varint(_))
            | (Rule::Fixed32, Value::Fixed32(_))
            | (Rule::Fixed64, Value::Fixed64(_))
            | (Rule::Bytes, Value::Bytes(_)) => Ok(()),
            (Rule::Text, Value::Bytes(text)) => {
                self.text.text(ending_at(field, text));
                Ok(())
            }
            (Rule::TraceId, Value::Bytes(id)) => id_length(schema, field, id.len(), 16),
            (Rule::SpanId, Value::Bytes(id)) => id_length(schema, field, id.len(), 8),
            (Rule::Message(inner), Value::Bytes(body)) => {
                let range = ending_at(field, body);
                let depth = depth + u32::from(inner.nests);
                if depth > NESTING_MAX {
                    return Err(SpanError::Nesting { at: range.start });
                }
                self.message(inner, range, depth)
            }
            _ => Err(field.wrong_type(schema.name).into()),
        }
    }

    /// Walks an attribute. Nearly all have this form: a key and a text, both below 128 bytes, so
    /// that lengths have one byte and stand where they can be compared with what they must be.
    #[inline]
    fn attribute(&mut self, range: Range<usize>) -> Result<(), SpanError> {
        if let Some((key, text)) = plain_attribute(self.buffer, &range) {
            self.text.text(key);
            self.text.text(text);
            return Ok(());
        }
        self.message(&KEY_VALUE, range, 0)
    }
}

/// Where key and text are in an attribute of the usual form; `None` for all others.
#[inline]
fn plain_attribute(buffer: &[u8], range: &Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
    let [0x0a, key, rest @ ..] = buffer.get(range.clone())? else { return None };
    let key = usize::from(*key);
    let [0x12, value, 0x0a, text, ..] = rest.get(key..)? else { return None };
    let text = usize::from(*text);
    let fits = key < 0x80
        && text < 0x7e
        && usize::from(*value) == text + 2
        && rest.len() == key + text + 4;
    if !fits {
        return None;
    }
    let start = range.start + 2;
    Some((start..start + key, range.end - text..range.end))
}

#[inline]
const fn ending_at(field: &Field<'_>, body: &[u8]) -> Range<usize> {
    field.range.end - body.len()..field.range.end
}

#[inline]
const fn once<'a>(place: &mut &'a [u8], id: &'a [u8], number: u32) -> Result<(), SpanError> {
    if !place.is_empty() {
        return Err(SpanError::RepeatedId { number });
    }
    *place = id;
    Ok(())
}

#[inline]
const fn id_length(
    schema: &'static Schema,
    field: &Field<'_>,
    found: usize,
    wanted: usize,
) -> Result<(), SpanError> {
    if found == 0 || found == wanted {
        return Ok(());
    }
    Err(SpanError::IdLength { message: schema.name, number: field.number, found, wanted })
}

/// Whether all text is UTF-8. Looks for bytes outside of ASCII over long stretches rather than
/// text by text, since most texts are short: each byte is looked at three times at most.
struct Validity<'a> {
    buffer: &'a [u8],
    /// A stretch of the buffer that is all ASCII.
    ascii: Range<usize>,
    valid: bool,
}

impl<'a> Validity<'a> {
    const fn new(buffer: &'a [u8]) -> Self {
        Self { buffer, ascii: 0..0, valid: true }
    }

    #[inline(never)]
    fn look(&mut self, range: Range<usize>) {
        let rest = self.buffer.get(range.start..).unwrap_or_default();
        self.ascii = range.start..range.start + ascii_prefix(rest);
        if range.end > self.ascii.end {
            let text = self.buffer.get(range).unwrap_or_default();
            self.valid &= std::str::from_utf8(text).is_ok();
        }
    }
}

impl TextVisitor for Validity<'_> {
    #[inline]
    fn text(&mut self, range: Range<usize>) {
        if range.start < self.ascii.start || range.end > self.ascii.end {
            self.look(range);
        }
    }
}

/// How many bytes there are before the first that is not ASCII, or a few less.
fn ascii_prefix(bytes: &[u8]) -> usize {
    const STEP: usize = 32;
    let (steps, rest) = bytes.as_chunks::<STEP>();
    let clean = |step: &&[u8; STEP]| step.iter().fold(0, |bits, byte| bits | byte) < 0x80;
    let whole = steps.iter().take_while(clean).count();
    let rest = steps.get(whole).map_or(rest, |step| step.as_slice());
    whole * STEP + rest.iter().take_while(|byte| byte.is_ascii()).count()
}

#[cfg(test)]
mod tests;
