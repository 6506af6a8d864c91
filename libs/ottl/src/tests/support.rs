//! A span with all around it, and its fields read from their bytes.

use prost::Message;
use wholetrace_proto::{
    otlp::{
        AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, Resource, Span, Status,
        any_value, numbers, span,
    },
    wire::{Cursor, Value as Wire},
};

use crate::{Condition, Context, EvaluationError, Path, Problem, Value};

/// The bytes of a span and of what stands above it.
pub(super) struct Sample {
    resource: Vec<u8>,
    scope: Vec<u8>,
    span: Vec<u8>,
    event: Vec<u8>,
}

/// What became of a condition.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    Holds(bool),
    Fails(EvaluationError),
    Refused(Vec<Problem>),
}

pub(super) fn text(text: &str) -> AnyValue {
    AnyValue { value: Some(any_value::Value::StringValue(text.into())) }
}

fn any(value: any_value::Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.into(), value: Some(value), ..KeyValue::default() }
}

/// The span of section 7 of the facts about OTTL, with an event.
pub(super) fn sample() -> Sample {
    use any_value::Value::{
        ArrayValue as Items, BoolValue, BytesValue, DoubleValue, IntValue, KvlistValue,
    };
    let items = vec![text("x"), any(IntValue(2)), AnyValue::default()];
    let entries = vec![pair("k", text("v")), pair("n", any(IntValue(3)))];
    let attributes = vec![
        pair("i", any(IntValue(42))),
        pair("d", any(DoubleValue(42.0))),
        pair("num", text("42")),
        pair("s", text("abc")),
        pair("s", text("the second")),
        pair("big", any(IntValue(9_007_199_254_740_993))),
        pair("max", any(IntValue(i64::MAX))),
        pair("empty", AnyValue::default()),
        pair("eb", any(BytesValue(Vec::new()))),
        pair("b", any(BytesValue(vec![1, 0xab]))),
        pair("l", any(Items(ArrayValue { values: items }))),
        pair("m", any(KvlistValue(KeyValueList { values: entries }))),
        pair("key", text("num")),
        pair("t", any(BoolValue(true))),
        pair("nan", any(DoubleValue(f64::NAN))),
    ];
    let event = span::Event {
        time_unix_nano: 1_700_000_000_500_000_000,
        name: "exception".into(),
        attributes: vec![pair("exception.type", text("IOException"))],
        ..span::Event::default()
    };
    let span = Span {
        trace_id: (1..=16).collect(),
        span_id: (1..=8).collect(),
        trace_state: "a=1".into(),
        name: "GET /a".into(),
        kind: 2,
        start_time_unix_nano: 1_700_000_000_000_000_000,
        end_time_unix_nano: 1_700_000_001_500_000_000,
        attributes,
        events: vec![event.clone()],
        status: Some(Status { message: "bad".into(), code: 2 }),
        flags: 0x101,
        ..Span::default()
    };
    let resource =
        Resource { attributes: vec![pair("service.name", text("shop"))], ..Resource::default() };
    let scope = InstrumentationScope {
        name: "http".into(),
        version: "1.2".into(),
        attributes: vec![pair("lib", text("x"))],
        ..InstrumentationScope::default()
    };
    Sample {
        resource: resource.encode_to_vec(),
        scope: scope.encode_to_vec(),
        span: span.encode_to_vec(),
        event: event.encode_to_vec(),
    }
}

fn fields(message: &[u8], number: u32) -> impl Iterator<Item = Wire<'_>> {
    let mut cursor = Cursor::new(message);
    std::iter::from_fn(move || cursor.next_field().unwrap())
        .filter(move |field| field.number == number)
        .map(|field| field.value)
}

fn attribute<'a>(message: &'a [u8], field: u32, key: &str) -> Value<'a> {
    let mut entries = Value::Map { message, field }.entries().unwrap();
    entries.find(|(name, _)| *name == key.as_bytes()).map_or(Value::Nil, |(_, value)| value)
}

