//! Spans of OTLP in Zipkin's v2 JSON.

mod endpoints;
mod tags;

use self::endpoints::Endpoints;
use self::tags::{Collected, ResourceTags, Tag, Tags};
use super::draft::keep_last_of_each;
use crate::each_span::{SpanSink, TranslateError, each_span, span_id};
use crate::json::writer::{Object, put_display, put_text};
use crate::otlp::plain::put_attributes;
use crate::otlp::{InstrumentationScope, Resource, Span, span::Event};

/// Nanoseconds of a microsecond.
const MICRO: u64 = 1_000;

/// Writes the spans of some messages as one array in Zipkin's v2 JSON. See [`zipkin`](crate::zipkin) for
/// what becomes what.
pub struct JsonWriter<'s> {
    /// The array, open.
    out: Vec<u8>,
    spans: usize,
    limit: usize,
    default_service_name: &'s str,
    resource: ResourceTags,
    scope: Collected<'static>,
}

impl<'s> JsonWriter<'s> {
    /// One that writes at most `limit` bytes, but a single span whatever it takes. Spans that nothing
    /// names a service of are of `default_service_name`.
    #[must_use]
    pub fn new(default_service_name: &'s str, limit: usize) -> Self {
        Self {
            out: vec![b'['],
            spans: 0,
            limit,
            default_service_name,
            resource: ResourceTags::default(),
            scope: Vec::new(),
        }
    }

    /// Writes the spans of `traces_data`.
    ///
    /// # Errors
    /// When the bytes are not a `TracesData`, a span has no valid ids, or they take more room than there
    /// is. Nothing more is to be written then.
    pub fn add(&mut self, traces_data: &[u8]) -> Result<(), TranslateError> {
        each_span(traces_data, self)
    }

    /// The array, valid JSON in valid UTF-8.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.out.push(b']');
        self.out
    }
}

impl SpanSink for JsonWriter<'_> {
    type Error = TranslateError;

    fn resource(&mut self, resource: Resource) {
        self.resource = ResourceTags::of(&resource, self.default_service_name);
        self.scope.clear();
    }

    fn scope(&mut self, scope: InstrumentationScope) {
        self.scope = tags::of_scope(&scope);
    }

    fn span(&mut self, span: Span) -> Result<(), TranslateError> {
        let trace_id = span_id::<16>("trace_id", &span.trace_id)?;
        let id = span_id::<8>("span_id", &span.span_id)?;
        if self.spans > 0 {
            self.out.push(b',');
        }
        let mut tags = Tags::of(&span);
        put_span(&mut self.out, (&trace_id, &id), &span, &mut tags, (&self.resource, &self.scope));
        self.spans += 1;
        // The bracket at the end is one more.
        if self.spans > 1 && self.out.len() >= self.limit {
            return Err(TranslateError::TooLarge { spans: self.spans, limit: self.limit });
        }
        Ok(())
    }
}

fn put_span<'t>(
    out: &mut Vec<u8>,
    (trace_id, id): (&[u8; 16], &[u8; 8]),
    span: &'t Span,
    tags: &mut Tags<'t>,
    (resource, scope): (&'t ResourceTags, &'t Collected<'static>),
) {
    let endpoints = Endpoints::of(span, tags);
    let (timestamp, duration) = times(span, tags);
    let mut object = Object::begin(out);
    // Zipkin has no zeros before an id of 64 bits.
    match trace_id.split_first_chunk::<8>() {
        Some(([0, 0, 0, 0, 0, 0, 0, 0], low)) => object.id("traceId", low),
        _ => object.id("traceId", trace_id),
    }
    object.id("parentId", &span.parent_span_id);
    object.id("id", id);
    object.text("name", span.name.as_bytes());
    if let Some(kind) = kind(span.kind) {
        put_text(object.field("kind"), kind.as_bytes());
    }
    put_number(&mut object, "timestamp", timestamp);
    put_number(&mut object, "duration", duration);
    endpoints.put(&mut object, &resource.service_name);
    put_annotations(&mut object, span);
    let mut all = Vec::with_capacity(resource.tags.len() + scope.len() + tags.tags.len());
    // Of one name the last counts: the span's own.
    for (key, value) in resource.tags.iter().chain(scope) {
        all.push(((&**key).into(), (&**value).into()));
    }
    all.append(&mut tags.tags);
    keep_last_of_each(&mut all);
    tags::judge_error(span, &mut all);
    put_tags(&mut object, &all);
    for (name, is_set) in [("debug", tags.debug), ("shared", tags.shared)] {
        if is_set {
            object.field(name).extend_from_slice(b"true");
        }
    }
    object.end();
}

/// What Zipkin calls the kind of this number; it has no word for the others.
const fn kind(number: i32) -> Option<&'static str> {
    match number {
        2 => Some("SERVER"),
        3 => Some("CLIENT"),
        4 => Some("PRODUCER"),
        5 => Some("CONSUMER"),
        _ => None,
    }
}

/// Start and duration in microseconds; 0 is not known. What took less than one took one, and what
/// ended before it began took none.
fn times(span: &Span, tags: &Tags<'_>) -> (u64, u64) {
    let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
    match (start, end) {
        (0, end) if tags.start_absent => (0, micros(end)),
        // When it ended is all that is known.
        (0, end) => (micros(end), 0),
        _ => (micros(start), micros(end.saturating_sub(start))),
    }
}

const fn micros(nanos: u64) -> u64 {
    let micros = nanos / MICRO;
    if micros == 0 && nanos > 0 { 1 } else { micros }
}

fn put_number(object: &mut Object<'_>, name: &'static str, number: u64) {
    if number > 0 {
        put_display(object.field(name), &number);
    }
}

/// Events, in the form that OpenTelemetry has for what is more than a name.
fn put_annotations(object: &mut Object<'_>, span: &Span) {
    if span.events.is_empty() {
        return;
    }
    // Zipkin refuses a request with an annotation that has no time.
    let otherwise = [span.start_time_unix_nano, span.end_time_unix_nano, 1];
    let otherwise = otherwise.into_iter().find(|time| *time > 0).unwrap_or(1);
    let out = object.field("annotations");
    for (event, at) in span.events.iter().zip(0..) {
        out.push(if at == 0 { b'[' } else { b',' });
        let time = if event.time_unix_nano > 0 { event.time_unix_nano } else { otherwise };
        let mut annotation = Object::begin(out);
        put_number(&mut annotation, "timestamp", micros(time));
        put_text(annotation.field("value"), &annotation_text(event));
        annotation.end();
    }
    out.push(b']');
}

fn annotation_text(event: &Event) -> Vec<u8> {
    let mut text = event.name.clone().into_bytes();
    if !event.attributes.is_empty() || event.dropped_attributes_count > 0 {
        text.push(b'|');
        put_attributes(&mut text, &event.attributes);
        put_display(&mut text, &format_args!("|{}", event.dropped_attributes_count));
    }
    text
}

fn put_tags(object: &mut Object<'_>, tags: &[Tag<'_>]) {
    if tags.is_empty() {
        return;
    }
    let out = object.field("tags");
    for ((key, value), at) in tags.iter().zip(0..) {
        out.push(if at == 0 { b'{' } else { b',' });
        put_text(out, key.as_bytes());
        out.push(b':');
        put_text(out, value.as_bytes());
    }
    out.push(b'}');
}
