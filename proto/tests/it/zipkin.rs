//! Zipkin v2 JSON: what becomes of a span, quirk by quirk.

use prost::Message;
use wholetrace_proto::{
    check::check_span,
    otlp::{KeyValue, Span, Status, TracesData, any_value::Value},
    reject::SpanReject,
    translated::{Limits, Translated},
    zipkin::{Envelope, to_protobuf},
};

use crate::{
    rejects::{Kind, by_kind, first, kind},
    sample::{attribute, text},
};

pub(crate) const IDS: &str = r#""traceId":"5af7183fb1d4cf5f","id":"352bff9a74ca9ad2""#;

pub(crate) fn translate(text: impl AsRef<[u8]>) -> Translated {
    to_protobuf(text.as_ref(), Envelope::default(), &mut Limits::default()).expect("a request")
}

pub(crate) fn traces_of(translated: &Translated) -> TracesData {
    let traces = TracesData::decode(&*translated.bytes).expect("valid protobuf");
    let scopes = || traces.resource_spans.iter().flat_map(|one| &one.scope_spans);
    let spans: Vec<_> = scopes().flat_map(|one| &one.spans).collect();
    assert_eq!(spans.len() as u64, translated.spans);
    for span in spans {
        check_span(&span.encode_to_vec()).expect("a span that passes the check");
    }
    traces
}

