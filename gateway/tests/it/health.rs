//! `grpc.health.v1`: what is told of which service, and when it changes.

use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use tonic::{Code, Request, Status, transport::Channel};
use wholetrace_runtime::grpc::BytesCodec;

use crate::{
    grpc::{call, channel},
    harness::Running,
};

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";

const SERVING: &[u8] = b"\x08\x01";
const NOT_SERVING: &[u8] = b"\x08\x02";
const SERVICE_UNKNOWN: &[u8] = b"\x08\x03";

const OTLP: &str = "opentelemetry.proto.collector.trace.v1.TraceService";
const JAEGER: &str = "jaeger.api_v2.CollectorService";
const ZIPKIN: &str = "zipkin.proto3.SpanService";

fn about(service: &str) -> Vec<u8> {
    let mut message = vec![0x0a, u8::try_from(service.len()).unwrap()];
    message.extend_from_slice(service.as_bytes());
    message
}

async fn try_watch(channel: &Channel, service: &str) -> Result<tonic::Streaming<Bytes>, Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let (request, path) = (Bytes::from(about(service)), PathAndQuery::from_static(WATCH));
    let answer = client.server_streaming(Request::new(request), path, BytesCodec).await;
    answer.map(tonic::Response::into_inner)
}

async fn watch(channel: &Channel, service: &str) -> tonic::Streaming<Bytes> {
    try_watch(channel, service).await.unwrap()
}

#[tokio::test]
async fn each_listener_tells_the_health_of_its_services() {
    let gateway = Running::start("healthcheck", "{}").await;
    let listeners =
        [(gateway.grpc(), OTLP), (gateway.jaeger("grpc"), JAEGER), (gateway.zipkin(), ZIPKIN)];
    for (address, served) in listeners {
        let channel = channel(address).await;
        for message in [Vec::new(), about(""), about(served)] {
            let answer = call(&channel, CHECK, message, None).await.unwrap();
            assert_eq!(*answer.into_inner(), *SERVING, "{served}");
        }
        for other in ["a.Service", "jaeger.api_v2.SamplingManager"] {
            let status = call(&channel, CHECK, about(other), None).await.unwrap_err();
            assert_eq!(status.code(), Code::NotFound, "{served}");
            assert!(status.message().contains(served), "{status}");
        }
        for bad in [b"\x0a\x7f".to_vec(), vec![0; 1 << 16]] {
            assert!(call(&channel, CHECK, bad, None).await.is_err(), "{served}");
        }
    }
    gateway.stop().await;
}

/// It needs no token, and no room: who is busy is well.
#[tokio::test]
async fn health_is_told_to_who_may_not_send() {
    let tenants = r#"{"tenants": [{"name": "shop", "tokens": ["the-token-of-the-shop"]}]}"#;
    let gateway = Running::start_for("healthtoken", tenants).await;
    let channel = channel(gateway.grpc()).await;
    let answer = call(&channel, CHECK, Vec::new(), None).await.unwrap();
    assert_eq!(*answer.into_inner(), *SERVING);
    assert_eq!(gateway.count("wholetrace_gateway_requests", ""), 0);
    gateway.stop().await;
}

/// A watcher is told that the gateway stops, and does not keep it from that.
#[tokio::test]
async fn a_watcher_is_told_that_the_gateway_stops() {
    let gateway = Running::start("healthwatch", "{}").await;
    let channel = channel(gateway.grpc()).await;
    let (mut known, mut unknown) = (watch(&channel, OTLP).await, watch(&channel, "a").await);
    assert_eq!(*known.message().await.unwrap().unwrap(), *SERVING);
    assert_eq!(*unknown.message().await.unwrap().unwrap(), *SERVICE_UNKNOWN);
    let stopping = tokio::spawn(gateway.stop());
    assert_eq!(*known.message().await.unwrap().unwrap(), *NOT_SERVING);
    for mut ended in [known, unknown] {
        assert_eq!(ended.message().await.unwrap_err().code(), Code::Unavailable);
    }
    drop(channel);
    stopping.await.unwrap();
}

/// Who watches holds memory: a connection has room for a few, and a call that ends makes room again.
#[tokio::test]
async fn a_connection_has_room_for_few_watchers() {
    let gateway = Running::start("healthwatchers", "{}").await;
    let one = channel(gateway.grpc()).await;
    let mut watching = Vec::new();
    let status = loop {
        match try_watch(&one, OTLP).await {
            Ok(stream) => watching.push(stream),
            Err(status) => break status,
        }
    };
    assert_eq!((status.code(), watching.len()), (Code::ResourceExhausted, 8), "{status}");
    assert!(status.message().contains("by `Check`"), "{status}");
    // Neither other calls of it nor other connections mind.
    assert_eq!(*call(&one, CHECK, Vec::new(), None).await.unwrap().into_inner(), *SERVING);
    let other = channel(gateway.grpc()).await;
    assert_eq!(*watch(&other, OTLP).await.message().await.unwrap().unwrap(), *SERVING);
    watching.pop();
    // The end of a call takes a moment to come.
    while try_watch(&one, OTLP).await.is_err() {
        tokio::task::yield_now().await;
    }
    drop((watching, one, other));
    gateway.stop().await;
}

/// A connection that is watched on is in use, however little else there is on it.
#[tokio::test]
async fn a_watched_connection_is_not_idle() {
    let idle = r#"{"keepalive": {"server_parameters": {"max_connection_idle": "20ms"}}}"#;
    let gateway = Running::start_with("healthidle", "{}", idle, "{}").await;
    let (watched, unwatched) = (channel(gateway.grpc()).await, channel(gateway.grpc()).await);
    let mut stream = watch(&watched, OTLP).await;
    assert_eq!(*stream.message().await.unwrap().unwrap(), *SERVING);
    let open = || gateway.count("wholetrace_gateway_connections{", "/grpc\"");
    let opened = || gateway.count("wholetrace_gateway_connections_total", "/grpc\"");
    while opened() < 2 || open() > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let stopping = tokio::spawn(gateway.stop());
    assert_eq!(*stream.message().await.unwrap().unwrap(), *NOT_SERVING);
    assert_eq!(stream.message().await.unwrap_err().code(), Code::Unavailable);
    drop((watched, unwatched));
    stopping.await.unwrap();
}
