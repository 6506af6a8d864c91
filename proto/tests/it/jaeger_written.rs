//! Spans of OTLP in Jaeger's `api_v2`: what is written, and that reading it back gives what the mapping
//! promises to keep.

use std::collections::BTreeMap;

use proptest::prelude::*;
use prost::Message;
use wholetrace_proto::{
    each_span::TranslateError,
    jaeger::{PostSpansWriter, api_v2::to_protobuf},
    otlp::{
        AnyValue, InstrumentationScope, KeyValue, Span, Status, TracesData,
        any_value::Value,
        span::{Event, Link},
    },
    translated::Limits,
};

use crate::{
    kept::{as_text, kept_traces, promises, traces},
    sample::{attribute, text},
    strategy,
    zipkin::traces_of,
};

fn write(traces: &TracesData) -> Result<Vec<u8>, TranslateError> {
    let mut writer = PostSpansWriter::new(usize::MAX);
    writer.add(&traces.encode_to_vec())?;
    writer.finish()
}

fn read(request: &[u8]) -> TracesData {
    let translated = to_protobuf(request, &mut Limits::default()).expect("a request");
    assert_eq!(translated.rejected.first(), None);
    traces_of(&translated)
}

fn bare() -> Span {
    Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        start_time_unix_nano: 1_760_000_000_000_001_999,
        end_time_unix_nano: 1_760_000_000_000_003_000,
        ..Span::default()
    }
}

fn of(spans: Vec<Span>) -> TracesData {
    traces(vec![text("service.name", "shop")], InstrumentationScope::default(), spans)
}

/// The only span that comes back of this one.
fn there_and_back(span: Span) -> Span {
    let back = read(&write(&of(vec![span])).unwrap());
    back.resource_spans[0].scope_spans[0].spans[0].clone()
}

#[test]
fn types_fields_and_references_come_back() {
    let reference = |kind| Link {
        trace_id: vec![9; 16],
        span_id: vec![8; 8],
        attributes: vec![text("opentracing.ref_type", kind)],
        ..Link::default()
    };
    let warnings =
        ["late", "odd"].map(|text| AnyValue { value: Some(Value::StringValue(text.to_owned())) });
    let warnings = wholetrace_proto::otlp::ArrayValue { values: warnings.to_vec() };
    let span = Span {
        parent_span_id: vec![3; 8],
        trace_state: "a=b".into(),
        name: "get".into(),
        kind: 4,
        flags: 1,
        attributes: vec![
            text("text", "x"),
            attribute("bool", Value::BoolValue(true)),
            attribute("int", Value::IntValue(-7)),
            attribute("double", Value::DoubleValue(0.5)),
            attribute("bytes", Value::BytesValue(vec![0, 255])),
            text("wholetrace.keep", "jaeger.debug"),
            attribute("jaeger.flags", Value::IntValue(11)),
            text("jaeger.process_id", "p1"),
            attribute("@jaeger@warnings", Value::ArrayValue(warnings)),
        ],
        events: vec![Event {
            time_unix_nano: 5,
            name: "sent".into(),
            attributes: vec![attribute("n", Value::IntValue(1))],
            ..Event::default()
        }],
        links: vec![reference("follows_from"), reference("child_of")],
        status: Some(Status { message: "no stock".into(), code: 2 }),
        ..bare()
    };
    assert_eq!(there_and_back(span.clone()), span);
}

/// Jaeger shows a span as failed where a tag `error` says so.
#[test]
fn errors_are_those_of_the_status() {
    let code = |code, attributes| {
        let status = Some(Status { message: String::new(), code });
        let back = there_and_back(Span { status, attributes, ..bare() });
        back.status.unwrap_or_default().code
    };
    let error = |value| vec![attribute("error", value)];
    assert_eq!(code(1, error(Value::BoolValue(true))), 1);
    assert_eq!(code(2, error(Value::BoolValue(false))), 2);
    assert_eq!(code(2, error(Value::StringValue("it broke".into()))), 2);
    assert_eq!(code(0, error(Value::BoolValue(false))), 0);
    // What the sender says in Jaeger's own way counts where it says nothing else.
    assert_eq!(code(0, error(Value::BoolValue(true))), 2);
}

#[test]
fn times_are_within_what_jaeger_takes() {
    let times = |start, end| {
        let span = Span { start_time_unix_nano: start, end_time_unix_nano: end, ..bare() };
        let back = there_and_back(span);
        (back.start_time_unix_nano, back.end_time_unix_nano)
    };
    assert_eq!(times(5, 2_000_000_003), (5, 2_000_000_003));
    assert_eq!(times(5, 1), (5, 5));
    // When it ended is all that is known.
    assert_eq!(times(0, 9), (9, 9));
    assert_eq!(times(0, 0), (0, 0));
}

