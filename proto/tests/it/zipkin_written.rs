//! Spans of OTLP in Zipkin's JSON: what is written, and that reading it back gives what the mapping
//! promises to keep.

use proptest::prelude::*;
use prost::Message;
use serde_json::{Value as Json, json};
use wholetrace_proto::{
    each_span::TranslateError,
    otlp::{
        InstrumentationScope, Span, Status, TracesData,
        any_value::Value,
        span::{Event, Link},
    },
    translated::Limits,
    zipkin::{Envelope, JsonWriter, NO_SERVICE_NAME, to_protobuf},
};

use crate::{
    kept::{kept_traces, promises, traces},
    sample::{attribute, text},
    strategy,
    zipkin::{traces_of, translate},
};

fn write(traces: &TracesData) -> Result<Vec<u8>, TranslateError> {
    let mut writer = JsonWriter::new(NO_SERVICE_NAME, usize::MAX);
    writer.add(&traces.encode_to_vec())?;
    Ok(writer.finish())
}

fn bare() -> Span {
    Span {
        trace_id: 0x5af7_183f_b1d4_cf5f_u128.to_be_bytes().to_vec(),
        span_id: 0x352b_ff9a_74ca_9ad2_u64.to_be_bytes().to_vec(),
        start_time_unix_nano: 1_760_000_000_000_001_999,
        end_time_unix_nano: 1_760_000_000_000_003_000,
        ..Span::default()
    }
}

/// The only span that is written of this one, of a resource without attributes.
fn written(span: Span) -> Json {
    let text = write(&traces(Vec::new(), InstrumentationScope::default(), vec![span])).unwrap();
    let mut spans: Vec<Json> = serde_json::from_slice(&text).unwrap();
    assert_eq!(spans.len(), 1);
    spans.remove(0)
}

/// A span with a bit of everything.
fn full() -> Span {
    let error = Status { message: "no stock".into(), code: 2 };
    let event = |name: &str, attributes| Event {
        time_unix_nano: 1_760_000_000_000_002_000,
        name: name.into(),
        attributes,
        dropped_attributes_count: 0,
    };
    let link = Link {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        trace_state: "a=b".into(),
        attributes: vec![attribute("n", Value::IntValue(3))],
        ..Link::default()
    };
    Span {
        parent_span_id: vec![3; 8],
        trace_state: "ot=th:8".into(),
        name: "POST /Order".into(),
        kind: 3,
        attributes: vec![
            attribute("cached", Value::BoolValue(true)),
            text("server.address", "stock"),
            attribute("server.port", Value::IntValue(8443)),
            text("network.peer.address", "10.0.0.7"),
        ],
        events: vec![event("sent", Vec::new()), event("got", vec![text("a", "\"b\"")])],
        links: vec![link],
        dropped_events_count: 4,
        status: Some(error),
        ..bare()
    }
}

