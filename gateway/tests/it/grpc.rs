//! OTLP over gRPC, with tonic's client.

use std::net::SocketAddr;

use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message;
use tonic::{Code, Request, Response, Status, codec::CompressionEncoding, transport::Channel};
use tonic_types::StatusExt;
use wholetrace_proto::otlp::{EXPORT_PATH, ExportTraceServiceResponse};
use wholetrace_runtime::grpc::BytesCodec;
use wholetrace_spanlog::{AppendError, TopicName};

use crate::harness::{Running, post, request, span};

pub(crate) async fn channel(address: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

pub(crate) async fn export(
    channel: &Channel,
    message: Vec<u8>,
    encoding: Option<CompressionEncoding>,
) -> Result<Response<Bytes>, Status> {
    call(channel, EXPORT_PATH, message, encoding).await
}

pub(crate) async fn call(
    channel: &Channel,
    path: &'static str,
    message: Vec<u8>,
    encoding: Option<CompressionEncoding>,
) -> Result<Response<Bytes>, Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    if let Some(encoding) = encoding {
        client = client.send_compressed(encoding);
    }
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static(path);
    client.unary(Request::new(Bytes::from(message)), path, BytesCodec).await
}

#[tokio::test]
async fn every_encoding_over_grpc_is_undone() {
    let gateway = Running::start("grpcgood", "{}").await;
    let channel = channel(gateway.grpc()).await;
    for (name, encoding) in [
        ("identity", None),
        ("gzip", Some(CompressionEncoding::Gzip)),
        ("zstd", Some(CompressionEncoding::Zstd)),
    ] {
        let answer = export(&channel, request(vec![span(1, name)]), encoding).await.unwrap();
        assert_eq!(answer.into_inner().len(), 0, "{name}");
    }
    assert_eq!(gateway.names(), ["gzip", "identity", "zstd"]);
    gateway.stop().await;
}

#[tokio::test]
async fn partial_success_over_grpc() {
    let gateway = Running::start("grpcpartial", "{}").await;
    let channel = channel(gateway.grpc()).await;
    let mut bad = span(2, "bad");
    bad.span_id = vec![0; 8];
    let answer = export(&channel, request(vec![bad, span(1, "good")]), None).await.unwrap();
    let response = ExportTraceServiceResponse::decode(answer.into_inner()).unwrap();
    assert_eq!(response.partial_success.unwrap().rejected_spans, 1);
    assert_eq!(gateway.names(), ["good"]);
    gateway.stop().await;
}

#[tokio::test]
async fn refusals_over_grpc_have_the_statuses_that_senders_act_on() {
    let grpc = r#"{"max_recv_msg_size_mib": 1}"#;
    let gateway = Running::start_with("grpcbad", "{}", grpc, "{}").await;
    let channel = channel(gateway.grpc()).await;
    let gzip = Some(CompressionEncoding::Gzip);
    let mut cut_off = request(vec![span(1, "a")]);
    cut_off.pop();
    for (name, path, message, encoding, code, reason) in [
        ("cut off", EXPORT_PATH, cut_off, None, Code::InvalidArgument, "malformed"),
        ("other", "/a.Service/Call", vec![], None, Code::Unimplemented, "path"),
        ("large", EXPORT_PATH, vec![0; 2 << 20], None, Code::ResourceExhausted, "body_too_large"),
        (
            "bomb",
            EXPORT_PATH,
            vec![0; 64 << 20],
            gzip,
            Code::ResourceExhausted,
            "inflated_too_large",
        ),
    ] {
        let status = call(&channel, path, message, encoding).await.unwrap_err();
        assert_eq!(status.code(), code, "{name}: {status}");
        assert!(status.get_details_retry_info().is_none(), "{name}");
        let counted = format!("reason=\"{reason}\"");
        let refused = "wholetrace_gateway_requests_refused_total";
        assert_eq!(gateway.count(refused, &counted), 1, "{name}");
        // The connection, and the gateway, are as good as before.
        export(&channel, request(vec![span(1, name)]), None).await.unwrap();
    }
    assert_eq!(gateway.names(), ["bomb", "cut off", "large", "other"]);
    gateway.stop().await;
}

