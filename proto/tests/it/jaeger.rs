//! Jaeger batches in protobuf: what becomes of a span, quirk by quirk.

use wholetrace_proto::{
    jaeger::api_v2::to_protobuf,
    otlp::{KeyValue, Span, Status, TracesData, any_value::Value, span},
    translated::{Limits, Translated},
};

use crate::{
    jaeger_model::{self as model, KeyValue as Tag, Moment, request, tag},
    sample::{attribute, text},
    zipkin::traces_of,
};

pub(crate) fn translate(request: &[u8]) -> Translated {
    to_protobuf(request, &mut Limits::default()).expect("a request")
}

/// A span with ids, a start and nothing else.
pub(crate) fn bare() -> model::Span {
    model::Span {
        trace_id: vec![7; 16],
        span_id: vec![5; 8],
        start_time: Some(Moment { seconds: 1, nanos: 2 }),
        ..model::Span::default()
    }
}

/// What [`bare`] becomes.
pub(crate) fn wanted() -> Span {
    Span {
        trace_id: vec![7; 16],
        span_id: vec![5; 8],
        start_time_unix_nano: 1_000_000_002,
        end_time_unix_nano: 1_000_000_002,
        ..Span::default()
    }
}

pub(crate) fn only_span(traces: &TracesData) -> &Span {
    &traces.resource_spans[0].scope_spans[0].spans[0]
}

fn integer(key: &str, value: i64) -> Tag {
    Tag { key: key.to_owned(), v_type: 2, v_int64: value, ..Tag::default() }
}

fn boolean(key: &str, value: bool) -> Tag {
    Tag { key: key.to_owned(), v_type: 1, v_bool: value, ..Tag::default() }
}

pub(crate) type Given = fn(&mut model::Span);
pub(crate) type Want = fn(&mut Span);
pub(crate) const UNCHANGED: Want = |_| ();

pub(crate) fn check(rows: &[(&str, Given, Want)]) {
    for (name, change, expect) in rows {
        let (mut given, mut wanted) = (bare(), wanted());
        change(&mut given);
        expect(&mut wanted);
        let translated = translate(&request(vec![given], None));
        assert_eq!(translated.rejected.first(), None, "{name}");
        assert_eq!(only_span(&traces_of(&translated)), &wanted, "{name}");
    }
}

/// The same for the tags of a span alone.
fn check_tags(rows: &[(&str, &[Tag], Want)]) {
    for (name, tags, expect) in rows {
        let mut wanted = wanted();
        expect(&mut wanted);
        let given = model::Span { tags: tags.to_vec(), ..bare() };
        let translated = translate(&request(vec![given], None));
        assert_eq!(only_span(&traces_of(&translated)), &wanted, "{name}");
    }
}

#[test]
fn names_and_ids_stay_and_times_are_in_nanoseconds() {
    const LAST: u64 = i64::MAX as u64;
    check(&[
        ("as it is", |_| (), UNCHANGED),
        (
            "64 bits",
            |span| span.trace_id = vec![7; 8],
            |span| span.trace_id = [[0; 8], [7; 8]].concat(),
        ),
        (
            "name",
            |span| span.operation_name = "GET".to_owned(),
            |span| span.name = "GET".to_owned(),
        ),
        (
            "duration",
            |span| span.duration = Some(Moment { seconds: 2, nanos: 5 }),
            |span| span.end_time_unix_nano = 3_000_000_007,
        ),
        (
            "no start",
            |span| (span.start_time, span.duration) = (None, Some(Moment { seconds: 0, nanos: 9 })),
            |span| (span.start_time_unix_nano, span.end_time_unix_nano) = (0, 9),
        ),
        (
            "before 1970",
            |span| span.start_time = Some(Moment { seconds: -5, nanos: 0 }),
            |span| (span.start_time_unix_nano, span.end_time_unix_nano) = (0, 0),
        ),
        (
            "beyond what can be told",
            |span| {
                span.start_time = Some(Moment { seconds: i64::MAX, nanos: 0 });
                span.duration = Some(Moment { seconds: 1, nanos: 0 });
            },
            |span| {
                (span.start_time_unix_nano, span.end_time_unix_nano) = (LAST - 1_000_000_000, LAST);
            },
        ),
        (
            "without end",
            |span| span.duration = Some(Moment { seconds: i64::MAX, nanos: i32::MAX }),
            |span| span.end_time_unix_nano = LAST,
        ),
        (
            "backwards",
            |span| {
                span.warnings = vec!["odd".to_owned()];
                span.duration = Some(Moment { seconds: -1, nanos: 0 });
            },
            |span| {
                let negative = "the duration was negative (-1000000000 ns) and is left out";
                span.attributes = vec![warnings(&["odd", negative])];
            },
        ),
    ]);
}

