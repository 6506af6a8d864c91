//! The messages of a batch: by trace or not, none of them larger than it may be.

use std::collections::HashMap;

use wholetrace_proto::{
    assemble::Assembler,
    id::TraceId,
    jaeger::{SpanMessage, SpanMessagesWriter},
    otlp_json,
    spans::{Head, ScopeRef, SpanRef, Visitor, visit},
    split::split_at,
};

use crate::{
    config::kafka::MessageEncoding,
    contract::{Batch, ExportError},
};

/// What a message has beside its key and its value, generously: its head and that of its batch.
const OVERHEAD: usize = 128;

/// What messages are like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) encoding: MessageEncoding,
    /// A message for each trace, with its id as the key.
    pub(super) by_trace: bool,
    /// The largest message.
    pub(super) max_bytes: usize,
    /// What messages of one span each may take together.
    pub(super) batch_bytes: usize,
}

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) key: Option<String>,
    pub(super) value: Vec<u8>,
}

/// The messages for `batch`.
///
/// # Errors
/// When spans do not decode, or one of them is too large for a message. The batch is halved then, until
/// the span at fault is alone.
pub(super) fn messages(batch: &Batch, shape: Shape) -> Result<Vec<Message>, ExportError> {
    let mut maker = Maker { batch, shape, made: Vec::new() };
    if shape.encoding == MessageEncoding::JaegerProto {
        maker.add_spans()?;
    } else if shape.by_trace {
        for (id, trace) in by_trace(batch)? {
            maker.add(id.map(|id| id.to_string()), trace)?;
        }
    } else {
        maker.add_in_order()?;
    }
    Ok(maker.made)
}

struct Maker<'b> {
    batch: &'b Batch,
    shape: Shape,
    made: Vec<Message>,
}

impl Maker<'_> {
    /// Adds the pieces as they come, as many to a message as fit: together they are one message.
    fn add_in_order(&mut self) -> Result<(), ExportError> {
        let room = self.shape.max_bytes.saturating_sub(OVERHEAD);
        let mut together = Vec::new();
        for piece in self.batch.pieces() {
            if !together.is_empty() && together.len() + piece.len() > room {
                self.add(None, std::mem::take(&mut together))?;
            }
            together.extend_from_slice(piece);
        }
        if together.is_empty() { Ok(()) } else { self.add(None, together) }
    }

    /// Adds each span as a message of Jaeger's. They have a key always: readers put the spans of a trace
    /// together by it.
    fn add_spans(&mut self) -> Result<(), ExportError> {
        let mut writer = SpanMessagesWriter::new(self.shape.batch_bytes);
        for piece in self.batch.pieces() {
            writer.add(piece).map_err(|error| self.batch.not_translated(&error))?;
        }
        for SpanMessage { trace_id, bytes: value } in writer.finish() {
            let key = jaeger_key(trace_id);
            let bytes = value.len() + key.len() + OVERHEAD;
            if bytes > self.shape.max_bytes {
                return Err(self.too_large(bytes));
            }
            self.made.push(Message { key: Some(key), value });
        }
        Ok(())
    }

    /// Adds the message of `traces`, or several where it is too large.
    fn add(&mut self, key: Option<String>, traces: Vec<u8>) -> Result<(), ExportError> {
        let undecodable =
            |error: String| self.batch.not_a_request(format!("spans do not decode: {error}"));
        let is_json = self.shape.encoding == MessageEncoding::OtlpJson;
        let json = is_json.then(|| otlp_json::from_protobuf(&traces)).transpose();
        let json = json.map_err(|error| undecodable(error.to_string()))?;
        let value = json.as_ref().map_or(traces.len(), Vec::len);
        let bytes = value + key.as_ref().map_or(0, String::len) + OVERHEAD;
        if bytes <= self.shape.max_bytes {
            self.made.push(Message { key, value: json.unwrap_or(traces) });
            return Ok(());
        }
        let spans = spans(&traces).map_err(undecodable)?;
        if spans <= 1 {
            return Err(self.too_large(bytes));
        }
        let (first, second) =
            split_at(&traces, spans / 2).map_err(|error| undecodable(error.to_string()))?;
        self.add(key.clone(), first)?;
        self.add(key, second)
    }

    /// The error for a span that needs a message of `bytes`.
    fn too_large(&self, bytes: usize) -> ExportError {
        let most = self.shape.max_bytes;
        let message = format!(
            "a span makes a message of {bytes} bytes with its resource, and `producer.max_message_bytes` \
             is {most}: raise it, and `max.message.bytes` of the topic"
        );
        if self.batch.spans() > 1 {
            ExportError::Rejected { message }
        } else {
            ExportError::Permanent { message }
        }
    }
}