#[test]
fn a_span_has_the_fields_of_zipkin() {
    let scope = InstrumentationScope {
        name: "http".into(),
        version: "1".into(),
        attributes: vec![text("team", "scope's")],
        ..InstrumentationScope::default()
    };
    let resource =
        vec![text("service.name", "shop"), text("team", "resource's"), text("zone", "a")];
    let written: Json =
        serde_json::from_slice(&write(&traces(resource, scope, vec![full()])).unwrap()).unwrap();
    let expected = json!([{
        "traceId": "5af7183fb1d4cf5f",
        "parentId": "0303030303030303",
        "id": "352bff9a74ca9ad2",
        "name": "POST /Order",
        "kind": "CLIENT",
        "timestamp": 1_760_000_000_000_001_u64,
        "duration": 1,
        "localEndpoint": { "serviceName": "shop" },
        "remoteEndpoint": { "serviceName": "stock", "ipv4": "10.0.0.7", "port": 8443 },
        "annotations": [
            { "timestamp": 1_760_000_000_000_002_u64, "value": "sent" },
            { "timestamp": 1_760_000_000_000_002_u64, "value": r#"got|{"a":"\"b\""}|0"# },
        ],
        "tags": {
            "team": "scope's",
            "zone": "a",
            "otel.scope.name": "http",
            "otel.scope.version": "1",
            "cached": "true",
            "server.address": "stock",
            "server.port": "8443",
            "w3c.tracestate": "ot=th:8",
            "otel.status_code": "STATUS_CODE_ERROR",
            "otel.status_description": "no stock",
            "error": "true",
            "otlp.link.0":
                r#"01010101010101010101010101010101|0202020202020202|a=b|{"n":3}|0"#,
            "otel.dropped_events_count": "4",
        },
    }]);
    assert_eq!(written, expected);
}

/// To Zipkin, a tag `error` is an error, whatever it says.
#[test]
fn errors_are_those_of_the_status() {
    for (code, value, expected) in [
        (0, Some(Value::BoolValue(false)), None),
        (0, Some(Value::StringValue("it broke".into())), Some("it broke")),
        (1, Some(Value::StringValue("it broke".into())), None),
        (1, None, None),
        (2, None, Some("true")),
        (2, Some(Value::BoolValue(false)), Some("true")),
        (2, Some(Value::StringValue("it broke".into())), Some("it broke")),
    ] {
        let attributes = value.iter().map(|value| attribute("error", value.clone())).collect();
        let status = Some(Status { message: String::new(), code });
        let span = written(Span { attributes, status, ..bare() });
        let error = span["tags"].get("error").and_then(Json::as_str);
        assert_eq!(error, expected, "{code} {value:?}");
    }
}

/// Zipkin refuses a whole request for a time below 0, or an annotation without any.
#[test]
fn times_are_within_what_zipkin_takes() {
    let times = |start, end| {
        let span = Span { start_time_unix_nano: start, end_time_unix_nano: end, ..bare() };
        let written = written(Span { events: vec![Event::default()], ..span });
        let time = |name: &str| written[name].as_u64();
        (time("timestamp"), time("duration"), written["annotations"][0]["timestamp"].as_u64())
    };
    assert_eq!(times(5_000, 9_999), (Some(5), Some(4), Some(5)));
    assert_eq!(times(5_000, 5_001), (Some(5), Some(1), Some(5)));
    assert_eq!(times(5_000, 5_000), (Some(5), None, Some(5)));
    assert_eq!(times(5_000, 1_000), (Some(5), None, Some(5)));
    // When it ended is all that is known.
    assert_eq!(times(0, 9_000), (Some(9), None, Some(9)));
    assert_eq!(times(0, 0), (None, None, Some(1)));
    assert_eq!(times(u64::MAX, u64::MAX), (Some(u64::MAX / 1000), None, Some(u64::MAX / 1000)));
}

/// What Zipkin's format has a field for goes there and back.
#[test]
fn zipkin_by_way_of_otlp_is_zipkin() {
    let spans = json!([{
        "traceId": "5af7183fb1d4cf5f15af7183fb1d4cf5",
        "parentId": "352bff9a74ca9ad1",
        "id": "352bff9a74ca9ad2",
        "name": "get",
        "kind": "SERVER",
        "timestamp": 1_760_000_000_000_001_u64,
        "duration": 12,
        "localEndpoint": { "serviceName": "shop", "ipv4": "10.0.0.1", "port": 8080 },
        "remoteEndpoint": { "serviceName": "web", "ipv4": "10.0.0.2", "ipv6": "2001:db8::2", "port": 1 },
        "annotations": [{ "timestamp": 1_760_000_000_000_002_u64, "value": "ws" }],
        "tags": { "http.path": "/a" },
        "debug": true,
        "shared": true,
    }, {
        "traceId": "5af7183fb1d4cf5f",
        "id": "352bff9a74ca9ad3",
        "duration": 7,
    }]);
    let mut expected = spans.clone();
    expected[1]["localEndpoint"] = json!({ "serviceName": NO_SERVICE_NAME });
    let back = write(&traces_of(&translate(spans.to_string()))).unwrap();
    assert_eq!(serde_json::from_slice::<Json>(&back).unwrap(), expected);
}

/// A single span is written whatever it takes; what more than that is too large is said while it is
/// written.
#[test]
fn several_spans_keep_within_the_limit() {
    let large = Span { attributes: vec![text("a", &"x".repeat(10_000))], ..bare() };
    let message = |spans: usize| {
        traces(Vec::new(), InstrumentationScope::default(), vec![large.clone(); spans])
            .encode_to_vec()
    };
    let within = |spans, limit| {
        let mut writer = JsonWriter::new("none", limit);
        writer.add(&message(spans)).map(|()| writer.finish().len())
    };
    let one = within(1, 100).unwrap();
    assert!(one > 10_000);
    let two = within(2, usize::MAX).unwrap();
    assert_eq!(within(2, two), Ok(two));
    for limit in [100, two - 1] {
        assert_eq!(within(9, limit), Err(TranslateError::TooLarge { spans: 2, limit }));
    }
    // Messages count together.
    let mut writer = JsonWriter::new("none", two - 1);
    writer.add(&message(1)).unwrap();
    assert!(matches!(writer.add(&message(1)), Err(TranslateError::TooLarge { .. })));
}

#[test]
fn what_is_not_utf8_is_repaired_and_what_has_no_ids_is_refused() {
    let span = Span { attributes: vec![text("key", "value")], ..bare() };
    let bytes = traces(Vec::new(), InstrumentationScope::default(), vec![span]).encode_to_vec();
    let at = bytes.windows(5).position(|window| window == b"value").unwrap();
    let mut broken = bytes;
    broken[at] = 0xff;
    let mut writer = JsonWriter::new("none", usize::MAX);
    writer.add(&broken).unwrap();
    let written: Json = serde_json::from_slice(&writer.finish()).unwrap();
    assert_eq!(written[0]["tags"]["key"], "?alue");

    for span in [
        Span { trace_id: vec![1; 8], ..bare() },
        Span { trace_id: vec![0; 16], ..bare() },
        Span { span_id: Vec::new(), ..bare() },
    ] {
        let traces = traces(Vec::new(), InstrumentationScope::default(), vec![span]);
        assert!(matches!(write(&traces), Err(TranslateError::Decode(_))));
    }
}

proptest! {
    #[test]
    fn what_the_mapping_keeps_comes_back(traces in kept_traces()) {
        let text = write(&traces).unwrap();
        let back = promises(&traces_of(&translate(&text)), 1_000);
        prop_assert_eq!(back, promises(&traces, 1_000), "{}", String::from_utf8(text).unwrap());
    }

    /// Whatever is in a message: valid JSON, of which no span is refused.
    #[test]
    fn whatever_is_written_is_read(traces in strategy::traces()) {
        let spans = traces.resource_spans.iter().flat_map(|one| &one.scope_spans);
        let spans: usize = spans.map(|one| one.spans.len()).sum();
        let text = write(&traces).unwrap();
        let json: Vec<Json> = serde_json::from_slice(&text).unwrap();
        prop_assert_eq!(json.len(), spans);
        let back = to_protobuf(&text, Envelope::default(), &mut Limits::default()).unwrap();
        prop_assert_eq!((back.spans, back.rejected.first()), (spans as u64, None));
    }
}
