//! Jaeger's remote sampling: the same answers over HTTP and gRPC, and a file that changes.

use std::{fs, time::Duration};

use serde_json::{Value, json};
use tonic::Code;

use crate::{
    grpc::{call, channel},
    harness::{Running, send},
};

const CALL: &str = "/jaeger.api_v2.SamplingManager/GetSamplingStrategy";

fn strategies(rate: f64) -> String {
    let shop = json!({"service": "the shop", "type": "probabilistic", "param": rate});
    json!({"service_strategies": [shop]}).to_string()
}

/// A receiver with everything that answers, by `file`.
async fn start(name: &'static str, file: &std::path::Path) -> Running {
    let free = json!({"endpoint": "127.0.0.1:0"});
    let sampling = json!({
        "endpoint": "127.0.0.1:0", "strategy_file": file, "strategy_file_reload_interval": "1s",
    });
    let protocols = json!({"grpc": free, "thrift_http": free});
    let receiver = json!({"protocols": protocols, "remote_sampling": sampling});
    let receivers = json!({format!("jaeger/{name}"): receiver});
    Running::start_as(name, &json!({"receivers": receivers}).to_string()).await
}

async fn rate(gateway: &Running, path: &str, listener: &str) -> Value {
    let answer = send(gateway.jaeger(listener), "GET", path, &[], b"").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer["strategyType"], "PROBABILISTIC");
    answer["probabilisticSampling"]["samplingRate"].clone()
}

#[tokio::test]
async fn clients_are_told_their_strategy_over_http_and_grpc() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("strategies.json");
    fs::write(&file, strategies(0.25)).unwrap();
    let gateway = start("samplingtold", &file).await;
    for (listener, path) in [
        ("remote_sampling", "/sampling?service=the+shop"),
        ("remote_sampling", "/?service=the%20shop"),
        ("thrift_http", "/api/sampling?a=b&service=the+shop"),
    ] {
        assert_eq!(rate(&gateway, path, listener).await, 0.25, "{path}");
    }
    assert_eq!(rate(&gateway, "/sampling?service=other", "remote_sampling").await, 0.001);
    for path in ["/sampling", "/sampling?service=a&service=b", "/sampling?name=a"] {
        let answer = send(gateway.jaeger("remote_sampling"), "GET", path, &[], b"").await;
        assert_eq!(answer.status, 400, "{path}");
    }
    let channel = channel(gateway.jaeger("grpc")).await;
    let answer = call(&channel, CALL, b"\x0a\x08the shop".to_vec(), None).await.unwrap();
    assert_eq!(*answer.into_inner(), [&b"\x12\x09\x09"[..], &0.25_f64.to_le_bytes()].concat());
    for message in [b"\x0a\x7f".to_vec(), vec![0; 1 << 20]] {
        assert!(call(&channel, CALL, message, None).await.is_err());
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_file_that_changes_answers_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("strategies.json");
    fs::write(&file, strategies(0.25)).unwrap();
    let gateway = start("samplingchange", &file).await;
    let path = "/sampling?service=the+shop";
    // One that cannot be used changes nothing.
    fs::write(&file, "{").unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(rate(&gateway, path, "remote_sampling").await, 0.25);
    fs::write(&file, strategies(0.5)).unwrap();
    for _ in 0..200 {
        if rate(&gateway, path, "remote_sampling").await == 0.5 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(rate(&gateway, path, "remote_sampling").await, 0.5);
    gateway.stop().await;
}

/// Without the setting there is nothing to ask.
#[tokio::test]
async fn who_is_not_told_is_told_so() {
    let gateway = Running::start("samplingoff", "{}").await;
    let path = "/api/sampling?service=a";
    let answer = send(gateway.jaeger("thrift_http"), "GET", path, &[], b"").await;
    assert_eq!(answer.status, 404);
    let channel = channel(gateway.jaeger("grpc")).await;
    let status = call(&channel, CALL, Vec::new(), None).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    gateway.stop().await;
}
