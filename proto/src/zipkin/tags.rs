//! Tags by what becomes of them.

use super::model::{Kind, Span, TagValue};
use super::resource_keys::is_resource_key;
use crate::otlp::enums::{KINDS, number_of, status_code};
use crate::otlp::message::Scalar;

/// What the name of a service is where nothing tells it, as Collectors write it; read back, it is no
/// name.
pub const NO_SERVICE_NAME: &str = "OTLPResourceNoServiceName";

/// The tag that names the resource attribute which the service name was taken from.
pub(super) const SERVICE_NAME_SOURCE: &str = "otlp.service.name.source";

/// Links of a span are in tags of this name with a number behind it.
const LINK_PREFIX: &str = "otlp.link.";

/// The most links of a span.
const LINKS_MAX: u8 = 128;

/// The tag for the kinds that Zipkin has no word for, and OpenTracing's for all of them.
pub(super) const SPAN_KIND: &str = "span.kind";

/// The tags of one span, sorted by where they go.
#[derive(Debug, Default)]
pub(super) struct Tags<'s> {
    /// Attributes of the resource, the service name among them, by name.
    pub(super) resource: Vec<(&'s str, Scalar<'s>)>,
    pub(super) scope_name: &'s str,
    pub(super) scope_version: &'s str,
    pub(super) trace_state: &'s str,
    /// The number of the status code, where one is known.
    pub(super) status_code: Option<u64>,
    pub(super) status_message: &'s str,
    /// Whether there is an `error` tag: to Zipkin, whatever it says, that is an error.
    pub(super) error: bool,
    /// The number of the kind, of a span that has none of its own; 0 is not known.
    pub(super) kind: u64,
    /// By number.
    pub(super) links: Vec<(u8, &'s str, &'s str)>,
    /// What stays with the span.
    pub(super) attributes: Vec<(&'s str, Scalar<'s>)>,
}

/// Tags of which it shows at the end what becomes of them.
#[derive(Default)]
struct Later<'s> {
    service_name_key: Option<&'s str>,
    message: Option<&'s str>,
    /// Name and version of the scope, as they were called before.
    library: [Option<&'s str>; 2],
}

const LIBRARY: [&str; 2] = ["otel.library.name", "otel.library.version"];

impl<'s> Tags<'s> {
    /// Sorts the tags of `span`.
    pub(super) fn of(span: &'s Span<'_>) -> Self {
        let mut tags = Self { attributes: Vec::with_capacity(span.tags.len()), ..Self::default() };
        let mut later = Later::default();
        for (key, value) in &span.tags {
            match value {
                TagValue::Text(text) => tags.sort(span, key, text, &mut later),
                other => tags.sort_typed(key, other),
            }
        }
        let [name, version] = later.library;
        tags.scope_name = tags.before(tags.scope_name, name, LIBRARY[0]);
        tags.scope_version = tags.before(tags.scope_version, version, LIBRARY[1]);
        match later.message {
            Some(message) if tags.status_code.is_some() => tags.status_message = message,
            Some(message) => tags.attribute("otel.status_description", message),
            None => {}
        }
        let key = later.service_name_key.unwrap_or("service.name");
        tags.add_service_name(key, &span.local.service_name);
        tags.resource.sort_unstable_by_key(|(key, _)| *key);
        tags.links.sort_unstable();
        tags
    }

    fn sort(&mut self, span: &Span<'_>, key: &'s str, value: &'s str, later: &mut Later<'s>) {
        match key {
            "otel.scope.name" => self.scope_name = value,
            "otel.scope.version" => self.scope_version = value,
            "otel.library.name" => later.library[0] = Some(value),
            "otel.library.version" => later.library[1] = Some(value),
            "w3c.tracestate" => self.trace_state = value,
            "otel.status_code" => match status_code(value) {
                Some(code) => self.status_code = Some(code),
                None => self.attribute(key, value),
            },
            "otel.status_description" => later.message = Some(value),
            "error" => {
                self.error = true;
                // What went wrong is in the text.
                if value != "true" {
                    self.attribute(key, value);
                }
            }
            SPAN_KIND if span.kind == Kind::None => match number_of(value, &KINDS) {
                Some(kind) => self.kind = kind,
                None => self.attribute(key, value),
            },
            SERVICE_NAME_SOURCE if value.is_empty() => {}
            SERVICE_NAME_SOURCE => later.service_name_key = Some(value),
            _ if is_resource_key(key) => self.resource.push((key, Scalar::Text(value))),
            _ => self.link_or_attribute(key, value),
        }
    }

    /// Of what is no text, `error` alone has a meaning.
    fn sort_typed(&mut self, key: &'s str, value: &'s TagValue<'_>) {
        self.error |= key == "error";
        if is_resource_key(key) {
            self.resource.push((key, value.scalar()));
        } else if (key, value) != ("error", &TagValue::Bool(true)) {
            self.attributes.push((key, value.scalar()));
        }
    }

    /// What is said by the name of today, else by the `old` one, which stays an attribute of this
    /// key where it is not needed.
    fn before(&mut self, said: &'s str, old: Option<&'s str>, key: &'static str) -> &'s str {
        match old {
            Some(old) if said.is_empty() => old,
            Some(old) => {
                self.attribute(key, old);
                said
            }
            None => said,
        }
    }

    fn attribute(&mut self, key: &'s str, value: &'s str) {
        self.attributes.push((key, Scalar::Text(value)));
    }

    /// Whether the span has an attribute `key` from a tag.
    pub(super) fn has_attribute(&self, key: &str) -> bool {
        self.attributes.iter().any(|(known, _)| *known == key)
    }

    fn add_service_name(&mut self, key: &'s str, name: &'s str) {
        let tagged = self.resource.iter().any(|(known, _)| *known == key);
        if !tagged && !name.is_empty() && name != NO_SERVICE_NAME {
            self.resource.push((key, Scalar::Text(name)));
        }
    }

    fn link_or_attribute(&mut self, key: &'s str, value: &'s str) {
        let number = key.strip_prefix(LINK_PREFIX).and_then(|number| number.parse().ok());
        match number {
            Some(number @ 0..LINKS_MAX) => self.links.push((number, key, value)),
            _ => self.attribute(key, value),
        }
    }
}
