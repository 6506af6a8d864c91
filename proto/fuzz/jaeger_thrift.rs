//! The messages of Jaeger's `api_v2` as the structs of its Thrift, for what sends them.

use wholetrace_proto::thrift::{Kind, Message, MessageKind, Protocol, Writer};

use crate::jaeger_model::{Batch, KeyValue, Log, Moment, Span, SpanRef};

/// A `Batch`, as it is posted.
pub(crate) fn batch(batch: &Batch, protocol: Protocol) -> Vec<u8> {
    let mut writer = Writer::new(protocol);
    writer.structure(|out| put_batch(out, batch));
    writer.into_bytes()
}

/// A call of `emitBatch`, as it is sent to the agent.
pub(crate) fn emit_batch(batch: &Batch, protocol: Protocol, kind: MessageKind) -> Vec<u8> {
    let mut writer = Writer::new(protocol);
    writer.message(&Message { name: b"emitBatch", kind, sequence: 7 });
    writer.structure(|arguments| arguments.nested(1, |out| put_batch(out, batch)));
    writer.into_bytes()
}

fn put_batch(out: &mut Writer, batch: &Batch) {
    let process = batch.process.clone().unwrap_or_default();
    out.nested(1, |out| {
        out.text(1, &process.service_name);
        put_tags(out, 2, &process.tags);
    });
    out.list(2, Kind::Struct, count(&batch.spans), |out| {
        for span in &batch.spans {
            out.structure(|out| put_span(out, span));
        }
    });
    out.i64(3, 4);
    // All of these are required.
    out.nested(4, |stats| (1..=3).for_each(|id| stats.i64(id, 2)));
}

fn put_span(out: &mut Writer, span: &Span) {
    let (low, high) = halves(&span.trace_id);
    out.i64(1, low);
    out.i64(2, high);
    out.i64(3, number(&span.span_id));
    out.i64(4, 0);
    out.text(5, &span.operation_name);
    out.list(6, Kind::Struct, count(&span.references), |out| {
        for SpanRef { trace_id, span_id, ref_type } in &span.references {
            out.structure(|out| {
                let (low, high) = halves(trace_id);
                out.i32(1, *ref_type);
                out.i64(2, low);
                out.i64(3, high);
                out.i64(4, number(span_id));
            });
        }
    });
    out.i32(7, span.flags.cast_signed());
    out.i64(8, microseconds(span.start_time));
    out.i64(9, microseconds(span.duration));
    put_tags(out, 10, &span.tags);
    out.list(11, Kind::Struct, count(&span.logs), |out| {
        for Log { timestamp, fields } in &span.logs {
            out.structure(|out| {
                out.i64(1, microseconds(*timestamp));
                put_tags(out, 2, fields);
            });
        }
    });
}

/// As clients do: of the values the one of the tag's type, and others where they are set.
fn put_tags(out: &mut Writer, id: i16, tags: &[KeyValue]) {
    out.list(id, Kind::Struct, count(tags), |out| {
        for tag in tags {
            let is = |v_type| tag.v_type == v_type;
            out.structure(|out| {
                out.text(1, &tag.key);
                out.i32(2, [0, 2, 3, 1, 4].get(tag.v_type as usize).copied().unwrap_or(9));
                if is(0) || !tag.v_str.is_empty() {
                    out.text(3, &tag.v_str);
                }
                if is(3) || tag.v_float64 != 0.0 {
                    out.double(4, tag.v_float64);
                }
                if is(1) || tag.v_bool {
                    out.boolean(5, tag.v_bool);
                }
                if is(2) || tag.v_int64 != 0 {
                    out.i64(6, tag.v_int64);
                }
                if is(4) || !tag.v_binary.is_empty() {
                    out.bytes(7, &tag.v_binary);
                }
            });
        }
    });
}

fn count<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}

fn microseconds(moment: Option<Moment>) -> i64 {
    let Moment { seconds, nanos } = moment.unwrap_or_default();
    seconds.saturating_mul(1_000_000).saturating_add(i64::from(nanos / 1_000))
}

/// The low and the high half of a trace id.
fn halves(trace_id: &[u8]) -> (i64, i64) {
    let middle = trace_id.len().saturating_sub(8);
    (number(&trace_id[middle..]), number(&trace_id[..middle]))
}

fn number(id: &[u8]) -> i64 {
    id.iter().fold(0_i64, |number, byte| number << 8 | i64::from(*byte))
}
