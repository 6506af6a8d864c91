//! Zipkin v2 JSON: links, events, resources, scopes, and whole requests.

use wholetrace_proto::{
    otlp::{
        AnyValue, ArrayValue, KeyValueList, ScopeSpans,
        any_value::Value,
        span::{Event, Link},
    },
    reject::SpanReject,
    translated::{Limits, NoRoom, Room},
    zipkin::{Envelope, ZipkinError, to_protobuf},
};

use crate::{
    rejects::{by_kind, kind},
    sample::{attribute, text},
    zipkin::{IDS, traces_of, translate},
};

fn scope_spans(fields: &str) -> ScopeSpans {
    let translated = translate(format!("[{{{IDS},{fields}}}]"));
    assert_eq!(translated.rejected.first(), None, "{fields}");
    traces_of(&translated).resource_spans[0].scope_spans[0].clone()
}

#[test]
fn annotations_become_events() {
    let event = |name: &str, attributes: Vec<_>, dropped_attributes_count| Event {
        time_unix_nano: 5_000,
        name: name.to_owned(),
        attributes,
        dropped_attributes_count,
    };
    let list = |values: Vec<Option<Value>>| {
        let values = values.into_iter().map(|value| AnyValue { value }).collect();
        Value::ArrayValue(ArrayValue { values })
    };
    let rows = [
        ("ws", event("ws", vec![], 0)),
        ("left|right", event("left|right", vec![], 0)),
        ("a|b|c", event("a|b|c", vec![], 0)),
        ("a|{}|x", event("a|{}|x", vec![], 0)),
        ("a|{} {}|1", event("a|{} {}|1", vec![], 0)),
        ("a|{|1", event("a|{|1", vec![], 0)),
        ("a|[1]|1", event("a|[1]|1", vec![], 0)),
        (r#"a|{\"k\":1e999}|1"#, event(r#"a|{"k":1e999}|1"#, vec![], 0)),
        ("|{}|0", event("", vec![], 0)),
        ("a|{}|2", event("a", vec![], 2)),
        (
            r#"a|{\"s\":\"x|y\",\"i\":3,\"e\":1e2,\"d\":0.5,\"b\":true,\"n\":null}|0"#,
            event(
                "a",
                vec![
                    text("s", "x|y"),
                    attribute("i", Value::IntValue(3)),
                    attribute("e", Value::IntValue(100)),
                    attribute("d", Value::DoubleValue(0.5)),
                    attribute("b", Value::BoolValue(true)),
                ],
                0,
            ),
        ),
        (
            r#"a|{\"l\":[1,null],\"m\":{\"k\":\"v\"}}|0"#,
            event(
                "a",
                vec![
                    attribute("l", list(vec![Some(Value::IntValue(1)), None])),
                    attribute(
                        "m",
                        Value::KvlistValue(KeyValueList { values: vec![text("k", "v")] }),
                    ),
                ],
                0,
            ),
        ),
    ];
    for (value, wanted) in rows {
        let fields = format!(r#""annotations":[null,{{"timestamp":5,"value":"{value}"}}]"#);
        assert_eq!(scope_spans(&fields).spans[0].events, [wanted], "{value}");
    }
    let deep = format!("a|{{\\\"k\\\":{}{}}}|0", "[".repeat(90), "]".repeat(90));
    let fields = format!(r#""annotations":[{{"value":"{deep}"}}]"#);
    let events = scope_spans(&fields).spans[0].events.clone();
    assert_eq!(events[0].name, deep.replace('\\', ""));
}

#[test]
fn annotations_keep_their_order_and_get_along_with_bad_times() {
    let fields = r#""annotations":[{"timestamp":9,"value":"b"},{"timestamp":1,"value":"a"},
        {"timestamp":9,"value":"b"},{"timestamp":-1,"value":"c"},{"timestamp":1.25,"value":7},
        {"value":null},{"timestamp":null}]"#;
    let events = scope_spans(fields).spans[0].events.clone();
    let seen: Vec<_> = events.iter().map(|one| (one.time_unix_nano, one.name.as_str())).collect();
    let wanted =
        [(9_000, "b"), (1_000, "a"), (9_000, "b"), (0, "c"), (1_250, "7"), (0, ""), (0, "")];
    assert_eq!(seen, wanted);
}

#[test]
fn link_tags_become_links_and_stay_tags_when_they_are_none() {
    let ids = "00000000000000010000000000000002|0000000000000003";
    let link = |trace_state: &str, attributes, dropped_attributes_count| Link {
        trace_id: 0x1_0000_0000_0000_0002_u128.to_be_bytes().to_vec(),
        span_id: 3_u64.to_be_bytes().to_vec(),
        trace_state: trace_state.to_owned(),
        attributes,
        dropped_attributes_count,
        flags: 0,
    };
    let rows = [
        (format!("{ids}||{{}}|0"), Some(link("", vec![], 0))),
        (
            format!("{ids}|a=b|{{\\\"k\\\":\\\"|\\\"}}|4"),
            Some(link("a=b", vec![text("k", "|")], 4)),
        ),
        ("10000000000000002|3||{}|0".to_owned(), Some(link("", vec![], 0))),
        (format!("{ids}||{{}}"), None),
        (format!("{ids}||no|0"), None),
        (format!("{ids}||{{}}|-1"), None),
        ("||||".to_owned(), None),
        ("x|y||{}|0".to_owned(), None),
    ];
    for (value, wanted) in rows {
        let span = scope_spans(&format!(r#""timestamp":1,"tags":{{"otlp.link.0":"{value}"}}"#));
        let span = &span.spans[0];
        match wanted {
            Some(link) => assert_eq!((&span.links, &span.attributes), (&vec![link], &vec![])),
            None => {
                assert_eq!(span.attributes, [text("otlp.link.0", &value)]);
                assert_eq!(span.links, []);
            }
        }
    }
    let tags = format!(
        r#""otlp.link.1":"{ids}|two|{{}}|0","otlp.link.0":"{ids}|one|{{}}|0",
            "otlp.link.128":"{ids}||{{}}|0","otlp.link.x":"x""#
    );
    let span = scope_spans(&format!(r#""timestamp":1,"tags":{{{tags}}}"#)).spans[0].clone();
    let states: Vec<_> = span.links.iter().map(|one| one.trace_state.as_str()).collect();
    assert_eq!(states, ["one", "two"]);
    assert_eq!(span.attributes.len(), 2);
}

#[test]
fn trap_13_spans_are_grouped_by_all_that_describes_their_resource() {
    let span = |id: u32, service: &str, tags: &str| {
        format!(
            r#"{{"traceId":"1","id":"{id}","timestamp":1,"tags":{{{tags}}},
                "localEndpoint":{{"serviceName":"{service}"}}}}"#
        )
    };
    let body = [
        span(1, "a", r#""host.name":"h1","k8s.pod.name":"p","x":"1""#),
        span(2, "a", r#""host.name":"h2","otel.library.name":"lib""#),
        span(3, "a", r#""k8s.pod.name":"p","host.name":"h1","otel.library.name":"lib""#),
        span(4, "b", ""),
        span(5, "a", r#""host.name":"h1","k8s.pod.name":"p","otel.scope.version":"2""#),
        span(6, "", ""),
        span(7, "OTLPResourceNoServiceName", ""),
        span(8, "b", r#""service.name":"c""#),
        span(9, "d", r#""otlp.service.name.source":"faas.name""#),
        span(10, "d", r#""otlp.service.name.source":"""#),
    ];
    let translated = translate(format!("[{}]", body.join(",")));
    let groups: Vec<_> = traces_of(&translated)
        .resource_spans
        .into_iter()
        .map(|group| {
            let scopes = group.scope_spans.into_iter().map(|scope| {
                let name = scope.scope.map(|scope| scope.name + "/" + &scope.version);
                let ids: Vec<_> = scope.spans.iter().map(|span| span.span_id[7]).collect();
                (name.unwrap_or_default(), ids)
            });
            (group.resource.unwrap_or_default().attributes, scopes.collect::<Vec<_>>())
        })
        .collect();
    let scope = |name: &str, ids: &[u8]| (name.to_owned(), ids.to_vec());
    let wanted = [
        (
            vec![text("host.name", "h1"), text("k8s.pod.name", "p"), text("service.name", "a")],
            vec![scope("", &[1]), scope("lib/", &[3]), scope("/2", &[5])],
        ),
        (vec![text("host.name", "h2"), text("service.name", "a")], vec![scope("lib/", &[2])]),
        (vec![text("service.name", "b")], vec![scope("", &[4])]),
        (vec![], vec![scope("", &[6, 7])]),
        (vec![text("service.name", "c")], vec![scope("", &[8])]),
        (vec![text("faas.name", "d")], vec![scope("", &[9])]),
        (vec![text("service.name", "d")], vec![scope("", &[0x10])]),
    ];
    assert_eq!(groups, wanted);
}

#[test]
fn requests_are_an_array_one_span_or_nothing() {
    let span = format!(r#"{{{IDS},"name":"é\u00e9"}}"#);
    let rows = [
        (String::new(), 0),
        (" \n".to_owned(), 0),
        ("[]".to_owned(), 0),
        (span.clone(), 1),
        (format!("\u{feff}[{span}]"), 1),
        (format!(" [ {span} , {span} ] "), 2),
    ];
    for (body, spans) in rows {
        let translated = translate(&body);
        assert_eq!((translated.spans, translated.rejected.total()), (spans, 0), "{body}");
        traces_of(&translated);
    }
    let span = [b"[{".as_slice(), IDS.as_bytes(), b",\"name\":\"\xff\"}]"].concat();
    let traces = traces_of(&translate(span));
    assert_eq!(traces.resource_spans[0].scope_spans[0].spans[0].name, "?");
}

fn refused(body: &str) -> ZipkinError {
    to_protobuf(body.as_bytes(), Envelope::default(), &mut Limits::default()).expect_err(body)
}

#[test]
fn other_formats_are_refused_with_what_to_do() {
    assert_eq!(refused(r#"{"resourceSpans":[]}"#), ZipkinError::Otlp);
    for body in ["nonsense", "[", "[{}", "[{}] x", "7", "\"x\"", "[{\"id\":\"1\",}]"] {
        assert!(matches!(refused(body), ZipkinError::Json(_)), "{body}");
    }
}

/// How much that is depends on what the spans say, so nobody is refused for a guess.
#[test]
fn room_is_asked_for_as_spans_grow() {
    struct Asked(Vec<usize>);
    impl Room for Asked {
        fn grow_to(&mut self, bytes: usize) -> Result<(), NoRoom> {
            self.0.push(bytes);
            Ok(())
        }
    }
    let numbers = "-1,".repeat(20);
    let value = format!(r#"a|{{\"k\":[{numbers}-1]}}|0"#);
    for span in [
        r#"{"id":"1","traceId":"1","debug":1}"#.to_owned(),
        format!("{{{IDS}}}"),
        format!(r#"{{{IDS},"annotations":[{{"value":"{value}"}}]}}"#),
    ] {
        let body = format!("[{}{span}]", format!("{span},").repeat(999));
        let mut room = Asked(Vec::new());
        let all = to_protobuf(body.as_bytes(), Envelope::default(), &mut room).unwrap();
        assert_eq!((all.spans, all.rejected.total()), (1_000, 0));
        let most = room.0.pop().unwrap();
        assert!((2 * all.bytes.len()..3 * all.bytes.len()).contains(&most), "{most}");
        // Some ahead each time, so seldom.
        assert!(room.0.len() < 40, "{:?}", room.0);
        let mut less = Limits { bytes: 2 * all.bytes.len() - 1 };
        let error = to_protobuf(body.as_bytes(), Envelope::default(), &mut less);
        assert!(matches!(error, Err(ZipkinError::Room(_))), "{error:?}");
    }
}

#[test]
fn a_span_has_so_many_parts_and_no_more() {
    let many = |count: usize| {
        [
            format!(r#""annotations":[{}]"#, vec![r#"{"value":"x"}"#; count].join(",")),
            format!(r#""tags":{{{}}}"#, vec![r#""a":"value""#; count].join(",")),
        ]
    };
    for fields in many(1 << 16) {
        assert_eq!(scope_spans(&fields).spans.len(), 1);
    }
    for fields in many((1 << 16) + 1) {
        let translated = translate(format!("[{{{IDS},{fields}}},{{{IDS}}}]"));
        let too_many = |_| SpanReject::TooMany { field: "", most: 0, at: 0 };
        assert_eq!(by_kind(&translated.rejected), [(kind(too_many), 1)]);
        assert_eq!(translated.spans, 1);
    }
}
