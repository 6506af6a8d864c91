//! Spans as text for people, in the manner of the Collector's debug exporter.

use std::fmt::{self, Write};

use jiff::Timestamp;
use wholetrace_proto::{
    hex::Hex,
    otlp::{
        AnyValue, InstrumentationScope, KeyValue, ResourceSpans, Span, any_value::Value, span,
        status,
    },
};

/// One line for the resource, one for each scope, one for each span.
///
/// # Errors
/// Those of `out`.
pub(crate) fn write_lines(
    out: &mut impl Write,
    index: usize,
    resource: &ResourceSpans,
) -> fmt::Result {
    write!(out, "ResourceTraces #{index}")?;
    if !resource.schema_url.is_empty() {
        write!(out, " [{}]", resource.schema_url)?;
    }
    write_inline(out, resource.resource.iter().flat_map(|resource| &resource.attributes))?;
    writeln!(out)?;
    for (index, scope) in resource.scope_spans.iter().enumerate() {
        write!(out, "ScopeTraces #{index}")?;
        if let Some(InstrumentationScope { name, version, attributes, .. }) = &scope.scope {
            write!(out, " {name}{}{version}", if version.is_empty() { "" } else { "@" })?;
            write_inline(out, attributes)?;
        }
        writeln!(out)?;
        for span in &scope.spans {
            write!(out, "{} {} {}", span.name, Hex(&span.trace_id), Hex(&span.span_id))?;
            write_inline(out, &span.attributes)?;
            writeln!(out)?;
        }
    }
    Ok(())
}

fn write_inline<'a>(
    out: &mut impl Write,
    attributes: impl IntoIterator<Item = &'a KeyValue>,
) -> fmt::Result {
    attributes.into_iter().try_for_each(|attribute| {
        write!(out, " {}=", attribute.key)?;
        write_value(out, attribute.value.as_ref(), 0)
    })
}

/// All that there is, a line for each thing.
///
/// # Errors
/// Those of `out`.
pub(crate) fn write_detailed(
    out: &mut impl Write,
    index: usize,
    resource: &ResourceSpans,
) -> fmt::Result {
    writeln!(out, "ResourceSpans #{index}")?;
    writeln!(out, "Resource SchemaURL: {}", resource.schema_url)?;
    if let Some(resource) = &resource.resource {
        write_attributes(out, "Resource attributes:", &resource.attributes)?;
    }
    for (index, scope) in resource.scope_spans.iter().enumerate() {
        writeln!(out, "ScopeSpans #{index}")?;
        writeln!(out, "ScopeSpans SchemaURL: {}", scope.schema_url)?;
        if let Some(scope) = &scope.scope {
            writeln!(out, "InstrumentationScope {} {}", scope.name, scope.version)?;
            write_attributes(out, "InstrumentationScope attributes:", &scope.attributes)?;
        }
        for (index, span) in scope.spans.iter().enumerate() {
            write_span(out, index, span)?;
        }
    }
    Ok(())
}

fn write_span(out: &mut impl Write, index: usize, span: &Span) -> fmt::Result {
    writeln!(out, "Span #{index}")?;
    writeln!(out, "    Trace ID       : {}", Hex(&span.trace_id))?;
    writeln!(out, "    Parent ID      : {}", Hex(&span.parent_span_id))?;
    writeln!(out, "    ID             : {}", Hex(&span.span_id))?;
    writeln!(out, "    Name           : {}", span.name)?;
    writeln!(out, "    Kind           : {}", kind(span.kind))?;
    if !span.trace_state.is_empty() {
        writeln!(out, "    TraceState     : {}", span.trace_state)?;
    }
    writeln!(out, "    Start time     : {}", Time(span.start_time_unix_nano))?;
    writeln!(out, "    End time       : {}", Time(span.end_time_unix_nano))?;
    let status = span.status.clone().unwrap_or_default();
    let code = status::StatusCode::try_from(status.code).unwrap_or_default();
    writeln!(out, "    Status code    : {}", short(code.as_str_name(), "STATUS_CODE_"))?;
    writeln!(out, "    Status message : {}", status.message)?;
    write_attributes(out, "Attributes:", &span.attributes)?;
    for (index, event) in span.events.iter().enumerate() {
        writeln!(out, "SpanEvent #{index}")?;
        writeln!(out, "     -> Name: {}", event.name)?;
        writeln!(out, "     -> Timestamp: {}", Time(event.time_unix_nano))?;
        write_attributes(out, "     -> Attributes:", &event.attributes)?;
    }
    for (index, link) in span.links.iter().enumerate() {
        writeln!(out, "SpanLink #{index}")?;
        writeln!(out, "     -> Trace ID: {}", Hex(&link.trace_id))?;
        writeln!(out, "     -> ID: {}", Hex(&link.span_id))?;
        writeln!(out, "     -> TraceState: {}", link.trace_state)?;
        write_attributes(out, "     -> Attributes:", &link.attributes)?;
    }
    Ok(())
}

fn kind(kind: i32) -> &'static str {
    let kind = span::SpanKind::try_from(kind).unwrap_or_default();
    short(kind.as_str_name(), "SPAN_KIND_")
}

fn short(name: &'static str, prefix: &str) -> &'static str {
    name.strip_prefix(prefix).unwrap_or(name)
}

fn write_attributes(out: &mut impl Write, title: &str, attributes: &[KeyValue]) -> fmt::Result {
    if attributes.is_empty() {
        return Ok(());
    }
    writeln!(out, "{title}")?;
    attributes.iter().try_for_each(|attribute| {
        write!(out, "     -> {}: ", attribute.key)?;
        write_value(out, attribute.value.as_ref(), 0)?;
        writeln!(out)
    })
}

/// Nesting beyond which values are not written out.
const DEPTH: usize = 16;

fn write_value(out: &mut impl Write, value: Option<&AnyValue>, depth: usize) -> fmt::Result {
    if depth > DEPTH {
        return out.write_str("…");
    }
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => out.write_str(text),
        Some(Value::BoolValue(bool)) => write!(out, "{bool}"),
        Some(Value::IntValue(int)) => write!(out, "{int}"),
        Some(Value::DoubleValue(double)) => write!(out, "{double}"),
        Some(Value::BytesValue(bytes)) => write!(out, "{}", Hex(bytes)),
        Some(Value::ArrayValue(array)) => {
            out.write_char('[')?;
            for (index, value) in array.values.iter().enumerate() {
                out.write_str(if index == 0 { "" } else { ", " })?;
                write_value(out, Some(value), depth + 1)?;
            }
            out.write_char(']')
        }
        Some(Value::KvlistValue(list)) => {
            out.write_char('{')?;
            for (index, pair) in list.values.iter().enumerate() {
                write!(out, "{}{}: ", if index == 0 { "" } else { ", " }, pair.key)?;
                write_value(out, pair.value.as_ref(), depth + 1)?;
            }
            out.write_char('}')
        }
        _ => Ok(()),
    }
}

/// Nanoseconds since the epoch as a date.
struct Time(u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(time) => time.fmt(f),
            Err(_) => self.0.fmt(f),
        }
    }
}
