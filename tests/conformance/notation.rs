//! Traces in a short notation, and what they are in OTLP.
//!
//! A trace is a list of spans; each span is a mapping of what it has beyond the defaults:
//!
//! | key | what it is |
//! |---|---|
//! | `r`, `rs` | attributes of its resource, and the resource's schema URL |
//! | `sc` | its scope: `{name, version, a, schema}` |
//! | `name`, `kind`, `state`, `flags` | as in OTLP |
//! | `a` | attributes: a mapping, or a list of mappings where a key occurs twice or order matters |
//! | `ms` | start and end in milliseconds after [`EPOCH`]; `[0, 1]` if nothing is said |
//! | `ns` | start and end in nanoseconds since 1970, instead |
//! | `status`, `message` | `OK`, `ERROR`, `UNSET` or a number; none if nothing is said |
//! | `parent` | number of its parent in the trace, from 1; 0 for none. The first span is the root |
//! | `events` | `[{name, a, ms}]` |
//! | `dropped` | counts of dropped attributes, events and links |
//! | `links` | how many links |
//! | `request` | number of the request that it comes in, from 0 |
//! | `apart` | begins an entry of its own for its resource and scope |
//! | `times` | how many such spans there are |
//!
//! Values of attributes are those of YAML; `{bytes: "00ff"}`, `{map: {…}}` and `{double: nan}` are
//! what YAML has no notation for, and `null` is a value that is not set.

use serde::Deserialize;
use serde_json::{Map, Value};
use wholetrace_proto::otlp::{
    AnyValue, ArrayValue, ExportTraceServiceRequest, InstrumentationScope, KeyValue, KeyValueList,
    Resource, ResourceSpans, ScopeSpans, Span, Status, any_value, span,
};

/// Nanoseconds since 1970 from which `ms` counts.
const EPOCH: u64 = 1_700_000_000_000_000_000;

/// A trace: what it is called, its id, and its spans with what they belong to.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    pub(crate) name: String,
    pub(crate) id: u128,
    spans: Vec<Note>,
}

