//! Visits the spans of `TracesData` (or of an export request, which has the same bytes) as byte
//! ranges, without decoding any.
//!
//! A span is met together with its two **heads**: all fields of its `ResourceSpans` except the
//! spans, and all fields of its `ScopeSpans` except the spans. Fields that nobody knows yet are
//! in the heads and in the spans as they came, so forwarding ranges forwards them.
//!
//! What is looked at: the fields of the request, of `ResourceSpans` and of `ScopeSpans`. What is
//! inside resources, scopes and spans is for [`check`](crate::check). Unknown fields at the top of
//! the request belong to no span and are passed over.

use std::{borrow::Cow, ops::Range};

use crate::{
    id::TraceKey,
    otlp::numbers::{
        INSTRUMENTATION_LIBRARY_SPANS,
        resource_spans::{self, SCOPE_SPANS},
        scope_spans::{self, SPANS},
        span,
        traces_data::RESOURCE_SPANS,
    },
    wire::{Cursor, LEN, Tag, Value, WireError},
};

/// Tag of `Span.trace_id`.
const TRACE_ID_TAG: u8 = Tag::new(span::TRACE_ID, LEN).byte();

/// What is told of a request, in the order of its bytes.
///
/// Each `span` belongs to the last `scope`, which belongs to the last `resource`. Resources and
/// scopes without spans are told as well. What was told before an error was found is true of the
/// bytes before it, but the request is to be refused as a whole.
pub trait Visitor<'a> {
    /// The spans of another resource follow.
    fn resource(&mut self, head: Head<'a>) {
        let _ = head;
    }

    /// The spans of another scope of the same resource follow.
    fn scope(&mut self, scope: ScopeRef<'a>) {
        let _ = scope;
    }

    /// A span.
    fn span(&mut self, span: SpanRef<'a>);
}

/// Tells `visitor` what is in `input`.
///
/// # Errors
/// When the bytes of the request, of a `ResourceSpans` or of a `ScopeSpans` are malformed, or one
/// of their known fields has a wrong wire type.
pub fn visit<'a, V: Visitor<'a>>(input: &'a [u8], visitor: &mut V) -> Result<(), WireError> {
    let mut request = Cursor::new(input);
    while let Some(field) = request.next_field()? {
        if field.number == RESOURCE_SPANS {
            let body = field.bytes("TracesData")?;
            visit_resource(input, ending_at(field.range.end, body), visitor)?;
        }
    }
    Ok(())
}

fn visit_resource<'a, V: Visitor<'a>>(
    input: &'a [u8],
    body: Range<usize>,
    visitor: &mut V,
) -> Result<(), WireError> {
    let outline = Outline::of(input, body.clone(), Level::Resource)?;
    visitor.resource(outline.head);
    let spans = if outline.current { SCOPE_SPANS } else { INSTRUMENTATION_LIBRARY_SPANS };
    let mut fields = Cursor::within(input, body);
    while let Some(field) = fields.next_field()? {
        if field.number == spans {
            let body = field.bytes(Level::Resource.name())?;
            visit_scope(input, ending_at(field.range.end, body), visitor)?;
        }
    }
    Ok(())
}

fn visit_scope<'a, V: Visitor<'a>>(
    input: &'a [u8],
    body: Range<usize>,
    visitor: &mut V,
) -> Result<(), WireError> {
    visitor.scope(ScopeRef { input, start: body.start, end: body.end });
    let mut fields = Cursor::within(input, body);
    while let Some(field) = fields.next_field()? {
        if field.number == SPANS {
            let body = field.bytes(Level::Scope.name())?;
            visitor.span(SpanRef { body, offset: field.range.end - body.len() });
        } else if Level::Scope.is_known(field.number) {
            field.bytes(Level::Scope.name())?;
        }
    }
    Ok(())
}

const fn ending_at(end: usize, body: &[u8]) -> Range<usize> {
    end - body.len()..end
}

