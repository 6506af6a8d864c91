//! `grpc.health.v1`: what is told of which service, and when it changes.

use bytes::Bytes;
use http::uri::PathAndQuery;
use tonic::{Code, Request, transport::Channel};
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

async fn watch(channel: &Channel, service: &str) -> tonic::Streaming<Bytes> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let (request, path) = (Bytes::from(about(service)), PathAndQuery::from_static(WATCH));
    let answer = client.server_streaming(Request::new(request), path, BytesCodec).await;
    answer.unwrap().into_inner()
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
