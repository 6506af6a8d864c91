//! Bad input over HTTP: each row gets its status and is counted; the good spans of the same
//! request are served, and so is the next request.

use prost::Message;
use wholetrace_proto::otlp::{
    AnyValue, ArrayValue, ExportTraceServiceResponse, KeyValue, any_value,
};

use crate::harness::{JSON, PROTOBUF, Running, gzip, post, request, send, span};

const REFUSED: &str = "wholetrace_gateway_requests_refused_total";
const SPANS_REFUSED: &str = "wholetrace_gateway_spans_refused_total";

/// A request that is refused as a whole.
struct Row {
    name: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: Vec<u8>,
    status: u16,
    reason: &'static str,
}

const GZIP: &[(&str, &str)] =
    &[("content-type", "application/x-protobuf"), ("content-encoding", "gzip")];
const ZSTD: &[(&str, &str)] =
    &[("content-type", "application/x-protobuf"), ("content-encoding", "zstd")];

const JSON_GZIP: &[(&str, &str)] =
    &[("content-type", "application/json"), ("content-encoding", "gzip")];

/// Known names in each other, behind a resource that is none.
fn nested_scopes() -> Vec<u8> {
    let start = r#"{"resourceSpans":[{"resource":5,"scopeSpans":["#;
    (start.to_owned() + &r#"{"scopeSpans":["#.repeat(5_000)).into_bytes()
}

fn rows() -> Vec<Row> {
    let good = request(vec![span(1, "a")]);
    let mut cut_off = good.clone();
    cut_off.truncate(good.len() - 2);
    let mut cut_off_gzip = gzip(&good);
    cut_off_gzip.truncate(15);
    let bomb = gzip(&vec![0; 32 << 20]);
    let zstd_bomb = zstd::encode_all(&vec![0; 32 << 20][..], 1).unwrap();
    let row = |name, headers, body, status, reason| Row {
        name,
        path: "/v1/traces",
        headers,
        body,
        status,
        reason,
    };
    let mut rows = vec![
        row("truncated protobuf", PROTOBUF, cut_off, 400, "malformed"),
        // `resource_spans` as a number.
        row("wrong wire type", PROTOBUF, vec![0x08, 0x01], 400, "malformed"),
        row("reserved wire type", PROTOBUF, vec![0x0f, 0x01], 400, "malformed"),
        row("text as protobuf", PROTOBUF, b"hello, world".to_vec(), 400, "malformed"),
        row("JSON cut off", JSON, br#"{"resourceSpans":["#.to_vec(), 400, "malformed"),
        row("protobuf as JSON", JSON, good.clone(), 400, "malformed"),
        row("deep JSON", JSON, vec![b'['; 100_000], 400, "malformed"),
        row("deep JSON of known names", JSON, nested_scopes(), 400, "malformed"),
        row("the same as gzip", JSON_GZIP, gzip(&nested_scopes()), 400, "malformed"),
        row("gzip bomb", GZIP, bomb, 413, "inflated_too_large"),
        row("zstd bomb", ZSTD, zstd_bomb, 413, "inflated_too_large"),
        row("plain body as gzip", GZIP, good.clone(), 400, "malformed"),
        row("gzip cut off", GZIP, cut_off_gzip, 400, "malformed"),
        row("too large a body", PROTOBUF, vec![0; 3 << 20], 413, "body_too_large"),
        row("no content type", &[], good.clone(), 415, "content_type"),
        row("unknown type", &[("content-type", "text/csv")], good.clone(), 415, "content_type"),
        row(
            "unknown encoding",
            &[("content-type", "application/x-protobuf"), ("content-encoding", "br")],
            good.clone(),
            415,
            "encoding",
        ),
        row(
            "stacked encodings",
            &[("content-type", "application/x-protobuf"), ("content-encoding", "gzip, gzip")],
            good.clone(),
            415,
            "encoding",
        ),
    ];
    rows.push(Row { path: "/v1/metrics", ..row("wrong path", PROTOBUF, good, 404, "path") });
    rows
}

#[tokio::test]
async fn a_bad_request_is_refused_with_its_status_and_counted() {
    let http = r#"{"max_request_body_size": 2097152}"#;
    let gateway = Running::start_with("badrequest", "{}", "{}", http).await;
    for Row { name, path, headers, body, status, reason } in rows() {
        let counted = format!("reason=\"{reason}\"");
        let before = gateway.count(REFUSED, &counted);
        let answer = post(gateway.http(), path, headers, &body).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        assert!(answer.header("retry-after").is_none(), "{name}");
        assert_eq!(gateway.count(REFUSED, &counted), before + 1, "{name}");
        match answer.header("content-type") {
            Some("application/x-protobuf") => {
                let status = tonic_types::Status::decode(answer.body).unwrap();
                assert!(status.code > 0 && !status.message.is_empty(), "{name}");
            }
            Some("application/json") => {
                let status: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
                assert!(status["message"].is_string(), "{name}");
            }
            kind => assert!(kind.unwrap().starts_with("text/plain"), "{name}"),
        }
        gateway.post_good(name).await;
    }
    assert_eq!(gateway.spans().len(), rows().len());
    gateway.stop().await;
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_one() {
    let gateway = Running::start("method", "{}").await;
    for (address, path) in
        [(gateway.http(), "/v1/traces"), (gateway.zipkin(), "/api/v2/spans"), (gateway.grpc(), "/")]
    {
        let answer = send(address, "GET", path, &[], b"").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("post")));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn bad_zipkin_requests_are_refused() {
    let gateway = Running::start("badzipkin", "{}").await;
    let thrift: &[(&str, &str)] = &[("content-type", "application/x-thrift")];
    for (name, path, headers, body, status) in [
        ("not JSON", "/api/v2/spans", JSON, "[{", 400),
        ("OTLP", "/api/v2/spans", JSON, r#"{"resourceSpans":[]}"#, 400),
        ("not protobuf", "/api/v2/spans", PROTOBUF, "\x08\x01\x0a\x05", 400),
        ("not thrift", "/api/v1/spans", thrift, "\x0c\0\0\0\x01", 400),
        ("no path", "/api/v3/spans", JSON, "[]", 404),
    ] {
        let answer = post(gateway.zipkin(), path, headers, body.as_bytes()).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
    }
    let good = r#"[{"traceId":"1","id":"2","name":"good"}]"#;
    let answer = post(gateway.zipkin(), "/api/v2/spans", JSON, good.as_bytes()).await;
    assert_eq!((answer.status, gateway.names()), (202, vec!["good".to_owned()]));
    gateway.stop().await;
}

/// A span that no translation takes, and one that the check of spans refuses.
#[tokio::test]
async fn a_zipkin_request_of_which_nothing_is_taken_is_refused() {
    let gateway =
        Running::start("nothingtaken", r#"{"span_bytes": "16KiB", "frame_bytes": "16KiB"}"#).await;
    let large = format!(r#"[{{"traceId":"1","id":"2","name":"{}"}}]"#, "x".repeat(20_000));
    for (body, told) in [
        (
            r#"[{"traceId":"x","id":"1"},{"id":"2"}]"#,
            "2 spans refused: 2 span_id; the first: `traceId`",
        ),
        (large.as_str(), "1 spans refused: 1 span_too_large; the first: the span `xxx"),
    ] {
        let answer = post(gateway.zipkin(), "/api/v2/spans", JSON, body.as_bytes()).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        let text = String::from_utf8_lossy(&answer.body);
        assert!(text.starts_with(told), "{text}");
    }
    assert_eq!(gateway.count(REFUSED, "reason=\"malformed\""), 2);
    assert_eq!(gateway.count(SPANS_REFUSED, ""), 3);
    let some = r#"[{"traceId":"x","id":"1"},{"traceId":"1","id":"2","name":"good"}]"#;
    for body in [some, "[]", ""] {
        let answer = post(gateway.zipkin(), "/api/v2/spans", JSON, body.as_bytes()).await;
        assert_eq!((answer.status, answer.body.len()), (202, 0), "{body}");
    }
    assert_eq!(gateway.names(), ["good"]);
    gateway.stop().await;
}

/// What a request becomes is larger than what came, and is taken all the same.
#[tokio::test]
async fn requests_that_grow_are_taken() {
    let gateway = Running::start("growth", "{}").await;
    let bad = [0xe9; 10_000];
    let ids = r#""traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174""#;
    let start = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{ids},"name":""#);
    let body = [start.as_bytes(), &bad, br#""}]}]}]}"#].concat();
    let answer = post(gateway.http(), "/v1/traces", JSON, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(gateway.names(), ["?".repeat(10_000)]);
    let span = r#"{"id":"1","traceId":"1","debug":1}"#;
    let body = format!("[{}{span}]", format!("{span},").repeat(999));
    let answer = post(gateway.zipkin(), "/api/v2/spans", JSON, body.as_bytes()).await;
    assert_eq!((answer.status, gateway.names().len()), (202, 1_001), "{answer:?}");
    gateway.stop().await;
}

/// In every encoding of OTLP, and whoever found it.
#[tokio::test]
async fn the_sender_is_told_what_was_wrong_with_the_first_span() {
    let gateway = Running::start("firstspan", "{}").await;
    let good = r#"{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"}"#;
    let json =
        |spans: &str| format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{spans}]}}]}}]}}"#);
    for (spans, told) in [
        (
            format!(r#"{{"traceId":"x"}},{good},{{"kind":"y"}}"#),
            "2 spans refused: 1 span_malformed, 1 span_id; the first: `traceId` at byte `54` is `x`, must be `32` hexadecimal digits",
        ),
        (
            format!(r#"{good},{{"name":"GET /"}}"#),
            "1 spans refused: 1 span_id; the first: the span `GET /`: field `1` of `Span` is an id of `0` bytes, must have `16`",
        ),
    ] {
        let answer = post(gateway.http(), "/v1/traces", JSON, json(&spans).as_bytes()).await;
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["partialSuccess"]["errorMessage"], told, "{body}");
    }
    let bad = wholetrace_proto::otlp::Span { span_id: vec![0; 8], ..span(1, "GET /") };
    let body = request(vec![span(1, "good"), bad]);
    let answer = post(gateway.http(), "/v1/traces", PROTOBUF, &body).await;
    let answer = ExportTraceServiceResponse::decode(answer.body).unwrap().partial_success.unwrap();
    let told = "1 spans refused: 1 span_id; the first: the span `GET /`: field `2` of `Span` is an id of zeros, must have a bit set";
    assert_eq!((answer.rejected_spans, answer.error_message.as_str()), (1, told));
    gateway.stop().await;
}

