//! The ways by byte ranges against a full decode.

use proptest::{collection::vec, prelude::*};
use prost::Message;
use wholetrace_proto::{
    assemble::Assembler,
    check::{HeadKind, check_head, check_span},
    id::{SpanId, TraceId},
    otlp::{ResourceSpans, ScopeSpans, Span, TracesData},
    repair::{repair_head, repair_span},
    spans::{Head, ScopeRef, SpanRef, Visitor, count, visit},
};

use crate::strategy::{self, untidy};

/// A span with all that belongs to it.
type Placed = (ResourceSpans, ScopeSpans, Span);

/// Decodes the ranges it is told of.
#[derive(Default)]
struct Decoded {
    resource: ResourceSpans,
    scope: ScopeSpans,
    spans: Vec<Placed>,
}

impl Visitor<'_> for Decoded {
    fn resource(&mut self, head: Head<'_>) {
        assert_eq!(check_head(HeadKind::Resource, &head.bytes()), Ok(true));
        self.resource = ResourceSpans::decode(&*head.bytes()).unwrap();
    }

    fn scope(&mut self, scope: ScopeRef<'_>) {
        let head = scope.head();
        assert_eq!(check_head(HeadKind::Scope, &head.bytes()), Ok(true));
        self.scope = ScopeSpans::decode(&*head.bytes()).unwrap();
    }

    fn span(&mut self, span: SpanRef<'_>) {
        let decoded = Span::decode(span.body).unwrap();
        let checked = check_span(span.body).unwrap();
        assert!(checked.text_valid);
        assert_eq!(checked.trace_id, TraceId::from_slice(&decoded.trace_id).unwrap());
        assert_eq!(checked.span_id, SpanId::from_slice(&decoded.span_id).unwrap());
        assert_eq!(span.trace_id(), decoded.trace_id);
        assert_eq!(span.key(), Some(checked.trace_id.key()));
        self.spans.push((self.resource.clone(), self.scope.clone(), decoded));
    }
}

fn by_ranges(bytes: &[u8]) -> Vec<Placed> {
    let mut decoded = Decoded::default();
    visit(bytes, &mut decoded).unwrap();
    decoded.spans
}

fn by_decoding(bytes: &[u8]) -> Vec<Placed> {
    let mut spans = Vec::new();
    for resource in TracesData::decode(bytes).unwrap().resource_spans {
        let bare = ResourceSpans { scope_spans: Vec::new(), ..resource.clone() };
        for scope in resource.scope_spans {
            let head = ScopeSpans { spans: Vec::new(), ..scope.clone() };
            spans.extend(scope.spans.into_iter().map(|span| (bare.clone(), head.clone(), span)));
        }
    }
    spans
}

/// Lets every span through whose turn it is.
struct Sieve<'a> {
    out: Assembler<'a>,
    turns: Vec<bool>,
    seen: usize,
}

impl<'a> Visitor<'a> for Sieve<'a> {
    fn resource(&mut self, head: Head<'a>) {
        self.out.resource(head);
    }

    fn scope(&mut self, scope: ScopeRef<'a>) {
        self.out.scope(scope.head());
    }

    fn span(&mut self, span: SpanRef<'a>) {
        let turn = self.turns[self.seen % self.turns.len()];
        self.seen += 1;
        // Every other span is written by the caller, as rewritten ones are.
        match (turn, self.seen % 2) {
            (false, _) => {}
            (true, 0) => self.out.span(span.body),
            (true, _) => self.out.span_with(|out| out.extend_from_slice(span.body)),
        }
    }
}

/// Changes a byte of text in the encoded span to one that no character has.
fn damage_text(span: &mut [u8]) -> bool {
    let marker = b"damage!";
    let place = span.windows(marker.len()).position(|window| window == marker);
    if let Some(place) = place {
        span[place + 3] = 0xff;
    }
    place.is_some()
}

