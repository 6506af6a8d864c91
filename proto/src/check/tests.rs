use prost::Message;

use super::*;
use crate::{
    otlp::{
        AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, Resource,
        ResourceSpans, ScopeSpans, Span, TracesData,
        any_value::Value,
        span::{Event, Link},
    },
    wire::{put_bytes, put_uint},
};

fn valid() -> Span {
    Span { trace_id: vec![1; 16], span_id: vec![2; 8], name: "n".to_owned(), ..Span::default() }
}

fn attribute(value: Value) -> KeyValue {
    KeyValue { key: "k".to_owned(), value: Some(AnyValue { value: Some(value) }), key_strindex: 0 }
}

fn check(span: &Span) -> Result<CheckedSpan, SpanReject> {
    check_span(&span.encode_to_vec())
}

/// An attribute whose value stands in `depth` arrays.
fn nested(depth: u32) -> KeyValue {
    attribute((0..depth).fold(Value::IntValue(1), |value, _| in_array(value)))
}

fn in_array(value: Value) -> Value {
    Value::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(value) }] })
}

fn in_map(value: Value) -> Value {
    Value::KvlistValue(KeyValueList { values: vec![attribute(value)] })
}

/// The request that `span` makes alone.
fn request(span: Span) -> TracesData {
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    TracesData { resource_spans }
}

#[test]
fn ids_are_told() {
    let checked = check(&valid()).unwrap();
    assert_eq!((checked.trace_id, checked.span_id), (TraceId([1; 16]), SpanId([2; 8])));
    assert!(checked.text_valid);
}

#[test]
fn ids_of_wrong_length_or_of_zeros_are_refused() {
    let length = |message, number, found, wanted| {
        Err(SpanReject::IdLength { message, number, found, wanted })
    };
    let zero = |number| Err(SpanReject::ZeroId { number });
    let link = |trace: usize, span: usize| Span {
        links: vec![Link { trace_id: vec![1; trace], span_id: vec![1; span], ..Link::default() }],
        ..valid()
    };
    let cases = [
        (Span { trace_id: vec![1; 15], ..valid() }, length("Span", 1, 15, 16)),
        (Span { trace_id: vec![1; 8], ..valid() }, length("Span", 1, 8, 16)),
        (Span { trace_id: Vec::new(), ..valid() }, length("Span", 1, 0, 16)),
        (Span { trace_id: vec![0; 16], ..valid() }, zero(1)),
        (Span { span_id: vec![1; 9], ..valid() }, length("Span", 2, 9, 8)),
        (Span { span_id: Vec::new(), ..valid() }, length("Span", 2, 0, 8)),
        (Span { span_id: vec![0; 8], ..valid() }, zero(2)),
        (Span { parent_span_id: vec![1; 7], ..valid() }, length("Span", 4, 7, 8)),
        (link(15, 8), length("Link", 1, 15, 16)),
        (link(16, 1), length("Link", 2, 1, 8)),
    ];
    for (span, wanted) in cases {
        assert_eq!(check(&span), wanted);
    }
    assert!(check(&link(0, 0)).is_ok());
    assert!(check(&Span { parent_span_id: vec![0; 8], ..valid() }).is_ok());
    assert_eq!(
        check(&Span { trace_id: vec![1; 15], ..valid() }).unwrap_err().to_string(),
        "field `1` of `Span` is an id of `15` bytes, must have `16`"
    );
}

#[test]
fn an_id_given_twice_is_refused() {
    for number in [1, 2] {
        let mut body = valid().encode_to_vec();
        put_bytes(&mut body, number, &[9; 16]);
        assert_eq!(check_span(&body), Err(SpanReject::RepeatedId { number }));
    }
}

#[test]
fn wrong_wire_types_are_refused_at_every_level() {
    let mut number = Vec::new();
    put_uint(&mut number, 1, 7);
    let mut name = Vec::new();
    put_uint(&mut name, 5, 7);
    let wrap = |numbers: &[u32], inner: &[u8]| {
        numbers.iter().rev().fold(inner.to_vec(), |body, number| {
            let mut out = Vec::new();
            put_bytes(&mut out, *number, &body);
            out
        })
    };
    // The last number of a path is that of the message the bad field is put in.
    let cases = [
        (name, "Span"),
        (wrap(&[9], &number), "KeyValue"),
        (wrap(&[9, 2], &number), "AnyValue"),
        (wrap(&[9, 2, 5], &number), "ArrayValue"),
        (wrap(&[9, 2, 6], &number), "KeyValueList"),
        (wrap(&[11], &number), "Event"),
        (wrap(&[13], &number), "Link"),
        (wrap(&[15], &wrap(&[3], b"x")), "Status"),
    ];
    for (field, wanted) in cases {
        let body = [valid().encode_to_vec(), field].concat();
        let Err(SpanReject::Malformed(WireError::WrongType { message, .. })) = check_span(&body)
        else {
            panic!("{wanted}: {:?}", check_span(&body));
        };
        assert_eq!(message, wanted);
    }
}

