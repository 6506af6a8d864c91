//! One Zipkin span as an OTLP span.

use super::links_events::{put_event, put_link};
use super::model::{Endpoint, Kind, Span, TagValue};
use super::own::{EndpointKeys, LOCAL, REMOTE, SHARED_ATTRIBUTE, START_ABSENT_ATTRIBUTE};
use super::scopes::Scopes;
use super::tags::{Places, Tags};
use crate::otlp::enums::{STATUS_CODES, number_of};
use crate::otlp::message::{MessageWriter, Scalar};
use crate::otlp::numbers::{instrumentation_scope, resource, span, status};
use crate::otlp::writer::{ScopeId, Writer};
use crate::room::NoRoom;
use crate::translated::{KEEP_ATTRIBUTE, KEEP_ZIPKIN_DEBUG};
use crate::utf8::str_of;

/// Writes `span` under its resource and scope.
pub(super) fn write_span(
    writer: &mut Writer<'_>,
    span: &Span<'_>,
    places: &mut Places,
    scopes: &mut Scopes,
) -> Result<(), NoRoom> {
    let tags = Tags::of(span, places);
    let scope = match scopes.find(&tags) {
        Some(scope) => scope,
        None => {
            let scope = write_scope(writer, &tags)?;
            scopes.keep(&tags, scope);
            scope
        }
    };
    writer.span(scope, |out| {
        put_span(out, span, &tags);
        Ok(())
    })
}

/// The scope of the span with these tags, under its resource.
fn write_scope(writer: &mut Writer<'_>, tags: &Tags<'_, '_>) -> Result<ScopeId, NoRoom> {
    let resource = writer.resource(|out| put_resource(out, tags))?;
    writer.scope(resource, |out| {
        put_text(out, instrumentation_scope::NAME, tags.said.scope_name);
        put_text(out, instrumentation_scope::VERSION, tags.said.scope_version);
    })
}

/// Writes the attributes of the resource, the service name among them, by name.
fn put_resource(out: &mut MessageWriter<'_, '_>, tags: &Tags<'_, '_>) {
    let mut service_name = tags.service_name;
    for (key, value) in tags.resource() {
        if let Some((name_key, name)) = service_name.take_if(|(name_key, _)| *name_key < &**key) {
            out.text_attribute(resource::ATTRIBUTES, name_key, name);
        }
        put_tag(out, resource::ATTRIBUTES, key, value);
    }
    if let Some((key, name)) = service_name {
        out.text_attribute(resource::ATTRIBUTES, key, name);
    }
}

#[inline]
fn put_tag(out: &mut MessageWriter<'_, '_>, number: u32, key: &[u8], value: &TagValue<'_>) {
    match value {
        TagValue::Text(text) => out.text_attribute(number, key, text),
        other => out.attribute(number, str_of(key), &other.scalar()),
    }
}

/// A field of text, left out when it is empty.
fn put_text(out: &mut MessageWriter<'_, '_>, number: u32, text: &[u8]) {
    if !text.is_empty() {
        out.bytes(number, text);
    }
}

/// Writes the fields of `span`.
fn put_span(out: &mut MessageWriter<'_, '_>, span: &Span<'_>, tags: &Tags<'_, '_>) {
    out.array(span::TRACE_ID, &span.trace_id);
    out.array(span::SPAN_ID, &span.id);
    put_text(out, span::TRACE_STATE, tags.said.trace_state);
    if let Some(parent) = &span.parent_id {
        out.array(span::PARENT_SPAN_ID, parent);
    }
    put_text(out, span::NAME, &span.name);
    let kind = kind(span.kind).unwrap_or(tags.said.kind);
    if kind > 0 {
        out.uint(span::KIND, kind);
    }
    if span.start > 0 {
        out.fixed64(span::START_TIME_UNIX_NANO, span.start);
    }
    if span.end > 0 {
        out.fixed64(span::END_TIME_UNIX_NANO, span.end);
    }
    for (key, value) in tags.attributes() {
        put_tag(out, span::ATTRIBUTES, key, value);
    }
    put_endpoint(out, tags, &span.local, &LOCAL);
    put_endpoint(out, tags, &span.remote, &REMOTE);
    put_markers(out, tags, span);
    for annotation in &span.annotations {
        put_event(out, annotation.time, &annotation.value);
    }
    for (key, value) in tags.links() {
        if !value.text().is_some_and(|text| put_link(out, text)) {
            put_tag(out, span::ATTRIBUTES, key, value);
        }
    }
    put_status(out, tags);
}

/// The number of a kind; none where a tag may tell it.
const fn kind(kind: Kind) -> Option<u64> {
    Some(match kind {
        Kind::None => return None,
        Kind::Server => 2,
        Kind::Client => 3,
        Kind::Producer => 4,
        Kind::Consumer => 5,
    })
}

fn put_markers(out: &mut MessageWriter<'_, '_>, tags: &Tags<'_, '_>, span: &Span<'_>) {
    if span.start == 0 {
        put_unless_set(out, tags, START_ABSENT_ATTRIBUTE, &Scalar::Bool(true));
    }
    if span.debug {
        put_unless_set(out, tags, KEEP_ATTRIBUTE, &Scalar::Text(KEEP_ZIPKIN_DEBUG));
    }
    // A client's span cannot have joined another one.
    if span.shared && span.kind != Kind::Client {
        put_unless_set(out, tags, SHARED_ATTRIBUTE, &Scalar::Bool(true));
    }
}

/// Writes an attribute of [`OWN_ATTRIBUTES`](super::own::OWN_ATTRIBUTES), unless the sender has set it.
fn put_unless_set(
    out: &mut MessageWriter<'_, '_>,
    tags: &Tags<'_, '_>,
    key: &str,
    value: &Scalar<'_>,
) {
    if !tags.has_own_attribute(key) {
        out.attribute(span::ATTRIBUTES, key, value);
    }
}

/// As [`put_unless_set`], of text.
fn put_text_unless_set(
    out: &mut MessageWriter<'_, '_>,
    tags: &Tags<'_, '_>,
    key: &str,
    text: &[u8],
) {
    if !tags.has_own_attribute(key) {
        out.text_attribute(span::ATTRIBUTES, key.as_bytes(), text);
    }
}

fn put_endpoint(
    out: &mut MessageWriter<'_, '_>,
    tags: &Tags<'_, '_>,
    from: &Endpoint<'_>,
    keys: &EndpointKeys,
) {
    if let Some(key) = keys.service.filter(|_| !from.service_name.is_empty()) {
        put_text_unless_set(out, tags, key, &from.service_name);
    }
    if let Some(address) = from.ipv6 {
        put_text_unless_set(out, tags, keys.address, address.to_string().as_bytes());
    }
    if let Some(address) = &from.ipv4 {
        let key = if from.ipv6.is_none() { keys.address } else { keys.second_address };
        put_text_unless_set(out, tags, key, address.as_bytes());
    }
    if from.port > 0 {
        put_unless_set(out, tags, keys.port, &Scalar::Int(i64::from(from.port)));
    }
}

fn put_status(out: &mut MessageWriter<'_, '_>, tags: &Tags<'_, '_>) {
    let said = &tags.said;
    let code = if said.error { number_of("ERROR", &STATUS_CODES) } else { said.status_code };
    let code = code.unwrap_or(0);
    if code == 0 && said.status_message.is_empty() {
        return;
    }
    let status = out.begin_message(span::STATUS);
    put_text(out, status::MESSAGE, said.status_message);
    if code > 0 {
        out.uint(status::CODE, code);
    }
    out.end_message(status);
}
