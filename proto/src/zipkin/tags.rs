//! Tags by what becomes of them.

use super::model::{Kind, Span, Tag, TagValue};
use super::own::OWN_ATTRIBUTES;
use super::resource_keys::{KEYS, PREFIXES, is_resource_key};
use crate::otlp::enums::{KINDS, number_of, status_code};
use crate::utf8::str_of;

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

/// What the names of the tags begin with that have a field of their own, but for those of the resource.
const MEANINGS: [&str; 6] =
    ["otel.", "error", "w3c.tracestate", LINK_PREFIX, SERVICE_NAME_SOURCE, SPAN_KIND];

/// By the first letter of a name: its second letters, a bit each, that names have which may be more
/// than that of an attribute of the span. Nearly every other name is told apart by them.
const BEGINNINGS: [u64; 256] = {
    let mut beginnings = [0; 256];
    let lists: [&[&str]; 4] = [&KEYS, &PREFIXES, &MEANINGS, &OWN_ATTRIBUTES];
    let mut list = 0;
    while list < lists.len() {
        let mut at = 0;
        while at < lists[list].len() {
            let name = lists[list][at].as_bytes();
            beginnings[name[0] as usize] |= 1 << (name[1] % 64);
            at += 1;
        }
        list += 1;
    }
    beginnings
};

/// Whether a tag of this name may be more than an attribute of the span.
#[inline]
fn may_mean_more(key: &[u8]) -> bool {
    let [first, second, ..] = key else { return false };
    let seconds = BEGINNINGS.get(usize::from(*first)).copied().unwrap_or_default();
    seconds >> (second % 64) & 1 == 1
}

/// Where the tags of a span go, by their places in it. Its vectors are for the next span too.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// By name.
    resource: Vec<u32>,
    attributes: Vec<u32>,
    /// By number.
    links: Vec<(u8, u32)>,
    /// Whether a name may be among the attributes that are made of other fields.
    has_own: bool,
}

/// The tags of one span, sorted by where they go.
#[derive(Debug)]
pub(super) struct Tags<'s, 'a> {
    tags: &'s [Tag<'a>],
    places: &'s Places,
    /// The service name and what it is called, unless a tag has it.
    pub(super) service_name: Option<(&'s [u8], &'s [u8])>,
    pub(super) said: Said<'s>,
}

/// What tags say that has a field of its own.
#[derive(Debug, Default)]
pub(super) struct Said<'s> {
    pub(super) scope_name: &'s [u8],
    pub(super) scope_version: &'s [u8],
    pub(super) trace_state: &'s [u8],
    /// The number of the status code, where one is known.
    pub(super) status_code: Option<u64>,
    pub(super) status_message: &'s [u8],
    /// Whether there is an `error` tag: to Zipkin, whatever it says, that is an error.
    pub(super) error: bool,
    /// The number of the kind, of a span that has none of its own; 0 is not known.
    pub(super) kind: u64,
}

