//! OTLP/JSON: each leniency, each refusal, and the way back.

use proptest::prelude::*;
use prost::Message;
use wholetrace_proto::{
    otlp::{AnyValue, KeyValue, Span, TracesData, any_value::Value, span::Link},
    otlp_json::{from_protobuf, to_protobuf},
    reject::SpanReject,
    translated::{Limits, Translated},
};

use crate::{
    rejects::{Kind, by_kind, first, kind},
    sample, strategy,
};

const IDS: &str = r#""traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174""#;

fn translate(text: impl AsRef<[u8]>) -> Translated {
    to_protobuf(text.as_ref(), &mut Limits::default()).expect("a request")
}

fn request_of(span: &str) -> String {
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}"#)
}

fn spans_of(translated: &Translated) -> Vec<Span> {
    let traces = TracesData::decode(&*translated.bytes).expect("valid protobuf");
    let resources = traces.resource_spans.into_iter();
    let spans: Vec<_> =
        resources.flat_map(|one| one.scope_spans).flat_map(|one| one.spans).collect();
    assert_eq!(spans.len() as u64, translated.spans);
    spans
}

/// The only span of a request, which has the two ids and `fields`.
fn span_with(fields: &str) -> Span {
    let translated = translate(request_of(&format!("{{{IDS},{fields}}}")));
    assert_eq!(translated.rejected.first(), None, "{fields}");
    spans_of(&translated).pop().expect("a span")
}

fn bare() -> Span {
    let trace_id = 0x5b8efff798038103d269b633813fc60c_u128.to_be_bytes().to_vec();
    Span { trace_id, span_id: 0xeee19b7ec3c1b174_u64.to_be_bytes().to_vec(), ..Span::default() }
}

