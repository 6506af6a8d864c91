//! What is served: encodings, content types, paths, CORS.

use prost::Message;
use wholetrace_proto::otlp::ExportTraceServiceResponse;

use crate::harness::{JSON, PROTOBUF, Running, gzip, post, request, send, span};

#[tokio::test]
async fn every_encoding_over_http_is_undone() {
    let gateway = Running::start("encodings", "{}").await;
    let mut wanted = Vec::new();
    for encoding in ["identity", "gzip", "zstd", "deflate", "GZIP"] {
        let body = request(vec![span(1, encoding)]);
        let body = match encoding {
            "gzip" | "GZIP" => gzip(&body),
            "zstd" => zstd::encode_all(&body[..], 3).unwrap(),
            "deflate" => {
                use std::io::Write;
                let level = flate2::Compression::fast();
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(&body).unwrap();
                encoder.finish().unwrap()
            }
            _ => body,
        };
        let headers = [PROTOBUF[0], ("content-encoding", encoding)];
        let answer = post(gateway.http(), "/v1/traces", &headers, &body).await;
        assert_eq!(answer.status, 200, "{encoding}: {answer:?}");
        wanted.push(encoding.to_owned());
    }
    wanted.sort();
    assert_eq!(gateway.names(), wanted);
    gateway.stop().await;
}

#[tokio::test]
async fn protobuf_and_json_are_answered_in_kind() {
    let gateway = Running::start("kinds", "{}").await;
    let body = request(vec![span(1, "protobuf")]);
    let with_parameter = [("content-type", "application/x-protobuf; charset=utf-8")];
    let answer = post(gateway.http(), "/v1/traces", &with_parameter, &body).await;
    assert_eq!(answer.header("content-type"), Some("application/x-protobuf"));
    assert!(ExportTraceServiceResponse::decode(answer.body).unwrap().partial_success.is_none());
    let json = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[
        {"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174","name":"json"}
    ]}]}]}"#;
    let answer = post(gateway.http(), "/v1/traces", JSON, json.as_bytes()).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(&answer.body[..], b"{}");
    assert_eq!(gateway.names(), ["json", "protobuf"]);
    gateway.stop().await;
}

/// Zero spans are a success, in every way to say so.
#[tokio::test]
async fn zero_spans_are_a_success() {
    let gateway = Running::start("zero", "{}").await;
    for (headers, body) in [
        (PROTOBUF, &b""[..]),
        (PROTOBUF, &request(vec![])),
        (JSON, b"{}"),
        (JSON, br#"{"resourceSpans":[]}"#),
    ] {
        let answer = post(gateway.http(), "/v1/traces", headers, body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    for body in [&b""[..], b"[]"] {
        let answer = post(gateway.zipkin(), "/api/v2/spans", JSON, body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }
    assert_eq!(gateway.spans(), []);
    gateway.stop().await;
}

#[tokio::test]
async fn partial_success_says_how_many_and_why() {
    let gateway = Running::start("partial", "{}").await;
    let mut bad = span(2, "bad");
    bad.trace_id.pop();
    let body = request(vec![span(1, "good"), bad, span(1, "good too")]);
    let answer = post(gateway.http(), "/v1/traces", PROTOBUF, &body).await;
    let partial = ExportTraceServiceResponse::decode(answer.body).unwrap().partial_success.unwrap();
    assert_eq!((answer.status, partial.rejected_spans), (200, 1));
    assert!(partial.error_message.contains("span_id"), "{}", partial.error_message);
    let json = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[
        {"traceId":"W47/95gDgQPSabYzgT/GDA==","spanId":"7uGbfsPBsXQ=","name":"base64"},
        {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"hex"}
    ]}]}]}"#;
    let answer = post(gateway.http(), "/v1/traces", JSON, json.as_bytes()).await;
    assert_eq!(answer.status, 200);
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.contains(r#""rejectedSpans":"1""#), "{text}");
    assert_eq!(gateway.names(), ["good", "good too", "hex"]);
    assert_eq!(gateway.count("wholetrace_gateway_spans_refused_total", "span_id"), 2);
    assert_eq!(gateway.count("wholetrace_gateway_spans_total", ""), 3);
    gateway.stop().await;
}

#[tokio::test]
async fn extra_paths_take_traces_too() {
    let http = r#"{"extra_traces_url_paths": ["/", "/otlp"]}"#;
    let gateway = Running::start_with("paths", "{}", "{}", http).await;
    for path in ["/", "/otlp", "/v1/traces", "/v1/traces?key=value"] {
        let body = request(vec![span(1, path)]);
        let answer = post(gateway.http(), path, PROTOBUF, &body).await;
        assert_eq!(answer.status, 200, "{path}");
    }
    gateway.stop().await;
}

/// Senders whose base address has a path put it before theirs.
#[tokio::test]
async fn paths_behind_any_prefix_take_traces() {
    let http = r#"{"extra_traces_url_paths": ["*/v1/traces"]}"#;
    let gateway = Running::start_with("prefixes", "{}", "{}", http).await;
    for (path, status) in [
        ("/otlp/v1/traces", 200),
        ("/a/b/v1/traces", 200),
        ("//v1/traces", 200),
        ("/v1/traces", 200),
        ("/v1/traces/more", 404),
        ("/otlp/v1/logs", 404),
        ("/", 404),
    ] {
        let body = request(vec![span(1, path)]);
        let answer = post(gateway.http(), path, PROTOBUF, &body).await;
        assert_eq!(answer.status, status, "{path}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn browsers_of_allowed_origins_may_send() {
    let http = r#"{"cors": {"allowed_origins": ["https://*.example"], "max_age": 60}}"#;
    let gateway = Running::start_with("cors", "{}", "{}", http).await;
    let preflight = |origin| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type"),
        ];
        let address = gateway.http();
        async move { send(address, "OPTIONS", "/v1/traces", &headers, b"").await }
    };
    let allowed = preflight("https://shop.example").await;
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://shop.example"));
    assert_eq!(allowed.header("access-control-max-age"), Some("60"));
    // Without it a browser sends no beacon.
    assert_eq!(allowed.header("access-control-allow-credentials"), Some("true"));
    let denied = preflight("https://shop.evil").await;
    assert_eq!(denied.header("access-control-allow-origin"), None);
    let headers = [PROTOBUF[0], ("origin", "https://shop.example")];
    let body = request(vec![span(1, "page")]);
    let answer = post(gateway.http(), "/v1/traces", &headers, &body).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    gateway.stop().await;
}
