//! A trace in short notation, as OTLP.

use prost::Message as _;
use serde_json::{Map, Value};
use wholetrace_proto::{
    id::RANDOMNESS_BITS,
    otlp::{
        AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, Resource,
        ResourceSpans, ScopeSpans, Span, Status, TracesData, any_value, span::Event,
    },
};
use wholetrace_runtime::{
    problems::{Problems, did_you_mean, join},
    units::HumanDuration,
};
use xxhash_rust::xxh3::xxh3_128;

use crate::notation::{EventText, Id, Randomness, ScopeText, SpanText};

/// When traces start: the year 2026, in nanoseconds since the Unix epoch. An unknown time is 0.
const START_NS: u64 = 1_767_225_600_000_000_000;

/// The most spans of a trace. More are a mistake in `times`, and would fill the memory.
const SPANS_MAX: usize = 100_000;

/// The kind of spans of which nothing is said.
const INTERNAL: i32 = 1;

/// The id of trace number `index` of the test `name`: the same in every run, on every machine. Where
/// no randomness is chosen it has the least, so that no policy says yes by an accident of its name.
pub(crate) fn id(name: &str, index: usize, randomness: Option<Randomness>) -> Id {
    let hash = xxh3_128(format!("{index}/{name}").as_bytes());
    let Randomness(bits) = randomness.unwrap_or(Randomness(0));
    // The low 56 bits are what shares are drawn by. Above them is a bit that no key lacks.
    Id(hash >> RANDOMNESS_BITS << RANDOMNESS_BITS | 1 << 63 | u128::from(bits))
}

/// A span whose place in the trace is known.
struct Placed<'t> {
    text: &'t SpanText,
    /// Where it is written, as a key path.
    path: String,
    /// The one that it inherits from, and that is its parent unless it says otherwise.
    above: Option<usize>,
}

/// The bytes of a `TracesData` with these spans, which stand at the key `path`. What is wrong with
/// them is added to `problems`.
pub(crate) fn encode(spans: &[SpanText], id: Id, path: &str, problems: &mut Problems) -> Vec<u8> {
    let mut placed = Vec::new();
    let below = if path.is_empty() { "spans" } else { path };
    if spans.is_empty() {
        problems.error(below, "the trace has no spans", "give at least one: `- { name: GET / }`");
    }
    if !place(spans, below, None, &mut placed) {
        let message = format!("the trace has more than `{SPANS_MAX}` spans");
        problems.error(below, message, "say less with `times`");
        return Vec::new();
    }
    Encoder { placed, id, problems }.encode()
}

/// Puts all spans into `placed`, those above before those below; `false` if there are too many.
fn place<'t>(
    spans: &'t [SpanText],
    path: &str,
    above: Option<usize>,
    placed: &mut Vec<Placed<'t>>,
) -> bool {
    for (index, text) in spans.iter().enumerate() {
        let path = format!("{path}[{index}]");
        for _ in 0..text.times.unwrap_or(1) {
            // The first span of a trace is the root of those beside it.
            let root = (!placed.is_empty()).then_some(0);
            let above = above.or(root);
            let this = placed.len();
            if this == SPANS_MAX {
                return false;
            }
            placed.push(Placed { text, path: path.clone(), above });
            if !place(&text.children, &join(&path, "children"), Some(this), placed) {
                return false;
            }
        }
    }
    true
}

/// Where a span comes from.
#[derive(Clone, Default, PartialEq)]
struct Origin {
    resource: Vec<KeyValue>,
    scope: Option<InstrumentationScope>,
}

struct Encoder<'t, 'p> {
    placed: Vec<Placed<'t>>,
    id: Id,
    problems: &'p mut Problems,
}

impl Encoder<'_, '_> {
    fn encode(mut self) -> Vec<u8> {
        let mut data = TracesData::default();
        let mut origins: Vec<Origin> = Vec::with_capacity(self.placed.len());
        let mut starts: Vec<u64> = Vec::with_capacity(self.placed.len());
        for index in 0..self.placed.len() {
            let Some(Placed { text, above, .. }) = self.placed.get(index) else { break };
            let above = above.and_then(|above| Some((origins.get(above)?, starts.get(above)?)));
            let (inherited, start) = above.map_or_else(
                || (Origin::default(), START_NS),
                |(origin, start)| (origin.clone(), *start),
            );
            let start = text.start.map_or(start, at);
            let origin = origin(text, inherited);
            let span = self.span(index, start);
            if origins.last() != Some(&origin) {
                let resource =
                    Resource { attributes: origin.resource.clone(), ..Resource::default() };
                data.resource_spans.push(ResourceSpans {
                    resource: Some(resource),
                    scope_spans: vec![ScopeSpans {
                        scope: origin.scope.clone(),
                        ..ScopeSpans::default()
                    }],
                    ..ResourceSpans::default()
                });
            }
            let scope =
                data.resource_spans.last_mut().and_then(|spans| spans.scope_spans.last_mut());
            if let Some(scope) = scope {
                scope.spans.push(span);
            }
            origins.push(origin);
            starts.push(start);
        }
        data.encode_to_vec()
    }