/// How many spans `input` holds.
///
/// # Errors
/// As [`visit`].
pub fn count(input: &[u8]) -> Result<usize, WireError> {
    struct Count(usize);
    impl Visitor<'_> for Count {
        fn span(&mut self, _: SpanRef<'_>) {
            self.0 += 1;
        }
    }
    let mut count = Count(0);
    visit(input, &mut count)?;
    Ok(count.0)
}

/// A scope: the bytes of a `ScopeSpans` message, not looked at yet.
#[derive(Clone, Copy, Debug)]
pub struct ScopeRef<'a> {
    input: &'a [u8],
    start: usize,
    end: usize,
}

impl<'a> ScopeRef<'a> {
    /// Its head. Parts of it may stand behind the spans, so this walks over all of them: to be
    /// asked for once, and not before it is needed. Empty when the message is malformed, which
    /// [`visit`] then finds too.
    #[must_use]
    pub fn head(&self) -> Head<'a> {
        Outline::of(self.input, self.start..self.end, Level::Scope)
            .map_or(Head::of(&[]), |outline| outline.head)
    }
}

/// A span: the bytes of a `Span` message, not looked at yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanRef<'a> {
    /// The bytes, without tag and length.
    pub body: &'a [u8],
    offset: usize,
}

impl<'a> SpanRef<'a> {
    /// Where the body stands in the input.
    #[inline]
    #[must_use]
    pub const fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.body.len()
    }

    /// The bytes of the trace id as they came: of any length, empty when there are none. See
    /// [`trace_id`].
    #[inline]
    #[must_use]
    pub fn trace_id(&self) -> &'a [u8] {
        trace_id(self.body)
    }

    /// The key of the trace; `None` when the trace id has not 16 bytes.
    #[inline]
    #[must_use]
    pub fn key(&self) -> Option<TraceKey> {
        TraceKey::of(self.trace_id())
    }
}

/// The bytes of the trace id in the body of a span: of any length, empty when there are none
/// before the first malformed field. The first one counts; [`check`](crate::check) refuses spans
/// with two.
#[inline]
#[must_use]
pub fn trace_id(span: &[u8]) -> &[u8] {
    if let Some(([TRACE_ID_TAG, 16], rest)) = span.split_first_chunk()
        && let Some(id) = rest.get(..16)
    {
        return id;
    }
    find_trace_id(span)
}

#[cold]
fn find_trace_id(span: &[u8]) -> &[u8] {
    let mut fields = Cursor::new(span);
    while let Ok(Some(field)) = fields.next_field() {
        if let (span::TRACE_ID, Value::Bytes(id)) = (field.number, field.value) {
            return id;
        }
    }
    &[]
}

/// The fields of a `ResourceSpans` or a `ScopeSpans` except its spans, tags included. They stand
/// in one range of the input, or, from unusual senders, in several with spans between them.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The input, cut at the end of the message.
    input: &'a [u8],
    /// Where the message starts.
    start: usize,
    /// The first range.
    first: (usize, usize),
    /// The bytes in all ranges.
    len: usize,
    level: Level,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Resource,
    Scope,
    /// The bytes of a head alone.
    Bare,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Resource => "ResourceSpans",
            Self::Scope => "ScopeSpans",
            Self::Bare => "head",
        }
    }

    /// Whether it is one of the fields that are looked at, all of which are bytes: the resource or
    /// scope, the spans, the schema's address.
    const fn is_known(self, number: u32) -> bool {
        match self {
            Self::Resource => matches!(
                number,
                resource_spans::RESOURCE
                    | SCOPE_SPANS
                    | resource_spans::SCHEMA_URL
                    | INSTRUMENTATION_LIBRARY_SPANS
            ),
            Self::Scope => {
                matches!(number, scope_spans::SCOPE | SPANS | scope_spans::SCHEMA_URL)
            }
            Self::Bare => false,
        }
    }

    const fn is_spans(self, number: u32) -> bool {
        match self {
            Self::Resource => matches!(number, SCOPE_SPANS | INSTRUMENTATION_LIBRARY_SPANS),
            Self::Scope => number == SPANS,
            Self::Bare => false,
        }
    }
}