/// The only span of a request, which has the two ids, a timestamp and `fields`; without the
/// resource.
fn span_with(fields: &str) -> Span {
    let translated = translate(format!(r#"[{{{IDS},"timestamp":1,{fields}}}]"#));
    assert_eq!(translated.rejected.first(), None, "{fields}");
    let traces = traces_of(&translated);
    traces.resource_spans[0].scope_spans[0].spans[0].clone()
}

fn bare() -> Span {
    Span {
        trace_id: u128::from(0x5af7183fb1d4cf5f_u64).to_be_bytes().to_vec(),
        span_id: 0x352bff9a74ca9ad2_u64.to_be_bytes().to_vec(),
        start_time_unix_nano: 1000,
        end_time_unix_nano: 1000,
        ..Span::default()
    }
}

type Want = fn(&mut Span);
const UNCHANGED: Want = |_| ();

fn check(rows: &[(&str, Want)]) {
    for (fields, change) in rows {
        let mut wanted = bare();
        change(&mut wanted);
        assert_eq!(span_with(fields), wanted, "{fields}");
    }
}

fn low(id: u64) -> Vec<u8> {
    u128::from(id).to_be_bytes().to_vec()
}

#[test]
fn ids_are_padded_and_taken_in_either_case() {
    check(&[
        (r#""traceId":"A""#, |span| span.trace_id = low(10)),
        (r#""traceId":"00000000000000005AF7183FB1D4CF5F""#, UNCHANGED),
        (r#""traceId":"15af7183fb1d4cf5f""#, |span| {
            span.trace_id = 0x1_5af7183fb1d4cf5f_u128.to_be_bytes().to_vec();
        }),
        (r#""traceId":1234567890123456"#, |span| span.trace_id = low(0x1234567890123456)),
        (r#""id":"aB""#, |span| span.span_id = 0xab_u64.to_be_bytes().to_vec()),
        (r#""parentId":"1""#, |span| span.parent_span_id = 1_u64.to_be_bytes().to_vec()),
        (r#""parentId":"352BFF9A74CA9AD2""#, UNCHANGED),
        (r#""parentId":"0""#, UNCHANGED),
        (r#""parentId":"""#, UNCHANGED),
        (r#""parentId":null"#, UNCHANGED),
    ]);
}

#[test]
fn kinds_have_the_numbers_of_otlp() {
    check(&[
        (r#""kind":"CLIENT""#, |span| span.kind = 3),
        (r#""kind":"SERVER""#, |span| span.kind = 2),
        (r#""kind":"PRODUCER""#, |span| span.kind = 4),
        (r#""kind":"CONSUMER""#, |span| span.kind = 5),
        (r#""kind":"client""#, |span| span.kind = 3),
        (r#""kind":"WORKER""#, |span| span.attributes = vec![text("span.kind", "WORKER")]),
        (r#""kind":null"#, UNCHANGED),
        (r#""kind":4"#, |span| span.attributes = vec![text("span.kind", "4")]),
        (r#""tags":{"span.kind":"internal"}"#, |span| span.kind = 1),
        (r#""tags":{"span.kind":"server"}"#, |span| span.kind = 2),
        (r#""kind":"INTERNAL""#, |span| span.kind = 1),
        (r#""tags":{"span.kind":"other"}"#, |span| {
            span.attributes = vec![text("span.kind", "other")];
        }),
        (r#""kind":"SERVER","tags":{"span.kind":"internal"}"#, |span| {
            span.kind = 2;
            span.attributes = vec![text("span.kind", "internal")];
        }),
    ]);
}

fn start_absent() -> KeyValue {
    attribute("otel.zipkin.absentField.startTime", Value::BoolValue(true))
}

#[test]
fn trap_04_times_are_taken_in_every_notation() {
    let absent: Want = |span| {
        (span.start_time_unix_nano, span.end_time_unix_nano) = (0, 0);
        span.attributes = vec![start_absent()];
    };
    let start: Want = |span| {
        let start = 1_580_000_000_000_000_000;
        (span.start_time_unix_nano, span.end_time_unix_nano) = (start, start);
    };
    let two: Want = |span| span.end_time_unix_nano = 3_000;
    const LAST: u64 = i64::MAX as u64;
    let late: Want = |span| (span.start_time_unix_nano, span.end_time_unix_nano) = (LAST, LAST);
    check(&[
        // Nanoseconds, as some senders write.
        (r#""timestamp":1580000000000000000"#, late),
        (r#""timestamp":"1.58e18","duration":207000000"#, |span| {
            (span.start_time_unix_nano, span.end_time_unix_nano) = (LAST - 207_000_000_000, LAST);
        }),
        (r#""timestamp":9223372036854775807,"duration":9223372036854775807"#, |span| {
            (span.start_time_unix_nano, span.end_time_unix_nano) = (1, LAST);
        }),
        (r#""timestamp":9223372036854776"#, late),
        (r#""timestamp":9223372036854775.807"#, late),
        (r#""timestamp":9223372036854775"#, |span| {
            let start = LAST - 807;
            (span.start_time_unix_nano, span.end_time_unix_nano) = (start, start);
        }),
        (r#""duration":9223372036854775807"#, |span| span.end_time_unix_nano = LAST),
        (r#""timestamp":1580000000000000"#, start),
        (r#""timestamp":"1580000000000000""#, start),
        (r#""timestamp":1.58e+15"#, start),
        (r#""timestamp":"1.58E15""#, start),
        (r#""timestamp":0"#, absent),
        (r#""timestamp":-5"#, absent),
        (r#""timestamp":null"#, absent),
        (r#""timestamp":"""#, absent),
        (r#""timestamp":1.5"#, |span| {
            (span.start_time_unix_nano, span.end_time_unix_nano) = (1500, 1500);
        }),
        (r#""duration":2"#, two),
        (r#""duration":"2""#, two),
        (r#""duration":2.0"#, two),
        (r#""duration":-2"#, UNCHANGED),
        (r#""duration":0"#, UNCHANGED),
        (r#""duration":null"#, UNCHANGED),
        (r#""timestamp":null,"duration":7"#, |span| {
            (span.start_time_unix_nano, span.end_time_unix_nano) = (0, 7_000);
            span.attributes = vec![start_absent()];
        }),
    ]);
}

#[test]
fn tags_stay_text_and_what_is_no_string_becomes_one() {
    check(&[
        (r#""tags":{"a":"1","b":""}"#, |span| {
            span.attributes = vec![text("a", "1"), text("b", "")];
        }),
        (r#""tags":{"a":1.50,"b":true,"c":null,"d":{"e": [1]},"f":[ ]}"#, |span| {
            span.attributes = vec![
                text("a", "1.50"),
                text("b", "true"),
                text("d", r#"{"e": [1]}"#),
                text("f", "[ ]"),
            ];
        }),
        (r#""tags":null"#, UNCHANGED),
        (r#""tags":{}"#, UNCHANGED),
        (r#""name":"Get /USERS""#, |span| span.name = "Get /USERS".to_owned()),
        (r#""name":null"#, UNCHANGED),
        (r#""tags":{"w3c.tracestate":"a=b"}"#, |span| span.trace_state = "a=b".to_owned()),
    ]);
}

#[test]
fn of_tags_of_one_name_the_last_counts() {
    check(&[
        (r#""tags":{"a":"1","b":"2","a":"3"}"#, |span| {
            span.attributes = vec![text("b", "2"), text("a", "3")];
        }),
        (r#""tags":{"a":"1"},"tags":{"\u0061":"2"}"#, |span| {
            span.attributes = vec![text("a", "2")]
        }),
        (r#""tags":{"a":"1","a":null}"#, |span| span.attributes = vec![text("a", "1")]),
        (r#""tags":{"otel.status_code":"ERROR","otel.status_code":"OK"}"#, |span| {
            span.status = status(1, "");
        }),
        (r#""debug":true,"tags":{"wholetrace.keep":"mine"}"#, |span| {
            span.attributes = vec![text("wholetrace.keep", "mine")];
        }),
    ]);
    let many: Vec<_> = (0..1_000).map(|tag| format!(r#""t{}":"{tag}""#, tag % 100)).collect();
    let attributes = span_with(&format!(r#""tags":{{{}}}"#, many.join(","))).attributes;
    let wanted: Vec<_> =
        (0..100).map(|tag| text(&format!("t{tag}"), &format!("{}", 900 + tag))).collect();
    assert_eq!(attributes, wanted);
}

fn status(code: i32, message: &str) -> Option<Status> {
    Some(Status { code, message: message.to_owned() })
}

#[test]
fn errors_and_status_tags_become_the_status() {
    check(&[
        (r#""tags":{"error":"true"}"#, |span| span.status = status(2, "")),
        (r#""tags":{"error":true}"#, |span| span.status = status(2, "")),
        (r#""tags":{"error":""}"#, |span| {
            span.status = status(2, "");
            span.attributes = vec![text("error", "")];
        }),
        (r#""tags":{"error":"false"}"#, |span| {
            span.status = status(2, "");
            span.attributes = vec![text("error", "false")];
        }),
        (r#""tags":{"error":null}"#, UNCHANGED),
        (r#""tags":{"otel.status_code":"STATUS_CODE_OK"}"#, |span| span.status = status(1, "")),
        (r#""tags":{"otel.status_code":"Error"}"#, |span| span.status = status(2, "")),
        (r#""tags":{"otel.status_code":"OK"}"#, |span| span.status = status(1, "")),
        (r#""tags":{"otel.status_code":"Unset"}"#, UNCHANGED),
        (r#""tags":{"otel.status_code":"OK","error":"true"}"#, |span| {
            span.status = status(2, "");
        }),
        (r#""tags":{"otel.status_description":"d","otel.status_code":"ERROR"}"#, |span| {
            span.status = status(2, "d");
        }),
        (r#""tags":{"otel.status_description":"d"}"#, |span| {
            span.attributes = vec![text("otel.status_description", "d")];
        }),
        (r#""tags":{"http.status_code":"500"}"#, |span| {
            span.attributes = vec![text("http.status_code", "500")];
        }),
    ]);
}

#[test]
fn forced_keeps_and_shared_ids_are_marked() {
    let debug: Want = |span| span.attributes = vec![text("wholetrace.keep", "zipkin.debug")];
    let shared: Want = |span| {
        span.kind = 2;
        span.attributes = vec![attribute("zipkin.shared", Value::BoolValue(true))];
    };
    check(&[
        (r#""debug":true"#, debug),
        (r#""debug":"true""#, debug),
        (r#""debug":1"#, debug),
        (r#""debug":false"#, UNCHANGED),
        (r#""debug":null"#, UNCHANGED),
        (r#""kind":"SERVER","shared":true"#, shared),
        (r#""shared":true,"kind":"SERVER""#, shared),
        (r#""kind":"CLIENT","shared":true"#, |span| span.kind = 3),
        (r#""shared":false"#, UNCHANGED),
    ]);
}

#[test]
fn endpoints_become_addresses_and_names() {
    let port = |key: &str, port| attribute(key, Value::IntValue(port));
    let rows = [
        (
            r#""localEndpoint":{"ipv4":"10.0.0.1","port":8080}"#,
            vec![text("network.local.address", "10.0.0.1"), port("net.host.port", 8080)],
        ),
        (
            r#""localEndpoint":{"ipv4":"10.0.0.1","ipv6":"::1","port":"9"}"#,
            vec![
                text("network.local.address", "::1"),
                text("zipkin.local.ipv4", "10.0.0.1"),
                port("net.host.port", 9),
            ],
        ),
        (
            r#""remoteEndpoint":{"serviceName":"DB","ipv6":"::2","port":65535}"#,
            vec![
                text("service.peer.name", "DB"),
                text("network.peer.address", "::2"),
                port("net.peer.port", 65535),
            ],
        ),
        (
            r#""tags":{"service.peer.name":"x"},"remoteEndpoint":{"serviceName":"y","port":1}"#,
            vec![text("service.peer.name", "x"), port("net.peer.port", 1)],
        ),
        (
            r#""remoteEndpoint":{"ipv6":"2001:DB8:0:0:0:0:0:1","ipv4":"1.2.3.4"}"#,
            vec![text("network.peer.address", "2001:db8::1"), text("zipkin.peer.ipv4", "1.2.3.4")],
        ),
        (
            r#""localEndpoint":{"ipv6":"::FFFF:1.2.3.4"},"remoteEndpoint":{"ipv4":"FE80::0:1"}"#,
            vec![text("network.local.address", "1.2.3.4"), text("network.peer.address", "fe80::1")],
        ),
        (
            r#""localEndpoint":{"ipv4":"::1.2.3.4"},"remoteEndpoint":{"ipv6":"::ffff:102:304"}"#,
            vec![text("network.local.address", "1.2.3.4"), text("network.peer.address", "1.2.3.4")],
        ),
        (r#""localEndpoint":{"ipv4":"my.host"},"remoteEndpoint":{"ipv6":"[::1]"}"#, vec![]),
        (r#""localEndpoint":{"ipv4":"1.2.3.256"},"remoteEndpoint":{"ipv6":"::1%eth0"}"#, vec![]),
        (r#""remoteEndpoint":{"port":0},"localEndpoint":{"port":-1}"#, vec![]),
        (r#""remoteEndpoint":{"port":65536},"localEndpoint":{"port":"http"}"#, vec![]),
        (r#""remoteEndpoint":null,"localEndpoint":{"serviceName":null,"ipv4":null}"#, vec![]),
        (r#""remoteEndpoint":{},"localEndpoint":{"ipv4":"","unknown":[]}"#, vec![]),
    ];
    for (fields, wanted) in rows {
        assert_eq!(span_with(fields).attributes, wanted, "{fields}");
    }
}

#[test]
fn what_cannot_be_understood_rejects_its_span_alone() {
    let rows: [(&str, Kind, &str); 20] = [
        ("null", SpanReject::Type, "must be an object"),
        ("7", SpanReject::Type, "must be an object"),
        ("{}", SpanReject::Id, "`traceId`"),
        (r#"{"traceId":"1"}"#, SpanReject::Id, "`id`"),
        (r#"{"id":"1"}"#, SpanReject::Id, "`traceId`"),
        (r#"{"traceId":null,"id":"1"}"#, SpanReject::Id, "`traceId`"),
        (r#"{"traceId":"0","id":"1"}"#, SpanReject::Id, "not zero"),
        (r#"{"traceId":"1","id":"0000000000000000"}"#, SpanReject::Id, "not zero"),
        (r#"{"traceId":"x","id":"1"}"#, SpanReject::Id, "1 to `32` hexadecimal digits"),
        (r#"{"traceId":"1","id":"11112222333344445"}"#, SpanReject::Id, "`16`"),
        (r#"{"traceId":"1","id":"1","parentId":"?"}"#, SpanReject::Id, "`parentId`"),
        (r#"{"traceId":"1","id":"1","timestamp":"noon"}"#, SpanReject::Number, "noon"),
        (r#"{"traceId":"1","id":"1","timestamp":1e300}"#, SpanReject::Number, "1e300"),
        (
            r#"{"traceId":"1","id":"1","duration":9223372036854775808}"#,
            SpanReject::Number,
            "microseconds in 64 bits",
        ),
        (r#"{"traceId":"1","id":"1","timestamp":{}}"#, SpanReject::Type, "`timestamp`"),
        (r#"{"traceId":"1","id":"1","tags":["a"]}"#, SpanReject::Type, "`tags`"),
        (r#"{"traceId":"1","id":"1","localEndpoint":"me"}"#, SpanReject::Type, "`localEndpoint`"),
        (r#"{"traceId":"1","id":"1","annotations":{}}"#, SpanReject::Type, "`annotations`"),
        (r#"{"traceId":"1","id":"1","annotations":[5]}"#, SpanReject::Type, "`annotations`"),
        (
            r#"{"traceId":"1","id":"1","binaryAnnotations":{}}"#,
            SpanReject::Type,
            "`binaryAnnotations`",
        ),
    ];
    for (bad, reject, words) in rows {
        let good = format!(r#"{{{IDS},"kind":"CLIENT"}}"#);
        let translated = translate(format!("[{good},{bad},{good}]"));
        assert_eq!(translated.spans, 2, "{bad}");
        traces_of(&translated);
        assert_eq!(by_kind(&translated.rejected), [(kind(reject), 1)], "{bad}");
        let message = first(&translated.rejected);
        assert!(message.contains(words), "{bad}: {message}");
    }
}
