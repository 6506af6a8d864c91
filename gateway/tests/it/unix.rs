//! OTLP by Unix sockets, with the clients that it is meant for.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};
use wholetrace_spanlog::TopicName;

use crate::{
    grpc::export,
    harness::{Running, request, span},
};

/// Starts a gateway on two sockets in `folder`, with these limits.
async fn started(name: &'static str, folder: &Path, limits: &str) -> Running {
    let socket = |file: &str| {
        let path = folder.join(file);
        format!(r#"{{"transport": "unix", "endpoint": "{}"}}"#, path.display())
    };
    let (grpc, http) = (socket("grpc.sock"), socket("http.sock"));
    let json = format!(
        r#"{{"receivers": {{"otlp/{name}": {{"protocols": {{"grpc": {grpc}, "http": {http}}}}}}},
            "limits": {limits}}}"#
    );
    Running::start_as(name, &json).await
}

async fn channel(path: PathBuf) -> Channel {
    let connector = tower::service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    Endpoint::from_static("http://localhost").connect_with_connector(connector).await.unwrap()
}

/// Posts `body` with hyper's client; gives the status and the body of the answer.
async fn post(path: &Path, body: Vec<u8>) -> (u16, Bytes) {
    let stream = TokioIo::new(UnixStream::connect(path).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("/v1/traces").header("host", "localhost");
    let request = request.header("content-type", "application/x-protobuf");
    let answer = sender.send_request(request.body(Full::new(Bytes::from(body))).unwrap()).await;
    let answer = answer.unwrap();
    let status = answer.status().as_u16();
    (status, answer.into_body().collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn spans_come_by_unix_sockets_over_grpc_and_http() {
    let folder = tempfile::tempdir().unwrap();
    let sockets = ["grpc.sock", "http.sock"].map(|file| folder.path().join(file));
    // What a process that was killed has left.
    drop(std::os::unix::net::UnixListener::bind(&sockets[0]).unwrap());
    let gateway = started("unixsockets", folder.path(), "{}").await;
    let grpc = channel(sockets[0].clone()).await;
    export(&grpc, request(vec![span(1, "grpc")]), None).await.unwrap();
    let (status, answer) = post(&sockets[1], request(vec![span(1, "http")])).await;
    assert_eq!((status, answer.len()), (200, 0));
    assert_eq!(gateway.names(), ["grpc", "http"]);
    // Refusals come as they do over TCP.
    assert_eq!(post(&sockets[1], vec![0x0a, 0x7f]).await.0, 400);
    let status = export(&grpc, vec![0x0a, 0x7f], None).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(gateway.count("wholetrace_gateway_connections_total", "/grpc\""), 1);
    assert_eq!(gateway.count("wholetrace_gateway_connections_total", "/http\""), 2);
    drop(grpc);
    gateway.stop().await;
    assert!(sockets.iter().all(|path| !path.exists()));
}

/// A connection by a socket has its part of the bytes in flight, and is one of those that may be open.
#[tokio::test]
async fn connections_by_unix_sockets_have_their_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grpc.sock");
    let limits = r#"{"connections": 2, "in_flight": "6MiB", "append_timeout": "60s"}"#;
    let gateway = started("unixbounds", folder.path(), limits).await;
    let (one, other) = (channel(path.clone()).await, channel(path.clone()).await);
    gateway.log.hold(TopicName::Spans);
    let send = |channel: &Channel| {
        let channel = channel.clone();
        let large = request(vec![span(1, &"x".repeat(800_000))]);
        tokio::spawn(async move { export(&channel, large, None).await })
    };
    let received = || gateway.count("wholetrace_gateway_received_bytes_total", "/grpc\"");
    let first = send(&one);
    while received() < 800_000 {
        tokio::task::yield_now().await;
    }
    let refused = send(&one).await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.message().contains("this connection"), "{refused}");
    // It takes nothing of what the others have.
    let second = send(&other);
    while received() < 1_600_000 {
        tokio::task::yield_now().await;
    }
    let third = UnixStream::connect(&path).await.unwrap();
    while gateway.count("wholetrace_gateway_connections_refused_total", "connections") == 0 {
        tokio::task::yield_now().await;
    }
    gateway.log.resume(TopicName::Spans);
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    drop((one, other, third));
    gateway.stop().await;
}