/// Levels: 4 to the span, 6 to the value of its attribute, 2 for each array, 3 for each map.
#[test]
fn messages_are_counted_as_readers_count_them() {
    type Wrap = fn(Value) -> Value;
    for (wrap, depth) in [(in_array as Wrap, 44), (in_map as Wrap, 29)] {
        let value = |depth| (0..depth).fold(Value::IntValue(1), |value, _| wrap(value));
        let span = |depth| Span { attributes: vec![attribute(value(depth))], ..valid() };
        assert!(check(&span(depth)).is_ok());
        let request = request(span(depth)).encode_to_vec();
        assert!(TracesData::decode(&*request).is_ok(), "{depth} deep");
        for depth in [depth + 1, 2_000] {
            assert!(matches!(check(&span(depth)), Err(SpanReject::Nesting { .. })), "{depth} deep");
        }
    }
    let event = |depth| Event { attributes: vec![nested(depth)], ..Event::default() };
    let span = |depth| Span { events: vec![event(depth)], ..valid() };
    assert!(check(&span(44)).is_ok());
    assert!(matches!(check(&span(45)), Err(SpanReject::Nesting { .. })));
}

#[test]
fn heads_count_from_the_top_too() {
    let resource = |depth| ResourceSpans {
        resource: Some(Resource { attributes: vec![nested(depth)], ..Resource::default() }),
        ..ResourceSpans::default()
    };
    let scope = |depth| ScopeSpans {
        scope: Some(InstrumentationScope {
            attributes: vec![nested(depth)],
            ..InstrumentationScope::default()
        }),
        ..ScopeSpans::default()
    };
    let too_deep = |head| matches!(head, Err(SpanReject::Nesting { .. }));
    let check = |depth| check_head(HeadKind::Resource, &resource(depth).encode_to_vec());
    assert!(check(45) == Ok(true) && too_deep(check(46)));
    let check = |depth| check_head(HeadKind::Scope, &scope(depth).encode_to_vec());
    assert!(check(44) == Ok(true) && too_deep(check(45)));
}

/// Readers count an unknown group as a message.
#[test]
fn groups_count_as_messages() {
    let groups = |depth: usize| [vec![0x53; depth], vec![0x54; depth]].concat();
    let span = |arrays: u32, depth: usize| {
        let value = (0..arrays).fold(groups(depth), |value, _| {
            let mut array = Vec::new();
            put_bytes(&mut array, 1, &value);
            let mut value = Vec::new();
            put_bytes(&mut value, 5, &array);
            value
        });
        let (mut attribute, mut body) = (Vec::new(), valid().encode_to_vec());
        put_bytes(&mut attribute, 2, &value);
        put_bytes(&mut body, 9, &attribute);
        body
    };
    let readable = |body: &[u8]| {
        let traces = [2, 2, 1].iter().fold(body.to_vec(), |body, number| {
            let mut out = Vec::new();
            put_bytes(&mut out, *number, &body);
            out
        });
        TracesData::decode(&*traces).is_ok()
    };
    for (arrays, depth) in [(0, 64), (20, 49), (44, 1)] {
        let body = span(arrays, depth);
        assert!(check_span(&body).is_ok() && readable(&body), "{depth} in {arrays}");
        let deeper = check_span(&span(arrays, depth + 1));
        assert!(matches!(deeper, Err(SpanReject::Nesting { .. })), "{depth} in {arrays}");
    }
    assert!(!readable(&span(44, 10)));
}

#[test]
fn text_is_looked_at_wherever_it_is_and_bytes_are_not() {
    // Texts of many lengths, so that the bad byte comes to stand at every place of a stretch.
    for len in 0..80 {
        let text = "x".repeat(len) + "é";
        let span = Span { attributes: vec![attribute(Value::StringValue(text))], ..valid() };
        let mut body = span.encode_to_vec();
        assert!(check_span(&body).unwrap().text_valid);
        *body.last_mut().unwrap() = b'x';
        assert!(!check_span(&body).unwrap().text_valid, "after {len} bytes");
    }
    let bytes = attribute(Value::BytesValue(vec![0xff; 9]));
    let number = attribute(Value::IntValue(-1));
    assert!(check(&Span { attributes: vec![bytes, number], ..valid() }).unwrap().text_valid);
}

#[test]
fn every_truncation_of_a_span_is_refused_or_a_shorter_span() {
    let span = Span { attributes: vec![nested(5), attribute(Value::DoubleValue(1.0))], ..valid() };
    let body = span.encode_to_vec();
    for end in 0..body.len() {
        let (checked, decoded) = (check_span(&body[..end]), Span::decode(&body[..end]));
        let malformed = matches!(checked, Err(SpanReject::Malformed(_)));
        assert_eq!(malformed, decoded.is_err(), "{end} bytes");
    }
}

#[test]
fn attributes_of_every_shape_pass() {
    let texts = [0, 1, 119, 120, 121, 122, 123, 124, 127, 128, 300].map(|len| {
        let key = "k".repeat(len);
        KeyValue { key: key.clone(), ..attribute(Value::StringValue(key)) }
    });
    let numbers = [0, 127, 128, 16_383, 16_384, i64::MAX, -1].map(Value::IntValue);
    let others = [Value::BoolValue(true), Value::DoubleValue(0.5), Value::BytesValue(Vec::new())];
    let all = numbers.into_iter().chain(others).map(attribute).chain(texts);
    let span = Span { attributes: all.collect(), ..valid() };
    assert!(check(&span).unwrap().text_valid);
}
