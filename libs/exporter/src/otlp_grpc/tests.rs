use std::{io::Read, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue};
use prost::Message;
use tonic_types::pb::{RetryInfo, Status};
use wholetrace_proto::otlp::{ExportTracePartialSuccess, ExportTraceServiceResponse};

use super::*;
use crate::{
    options::Compression,
    testing::{self, Backend, Received, Reply, batch, grpc_reply, plain_transport, reply},
};

fn exporter(backend: &Backend, compression: Compression) -> OtlpGrpc {
    exporter_within(backend, compression, Duration::from_secs(20))
}

fn exporter_within(backend: &Backend, compression: Compression, timeout: Duration) -> OtlpGrpc {
    let settings = GrpcSettings {
        name: "otlp/test".to_owned(),
        endpoint: backend.uri("http"),
        headers: HeaderMap::from_iter([(
            http::HeaderName::from_static("x-scope-orgid"),
            HeaderValue::from_static("tenant"),
        )]),
        compression,
        timeout,
    };
    OtlpGrpc::new(settings, plain_transport(true)).unwrap()
}

async fn answer_of(
    reply: impl Fn() -> Reply + Send + Sync + 'static,
) -> Result<Accepted, ExportError> {
    let backend = Backend::start(move |_| reply()).await;
    exporter(&backend, Compression::None).export(batch()).await
}

async fn answer_of_code(
    code: &'static str,
    message: &'static str,
) -> Result<Accepted, ExportError> {
    answer_of(move || grpc_reply(b"", &[("grpc-status", code), ("grpc-message", message)])).await
}

fn message_of(request: &Received) -> (u8, Vec<u8>) {
    let len = u32::from_be_bytes(request.body[1..5].try_into().unwrap()) as usize;
    assert_eq!(request.body.len(), 5 + len);
    (request.body[0], request.body[5..].to_vec())
}

