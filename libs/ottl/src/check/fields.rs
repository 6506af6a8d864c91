//! The names of fields.

use std::collections::HashMap;

use crate::{
    check::names::{Found, Names},
    path::{Context, Path},
    problem::{Problems, Span, did_you_mean},
    program::{Derived, Expr},
    syntax::tree::{PathTree, ValueKind, ValueTree},
    value::{Made, Tree, Value},
};

/// The fields that a condition reads, in the order of their slots.
#[derive(Debug)]
pub(crate) struct FieldNames {
    context: Context,
    pub(crate) paths: Vec<Path>,
    slots: HashMap<Path, usize>,
}

/// What a path stands for, by its name.
enum Meaning {
    Field(Path),
    Derived(Derived, Path),
    /// A map: the whole, and one attribute of it.
    Attributes(Path, fn(Box<str>) -> Path),
    TraceState,
    Status,
    Cache,
}

use Meaning::{Attributes, Cache, Derived as Of, Field, Status, TraceState};

/// A path, and what it stands for.
type Row = (&'static str, fn() -> Meaning);

/// The paths that there are.
const PATHS: &[Row] = &[
    ("resource.attributes", || Attributes(Path::ResourceAttributes, Path::ResourceAttribute)),
    ("resource.dropped_attributes_count", || Field(Path::ResourceDroppedAttributesCount)),
    ("resource.schema_url", || Field(Path::ResourceSchemaUrl)),
    ("resource.cache", || Cache),
    ("scope.name", || Field(Path::ScopeName)),
    ("scope.version", || Field(Path::ScopeVersion)),
    ("scope.schema_url", || Field(Path::ScopeSchemaUrl)),
    ("scope.attributes", || Attributes(Path::ScopeAttributes, Path::ScopeAttribute)),
    ("scope.dropped_attributes_count", || Field(Path::ScopeDroppedAttributesCount)),
    ("scope.cache", || Cache),
    ("span.trace_id", || Field(Path::SpanTraceId)),
    ("span.trace_id.string", || Of(Derived::IdText, Path::SpanTraceId)),
    ("span.span_id", || Field(Path::SpanSpanId)),
    ("span.span_id.string", || Of(Derived::IdText, Path::SpanSpanId)),
    ("span.parent_span_id", || Field(Path::SpanParentSpanId)),
    ("span.parent_span_id.string", || Of(Derived::IdText, Path::SpanParentSpanId)),
    ("span.trace_state", || TraceState),
    ("span.name", || Field(Path::SpanName)),
    ("span.kind", || Field(Path::SpanKind)),
    ("span.kind.string", || Of(Derived::KindText, Path::SpanKind)),
    ("span.kind.deprecated_string", || Of(Derived::KindDeprecatedText, Path::SpanKind)),
    ("span.start_time", || Of(Derived::Time, Path::SpanStartTimeUnixNano)),
    ("span.start_time_unix_nano", || Field(Path::SpanStartTimeUnixNano)),
    ("span.end_time", || Of(Derived::Time, Path::SpanEndTimeUnixNano)),
    ("span.end_time_unix_nano", || Field(Path::SpanEndTimeUnixNano)),
    ("span.attributes", || Attributes(Path::SpanAttributes, Path::SpanAttribute)),
    ("span.dropped_attributes_count", || Field(Path::SpanDroppedAttributesCount)),
    ("span.events", || Of(Derived::Several, Path::SpanEventsCount)),
    ("span.dropped_events_count", || Field(Path::SpanDroppedEventsCount)),
    ("span.links", || Of(Derived::Several, Path::SpanLinksCount)),
    ("span.dropped_links_count", || Field(Path::SpanDroppedLinksCount)),
    ("span.status", || Status),
    ("span.status.code", || Field(Path::SpanStatusCode)),
    ("span.status.message", || Field(Path::SpanStatusMessage)),
    ("span.flags", || Field(Path::SpanFlags)),
    ("span.cache", || Cache),
    ("spanevent.name", || Field(Path::EventName)),
    ("spanevent.time", || Of(Derived::Time, Path::EventTimeUnixNano)),
    ("spanevent.time_unix_nano", || Field(Path::EventTimeUnixNano)),
    ("spanevent.attributes", || Attributes(Path::EventAttributes, Path::EventAttribute)),
    ("spanevent.dropped_attributes_count", || Field(Path::EventDroppedAttributesCount)),
    ("spanevent.event_index", || Field(Path::EventIndex)),
    ("spanevent.cache", || Cache),
];

impl FieldNames {
    pub(crate) fn new(context: Context) -> Self {
        Self { context, paths: Vec::new(), slots: HashMap::new() }
    }

    fn slot(&mut self, path: Path) -> usize {
        let next = self.paths.len();
        *self.slots.entry(path.clone()).or_insert_with(|| {
            self.paths.push(path);
            next
        })
    }

    /// The full name of a path, with the context that it belongs to; `None` for what belongs to a
    /// context that cannot be read from here.
    fn full_name(&self, path: &PathTree) -> (Option<Context>, String) {
        let names: Vec<&str> = path.segments.iter().map(|segment| &*segment.name).collect();
        let prefix = match names.as_slice() {
            [first, _, ..] => Context::of_name(first).filter(|context| *context <= self.context),
            _ => None,
        };
        let rest = if prefix.is_some() { names.get(1..).unwrap_or_default() } else { &names };
        let context = prefix.unwrap_or(self.context);
        (prefix, format!("{context}.{}", rest.join(".")))
    }

    fn meaning(&self, name: &str, prefix: Option<Context>) -> Option<Meaning> {
        let (_, meaning) = PATHS.iter().find(|(known, _)| *known == name)?;
        match meaning() {
            // A cache is empty, and can be read in its own context only.
            Cache if prefix.is_some_and(|prefix| prefix != self.context) => None,
            meaning => Some(meaning),
        }
    }

    fn unknown(&self, path: &PathTree, name: &str, span: Span, problems: &mut Problems<'_>) {
        let written: Vec<&str> = path.segments.iter().map(|segment| &*segment.name).collect();
        let readable = |known: &&str| {
            let context = known.split('.').next().and_then(Context::of_name);
            context.is_some_and(|context| context <= self.context)
        };
        let known = PATHS.iter().map(|(known, _)| *known).filter(readable);
        let hint = did_you_mean(name, known).or_else(|| match written.as_slice() {
            ["span" | "spanevent" | "event" | "log" | "metric" | "datapoint", _, ..] => None,
            ["service" | "k8s" | "host" | "deployment" | "cloud" | "container", ..] => {
                let key = written.join(".");
                Some(format!("did you mean `resource.attributes[\"{key}\"]`?"))
            }
            [] | ["resource" | "scope" | "instrumentation_scope", ..] => None,
            _ => Some(format!("did you mean `attributes[\"{}\"]`?", written.join("."))),
        });
        let written = written.join(".");
        let message = if written == name {
            format!("there is no path `{name}`")
        } else {
            format!("there is no path `{written}`, which is read as `{name}`")
        };
        problems.add_with(span, message, hint);
    }
}

/// Whether the path is one of the request's that brought a span, of which nothing is known here.
fn is_of_request(path: &PathTree) -> bool {
    let mut segments = path.segments.iter();
    let first = segments.next().is_some_and(|first| first.name == "otelcol");
    let rest: Vec<&str> = segments.map(|segment| &*segment.name).collect();
    first
        && matches!(
            rest.as_slice(),
            ["client", "addr" | "metadata"]
                | ["client", "auth", "attributes"]
                | ["grpc", "metadata"]
        )
}

fn nil() -> Found {
    Found { expr: Expr::Constant(Tree::NIL), keys: 0, indexable: true }
}

impl Names for FieldNames {
    fn path(
        &mut self,
        path: &PathTree,
        span: Span,
        problems: &mut Problems<'_>,
        warnings: &mut Problems<'_>,
    ) -> Option<Found> {
        if is_of_request(path) {
            let message = "nothing is known here of the request that brought a span";
            warnings.add_with(span, message.to_owned(), Some("it reads as nil".to_owned()));
            return Some(nil());
        }
        let (last, before) = path.segments.split_last()?;
        if let Some(segment) = before.iter().find(|segment| !segment.keys.is_empty()) {
            let message = format!("`{}` has a key, and nothing can follow it", segment.name);
            problems.add_with(span, message, Some("keys stand at the end of a path".to_owned()));
            return None;
        }
        let (prefix, name) = self.full_name(path);
        let Some(meaning) = self.meaning(&name, prefix) else {
            self.unknown(path, &name, span, problems);
            return None;
        };
        let plain = |expr| Found { expr, keys: 0, indexable: false };
        Some(match meaning {
            Field(path) => plain(Expr::Slot(self.slot(path))),
            Of(derived, path) => plain(Expr::Derived(derived, self.slot(path))),
            Status => plain(Expr::Constant(Tree::Plain(Value::Status))),
            Cache => {
                let empty = Tree::Made(Box::new(Made::Map(Vec::new())));
                Found { expr: Expr::Constant(empty), keys: 0, indexable: true }
            }
            Attributes(whole, one) => match last.keys.first().map(|key| &key.kind) {
                Some(ValueKind::Text(key)) => {
                    let slot = self.slot(one(key.as_str().into()));
                    Found { expr: Expr::Slot(slot), keys: 1, indexable: true }
                }
                _ => Found { expr: Expr::Slot(self.slot(whole)), keys: 0, indexable: true },
            },
            TraceState => {
                let slot = self.slot(Path::SpanTraceState);
                match last.keys.as_slice() {
                    [] => plain(Expr::Slot(slot)),
                    [ValueTree { kind: ValueKind::Text(key), .. }] => {
                        let derived = Derived::TraceStateEntry(key.as_str().into());
                        Found { expr: Expr::Derived(derived, slot), keys: 1, indexable: false }
                    }
                    _ => {
                        let message = "`trace_state` takes one key, a text".to_owned();
                        problems.add(span, message);
                        return None;
                    }
                }
            }
        })
    }

    fn parent_span_id(&mut self) -> Option<usize> {
        (self.context == Context::Span).then(|| self.slot(Path::SpanParentSpanId))
    }
}
