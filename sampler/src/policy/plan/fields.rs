//! Fields that conditions read: found in the scan, looked into when a condition asks.

use std::collections::HashMap;

use wholetrace_ottl::{Context, Path, Value};
use wholetrace_proto::{
    otlp::numbers::{
        event, instrumentation_scope, resource, resource_spans, scope_spans, span, status,
    },
    wire::{Cursor, Value as Wire},
};

/// The contexts that fields belong to, in the order of [`Found`].
pub(super) const CONTEXTS: usize = 4;

/// The place of a context among [`CONTEXTS`].
pub(super) const fn place_of(context: Context) -> usize {
    match context {
        Context::Resource => 0,
        Context::Scope => 1,
        Context::Span => 2,
        Context::SpanEvent => 3,
    }
}

/// A field as it was found: where its bytes are, or its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Raw {
    #[default]
    Absent,
    Bytes {
        start: u32,
        end: u32,
    },
    Number(u64),
}

impl Raw {
    /// The place of `part` in `buffer`, of which it is a part.
    #[inline]
    pub(super) fn part(buffer: &[u8], part: &[u8]) -> Self {
        let start = part.as_ptr().addr().wrapping_sub(buffer.as_ptr().addr());
        match (u32::try_from(start), u32::try_from(start + part.len())) {
            (Ok(start), Ok(end)) => Self::Bytes { start, end },
            _ => Self::Absent,
        }
    }
}

/// How a value is made of what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The body of an `AnyValue`.
    Any,
    Text,
    Number,
    TraceId,
    SpanId,
    /// The message that holds attributes in the fields of this number.
    Map(u32),
    /// The code in a `Status`.
    StatusCode,
    /// The message in a `Status`.
    StatusMessage,
}

/// What fills a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// An attribute of the context.
    Attribute,
    /// The field of this number in the message of the context.
    Field(u32),
    /// How many fields of this number there are.
    Count(u32),
    /// The field of this number in the message around the one of the context.
    Outer(u32),
    /// The message of the context as a whole.
    Whole,
    /// The number of the event in its span.
    Index,
}

/// The slots of one context.
#[derive(Clone, Debug, Default)]
struct Slots {
    empty: Vec<Value<'static>>,
    forms: Vec<Form>,
    sources: Vec<Source>,
    /// The slots that a field of the message fills, by its number: one may fill several.
    by_number: Vec<Vec<u16>>,
}

/// The slots of all contexts: what conditions read, each field once.
#[derive(Clone, Debug, Default)]
pub(super) struct FieldSlots {
    known: HashMap<Path, u16>,
    contexts: [Slots; CONTEXTS],
}

/// What was found of one context.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// By slot, with places in the bytes of the context.
    pub(super) raws: Vec<Raw>,
}

impl FieldSlots {
    /// The slot of `path` in its context.
    pub(super) fn slot(&mut self, path: &Path) -> u16 {
        if let Some(slot) = self.known.get(path) {
            return *slot;
        }
        let (source, form) = reading(path);
        let slots = &mut self.contexts[place_of(path.context())];
        let slot = u16::try_from(slots.forms.len()).unwrap_or(u16::MAX);
        slots.empty.push(path.empty());
        slots.forms.push(form);
        slots.sources.push(source);
        if let Source::Field(number) | Source::Count(number) = source {
            let number = number as usize;
            if slots.by_number.len() <= number {
                slots.by_number.resize(number + 1, Vec::new());
            }
            slots.by_number[number].push(slot);
        }
        self.known.insert(path.clone(), slot);
        slot
    }

    /// Whether any field of a context is read.
    pub(super) fn reads(&self, context: Context) -> bool {
        !self.contexts[place_of(context)].forms.is_empty()
    }

    /// Makes `found` ready for another message of a context, whose bytes are `body` within `buffer`.
    #[inline]
    pub(super) fn begin(&self, context: Context, buffer: &[u8], body: &[u8], found: &mut Found) {
        let slots = &self.contexts[place_of(context)];
        found.raws.clear();
        found.raws.extend(slots.sources.iter().map(|source| match source {
            Source::Whole => Raw::part(buffer, body),
            _ => Raw::Absent,
        }));
    }

