//! Zipkin: every encoding and version, at every path.

use tonic::{Code, codec::CompressionEncoding};
use wholetrace_proto::{
    otlp::Span,
    thrift::{Kind, Protocol, Writer},
    wire::{put_bytes, put_uint},
    zipkin::REPORT_PATH,
};

use crate::{
    grpc::{call, channel},
    harness::{JSON, PROTOBUF, Running, gzip, post},
};

/// A `ListOfSpans` with one span that has these ids.
fn list(trace_id: &[u8], id: &[u8], name: &str) -> Vec<u8> {
    let (mut span, mut list) = (Vec::new(), Vec::new());
    put_bytes(&mut span, 1, trace_id);
    put_bytes(&mut span, 3, id);
    put_bytes(&mut span, 5, name.as_bytes());
    put_uint(&mut span, 12, 1);
    put_bytes(&mut list, 1, &span);
    list
}

#[tokio::test]
async fn zipkin_spans_become_otlp_and_a_bad_one_fails_alone() {
    let gateway = Running::start("zipkin", "{}").await;
    let json = r#"[
        {"traceId":"5b8efff798038103d269b633813fc60c","id":"eee19b7ec3c1b174","name":"good"},
        {"traceId":"0","id":"eee19b7ec3c1b174","name":"bad"},
        {"traceId":"d269b633813fc60c","id":"eee19b7ec3c1b175","name":"short"}
    ]"#;
    let answer = post(gateway.zipkin(), "/api/v2/spans", JSON, json.as_bytes()).await;
    assert_eq!((answer.status, answer.body.len()), (202, 0));
    let headers = [JSON[0], ("content-encoding", "gzip")];
    let packed = gzip(br#"[{"traceId":"1","id":"2","name":"gzip"}]"#);
    let answer = post(gateway.zipkin(), "/api/v2/spans", &headers, &packed).await;
    assert_eq!(answer.status, 202);
    assert_eq!(gateway.names(), ["good", "gzip", "short"]);
    assert_eq!(gateway.count("wholetrace_gateway_spans_refused_total", "span_id"), 1);
    gateway.stop().await;
}

/// Whatever path and type the sender gives: the body tells what it is.
#[tokio::test]
async fn zipkin_is_taken_in_every_encoding_and_version() {
    let gateway = Running::start("zipkins", "{}").await;
    let v2 = |name: &str| format!(r#"[{{"traceId":"1","id":"2","name":"{name}"}}]"#).into_bytes();
    let v1 = |name: &str| {
        format!(
            r#"[{{"traceId":"1","id":"2","name":"{name}","annotations":[{{"timestamp":1,
                "value":"sr","endpoint":{{"serviceName":"a"}}}}]}}]"#
        )
        .into_bytes()
    };
    let protobuf = |name: &str| {
        let mut span = Vec::new();
        put_bytes(&mut span, 1, &[1; 16]);
        put_bytes(&mut span, 3, &[2; 8]);
        put_bytes(&mut span, 5, name.as_bytes());
        let mut list = Vec::new();
        put_bytes(&mut list, 1, &span);
        list
    };
    let thrift = |name: &str| {
        let mut writer = Writer::new(Protocol::Binary);
        writer.put_list(Kind::Struct, 1);
        writer.structure(|span| {
            span.i64(1, 1);
            span.i64(4, 2);
            span.text(3, name);
        });
        writer.into_bytes()
    };
    let thrift_type: &[(&str, &str)] = &[("content-type", "application/x-thrift")];
    let text_type: &[(&str, &str)] = &[("content-type", "text/plain; charset=utf-8")];
    let (one, two) = ("/api/v1/spans", "/api/v2/spans");
    let rows = [
        ("v1", one, JSON, v1("v1")),
        ("v2", two, JSON, v2("v2")),
        ("v1 at v2", two, JSON, v1("v1 at v2")),
        ("v2 at v1", one, JSON, v2("v2 at v1")),
        ("text", "/", text_type, v1("text")),
        ("no type", two, &[], v2("no type")),
        ("protobuf", two, PROTOBUF, protobuf("protobuf")),
        ("protobuf untold", one, &[], protobuf("protobuf untold")),
        ("json as protobuf", two, PROTOBUF, v2("json as protobuf")),
        ("thrift", one, thrift_type, thrift("thrift")),
        ("thrift untold", two, JSON, thrift("thrift untold")),
    ];
    let mut names = Vec::new();
    for (name, path, headers, body) in rows {
        let answer = post(gateway.zipkin(), path, headers, &body).await;
        assert_eq!((answer.status, answer.body.len()), (202, 0), "{name}: {answer:?}");
        names.push(name);
    }
    names.sort_unstable();
    assert_eq!(gateway.names(), names);
    gateway.stop().await;
}

