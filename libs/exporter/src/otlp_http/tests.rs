use std::{io::Read, time::Duration};

use http::{HeaderMap, HeaderValue, Response, header};
use prost::Message;
use tonic_types::pb::Status;
use wholetrace_proto::otlp::{ExportTracePartialSuccess, ExportTraceServiceResponse};

use super::*;
use crate::{
    options::Compression,
    testing::{self, Backend, Reply, batch, plain_transport, reply},
};

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json;charset=utf-8");

fn exporter(backend: &Backend, compression: Compression, encoding: Encoding) -> OtlpHttp {
    let settings = PostSettings {
        name: "otlphttp/test".to_owned(),
        uri: format!("http://{}/base/v1/traces", backend.address).parse().unwrap(),
        headers: HeaderMap::from_iter([(
            header::AUTHORIZATION,
            HeaderValue::from_static("Bearer x"),
        )]),
        compression,
        timeout: Duration::from_secs(20),
    };
    OtlpHttp::new(settings, encoding, plain_transport(false))
}

async fn answer_of(
    reply: impl Fn() -> Reply + Send + Sync + 'static,
) -> Result<Accepted, ExportError> {
    let backend = Backend::start(move |_| reply()).await;
    exporter(&backend, Compression::None, Encoding::Proto).export(batch()).await
}

#[tokio::test]
async fn the_bytes_of_the_batch_are_the_request() {
    let backend = Backend::start(|_| reply(200, &[], "")).await;
    let exporter = exporter(&backend, Compression::None, Encoding::Proto);
    assert_eq!(exporter.export(batch()).await, Ok(Accepted::default()));
    let seen = backend.seen();
    let header = |name: &str| seen[0].headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(seen[0].path, "/base/v1/traces");
    assert_eq!(header("content-type"), Some("application/x-protobuf"));
    assert_eq!(header("content-length"), Some("7"));
    assert_eq!(header("content-encoding"), None);
    assert_eq!(header("authorization"), Some("Bearer x"));
    assert_eq!(seen[0].body, "one two");
}

#[tokio::test]
async fn requests_are_compressed() {
    let backend = Backend::start(|_| reply(200, &[], "")).await;
    let gzip = exporter(&backend, Compression::Gzip, Encoding::Proto);
    assert_eq!(gzip.export(batch()).await, Ok(Accepted::default()));
    let zstd = exporter(&backend, Compression::Zstd, Encoding::Proto);
    assert_eq!(zstd.export(batch()).await, Ok(Accepted::default()));
    let seen = backend.seen();
    assert_eq!(seen[0].headers["content-encoding"], "gzip");
    let mut inflated = Vec::new();
    flate2::read::GzDecoder::new(&*seen[0].body).read_to_end(&mut inflated).unwrap();
    assert_eq!(inflated, b"one two");
    assert_eq!(seen[1].headers["content-encoding"], "zstd");
    assert_eq!(zstd::decode_all(&*seen[1].body).unwrap(), b"one two");
}

#[tokio::test]
async fn status_codes_say_what_to_do() {
    let name = |answer: Result<Accepted, ExportError>| match answer {
        Ok(_) => "accepted",
        Err(ExportError::Retryable { .. }) => "retryable",
        Err(ExportError::Misconfigured { .. }) => "barred",
        Err(ExportError::Rejected { .. }) => "rejected",
        Err(ExportError::Doubtful { .. }) => "doubtful",
        Err(ExportError::Overloaded { .. }) => "overloaded",
        Err(ExportError::Oversized { .. }) => "oversized",
        Err(ExportError::Permanent { .. }) => "permanent",
    };
    let rows = [
        (200, "accepted"),
        (202, "accepted"),
        (302, "barred"),
        (307, "barred"),
        (400, "rejected"),
        (401, "barred"),
        (403, "barred"),
        (404, "barred"),
        (405, "barred"),
        (413, "rejected"),
        (415, "barred"),
        (429, "overloaded"),
        (500, "doubtful"),
        (501, "doubtful"),
        (502, "retryable"),
        (503, "retryable"),
        (504, "overloaded"),
    ];
    for (status, expected) in rows {
        let answer = answer_of(move || reply(status, &[("location", "http://x.test/")], ""));
        assert_eq!(name(answer.await), expected, "status {status}");
    }
}

