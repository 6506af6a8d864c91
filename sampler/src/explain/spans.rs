//! What the span log has of traces: what their decisions were made from, and what came later.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use prost::Message as _;
use wholetrace_proto::{
    check::HeadKind,
    id::{TraceId, TraceKey},
    otlp::{ResourceSpans, Span, any_value, status},
    repair::{repair_head, repair_span},
    spans::{Head, SpanRef, Visitor, visit},
};
use wholetrace_spanlog::{Frame, LogTime, Position, ReadError, RecordKind};

use crate::explain::scan::Scan;

/// Services and ids of a trace that are named; beyond that they are left out.
const NAMED: usize = 32;

/// Where frames with spans of a trace stand that are remembered; beyond that only the last one is.
const PLACES: usize = 1_000;

/// Characters of a name that are given: senders write what they want.
const NAME_CHARS: usize = 256;

/// The attribute of a resource that names the service.
const SERVICE_NAME: &str = "service.name";

/// A trace that is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceSpans {
    /// When it is decided: spans from then on are late. `None` while it is not.
    pub(super) decided_at: Option<LogTime>,
    /// What came before the decision: that was made from it.
    pub on_time: SpanSummary,
    /// What came after it, and obeys it.
    pub late: SpanSummary,
    /// Where its frames stand in the span log.
    pub(super) places: BTreeSet<Position>,
}

/// Spans of one trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanSummary {
    /// How many there are, as often as each is in the log.
    pub spans: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those whose status is ERROR.
    pub errors: u64,
    /// When the first of them came into the log, and the last.
    pub came: Option<(LogTime, LogTime)>,
    /// When the earliest began, in nanoseconds since the Unix epoch, and when the latest ended, as their
    /// senders say.
    pub lasted_ns: Option<(u64, u64)>,
    /// Their services, with how many spans each has; some of them where there are many.
    pub services: BTreeMap<String, u64>,
    /// The root span, if it is among them.
    pub root: Option<Root>,
    /// Their trace ids: spans of one trace may have ids of 64 and of 128 bits.
    pub ids: BTreeSet<TraceId>,
}

/// A root span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Its service; empty where its resource does not say.
    pub service: String,
    /// Its name.
    pub name: String,
}

impl TraceSpans {
    /// A trace that was decided at that time, if it was.
    pub(super) fn of(decided_at: Option<LogTime>) -> Self {
        Self { decided_at, ..Self::default() }
    }

    /// Whether spans of it were found.
    #[must_use]
    pub const fn is_found(&self) -> bool {
        self.on_time.spans + self.late.spans > 0
    }

    fn add(&mut self, frame: &Frame, span: SpanRef<'_>, service: &str) {
        let late = self.decided_at.is_some_and(|decided_at| decided_at <= frame.time);
        self.places.insert(frame.position);
        if self.places.len() > PLACES {
            self.places.pop_first();
        }
        let summary = if late { &mut self.late } else { &mut self.on_time };
        summary.add(span, frame.time, service);
    }
}

/// How far the span log was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpansRead {
    /// When the first record that was read came into the log.
    pub from: Option<LogTime>,
    /// When the last one did.
    pub to: Option<LogTime>,
    /// Whether there is more that was not read.
    pub cut: bool,
}

/// Adds what `scan` gives of the trace `key` to `spans`.
pub(super) async fn find(
    scan: &mut Scan<'_>,
    key: TraceKey,
    spans: &mut TraceSpans,
) -> Result<SpansRead, ReadError> {
    let mut read = SpansRead::default();
    while let Some(frames) = scan.next().await? {
        for frame in &frames {
            read.from = read.from.or(Some(frame.time));
            read.to = Some(frame.time);
            look(frame, |span, service| {
                if span.key() == Some(key) {
                    spans.add(frame, span, service.name());
                }
            });
        }
    }
    read.cut = scan.is_cut();
    Ok(read)
}