/// Which encodings it may use instead is in the answer, as gRPC asks for.
#[tokio::test]
async fn an_unknown_encoding_is_told_the_known_ones() {
    let gateway = Running::start("grpcencoding", "{}").await;
    let headers = [("content-type", "application/grpc"), ("grpc-encoding", "snappy")];
    let answer = post(gateway.grpc(), EXPORT_PATH, &headers, b"").await;
    assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("12")), "{answer:?}");
    assert_eq!(answer.header("grpc-accept-encoding"), Some("identity,gzip,zstd,deflate"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_full_log_is_told_with_advice_in_both_places() {
    let gateway = Running::start("grpcfull", "{}").await;
    let channel = channel(gateway.grpc()).await;
    let full = AppendError::Full { waiting: 9, limit: 8 };
    gateway.log.refuse(TopicName::Spans, Some(full));
    let status = export(&channel, request(vec![span(1, "a")]), None).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.get_details_retry_info().is_some_and(|info| info.retry_delay.is_some()));
    assert!(status.metadata().get_bin("google.rpc.retryinfo-bin").is_some());
    gateway.log.refuse(TopicName::Spans, None);
    export(&channel, request(vec![span(1, "a")]), None).await.unwrap();
    assert_eq!(gateway.names(), ["a"]);
    gateway.stop().await;
}

/// Its spans may be durable, and nobody was told: that is seen in the metrics at least.
#[tokio::test]
async fn a_request_that_its_sender_gives_up_is_counted() {
    let gateway = Running::start("grpcgivenup", "{}").await;
    let channel = channel(gateway.grpc()).await;
    gateway.log.hold(TopicName::Spans);
    let message = request(vec![span(1, "given up")]);
    let mut exporting = Box::pin(export(&channel, message, None));
    while gateway.log.waiting(TopicName::Spans) == 0 {
        tokio::select! {
            answer = &mut exporting => panic!("answered: {answer:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(exporting);
    let cancelled = || gateway.count("wholetrace_gateway_requests_cancelled_total", "log");
    while cancelled() == 0 {
        tokio::task::yield_now().await;
    }
    gateway.log.resume(TopicName::Spans);
    assert_eq!(cancelled(), 1);
    gateway.stop().await;
}

fn connections(gateway: &Running) -> u64 {
    gateway.count("wholetrace_gateway_connections_total", "/grpc\"")
}

/// Starts a gateway whose connections have these bounds.
async fn aging(name: &'static str, bounds: &str) -> Running {
    let grpc = format!(r#"{{"keepalive": {{"server_parameters": {{{bounds}}}}}}}"#);
    Running::start_with(name, "{}", &grpc, "{}").await
}

/// Senders move to other gateways by making new connections. None of what they have sent fails.
#[tokio::test]
async fn a_connection_ends_at_its_age_without_a_failed_request() {
    let gateway = aging("grpcage", r#""max_connection_age": "20ms""#).await;
    let channel = channel(gateway.grpc()).await;
    let mut sent = 0;
    while connections(&gateway) < 5 {
        match export(&channel, request(vec![span(1, "good")]), None).await {
            Ok(_) => sent += 1,
            // It was not sent: the end of the connection came first.
            Err(status) => assert_eq!(status.code(), Code::Cancelled, "{status}"),
        }
    }
    assert_eq!(gateway.names().len(), sent);
    gateway.stop().await;
}

#[tokio::test]
async fn a_request_under_way_outlives_the_age_of_its_connection() {
    let gateway = aging("grpcunderway", r#""max_connection_age": "20ms""#).await;
    let channel = channel(gateway.grpc()).await;
    gateway.log.hold(TopicName::Spans);
    let sending = |name: &'static str| {
        let channel = channel.clone();
        tokio::spawn(async move { export(&channel, request(vec![span(1, name)]), None).await })
    };
    let first = sending("first");
    while gateway.log.waiting(TopicName::Spans) == 0 {
        tokio::task::yield_now().await;
    }
    // Others follow until they take a new connection.
    let mut others = Vec::new();
    while connections(&gateway) < 2 {
        others.push(sending("other"));
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    gateway.log.resume(TopicName::Spans);
    first.await.unwrap().unwrap();
    for other in others {
        // The client cancels what it has not sent when the end of the connection is announced, and
        // leaves sending it again to who uses it.
        let answer = other.await.unwrap();
        assert!(
            answer.is_ok() || answer.as_ref().unwrap_err().code() == Code::Cancelled,
            "{answer:?}"
        );
    }
    gateway.stop().await;
}

#[tokio::test]
async fn the_grace_bounds_what_is_under_way_and_idleness_ends_a_connection() {
    let bounds = r#""max_connection_age": "20ms", "max_connection_age_grace": "20ms""#;
    let gateway = aging("grpcgrace", bounds).await;
    let held = channel(gateway.grpc()).await;
    gateway.log.hold(TopicName::Spans);
    let status = export(&held, request(vec![span(1, "a")]), None).await.unwrap_err();
    assert!(matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled));
    gateway.log.resume(TopicName::Spans);
    gateway.stop().await;

    let gateway = aging("grpcidle", r#""max_connection_idle": "20ms""#).await;
    let _idle = channel(gateway.grpc()).await;
    let open = || gateway.count("wholetrace_gateway_connections{", "/grpc\"");
    while connections(&gateway) == 0 || open() > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    gateway.stop().await;
}
