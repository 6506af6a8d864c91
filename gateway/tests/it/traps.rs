//! What is known to go wrong between senders and receivers, and does not here: the table is in
//! `docs/protocols.md`. Those that show in another stage are tested there, under names that begin alike.

use std::time::Duration;

use tonic::Code;
use tonic_types::StatusExt;
use wholetrace_proto::{
    otlp::{AnyValue, EXPORT_PATH, Resource, ResourceSpans, Span, TracesData, any_value::Value},
    thrift::{Kind, Protocol, Writer},
    wire::put_uint,
};
use wholetrace_spanlog::{Partition, TopicName};

use crate::{
    dialects::{Dialect, LIMITS, fields},
    grpc::{call, channel, export},
    harness::{JSON, PARTITIONS, PROTOBUF, Running, post, request, span},
};

const SPANS_REFUSED: &str = "wholetrace_gateway_spans_refused_total";
const REQUESTS: &str = "wholetrace_gateway_requests_total";

/// Posts spans of Zipkin in JSON, and expects that they are taken.
async fn post_zipkin(gateway: &Running, spans: &str) {
    let answer = post(gateway.zipkin(), "/api/v2/spans", JSON, spans.as_bytes()).await;
    assert_eq!((answer.status, answer.body.len()), (202, 0), "{spans}: {answer:?}");
}

/// Waits until so many requests were answered or, as datagrams, taken.
async fn until_requests(gateway: &Running, wanted: u64) {
    for _ in 0..12_000 {
        if gateway.count(REQUESTS, "") >= wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{} of {wanted} requests", gateway.count(REQUESTS, ""));
}

/// The text that a span has as the attribute `key`; a boolean and a number as text, too.
fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|one| one.key == key)?;
    match &found.value {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => Some(text.clone()),
        Some(AnyValue { value: Some(Value::BoolValue(yes)) }) => Some(yes.to_string()),
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => Some(number.to_string()),
        other => panic!("{other:?}"),
    }
}