#[test]
fn fields_are_taken_in_every_notation_that_the_collector_takes() {
    type Want = fn(&mut Span);
    let unset: Want = |_| ();
    let parent: Want = |span| span.parent_span_id = vec![0xAB; 8];
    let start: Want = |span| span.start_time_unix_nano = 1_544_712_660_300_000_000;
    let server: Want = |span| span.kind = 2;
    let named: Want = |span| span.name = "n".to_owned();
    let dropped: Want = |span| span.dropped_attributes_count = 7;
    let error: Want = |span| span.status.get_or_insert_default().code = 2;
    let rows: &[(&str, Want)] = &[
        (r#""parentSpanId":"ABABABABABABABAB""#, parent),
        (r#""parent_span_id":"abAbabababababab""#, parent),
        (r#""parentSpanId":"""#, unset),
        (r#""parentSpanId":null"#, unset),
        (r#""parentSpanId":"0000000000000000""#, unset),
        (r#""startTimeUnixNano":"1544712660300000000""#, start),
        (r#""startTimeUnixNano":1544712660300000000"#, start),
        (r#""start_time_unix_nano":1544712660300000000"#, start),
        (r#""startTimeUnixNano":1.5447126603e18"#, start),
        (r#""startTimeUnixNano":"1.5447126603E+18""#, start),
        (r#""startTimeUnixNano":null"#, unset),
        (r#""endTimeUnixNano":"18446744073709551615""#, |span| span.end_time_unix_nano = u64::MAX),
        (r#""end_time_unix_nano":0"#, unset),
        (r#""kind":2"#, server),
        (r#""kind":"2""#, server),
        (r#""kind":"SPAN_KIND_SERVER""#, server),
        (r#""kind":"server""#, server),
        (r#""kind":null"#, unset),
        (r#""kind":77"#, |span| span.kind = 77),
        (r#""kind":-1"#, |span| span.kind = -1),
        (r#""name":"n""#, named),
        (r#""name":"\u006e""#, named),
        (r#""name":"m","name":"n""#, named),
        (r#""name":null"#, unset),
        (r#""name":"""#, unset),
        (r#""name":"\ud83d\ude00\ud83d\n\/""#, |span| span.name = "😀\u{fffd}\n/".to_owned()),
        (r#""traceState":"a=b""#, |span| span.trace_state = "a=b".to_owned()),
        (r#""trace_state":"a=b""#, |span| span.trace_state = "a=b".to_owned()),
        (r#""droppedAttributesCount":7"#, dropped),
        (r#""dropped_attributes_count":"7""#, dropped),
        (r#""droppedEventsCount":7"#, |span| span.dropped_events_count = 7),
        (r#""dropped_links_count":4294967295"#, |span| span.dropped_links_count = u32::MAX),
        (r#""flags":257"#, |span| span.flags = 257),
        (r#""flags":"257""#, |span| span.flags = 257),
        (r#""status":{"code":2}"#, error),
        (r#""status":{"code":"STATUS_CODE_ERROR"}"#, error),
        (r#""status":{"code":"Error"}"#, error),
        (r#""status":{"message":"m"}"#, |span| {
            span.status.get_or_insert_default().message = "m".to_owned();
        }),
        (r#""status":{}"#, unset),
        (r#""status":null"#, unset),
        (r#""attributes":null,"events":null,"links":null"#, unset),
        (r#""attributes":[],"events":[null],"links":[null]"#, unset),
        (r#""links":[{"traceId":"","span_id":"0102030405060708","flags":"1"}]"#, |span| {
            let span_id = vec![1, 2, 3, 4, 5, 6, 7, 8];
            span.links = vec![Link { span_id, flags: 1, ..Link::default() }];
        }),
        (r#""unknown":{"a":[1,-2.5e-3,"x\"]}",true,false,null,{}],"b":[]}"#, unset),
    ];
    for (fields, change) in rows {
        let mut wanted = bare();
        change(&mut wanted);
        assert_eq!(span_with(fields), wanted, "{fields}");
    }
}

#[test]
fn values_are_taken_in_every_notation() {
    let array = |values: Vec<Option<Value>>| {
        let values = values.into_iter().map(|value| AnyValue { value }).collect();
        Some(Value::ArrayValue(wholetrace_proto::otlp::ArrayValue { values }))
    };
    let map = |values| Some(Value::KvlistValue(wholetrace_proto::otlp::KeyValueList { values }));
    let int = |number| Some(Value::IntValue(number));
    let double = |number| Some(Value::DoubleValue(number));
    let hello = Some(Value::BytesValue(b"\xfb\xff>".to_vec()));
    let rows = [
        (r#"{"stringValue":"s"}"#, Some(Value::StringValue("s".to_owned()))),
        (r#"{"string_value":""}"#, Some(Value::StringValue(String::new()))),
        (r#"{"boolValue":false}"#, Some(Value::BoolValue(false))),
        (r#"{"bool_value":"true"}"#, Some(Value::BoolValue(true))),
        (r#"{"intValue":"-9223372036854775808"}"#, int(i64::MIN)),
        (r#"{"intValue":9223372036854775807}"#, int(i64::MAX)),
        (r#"{"int_value":0}"#, int(0)),
        (r#"{"doubleValue":1.5}"#, double(1.5)),
        (r#"{"doubleValue":"-1e300"}"#, double(-1e300)),
        (r#"{"double_value":3}"#, double(3.0)),
        (r#"{"doubleValue":"Infinity"}"#, double(f64::INFINITY)),
        (r#"{"doubleValue":"-Infinity"}"#, double(f64::NEG_INFINITY)),
        (r#"{"doubleValue":"+Inf"}"#, double(f64::INFINITY)),
        (r#"{"bytesValue":"+/8+"}"#, hello.clone()),
        (r#"{"bytesValue":"-_8-"}"#, hello),
        (r#"{"bytes_value":"aA"}"#, Some(Value::BytesValue(b"h".to_vec()))),
        (r#"{"bytesValue":"aA=="}"#, Some(Value::BytesValue(b"h".to_vec()))),
        (r#"{"bytesValue":""}"#, Some(Value::BytesValue(Vec::new()))),
        (r#"{"stringValueStrindex":5}"#, Some(Value::StringValueStrindex(5))),
        (r#"{"string_value_strindex":"-1"}"#, Some(Value::StringValueStrindex(-1))),
        (r#"{"arrayValue":{"values":[{"intValue":1},null,{}]}}"#, array(vec![int(1), None, None])),
        (r#"{"array_value":{}}"#, array(vec![])),
        (r#"{"arrayValue":{"values":null}}"#, array(vec![])),
        (
            r#"{"kvlistValue":{"values":[{"key":"k","value":{"int_value":"5"}}]}}"#,
            map(vec![sample::attribute("k", Value::IntValue(5))]),
        ),
        (r#"{"kvlist_value":{"values":[]}}"#, map(vec![])),
        (r#"{"stringValue":null}"#, None),
        (r#"{"stringValue":null,"intValue":2}"#, int(2)),
        (r#"{"stringValue":"first","intValue":2}"#, int(2)),
        (r#"{"intValue":2,"stringValue":null,"unknown":[3]}"#, int(2)),
        (r"{}", None),
    ];
    for (value, wanted) in rows {
        let fields = format!(r#""attributes":[null,{{"key":"a","value":{value}}}]"#);
        let attributes = span_with(&fields).attributes;
        let value = Some(AnyValue { value: wanted });
        assert_eq!(attributes, [KeyValue { key: "a".to_owned(), value, key_strindex: 0 }]);
    }
    let nan = span_with(r#""attributes":[{"key":"a","value":{"doubleValue":"NaN"}}]"#);
    let value = nan.attributes[0].value.clone().and_then(|value| value.value);
    assert!(matches!(value, Some(Value::DoubleValue(number)) if number.is_nan()));
}

#[test]
fn what_is_wrong_with_a_span_costs_that_span() {
    let good = format!("{{{IDS}}}");
    let deep = |levels| {
        let open = r#"{"arrayValue":{"values":["#.repeat(levels);
        let close = "]}}".repeat(levels);
        format!(r#"{{{IDS},"attributes":[{{"key":"k","value":{open}{{}}{close}}}]}}"#)
    };
    let deep_maps = |levels| {
        let open = r#"{"kvlistValue":{"values":[{"value":"#.repeat(levels);
        let close = "}]}}".repeat(levels);
        format!(r#"{{{IDS},"attributes":[{{"key":"k","value":{open}{{}}{close}}}]}}"#)
    };
    let with = |fields: &str| format!("{{{IDS},{fields}}}");
    let nesting: Kind = |_| SpanReject::Nesting { at: 0 };
    let rows: [(String, Kind, &str); 32] = [
        (r#"{"traceId":"5b8efff798038103d269b633813fc6"}"#.to_owned(), SpanReject::Id, "32"),
        (r#"{"traceId":"5b8efff798038103d269b633813fc60g"}"#.to_owned(), SpanReject::Id, "hex"),
        (r#"{"traceId":"W47/95gDgQPSabYzgT/GDA=="}"#.to_owned(), SpanReject::Id, "not base64"),
        (r#"{"spanId":"7uGbfsPBsXQ="}"#.to_owned(), SpanReject::Id, "not base64"),
        (r#"{"traceId":7}"#.to_owned(), SpanReject::Type, "a string"),
        (with(r#""parentSpanId":"01""#), SpanReject::Id, "16"),
        (with(r#""links":[{"traceId":"01"}]"#), SpanReject::Id, "32"),
        (with(r#""startTimeUnixNano":-1"#), SpanReject::Number, "-1"),
        (with(r#""startTimeUnixNano":1.5"#), SpanReject::Number, "1.5"),
        (with(r#""startTimeUnixNano":18446744073709551616"#), SpanReject::Number, "184467"),
        (with(r#""startTimeUnixNano":"soon""#), SpanReject::Number, "soon"),
        (with(r#""startTimeUnixNano":true"#), SpanReject::Type, "a number"),
        (with(r#""droppedLinksCount":4294967296"#), SpanReject::Number, "4294967296"),
        (with(r#""flags":-1"#), SpanReject::Number, "-1"),
        (with(r#""kind":"SPAN_KIND_NONE""#), SpanReject::Enum, "SPAN_KIND_NONE"),
        (with(r#""status":{"code":"é"}"#), SpanReject::Enum, "é"),
        (with(r#""name":5"#), SpanReject::Type, "a string"),
        (with(r#""attributes":{}"#), SpanReject::Type, "an array"),
        (with(r#""attributes":[5]"#), SpanReject::Type, "an object"),
        (with(r#""attributes":[{"key":"k","value":"v"}]"#), SpanReject::Type, "an object"),
        (with(r#""attributes":[{"value":{"boolValue":"yes"}}]"#), SpanReject::Type, "true"),
        (with(r#""attributes":[{"value":{"doubleValue":1e999}}]"#), SpanReject::Number, "1e999"),
        (with(r#""attributes":[{"value":{"doubleValue":"-1e999"}}]"#), SpanReject::Number, "1e999"),
        (with(r#""attributes":[{"value":{"bytesValue":"*"}}]"#), SpanReject::Bytes, "base64"),
        (with(r#""attributes":[{"value":{"arrayValue":[]}}]"#), SpanReject::Type, "an object"),
        (with(r#""events":[{"name":[]}]"#), SpanReject::Type, "a string"),
        ("null".to_owned(), SpanReject::Type, "null"),
        ("[]".to_owned(), SpanReject::Type, "an object"),
        ("17".to_owned(), SpanReject::Type, "an object"),
        (deep(45), nesting, "nested"),
        (deep_maps(30), nesting, "nested"),
        (deep(200), nesting, "nested"),
    ];
    for (span, reject, words) in rows {
        let translated = translate(request_of(&format!("{good},{span},{good}")));
        assert_eq!(spans_of(&translated), [bare(), bare()], "{span}");
        assert_eq!(by_kind(&translated.rejected), [(kind(reject), 1)], "{span}");
        let message = first(&translated.rejected);
        assert!(message.contains(words), "{span}: {message}");
        assert!(message.len() < 400, "{message}");
    }
    // As deep as the check of protobuf allows: see its tests.
    for span in [deep(44), deep_maps(29)] {
        assert_eq!(spans_of(&translate(request_of(&span))).len(), 1);
    }
}

#[test]
fn rejected_spans_are_counted_by_kind_and_the_first_is_told() {
    let text = request_of(r#"{"traceId":"x"},{"kind":"y"},{"traceId":"z"},{}"#);
    let translated = translate(text);
    assert_eq!(translated.spans, 1);
    assert_eq!(translated.rejected.total(), 3);
    let kinds = [(kind(SpanReject::Id), 2), (kind(SpanReject::Enum), 1)];
    assert_eq!(by_kind(&translated.rejected), kinds);
    let wanted = "`traceId` at byte `54` is `x`, must be `32` hexadecimal digits";
    assert_eq!(first(&translated.rejected), wanted);
}

#[test]
fn what_is_wrong_with_a_resource_or_scope_costs_the_spans_under_it() {
    let scope = |head: &str| format!(r#"{{"scope":{head},"spans":[{{}},{{"kind":"?"}}]}}"#);
    let (good, bad) = (scope(r#"{"name":"s"}"#), scope(r#"{"name":5}"#));
    let resource =
        |head: &str| format!(r#"{{"scopeSpans":[{good},{bad},{good}],"resource":{head}}}"#);
    let translated = translate(format!(
        r#"{{"resourceSpans":[{},{}]}}"#,
        resource("{}"),
        resource(r#"{"droppedAttributesCount":-4}"#)
    ));
    assert_eq!(translated.spans, 2);
    let kinds =
        [(kind(SpanReject::Enum), 2), (kind(SpanReject::Type), 2), (kind(SpanReject::Number), 6)];
    assert_eq!(by_kind(&translated.rejected), kinds);
    let traces = TracesData::decode(&*translated.bytes).unwrap();
    assert_eq!(traces.resource_spans.len(), 1);
    assert_eq!(traces.resource_spans[0].scope_spans.len(), 2);
}

#[test]
fn heads_are_taken_in_both_notations_and_under_their_old_names() {
    let new = translate(
        r#"{"resourceSpans":[{"schemaUrl":"u","resource":{"attributes":[{"key":"a"}],
            "droppedAttributesCount":1,"entityRefs":[{"schemaUrl":"e","type":"host",
            "idKeys":["host.id"],"descriptionKeys":["d"]}]},"scopeSpans":[{"schemaUrl":"v",
            "scope":{"name":"n","version":"1","attributes":[{"key":"b"}],
            "droppedAttributesCount":2},"spans":[{}]}]}]}"#,
    );
    let snake = translate(
        r#"{"resource_spans":[{"schema_url":"u","resource":{"attributes":[{"key":"a"}],
            "dropped_attributes_count":"1","entity_refs":[{"schema_url":"e","type":"host",
            "id_keys":["host.id"],"description_keys":["d"]}]},"scope_spans":[{"schema_url":"v",
            "scope":{"name":"n","version":"1","attributes":[{"key":"b"}],
            "dropped_attributes_count":2},"spans":[{}]}]}]}"#,
    );
    assert_eq!((new.spans, &new.bytes), (1, &snake.bytes));
    let line = String::from_utf8(from_protobuf(&new.bytes).unwrap()).unwrap();
    assert_eq!(
        line,
        r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":{}}],"droppedAttributesCount":1,"entityRefs":[{"schemaUrl":"e","type":"host","idKeys":["host.id"],"descriptionKeys":["d"]}]},"scopeSpans":[{"scope":{"name":"n","version":"1","attributes":[{"key":"b","value":{}}],"droppedAttributesCount":2},"spans":[{"status":{}}],"schemaUrl":"v"}],"schemaUrl":"u"}]}"#
    );
    let old = translate(format!(
        r#"{{"resourceSpans":[{{"instrumentationLibrarySpans":[
            {{"instrumentationLibrary":{{"name":"n"}},"spans":[{{{IDS}}}]}}]}}]}}"#
    ));
    assert_eq!(wholetrace_proto::spans::count(&old.bytes), Ok(1));
    let line = String::from_utf8(from_protobuf(&old.bytes).unwrap()).unwrap();
    assert!(line.contains(r#""scopeSpans":[{"scope":{"name":"n"},"spans":[{"traceId":"5b8e"#));
}

/// What JSON cannot say: absent and empty are the same.
fn normal(mut traces: TracesData) -> TracesData {
    for resource in &mut traces.resource_spans {
        resource.resource.iter_mut().for_each(|one| normal_attributes(&mut one.attributes));
        resource.resource = resource.resource.take().filter(|one| *one != Default::default());
        for scope in &mut resource.scope_spans {
            scope.scope.iter_mut().for_each(|one| normal_attributes(&mut one.attributes));
            scope.scope = scope.scope.take().filter(|one| *one != Default::default());
            for span in &mut scope.spans {
                normal_attributes(&mut span.attributes);
                span.events.iter_mut().for_each(|one| normal_attributes(&mut one.attributes));
                span.links.iter_mut().for_each(|one| normal_attributes(&mut one.attributes));
                span.status = span.status.take().filter(|one| *one != Default::default());
            }
        }
    }
    traces
}

fn normal_value(value: &mut AnyValue) {
    match &mut value.value {
        Some(Value::ArrayValue(list)) => list.values.iter_mut().for_each(normal_value),
        Some(Value::KvlistValue(list)) => normal_attributes(&mut list.values),
        _ => {}
    }
}

fn normal_attributes(list: &mut [KeyValue]) {
    for one in list {
        normal_value(one.value.get_or_insert_default());
    }
}

proptest! {
    #[test]
    fn prop_lines_read_back(traces in strategy::traces(), keys: Vec<u64>) {
        let untidy = strategy::untidy(&traces, &keys);
        for bytes in [traces.encode_to_vec(), untidy] {
            let line = from_protobuf(&bytes).unwrap();
            prop_assert!(!line.contains(&b'\n'));
            serde_json::from_slice::<serde_json::Value>(&line).unwrap();
            let back = translate(&line);
            prop_assert_eq!(back.rejected.first(), None);
            let back = TracesData::decode(&*back.bytes).unwrap();
            let came = TracesData::decode(&*bytes).unwrap();
            prop_assert_eq!(normal(back), normal(came));
        }
    }

    #[test]
    fn prop_a_request_cut_short_is_no_document(traces in strategy::traces(), cut: u64) {
        let line = from_protobuf(&traces.encode_to_vec()).unwrap();
        let end = usize::try_from(cut % line.len() as u64).unwrap();
        prop_assert!(to_protobuf(&line[..end], &mut Limits::default()).is_err());
    }
}