fn nested(depth: usize) -> KeyValue {
    let text = any_value::Value::StringValue("deep".to_owned());
    let mut value = AnyValue { value: Some(text) };
    for _ in 0..depth {
        let array = ArrayValue { values: vec![value] };
        value = AnyValue { value: Some(any_value::Value::ArrayValue(array)) };
    }
    KeyValue { key: "nested".to_owned(), value: Some(value), ..KeyValue::default() }
}

/// Each bad span between two good ones, which are served.
#[tokio::test]
async fn a_bad_span_is_refused_alone() {
    let gateway =
        Running::start("badspan", r#"{"span_bytes": "64KiB", "frame_bytes": "16KiB"}"#).await;
    let mut served = 0;
    for (name, bad, reason) in [
        (
            "15 bytes",
            wholetrace_proto::otlp::Span { trace_id: vec![1; 15], ..span(1, "x") },
            "span_id",
        ),
        ("no id", wholetrace_proto::otlp::Span { trace_id: vec![], ..span(1, "x") }, "span_id"),
        (
            "zeros",
            wholetrace_proto::otlp::Span { trace_id: vec![0; 16], ..span(1, "x") },
            "span_id",
        ),
        (
            "span id",
            wholetrace_proto::otlp::Span { span_id: vec![0; 8], ..span(1, "x") },
            "span_id",
        ),
        ("large", span(1, &"x".repeat(70_000)), "span_too_large"),
        (
            "45 deep",
            wholetrace_proto::otlp::Span { attributes: vec![nested(45)], ..span(1, "x") },
            "span_nesting",
        ),
    ] {
        let counted = format!("reason=\"{reason}\"");
        let before = gateway.count(SPANS_REFUSED, &counted);
        let body = request(vec![span(1, "good"), bad, span(2, "good")]);
        let answer = post(gateway.http(), "/v1/traces", PROTOBUF, &body).await;
        assert_eq!(answer.status, 200, "{name}");
        assert_eq!(gateway.count(SPANS_REFUSED, &counted), before + 1, "{name}");
        served += 2;
        assert_eq!(gateway.names(), vec!["good"; served], "{name}");
    }
    let deep = wholetrace_proto::otlp::Span { attributes: vec![nested(44)], ..span(1, "deep") };
    let answer = post(gateway.http(), "/v1/traces", PROTOBUF, &request(vec![deep])).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    // What was taken can be read: the log is decoded here as receivers decode it.
    assert!(gateway.names().contains(&"deep".to_owned()));
    gateway.stop().await;
}

/// A field of the span that no span has, and a span cut off inside of an intact request.
#[tokio::test]
async fn a_span_with_malformed_bytes_is_refused_alone() {
    let gateway = Running::start("badbytes", "{}").await;
    let marker = span(1, "MARKER");
    let intact = request(vec![span(1, "good"), marker, span(2, "good")]);
    let at = intact.windows(6).position(|bytes| bytes == b"MARKER").unwrap();
    // Tag and length of the name are the two bytes before it.
    for (name, tag, length) in [("wrong wire type", 0x28, 6), ("cut off", 0x2a, 0x7f)] {
        let mut body = intact.clone();
        (body[at - 2], body[at - 1]) = (tag, length);
        let answer = post(gateway.http(), "/v1/traces", PROTOBUF, &body).await;
        assert_eq!(answer.status, 200, "{name}");
    }
    let mut body = intact;
    body[at] = 0xff;
    let answer = post(gateway.http(), "/v1/traces", PROTOBUF, &body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(gateway.count(SPANS_REFUSED, "span_malformed"), 2);
    // Text that is not UTF-8 is repaired: strict receivers would refuse its whole batch.
    assert_eq!(gateway.names(), ["?ARKER", "good", "good", "good", "good", "good", "good"]);
    gateway.stop().await;
}
