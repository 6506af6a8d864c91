//! Jaeger batches in protobuf: what becomes of references.

use wholetrace_proto::otlp::span;

use crate::{
    jaeger::{UNCHANGED, check},
    jaeger_model as model,
    sample::text,
};

fn reference(trace: u8, span: u8, ref_type: i32) -> model::SpanRef {
    model::SpanRef { trace_id: vec![trace; 16], span_id: vec![span; 8], ref_type }
}

fn link(trace: u8, span: u8, kind: &str) -> span::Link {
    span::Link {
        trace_id: vec![trace; 16],
        span_id: vec![span; 8],
        attributes: vec![text("opentracing.ref_type", kind)],
        ..span::Link::default()
    }
}

#[test]
fn references_are_the_parent_or_links() {
    check(&[
        (
            "child of",
            |span| span.references = vec![reference(7, 1, 0)],
            |span| span.parent_span_id = vec![1; 8],
        ),
        (
            "the child of one, and of another trace's",
            |span| {
                span.references = vec![reference(8, 2, 0), reference(7, 1, 0), reference(7, 3, 0)]
            },
            |span| {
                span.parent_span_id = vec![1; 8];
                span.links = vec![link(8, 2, "child_of"), link(7, 3, "child_of")];
            },
        ),
        (
            "follows from",
            |span| span.references = vec![reference(7, 1, 1)],
            |span| {
                span.parent_span_id = vec![1; 8];
                span.links = vec![link(7, 1, "follows_from")];
            },
        ),
        (
            "child of goes first",
            |span| span.references = vec![reference(7, 1, 1), reference(7, 2, 0)],
            |span| {
                span.parent_span_id = vec![2; 8];
                span.links = vec![link(7, 1, "follows_from")];
            },
        ),
        (
            "its own child",
            |span| span.references = vec![reference(7, 5, 0)],
            |span| span.links = vec![link(7, 5, "child_of")],
        ),
        (
            "of an unknown kind",
            |span| span.references = vec![reference(8, 1, 5)],
            |span| span.links = vec![link(8, 1, "follows_from")],
        ),
        (
            "no span",
            |span| span.references = vec![reference(7, 0, 0), reference(0, 1, 1)],
            UNCHANGED,
        ),
        (
            "half a trace id",
            |span| {
                let trace_id = vec![7; 8];
                span.references = vec![model::SpanRef { trace_id, ..reference(7, 1, 0) }];
            },
            |span| span.parent_span_id = vec![1; 8],
        ),
    ]);
}