/// A trace id as Jaeger writes it: 16 digits where the high half is zero.
pub(super) fn jaeger_key(id: TraceId) -> String {
    let digits = id.to_string();
    match digits.split_at_checked(16) {
        Some(("0000000000000000", low)) => low.to_owned(),
        _ => digits,
    }
}

/// How many spans there are.
fn spans(traces: &[u8]) -> Result<usize, String> {
    struct Count(usize);

    impl Visitor<'_> for Count {
        fn span(&mut self, _span: SpanRef<'_>) {
            self.0 += 1;
        }
    }

    let mut count = Count(0);
    visit(traces, &mut count).map_err(|error| error.to_string())?;
    Ok(count.0)
}

/// The spans of one trace.
type OneTrace = (Option<TraceId>, Vec<u8>);

/// Each trace of the batch by itself, in the order of their first spans. Spans without an id of the
/// right length, which none should be, are together.
fn by_trace(batch: &Batch) -> Result<Vec<OneTrace>, ExportError> {
    let mut traces = ByTrace::default();
    for piece in batch.pieces() {
        visit(piece, &mut traces)
            .map_err(|error| batch.not_a_request(format!("spans do not decode: {error}")))?;
    }
    Ok(traces.traces.into_iter().map(|trace| (trace.id, trace.spans.to_vec())).collect())
}

/// Sorts spans by their traces.
#[derive(Default)]
struct ByTrace<'a> {
    traces: Vec<Trace<'a>>,
    places: HashMap<Option<TraceId>, usize>,
    resource: Option<Head<'a>>,
    scope: Option<Head<'a>>,
    /// How many resources and scopes there were.
    resources: u64,
    scopes: u64,
}

struct Trace<'a> {
    id: Option<TraceId>,
    spans: Assembler<'a>,
    /// Which resource and which scope it was given last, by their numbers.
    resource: u64,
    scope: u64,
}

impl<'a> Visitor<'a> for ByTrace<'a> {
    fn resource(&mut self, head: Head<'a>) {
        (self.resource, self.scope) = (Some(head), None);
        self.resources += 1;
        self.scopes += 1;
    }

    fn scope(&mut self, scope: ScopeRef<'a>) {
        self.scope = Some(scope.head());
        self.scopes += 1;
    }

    fn span(&mut self, span: SpanRef<'a>) {
        let id = TraceId::from_slice(span.trace_id()).ok();
        let next = self.traces.len();
        let place = *self.places.entry(id).or_insert(next);
        if place == next {
            self.traces.push(Trace { id, spans: Assembler::new(), resource: 0, scope: 0 });
        }
        let Some(trace) = self.traces.get_mut(place) else { return };
        if let Some(resource) = self.resource.filter(|_| trace.resource != self.resources) {
            trace.resource = self.resources;
            trace.spans.resource(resource);
        }
        if let Some(scope) = self.scope.filter(|_| trace.scope != self.scopes) {
            trace.scope = self.scopes;
            trace.spans.scope(scope);
        }
        trace.spans.span(span.body);
    }
}
