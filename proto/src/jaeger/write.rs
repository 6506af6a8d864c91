//! Spans of OTLP in Jaeger's `api_v2`.

mod own_field;
mod tags;

use std::collections::HashMap;

use self::own_field::{OwnField, own_field};
use self::tags::{put_key_value, put_span_tags, put_tag};
use super::model::{FLAG_DEBUG, FLAG_SAMPLED};
use super::numbers::{batch, log, process, reference, request, span as field};
use super::process::NO_SERVICE_NAME;
use crate::each_span::{SpanSink, TranslateError, each_span, span_id};
use crate::id::TraceId;
use crate::otlp::plain::text_of;
use crate::otlp::{
    InstrumentationScope, KeyValue, Resource, Span, any_value::Value, span::Event, span::Link,
};
use crate::wire::nested::{begin_message, end_message};
use crate::wire::{delimited_len, put_bytes, put_delimited_head, put_uint};

const SERVICE_NAME: &str = "service.name";

/// The attribute of a link that tells the kind of reference that it is in Jaeger.
const REF_TYPE: &str = "opentracing.ref_type";

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// Writes the spans of some messages as one `PostSpansRequest`. See [`jaeger`](crate::jaeger) for what
/// becomes what.
///
/// A request has one process, and each span may have its own: the process that would take the most room
/// in its spans is that of the request.
pub struct PostSpansWriter {
    limit: usize,
    processes: Vec<ProcessSpans>,
    /// From an encoded process to its place.
    places: HashMap<Vec<u8>, usize>,
    /// The place of the process whose spans follow.
    current: usize,
    scope: InstrumentationScope,
    /// Of all spans, without their processes.
    bytes: usize,
    spans: usize,
}

/// A process and its spans.
struct ProcessSpans {
    process: Vec<u8>,
    /// The bodies of the spans, one after the other, and how long each is.
    bodies: Vec<u8>,
    lengths: Vec<usize>,
}

impl ProcessSpans {
    /// Bytes that the process takes where each of its spans has it.
    fn repeated(&self) -> usize {
        self.lengths.len() * delimited_len(field::PROCESS, self.process.len())
    }

    /// What the spans have behind their bodies.
    fn suffix(&self, is_main: bool) -> Vec<u8> {
        let mut suffix = Vec::new();
        if !is_main {
            put_bytes(&mut suffix, field::PROCESS, &self.process);
        }
        suffix
    }
}

impl PostSpansWriter {
    /// One that writes at most `limit` bytes, but a single span whatever it takes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            processes: Vec::new(),
            places: HashMap::new(),
            current: 0,
            scope: InstrumentationScope::default(),
            bytes: 0,
            spans: 0,
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

    /// The request; all its text is valid UTF-8.
    ///
    /// # Errors
    /// When several spans take more room than there is.
    pub fn finish(self) -> Result<Vec<u8>, TranslateError> {
        let places = 0..self.processes.len();
        let main = places.max_by_key(|at| self.processes.get(*at).map(ProcessSpans::repeated));
        let mut length = 0;
        for (one, at) in self.processes.iter().zip(0..) {
            let is_main = Some(at) == main;
            let suffix = one.suffix(is_main).len();
            let spans = one.lengths.iter();
            length += spans.map(|body| delimited_len(batch::SPANS, body + suffix)).sum::<usize>();
            if is_main {
                length += delimited_len(batch::PROCESS, one.process.len());
            }
        }
        self.check(delimited_len(request::BATCH, length))?;
        let mut out = Vec::with_capacity(delimited_len(request::BATCH, length));
        put_delimited_head(&mut out, request::BATCH, length);
        for (one, at) in self.processes.iter().zip(0..) {
            let suffix = one.suffix(Some(at) == main);
            let mut bodies = one.bodies.as_slice();
            for length in &one.lengths {
                let (body, rest) = bodies.split_at_checked(*length).unwrap_or_default();
                bodies = rest;
                put_delimited_head(&mut out, batch::SPANS, length + suffix.len());
                out.extend_from_slice(body);
                out.extend_from_slice(&suffix);
            }
        }
        if let Some(main) = main.and_then(|main| self.processes.get(main)) {
            put_bytes(&mut out, batch::PROCESS, &main.process);
        }
        Ok(out)
    }