#[tokio::test]
async fn the_bytes_of_the_batch_are_the_request() {
    let backend = Backend::start(|_| grpc_reply(b"", &[("grpc-status", "0")])).await;
    let exporter = exporter(&backend, Compression::None);
    assert_eq!(exporter.export(batch()).await, Ok(Accepted::default()));
    let seen = backend.seen();
    let header = |name: &str| seen[0].headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(seen[0].path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    assert_eq!(header("content-type"), Some("application/grpc"));
    assert_eq!(header("te"), Some("trailers"));
    assert_eq!(header("grpc-timeout"), Some("20000m"));
    assert_eq!(header("x-scope-orgid"), Some("tenant"));
    assert_eq!(header("grpc-encoding"), None);
    assert_eq!(message_of(&seen[0]), (0, b"one two".to_vec()));
}

#[tokio::test]
async fn requests_are_compressed() {
    for compression in [Compression::Gzip, Compression::Zstd] {
        let backend = Backend::start(|_| grpc_reply(b"", &[("grpc-status", "0")])).await;
        let large = Batch::new(vec![Bytes::from(vec![b'x'; 100_000]), Bytes::from_static(b"y")], 2);
        for batch in [batch(), large] {
            let sent = batch.pieces().concat();
            let answer = exporter(&backend, compression).export(batch).await;
            assert_eq!(answer, Ok(Accepted::default()));
            let request = backend.seen().pop().unwrap();
            assert_eq!(request.headers["grpc-encoding"], compression.encoding().unwrap());
            let (flag, body) = message_of(&request);
            assert_eq!(flag, 1);
            let inflated = match compression {
                Compression::Zstd => zstd::decode_all(&*body).unwrap(),
                _ => {
                    let mut inflated = Vec::new();
                    flate2::read::GzDecoder::new(&*body).read_to_end(&mut inflated).unwrap();
                    inflated
                }
            };
            assert_eq!(inflated, sent);
        }
    }
}

#[tokio::test]
async fn status_codes_say_what_to_do() {
    let names = |error: ExportError| match error {
        ExportError::Retryable { after: None, .. } => "retryable",
        ExportError::Retryable { .. } => "advice",
        ExportError::Misconfigured { .. } => "barred",
        ExportError::Rejected { .. } => "rejected",
        ExportError::Doubtful { .. } => "doubtful",
        ExportError::Overloaded { .. } => "overloaded",
        ExportError::Oversized { .. } => "oversized",
        ExportError::Permanent { .. } => "permanent",
    };
    let rows = [
        ("1", "", "retryable"),
        ("2", "", "doubtful"),
        ("3", "", "rejected"),
        ("4", "", "overloaded"),
        ("5", "", "doubtful"),
        ("6", "", "doubtful"),
        ("7", "", "barred"),
        ("8", "ingestion rate limit exceeded", "overloaded"),
        ("8", "grpc: received message larger than max (5000000 vs. 4194304)", "rejected"),
        ("8", "gRPC message exceeds maximum size 4194304: 5000000", "rejected"),
        ("8", "TRACE_TOO_LARGE: max size of trace (5000) exceeded", "rejected"),
        ("9", "", "doubtful"),
        ("10", "", "retryable"),
        ("11", "", "doubtful"),
        ("11", "Error, decoded message length too large: found 5 bytes", "rejected"),
        ("12", "", "barred"),
        ("13", "", "doubtful"),
        ("14", "", "retryable"),
        ("15", "", "doubtful"),
        ("16", "", "barred"),
        ("99", "", "doubtful"),
        ("x", "", "doubtful"),
    ];
    for (code, message, expected) in rows {
        let error = answer_of_code(code, message).await.unwrap_err();
        assert_eq!(names(error), expected, "code {code} `{message}`");
    }
}

#[tokio::test]
async fn messages_are_decoded_and_cut() {
    let error = answer_of_code("14", "no%20room%0A%C3%A4%zz%").await.unwrap_err();
    assert_eq!(error.to_string(), "UNAVAILABLE: no room ä%zz%");
    let error = answer_of(|| {
        grpc_reply(b"", &[("grpc-status", "14"), ("grpc-message", &"x".repeat(5000))])
    });
    assert_eq!(error.await.unwrap_err().to_string().chars().count(), 414);
}

#[tokio::test]
async fn advice_is_read_from_both_places() {
    let delay = prost_types::Duration { seconds: 7, nanos: 500_000_000 };
    let info = RetryInfo { retry_delay: Some(delay) }.encode_to_vec();
    let type_url = "type.googleapis.com/google.rpc.RetryInfo".to_owned();
    let any = prost_types::Any { type_url, value: info.clone() };
    let status = Status { code: 8, message: String::new(), details: vec![any] };
    let base64 = |bytes: &[u8]| {
        use base64::{Engine, engine::general_purpose::STANDARD};
        STANDARD.encode(bytes)
    };
    for (name, value) in [
        ("grpc-status-details-bin", base64(&status.encode_to_vec())),
        ("google.rpc.retryinfo-bin", base64(&info).trim_end_matches('=').to_owned()),
    ] {
        let error =
            answer_of(move || grpc_reply(b"", &[("grpc-status", "8"), (name, &value)])).await;
        let after = Some(Duration::from_millis(7500));
        let message = "RESOURCE_EXHAUSTED: ".to_owned();
        assert_eq!(error, Err(ExportError::Retryable { after, message }));
    }
}

#[tokio::test]
async fn advice_that_is_not_base64_is_no_advice() {
    let error =
        answer_of(|| grpc_reply(b"", &[("grpc-status", "14"), ("grpc-status-details-bin", "!!!")]));
    let message = "UNAVAILABLE: ".to_owned();
    assert_eq!(error.await, Err(ExportError::Retryable { after: None, message }));
}

#[tokio::test]
async fn a_partial_success_is_taken_with_its_count() {
    let partial =
        ExportTracePartialSuccess { rejected_spans: 3, error_message: "too old".to_owned() };
    let response = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    let answer = answer_of(move || grpc_reply(&response, &[("grpc-status", "0")])).await;
    assert_eq!(answer, Ok(Accepted { rejected: 3, message: "too old".to_owned() }));
}

/// As grpc-go does it: in the encoding of the request, without being asked.
#[tokio::test]
async fn a_compressed_answer_is_read_up_to_its_bound() {
    let partial = |message: String| {
        let partial = ExportTracePartialSuccess { rejected_spans: 3, error_message: message };
        ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec()
    };
    let compressed = |encoding: Compression, bytes: Vec<u8>| async move {
        let batch = Batch::new(vec![bytes.into()], 0);
        let encoded = encoding.encode(&batch).await.unwrap().concat();
        answer_of(move || {
            let mut reply = testing::grpc_reply_flagged(1, &encoded, &[("grpc-status", "0")]);
            let name = HeaderValue::from_static(encoding.encoding().unwrap());
            reply.headers_mut().insert("grpc-encoding", name);
            reply
        })
        .await
        .unwrap()
    };
    for encoding in [Compression::Gzip, Compression::Zstd] {
        let answer = compressed(encoding, partial("too old".to_owned())).await;
        assert_eq!(answer, Accepted { rejected: 3, message: "too old".to_owned() });
        let bomb = compressed(encoding, partial("x".repeat(1 << 20))).await;
        assert_eq!(bomb.message, "the backend's answer does not decode");
    }
}

#[tokio::test]
async fn an_answer_in_headers_alone_is_read() {
    let headers =
        [("content-type", "application/grpc"), ("grpc-status", "14"), ("grpc-message", "busy")];
    let answer = answer_of(move || reply(200, &headers, "")).await;
    assert_eq!(answer, Err(ExportError::retryable("UNAVAILABLE: busy")));
}

#[tokio::test]
async fn a_status_of_another_content_type_is_no_answer_of_grpc() {
    for media in ["text/html", "application/grpc-web", "application/json"] {
        for code in ["0", "3"] {
            let headers = [("content-type", media), ("grpc-status", code)];
            let answer = answer_of(move || reply(200, &headers, "")).await;
            let barred = matches!(&answer, Err(ExportError::Misconfigured { message })
                if message.contains(media) && message.contains("4317"));
            assert!(barred, "{media} {code}: {answer:?}");
        }
    }
    let headers = [("content-type", "application/grpc+proto"), ("grpc-status", "0")];
    assert!(answer_of(move || reply(200, &headers, "")).await.is_ok());
}

#[tokio::test]
async fn answers_that_are_not_grpc_are_told_apart() {
    let answer = answer_of(|| reply(200, &[("content-type", "text/html")], "<html>")).await;
    assert!(matches!(answer, Err(ExportError::Misconfigured { .. })), "{answer:?}");
    let answer = answer_of(|| reply(404, &[], "")).await;
    assert!(matches!(answer, Err(ExportError::Misconfigured { .. })), "{answer:?}");
    let answer = answer_of(|| reply(413, &[], "")).await;
    assert!(matches!(answer, Err(ExportError::Rejected { .. })), "{answer:?}");
    for status in [500, 502, 503] {
        let answer = answer_of(move || reply(status, &[], "")).await;
        assert!(matches!(answer, Err(ExportError::Retryable { .. })), "{answer:?}");
    }
    let answer = answer_of(|| reply(200, &[("content-type", "application/grpc")], "")).await;
    assert_eq!(answer, Err(ExportError::retryable("the answer ended without a gRPC status")));
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let answer = answer_of(|| {
        let mut reply = grpc_reply(b"", &[]);
        *reply.body_mut() = testing::endless();
        reply
    });
    assert!(matches!(answer.await, Err(ExportError::Retryable { .. })));
}

#[tokio::test]
async fn a_hanging_backend_is_given_up_after_the_timeout() {
    let backend = Backend::start_with(testing::bind().await, None, |_| {
        std::future::pending::<Reply>().boxed()
    });
    let exporter = exporter_within(&backend, Compression::None, Duration::from_millis(50));
    let answer = exporter.export(batch()).await;
    assert_eq!(answer, Err(ExportError::Overloaded { message: "no answer within 50ms".into() }));
    // The next one gets longer, and tells the backend so.
    let answer = exporter.export(batch()).await;
    assert_eq!(answer, Err(ExportError::Overloaded { message: "no answer within 100ms".into() }));
    let timeouts = backend.seen().into_iter().map(|it| it.headers["grpc-timeout"].clone());
    assert_eq!(timeouts.collect::<Vec<_>>(), ["50m", "100m"]);
}

#[tokio::test]
async fn a_backend_that_comes_up_later_or_again_is_connected_to() {
    let listener = testing::bind().await;
    let address = listener.local_addr().unwrap();
    drop(listener);
    let answering =
        |_: Received| std::future::ready(grpc_reply(b"", &[("grpc-status", "0")])).boxed();
    let start = || async {
        // The port is free again once the connections of the backend before are gone.
        loop {
            match tokio::net::TcpListener::bind(address).await {
                Ok(listener) => return Backend::start_with(listener, None, answering),
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let settings = GrpcSettings {
        name: "otlp".to_owned(),
        endpoint: format!("http://{address}").parse().unwrap(),
        headers: HeaderMap::new(),
        compression: Compression::None,
        timeout: Duration::from_secs(20),
    };
    let exporter = OtlpGrpc::new(settings, plain_transport(true)).unwrap();
    for _ in 0..2 {
        let away = exporter.export(batch()).await;
        assert!(matches!(away, Err(ExportError::Retryable { after: None, .. })), "{away:?}");
        let backend = start().await;
        assert_eq!(exporter.export(batch()).await, Ok(Accepted::default()));
        drop(backend);
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}
