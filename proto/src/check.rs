//! Tells whether a span, or a head, is what every receiver down the line can read, without
//! decoding it.
//!
//! Text that is not UTF-8 is no error: it is common in the field, and many senders never notice.
//! Since strict receivers refuse the whole request for it, it is to be repaired before it is
//! forwarded: see [`repair`](crate::repair).

use std::ops::Range;

use crate::{
    id::{SpanId, TraceId},
    otlp::numbers::{any_value, key_value, span, status},
    otlp::{NESTING_MAX, SPAN_LEVEL},
    reject::SpanReject,
    schema::{RESOURCE_HEAD, Rule, SCOPE_HEAD, SPAN, Schema},
    utf8::Utf8Check,
    wire::{Cursor, FIXED32, FIXED64, GROUP_START, LEN, Tag, VARINT, WireError},
};

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
/// When the span must be refused; see [`SpanReject`].
pub fn check_span(body: &[u8]) -> Result<CheckedSpan, SpanReject> {
    let mut walk = Walk { buffer: body, text: Validity::new(body) };
    let ids = walk.span()?;
    let trace_id =
        sized(TraceId::from_slice(ids.trace_id), span::TRACE_ID, ids.trace_id.len(), 16)?;
    let span_id = sized(SpanId::from_slice(ids.span_id), span::SPAN_ID, ids.span_id.len(), 8)?;
    if trace_id.is_zero() {
        return Err(SpanReject::ZeroId { number: span::TRACE_ID });
    }
    if span_id.is_zero() {
        return Err(SpanReject::ZeroId { number: span::SPAN_ID });
    }
    Ok(CheckedSpan { trace_id, span_id, text_valid: walk.text.valid })
}

fn sized<T, E>(
    id: Result<T, E>,
    number: u32,
    found: usize,
    wanted: usize,
) -> Result<T, SpanReject> {
    id.map_err(|_| SpanReject::IdLength { message: SPAN.name, number, found, wanted })
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

    /// The level of the message in a `TracesData`.
    pub(crate) const fn level(self) -> u32 {
        match self {
            Self::Resource => 2,
            Self::Scope => 3,
        }
    }
}

/// Looks at all of a head: `bytes` are its fields, joined. Tells whether all its text is UTF-8.
///
/// # Errors
/// When it is malformed; positions count from the start of `bytes`.
pub fn check_head(kind: HeadKind, bytes: &[u8]) -> Result<bool, SpanReject> {
    let mut walk = Walk { buffer: bytes, text: Validity::new(bytes) };
    walk.message(kind.schema(), 0..bytes.len(), kind.level())?;
    Ok(walk.text.valid)
}

/// Is told where the text of a message is.
pub(crate) trait TextVisitor {
    /// There is text at this range of the buffer.
    fn text(&mut self, range: Range<usize>);

    /// Whether it need not be told of text within this range.
    #[inline]
    fn knows(&self, range: &Range<usize>) -> bool {
        let _ = range;
        false
    }
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
    /// Walks the span that the buffer is. Trace id and span id have any length here.
    fn span(&mut self) -> Result<Ids<'a>, SpanReject> {
        let mut ids = Ids { trace_id: &[], span_id: &[] };
        let mut fields = Cursor::new(self.buffer);
        loop {
            self.plain_attributes(&mut fields);
            let Some(tag) = fields.next_tag()? else { return Ok(ids) };
            // What nearly every span has is told apart here, by known numbers; the rest by rules.
            match (tag.number(), tag.wire_type()) {
                (span::TRACE_ID, LEN) => {
                    let id = self.buffer.get(fields.take_range()?);
                    once(&mut ids.trace_id, id, span::TRACE_ID)?;
                }
                (span::SPAN_ID, LEN) => {
                    let id = self.buffer.get(fields.take_range()?);
                    once(&mut ids.span_id, id, span::SPAN_ID)?;
                }
                (span::TRACE_STATE | span::NAME, LEN) => self.text.text(fields.take_range()?),
                (span::PARENT_SPAN_ID, LEN) => {
                    id_length(&SPAN, tag, fields.take_range()?.len(), 8)?;
                }
                (span::KIND, VARINT)
                | (span::START_TIME_UNIX_NANO | span::END_TIME_UNIX_NANO, FIXED64)
                | (span::FLAGS, FIXED32) => fields.skip(tag)?,
                (span::STATUS, LEN)
                    if matches!(fields.rest(), Some([2, CODE_TAG, 0..0x80, ..])) =>
                {
                    fields.advance(3)
                }
                _ => fields = self.field(&SPAN, tag, fields, SPAN_LEVEL)?,
            }
        }
    }

    /// Walks the message at `range` of the buffer, which is of this level.
    pub(crate) fn message(
        &mut self,
        schema: &'static Schema,
        range: Range<usize>,
        level: u32,
    ) -> Result<(), SpanReject> {
        let mut fields = Cursor::within(self.buffer, range);
        while let Some(tag) = fields.next_tag()? {
            fields = self.field(schema, tag, fields, level)?;
        }
        Ok(())
    }

    /// Takes the value of the field whose `tag` was just read, and gives the cursor back behind
    /// it. By value, so that the caller's cursor stays in registers.
    fn field(
        &mut self,
        schema: &'static Schema,
        tag: Tag,
        mut fields: Cursor<'a>,
        level: u32,
    ) -> Result<Cursor<'a>, SpanReject> {
        let rule = schema.rules.get(tag.number() as usize).unwrap_or(&Rule::Unknown);
        match (rule, tag.wire_type()) {
            (Rule::Unknown, GROUP_START) => skip_group(&mut fields, tag, level)?,
            (Rule::Unknown, _)
            | (Rule::Varint, VARINT)
            | (Rule::Fixed32, FIXED32)
            | (Rule::Fixed64, FIXED64)
            | (Rule::Bytes, LEN) => fields.skip(tag)?,
            (Rule::Text, LEN) => self.text.text(fields.take_range()?),
            (Rule::TraceId, LEN) => id_length(schema, tag, fields.take_range()?.len(), 16)?,
            (Rule::SpanId, LEN) => id_length(schema, tag, fields.take_range()?.len(), 8)?,
            (Rule::Message(inner), LEN) => {
                let range = fields.take_range()?;
                if level >= NESTING_MAX {
                    return Err(SpanReject::Nesting { at: range.start });
                }
                self.message(inner, range, level + 1)?;
            }
            _ => {
                let (at, message, number) = (fields.position(), schema.name, tag.number());
                return Err(WireError::WrongType { at, message, number }.into());
            }
        }
        Ok(fields)
    }

    /// Walks the plain attributes at the cursor, most of a span as a rule, and stops at the first
    /// field that is something else.
    #[inline]
    fn plain_attributes(&mut self, fields: &mut Cursor<'a>) {
        while let Some(Plain { len, key, text }) = fields.rest().and_then(Plain::at) {
            let start = fields.position();
            let end = start + len;
            if !self.text.knows(&(start..end)) {
                self.text.text(start + 4..start + 4 + key);
                self.text.text(end - text..end);
            }
            fields.advance(len);
        }
    }
}

