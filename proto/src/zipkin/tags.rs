//! Tags by what becomes of them.

use super::model::{Kind, Span};
use super::resource_keys::is_resource_key;

/// What the name of a service is where nothing tells it, as Collectors write it; read back, it is no
/// name.
pub const NO_SERVICE_NAME: &str = "OTLPResourceNoServiceName";

/// The tag that names the resource attribute which the service name was taken from.
pub(super) const SERVICE_NAME_SOURCE: &str = "otlp.service.name.source";

/// Links of a span are in tags of this name with a number behind it.
const LINK_PREFIX: &str = "otlp.link.";

/// The most links of a span.
const LINKS_MAX: u8 = 128;

/// The tags of one span, sorted by where they go.
#[derive(Debug, Default)]
pub(super) struct Tags<'s> {
    /// Attributes of the resource, the service name among them, by name.
    pub(super) resource: Vec<(&'s str, &'s str)>,
    pub(super) scope_name: &'s str,
    pub(super) scope_version: &'s str,
    pub(super) trace_state: &'s str,
    pub(super) status_code: Option<&'s str>,
    pub(super) status_message: &'s str,
    /// Whether there is an `error` tag: to Zipkin, whatever it says, that is an error.
    pub(super) error: bool,
    /// Whether the span is marked as internal work.
    pub(super) internal: bool,
    /// By number.
    pub(super) links: Vec<(u8, &'s str, &'s str)>,
    /// What stays with the span.
    pub(super) attributes: Vec<(&'s str, &'s str)>,
}

impl<'s> Tags<'s> {
    /// Sorts the tags of `span`.
    pub(super) fn of(span: &'s Span<'_>) -> Self {
        let mut tags = Self { attributes: Vec::with_capacity(span.tags.len()), ..Self::default() };
        let mut service_name_key = "service.name";
        let mut message = None;
        for (key, value) in &span.tags {
            let (key, value) = (&**key, &**value);
            match key {
                "otel.scope.name" | "otel.library.name" => tags.scope_name = value,
                "otel.scope.version" | "otel.library.version" => tags.scope_version = value,
                "w3c.tracestate" => tags.trace_state = value,
                "otel.status_code" => tags.status_code = Some(value),
                "otel.status_description" => message = Some(value),
                "error" if value == "true" => tags.error = true,
                // What went wrong is in the text.
                "error" => {
                    tags.error = true;
                    tags.attributes.push((key, value));
                }
                "span.kind" if span.kind == Kind::None => tags.internal = value == "internal",
                SERVICE_NAME_SOURCE if value.is_empty() => {}
                SERVICE_NAME_SOURCE => service_name_key = value,
                _ if is_resource_key(key) => tags.resource.push((key, value)),
                _ => tags.link_or_attribute(key, value),
            }
        }
        match message {
            Some(message) if tags.status_code.is_some() => tags.status_message = message,
            Some(message) => tags.attributes.push(("otel.status_description", message)),
            None => {}
        }
        tags.add_service_name(service_name_key, &span.local.service_name);
        tags.resource.sort_unstable();
        tags.links.sort_unstable();
        tags
    }

    /// Whether the span has an attribute `key` from a tag.
    pub(super) fn has_attribute(&self, key: &str) -> bool {
        self.attributes.iter().any(|(known, _)| *known == key)
    }

    fn add_service_name(&mut self, key: &'s str, name: &'s str) {
        let tagged = self.resource.iter().any(|(known, _)| *known == key);
        if !tagged && !name.is_empty() && name != NO_SERVICE_NAME {
            self.resource.push((key, name));
        }
    }

    fn link_or_attribute(&mut self, key: &'s str, value: &'s str) {
        let number = key.strip_prefix(LINK_PREFIX).and_then(|number| number.parse().ok());
        match number {
            Some(number @ 0..LINKS_MAX) => self.links.push((number, key, value)),
            _ => self.attributes.push((key, value)),
        }
    }
}