/// One span as it is noted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Note {
    r: Value,
    rs: String,
    sc: Scope,
    name: String,
    kind: i32,
    state: String,
    flags: u32,
    a: Value,
    ms: [f64; 2],
    ns: Option<[u64; 2]>,
    status: Option<Value>,
    message: String,
    parent: Option<u64>,
    events: Vec<Event>,
    dropped: [u32; 3],
    links: u32,
    request: usize,
    apart: bool,
    times: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Scope {
    name: String,
    version: String,
    a: Value,
    schema: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Event {
    name: String,
    a: Value,
    ms: f64,
    dropped: u32,
}

impl Default for Note {
    fn default() -> Self {
        Self {
            r: Value::Null,
            rs: String::new(),
            sc: Scope::default(),
            name: String::new(),
            kind: 0,
            state: String::new(),
            flags: 0,
            a: Value::Null,
            ms: [0.0, 1.0],
            ns: None,
            status: None,
            message: String::new(),
            parent: None,
            events: Vec::new(),
            dropped: [0; 3],
            links: 0,
            request: 0,
            apart: false,
            times: 1,
        }
    }
}

impl Trace {
    /// The trace `name` of the vectors `file`: a list of spans, or `{id, spans}`. An id that is
    /// not given is made of the two names.
    pub(crate) fn parse(file: &str, name: &str, noted: &Value) -> Result<Self, String> {
        let (id, spans) = match noted {
            Value::Object(both) => (both.get("id"), both.get("spans").unwrap_or(&Value::Null)),
            spans => (None, spans),
        };
        let id = match id {
            None => id_of(&format!("{file}/{name}")),
            Some(Value::String(hex)) => {
                u128::from_str_radix(hex, 16).map_err(|error| format!("{name}: id: {error}"))?
            }
            Some(other) => return Err(format!("{name}: id: {other} is no text")),
        };
        let spans = serde_json::from_value(spans.clone());
        let spans = spans.map_err(|error| format!("{name}: {error}"))?;
        Ok(Self { name: name.to_owned(), id, spans })
    }

    /// How many spans it has.
    pub(crate) fn spans(&self) -> usize {
        self.spans.iter().map(|note| note.times as usize).sum()
    }
}

/// Bytes that look random, made of a name: FNV-1a (128 bits), once more mixed.
fn id_of(name: &str) -> u128 {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    for byte in name.bytes().chain(*b"....") {
        hash = (hash ^ u128::from(byte)).wrapping_mul(PRIME);
    }
    hash ^ (hash >> 67)
}

/// The requests that bring `traces`, in their order. Spans of equal resource and scope share an
/// entry while they come one after the other.
pub(crate) fn requests(traces: &[Trace]) -> Vec<ExportTraceServiceRequest> {
    let all = || traces.iter().flat_map(|trace| &trace.spans);
    let last = all().map(|note| note.request).max().unwrap_or(0);
    (0..=last).map(|number| request(traces, number)).collect()
}

fn request(traces: &[Trace], number: usize) -> ExportTraceServiceRequest {
    let mut entries = Vec::<ResourceSpans>::new();
    let mut before: Option<&Note> = None;
    for trace in traces {
        let mut numbers = 1..;
        for note in &trace.spans {
            let own: Vec<u64> = numbers.by_ref().take(note.times as usize).collect();
            if note.request != number {
                continue;
            }
            let follows = before.filter(|_| !note.apart);
            let same = |before: &Note| before.r == note.r && before.rs == note.rs;
            if !follows.is_some_and(same) {
                entries.push(resource(note));
            }
            let Some(entry) = entries.last_mut() else { continue };
            if !follows.is_some_and(|before| same(before) && before.sc == note.sc) {
                entry.scope_spans.push(scope(note));
            }
            let spans = entry.scope_spans.last_mut().map(|scope| &mut scope.spans);
            let new = own.iter().map(|number| span(trace, note, *number));
            spans.expect("a scope was pushed").extend(new);
            before = Some(note);
        }
    }
    ExportTraceServiceRequest { resource_spans: entries }
}

fn resource(note: &Note) -> ResourceSpans {
    let resource = Resource { attributes: attributes(&note.r), ..Resource::default() };
    ResourceSpans {
        resource: Some(resource),
        schema_url: note.rs.clone(),
        ..ResourceSpans::default()
    }
}

fn scope(note: &Note) -> ScopeSpans {
    let Scope { name, version, a, schema } = &note.sc;
    let scope = InstrumentationScope {
        name: name.clone(),
        version: version.clone(),
        attributes: attributes(a),
        ..InstrumentationScope::default()
    };
    ScopeSpans { scope: Some(scope), schema_url: schema.clone(), ..ScopeSpans::default() }
}

fn span(trace: &Trace, note: &Note, number: u64) -> Span {
    let parent = note.parent.unwrap_or_else(|| u64::from(number > 1));
    let id = |number: u64| match number {
        0 => Vec::new(),
        number => number.to_be_bytes().to_vec(),
    };
    let [start, end] = note.ns.unwrap_or_else(|| note.ms.map(nanoseconds));
    let [attributes_dropped, events_dropped, links_dropped] = note.dropped;
    let event = |event: &Event| span::Event {
        time_unix_nano: nanoseconds(event.ms),
        name: event.name.clone(),
        attributes: attributes(&event.a),
        dropped_attributes_count: event.dropped,
    };
    let link =
        |_| span::Link { trace_id: vec![7; 16], span_id: vec![7; 8], ..span::Link::default() };
    Span {
        trace_id: trace.id.to_be_bytes().to_vec(),
        span_id: id(number),
        trace_state: note.state.clone(),
        parent_span_id: id(parent),
        name: note.name.clone(),
        kind: note.kind,
        start_time_unix_nano: start,
        end_time_unix_nano: end,
        attributes: attributes(&note.a),
        dropped_attributes_count: attributes_dropped,
        events: note.events.iter().map(event).collect(),
        dropped_events_count: events_dropped,
        links: (0..note.links).map(link).collect(),
        dropped_links_count: links_dropped,
        status: status(note),
        flags: note.flags,
    }
}

fn nanoseconds(ms: f64) -> u64 {
    EPOCH.saturating_add_signed((ms * 1e6).round() as i64)
}

fn status(note: &Note) -> Option<Status> {
    let code = match note.status.as_ref()? {
        Value::Number(code) => code.as_i64().and_then(|code| i32::try_from(code).ok()),
        Value::String(name) => {
            ["UNSET", "OK", "ERROR"].iter().position(|known| known == name).map(|code| code as i32)
        }
        _ => None,
    };
    let code = code.unwrap_or_else(|| panic!("no status: {:?}", note.status));
    Some(Status { code, message: note.message.clone() })
}

fn attributes(noted: &Value) -> Vec<KeyValue> {
    match noted {
        Value::Null => Vec::new(),
        Value::Object(map) => of_map(map),
        Value::Array(list) => list.iter().flat_map(attributes).collect(),
        other => panic!("no attributes: {other}"),
    }
}

fn of_map(map: &Map<String, Value>) -> Vec<KeyValue> {
    let one = |(key, value): (&String, &Value)| KeyValue {
        key: key.clone(),
        value: Some(AnyValue { value: any(value) }),
        ..KeyValue::default()
    };
    map.iter().map(one).collect()
}

fn any(noted: &Value) -> Option<any_value::Value> {
    use any_value::Value as Any;
    Some(match noted {
        Value::Null => return None,
        Value::Bool(value) => Any::BoolValue(*value),
        Value::String(text) => Any::StringValue(text.clone()),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Any::IntValue(whole),
            None => Any::DoubleValue(number.as_f64().expect("a number")),
        },
        Value::Array(list) => {
            let values = list.iter().map(|value| AnyValue { value: any(value) }).collect();
            Any::ArrayValue(ArrayValue { values })
        }
        Value::Object(named) => match named.iter().next() {
            Some((key, Value::String(hex))) if key == "bytes" => Any::BytesValue(bytes(hex)),
            Some((key, Value::String(text))) if key == "double" => {
                Any::DoubleValue(text.parse().expect("a number"))
            }
            Some((key, Value::Object(map))) if key == "map" => {
                Any::KvlistValue(KeyValueList { values: of_map(map) })
            }
            _ => panic!("no value: {noted}"),
        },
    })
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal")).collect()
}