/// Passes over a group in a message of this level: to readers a group is a message.
#[cold]
fn skip_group(fields: &mut Cursor<'_>, tag: Tag, level: u32) -> Result<(), SpanReject> {
    fields.skip_group(tag, NESTING_MAX.saturating_sub(level)).map_err(|error| match error {
        WireError::GroupDepth { at } => SpanReject::Nesting { at },
        error => error.into(),
    })
}

const ATTRIBUTES_TAG: u8 = Tag::new(span::ATTRIBUTES, LEN).byte();
const KEY_TAG: u8 = Tag::new(key_value::KEY, LEN).byte();
const VALUE_TAG: u8 = Tag::new(key_value::VALUE, LEN).byte();
const STRING_VALUE_TAG: u8 = Tag::new(any_value::STRING_VALUE, LEN).byte();
const BOOL_VALUE_TAG: u8 = Tag::new(any_value::BOOL_VALUE, VARINT).byte();
const INT_VALUE_TAG: u8 = Tag::new(any_value::INT_VALUE, VARINT).byte();
const DOUBLE_VALUE_TAG: u8 = Tag::new(any_value::DOUBLE_VALUE, FIXED64).byte();
const CODE_TAG: u8 = Tag::new(status::CODE, VARINT).byte();

/// An attribute of a span with a text, a small number or a truth value, short enough that all
/// lengths have one byte and stand where they can be compared with what they must be.
struct Plain {
    /// The bytes of the field.
    len: usize,
    /// Those of the key, after four bytes of tags and lengths.
    key: usize,
    /// Those of the text, at the end; 0 when the value is none.
    text: usize,
}

impl Plain {
    #[inline]
    fn at(fields: &[u8]) -> Option<Self> {
        let [ATTRIBUTES_TAG, len @ 2..0x80, KEY_TAG, key, rest @ ..] = fields else { return None };
        let (len, key) = (usize::from(*len) + 2, usize::from(*key));
        // Being inside of something below 128 bytes, lengths that fit have one byte.
        let [VALUE_TAG, value, kind, rest @ ..] = rest.get(..len - 4)?.get(key..)? else {
            return None;
        };
        if usize::from(*value) != rest.len() + 1 {
            return None;
        }
        match (kind, rest) {
            (&STRING_VALUE_TAG, [text, rest @ ..]) if usize::from(*text) == rest.len() => {
                Some(Self { len, key, text: rest.len() })
            }
            (&BOOL_VALUE_TAG | &INT_VALUE_TAG, [0..0x80] | [0x80..=0xff, 0..0x80])
            | (&DOUBLE_VALUE_TAG, [_, _, _, _, _, _, _, _]) => Some(Self { len, key, text: 0 }),
            _ => None,
        }
    }
}

#[inline]
fn once<'a>(place: &mut &'a [u8], id: Option<&'a [u8]>, number: u32) -> Result<(), SpanReject> {
    if !place.is_empty() {
        return Err(SpanReject::RepeatedId { number });
    }
    *place = id.unwrap_or_default();
    Ok(())
}

#[inline]
const fn id_length(
    schema: &'static Schema,
    tag: Tag,
    found: usize,
    wanted: usize,
) -> Result<(), SpanReject> {
    if found == 0 || found == wanted {
        return Ok(());
    }
    Err(SpanReject::IdLength { message: schema.name, number: tag.number(), found, wanted })
}

/// Whether all text is UTF-8.
struct Validity<'a> {
    texts: Utf8Check<'a>,
    valid: bool,
}

impl<'a> Validity<'a> {
    const fn new(buffer: &'a [u8]) -> Self {
        Self { texts: Utf8Check::new(buffer), valid: true }
    }
}

impl TextVisitor for Validity<'_> {
    #[inline]
    fn text(&mut self, range: Range<usize>) {
        if !self.knows(&range) {
            self.valid &= self.texts.look(&range);
        }
    }

    #[inline]
    fn knows(&self, range: &Range<usize>) -> bool {
        self.texts.knows(range)
    }
}

#[cfg(test)]
mod tests;
