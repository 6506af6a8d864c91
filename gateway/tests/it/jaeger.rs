//! Jaeger's protocols: what is taken, and how what is not is answered.

use tonic::{Code, codec::CompressionEncoding};
use wholetrace_proto::{
    jaeger::api_v2::POST_SPANS_PATH,
    otlp::EXPORT_PATH,
    thrift::{Kind, Protocol, Writer},
    wire::{put_bytes, put_uint},
};

use crate::{
    grpc::{call, channel},
    harness::{JSON, Running, post},
};

const REFUSED: &str = "wholetrace_gateway_requests_refused_total";
const SPANS_REFUSED: &str = "wholetrace_gateway_spans_refused_total";

/// A span in Jaeger's protobuf.
fn span(trace: u8, name: &str) -> Vec<u8> {
    let mut span = Vec::new();
    put_bytes(&mut span, 1, &[trace; 16]);
    put_bytes(&mut span, 2, &[1; 8]);
    put_bytes(&mut span, 3, name.as_bytes());
    put_uint(&mut span, 5, 2);
    span
}

/// A `PostSpansRequest`.
fn batch(spans: &[Vec<u8>]) -> Vec<u8> {
    let (mut batch, mut request) = (Vec::new(), Vec::new());
    spans.iter().for_each(|span| put_bytes(&mut batch, 1, span));
    put_bytes(&mut request, 1, &batch);
    request
}

#[tokio::test]
async fn batches_over_grpc_are_taken() {
    let gateway = Running::start("jaegergrpc", "{}").await;
    let channel = channel(gateway.jaeger("grpc")).await;
    for (name, encoding) in [("plain", None), ("gzip", Some(CompressionEncoding::Gzip))] {
        let message = batch(&[span(1, name), span(0, "bad")]);
        let answer = call(&channel, POST_SPANS_PATH, message, encoding).await.unwrap();
        // What Jaeger answers has no fields.
        assert_eq!(answer.into_inner().len(), 0, "{name}");
    }
    assert_eq!(gateway.names(), ["gzip", "plain"]);
    let keep = gateway.spans()[0].attributes[0].key.clone();
    assert_eq!(keep, "wholetrace.keep");
    assert_eq!(gateway.count(SPANS_REFUSED, "span_id"), 2);
    let empty = call(&channel, POST_SPANS_PATH, Vec::new(), None).await.unwrap();
    assert_eq!(empty.into_inner().len(), 0);
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_no_batch_is_refused() {
    let gateway = Running::start("jaegernone", "{}").await;
    let channel = channel(gateway.jaeger("grpc")).await;
    let bad = || batch(&[span(0, "bad")]);
    let told = "1 spans refused: 1 span_id; the first: field `1` of `Span` is an id of zeros, must \
                have a bit set";
    for (path, message, code, said) in [
        (POST_SPANS_PATH, bad(), Code::InvalidArgument, told),
        (POST_SPANS_PATH, vec![0x08, 1], Code::InvalidArgument, "the request is malformed"),
        (EXPORT_PATH, bad(), Code::Unimplemented, POST_SPANS_PATH),
    ] {
        let status = call(&channel, path, message, None).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(said), "{status}");
    }
    assert_eq!(gateway.count(REFUSED, "reason=\"malformed\""), 2);
    assert_eq!(gateway.count(REFUSED, "reason=\"path\""), 1);
    assert_eq!(gateway.names(), [""; 0]);
    gateway.stop().await;
}

/// A `Batch` in Thrift's binary protocol: each span has a trace id, a name and the debug flag.
pub(crate) fn thrift_batch(writer: &mut Writer, spans: &[(i64, &str)]) {
    writer.structure(|batch| {
        batch.nested(1, |process| process.text(1, "shop"));
        batch.list(2, Kind::Struct, spans.len() as u32, |list| {
            for (trace, name) in spans {
                list.structure(|span| {
                    span.i64(1, *trace);
                    span.i64(3, 1);
                    span.text(5, name);
                    span.i32(7, 2);
                });
            }
        });
    });
}

fn thrift(spans: &[(i64, &str)]) -> Vec<u8> {
    let mut writer = Writer::new(Protocol::Binary);
    thrift_batch(&mut writer, spans);
    writer.into_bytes()
}

#[tokio::test]
async fn batches_in_thrift_over_http_are_taken() {
    let gateway = Running::start("jaegerposted", "{}").await;
    let address = gateway.jaeger("thrift_http");
    let path = "/api/traces?format=jaeger.thrift";
    for (kind, name) in [
        ("application/x-thrift", "a"),
        ("application/vnd.apache.thrift.binary", "b"),
        ("application/x-thrift; charset=utf-8", "c"),
        ("", "d"),
    ] {
        let headers = [("content-type", kind)];
        let answer = post(address, path, &headers, &thrift(&[(1, name), (0, "bad")])).await;
        assert_eq!((answer.status, answer.body.len()), (202, 0), "{kind}: {answer:?}");
    }
    assert_eq!(gateway.names(), ["a", "b", "c", "d"]);
    assert_eq!(gateway.count(SPANS_REFUSED, "span_id"), 4);
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_no_batch_in_thrift_is_refused() {
    let gateway = Running::start("jaegerhttpbad", "{}").await;
    let address = gateway.jaeger("thrift_http");
    let binary: &[(&str, &str)] = &[("content-type", "application/x-thrift")];
    let good = thrift(&[(1, "good")]);
    let cut_off = &good[..good.len() - 8];
    for (name, path, headers, body, status) in [
        ("bad", "/api/traces", binary, &*thrift(&[(0, "bad")]), 400),
        ("cut off", "/api/traces", binary, cut_off, 400),
        ("nothing", "/api/traces", binary, b"", 400),
        ("JSON", "/api/traces", JSON, b"{}", 415),
        ("elsewhere", "/api/v2/spans", binary, &good, 404),
    ] {
        let answer = post(address, path, headers, body).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
    }
    // What stands before the fault is taken.
    let (some, both) = (thrift(&[(1, "first")]), thrift(&[(1, "first"), (2, "second")]));
    let answer = post(address, "/api/traces", binary, &both[..some.len() + 5]).await;
    assert_eq!((answer.status, gateway.names()), (202, vec!["first".to_owned()]), "{answer:?}");
    assert_eq!(gateway.count(SPANS_REFUSED, "span_malformed"), 2);
    gateway.stop().await;
}
