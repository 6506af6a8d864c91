//! Jaeger batches in Thrift: what differs from those in protobuf, and that nothing else does.

use proptest::{collection::vec, option, prelude::*, sample::select};
use wholetrace_proto::{
    jaeger::{
        JaegerError,
        thrift::{message_to_protobuf, to_protobuf},
    },
    reject::SpanReject,
    thrift::{Kind, Message, MessageKind, Protocol, ThriftError, Writer},
    translated::{Limits, Translated},
};

use crate::{
    jaeger::{bare, only_span, translate},
    jaeger_model::{Batch, KeyValue, Log, Moment, Process, Span, SpanRef, request, tag},
    jaeger_thrift::{batch, emit_batch},
    rejects::{by_kind, first},
    zipkin::traces_of,
};

fn posted(body: &[u8]) -> Result<Translated, JaegerError> {
    to_protobuf(body, &mut Limits::default())
}

fn sent(message: &[u8], protocol: Protocol) -> Result<Translated, JaegerError> {
    message_to_protobuf(message, protocol, &mut Limits::default())
}

fn binary(fields: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new(Protocol::Binary);
    writer.structure(fields);
    writer.into_bytes()
}

static KEYS: [&str; 7] =
    ["event", "error", "span.kind", "http.status_code", "otel.status_code", "k", "hostname"];
static TEXTS: [&str; 6] = ["", "true", "client", "500", "ERROR", "v"];

fn key_value() -> impl Strategy<Value = KeyValue> {
    let (key, text) = (select(&KEYS[..]), select(&TEXTS[..]));
    (key, 0..6, text, any::<bool>(), any::<i64>(), 0.5..9.0).prop_map(
        |(key, v_type, text, v_bool, v_int64, v_float64)| {
            let v_binary = vec![7];
            KeyValue { v_type, v_bool, v_int64, v_float64, v_binary, ..tag(key, text) }
        },
    )
}

/// In whole microseconds, as Thrift has them.
fn moment() -> impl Strategy<Value = Option<Moment>> {
    let moments =
        (-1..3_i64, 0..3).prop_map(|(seconds, micros)| Moment { seconds, nanos: micros * 1_000 });
    option::of(moments)
}

fn reference() -> impl Strategy<Value = SpanRef> {
    (0..3_u8, 0..3_u8, 0..3).prop_map(|(trace, span, ref_type)| SpanRef {
        trace_id: vec![trace; 16],
        span_id: vec![span; 8],
        ref_type,
    })
}

fn log() -> impl Strategy<Value = Log> {
    (moment(), vec(key_value(), 0..4)).prop_map(|(timestamp, fields)| Log { timestamp, fields })
}

prop_compose! {
    fn any_span()(
        trace in 0..3_u8,
        id in 0..4_u8,
        flags in 0..16_u32,
        start_time in moment(),
        duration in moment(),
        references in vec(reference(), 0..3),
        tags in vec(key_value(), 0..6),
        logs in vec(log(), 0..3),
    ) -> Span {
        let (trace_id, span_id) = (vec![trace; 16], vec![id; 8]);
        let operation_name = "get".to_owned();
        let times = Span { start_time, duration, ..bare() };
        let known = Span { trace_id, span_id, operation_name, flags, ..times };
        Span { references, tags, logs, ..known }
    }
}

prop_compose! {
    fn any_batch()(
        spans in vec(any_span(), 0..4),
        tags in vec(key_value(), 0..3),
    ) -> Batch {
        Batch { spans, process: Some(Process { service_name: "shop".to_owned(), tags }) }
    }
}

proptest! {
    /// In either protocol, posted or sent, a batch becomes what it becomes in protobuf.
    #[test]
    fn prop_the_format_of_a_batch_makes_no_difference(given in any_batch()) {
        let wanted = translate(&request(given.spans.clone(), given.process.clone()));
        let found = posted(&batch(&given, Protocol::Binary)).unwrap();
        prop_assert_eq!(&found.bytes, &wanted.bytes);
        prop_assert_eq!(found.rejected.total(), wanted.rejected.total());
        for protocol in [Protocol::Binary, Protocol::Compact] {
            for kind in [MessageKind::Call, MessageKind::Oneway] {
                let found = sent(&emit_batch(&given, protocol, kind), protocol).unwrap();
                prop_assert_eq!(&found.bytes, &wanted.bytes);
            }
        }
    }
}