/// Client and server of one call have one id, and the server the parent of its client.
#[tokio::test]
async fn trap_01_a_shared_span_id_is_two_spans() {
    let gateway = Running::start("trap01", "{}").await;
    let side = |rest: &str| {
        format!(r#"{{"traceId":"a","id":"b","parentId":"c","name":"get","timestamp":5,{rest}}}"#)
    };
    let client = side(r#""kind":"CLIENT","localEndpoint":{"serviceName":"front"}"#);
    let server = side(r#""kind":"SERVER","shared":true,"localEndpoint":{"serviceName":"back"}"#);
    post_zipkin(&gateway, &format!("[{client},{server}]")).await;
    let mut sides: Vec<_> = gateway
        .spans()
        .into_iter()
        .map(|span| {
            (span.kind, span.span_id[7], span.parent_span_id[7], attribute(&span, "zipkin.shared"))
        })
        .collect();
    sides.sort();
    assert_eq!(sides, [(2, 0xb, 0xc, Some("true".to_owned())), (3, 0xb, 0xc, None)]);
    gateway.stop().await;
}

/// Who knows half of an id sends to the partition of who knows all of it.
#[tokio::test]
async fn trap_02_ids_of_64_and_128_bits_are_one_trace() {
    let gateway = Running::start("trap02", "{}").await;
    let (high, low) = (0x5af7_183f_b1d4_cf5f_u64, 0x352b_ff9a_74ca_9ad2_u64);
    let long = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
    let zipkin = |id: String| format!(r#"[{{"traceId":"{id}","id":"1","name":"zipkin"}}]"#);
    post_zipkin(&gateway, &zipkin(format!("{low:x}"))).await;
    post_zipkin(&gateway, &zipkin(format!("{high:x}{low:016X}"))).await;
    post_zipkin(&gateway, &zipkin(format!("{low:032x}"))).await;
    let mut taken = 3;
    for dialect in Dialect::ALL {
        let body = dialect.batch(&[dialect.span(low, b"short")]);
        assert!(dialect.send(&gateway, body).await, "{dialect:?}");
        taken += 1;
        until_requests(&gateway, taken).await;
    }
    let span = Span { trace_id: long.to_vec(), ..span(1, "otlp") };
    assert_eq!(
        post(gateway.http(), "/v1/traces", PROTOBUF, &request(vec![span])).await.status,
        200
    );
    assert_eq!(gateway.spans().len(), 4 + Dialect::ALL.len());
    let partitions = (0..PARTITIONS).filter(|partition| {
        !gateway.log.frames(TopicName::Spans, Partition(*partition)).is_empty()
    });
    assert_eq!(partitions.count(), 1);
    let mut ids: Vec<_> = gateway.spans().into_iter().map(|span| span.trace_id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids, [u128::from(low).to_be_bytes(), long]);
    gateway.stop().await;
}

/// In each protocol, with each thing that can be wrong with a span: its neighbours are taken, and it
/// is counted by its reason.
#[tokio::test]
async fn trap_05_a_bad_span_fails_no_batch() {
    let gateway = Running::start("trap05", LIMITS).await;
    let mut taken = 0;
    for dialect in Dialect::ALL {
        let good = |name: &[u8]| dialect.span(7, name);
        for (what, bad, reason) in dialect.bad() {
            let counted = format!("reason=\"{reason}\"");
            let before = gateway.count(SPANS_REFUSED, &counted);
            let refused = gateway.count(SPANS_REFUSED, "");
            let body = dialect.batch(&[good(b"one"), bad, good(b"two")]);
            assert!(dialect.send(&gateway, body).await, "{dialect:?}: {what}");
            taken += 1;
            until_requests(&gateway, taken).await;
            let now = gateway.count(SPANS_REFUSED, &counted);
            assert_eq!(now, before + 1, "{dialect:?}: {what} is {reason}");
            assert_eq!(gateway.count(SPANS_REFUSED, ""), refused + 1, "{dialect:?}: {what}");
            assert_eq!(gateway.names().len() as u64, 2 * taken, "{dialect:?}: {what}");
        }
    }
    let names = gateway.names();
    assert_eq!(names.iter().filter(|name| *name == "one").count(), names.len() / 2);
    assert_eq!(names.iter().filter(|name| *name == "two").count(), names.len() / 2);
    gateway.stop().await;
}

/// What stands in the log is what leaves: a strict reader there would refuse a whole request for it.
#[tokio::test]
async fn trap_06_text_that_is_not_utf8_is_repaired_in_every_protocol() {
    let gateway = Running::start("trap06", "{}").await;
    for (number, dialect) in (1..).zip(Dialect::ALL) {
        let body = dialect.batch(&[dialect.span(7, b"caf\xe9"), dialect.span(8, b"caf\xc3\xa9")]);
        assert!(dialect.send(&gateway, body).await, "{dialect:?}");
        until_requests(&gateway, number).await;
        // Read by a decoder that takes UTF-8 alone.
        let spans = gateway.names();
        let count = |wanted: &str| spans.iter().filter(|name| *name == wanted).count() as u64;
        assert_eq!((count("caf?"), count("café")), (number, number), "{dialect:?}");
    }
    assert_eq!(gateway.count(SPANS_REFUSED, ""), 0);
    gateway.stop().await;
}

/// The usual limit of gRPC's servers is not ours; whoever sends more than ours is not told to come
/// back with the same.
#[tokio::test]
async fn trap_07_a_message_beyond_4_mib_is_taken() {
    let gateway = Running::start("trap07", "{}").await;
    let otlp = channel(gateway.grpc()).await;
    let large = |mib: usize| request(vec![span(1, &"x".repeat(1 << 19)); 2 * mib]);
    export(&otlp, large(6), None).await.unwrap();
    let jaeger = Dialect::JaegerGrpc;
    let body = jaeger.batch(&vec![jaeger.span(7, &[b'x'; 1 << 19]); 12]);
    assert!(jaeger.send(&gateway, body).await);
    assert_eq!(gateway.spans().len(), 24);
    let status = call(&otlp, EXPORT_PATH, large(65), None).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.get_details_retry_info().is_none(), "{status}");
    gateway.stop().await;
}

/// Each of these has ended a process, or failed a batch, somewhere.
#[tokio::test]
async fn trap_09_what_is_empty_or_absent_is_no_fault() {
    let gateway = Running::start("trap09", "{}").await;
    let otlp = |resources: Vec<ResourceSpans>| {
        prost::Message::encode_to_vec(&TracesData { resource_spans: resources })
    };
    let empty = ResourceSpans { resource: Some(Resource::default()), ..ResourceSpans::default() };
    for body in [otlp(vec![]), otlp(vec![empty, ResourceSpans::default()])] {
        let answer = post(gateway.http(), "/v1/traces", PROTOBUF, &body).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0));
    }
    for spans in ["", "[]", r#"[{"traceId":"1","id":"2","tags":{},"localEndpoint":{}}]"#] {
        post_zipkin(&gateway, spans).await;
    }
    let no_batch = channel(gateway.jaeger("grpc")).await;
    let path = wholetrace_proto::jaeger::api_v2::POST_SPANS_PATH;
    for body in [Vec::new(), fields(&[(1, b"")]), Dialect::JaegerGrpc.batch(&[])] {
        call(&no_batch, path, body, None).await.unwrap();
    }
    // No process, no service, no name.
    let mut writer = Writer::new(Protocol::Binary);
    writer.structure(|batch| {
        batch.list(2, Kind::Struct, 1, |list| {
            list.structure(|span| {
                span.i64(1, 1);
                span.i64(3, 2);
            });
        });
    });
    let headers: &[(&str, &str)] = &[("content-type", "application/x-thrift")];
    let address = gateway.jaeger("thrift_http");
    let answer = post(address, "/api/traces", headers, &writer.into_bytes()).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    for dialect in Dialect::ALL {
        let body = dialect.batch(&[dialect.span(7, b"")]);
        assert!(dialect.send(&gateway, body).await, "{dialect:?}");
    }
    let senders = Dialect::ALL.len();
    until_requests(&gateway, 9 + senders as u64).await;
    assert_eq!(gateway.names(), vec![""; 2 + senders]);
    assert_eq!(gateway.count(SPANS_REFUSED, ""), 0);
    gateway.stop().await;
}

/// What a Collector in front would lose.
#[tokio::test]
async fn trap_12_flags_are_kept() {
    let gateway = Running::start("trap12", "{}").await;
    let zipkin =
        r#"[{"traceId":"1","id":"2","name":"zipkin","kind":"SERVER","debug":true,"shared":true}]"#;
    post_zipkin(&gateway, zipkin).await;
    let jaeger = Dialect::JaegerGrpc;
    let mut flagged = jaeger.span(7, b"jaeger");
    put_uint(&mut flagged, 5, 1 | 2 | 8);
    assert!(jaeger.send(&gateway, jaeger.batch(&[flagged])).await);
    // Sampled, random, remote and known to be so, and one that nobody has given a meaning.
    let flags = 0x1 | 0x2 | 0x100 | 0x200 | 0x8000;
    let body = request(vec![Span { flags, ..span(1, "otlp") }]);
    assert_eq!(post(gateway.http(), "/v1/traces", PROTOBUF, &body).await.status, 200);
    let mut spans = gateway.spans();
    spans.sort_by(|one, other| one.name.cmp(&other.name));
    let told = |span: &Span, keys: [&str; 3]| keys.map(|key| attribute(span, key).is_some());
    let keys = ["wholetrace.keep", "zipkin.shared", "jaeger.flags"];
    assert_eq!((spans[0].flags, told(&spans[0], keys)), (1, [true, false, true]));
    assert_eq!((spans[1].flags, told(&spans[1], keys)), (flags, [false, false, false]));
    assert_eq!((spans[2].flags, told(&spans[2], keys)), (0, [true, true, false]));
    gateway.stop().await;
}

/// However a sender says that something failed, policies see one status.
#[tokio::test]
async fn trap_14_a_failure_is_a_status_in_every_dialect() {
    let gateway = Running::start("trap14", "{}").await;
    let mut wanted = Vec::new();
    for (number, (tags, code)) in (10..).zip([
        (r#""error":"timeout""#, 2),
        (r#""error":"""#, 2),
        // To Zipkin that there is one makes the error, whatever it says.
        (r#""error":"false""#, 2),
        (r#""otel.status_code":"ERROR""#, 2),
        (r#""otel.status_code":"Error""#, 2),
        (r#""otel.status_code":"STATUS_CODE_ERROR""#, 2),
        (r#""otel.status_code":"Ok""#, 1),
        (r#""http.status_code":"404""#, 0),
    ]) {
        let name = format!("zipkin {number}");
        let span = format!(r#"{{"traceId":"1","id":"2","name":"{name}","tags":{{{tags}}}}}"#);
        post_zipkin(&gateway, &format!("[{span}]")).await;
        wanted.push((name, code));
    }
    let jaeger = Dialect::JaegerGrpc;
    // A type, and a value in the field of it.
    let tag = |key: &[u8], kind: u64, field: u32, value: u64| {
        let mut tag = fields(&[(1, key)]);
        put_uint(&mut tag, 2, kind);
        put_uint(&mut tag, field, value);
        tag
    };
    let text = |key: &[u8], value: &[u8]| fields(&[(1, key), (3, value)]);
    for (number, (tags, code)) in (10..).zip([
        (vec![tag(b"error", 1, 4, 1)], 2),
        (vec![text(b"error", b"true")], 2),
        (vec![tag(b"error", 1, 4, 0)], 0),
        (vec![text(b"otel.status_code", b"error")], 2),
        (vec![text(b"otel.status_code", b"OK")], 1),
        (vec![tag(b"http.status_code", 2, 5, 404), text(b"span.kind", b"server")], 0),
        (vec![tag(b"http.status_code", 2, 5, 404), text(b"span.kind", b"client")], 2),
        (vec![tag(b"http.status_code", 2, 5, 503), text(b"span.kind", b"server")], 2),
    ]) {
        let name = format!("jaeger {number}");
        let mut span = jaeger.span(7, name.as_bytes());
        tags.iter().for_each(|tag| span.extend(fields(&[(8, tag)])));
        assert!(jaeger.send(&gateway, jaeger.batch(&[span])).await, "{name}");
        wanted.push((name, code));
    }
    let code = |span: &Span| span.status.as_ref().map_or(0, |status| status.code);
    let mut found: Vec<_> =
        gateway.spans().iter().map(|span| (span.name.clone(), code(span))).collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    gateway.stop().await;
}

/// As hand-written senders and encoders for all of protobuf write them.
#[tokio::test]
async fn trap_16_json_is_taken_in_every_notation_and_base64_is_no_id() {
    let gateway = Running::start("trap16", "{}").await;
    let spans = [
        r#"{"traceId":"W47/95gDgQPSabYzgT/GDA==","spanId":"7uGbfsPBsXQ=","name":"base64"}"#,
        r#"{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174","name":"a",
            "kind":3,"startTimeUnixNano":"1544712660300000001","endTimeUnixNano":1544712660300000003}"#,
        r#"{"trace_id":"5b8efff798038103d269b633813fc60c","span_id":"eee19b7ec3c1b174","name":"b",
            "kind":"SPAN_KIND_CLIENT","start_time_unix_nano":1544712660300000001,
            "end_time_unix_nano":"1544712660300000003"}"#,
    ];
    let body =
        format!(r#"{{"resource_spans":[{{"scope_spans":[{{"spans":[{}]}}]}}]}}"#, spans.join(","));
    let answer = post(gateway.http(), "/v1/traces", JSON, body.as_bytes()).await;
    let told: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, &told["partialSuccess"]["rejectedSpans"]), (200, &"1".into()));
    assert!(told.to_string().contains("not base64"), "{told}");
    assert_eq!(gateway.names(), ["a", "b"]);
    for span in gateway.spans() {
        let trace_id = 0x5b8e_fff7_9803_8103_d269_b633_813f_c60c_u128.to_be_bytes();
        assert_eq!((&*span.trace_id, span.kind), (&trace_id[..], 3), "{}", span.name);
        // Numbers that a double cannot hold are what was written.
        let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
        assert_eq!((start, end), (1_544_712_660_300_000_001, 1_544_712_660_300_000_003));
    }
    gateway.stop().await;
}

/// A backend may refuse a whole request for one id that is none: none comes into the log.
#[tokio::test]
async fn trap_17_no_id_that_a_backend_refuses_comes_into_the_log() {
    let gateway = Running::start("trap17", "{}").await;
    let mut sent = 0;
    for dialect in Dialect::ALL {
        for (what, bad, reason) in dialect.bad() {
            if reason != "span_id" {
                continue;
            }
            let body = dialect.batch(&[dialect.span(7, b"good"), bad]);
            assert!(dialect.send(&gateway, body).await, "{dialect:?}: {what}");
            sent += 1;
            until_requests(&gateway, sent).await;
        }
    }
    assert_eq!(gateway.count(SPANS_REFUSED, "span_id"), sent);
    let spans = gateway.spans();
    assert_eq!(spans.len() as u64, sent);
    let is_id = |id: &[u8], len| id.len() == len && id.iter().any(|byte| *byte != 0);
    assert!(spans.iter().all(|span| is_id(&span.trace_id, 16) && is_id(&span.span_id, 8)));
    gateway.stop().await;
}

/// Many senders do not send again what was refused: while the log is slow they wait, and are told that
/// it is taken once it is.
#[tokio::test]
async fn trap_18_a_slow_log_refuses_nobody() {
    let gateway = Running::start("trap18", r#"{"append_timeout": "1m"}"#).await;
    gateway.log.hold(TopicName::Spans);
    let gateway = std::sync::Arc::new(gateway);
    let sending: Vec<_> = Dialect::ALL
        .into_iter()
        .map(|dialect| {
            let gateway = std::sync::Arc::clone(&gateway);
            tokio::spawn(async move {
                let body = dialect.batch(&[dialect.span(7, format!("{dialect:?}").as_bytes())]);
                dialect.send(&gateway, body).await
            })
        })
        .collect();
    while gateway.log.waiting(TopicName::Spans) == 0 {
        tokio::task::yield_now().await;
    }
    assert!(gateway.names().is_empty(), "nothing is durable yet");
    gateway.log.resume(TopicName::Spans);
    for sent in sending {
        assert!(sent.await.unwrap());
    }
    until_requests(&gateway, Dialect::ALL.len() as u64).await;
    let mut wanted = Dialect::ALL.map(|dialect| format!("{dialect:?}"));
    wanted.sort();
    assert_eq!(gateway.names(), wanted);
    assert_eq!(gateway.count("wholetrace_gateway_requests_refused_total", ""), 0);
    std::sync::Arc::into_inner(gateway).unwrap().stop().await;
}