/// B3's header asks for all that a request tells of to be kept.
#[tokio::test]
async fn a_zipkin_request_can_force_its_spans_to_be_kept() {
    let gateway = Running::start("b3", "{}").await;
    let sampled = "00-80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-01";
    for (name, header) in [
        ("kept", ("X-B3-Flags", "1")),
        ("plain", ("X-B3-Flags", "0")),
        // That a span is sampled is no wish to keep its trace.
        ("sampled", ("X-B3-Sampled", "1")),
        ("sampled", ("traceparent", sampled)),
    ] {
        let headers = [JSON[0], header];
        let body = format!(r#"[{{"traceId":"1","id":"2","name":"{name}"}}]"#);
        let answer = post(gateway.zipkin(), "/api/v2/spans", &headers, body.as_bytes()).await;
        assert_eq!(answer.status, 202);
    }
    let kept: Vec<_> = gateway
        .spans()
        .into_iter()
        .filter(|span| span.attributes.iter().any(|one| one.key == "wholetrace.keep"))
        .map(|span| span.name)
        .collect();
    assert_eq!(kept, ["kept"]);
    gateway.stop().await;
}

/// Over gRPC spans come to the port that HTTP is spoken at, and trace ids may be of 64 bits.
#[tokio::test]
async fn zipkin_spans_are_reported_over_grpc() {
    let gateway = Running::start("reportgrpc", "{}").await;
    let channel = channel(gateway.zipkin()).await;
    for (name, encoding) in [("gzip", Some(CompressionEncoding::Gzip)), ("plain", None)] {
        let good = list(&[1; 8], &[2; 8], name);
        let message = [good, list(&[1; 16], &[0; 8], "bad")].concat();
        let answer = call(&channel, REPORT_PATH, message, encoding).await.unwrap();
        // What Zipkin answers has no fields.
        assert_eq!(answer.into_inner().len(), 0, "{name}");
    }
    let empty = call(&channel, REPORT_PATH, Vec::new(), None).await.unwrap();
    assert_eq!(empty.into_inner().len(), 0);
    assert_eq!(gateway.names(), ["gzip", "plain"]);
    assert!(gateway.spans().iter().all(|span| span.trace_id[..8] == [0; 8]));
    let debug = |span: &Span| span.attributes.iter().any(|tag| tag.key == "wholetrace.keep");
    assert!(gateway.spans().iter().all(debug));
    assert_eq!(gateway.count("wholetrace_gateway_spans_refused_total", "span_id"), 2);
    // HTTP goes on beside it.
    let json = br#"[{"traceId":"1","id":"2","name":"posted"}]"#;
    assert_eq!(post(gateway.zipkin(), "/api/v2/spans", JSON, json).await.status, 202);
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_no_report_over_grpc_is_refused() {
    let gateway = Running::start("reportbad", "{}").await;
    let channel = channel(gateway.zipkin()).await;
    let other = "/zipkin.proto3.SpanService/Other";
    for (path, message, code, said) in [
        (REPORT_PATH, list(&[1; 16], &[0; 8], "bad"), Code::InvalidArgument, "1 spans refused"),
        (REPORT_PATH, vec![0x0a, 0x7f], Code::InvalidArgument, "not a list of Zipkin"),
        (other, list(&[1; 16], &[2; 8], "good"), Code::Unimplemented, REPORT_PATH),
    ] {
        let status = call(&channel, path, message, None).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(said), "{status}");
    }
    assert_eq!(gateway.names(), [""; 0]);
    gateway.stop().await;
}
