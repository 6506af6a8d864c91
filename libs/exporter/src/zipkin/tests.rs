use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use serde_json::Value as Json;

use super::*;
use crate::{
    options::Compression,
    testing::{Backend, Span, frame, plain_transport, reply},
};

fn exporter(backend: &Backend, max_request_bytes: usize) -> Zipkin {
    let settings = PostSettings {
        name: "zipkin/test".to_owned(),
        uri: format!("http://{}/api/v2/spans", backend.address).parse().unwrap(),
        headers: HeaderMap::from_iter([(
            header::AUTHORIZATION,
            HeaderValue::from_static("Bearer x"),
        )]),
        compression: Compression::None,
        timeout: Duration::from_secs(20),
    };
    Zipkin::new(settings, "none".to_owned(), max_request_bytes, plain_transport(false))
}

/// Pieces of so many spans each, the ids of which are counted through.
fn batch(pieces: &[u64]) -> Batch {
    let mut id = 0;
    let piece = |spans: &u64| {
        let span = |_| {
            id += 1;
            Span { key: 7, id, root: true, ..Span::default() }
        };
        frame(&(0..*spans).map(span).collect::<Vec<_>>())
    };
    Batch::new(pieces.iter().map(piece).collect(), pieces.iter().sum())
}

#[tokio::test]
async fn all_spans_of_a_batch_are_one_array() {
    let backend = Backend::start(|_| reply(202, &[], "")).await;
    let exporter = exporter(&backend, 1 << 20);
    assert_eq!(exporter.export(batch(&[2, 4, 1])).await, Ok(Accepted::default()));
    assert_eq!(exporter.endpoint(), format!("http://{}/api/v2/spans", backend.address));
    let seen = backend.seen();
    let header = |name: &str| seen[0].headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(seen[0].path, "/api/v2/spans");
    assert_eq!(header("content-type"), Some("application/json"));
    assert_eq!(header("authorization"), Some("Bearer x"));
    let spans: Vec<Json> = serde_json::from_slice(&seen[0].body).unwrap();
    let ids: Vec<_> = spans.iter().map(|span| span["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 7);
    assert_eq!((ids[0], ids[6]), ("0000000000000001", "0000000000000007"));
    assert_eq!(spans[3]["localEndpoint"]["serviceName"], "service-0");
}

#[tokio::test]
async fn what_receivers_answer_is_understood() {
    for (status, body, expected) in [
        (202, "", None),
        (200, "\n", None),
        (200, "OK", None),
        (200, "<html>hello</html>", Some("misconfigured")),
        (400, "Expected a JSON_V2 encoded list", Some("rejected")),
        (404, "", Some("misconfigured")),
        (413, "", Some("rejected")),
        (500, "", Some("doubtful")),
        (503, "", Some("retryable")),
    ] {
        let backend = Backend::start(move |_| reply(status, &[], body)).await;
        let answer = exporter(&backend, 1 << 20).export(batch(&[1])).await;
        let found = answer.err().map(|error| match error {
            ExportError::Misconfigured { .. } => "misconfigured",
            ExportError::Rejected { .. } => "rejected",
            ExportError::Doubtful { .. } => "doubtful",
            ExportError::Retryable { .. } => "retryable",
            _ => "other",
        });
        assert_eq!(found, expected, "{status} {body}");
    }
}

/// Several spans that are too large together are not sent; one is, whatever it takes.
#[tokio::test]
async fn requests_of_several_spans_are_bounded() {
    let backend = Backend::start(|_| reply(202, &[], "")).await;
    let exporter = exporter(&backend, 100);
    let error = exporter.export(batch(&[1, 9])).await.unwrap_err();
    assert!(matches!(error, ExportError::Oversized { .. }), "{error}");
    assert!(error.to_string().contains("`100` bytes"), "{error}");
    assert!(backend.seen().is_empty());
    let one = Span { key: 7, id: 1, root: true, error: true, gold: true, ..Span::default() };
    let one = Batch::new(vec![frame(&[one])], 1);
    assert_eq!(exporter.export(one).await, Ok(Accepted::default()));
    assert!(backend.seen()[0].body.len() > 100);
}

#[tokio::test]
async fn what_does_not_decode_is_found_in_its_batch() {
    let backend = Backend::start(|_| reply(202, &[], "")).await;
    let exporter = exporter(&backend, 1 << 20);
    // A trace id of zero.
    let bad = frame(&[Span { id: 1, ..Span::default() }]);
    let good = frame(&[Span { key: 7, id: 2, ..Span::default() }]);
    let both = Batch::new(vec![good, bad.clone()], 2);
    assert!(matches!(exporter.export(both).await, Err(ExportError::Rejected { .. })));
    let alone = exporter.export(Batch::new(vec![bad], 1)).await;
    assert!(matches!(alone, Err(ExportError::Permanent { .. })), "{alone:?}");
    assert!(backend.seen().is_empty());
}
