//! One Jaeger span as an OTLP span.

use super::model::{
    FLAG_DEBUG, FLAG_SAMPLED, Log, Reference, ReferenceKind, Span, Tag, Value, last_of_each,
};
use super::tags::Said;
use crate::otlp::message::{MessageWriter, Scalar};
use crate::otlp::numbers::{
    any_value, array_value, event, instrumentation_scope, key_value, link, span, status,
};
use crate::otlp::writer::{ResourceId, ScopeId, Writer};
use crate::room::NoRoom;
use crate::texts::Utf8;
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

/// A resource, and its scope without a name: most spans have the same as the one before.
pub(super) type UnnamedScope = Option<(ResourceId, ScopeId)>;

/// Writes `span` under `resource` and its scope. Its tags are then its attributes.
pub(super) fn write_span(
    writer: &mut Writer<'_>,
    resource: ResourceId,
    unnamed: &mut UnnamedScope,
    span: &mut Span<'_>,
) -> Result<(), NoRoom> {
    let said = Said::take(&mut span.tags);
    let has_no_name = said.scope_name.is_empty() && said.scope_version.is_empty();
    let scope = match *unnamed {
        Some((of, scope)) if has_no_name && of == resource => scope,
        _ => writer.scope(resource, |out| {
            out.text(instrumentation_scope::NAME, said.scope_name.bytes());
            out.text(instrumentation_scope::VERSION, said.scope_version.bytes());
        })?,
    };
    if has_no_name {
        *unnamed = Some((resource, scope));
    }
    writer.span(scope, |out| {
        put_span(out, span, &said);
        Ok(())
    })
}

/// Writes the fields of `span`.
fn put_span(out: &mut MessageWriter<'_, '_>, span: &Span<'_>, said: &Said<'_>) {
    out.array(span::TRACE_ID, &span.trace_id);
    out.array(span::SPAN_ID, &span.id);
    out.text(span::TRACE_STATE, said.trace_state.bytes());
    let parent = span.parent();
    if let Some(parent) = &parent {
        out.array(span::PARENT_SPAN_ID, parent);
    }
    out.text(span::NAME, span.name.bytes());
    if said.kind > 0 {
        out.uint(span::KIND, said.kind);
    }
    let (start, end) = interval(span.start, span.duration);
    if start > 0 {
        out.fixed64(span::START_TIME_UNIX_NANO, start);
    }
    if end > 0 {
        out.fixed64(span::END_TIME_UNIX_NANO, end);
    }
    for tag in &span.tags {
        tag.put(out, span::ATTRIBUTES);
    }
    put_markers(out, span);
    for log in &span.logs {
        put_event(out, log, span.fields.get(log.fields.clone()).unwrap_or_default());
    }
    for reference in span.links(parent) {
        put_link(out, reference);
    }
    put_status(out, said);
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
fn put_markers(out: &mut MessageWriter<'_, '_>, span: &Span<'_>) {
    let has_attribute = |key: &str| span.tags.iter().any(|tag| tag.is(key));
    let mut put_unless_set = |key: &str, value: Scalar<'_>| {
        if !has_attribute(key) {
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
        put_unless_set(PROCESS_ID_ATTRIBUTE, Scalar::Text(span.process_id.as_str()));
    }
    let negative = (span.duration < 0)
        .then(|| format!("the duration was negative ({} ns) and is left out", span.duration));
    if (!span.warnings.is_empty() || negative.is_some()) && !has_attribute(WARNINGS_ATTRIBUTE) {
        let negative = negative.as_deref().map(Utf8::from);
        put_texts(out, WARNINGS_ATTRIBUTE, span.warnings.iter().copied().chain(negative));
    }
}

fn put_texts<'t>(
    out: &mut MessageWriter<'_, '_>,
    key: &str,
    texts: impl Iterator<Item = Utf8<'t>>,
) {
    let attribute = out.begin_message(span::ATTRIBUTES);
    out.bytes(key_value::KEY, key.as_bytes());
    let value = out.begin_message(key_value::VALUE);
    let list = out.begin_message(any_value::ARRAY_VALUE);
    for text in texts {
        let element = out.begin_message(array_value::VALUES);
        out.bytes(any_value::STRING_VALUE, text.bytes());
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
        match field.value {
            Value::Text(name) if field.is("event") => out.text(event::NAME, name.bytes()),
            _ => field.put(out, event::ATTRIBUTES),
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

fn put_status(out: &mut MessageWriter<'_, '_>, said: &Said<'_>) {
    if said.status_code == 0 && said.status_message.is_empty() {
        return;
    }
    let status = out.begin_message(span::STATUS);
    out.text(status::MESSAGE, said.status_message.bytes());
    if said.status_code > 0 {
        out.uint(status::CODE, said.status_code);
    }
    out.end_message(status);
}
