//! The format of a message that does not say it.

use wholetrace_proto::wire::Cursor;

use crate::format::{
    Format, JAEGER_PROTO, OTLP_JSON, OTLP_PROTO, ZIPKIN_JSON, ZIPKIN_PROTO, ZIPKIN_THRIFT,
};

/// What `message` seems to be. Whether it is will show. `None` if it is an object of JSON without the
/// spans of OTLP, which would be read as a request with none: logs, metrics, a span of Jaeger.
pub(super) fn format_of(message: &[u8]) -> Option<&'static Format> {
    Some(match (json_begin(message), message) {
        (Some(b'['), _) => &ZIPKIN_JSON,
        (Some(_), _) if !names_spans(message) => return None,
        (Some(_), _) => &OTLP_JSON,
        // In protobuf a length follows that is not zero; in Thrift it is the number of a field.
        (None, [0x0a, 0x00, ..]) => &ZIPKIN_THRIFT,
        (None, [0x0a, ..]) if is_jaeger(message) => &JAEGER_PROTO,
        (None, [0x0a, ..]) if is_zipkin(message) == Some(true) => &ZIPKIN_PROTO,
        // Types of Thrift: a list and its length, or a field.
        (None, [0x02..=0x09 | 0x0b..=0x0f, ..]) => &ZIPKIN_THRIFT,
        _ => &OTLP_PROTO,
    })
}

/// Whether the key is somewhere in it that a request of OTLP has its spans under.
fn names_spans(message: &[u8]) -> bool {
    let text = str::from_utf8(message);
    text.is_ok_and(|text| text.contains("\"resourceSpans\"") || text.contains("\"resource_spans\""))
}

/// What a document of JSON begins with, if `message` is one.
fn json_begin(message: &[u8]) -> Option<u8> {
    let text = message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message).trim_ascii();
    let begin = *text.first().filter(|first| matches!(first, b'[' | b'{'))?;
    // An end of line is also the first byte of protobuf, and a bracket a length behind it.
    let is_text = || matches!(text.last(), Some(b']' | b'}')) && std::str::from_utf8(text).is_ok();
    (message.first() != Some(&b'\n') || is_text()).then_some(begin)
}

/// Whether it is a span of Jaeger: lists have one field.
fn is_jaeger(message: &[u8]) -> bool {
    let mut fields = Cursor::new(message);
    while let Ok(Some(field)) = fields.next_field() {
        if field.number > 1 {
            return true;
        }
    }
    false
}

/// Whether the first element of a list of messages is a span of Zipkin, and not spans of a resource:
/// its ids have the lengths of ids, or it has fields that those have not.
fn is_zipkin(message: &[u8]) -> Option<bool> {
    let first = Cursor::new(message).next_field().ok()??;
    let mut fields = Cursor::new(first.bytes("list").ok()?);
    let (mut trace_id, mut id) = (0, 0);
    while let Some(field) = fields.next_field().ok()? {
        match field.number {
            1 => trace_id = field.bytes("span").ok()?.len(),
            3 => id = field.bytes("span").ok()?.len(),
            4..=13 => return Some(true),
            _ => {}
        }
    }
    Some(matches!(trace_id, 8 | 16) && id == 8)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use wholetrace_proto::{
        jaeger::SpanMessagesWriter,
        otlp::{ResourceSpans, ScopeSpans, Span, TracesData},
        wire::put_bytes,
    };

    use super::*;

    fn message(fields: &[(u32, &[u8])]) -> Vec<u8> {
        let (mut first, mut list) = (Vec::new(), Vec::new());
        fields.iter().for_each(|(number, bytes)| put_bytes(&mut first, *number, bytes));
        put_bytes(&mut list, 1, &first);
        list
    }

    /// What exporters write as `jaeger_proto`.
    #[test]
    fn a_span_of_jaeger_that_was_written_here_is_known() {
        let span = Span { trace_id: vec![1; 16], span_id: vec![2; 8], ..Span::default() };
        let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        let mut writer = SpanMessagesWriter::new(0);
        writer.add(&TracesData { resource_spans }.encode_to_vec()).unwrap();
        let messages = writer.finish();
        let formats = messages.iter().map(|one| format_of(&one.bytes).map(Format::name));
        assert_eq!(formats.collect::<Vec<_>>(), [Some("jaeger_proto")]);
    }

    #[test]
    fn messages_show_what_they_are() {
        let otlp = message(&[(1, b"\x0a\x00"), (2, b"\x12\x02\x0a\x00"), (3, b"https://x")]);
        let zipkin = message(&[(1, &[7; 16]), (3, &[8; 8])]);
        let child = message(&[(1, &[7; 8]), (2, &[9; 8]), (3, &[8; 8]), (4, b"get")]);
        let jaeger = [&b"\x0a\x10"[..], &[7; 16], b"\x12\x08", &[8; 8]].concat();
        // Of the length 91, which is a bracket.
        let bracket = message(&[(1, b"\x0a\x00"), (2, &[0x12; 85])]);
        assert!(bracket.starts_with(b"\n["));
        for (bytes, format) in [
            (&b""[..], "otlp_proto"),
            (b" {\"resourceSpans\":[]}", "otlp_json"),
            (b"\xef\xbb\xbf[]", "zipkin_json"),
            (b"\n[{}]", "zipkin_json"),
            (&otlp, "otlp_proto"),
            (&bracket, "otlp_proto"),
            (&jaeger, "jaeger_proto"),
            (&zipkin, "zipkin_proto"),
            (&child, "zipkin_proto"),
            (b"\x0c\x00\x00\x00\x01", "zipkin_thrift"),
            (b"\x0a\x00\x01", "zipkin_thrift"),
            (b"\x0a\xff", "otlp_proto"),
        ] {
            assert_eq!(format_of(bytes).map(Format::name), Some(format), "{bytes:?}");
        }
        for bytes in [&br#"{"traceId":"AQ==","spanId":"AQ=="}"#[..], b"{\"resourceLogs\":[{}]}"] {
            assert!(format_of(bytes).is_none(), "{bytes:?}");
        }
    }
}
