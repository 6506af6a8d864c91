//! One Jaeger span as an OTLP span.

use super::model::{
    FLAG_DEBUG, FLAG_SAMPLED, Log, Reference, ReferenceKind, Span, Tag, Value, last_of_each,
};
use super::tags::Tags;
use crate::otlp::message::{MessageWriter, Scalar};
use crate::otlp::numbers::{
    any_value, array_value, event, instrumentation_scope, key_value, link, span, status,
};
use crate::otlp::writer::{ResourceId, Writer};
use crate::room::NoRoom;
use crate::translated::{KEEP_ATTRIBUTE, KEEP_JAEGER_DEBUG};

/// The span attribute (a number) with the flags of Jaeger, where there are others than sampled and
/// debug.
pub const FLAGS_ATTRIBUTE: &str = "jaeger.flags";

/// The span attribute (a string) with what stood for the process in Jaeger, where it had a name.
pub const PROCESS_ID_ATTRIBUTE: &str = "jaeger.process_id";

/// The span attribute (an array of strings) with what Jaeger, or the translation, found odd about
/// the span. The name is Jaeger's.
pub const WARNINGS_ATTRIBUTE: &str = "@jaeger@warnings";

/// The latest time, in the year 2262: nanoseconds that receivers with signed numbers can read.
const TIME_MAX: u64 = i64::MAX.unsigned_abs();

/// Writes `span` under `resource` and its scope.
pub(super) fn write_span(
    writer: &mut Writer<'_>,
    resource: ResourceId,
    span: &Span<'_>,
) -> Result<(), NoRoom> {
    let tags = Tags::of(span);
    let scope = writer.scope(resource, |out| {
        out.text(instrumentation_scope::NAME, tags.scope_name);
        out.text(instrumentation_scope::VERSION, tags.scope_version);
    })?;
    writer.span(scope, |out| {
        put_span(out, span, &tags);
        Ok(())
    })
}

/// Writes the fields of `span`.
fn put_span(out: &mut MessageWriter<'_, '_>, span: &Span<'_>, tags: &Tags<'_, '_>) {
    out.bytes(span::TRACE_ID, &span.trace_id);
    out.bytes(span::SPAN_ID, &span.id);
    out.text(span::TRACE_STATE, tags.trace_state);
    let parent = span.parent();
    if let Some(parent) = &parent {
        out.bytes(span::PARENT_SPAN_ID, parent);
    }
    out.text(span::NAME, &span.name);
    if tags.kind > 0 {
        out.uint(span::KIND, tags.kind);
    }
    let (start, end) = interval(span.start, span.duration);
    if start > 0 {
        out.fixed64(span::START_TIME_UNIX_NANO, start);
    }
    if end > 0 {
        out.fixed64(span::END_TIME_UNIX_NANO, end);
    }
    for tag in &tags.attributes {
        out.attribute(span::ATTRIBUTES, &tag.key, &tag.value.scalar());
    }
    put_markers(out, tags, span);
    for log in &span.logs {
        put_event(out, log, span.fields.get(log.fields.clone()).unwrap_or_default());
    }
    for reference in span.links(parent) {
        put_link(out, reference);
    }
    put_status(out, tags);
    if span.flags & FLAG_SAMPLED != 0 {
        out.fixed32(span::FLAGS, FLAG_SAMPLED);
    }
}

/// Start and end. What is before 1970 is not known, and a negative duration is none; what is too
/// late to be told took as long all the same.
fn interval(start: i128, duration: i128) -> (u64, u64) {
    let known = |time: i128| u64::try_from(time.max(0)).unwrap_or(TIME_MAX).min(TIME_MAX);
    let (mut start, duration) = (known(start), known(duration));
    if start == TIME_MAX {
        start = TIME_MAX.saturating_sub(duration).max(1);
    }
    (start, start.saturating_add(duration).min(TIME_MAX))
}

/// An attribute of that name which the sender has set stands.
fn put_markers(out: &mut MessageWriter<'_, '_>, tags: &Tags<'_, '_>, span: &Span<'_>) {
    let mut put_unless_set = |key: &str, value: Scalar<'_>| {
        if !tags.has_attribute(key) {
            out.attribute(span::ATTRIBUTES, key, &value);
        }
    };
    if span.flags & FLAG_DEBUG != 0 {
        put_unless_set(KEEP_ATTRIBUTE, Scalar::Text(KEEP_JAEGER_DEBUG));
    }
    if span.flags & !(FLAG_SAMPLED | FLAG_DEBUG) != 0 {
        put_unless_set(FLAGS_ATTRIBUTE, Scalar::Int(i64::from(span.flags)));
    }
    if !span.process_id.is_empty() {
        put_unless_set(PROCESS_ID_ATTRIBUTE, Scalar::Text(&span.process_id));
    }
    let negative = (span.duration < 0)
        .then(|| format!("the duration was negative ({} ns) and is left out", span.duration));
    if (!span.warnings.is_empty() || negative.is_some()) && !tags.has_attribute(WARNINGS_ATTRIBUTE)
    {
        let warnings = span.warnings.iter().map(|warning| &**warning).chain(negative.as_deref());
        put_texts(out, WARNINGS_ATTRIBUTE, warnings);
    }
}

fn put_texts<'t>(out: &mut MessageWriter<'_, '_>, key: &str, texts: impl Iterator<Item = &'t str>) {
    let attribute = out.begin_message(span::ATTRIBUTES);
    out.bytes(key_value::KEY, key.as_bytes());
    let value = out.begin_message(key_value::VALUE);
    let list = out.begin_message(any_value::ARRAY_VALUE);
    for text in texts {
        let element = out.begin_message(array_value::VALUES);
        out.bytes(any_value::STRING_VALUE, text.as_bytes());
        out.end_message(element);
    }
    out.end_message(list);
    out.end_message(value);
    out.end_message(attribute);
}

fn put_event(out: &mut MessageWriter<'_, '_>, log: &Log, fields: &[Tag<'_>]) {
    let message = out.begin_message(span::EVENTS);
    let (time, _) = interval(log.time, 0);
    if time > 0 {
        out.fixed64(event::TIME_UNIX_NANO, time);
    }
    for field in last_of_each(fields) {
        match &field.value {
            Value::Text(name) if field.key == "event" => out.text(event::NAME, name),
            value => out.attribute(event::ATTRIBUTES, &field.key, &value.scalar()),
        }
    }
    out.end_message(message);
}

fn put_link(out: &mut MessageWriter<'_, '_>, reference: &Reference) {
    let message = out.begin_message(span::LINKS);
    out.bytes(link::TRACE_ID, &reference.trace_id);
    out.bytes(link::SPAN_ID, &reference.span_id);
    let kind = match reference.kind {
        ReferenceKind::ChildOf => "child_of",
        ReferenceKind::FollowsFrom => "follows_from",
    };
    out.attribute(link::ATTRIBUTES, "opentracing.ref_type", &Scalar::Text(kind));
    out.end_message(message);
}

fn put_status(out: &mut MessageWriter<'_, '_>, tags: &Tags<'_, '_>) {
    if tags.status_code == 0 && tags.status_message.is_empty() {
        return;
    }
    let status = out.begin_message(span::STATUS);
    out.text(status::MESSAGE, tags.status_message);
    if tags.status_code > 0 {
        out.uint(status::CODE, tags.status_code);
    }
    out.end_message(status);
}
