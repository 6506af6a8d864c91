//! Zipkin: every encoding and version, at every path.

use tonic::{Code, codec::CompressionEncoding};
use wholetrace_proto::{
    otlp::Span,
    wire::{put_bytes, put_uint},
    zipkin::REPORT_PATH,
};

use crate::{
    dialects::Dialect,
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

/// Bytes say what they are; that they are packed, the header says, and both must be true.
#[tokio::test]
async fn trap_20_what_is_sent_in_a_wrong_mode_is_taken_as_what_it_is() {
    let gateway = Running::start("trap20", "{}").await;
    let ways: [(&str, &[(&str, &str)]); 6] = [
        ("/api/v2/spans", &[]),
        ("/api/v2/spans", &[("content-type", "text/plain")]),
        ("/api/v2/spans", PROTOBUF),
        ("/api/v1/spans", JSON),
        ("/api/v1/spans", &[("content-type", "application/x-thrift")]),
        ("/", &[("content-type", "application/octet-stream")]),
    ];
    let zipkin = [
        Dialect::ZipkinJson,
        Dialect::ZipkinProtobuf,
        Dialect::ZipkinV1Json,
        Dialect::ZipkinThrift,
    ];
    let mut taken = 0;
    for (path, headers) in ways {
        for dialect in zipkin {
            let body = dialect.batch(&[dialect.span(7, b"good")]);
            let answer = post(gateway.zipkin(), path, headers, &body).await;
            assert_eq!(answer.status, 202, "{dialect:?} at {path} as {headers:?}: {answer:?}");
            taken += 1;
        }
    }
    assert_eq!(gateway.names(), vec!["good"; taken]);
    // Packed twice or not at all where the header says once.
    let body = zipkin[0].batch(&[zipkin[0].span(7, b"good")]);
    let packed = [JSON[0], ("content-encoding", "gzip")];
    for (headers, body, status) in
        [(&packed[..], gzip(&body), 202), (&packed, body.clone(), 400), (JSON, gzip(&body), 400)]
    {
        let answer = post(gateway.zipkin(), "/api/v2/spans", headers, &body).await;
        assert_eq!(answer.status, status, "{headers:?}: {answer:?}");
    }
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