/// Those of `traces` with a span of `service` in what `scan` gives, up to the first record that came
/// after `until`; and whether there is more before that one that was not read.
pub(super) async fn of_service(
    scan: &mut Scan<'_>,
    traces: &HashSet<TraceKey>,
    service: &str,
    until: LogTime,
) -> Result<(HashSet<TraceKey>, bool), ReadError> {
    let mut found = HashSet::new();
    while let Some(frames) = scan.next().await? {
        for frame in &frames {
            if frame.time > until {
                return Ok((found, false));
            }
            look(frame, |span, named| {
                if let Some(key) = span.key().filter(|key| traces.contains(key))
                    && named.name() == service
                {
                    found.insert(key);
                }
            });
        }
    }
    Ok((found, scan.is_cut()))
}

/// Gives `each` span in `frame` with its service. What cannot be read further on has none there.
fn look<'f>(frame: &'f Frame, each: impl FnMut(SpanRef<'f>, &mut Service<'f>)) {
    if frame.kind == RecordKind::Spans {
        let service = Service { head: None, name: None };
        let _malformed = visit(&frame.payload, &mut Look { service, each });
    }
}

struct Look<'f, E> {
    service: Service<'f>,
    each: E,
}

/// The service of a resource.
struct Service<'f> {
    head: Option<Head<'f>>,
    /// Its name, once somebody wants to know.
    name: Option<String>,
}

impl Service<'_> {
    fn name(&mut self) -> &str {
        self.name.get_or_insert_with(|| self.head.map(service).unwrap_or_default())
    }
}

impl<'f, E: FnMut(SpanRef<'f>, &mut Service<'f>)> Visitor<'f> for Look<'f, E> {
    fn resource(&mut self, head: Head<'f>) {
        self.service = Service { head: Some(head), name: None };
    }

    fn span(&mut self, span: SpanRef<'f>) {
        (self.each)(span, &mut self.service);
    }
}

impl SpanSummary {
    fn add(&mut self, span: SpanRef<'_>, time: LogTime, service: &str) {
        self.spans += 1;
        self.bytes += span.body.len() as u64;
        let (first, last) = self.came.unwrap_or((time, time));
        self.came = Some((first.min(time), last.max(time)));
        if self.services.len() < NAMED || self.services.contains_key(service) {
            *self.services.entry(service.to_owned()).or_default() += 1;
        }
        if let (true, Ok(id)) = (self.ids.len() < NAMED, TraceId::from_slice(span.trace_id())) {
            self.ids.insert(id);
        }
        let Ok(decoded) = Span::decode(&*repair_span(span.body)) else { return };
        let code = decoded.status.as_ref().map(|status| status.code);
        self.errors += u64::from(code == Some(status::StatusCode::Error as i32));
        let (begin, end) = (decoded.start_time_unix_nano, decoded.end_time_unix_nano);
        if begin > 0 && end >= begin {
            let (first, last) = self.lasted_ns.unwrap_or((begin, end));
            self.lasted_ns = Some((first.min(begin), last.max(end)));
        }
        if self.root.is_none() && decoded.parent_span_id.iter().all(|byte| *byte == 0) {
            self.root = Some(Root { service: service.to_owned(), name: short(&decoded.name) });
        }
    }
}

/// The name of the service that a resource is.
fn service(head: Head<'_>) -> String {
    let bytes = head.bytes();
    let Ok(spans) = ResourceSpans::decode(&*repair_head(HeadKind::Resource, &bytes)) else {
        return String::new();
    };
    let attributes = spans.resource.unwrap_or_default().attributes;
    let named = attributes.into_iter().find(|attribute| attribute.key == SERVICE_NAME);
    match named.and_then(|attribute| attribute.value?.value) {
        Some(any_value::Value::StringValue(name)) => short(&name),
        _ => String::new(),
    }
}

fn short(name: &str) -> String {
    name.chars().take(NAME_CHARS).collect()
}