/// Tags of which it shows at the end what becomes of them.
#[derive(Default)]
struct Later<'s> {
    service_name_key: Option<&'s [u8]>,
    /// The message of the status, with its place.
    message: Option<(u32, &'s [u8])>,
    /// Name and version of the scope, as they were called before.
    library: [Option<(u32, &'s [u8])>; 2],
}

impl<'s, 'a> Tags<'s, 'a> {
    /// Sorts the tags of `span`.
    pub(super) fn of(span: &'s Span<'a>, places: &'s mut Places) -> Self {
        let (mut said, mut later) = (Said::default(), Later::default());
        places.clear();
        for ((key, value), at) in span.tags.iter().zip(0..) {
            if !may_mean_more(key) {
                places.attributes.push(at);
                continue;
            }
            match value {
                TagValue::Text(text) => {
                    places.sort(span.kind, (at, key, text), &mut said, &mut later);
                }
                other => {
                    said.error |= **key == *b"error";
                    places.sort_typed(at, key, other);
                }
            }
        }
        let [name, version] = later.library;
        said.scope_name = places.before(said.scope_name, name);
        said.scope_version = places.before(said.scope_version, version);
        match later.message {
            Some((_, message)) if said.status_code.is_some() => said.status_message = message,
            Some((at, _)) => places.attributes.push(at),
            None => {}
        }
        let tags = span.tags.as_slice();
        places.resource.sort_unstable_by_key(|at| key_at(tags, *at));
        places.links.sort_unstable();
        let key = later.service_name_key.unwrap_or(b"service.name");
        let name = &*span.local.service_name;
        let is_tagged = places.resource.iter().any(|at| key_at(tags, *at) == key);
        let is_name = !is_tagged && !name.is_empty() && name != NO_SERVICE_NAME.as_bytes();
        Self { tags, places, service_name: is_name.then_some((key, name)), said }
    }

    /// Attributes of the resource but for the service name, by name.
    pub(super) fn resource(&self) -> impl Iterator<Item = &'s Tag<'a>> {
        let Self { tags, places, .. } = *self;
        places.resource.iter().filter_map(|at| tag_at(tags, *at))
    }

    /// What stays with the span.
    pub(super) fn attributes(&self) -> impl Iterator<Item = &'s Tag<'a>> {
        let Self { tags, places, .. } = *self;
        places.attributes.iter().filter_map(|at| tag_at(tags, *at))
    }

    /// The tags that are links, by number.
    pub(super) fn links(&self) -> impl Iterator<Item = &'s Tag<'a>> {
        let Self { tags, places, .. } = *self;
        places.links.iter().filter_map(|(_, at)| tag_at(tags, *at))
    }

    /// Whether the span has `key`, which is of `OWN_ATTRIBUTES`, from a tag.
    #[inline]
    pub(super) fn has_own_attribute(&self, key: &str) -> bool {
        self.places.has_own && self.attributes().any(|(known, _)| **known == *key.as_bytes())
    }
}

#[inline]
fn tag_at<'s, 'a>(tags: &'s [Tag<'a>], at: u32) -> Option<&'s Tag<'a>> {
    tags.get(at as usize)
}

fn key_at<'s>(tags: &'s [Tag<'_>], at: u32) -> &'s [u8] {
    tag_at(tags, at).map_or(&[], |(key, _)| key)
}

impl Places {
    fn clear(&mut self) {
        self.resource.clear();
        self.attributes.clear();
        self.links.clear();
        self.has_own = false;
    }

    fn sort<'s>(
        &mut self,
        span_kind: Kind,
        (at, key, value): (u32, &'s [u8], &'s [u8]),
        said: &mut Said<'s>,
        later: &mut Later<'s>,
    ) {
        match key {
            b"otel.scope.name" => said.scope_name = value,
            b"otel.scope.version" => said.scope_version = value,
            b"otel.library.name" => later.library[0] = Some((at, value)),
            b"otel.library.version" => later.library[1] = Some((at, value)),
            b"w3c.tracestate" => said.trace_state = value,
            b"otel.status_code" => match status_code(str_of(value)) {
                Some(code) => said.status_code = Some(code),
                None => self.attributes.push(at),
            },
            b"otel.status_description" => later.message = Some((at, value)),
            b"error" => {
                said.error = true;
                // What went wrong is in the text.
                if value != b"true" {
                    self.attributes.push(at);
                }
            }
            b"span.kind" if span_kind == Kind::None => match number_of(str_of(value), &KINDS) {
                Some(kind) => said.kind = kind,
                None => self.attributes.push(at),
            },
            b"otlp.service.name.source" if value.is_empty() => {}
            b"otlp.service.name.source" => later.service_name_key = Some(value),
            key if is_resource_key(key) => self.resource.push(at),
            key => self.link_or_attribute(at, str_of(key)),
        }
    }

    /// Of what is no text, `error` alone has a meaning.
    fn sort_typed(&mut self, at: u32, key: &[u8], value: &TagValue<'_>) {
        if is_resource_key(key) {
            self.resource.push(at);
        } else if key != b"error" || *value != TagValue::Bool(true) {
            self.attribute(at, str_of(key));
        }
    }

    /// What is said by the name of today, else by the `old` one, which stays an attribute where it is
    /// not needed.
    fn before<'s>(&mut self, said: &'s [u8], old: Option<(u32, &'s [u8])>) -> &'s [u8] {
        match old {
            Some((_, old)) if said.is_empty() => old,
            Some((at, _)) => {
                self.attributes.push(at);
                said
            }
            None => said,
        }
    }

    fn attribute(&mut self, at: u32, key: &str) {
        self.attributes.push(at);
        self.has_own |= OWN_ATTRIBUTES.contains(&key);
    }

    fn link_or_attribute(&mut self, at: u32, key: &str) {
        let number = key.strip_prefix(LINK_PREFIX).and_then(|number| number.parse().ok());
        match number {
            Some(number @ 0..LINKS_MAX) => self.links.push((number, at)),
            _ => self.attribute(at, key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_something_are_told_from_those_that_do_not() {
        let others = ["w3c.tracestate", "otlp.link.7", "otel.library.name"];
        for name in KEYS.iter().chain(&PREFIXES).chain(&OWN_ATTRIBUTES).chain(&others) {
            assert!(may_mean_more(name.as_bytes()), "{name}");
        }
        for name in ["", "h", "http.method", "db.statement", "sql.query", "rpc.system"] {
            assert!(!may_mean_more(name.as_bytes()), "{name}");
        }
    }
}