    /// Takes a field of the message of a context.
    #[inline]
    pub(super) fn field(&self, context: Context, number: u32, raw: Raw, found: &mut Found) {
        let slots = &self.contexts[place_of(context)];
        for slot in slots.by_number.get(number as usize).into_iter().flatten() {
            let slot = usize::from(*slot);
            let (Some(source), Some(place)) = (slots.sources.get(slot), found.raws.get_mut(slot))
            else {
                continue;
            };
            *place = match (source, *place) {
                (Source::Count(_), Raw::Number(count)) => Raw::Number(count + 1),
                (Source::Count(_), _) => Raw::Number(1),
                _ => raw,
            };
        }
    }

    /// Takes a field of the message around the one of a context.
    pub(super) fn outer(&self, context: Context, number: u32, raw: Raw, found: &mut Found) {
        self.fill(context, Source::Outer(number), raw, found);
    }

    /// Takes the number of an event.
    pub(super) fn index(&self, index: u64, found: &mut Found) {
        self.fill(Context::SpanEvent, Source::Index, Raw::Number(index), found);
    }

    fn fill(&self, context: Context, source: Source, raw: Raw, found: &mut Found) {
        let sources = &self.contexts[place_of(context)].sources;
        for (_, place) in sources.iter().zip(&mut found.raws).filter(|(of, _)| **of == source) {
            *place = raw;
        }
    }

    /// Walks the fields of `body`, a message of a context within `buffer`, and gives each attribute
    /// to `attribute`.
    pub(super) fn walk<'b>(
        &self,
        context: Context,
        (buffer, body): (&'b [u8], &'b [u8]),
        found: &mut Found,
        mut attribute: impl FnMut(&'b [u8], &mut Found),
    ) {
        self.begin(context, buffer, body, found);
        let mut fields = Cursor::new(body);
        while let Ok(Some(field)) = fields.next_field() {
            let raw = match field.value {
                Wire::Bytes(bytes) => Raw::part(buffer, bytes),
                Wire::Varint(number) | Wire::Fixed64(number) => Raw::Number(number),
                Wire::Fixed32(number) => Raw::Number(u64::from(number)),
                _ => continue,
            };
            self.field(context, field.number, raw, found);
            if let (true, Wire::Bytes(bytes)) = (field.number == attributes(context), field.value) {
                attribute(bytes, found);
            }
        }
    }

    /// The value in a slot of a context, of which `raws` were found in `buffer`.
    #[inline]
    pub(super) fn value<'b>(
        &self,
        context: usize,
        slot: u16,
        raws: &[Raw],
        buffer: &'b [u8],
    ) -> Value<'b> {
        let slot = usize::from(slot);
        let slots = &self.contexts[context];
        let (Some(form), Some(raw)) = (slots.forms.get(slot), raws.get(slot)) else {
            return slots.empty.get(slot).copied().unwrap_or(Value::Nil);
        };
        match *raw {
            Raw::Absent => slots.empty.get(slot).copied().unwrap_or(Value::Nil),
            Raw::Number(number) => Value::Int(number.cast_signed()),
            Raw::Bytes { start, end } => {
                let bytes = buffer.get(start as usize..end as usize).unwrap_or_default();
                form.read(bytes)
            }
        }
    }
}

impl Form {
    #[inline]
    fn read(self, bytes: &[u8]) -> Value<'_> {
        match self {
            Self::Any => Value::of_any_value(bytes),
            Self::Text => Value::Str(bytes),
            Self::Number => Value::Int(0),
            Self::TraceId => Value::TraceId(bytes.try_into().unwrap_or_default()),
            Self::SpanId => Value::SpanId(bytes.try_into().unwrap_or_default()),
            Self::Map(field) => Value::Map { message: bytes, field },
            Self::StatusCode | Self::StatusMessage => self.of_status(bytes),
        }
    }

    fn of_status(self, bytes: &[u8]) -> Value<'_> {
        let (mut code, mut message) = (0, &bytes[..0]);
        let mut fields = Cursor::new(bytes);
        while let Ok(Some(field)) = fields.next_field() {
            match (field.number, field.value) {
                (status::CODE, Wire::Varint(number)) => code = number.cast_signed(),
                (status::MESSAGE, Wire::Bytes(text)) => message = text,
                _ => {}
            }
        }
        if self == Self::StatusCode { Value::Int(code) } else { Value::Str(message) }
    }
}