impl<'a> Head<'a> {
    /// A head whose bytes have been taken out of a request before.
    #[must_use]
    pub const fn of(bytes: &'a [u8]) -> Self {
        let len = bytes.len();
        Self { input: bytes, start: 0, first: (0, len), len, level: Level::Bare }
    }

    /// How many bytes it has in all.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it says nothing.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its place in the input, when it stands in one range (and is not empty); otherwise its
    /// [`parts`](Self::parts) have to be joined.
    #[inline]
    #[must_use]
    pub const fn range(&self) -> Option<Range<usize>> {
        if self.first.1 - self.first.0 == self.len && self.len > 0 {
            Some(self.first.0..self.first.1)
        } else {
            None
        }
    }

    /// Its ranges in the input, in order.
    #[must_use]
    pub fn parts(&self) -> Parts<'a> {
        let whole = self.range().is_some() || self.is_empty();
        let end = if whole { self.first.1 } else { self.input.len() };
        let start = if whole { self.first.0 } else { self.start };
        let level = if whole { Level::Bare } else { self.level };
        Parts { fields: Cursor::within(self.input, start..end), whole, level }
    }

    /// Its bytes, copied only when they stand in several ranges.
    #[must_use]
    pub fn bytes(&self) -> Cow<'a, [u8]> {
        if let Some(range) = self.range() {
            return Cow::Borrowed(self.input.get(range).unwrap_or_default());
        }
        let mut bytes = Vec::with_capacity(self.len);
        self.append_to(&mut bytes);
        Cow::Owned(bytes)
    }

    /// Appends its bytes to `out`.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        for part in self.parts() {
            out.extend_from_slice(self.input.get(part).unwrap_or_default());
        }
    }
}

/// The ranges of a [`Head`], from [`Head::parts`]. Neighbours are joined.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    fields: Cursor<'a>,
    /// Whether all that is left is one range.
    whole: bool,
    level: Level,
}

impl Iterator for Parts<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        if self.whole {
            let start = self.fields.position();
            let end = self.fields.skip_to_end();
            return (start < end).then_some(start..end);
        }
        let mut part: Option<Range<usize>> = None;
        // The fields were walked before, so there is no error to be met.
        while let Ok(Some(field)) = self.fields.next_field() {
            match (&mut part, self.level.is_spans(field.number)) {
                (Some(_), true) => break,
                (None, true) => {}
                (Some(part), false) => part.end = field.range.end,
                (None, false) => part = Some(field.range),
            }
        }
        part
    }
}

/// What the first walk over a message finds out.
struct Outline<'a> {
    head: Head<'a>,
    /// Whether there are spans under their present number.
    current: bool,
}

impl<'a> Outline<'a> {
    fn of(input: &'a [u8], body: Range<usize>, level: Level) -> Result<Self, WireError> {
        let mut fields = Cursor::within(input, body.clone());
        let (mut first, mut len, mut current) = ((body.start, body.start), 0, false);
        while let Some(field) = fields.next_field()? {
            if level.is_known(field.number) {
                field.bytes(level.name())?;
            }
            if level.is_spans(field.number) {
                current |= field.number == SCOPE_SPANS;
                continue;
            }
            if len == 0 {
                first = (field.range.start, field.range.end);
            } else if first.1 == field.range.start {
                first.1 = field.range.end;
            }
            len += field.range.len();
        }
        let input = input.get(..body.end).unwrap_or(input);
        let head = Head { input, start: body.start, first, len, level };
        Ok(Self { head, current })
    }
}

#[cfg(test)]
mod tests;