impl Sample {
    fn get(&self, path: &Path) -> Value<'_> {
        use numbers::{event, instrumentation_scope as scope, resource, span, status};
        let one = |message, number| match (fields(message, number).last(), path.empty()) {
            (Some(Wire::Bytes(bytes)), Value::Str(_)) => Value::Str(bytes),
            (Some(Wire::Bytes(bytes)), Value::TraceId(_)) => {
                Value::TraceId(bytes.try_into().unwrap())
            }
            (Some(Wire::Bytes(bytes)), Value::SpanId(_)) => {
                bytes.try_into().map_or_else(|_| path.empty(), Value::SpanId)
            }
            (Some(Wire::Varint(number) | Wire::Fixed64(number)), _) => {
                Value::Int(number.cast_signed())
            }
            (Some(Wire::Fixed32(number)), _) => Value::Int(number.into()),
            _ => path.empty(),
        };
        let count =
            |message, number| Value::Int(i64::try_from(fields(message, number).count()).unwrap());
        let status = match fields(&self.span, span::STATUS).last() {
            Some(Wire::Bytes(bytes)) => bytes,
            _ => &[],
        };
        match path {
            Path::ResourceAttributes => {
                Value::Map { message: &self.resource, field: resource::ATTRIBUTES }
            }
            Path::ResourceAttribute(key) => attribute(&self.resource, resource::ATTRIBUTES, key),
            Path::ScopeName => one(&self.scope, scope::NAME),
            Path::ScopeVersion => one(&self.scope, scope::VERSION),
            Path::ScopeAttributes => Value::Map { message: &self.scope, field: scope::ATTRIBUTES },
            Path::ScopeAttribute(key) => attribute(&self.scope, scope::ATTRIBUTES, key),
            Path::SpanTraceId => one(&self.span, span::TRACE_ID),
            Path::SpanSpanId => one(&self.span, span::SPAN_ID),
            Path::SpanParentSpanId => one(&self.span, span::PARENT_SPAN_ID),
            Path::SpanTraceState => one(&self.span, span::TRACE_STATE),
            Path::SpanName => one(&self.span, span::NAME),
            Path::SpanKind => one(&self.span, span::KIND),
            Path::SpanStartTimeUnixNano => one(&self.span, span::START_TIME_UNIX_NANO),
            Path::SpanEndTimeUnixNano => one(&self.span, span::END_TIME_UNIX_NANO),
            Path::SpanAttributes => Value::Map { message: &self.span, field: span::ATTRIBUTES },
            Path::SpanAttribute(key) => attribute(&self.span, span::ATTRIBUTES, key),
            Path::SpanEventsCount => count(&self.span, span::EVENTS),
            Path::SpanLinksCount => count(&self.span, span::LINKS),
            Path::SpanStatusCode => one(status, status::CODE),
            Path::SpanStatusMessage => one(status, status::MESSAGE),
            Path::SpanFlags => one(&self.span, span::FLAGS),
            Path::EventName => one(&self.event, event::NAME),
            Path::EventTimeUnixNano => one(&self.event, event::TIME_UNIX_NANO),
            Path::EventAttributes => Value::Map { message: &self.event, field: event::ATTRIBUTES },
            Path::EventAttribute(key) => attribute(&self.event, event::ATTRIBUTES, key),
            _ => path.empty(),
        }
    }

    pub(super) fn values(&self, paths: &[Path]) -> Vec<Value<'_>> {
        paths.iter().map(|path| self.get(path)).collect()
    }

    pub(super) fn judge(&self, source: &str, context: Context) -> Outcome {
        match Condition::parse(source, context) {
            Err(problems) => Outcome::Refused(problems),
            Ok(condition) => {
                let fields = self.values(condition.paths());
                match condition.evaluate(&fields) {
                    Ok(holds) => Outcome::Holds(holds),
                    Err(error) => Outcome::Fails(error),
                }
            }
        }
    }
}

/// A condition, and what becomes of it: `T`, `F`, `E` for an error, `R` for refused.
pub(super) type Row = (&'static str, char);

/// Checks each row; `a[` stands for `span.attributes[`.
pub(super) fn check(rows: &[Row], context: Context) {
    let sample = sample();
    let mut wrong = Vec::new();
    for (source, expected) in rows {
        let source = source.replace("a[", "span.attributes[");
        let outcome = sample.judge(&source, context);
        let letter = match &outcome {
            Outcome::Holds(true) => 'T',
            Outcome::Holds(false) => 'F',
            Outcome::Fails(_) => 'E',
            Outcome::Refused(_) => 'R',
        };
        if letter != *expected {
            wrong.push(format!("{source} must be {expected}: {outcome:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