/// The number of the field that holds the attributes of a context.
pub(super) const fn attributes(context: Context) -> u32 {
    match context {
        Context::Resource => resource::ATTRIBUTES,
        Context::Scope => instrumentation_scope::ATTRIBUTES,
        Context::Span => span::ATTRIBUTES,
        Context::SpanEvent => event::ATTRIBUTES,
    }
}

/// Where a field is found, and how it is read.
const fn reading(path: &Path) -> (Source, Form) {
    use Source::{Attribute, Count, Field, Index, Outer, Whole};
    match path {
        Path::ResourceAttribute(_)
        | Path::ScopeAttribute(_)
        | Path::SpanAttribute(_)
        | Path::EventAttribute(_) => (Attribute, Form::Any),
        Path::ResourceAttributes
        | Path::ScopeAttributes
        | Path::SpanAttributes
        | Path::EventAttributes => (Whole, Form::Map(attributes(path.context()))),
        Path::ResourceDroppedAttributesCount => {
            (Field(resource::DROPPED_ATTRIBUTES_COUNT), Form::Number)
        }
        Path::ResourceSchemaUrl => (Outer(resource_spans::SCHEMA_URL), Form::Text),
        Path::ScopeName => (Field(instrumentation_scope::NAME), Form::Text),
        Path::ScopeVersion => (Field(instrumentation_scope::VERSION), Form::Text),
        Path::ScopeSchemaUrl => (Outer(scope_spans::SCHEMA_URL), Form::Text),
        Path::ScopeDroppedAttributesCount => {
            (Field(instrumentation_scope::DROPPED_ATTRIBUTES_COUNT), Form::Number)
        }
        Path::SpanTraceId => (Field(span::TRACE_ID), Form::TraceId),
        Path::SpanSpanId => (Field(span::SPAN_ID), Form::SpanId),
        Path::SpanParentSpanId => (Field(span::PARENT_SPAN_ID), Form::SpanId),
        Path::SpanTraceState => (Field(span::TRACE_STATE), Form::Text),
        Path::SpanName => (Field(span::NAME), Form::Text),
        Path::SpanKind => (Field(span::KIND), Form::Number),
        Path::SpanStartTimeUnixNano => (Field(span::START_TIME_UNIX_NANO), Form::Number),
        Path::SpanEndTimeUnixNano => (Field(span::END_TIME_UNIX_NANO), Form::Number),
        Path::SpanDroppedAttributesCount => (Field(span::DROPPED_ATTRIBUTES_COUNT), Form::Number),
        Path::SpanEventsCount => (Count(span::EVENTS), Form::Number),
        Path::SpanDroppedEventsCount => (Field(span::DROPPED_EVENTS_COUNT), Form::Number),
        Path::SpanLinksCount => (Count(span::LINKS), Form::Number),
        Path::SpanDroppedLinksCount => (Field(span::DROPPED_LINKS_COUNT), Form::Number),
        Path::SpanStatusCode => (Field(span::STATUS), Form::StatusCode),
        Path::SpanStatusMessage => (Field(span::STATUS), Form::StatusMessage),
        Path::SpanFlags => (Field(span::FLAGS), Form::Number),
        Path::EventName => (Field(event::NAME), Form::Text),
        Path::EventTimeUnixNano => (Field(event::TIME_UNIX_NANO), Form::Number),
        Path::EventDroppedAttributesCount => (Field(event::DROPPED_ATTRIBUTES_COUNT), Form::Number),
        Path::EventIndex => (Index, Form::Number),
    }
}