/// Readers refuse a request for a reference to no span, and one without a process.
#[test]
fn what_jaeger_refuses_is_not_written() {
    let bad = Link { trace_id: vec![1; 3], span_id: vec![0; 8], ..Link::default() };
    assert!(there_and_back(Span { links: vec![bad], ..bare() }).links.is_empty());
    let mut nameless = of(vec![bare()]);
    nameless.resource_spans[0].resource = None;
    let request = write(&nameless).unwrap();
    let name = b"OTLPResourceNoServiceName";
    assert!(request.windows(name.len()).any(|window| window == name));
    assert!(read(&request).resource_spans[0].resource.is_none());
    for span in [Span { trace_id: Vec::new(), ..bare() }, Span { span_id: vec![0; 8], ..bare() }] {
        assert!(matches!(write(&of(vec![span])), Err(TranslateError::Decode(_))));
    }
}

/// The process that would take the most room is that of the request.
#[test]
fn a_process_is_written_once_where_most_spans_have_it() {
    let mut all = of((1..=9).map(|id| Span { span_id: vec![id; 8], ..bare() }).collect());
    let mut other = of(vec![Span { span_id: vec![99; 8], ..bare() }]);
    other.resource_spans[0].resource.as_mut().unwrap().attributes =
        vec![text("service.name", "stock")];
    all.resource_spans.insert(0, other.resource_spans.remove(0));
    let request = write(&all).unwrap();
    let count = |name: &[u8]| request.windows(name.len()).filter(|window| *window == name).count();
    assert_eq!((count(b"shop"), count(b"stock")), (1, 1));
    assert_eq!(promises(&read(&request), 1), promises(&all, 1));
}

#[test]
fn several_spans_keep_within_the_limit() {
    let large = Span { attributes: vec![text("a", &"x".repeat(10_000))], ..bare() };
    let within = |spans: usize, limit| {
        let mut writer = PostSpansWriter::new(limit);
        writer.add(&of(vec![large.clone(); spans]).encode_to_vec())?;
        writer.finish().map(|request| request.len())
    };
    assert!(within(1, 100).unwrap() > 10_000);
    let two = within(2, usize::MAX).unwrap();
    assert_eq!(within(2, two), Ok(two));
    for limit in [100, two - 1] {
        assert_eq!(within(2, limit), Err(TranslateError::TooLarge { spans: 2, limit }));
    }
}

/// The traces as Jaeger can tell them: values of events are no lists, and of links there is no more
/// than the kind of reference.
fn as_jaeger(mut traces: TracesData) -> TracesData {
    let scopes = traces.resource_spans.iter_mut().flat_map(|one| &mut one.scope_spans);
    for span in scopes.flat_map(|scope| &mut scope.spans) {
        for event in &mut span.events {
            event.dropped_attributes_count = 0;
            event.attributes.iter_mut().for_each(flatten);
        }
        for link in &mut span.links {
            let attributes = vec![text("opentracing.ref_type", "follows_from")];
            let (trace_id, span_id) = (link.trace_id.clone(), link.span_id.clone());
            *link = Link { trace_id, span_id, attributes, ..Link::default() };
        }
    }
    traces
}

fn flatten(attribute: &mut KeyValue) {
    let value = attribute.value.as_mut().and_then(|value| value.value.as_mut());
    if let Some(value @ Value::ArrayValue(_)) = value {
        *value = Value::StringValue(as_text(value));
    }
}

/// Attributes with their types.
type Typed = BTreeMap<String, Option<Value>>;

/// The attributes that each span has, by its ids, with those of its scope and its resource, as Jaeger
/// has types for them: lists are text.
fn typed(traces: &TracesData) -> Vec<(Vec<u8>, Typed)> {
    let mut typed = Vec::new();
    for resource in &traces.resource_spans {
        for scope in &resource.scope_spans {
            for span in &scope.spans {
                let of_resource = resource.resource.iter().flat_map(|one| &one.attributes);
                let of_scope = scope.scope.iter().flat_map(|one| &one.attributes);
                let all = of_resource.chain(of_scope).chain(&span.attributes).cloned();
                let all = all.map(|mut one| {
                    flatten(&mut one);
                    (one.key, one.value.and_then(|value| value.value))
                });
                typed.push(([&*span.trace_id, &span.span_id].concat(), all.collect()));
            }
        }
    }
    typed.sort_by_key(|(ids, _)| ids.clone());
    typed
}

proptest! {
    #[test]
    fn what_the_mapping_keeps_comes_back(traces in kept_traces()) {
        let back = read(&write(&traces).unwrap());
        prop_assert_eq!(typed(&back), typed(&traces));
        prop_assert_eq!(promises(&back, 1), promises(&as_jaeger(traces), 1));
    }

    /// Whatever is in a message: a request of which no span is refused.
    #[test]
    fn whatever_is_written_is_read(traces in strategy::traces()) {
        let spans = traces.resource_spans.iter().flat_map(|one| &one.scope_spans);
        let spans: usize = spans.map(|one| one.spans.len()).sum();
        let request = write(&traces).unwrap();
        let back = to_protobuf(&request, &mut Limits::default()).unwrap();
        prop_assert_eq!((back.spans, back.rejected.first()), (spans as u64, None));
    }
}
