use prost::Message;
use wholetrace_proto::{
    otlp::{
        AnyValue, ExportTraceServiceRequest, KeyValue, Resource, ResourceSpans, ScopeSpans, Span,
        any_value::Value as Any,
    },
    set_attribute::AttributeValue,
};
use wholetrace_spanlog::routing::Descriptor;

use super::*;

fn routing(partitions: u32) -> Routing {
    Routing::new(Descriptor { epoch: 1, seed: 7, partitions }).unwrap()
}

fn span(trace: u8, name: &str) -> Span {
    let (trace_id, span_id) = (vec![trace; 16], vec![1; 8]);
    Span { trace_id, span_id, name: name.to_owned(), ..Span::default() }
}

fn request(spans: Vec<Span>) -> Vec<u8> {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

fn split_of(body: Vec<u8>) -> Split {
    split(body.into(), &routing(4), 1 << 20, None).unwrap()
}

#[test]
fn neighbours_of_one_trace_are_one_run() {
    let split = split_of(request(vec![span(1, "a"), span(1, "b"), span(1, "c")]));
    assert_eq!((split.runs().len(), split.spans()), (1, 3));
}

#[test]
fn a_bad_span_is_left_out_and_its_neighbours_are_not() {
    let spans = [
        span(1, "good"),
        Span { trace_id: vec![1; 15], ..span(1, "short trace id") },
        Span { trace_id: vec![0; 16], ..span(1, "zero trace id") },
        Span { trace_id: vec![], ..span(1, "no trace id") },
        Span { span_id: vec![0; 8], ..span(1, "zero span id") },
        Span { span_id: vec![1; 9], ..span(1, "long span id") },
        span(1, "good too"),
    ];
    let split = split_of(request(spans.into()));
    assert_eq!(split.spans(), 2);
    let rejects: Vec<_> = split.rejects().iter().collect();
    assert_eq!(rejects, [(RejectReason::SpanId, 5)]);
    let first =
        "the span `short trace id`: field `1` of `Span` is an id of `15` bytes, must have `16`";
    assert_eq!(split.first_reject(), Some(first));
}

#[test]
fn a_span_that_with_its_heads_is_larger_than_a_frame_is_left_out() {
    let large = "x".repeat(900);
    let scope_spans =
        vec![ScopeSpans { spans: vec![span(1, &large), span(2, "a")], ..ScopeSpans::default() }];
    let schema_url = "s".repeat(200);
    let resource = ResourceSpans { scope_spans, schema_url, ..ResourceSpans::default() };
    let body = ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec();
    let split = split(body.into(), &routing(4), 1_024, None).unwrap();
    let rejects: Vec<_> = split.rejects().iter().collect();
    assert_eq!((split.spans(), rejects), (1, vec![(RejectReason::SpanTooLarge, 1)]));
}

#[test]
fn runs_end_before_they_outgrow_a_frame() {
    let spans = (0..100).map(|_| span(1, &"x".repeat(100))).collect();
    let split = split(request(spans).into(), &routing(4), 1_024, None).unwrap();
    assert_eq!(split.spans(), 100);
    assert!(split.runs().iter().all(|run| run.range.len() <= 1_024 - ENVELOPE_BYTES));
}

/// Some writers reserve room for a length and fill it in later.
#[test]
fn a_padded_length_is_a_length() {
    let body = span(1, "a").encode_to_vec();
    let mut spans = vec![SPANS_TAG, body.len() as u8 | 0x80, 0x80, 0x00];
    spans.extend_from_slice(&body);
    let mut scope = vec![0x12, spans.len() as u8];
    scope.extend_from_slice(&spans);
    let mut request = vec![0x0a, scope.len() as u8];
    request.extend_from_slice(&scope);
    let split = split_of(request);
    assert_eq!(split.spans(), 1);
    assert_eq!(split.bytes(split.runs()[0].range), spans);
}

#[test]
fn text_that_is_not_utf8_is_repaired() {
    let mut body = request(vec![span(1, "before"), span(1, "k\u{1}k"), span(1, "after")]);
    let at = body.windows(3).position(|bytes| bytes == b"k\x01k").unwrap();
    body[at + 1] = 0xff;
    let split = split_of(body);
    assert_eq!((split.spans(), split.rejects().total()), (3, 0));
    let frames: Vec<_> = crate::ingest::batch::frames(&[&split], 1 << 18).collect();
    let decoded = ExportTraceServiceRequest::decode(frames[0].payload.clone()).unwrap();
    let names: Vec<_> = decoded.resource_spans[0].scope_spans[0]
        .spans
        .iter()
        .map(|span| span.name.as_str())
        .collect();
    assert_eq!(names, ["before", "k?k", "after"]);
}

/// A resource of which nothing can be read takes its spans with it, and no others.
#[test]
fn a_malformed_resource_refuses_its_spans_alone() {
    let good = request(vec![span(1, "good")]);
    let scope = ScopeSpans { spans: vec![span(2, "lost")], ..ScopeSpans::default() };
    let scope_spans = vec![scope];
    let resource = Some(Resource { dropped_attributes_count: 5, ..Resource::default() });
    let bad = ResourceSpans { resource, scope_spans, ..ResourceSpans::default() };
    let mut bad = ExportTraceServiceRequest { resource_spans: vec![bad] }.encode_to_vec();
    let at = bad.windows(4).position(|bytes| bytes == [0x0a, 2, 0x10, 5]).unwrap();
    // The count becomes a field of a wrong wire type that ends too early.
    bad[at + 2] = 0x0a;
    let split = split_of([bad, good].concat());
    let rejects: Vec<_> = split.rejects().iter().collect();
    assert_eq!((split.spans(), rejects), (1, vec![(RejectReason::SpanMalformed, 1)]));
}

#[test]
fn a_cut_off_request_is_refused_whole() {
    let mut body = request(vec![span(1, "a"), span(2, "b")]);
    body.truncate(body.len() - 3);
    let refused = split(body.into(), &routing(4), 1 << 20, None).unwrap_err();
    assert_eq!(refused.reason, RejectReason::Malformed);
}

/// A large resource is repeated for each partition: the bytes are counted before they are made.
#[test]
fn repeated_heads_count() {
    let spans = (1..=64).map(|trace| span(trace, "a")).collect();
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let schema_url = "s".repeat(10_000);
    let resource = ResourceSpans { scope_spans, schema_url, ..ResourceSpans::default() };
    let body = ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec();
    let split = split(body.into(), &routing(16), 1 << 20, None).unwrap();
    let frames: Vec<_> = crate::ingest::batch::frames(&[&split], 1 << 18).collect();
    let bytes: usize = frames.iter().map(|frame| frame.payload.len()).sum();
    assert!(bytes > 100_000);
    assert!(split.frame_bytes() >= bytes && split.frame_bytes() < bytes + 16 * 2 * ENVELOPE_BYTES);
}

/// Ids of 64 bits that a sender has padded on the right are other traces, which go where others go.
#[test]
fn traces_whose_ids_are_padded_on_the_right_are_spread() {
    let partition_of = |number: u8| {
        let trace_id = [[number; 8], [0; 8]].concat();
        let split = split_of(request(vec![Span { trace_id, ..span(1, "padded") }]));
        assert_eq!((split.runs().len(), split.spans()), (1, 1));
        split.runs()[0].partition
    };
    let partitions: std::collections::BTreeSet<_> = (1..=60).map(partition_of).collect();
    assert_eq!(partitions.len(), 4);
}

/// Whatever the sender says, and with or without a resource of its own; no span is touched.
#[test]
fn each_resource_is_marked() {
    let mark = Attribute { key: "tenant", value: AttributeValue::Text("shop") };
    let said = |key: &str, text: &str| KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(Any::StringValue(text.into())) }),
        ..KeyValue::default()
    };
    let of = |resource: Option<Resource>, name: &str| {
        let scope = ScopeSpans { spans: vec![span(1, name)], ..ScopeSpans::default() };
        ResourceSpans { resource, scope_spans: vec![scope], schema_url: "url".into() }
    };
    let attributes = vec![said("tenant", "bank"), said("host", "a")];
    let lies = Resource { attributes, ..Resource::default() };
    let resource_spans = vec![of(Some(lies), "lies"), of(None, "nothing")];
    let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    let split = split(body.into(), &routing(4), 1 << 20, Some(mark)).unwrap();
    let frames: Vec<_> = crate::ingest::batch::frames(&[&split], 1 << 18).collect();
    assert_eq!((frames.len(), split.spans()), (1, 2));
    assert!(split.frame_bytes() >= frames[0].payload.len());
    let mut decoded = ExportTraceServiceRequest::decode(frames[0].payload.clone()).unwrap();
    decoded.resource_spans.sort_by_key(|one| one.scope_spans[0].spans[0].name.clone());
    let marked = |attributes| Some(Resource { attributes, ..Resource::default() });
    let expected = [
        of(marked(vec![said("host", "a"), said("tenant", "shop")]), "lies"),
        of(marked(vec![said("tenant", "shop")]), "nothing"),
    ];
    assert_eq!(decoded.resource_spans, expected);
}

/// A mark counts for the size of a span with its heads.
#[test]
fn a_mark_takes_room() {
    let long = "x".repeat(256);
    let mark = Attribute { key: "tenant", value: AttributeValue::Text(&long) };
    let body = request(vec![span(1, &"x".repeat(900))]);
    let spans = |mark| split(body.clone().into(), &routing(4), 1_024, mark).unwrap().spans();
    assert_eq!((spans(None), spans(Some(mark))), (1, 0));
}
