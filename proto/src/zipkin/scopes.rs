//! Scopes that spans shortly before had: their resources are not written again to find them.

use super::model::TagValue;
use super::tags::Tags;
use crate::otlp::writer::ScopeId;

/// How many are kept: a power of two.
const SLOTS: usize = 32;

/// What a scope may take that is kept.
const KEY_BYTES_MAX: usize = 512;

/// Scopes, by all that tags say of them and of their resources.
#[derive(Default)]
pub(super) struct Scopes {
    slots: [(Vec<u8>, Option<ScopeId>); SLOTS],
}

impl Scopes {
    /// The scope of a span with these tags, if it is known.
    pub(super) fn find(&self, tags: &Tags<'_, '_>) -> Option<ScopeId> {
        let (key, scope) = self.slots.get(slot(tags))?;
        let mut rest = key.as_slice();
        let is_same = parts(tags).all(|part| match part.and_then(|part| after(rest, part)) {
            Some(behind) => {
                rest = behind;
                true
            }
            None => false,
        });
        scope.filter(|_| is_same && rest.is_empty())
    }

    /// Keeps the scope of a span with these tags.
    pub(super) fn keep(&mut self, tags: &Tags<'_, '_>, scope: ScopeId) {
        let Some((key, kept)) = self.slots.get_mut(slot(tags)) else {
            return;
        };
        key.clear();
        *kept = None;
        for part in parts(tags) {
            let Some(part) = part.filter(|part| key.len() + part.len() < KEY_BYTES_MAX) else {
                return;
            };
            key.extend_from_slice(&part.len().to_le_bytes());
            key.extend_from_slice(part);
        }
        *kept = Some(scope);
    }
}

/// What is behind `part` and its length in `key`, which begins with them.
fn after<'k>(key: &'k [u8], part: &[u8]) -> Option<&'k [u8]> {
    key.strip_prefix(&part.len().to_le_bytes())?.strip_prefix(part)
}

/// All that is said of the scope and its resource; `None` in it for what is no text.
fn parts<'s>(tags: &Tags<'s, '_>) -> impl Iterator<Item = Option<&'s [u8]>> {
    let (key, name) = tags.service_name.unwrap_or_default();
    let said = [key, name, tags.said.scope_name, tags.said.scope_version].map(Some);
    let resource = tags.resource().flat_map(|(key, value)| [Some(&**key), TagValue::text(value)]);
    said.into_iter().chain(resource)
}

/// Where the scope is kept: by the ends of what differs between those of a sender.
fn slot(tags: &Tags<'_, '_>) -> usize {
    let (_, name) = tags.service_name.unwrap_or_default();
    let last = tags.resource().last().and_then(|(_, value)| value.text());
    let end = |text: &[u8]| {
        let eight = text.last_chunk::<8>().map(|eight| u64::from_le_bytes(*eight));
        eight.unwrap_or_else(|| text.iter().fold(1, |all, byte| all << 8 | u64::from(*byte)))
    };
    let mixed =
        (end(name).rotate_left(23) ^ last.map_or(0, end)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // The upper bits depend on all.
    usize::try_from(mixed >> 59).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::model::Span;
    use super::super::tags::Places;
    use super::*;
    use crate::otlp::writer::Writer;
    use crate::room::Limits;

    fn span(service: &'static str, tags: &[(&'static str, &'static str)]) -> Span<'static> {
        let text = |text: &'static str| text.as_bytes().into();
        let tag =
            |(key, value): &(&'static str, &'static str)| (text(key), TagValue::Text(text(value)));
        let mut span = Span { tags: tags.iter().map(tag).collect(), ..Span::default() };
        span.local.service_name = text(service);
        span
    }

    #[test]
    fn a_scope_is_found_by_all_that_is_said_of_it() {
        let spans = [
            span("", &[]),
            span("a", &[]),
            span("b", &[]),
            span("a", &[("otlp.service.name.source", "faas.name")]),
            span("a", &[("otel.scope.name", "x")]),
            span("a", &[("otel.scope.version", "x")]),
            span("a", &[("k8s.pod.name", "p")]),
            span("a", &[("k8s.pod.name", "p"), ("k8s.pod.uid", "q")]),
            span("a", &[("k8s.pod.uid", "q")]),
            span("ak8s.pod.uid", &[("k8s.pod.uid", "q")]),
        ];
        let mut room = Limits::default();
        let mut writer = Writer::new(&mut room);
        let resource = writer.resource(|_| {}).unwrap();
        let scope = writer.scope(resource, |_| {}).unwrap();
        let (mut first, mut second) = (Places::default(), Places::default());
        for kept in &spans {
            let mut scopes = Scopes::default();
            scopes.keep(&Tags::of(kept, &mut first), scope);
            for asked in &spans {
                let found = scopes.find(&Tags::of(asked, &mut second));
                assert_eq!(found, (kept == asked).then_some(scope), "{kept:?} {asked:?}");
            }
        }
    }

    #[test]
    fn what_is_no_text_or_long_is_not_kept() {
        let long = "x".repeat(KEY_BYTES_MAX);
        let mut number = span("a", &[]);
        number.tags.push((b"k8s.pod.name"[..].into(), TagValue::Int(1)));
        let mut name = span("a", &[]);
        name.local.service_name = long.as_bytes().into();
        let mut room = Limits::default();
        let mut writer = Writer::new(&mut room);
        let resource = writer.resource(|_| {}).unwrap();
        let scope = writer.scope(resource, |_| {}).unwrap();
        for span in [number, name] {
            let (mut scopes, mut places) = (Scopes::default(), Places::default());
            let tags = Tags::of(&span, &mut places);
            scopes.keep(&tags, scope);
            assert_eq!(scopes.find(&tags), None);
        }
    }
}