    fn span(&mut self, index: usize, start: u64) -> Span {
        let parent = self.parent(index);
        let Some(Placed { text, .. }) = self.placed.get(index) else { return Span::default() };
        let status = text
            .status
            .as_ref()
            .map(|status| Status { code: status.code.0, message: status.message.clone() });
        Span {
            trace_id: self.id.0.to_be_bytes().into(),
            span_id: span_id(index),
            parent_span_id: parent,
            trace_state: text.tracestate.clone(),
            flags: text.flags,
            name: text.name.clone(),
            kind: text.kind.map_or(INTERNAL, |kind| kind.0),
            start_time_unix_nano: start,
            end_time_unix_nano: start.saturating_add(nanoseconds(text.duration)),
            attributes: attributes(&text.attributes),
            events: text.events.iter().map(|item| event(&item.event, start)).collect(),
            status,
            ..Span::default()
        }
    }

    /// The id of the parent of span `index`; empty for none.
    fn parent(&mut self, index: usize) -> Vec<u8> {
        let Some(Placed { text, path, above }) = self.placed.get(index) else { return Vec::new() };
        let Some(name) = text.parent.as_deref() else {
            return above.map(span_id).unwrap_or_default();
        };
        if name == "none" {
            return Vec::new();
        }
        if name.len() == 16
            && let Ok(id) = u64::from_str_radix(name, 16)
        {
            return id.to_be_bytes().into();
        }
        let named = self.placed.iter().position(|other| other.text.name == name);
        if let Some(parent) = named.filter(|parent| *parent != index) {
            return span_id(parent);
        }
        let names = self.placed.iter().map(|other| other.text.name.as_str());
        let hint = did_you_mean(name, names.filter(|name| !name.is_empty())).map_or_else(
            || "name one, `none`, or the 16 hexadecimal digits of one that is missing".to_owned(),
            |meant| format!("did you mean `{meant}`?"),
        );
        let message = format!("no other span of the trace is called `{name}`");
        self.problems.error(join(path, "parent"), message, hint);
        Vec::new()
    }
}

fn span_id(index: usize) -> Vec<u8> {
    (index as u64 + 1).to_be_bytes().into()
}

fn nanoseconds(duration: HumanDuration) -> u64 {
    u64::try_from(duration.get().as_nanos()).unwrap_or(u64::MAX)
}

fn at(offset: HumanDuration) -> u64 {
    START_NS.saturating_add(nanoseconds(offset))
}

/// Where the span comes from, given where the one above it does.
fn origin(text: &SpanText, mut inherited: Origin) -> Origin {
    if text.service.is_some() || text.resource.is_some() {
        let service = text.service.as_deref().map(|name| KeyValue {
            key: "service.name".to_owned(),
            value: Some(value(&Value::from(name))),
            ..KeyValue::default()
        });
        let others = text.resource.iter().flat_map(attributes);
        inherited.resource = service.into_iter().chain(others).collect();
    }
    if let Some(ScopeText { name, version, attributes: given }) = &text.scope {
        inherited.scope = Some(InstrumentationScope {
            name: name.clone(),
            version: version.clone(),
            attributes: attributes(given),
            ..InstrumentationScope::default()
        });
    }
    inherited
}

fn event(text: &EventText, start: u64) -> Event {
    Event {
        time_unix_nano: text.at.map_or(start, at),
        name: text.name.clone(),
        attributes: attributes(&text.attributes),
        ..Event::default()
    }
}

fn attributes(map: &Map<String, Value>) -> Vec<KeyValue> {
    let one = |(key, given): (&String, &Value)| KeyValue {
        key: key.clone(),
        value: Some(value(given)),
        ..KeyValue::default()
    };
    map.iter().map(one).collect()
}

fn value(given: &Value) -> AnyValue {
    use any_value::Value as Any;
    let value = match given {
        Value::Null => None,
        Value::Bool(yes) => Some(Any::BoolValue(*yes)),
        Value::Number(number) => Some(match number.as_i64() {
            Some(whole) => Any::IntValue(whole),
            None => Any::DoubleValue(number.as_f64().unwrap_or(f64::NAN)),
        }),
        Value::String(text) => Some(Any::StringValue(text.clone())),
        Value::Array(items) => {
            Some(Any::ArrayValue(ArrayValue { values: items.iter().map(value).collect() }))
        }
        Value::Object(map) => Some(Any::KvlistValue(KeyValueList { values: attributes(map) })),
    };
    AnyValue { value }
}
