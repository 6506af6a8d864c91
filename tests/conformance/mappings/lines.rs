//! A request of OTLP as lines, so that two can be compared.

use std::fmt::{Debug, Write as _};

use wholetrace_proto::otlp::{
    AnyValue, ExportTraceServiceRequest, KeyValue, Span, any_value::Value, span,
};

/// The lines of some requests, those of each span with its number. The order of spans and
/// attributes does not matter. A time of which `is_now` says that nobody sent it is `now`.
pub(super) fn lines(
    requests: &[ExportTraceServiceRequest],
    is_now: impl Fn(u64) -> bool,
) -> Vec<String> {
    let mut spans = Vec::new();
    for of_resource in requests.iter().flat_map(|request| &request.resource_spans) {
        let resource = of_resource.resource.iter().flat_map(|resource| &resource.attributes);
        let resource: Vec<String> =
            resource.map(|one| format!("resource {}", attribute(one))).collect();
        for of_scope in &of_resource.scope_spans {
            let mut heads = resource.clone();
            if let Some(scope) = &of_scope.scope {
                heads.extend(named("scope name", &scope.name));
                heads.extend(named("scope version", &scope.version));
            }
            spans.extend(of_scope.spans.iter().map(|span| span_lines(span, &heads, &is_now)));
        }
    }
    if spans.is_empty() {
        return vec!["nothing".to_owned()];
    }
    spans.sort();
    let numbered = |(lines, number): (Vec<String>, usize)| {
        lines.into_iter().map(move |line| format!("{number} {line}"))
    };
    spans.into_iter().zip(1..).flat_map(numbered).collect()
}

/// Those that tell spans apart come first.
fn span_lines(span: &Span, heads: &[String], is_now: &impl Fn(u64) -> bool) -> Vec<String> {
    let mut lines =
        vec![format!("trace {}", hex(&span.trace_id)), format!("id {}", hex(&span.span_id))];
    if span.kind != 0 {
        let kind = span::SpanKind::try_from(span.kind);
        lines.push(format!("kind {}", kind.map_or("?", |kind| kind.as_str_name())));
    }
    lines.extend(named("name", &span.name));
    if !span.parent_span_id.is_empty() {
        lines.push(format!("parent {}", hex(&span.parent_span_id)));
    }
    for (what, time) in [("start", span.start_time_unix_nano), ("end", span.end_time_unix_nano)] {
        match time {
            0 => {}
            time if is_now(time) => lines.push(format!("{what} now")),
            time => lines.push(format!("{what} {time}")),
        }
    }
    lines.extend(named("state", &span.trace_state));
    if span.flags != 0 {
        lines.push(format!("flags {}", span.flags));
    }
    if let Some(status) =
        span.status.as_ref().filter(|one| one.code != 0 || !one.message.is_empty())
    {
        lines.push(format!("status {} {}", status.code, quoted(&status.message)));
    }
    let mut heads = heads.to_vec();
    heads.sort();
    lines.append(&mut heads);
    let mut attributes: Vec<String> =
        span.attributes.iter().map(|one| format!("attribute {}", attribute(one))).collect();
    attributes.sort();
    lines.append(&mut attributes);
    for event in &span.events {
        let mut line = format!("event {} {}", event.time_unix_nano, quoted(&event.name));
        append(&mut line, &event.attributes, event.dropped_attributes_count);
        lines.push(line);
    }
    for link in &span.links {
        let ids = [&link.trace_id, &link.span_id].map(|id| hex(id));
        let mut line = format!("link {} {} {}", ids[0], ids[1], quoted(&link.trace_state));
        append(&mut line, &link.attributes, link.dropped_attributes_count);
        lines.push(line);
    }
    lines
}

fn named(what: &str, text: &str) -> Option<String> {
    (!text.is_empty()).then(|| format!("{what} {}", quoted(text)))
}

fn append(line: &mut String, attributes: &[KeyValue], dropped: u32) {
    let mut attributes: Vec<String> = attributes.iter().map(attribute).collect();
    attributes.sort();
    for attribute in attributes {
        let _ = write!(line, " {attribute}");
    }
    if dropped > 0 {
        let _ = write!(line, " dropped={dropped}");
    }
}

fn attribute(attribute: &KeyValue) -> String {
    let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
    format!("{}={}", attribute.key, value.map_or_else(|| "-".to_owned(), value_text))
}

fn value_text(value: &Value) -> String {
    let inner = |value: &AnyValue| value.value.as_ref().map_or_else(|| "-".to_owned(), value_text);
    match value {
        Value::StringValue(text) => quoted(text),
        Value::BoolValue(value) => value.to_string(),
        Value::IntValue(value) => value.to_string(),
        Value::DoubleValue(value) => format!("{value:?}"),
        Value::BytesValue(bytes) => format!("0x{}", hex(bytes)),
        Value::ArrayValue(list) => {
            format!("[{}]", list.values.iter().map(inner).collect::<Vec<_>>().join(", "))
        }
        Value::KvlistValue(list) => {
            format!("{{{}}}", list.values.iter().map(attribute).collect::<Vec<_>>().join(", "))
        }
        other => quoted(other),
    }
}

/// On one line, and in ASCII.
pub(super) fn quoted(text: impl Debug) -> String {
    let shown = format!("{text:?}");
    let plain = |letter: char| match letter {
        ' '..='~' => letter.to_string(),
        other => other.escape_unicode().to_string(),
    };
    shown.chars().map(plain).collect()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