#[tokio::test]
async fn advice_is_seconds_or_a_date() {
    let advice = |value: String| async move {
        let answer = answer_of(move || reply(503, &[("retry-after", &value)], "")).await;
        match answer {
            Err(ExportError::Retryable { after, .. }) => after,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(advice("120".into()).await, Some(Duration::from_secs(120)));
    assert_eq!(advice("soon".into()).await, None);
    assert_eq!(advice("Fri, 31 Dec 1999 23:59:59 GMT".into()).await, Some(Duration::ZERO));
    let later = advice("Fri, 31 Dec 2100 23:59:59 GMT".into()).await;
    assert!(later > Some(Duration::from_secs(86_400 * 365)), "{later:?}");
}

#[tokio::test]
async fn a_partial_success_is_taken_with_its_count_in_both_encodings() {
    let partial =
        ExportTracePartialSuccess { rejected_spans: 3, error_message: "too old".to_owned() };
    let response = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    let taken = Ok(Accepted { rejected: 3, message: "too old".to_owned() });
    assert_eq!(answer_of(move || reply(200, &[PROTOBUF], response.clone())).await, taken);
    for count in ["3", "\"3\""] {
        let json =
            format!(r#"{{"partialSuccess":{{"rejectedSpans":{count},"errorMessage":"too old"}}}}"#);
        assert_eq!(answer_of(move || reply(200, &[JSON], json.clone())).await, taken);
    }
}

#[tokio::test]
async fn an_answer_that_does_not_decode_is_still_a_success() {
    for head in [PROTOBUF, JSON] {
        let answer = answer_of(move || reply(200, &[head], "\u{fffd}{")).await.unwrap();
        assert_eq!(answer.message, "the backend's answer does not decode");
    }
    let endless = || {
        let mut answer = reply(200, &[PROTOBUF], "");
        *answer.body_mut() = testing::endless();
        answer
    };
    let answer = answer_of(endless).await.unwrap();
    assert_eq!(answer.message, "the backend's answer is longer than 64 KiB");
}

/// A success counts when a receiver of the protocol says it. Anything else is said by something
/// that keeps no spans.
#[tokio::test]
async fn a_success_of_another_protocol_is_none() {
    let taken = [
        (200, "", ""),
        (202, "", ""),
        (204, "", ""),
        (200, "text/html", ""),
        (200, "Application/JSON", "{}"),
        (200, "application/protobuf", ""),
        (200, "text/plain; charset=utf-8", "OK\n"),
        (202, "text/plain", "202 Accepted"),
        (200, "", "ok"),
    ];
    let wrong = [
        (200, "text/html; charset=utf-8", "<html><title>Welcome</title></html>"),
        (200, "application/grpc", ""),
        (200, "application/grpc+proto", "x"),
        (200, "text/plain", "hello"),
        (200, "", "hello"),
        (200, "application/jsonish", "{}"),
        (202, "application/xml", "<ok/>"),
    ];
    let rows = taken.map(|row| (row, true)).into_iter().chain(wrong.map(|row| (row, false)));
    for ((status, media, body), taken) in rows {
        let answer = answer_of(move || {
            let media = [("content-type", media)];
            reply(status, if media[0].1.is_empty() { &[] } else { &media }, body)
        });
        let answer = answer.await;
        if taken {
            assert_eq!(answer, Ok(Accepted::default()), "{status} `{media}` `{body}`");
        } else {
            let barred = matches!(&answer, Err(ExportError::Misconfigured { message })
                if message.contains("correct host") || message.contains("4318"));
            assert!(barred, "{status} `{media}` `{body}`: {answer:?}");
        }
    }
    let answer = answer_of(|| Response::new(testing::endless())).await;
    assert!(matches!(answer, Err(ExportError::Misconfigured { .. })), "{answer:?}");
}

#[tokio::test]
async fn a_page_is_not_quoted_whole() {
    let page = "<!DOCTYPE html>\n<HTML><head><title> Bad gateway </title></head><p>long</HTML>";
    let answer = answer_of(move || reply(502, &[("content-type", "text/html")], page)).await;
    let message = answer.unwrap_err().to_string();
    assert_eq!(message, "HTTP status `502 Bad Gateway`: a page titled `Bad gateway`");
}

#[tokio::test]
async fn errors_say_what_the_backend_said() {
    let status =
        Status { code: 3, message: "bad\nspan".to_owned(), details: Vec::new() }.encode_to_vec();
    let rows: [((&str, &str), Vec<u8>); 3] = [
        (PROTOBUF, status),
        (JSON, br#"{"code":3,"message":"bad\nspan"}"#.to_vec()),
        (("content-type", "text/plain"), b"bad\nspan\n".to_vec()),
    ];
    for (head, body) in rows {
        let error = answer_of(move || reply(400, &[head], body.clone())).await.unwrap_err();
        assert_eq!(error.to_string(), "HTTP status `400 Bad Request`: bad span");
    }
}

#[tokio::test]
async fn a_port_for_tls_is_a_wrong_endpoint() {
    let page = "<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>";
    for said in ["Client sent an HTTP request to an HTTPS server.\n", page] {
        let answer = answer_of(move || reply(400, &[], said)).await;
        let barred = matches!(&answer, Err(ExportError::Misconfigured { message })
            if message.ends_with("take `https://`"));
        assert!(barred, "{answer:?}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Backend::start(|_| reply(200, &[], "")).await;
    let location = elsewhere.uri("http").to_string();
    let answer = answer_of(move || reply(307, &[("location", &location)], "")).await;
    assert!(matches!(answer, Err(ExportError::Misconfigured { .. })), "{answer:?}");
    assert!(elsewhere.seen().is_empty());
}
