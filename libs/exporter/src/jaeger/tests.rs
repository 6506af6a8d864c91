use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use wholetrace_proto::{jaeger::api_v2::to_protobuf, translated::Limits};

use super::*;
use crate::{
    options::Compression,
    testing::{Backend, Span, frame, grpc_reply, ids, plain_transport},
};

fn exporter(backend: &Backend, max_request_bytes: usize) -> Jaeger {
    let settings = GrpcSettings {
        name: "jaeger/test".to_owned(),
        endpoint: backend.uri("http"),
        headers: HeaderMap::from_iter([(
            http::HeaderName::from_static("x-scope-orgid"),
            HeaderValue::from_static("tenant"),
        )]),
        compression: Compression::None,
        timeout: Duration::from_secs(20),
    };
    Jaeger::new(settings, max_request_bytes, plain_transport(true)).unwrap()
}

fn batch(spans: u64) -> Batch {
    let span = |id| Span { key: 7, id, root: true, ..Span::default() };
    Batch::new(vec![frame(&(1..=spans).map(span).collect::<Vec<_>>())], spans)
}

/// As Jaeger and Collectors do: an answer without a field.
#[tokio::test]
async fn all_spans_of_a_batch_are_one_call() {
    let backend = Backend::start(|_| grpc_reply(b"", &[("grpc-status", "0")])).await;
    let exporter = exporter(&backend, 1 << 20);
    assert_eq!(exporter.export(batch(7)).await, Ok(Accepted::default()));
    let seen = backend.seen();
    assert_eq!(seen[0].path, "/jaeger.api_v2.CollectorService/PostSpans");
    assert_eq!(seen[0].headers["x-scope-orgid"], "tenant");
    let back = to_protobuf(&seen[0].body[5..], &mut Limits::default()).unwrap();
    let mut back = ids(&back.bytes);
    back.sort_unstable();
    assert_eq!(back, [1, 2, 3, 4, 5, 6, 7]);
}

/// Several spans that are too large together are not sent; one is, whatever it takes. Collectors say of
/// a message that it is too large, or of a span that it is bad, what OTLP receivers say.
#[tokio::test]
async fn requests_of_several_spans_are_bounded() {
    let backend = Backend::start(|_| grpc_reply(b"", &[("grpc-status", "3")])).await;
    let exporter = exporter(&backend, 20);
    let error = exporter.export(batch(2)).await.unwrap_err();
    assert!(matches!(error, ExportError::Oversized { .. }), "{error}");
    assert!(backend.seen().is_empty());
    let error = exporter.export(batch(1)).await.unwrap_err();
    assert!(matches!(error, ExportError::Rejected { .. }), "{error}");
    assert_eq!(backend.seen().len(), 1);
}

#[tokio::test]
async fn what_does_not_decode_is_found_in_its_batch() {
    let backend = Backend::start(|_| grpc_reply(b"", &[("grpc-status", "0")])).await;
    let exporter = exporter(&backend, 1 << 20);
    // A trace id of zero.
    let bad = frame(&[Span { id: 1, ..Span::default() }]);
    let both = Batch::new(vec![batch(1).pieces()[0].clone(), bad.clone()], 2);
    assert!(matches!(exporter.export(both).await, Err(ExportError::Rejected { .. })));
    let alone = exporter.export(Batch::new(vec![bad], 1)).await;
    assert!(matches!(alone, Err(ExportError::Permanent { .. })), "{alone:?}");
    assert!(backend.seen().is_empty());
}
