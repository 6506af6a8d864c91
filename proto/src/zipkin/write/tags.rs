//! What of a span becomes tags.

use std::borrow::Cow;

use super::super::own::{SHARED_ATTRIBUTE, START_ABSENT_ATTRIBUTE};
use super::super::tags::SERVICE_NAME_SOURCE;
use crate::hex;
use crate::json::writer::put_display;
use crate::otlp::enums::STATUS_CODES;
use crate::otlp::plain::{put_attributes, text_of};
use crate::otlp::{
    AnyValue, InstrumentationScope, KeyValue, Resource, Span, any_value::Value, span::Link,
};
use crate::translated::{KEEP_ATTRIBUTE, KEEP_ZIPKIN_DEBUG};

/// A name and a value.
pub(super) type Tag<'t> = (Cow<'t, str>, Cow<'t, str>);

pub(super) type Collected<'t> = Vec<Tag<'t>>;

/// The numbers of kinds and status codes.
const INTERNAL: i32 = 1;
const CLIENT: i32 = 3;
const OK: i32 = 1;
const ERROR: i32 = 2;

const SERVICE_NAME: &str = "service.name";

/// What names a service that has no name.
const NAME_SOURCES: [&str; 3] = ["faas.name", "k8s.deployment.name", "process.executable.name"];

/// What all spans of a resource have.
#[derive(Default)]
pub(super) struct ResourceTags {
    pub(super) service_name: String,
    pub(super) tags: Collected<'static>,
}

impl ResourceTags {
    pub(super) fn of(resource: &Resource, default_service_name: &str) -> Self {
        let mut tags = owned(&resource.attributes);
        let named = |key: &str| {
            let mut found = tags.iter().rev().filter(|(known, _)| known == key);
            found.find(|(_, value)| !value.is_empty()).map(|(_, value)| value.to_string())
        };
        let name = named(SERVICE_NAME);
        let source = NAME_SOURCES.iter().find_map(|key| Some((*key, named(key)?)));
        let service_name = match (name, source) {
            (Some(name), _) => {
                tags.retain(|(key, _)| key != SERVICE_NAME);
                name
            }
            (None, Some((key, name))) => {
                tags.push((SERVICE_NAME_SOURCE.into(), key.into()));
                name
            }
            (None, None) => default_service_name.to_owned(),
        };
        tags.retain(|(key, value)| !(key == SERVICE_NAME && value.is_empty()));
        Self { service_name, tags }
    }
}

/// What all spans of a scope have.
pub(super) fn of_scope(scope: &InstrumentationScope) -> Collected<'static> {
    let mut tags = owned(&scope.attributes);
    for (key, text) in [("otel.scope.name", &scope.name), ("otel.scope.version", &scope.version)] {
        if !text.is_empty() {
            tags.push((key.into(), text.clone().into()));
        }
    }
    tags
}

fn owned(attributes: &[KeyValue]) -> Collected<'static> {
    let one = |attribute: &KeyValue| {
        let value = text_of(attribute.value.as_ref()).into_owned();
        (Cow::Owned(attribute.key.clone()), Cow::Owned(value))
    };
    attributes.iter().map(one).collect()
}

/// What a span has by itself.
#[derive(Default)]
pub(super) struct Tags<'t> {
    pub(super) tags: Collected<'t>,
    pub(super) debug: bool,
    pub(super) shared: bool,
    /// The span had no start in Zipkin.
    pub(super) start_absent: bool,
}

impl<'t> Tags<'t> {
    /// Sorts the attributes of `span`, and adds what Zipkin has no field for.
    pub(super) fn of(span: &'t Span) -> Self {
        let mut tags = Self::default();
        for attribute in &span.attributes {
            let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
            match (attribute.key.as_str(), value) {
                // They are fields again.
                (SHARED_ATTRIBUTE, Some(Value::BoolValue(true))) if span.kind != CLIENT => {
                    tags.shared = true;
                }
                (KEEP_ATTRIBUTE, Some(Value::StringValue(keep))) if keep == KEEP_ZIPKIN_DEBUG => {
                    tags.debug = true;
                }
                (START_ABSENT_ATTRIBUTE, Some(Value::BoolValue(true)))
                    if span.start_time_unix_nano == 0 =>
                {
                    tags.start_absent = true;
                }
                (key, _) => tags.add(key, text_of(attribute.value.as_ref())),
            }
        }
        if span.kind == INTERNAL {
            tags.add("span.kind", "internal".into());
        }
        if !span.trace_state.is_empty() {
            tags.add("w3c.tracestate", span.trace_state.as_str().into());
        }
        tags.add_status(span);
        for (link, number) in span.links.iter().zip(0..) {
            let text = link_text(link);
            tags.tags.push((format!("otlp.link.{number}").into(), text.into()));
        }
        for (key, count) in [
            ("otel.dropped_attributes_count", span.dropped_attributes_count),
            ("otel.dropped_events_count", span.dropped_events_count),
            ("otel.dropped_links_count", span.dropped_links_count),
        ] {
            if count > 0 {
                tags.add(key, count.to_string().into());
            }
        }
        tags
    }

    fn add(&mut self, key: &'t str, value: Cow<'t, str>) {
        self.tags.push((key.into(), value));
    }

    fn add_status(&mut self, span: &'t Span) {
        let Some(status) = &span.status else { return };
        if status.code == 0 && status.message.is_empty() {
            return;
        }
        let code = usize::try_from(status.code).ok().and_then(|code| STATUS_CODES.get(code));
        let code = code.copied().unwrap_or("UNSET");
        // In the long form, which Collectors read as well.
        self.add("otel.status_code", format!("STATUS_CODE_{code}").into());
        if !status.message.is_empty() {
            self.add("otel.status_description", status.message.as_str().into());
        }
    }
}

/// Sees to it that there is a tag `error` on a span that failed, whatever it says: to Zipkin that is an
/// error. One that says that nothing failed is none, nor is any on a span that is said to be well.
pub(super) fn judge_error(span: &Span, tags: &mut Collected<'_>) {
    let code = span.status.as_ref().map_or(0, |status| status.code);
    let says_no = |value: &str| value.is_empty() || value.eq_ignore_ascii_case("false");
    tags.retain(|(key, value)| key != "error" || (code != OK && !says_no(value)));
    if code == ERROR && !tags.iter().any(|(key, _)| key == "error") {
        tags.push(("error".into(), "true".into()));
    }
}

/// `trace id|span id|trace state|attributes|dropped`.
fn link_text(link: &Link) -> String {
    let mut text = Vec::new();
    hex::append(&mut text, &link.trace_id);
    text.push(b'|');
    hex::append(&mut text, &link.span_id);
    text.push(b'|');
    text.extend_from_slice(link.trace_state.as_bytes());
    text.push(b'|');
    put_attributes(&mut text, &link.attributes);
    put_display(&mut text, &format_args!("|{}", link.dropped_attributes_count));
    // It is made of text.
    String::from_utf8(text).unwrap_or_default()
}

/// The value of the last attribute of this name that is set.
pub(super) fn value_of<'t>(span: &'t Span, key: &str) -> Option<&'t Value> {
    let value = |attribute: &'t KeyValue| -> Option<&'t Value> {
        let AnyValue { value } = attribute.value.as_ref()?;
        value.as_ref()
    };
    span.attributes.iter().rev().filter(|attribute| attribute.key == key).find_map(value)
}