proptest! {
    #[test]
    fn prop_ranges_tell_what_decoding_tells(
        traces in strategy::traces(),
        keys in vec(any::<u64>(), 1..40),
    ) {
        let bytes = untidy(&traces, &keys);
        prop_assert_eq!(by_ranges(&bytes), by_decoding(&bytes));
        prop_assert_eq!(count(&bytes), Ok(by_decoding(&bytes).len()));
        let tidy = traces.encode_to_vec();
        prop_assert_eq!(by_ranges(&tidy), by_decoding(&tidy));
    }

    #[test]
    fn prop_what_is_joined_holds_the_spans_let_through(
        traces in strategy::traces(),
        keys in vec(any::<u64>(), 1..40),
        turns in vec(any::<bool>(), 1..8),
    ) {
        let bytes = untidy(&traces, &keys);
        let mut sieve = Sieve { out: Assembler::new(), turns: turns.clone(), seen: 0 };
        visit(&bytes, &mut sieve).unwrap();
        let joined = sieve.out.to_vec();
        let mut turns = turns.iter().cycle();
        let mut wanted = by_decoding(&bytes);
        wanted.retain(|_| *turns.next().unwrap());

        prop_assert_eq!(sieve.out.encoded_len(), joined.len());
        prop_assert_eq!(joined.capacity(), joined.len());
        prop_assert_eq!(sieve.out.spans(), wanted.len());
        prop_assert_eq!(by_ranges(&joined), wanted);
    }

    #[test]
    fn prop_a_tidy_message_is_joined_to_the_same_bytes(traces in strategy::traces()) {
        let mut traces = traces;
        for resource in &mut traces.resource_spans {
            resource.scope_spans.retain(|scope| !scope.spans.is_empty());
            // Heads stand before the spans when they are written again.
            resource.schema_url.clear();
            resource.scope_spans.iter_mut().for_each(|scope| scope.schema_url.clear());
        }
        traces.resource_spans.retain(|resource| !resource.scope_spans.is_empty());
        let bytes = traces.encode_to_vec();
        let mut out = Assembler::new();
        visit(&bytes, &mut out).unwrap();
        prop_assert_eq!(out.to_vec(), bytes);
    }

    #[test]
    fn prop_messages_joined_end_to_end_are_one(
        one in strategy::traces(),
        other in strategy::traces(),
    ) {
        let joined = [one.encode_to_vec(), other.encode_to_vec()].concat();
        let apart = [by_ranges(&one.encode_to_vec()), by_ranges(&other.encode_to_vec())].concat();
        prop_assert_eq!(by_ranges(&joined), apart);
    }

    #[test]
    fn prop_valid_text_is_left_alone(span in strategy::span()) {
        let body = span.encode_to_vec();
        let repaired = repair_span(&body);
        prop_assert!(matches!(repaired, std::borrow::Cow::Borrowed(same) if same == body));
    }

    #[test]
    fn prop_repaired_text_is_all_that_changes(span in strategy::span(), place in 0..5) {
        let mut span = span;
        let text = match place {
            0 => &mut span.name,
            1 => &mut span.trace_state,
            2 => &mut span.events.entry_or_default().name,
            3 => &mut span.links.entry_or_default().trace_state,
            _ => &mut span.status.get_or_insert_default().message,
        };
        text.push_str("damage!");
        let mut body = span.encode_to_vec();
        prop_assert!(damage_text(&mut body));

        let checked = check_span(&body).unwrap();
        prop_assert!(!checked.text_valid);
        prop_assert!(Span::decode(&*body).is_err());
        let repaired = repair_span(&body);
        prop_assert!(check_span(&repaired).unwrap().text_valid);
        let wanted = String::from_utf8_lossy(&span.encode_to_vec()).replace("damage!", "dam?ge!");
        prop_assert_eq!(String::from_utf8_lossy(&repaired), wanted);
    }
}

/// The first element of a list, made when there is none.
trait EntryOrDefault<T> {
    fn entry_or_default(&mut self) -> &mut T;
}

impl<T: Default> EntryOrDefault<T> for Vec<T> {
    fn entry_or_default(&mut self) -> &mut T {
        if self.is_empty() {
            self.push(T::default());
        }
        &mut self[0]
    }
}

#[test]
fn a_head_is_repaired_as_a_span_is() {
    let mut head = ScopeSpans { schema_url: "damage!".to_owned(), ..ScopeSpans::default() };
    head.scope.get_or_insert_default().name = "é".to_owned();
    let mut bytes = head.encode_to_vec();
    assert!(damage_text(&mut bytes));
    assert_eq!(check_head(HeadKind::Scope, &bytes), Ok(false));
    let repaired = ScopeSpans::decode(&*repair_head(HeadKind::Scope, &bytes)).unwrap();
    assert_eq!(repaired.schema_url, "dam?ge!");
    assert_eq!(repaired.scope, head.scope);
}