fn warnings(texts: &[&str]) -> KeyValue {
    let values = texts.iter().map(|text| {
        let value = Some(Value::StringValue((*text).to_owned()));
        wholetrace_proto::otlp::AnyValue { value }
    });
    let list = wholetrace_proto::otlp::ArrayValue { values: values.collect() };
    attribute("@jaeger@warnings", Value::ArrayValue(list))
}

#[test]
fn tags_keep_their_types() {
    let double = Tag { key: "d".to_owned(), v_type: 3, v_float64: -0.5, ..Tag::default() };
    let bytes = Tag { key: "b".to_owned(), v_type: 4, v_binary: vec![0, 255], ..Tag::default() };
    let unknown = Tag { v_type: 9, ..tag("u", "what it has") };
    check_tags(&[
        ("text", &[tag("k", "v")], |span| span.attributes = vec![text("k", "v")]),
        ("integer", &[integer("i", -7)], |span| {
            span.attributes = vec![attribute("i", Value::IntValue(-7))];
        }),
        ("boolean", &[boolean("t", false)], |span| {
            span.attributes = vec![attribute("t", Value::BoolValue(false))];
        }),
        ("double", &[double], |span| {
            span.attributes = vec![attribute("d", Value::DoubleValue(-0.5))];
        }),
        ("bytes", &[bytes], |span| {
            span.attributes = vec![attribute("b", Value::BytesValue(vec![0, 255]))];
        }),
        ("unknown", &[unknown], |span| span.attributes = vec![text("u", "what it has")]),
        ("twice", &[tag("k", "a"), tag("l", ""), tag("k", "b")], |span| {
            span.attributes = vec![text("l", ""), text("k", "b")];
        }),
    ]);
}

#[test]
fn tags_with_a_meaning_become_fields() {
    check_tags(&[
        ("server", &[tag("span.kind", "server")], |span| span.kind = 2),
        ("client", &[tag("span.kind", "CLIENT")], |span| span.kind = 3),
        ("internal", &[tag("span.kind", "internal")], |span| span.kind = 1),
        ("no kind", &[tag("span.kind", "broker")], |span| {
            span.attributes = vec![text("span.kind", "broker")];
        }),
        ("kind of no text", &[integer("span.kind", 2)], |span| {
            span.attributes = vec![attribute("span.kind", Value::IntValue(2))];
        }),
        ("trace state", &[tag("w3c.tracestate", "a=b")], |span| {
            span.trace_state = "a=b".to_owned();
        }),
    ]);
    let given = model::Span {
        tags: vec![tag("otel.scope.name", "brave"), tag("otel.scope.version", "1")],
        ..bare()
    };
    let traces = traces_of(&translate(&request(vec![given], None)));
    let scope = traces.resource_spans[0].scope_spans[0].scope.as_ref().unwrap();
    assert_eq!((&*scope.name, &*scope.version), ("brave", "1"));
    assert_eq!(only_span(&traces), &wanted());
}

fn status(code: i32, message: &str) -> Option<Status> {
    Some(Status { message: message.to_owned(), code })
}

