//! Jaeger batches in protobuf: processes, requests in parts, and spans that are refused.

use wholetrace_proto::{
    jaeger::{JaegerError, api_v2::to_protobuf},
    reject::SpanReject,
    translated::{Limits, NoRoom},
    wire::{WireError, put_bytes, put_uint},
};

use crate::{
    jaeger::{bare, only_span, translate, wanted},
    jaeger_model::{KeyValue as Tag, Process, Span, SpanRef, request, tag},
    rejects::{by_kind, first},
    sample::text,
    zipkin::traces_of,
};

fn process(service_name: &str, tags: Vec<Tag>) -> Option<Process> {
    Some(Process { service_name: service_name.to_owned(), tags })
}

#[test]
fn the_process_is_the_resource() {
    for (name, process, expected) in [
        ("none", None, vec![]),
        ("empty", process("", vec![]), vec![]),
        ("name", process("shop", vec![]), vec![text("service.name", "shop")]),
        (
            "no name",
            process("OTLPResourceNoServiceName", vec![tag("ip", "::1")]),
            vec![text("ip", "::1")],
        ),
        (
            "a tag's",
            process("shop", vec![tag("service.name", "cart")]),
            vec![text("service.name", "cart")],
        ),
        (
            "host and client",
            process("", vec![tag("hostname", "h"), tag("jaeger.version", "Go-2.25.0")]),
            vec![text("host.name", "h"), text("opencensus.exporterversion", "Jaeger-Go-2.25.0")],
        ),
        (
            "host given twice",
            process("", vec![tag("hostname", "h"), tag("host.name", "k")]),
            vec![text("hostname", "h"), text("host.name", "k")],
        ),
    ] {
        let traces = traces_of(&translate(&request(vec![bare()], process)));
        let resource = traces.resource_spans[0].resource.clone().unwrap_or_default();
        assert_eq!(resource.attributes, expected, "{name}");
    }
}

