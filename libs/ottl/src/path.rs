//! The fields that conditions read.

use std::fmt;

use crate::value::Value;

/// What a condition is evaluated on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Context {
    /// A resource.
    Resource,
    /// An instrumentation scope; its resource can be read as well.
    Scope,
    /// A span; its scope and its resource can be read as well.
    Span,
    /// An event of a span; the span, its scope and its resource can be read as well.
    SpanEvent,
}

impl Context {
    /// The name in front of its paths, and in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Scope => "scope",
            Self::Span => "span",
            Self::SpanEvent => "spanevent",
        }
    }

    /// The context of a name: `scope` is also called `instrumentation_scope`.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        match name {
            "resource" => Some(Self::Resource),
            "scope" | "instrumentation_scope" => Some(Self::Scope),
            "span" => Some(Self::Span),
            "spanevent" => Some(Self::SpanEvent),
            _ => None,
        }
    }
}

impl fmt::Display for Context {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A field that a condition reads. What the language derives from a field (the hexadecimal form of
/// an id, the name of a kind, the time of a number of nanoseconds, an entry of the trace state) is
/// made here, so that whoever reads fields reads these only.
///
/// [`empty`](Self::empty) is what a field reads as that is not there, and so tells its type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Path {
    /// `Resource.attributes`: a map over the resource's body.
    ResourceAttributes,
    /// The first attribute of the resource with this key.
    ResourceAttribute(Box<str>),
    /// `Resource.dropped_attributes_count`: an integer.
    ResourceDroppedAttributesCount,
    /// `ResourceSpans.schema_url`: a text.
    ResourceSchemaUrl,
    /// `InstrumentationScope.name`: a text.
    ScopeName,
    /// `InstrumentationScope.version`: a text.
    ScopeVersion,
    /// `ScopeSpans.schema_url`: a text.
    ScopeSchemaUrl,
    /// `InstrumentationScope.attributes`: a map over the scope's body.
    ScopeAttributes,
    /// The first attribute of the scope with this key.
    ScopeAttribute(Box<str>),
    /// `InstrumentationScope.dropped_attributes_count`: an integer.
    ScopeDroppedAttributesCount,
    /// `Span.trace_id`: [`Value::TraceId`].
    SpanTraceId,
    /// `Span.span_id`: [`Value::SpanId`].
    SpanSpanId,
    /// `Span.parent_span_id`: [`Value::SpanId`], all zero for a root.
    SpanParentSpanId,
    /// `Span.trace_state`: a text.
    SpanTraceState,
    /// `Span.name`: a text.
    SpanName,
    /// `Span.kind`: an integer.
    SpanKind,
    /// `Span.start_time_unix_nano`: an integer, of the same bits.
    SpanStartTimeUnixNano,
    /// `Span.end_time_unix_nano`: an integer, of the same bits.
    SpanEndTimeUnixNano,
    /// `Span.attributes`: a map over the span's body.
    SpanAttributes,
    /// The first attribute of the span with this key.
    SpanAttribute(Box<str>),
    /// `Span.dropped_attributes_count`: an integer.
    SpanDroppedAttributesCount,
    /// The number of `Span.events`: an integer.
    SpanEventsCount,
    /// `Span.dropped_events_count`: an integer.
    SpanDroppedEventsCount,
    /// The number of `Span.links`: an integer.
    SpanLinksCount,
    /// `Span.dropped_links_count`: an integer.
    SpanDroppedLinksCount,
    /// `Status.code`: an integer.
    SpanStatusCode,
    /// `Status.message`: a text.
    SpanStatusMessage,
    /// `Span.flags`: an integer.
    SpanFlags,
    /// `Event.name`: a text.
    EventName,
    /// `Event.time_unix_nano`: an integer, of the same bits.
    EventTimeUnixNano,
    /// `Event.attributes`: a map over the event's body.
    EventAttributes,
    /// The first attribute of the event with this key.
    EventAttribute(Box<str>),
    /// `Event.dropped_attributes_count`: an integer.
    EventDroppedAttributesCount,
    /// The number of events of the span before this one: an integer.
    EventIndex,
}

impl Path {
    /// What the field belongs to.
    #[must_use]
    pub const fn context(&self) -> Context {
        match self {
            Self::ResourceAttributes
            | Self::ResourceAttribute(_)
            | Self::ResourceDroppedAttributesCount
            | Self::ResourceSchemaUrl => Context::Resource,
            Self::ScopeName
            | Self::ScopeVersion
            | Self::ScopeSchemaUrl
            | Self::ScopeAttributes
            | Self::ScopeAttribute(_)
            | Self::ScopeDroppedAttributesCount => Context::Scope,
            Self::EventName
            | Self::EventTimeUnixNano
            | Self::EventAttributes
            | Self::EventAttribute(_)
            | Self::EventDroppedAttributesCount
            | Self::EventIndex => Context::SpanEvent,
            _ => Context::Span,
        }
    }

    /// The key, of an attribute.
    #[must_use]
    pub const fn attribute_key(&self) -> Option<&str> {
        match self {
            Self::ResourceAttribute(key)
            | Self::ScopeAttribute(key)
            | Self::SpanAttribute(key)
            | Self::EventAttribute(key) => Some(key),
            _ => None,
        }
    }

    /// What the field reads as where it is not written: an absent attribute is nil, all else has a
    /// value of its type.
    #[must_use]
    pub const fn empty(&self) -> Value<'static> {
        match self {
            Self::ResourceAttribute(_)
            | Self::ScopeAttribute(_)
            | Self::SpanAttribute(_)
            | Self::EventAttribute(_) => Value::Nil,
            Self::ResourceAttributes
            | Self::ScopeAttributes
            | Self::SpanAttributes
            | Self::EventAttributes => Value::Map { message: &[], field: 1 },
            Self::ResourceSchemaUrl
            | Self::ScopeName
            | Self::ScopeVersion
            | Self::ScopeSchemaUrl
            | Self::SpanTraceState
            | Self::SpanName
            | Self::SpanStatusMessage
            | Self::EventName => Value::Str(&[]),
            Self::SpanTraceId => Value::TraceId([0; 16]),
            Self::SpanSpanId | Self::SpanParentSpanId => Value::SpanId([0; 8]),
            _ => Value::Int(0),
        }
    }
}