#[test]
fn the_status_comes_from_the_tag_that_says_most() {
    let description = || tag("otel.status_description", "why");
    check_tags(&[
        ("error", &[boolean("error", true)], |span| span.status = status(2, "")),
        ("in text", &[tag("error", "true")], |span| span.status = status(2, "")),
        ("none", &[boolean("error", false)], |span| {
            span.attributes = vec![attribute("error", Value::BoolValue(false))];
        }),
        ("of other text", &[tag("error", "timeout")], |span| {
            span.attributes = vec![text("error", "timeout")];
        }),
        ("described", &[description(), boolean("error", true)], |span| {
            span.status = status(2, "why");
        }),
        (
            "described over HTTP",
            &[boolean("error", true), tag("http.status_message", "m")],
            |span| {
                span.attributes = vec![text("http.status_message", "m")];
                span.status = status(2, "m");
            },
        ),
        ("code", &[tag("otel.status_code", "error"), description()], |span| {
            span.status = status(2, "why");
        }),
        ("good", &[tag("otel.status_code", "OK")], |span| span.status = status(1, "")),
        ("unset", &[tag("otel.status_code", "STATUS_CODE_UNSET")], UNCHANGED),
        ("no code", &[tag("otel.status_code", "fine")], |span| {
            span.attributes = vec![text("otel.status_code", "fine")];
        }),
        ("described alone", &[description()], |span| {
            span.attributes = vec![text("otel.status_description", "why")];
        }),
        ("at odds", &[tag("otel.status_code", "OK"), boolean("error", true)], |span| {
            span.attributes = vec![text("otel.status_code", "OK")];
            span.status = status(2, "");
        }),
        (
            "the code goes first",
            &[tag("otel.status_code", "OK"), integer("http.status_code", 500)],
            |span| {
                span.attributes = vec![attribute("http.status_code", Value::IntValue(500))];
                span.status = status(1, "");
            },
        ),
    ]);
}

#[test]
fn what_failed_over_http_failed() {
    for (kind, code, failed) in [
        ("client", 200, false),
        ("client", 398, false),
        ("client", 399, true),
        ("client", 404, true),
        ("server", 404, false),
        ("server", 503, true),
        ("", 404, true),
        ("", 99, true),
        ("", 600, true),
    ] {
        for name in ["http.status_code", "http.response.status_code"] {
            for tag_of in [integer(name, code), tag(name, &code.to_string())] {
                let tags = vec![tag_of, tag("span.kind", kind), tag("http.status_message", "m")];
                let given = model::Span { tags, ..bare() };
                let traces = traces_of(&translate(&request(vec![given], None)));
                let expected = if failed { status(2, "m") } else { None };
                assert_eq!(only_span(&traces).status, expected, "{kind} {code}");
            }
        }
    }
}

#[test]
fn logs_are_events_and_flags_are_kept() {
    check(&[
        (
            "log",
            |span| {
                let fields = vec![tag("event", "error"), tag("message", "m"), boolean("x", true)];
                let timestamp = Some(Moment { seconds: 3, nanos: 0 });
                span.logs = vec![
                    model::Log { timestamp, fields },
                    model::Log { timestamp: None, fields: vec![integer("event", 1)] },
                ];
            },
            |span| {
                span.events = vec![
                    span::Event {
                        time_unix_nano: 3_000_000_000,
                        name: "error".to_owned(),
                        attributes: vec![
                            text("message", "m"),
                            attribute("x", Value::BoolValue(true)),
                        ],
                        ..span::Event::default()
                    },
                    span::Event {
                        attributes: vec![attribute("event", Value::IntValue(1))],
                        ..span::Event::default()
                    },
                ];
            },
        ),
        ("sampled", |span| span.flags = 1, |span| span.flags = 1),
        (
            "debug",
            |span| span.flags = 3,
            |span| {
                span.flags = 1;
                span.attributes = vec![text("wholetrace.keep", "jaeger.debug")];
            },
        ),
        (
            "firehose",
            |span| span.flags = 8,
            |span| span.attributes = vec![attribute("jaeger.flags", Value::IntValue(8))],
        ),
        (
            "the sender's own word",
            |span| (span.flags, span.tags) = (2, vec![tag("wholetrace.keep", "x")]),
            |span| span.attributes = vec![text("wholetrace.keep", "x")],
        ),
        (
            "process",
            |span| span.process_id = "p1".to_owned(),
            |span| span.attributes = vec![text("jaeger.process_id", "p1")],
        ),
    ]);
}