    fn check(&self, bytes: usize) -> Result<(), TranslateError> {
        if self.spans > 1 && bytes > self.limit {
            return Err(TranslateError::TooLarge { spans: self.spans, limit: self.limit });
        }
        Ok(())
    }
}

impl SpanSink for PostSpansWriter {
    type Error = TranslateError;

    fn resource(&mut self, resource: Resource) {
        let process = process_of(&resource);
        self.current = match self.places.get(&process) {
            Some(place) => *place,
            None => {
                let place = self.processes.len();
                self.places.insert(process.clone(), place);
                let (bodies, lengths) = (Vec::new(), Vec::new());
                self.processes.push(ProcessSpans { process, bodies, lengths });
                place
            }
        };
    }

    fn scope(&mut self, scope: InstrumentationScope) {
        self.scope = scope;
    }

    fn span(&mut self, span: Span) -> Result<(), TranslateError> {
        let trace_id = span_id::<16>("trace_id", &span.trace_id)?;
        let id = span_id::<8>("span_id", &span.span_id)?;
        let Some(process) = self.processes.get_mut(self.current) else { return Ok(()) };
        let before = process.bodies.len();
        put_span(&mut process.bodies, (&trace_id, &id), &span, &self.scope);
        let length = process.bodies.len() - before;
        process.lengths.push(length);
        self.bytes += length;
        self.spans += 1;
        self.check(self.bytes)
    }
}

/// A span as a message by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanMessage {
    /// The trace that it is of.
    pub trace_id: TraceId,
    /// The `Span`, with its process.
    pub bytes: Vec<u8>,
}

/// Writes each span of some messages by itself, with its process, as Jaeger has them in topics. See
/// [`jaeger`](crate::jaeger) for what becomes what.
pub struct SpanMessagesWriter {
    limit: usize,
    /// The field with the process of the spans that follow.
    process: Vec<u8>,
    scope: InstrumentationScope,
    bytes: usize,
    messages: Vec<SpanMessage>,
}

impl SpanMessagesWriter {
    /// One that writes at most `limit` bytes, but a single span whatever it takes: each span repeats
    /// its process.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let scope = InstrumentationScope::default();
        Self { limit, process: Vec::new(), scope, bytes: 0, messages: Vec::new() }
    }

    /// Writes the spans of `traces_data`.
    ///
    /// # Errors
    /// When the bytes are not a `TracesData`, a span has no valid ids, or they take more room than there
    /// is. Nothing more is to be written then.
    pub fn add(&mut self, traces_data: &[u8]) -> Result<(), TranslateError> {
        each_span(traces_data, self)
    }

    /// The spans in their order; all their text is valid UTF-8.
    #[must_use]
    pub fn finish(self) -> Vec<SpanMessage> {
        self.messages
    }
}

impl SpanSink for SpanMessagesWriter {
    type Error = TranslateError;

    fn resource(&mut self, resource: Resource) {
        self.process.clear();
        put_bytes(&mut self.process, field::PROCESS, &process_of(&resource));
    }

    fn scope(&mut self, scope: InstrumentationScope) {
        self.scope = scope;
    }

    fn span(&mut self, span: Span) -> Result<(), TranslateError> {
        let trace_id = span_id::<16>("trace_id", &span.trace_id)?;
        let id = span_id::<8>("span_id", &span.span_id)?;
        let mut bytes = Vec::new();
        put_span(&mut bytes, (&trace_id, &id), &span, &self.scope);
        self.bytes += bytes.len() + self.process.len();
        let spans = self.messages.len() + 1;
        if spans > 1 && self.bytes > self.limit {
            return Err(TranslateError::TooLarge { spans, limit: self.limit });
        }
        bytes.extend_from_slice(&self.process);
        self.messages.push(SpanMessage { trace_id: TraceId(trace_id), bytes });
        Ok(())
    }
}

/// The resource as a process, which has to have a name.
fn process_of(resource: &Resource) -> Vec<u8> {
    let mut out = Vec::new();
    let is_name = |attribute: &&KeyValue| attribute.key == SERVICE_NAME;
    let name = resource.attributes.iter().rev().find(is_name);
    let name = text_of(name.and_then(|name| name.value.as_ref()));
    let name = if name.is_empty() { NO_SERVICE_NAME } else { &*name };
    put_bytes(&mut out, process::SERVICE_NAME, name.as_bytes());
    for attribute in resource.attributes.iter().filter(|attribute| !is_name(attribute)) {
        put_key_value(&mut out, process::TAGS, attribute);
    }
    out
}

