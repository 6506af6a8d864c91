//! Reads OTLP that has text which is not UTF-8: a Collector passes it on as it came.

use std::ops::Range;

use prost::Message as _;
use wholetrace_proto::{
    check::HeadKind,
    otlp::{AnyValue, ExportTraceServiceRequest, KeyValue, any_value::Value},
    repair::{repair_head, repair_span},
    wire::{Cursor, WireError},
};

/// The attribute by which spans show that text of theirs was no UTF-8.
const MARK: &str = "(text that is not UTF-8)";

/// A request, with the text of its spans made valid where it is not; spans are marked then.
pub(super) fn decode(bytes: &[u8]) -> ExportTraceServiceRequest {
    if let Ok(request) = ExportTraceServiceRequest::decode(bytes) {
        return request;
    }
    let mut valid = bytes.to_vec();
    for head in fields(bytes, &[1]).expect("OTLP") {
        let repaired = repair_head(HeadKind::Resource, &bytes[head.clone()]).into_owned();
        valid[head].copy_from_slice(&repaired);
    }
    for span in fields(bytes, &[1, 2, 2]).expect("OTLP") {
        let repaired = repair_span(&bytes[span.clone()]).into_owned();
        valid[span].copy_from_slice(&repaired);
    }
    let mut request = ExportTraceServiceRequest::decode(&*valid).expect("OTLP");
    for span in request.resource_spans.iter_mut().flat_map(|one| &mut one.scope_spans) {
        for span in &mut span.spans {
            let value = AnyValue { value: Some(Value::BoolValue(true)) };
            let mark = KeyValue { key: MARK.to_owned(), value: Some(value), ..Default::default() };
            span.attributes.push(mark);
        }
    }
    request
}

/// Where the fields of these numbers are, each in those of the number before it.
fn fields(bytes: &[u8], numbers: &[u32]) -> Result<Vec<Range<usize>>, WireError> {
    let mut level = Vec::from([Range { start: 0, end: bytes.len() }]);
    for &number in numbers {
        let mut below = Vec::new();
        for range in level {
            let mut fields = Cursor::within(bytes, range);
            while let Some(field) = fields.next_field()? {
                if field.number == number {
                    let end = field.range.end;
                    below.push(end - field.bytes("OTLP")?.len()..end);
                }
            }
        }
        level = below;
    }
    Ok(level)
}