#[test]
fn the_parent_of_a_span_may_stand_beside_its_references() {
    let with = |parent: i64, reference: i64| {
        binary(|out| {
            out.list(2, Kind::Struct, 1, |list| {
                list.structure(|span| {
                    span.i64(1, 1);
                    span.i64(3, 2);
                    span.i64(4, parent);
                    span.list(6, Kind::Struct, 1, |list| {
                        list.structure(|out| {
                            out.i64(2, 1);
                            out.i64(4, reference);
                        });
                    });
                });
            });
        })
    };
    // The parent given, the one among the references, and how many links there are then.
    for (parent, reference, wanted, links) in
        [(3, 3, 3, 0), (3, 4, 3, 1), (0, 4, 4, 0), (2, 4, 4, 0)]
    {
        let traces = traces_of(&posted(&with(parent, reference)).unwrap());
        let span = only_span(&traces);
        let found =
            (i64::from_be_bytes(span.parent_span_id[..].try_into().unwrap()), span.links.len());
        assert_eq!(found, (wanted, links), "{parent} {reference}");
    }
}

/// Clients put the process first; who does not is understood too.
#[test]
fn the_process_may_stand_behind_the_spans() {
    let body = binary(|out| {
        out.list(2, Kind::Struct, 1, |list| {
            list.structure(|span| {
                span.i64(1, 1);
                span.i64(3, 2);
            });
        });
        out.nested(1, |process| process.text(1, "shop"));
    });
    let traces = traces_of(&posted(&body).unwrap());
    assert_eq!(traces.resource_spans[0].resource.as_ref().unwrap().attributes.len(), 1);
    // Without one, and without anything, there is nothing to refuse.
    assert_eq!(posted(&body[..body.len() - 16]).unwrap().spans, 1);
    assert_eq!(posted(&binary(|_| ())).unwrap(), Translated::default());
}

#[test]
fn a_bad_span_is_refused_alone() {
    let ids = |trace, id| Span { trace_id: vec![trace; 16], span_id: vec![id; 8], ..bare() };
    let many = Span { tags: vec![KeyValue::default(); (1 << 16) + 1], ..bare() };
    let spans = vec![bare(), ids(0, 1), bare(), ids(1, 0), many, bare()];
    let found = posted(&batch(&Batch { spans, process: None }, Protocol::Binary)).unwrap();
    assert_eq!((found.spans, found.rejected.total()), (3, 3));
    assert_eq!(
        first(&found.rejected),
        "field `1` of `Span` is an id of zeros, must have a bit set"
    );
    // A known field of another type is as if it were not there.
    let body = binary(|out| {
        out.list(2, Kind::Struct, 2, |list| {
            list.structure(|span| span.text(1, "1"));
            list.structure(|span| {
                span.i64(1, 1);
                span.i64(3, 2);
                span.i64(5, 9);
                span.list(10, Kind::I64, 1, |list| list.put_i64(3));
            });
        });
    });
    let found = posted(&body).unwrap();
    assert_eq!((found.spans, found.rejected.total()), (1, 1));
}

/// What stands behind bytes that are no Thrift cannot be found.
#[test]
fn spans_before_a_fault_are_taken_and_those_behind_it_counted() {
    let given = Batch { spans: vec![bare(); 5], process: None };
    let whole = batch(&given, Protocol::Binary);
    let two = batch(&Batch { spans: vec![bare(); 2], process: None }, Protocol::Binary);
    // Behind the spans stand a number, and a struct with three.
    let behind = 11 + 37 + 1;
    let found = posted(&whole[..two.len() - behind + 3]).unwrap();
    assert_eq!((found.spans, found.rejected.total()), (2, 3));
    let truncated = SpanReject::MalformedThrift(ThriftError::Truncated { at: 0 });
    assert_eq!(by_kind(&found.rejected), [(std::mem::discriminant(&truncated), 3)]);
    // A batch that ends before its spans is none.
    for body in [&b""[..], &[12, 0, 1, 11], b"{}"] {
        assert!(matches!(posted(body), Err(JaegerError::Thrift(_))), "{body:?}");
    }
}

#[test]
fn messages_that_do_not_emit_a_batch_are_refused() {
    let given = Batch { spans: vec![bare()], process: None };
    for protocol in [Protocol::Binary, Protocol::Compact] {
        let zipkin = {
            let mut writer = Writer::new(protocol);
            let (name, kind) = (&b"emitZipkinBatch"[..], MessageKind::Oneway);
            writer.message(&Message { name, kind, sequence: 0 });
            writer.structure(|arguments| {
                arguments.list(1, Kind::Struct, 1, |list| list.structure(|span| span.i64(1, 5)));
            });
            writer.into_bytes()
        };
        let refused = sent(&zipkin, protocol).unwrap_err();
        assert_eq!(refused, JaegerError::Method("emitZipkinBatch".to_owned()));
        let reply = emit_batch(&given, protocol, MessageKind::Reply);
        assert!(matches!(sent(&reply, protocol), Err(JaegerError::Method(_))));
        // Of the other protocol.
        let other = if protocol == Protocol::Binary { Protocol::Compact } else { Protocol::Binary };
        let message = emit_batch(&given, other, MessageKind::Oneway);
        assert!(matches!(sent(&message, protocol), Err(JaegerError::Thrift(_))));
    }
}