fn put_span(
    out: &mut Vec<u8>,
    (trace_id, id): (&[u8; 16], &[u8; 8]),
    span: &Span,
    scope: &InstrumentationScope,
) {
    put_bytes(out, field::TRACE_ID, trace_id);
    put_bytes(out, field::SPAN_ID, id);
    put_bytes(out, field::OPERATION_NAME, span.name.as_bytes());
    if let Ok(parent) = span_id::<8>("parent_span_id", &span.parent_span_id) {
        put_reference(out, trace_id, &parent, true);
    }
    for link in &span.links {
        put_link(out, link);
    }
    let flags = flags(span);
    if flags > 0 {
        put_uint(out, field::FLAGS, u64::from(flags));
    }
    let (start, duration) = match (span.start_time_unix_nano, span.end_time_unix_nano) {
        // When it ended is all that is known.
        (0, end) => (end, 0),
        (start, end) => (start, end.saturating_sub(start)),
    };
    // Both are always there: what is absent is another time to some readers.
    put_time(out, field::START_TIME, start);
    put_time(out, field::DURATION, duration);
    put_span_tags(out, span, scope);
    for event in &span.events {
        put_log(out, event);
    }
    put_own_fields(out, span);
}

fn put_reference(out: &mut Vec<u8>, trace_id: &[u8], id: &[u8], is_child_of: bool) {
    let message = begin_message(out, field::REFERENCES);
    put_bytes(out, reference::TRACE_ID, trace_id);
    put_bytes(out, reference::SPAN_ID, id);
    if !is_child_of {
        put_uint(out, reference::TYPE, 1);
    }
    end_message(out, message);
}

/// A link to no span is none: readers refuse a request for it.
fn put_link(out: &mut Vec<u8>, link: &Link) {
    let ids = (span_id::<16>("trace_id", &link.trace_id), span_id::<8>("span_id", &link.span_id));
    if let (Ok(trace_id), Ok(id)) = ids {
        let says_child = |attribute: &KeyValue| {
            attribute.key == REF_TYPE && text_of(attribute.value.as_ref()) == "child_of"
        };
        put_reference(out, &trace_id, &id, link.attributes.iter().any(says_child));
    }
}

/// Sampled, as W3C has it, and what Jaeger's flags were.
fn flags(span: &Span) -> u32 {
    let mut flags = span.flags & FLAG_SAMPLED;
    for attribute in &span.attributes {
        match own_field(attribute) {
            Some(OwnField::Debug) => flags |= FLAG_DEBUG,
            Some(OwnField::Flags(given)) => flags |= given,
            _ => {}
        }
    }
    flags
}

/// Seconds and nanoseconds.
fn put_time(out: &mut Vec<u8>, number: u32, nanoseconds: u64) {
    let message = begin_message(out, number);
    for (number, value) in [(1, nanoseconds / SECOND), (2, nanoseconds % SECOND)] {
        if value > 0 {
            put_uint(out, number, value);
        }
    }
    end_message(out, message);
}

fn put_log(out: &mut Vec<u8>, event: &Event) {
    let message = begin_message(out, field::LOGS);
    put_time(out, log::TIMESTAMP, event.time_unix_nano);
    let has_own = event.attributes.iter().any(|attribute| attribute.key == "event");
    if !has_own && !event.name.is_empty() {
        put_tag(out, log::FIELDS, "event", Some(&Value::StringValue(event.name.clone())));
    }
    for attribute in &event.attributes {
        put_key_value(out, log::FIELDS, attribute);
    }
    end_message(out, message);
}

fn put_own_fields(out: &mut Vec<u8>, span: &Span) {
    for attribute in &span.attributes {
        match own_field(attribute) {
            Some(OwnField::ProcessId(id)) => put_bytes(out, field::PROCESS_ID, id.as_bytes()),
            Some(OwnField::Warnings(warnings)) => {
                for warning in warnings {
                    put_bytes(out, field::WARNINGS, warning.as_bytes());
                }
            }
            _ => {}
        }
    }
}