#[test]
fn spans_with_a_process_of_their_own_have_its_resource() {
    let own = |process| Span { process, ..bare() };
    let spans = vec![bare(), own(process("cart", vec![])), bare(), own(process("shop", vec![]))];
    let traces = traces_of(&translate(&request(spans, process("shop", vec![]))));
    let found = traces.resource_spans.iter().map(|one| {
        let resource = one.resource.as_ref().unwrap();
        (resource.attributes[0].clone(), one.scope_spans[0].spans.len())
    });
    let expected = [(text("service.name", "shop"), 3), (text("service.name", "cart"), 1)];
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn text_that_is_not_utf_8_is_repaired() {
    let mut body = request(vec![Span { operation_name: "MARKER".to_owned(), ..bare() }], None);
    let at = body.windows(6).position(|bytes| bytes == b"MARKER").unwrap();
    body[at] = 0xff;
    assert_eq!(only_span(&traces_of(&translate(&body))).name, "?ARKER");
}

/// A batch may come in parts; its process may stand anywhere.
#[test]
fn a_message_in_parts_is_one() {
    let spans = request(vec![bare()], None);
    let process = request(vec![], process("shop", vec![]));
    for body in [[&*spans, &process].concat(), [&*process, &spans].concat()] {
        let traces = traces_of(&translate(&body));
        let resource = traces.resource_spans[0].resource.as_ref().unwrap();
        assert_eq!(resource.attributes, [text("service.name", "shop")]);
        assert_eq!(only_span(&traces), &wanted());
    }
    assert_eq!(translate(b"").spans, 0);
}

/// The bytes of a batch that is no message's, as a field of a request.
fn batch(fields: &[(u32, &[u8])]) -> Vec<u8> {
    let (mut batch, mut request) = (Vec::new(), Vec::new());
    fields.iter().for_each(|(number, body)| put_bytes(&mut batch, *number, body));
    put_bytes(&mut request, 1, &batch);
    request
}

/// Each bad span between two good ones, which are taken.
#[test]
fn a_bad_span_is_refused_alone() {
    use prost::Message;
    let good = bare().encode_to_vec();
    let no_name = |number, body: &[u8]| {
        let mut span = good.clone();
        put_bytes(&mut span, number, body);
        span
    };
    let mut number_for_a_name = good.clone();
    put_uint(&mut number_for_a_name, 3, 1);
    let tags = |tag: Tag| Span { tags: vec![tag; (1 << 16) + 1], ..bare() }.encode_to_vec();
    let reference = SpanRef { trace_id: vec![1; 4], ..SpanRef::default() };
    for (bad, told) in [
        (
            Span { trace_id: vec![7; 15], ..bare() }.encode_to_vec(),
            "field `1` of `Span` is an id of `15` bytes, must have `16`",
        ),
        (
            Span { trace_id: vec![], ..bare() }.encode_to_vec(),
            "field `1` of `Span` is an id of `0` bytes, must have `16`",
        ),
        (
            Span { trace_id: vec![0; 8], ..bare() }.encode_to_vec(),
            "field `1` of `Span` is an id of zeros, must have a bit set",
        ),
        (
            Span { span_id: vec![5; 4], ..bare() }.encode_to_vec(),
            "field `2` of `Span` is an id of `4` bytes, must have `8`",
        ),
        (
            Span { span_id: vec![0; 8], ..bare() }.encode_to_vec(),
            "field `2` of `Span` is an id of zeros, must have a bit set",
        ),
        (
            Span { references: vec![reference], ..bare() }.encode_to_vec(),
            "field `1` of `SpanRef` is an id of `4` bytes, must have `16`",
        ),
        (
            tags(tag("key", "value")),
            "`tags, logs and references` has more than `65536` at byte `917552`",
        ),
        // Parts of nothing, of which there would be more than bytes for them.
        (tags(Tag::default()), "`tags, logs and references` has more than `5467` at byte `10970`"),
        (
            number_for_a_name,
            "the span is malformed: field `3` of `Span` at byte `36` has a wrong wire type",
        ),
        (
            no_name(8, &[0x0a, 9]),
            "the span is malformed: the field at byte `38` claims `9` bytes, only `0` are left",
        ),
        (
            no_name(6, &[0x09]),
            "the span is malformed: the message ends inside the field at byte `37`",
        ),
        (
            no_name(10, &[0x0f]),
            "the span is malformed: the field at byte `36` has the unknown wire type `7`",
        ),
        (b"\xff".to_vec(), "the span is malformed: the message ends inside the field at byte `1`"),
    ] {
        let translated = translate(&batch(&[(1, &good), (1, &bad), (1, &good)]));
        assert_eq!((translated.spans, translated.rejected.total()), (2, 1), "{told}");
        assert_eq!(first(&translated.rejected), told);
    }
}

#[test]
fn a_process_that_cannot_be_read_costs_the_spans_that_have_none_of_their_own() {
    let own = Span { process: process("cart", vec![]), ..bare() };
    let mut body = request(vec![bare(), own, bare()], None);
    body.extend(batch(&[(2, &[0x0a, 9])]));
    let translated = translate(&body);
    assert_eq!((translated.spans, translated.rejected.total()), (1, 2));
    let malformed = std::mem::discriminant(&SpanReject::Malformed(WireError::Varint { at: 0 }));
    assert_eq!(by_kind(&translated.rejected), [(malformed, 2)]);
    let resource = &traces_of(&translated).resource_spans[0].resource;
    assert_eq!(resource.as_ref().unwrap().attributes, [text("service.name", "cart")]);
}

#[test]
fn what_is_no_request_is_refused_whole() {
    for body in [&b"\x0a\x7f"[..], b"\x08\x01", b"\x0a\x02\x08\x01", b"{\"spans\":[]}"] {
        let refused = to_protobuf(body, &mut Limits::default()).unwrap_err();
        assert!(matches!(refused, JaegerError::Protobuf(_)), "{refused}");
    }
    let refused = to_protobuf(&request(vec![bare()], None), &mut Limits { bytes: 8 }).unwrap_err();
    assert!(matches!(refused, JaegerError::Room(NoRoom { .. })), "{refused}");
}
