//! One Zipkin span as an OTLP span.

use super::address;
use super::links_events::{put_event, put_link};
use super::model::{Endpoint, Kind, Span};
use super::tags::Tags;
use crate::otlp::enums::{KINDS, STATUS_CODES, number_of};
use crate::otlp::message::{MessageWriter, Scalar};
use crate::otlp::numbers::{instrumentation_scope, resource, span, status};
use crate::otlp::writer::Writer;
use crate::room::NoRoom;
use crate::translated::{KEEP_ATTRIBUTE, KEEP_ZIPKIN_DEBUG};

/// The span attribute (a boolean) that says that this server's span has the id of its client's:
/// B3 propagation can share ids. It was `shared` in Zipkin.
pub const SHARED_ATTRIBUTE: &str = "zipkin.shared";

/// The span attribute (a boolean) that says that the sender gave no start: it is 0. The name is
/// the Collector's.
pub const START_ABSENT_ATTRIBUTE: &str = "otel.zipkin.absentField.startTime";

/// Writes `span` under its resource and scope.
pub(super) fn write_span(writer: &mut Writer<'_>, span: &Span<'_>) -> Result<(), NoRoom> {
    let tags = Tags::of(span);
    let resource = writer.resource(|out| {
        for (key, value) in &tags.resource {
            out.attribute(resource::ATTRIBUTES, key, value);
        }
    })?;
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
fn put_span(out: &mut MessageWriter<'_, '_>, span: &Span<'_>, tags: &Tags<'_>) {
    out.bytes(span::TRACE_ID, &span.trace_id);
    out.bytes(span::SPAN_ID, &span.id);
    out.text(span::TRACE_STATE, tags.trace_state);
    if let Some(parent) = &span.parent_id {
        out.bytes(span::PARENT_SPAN_ID, parent);
    }
    out.text(span::NAME, &span.name);
    let kind = kind(span.kind).unwrap_or(tags.kind);
    if kind > 0 {
        out.uint(span::KIND, kind);
    }
    if span.start > 0 {
        out.fixed64(span::START_TIME_UNIX_NANO, span.start);
    }
    if span.end > 0 {
        out.fixed64(span::END_TIME_UNIX_NANO, span.end);
    }
    for (key, value) in &tags.attributes {
        out.attribute(span::ATTRIBUTES, key, value);
    }
    put_endpoint(out, tags, &span.local, &LOCAL);
    put_endpoint(out, tags, &span.remote, &REMOTE);
    put_markers(out, tags, span);
    for annotation in &span.annotations {
        put_event(out, annotation.time, &annotation.value);
    }
    for (_, key, value) in &tags.links {
        if !put_link(out, value) {
            out.attribute(span::ATTRIBUTES, key, &Scalar::Text(value));
        }
    }
    put_status(out, tags);
}

fn kind(kind: Kind) -> Option<u64> {
    let name = match kind {
        Kind::None => return None,
        Kind::Client => "CLIENT",
        Kind::Server => "SERVER",
        Kind::Producer => "PRODUCER",
        Kind::Consumer => "CONSUMER",
    };
    number_of(name, &KINDS)
}

fn put_markers(out: &mut MessageWriter<'_, '_>, tags: &Tags<'_>, span: &Span<'_>) {
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

/// An attribute of that name which the sender has set stands.
fn put_unless_set(out: &mut MessageWriter<'_, '_>, tags: &Tags<'_>, key: &str, value: &Scalar<'_>) {
    if !tags.has_attribute(key) {
        out.attribute(span::ATTRIBUTES, key, value);
    }
}

/// The attributes that an endpoint becomes.
pub(super) struct EndpointKeys {
    /// Of the other side; that of the own side is in the resource.
    pub(super) service: Option<&'static str>,
    pub(super) address: &'static str,
    /// For the address of version 4 where there is one of version 6 as well.
    pub(super) second_address: &'static str,
    pub(super) port: &'static str,
}

pub(super) const LOCAL: EndpointKeys = EndpointKeys {
    service: None,
    address: "network.local.address",
    second_address: "zipkin.local.ipv4",
    port: "net.host.port",
};

pub(super) const REMOTE: EndpointKeys = EndpointKeys {
    service: Some("service.peer.name"),
    address: "network.peer.address",
    second_address: "zipkin.peer.ipv4",
    port: "net.peer.port",
};

fn put_endpoint(
    out: &mut MessageWriter<'_, '_>,
    tags: &Tags<'_>,
    from: &Endpoint<'_>,
    keys: &EndpointKeys,
) {
    let mut put = |key: &str, value: Scalar<'_>| put_unless_set(out, tags, key, &value);
    if let Some(key) = keys.service.filter(|_| !from.service_name.is_empty()) {
        put(key, Scalar::Text(&from.service_name));
    }
    if let Some(address) = from.ipv6 {
        put(keys.address, Scalar::Text(&address.to_string()));
    }
    if let Some(address) = from.ipv4 {
        let key = if from.ipv6.is_none() { keys.address } else { keys.second_address };
        put(key, Scalar::Text(&address::text_of(address)));
    }
    if from.port > 0 {
        put(keys.port, Scalar::Int(i64::from(from.port)));
    }
}

fn put_status(out: &mut MessageWriter<'_, '_>, tags: &Tags<'_>) {
    let error = || number_of("ERROR", &STATUS_CODES);
    let code = if tags.error { error() } else { tags.status_code }.unwrap_or(0);
    if code == 0 && tags.status_message.is_empty() {
        return;
    }
    let status = out.begin_message(span::STATUS);
    out.text(status::MESSAGE, tags.status_message);
    if code > 0 {
        out.uint(status::CODE, code);
    }
    out.end_message(status);
}
