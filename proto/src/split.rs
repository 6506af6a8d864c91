//! Splits a message of spans in two.

use crate::{
    assemble::Assembler,
    spans::{Head, ScopeRef, SpanRef, Visitor, visit},
    wire::WireError,
};

/// Two `TracesData` messages with the spans of `message` in their order: the first `spans` of
/// them, and the rest. Each has the heads that its spans need.
///
/// # Errors
/// When `message` is malformed.
pub fn split_at(message: &[u8], spans: usize) -> Result<(Vec<u8>, Vec<u8>), WireError> {
    let mut halves = Halves { left: spans, first: Assembler::new(), second: Assembler::new() };
    visit(message, &mut halves)?;
    Ok((halves.first.to_vec(), halves.second.to_vec()))
}

struct Halves<'a> {
    left: usize,
    first: Assembler<'a>,
    second: Assembler<'a>,
}

impl<'a> Visitor<'a> for Halves<'a> {
    fn resource(&mut self, head: Head<'a>) {
        self.first.resource(head);
        self.second.resource(head);
    }

    fn scope(&mut self, scope: ScopeRef<'a>) {
        let head = scope.head();
        self.first.scope(head);
        self.second.scope(head);
    }

    fn span(&mut self, span: SpanRef<'a>) {
        let half = if self.left > 0 { &mut self.first } else { &mut self.second };
        half.span(span.body);
        self.left = self.left.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::otlp::{Resource, ResourceSpans, ScopeSpans, Span, TracesData};

    /// `sizes`: by resource and scope, how many spans.
    fn message(sizes: &[&[usize]]) -> TracesData {
        let mut number = 0;
        let mut scope = |spans: &usize| {
            let mut span = || {
                number += 1;
                Span { name: format!("span {number}"), ..Span::default() }
            };
            let spans = (0..*spans).map(|_| span()).collect();
            ScopeSpans { spans, schema_url: format!("of {sizes:?}"), ..ScopeSpans::default() }
        };
        let mut resource = |(dropped, scopes): (u32, &&[usize])| ResourceSpans {
            resource: Some(Resource { dropped_attributes_count: dropped, ..Resource::default() }),
            scope_spans: scopes.iter().map(&mut scope).collect(),
            ..ResourceSpans::default()
        };
        TracesData { resource_spans: (1..).zip(sizes).map(&mut resource).collect() }
    }

    /// Each span with what stands above it.
    fn spans(bytes: &[u8]) -> Vec<(Option<Resource>, String, Span)> {
        let message = TracesData::decode(bytes).unwrap();
        let mut all = Vec::new();
        for resource in message.resource_spans {
            for scope in resource.scope_spans {
                for span in scope.spans {
                    all.push((resource.resource.clone(), scope.schema_url.clone(), span));
                }
            }
        }
        all
    }

    #[test]
    fn both_halves_keep_spans_and_heads() {
        let bytes = message(&[&[2, 3], &[0], &[1, 4]]).encode_to_vec();
        let whole = spans(&bytes);
        assert_eq!(whole.len(), 10);
        for first in 0..=11 {
            let (a, b) = split_at(&bytes, first).unwrap();
            assert_eq!(spans(&a), whole[..first.min(10)]);
            assert_eq!(spans(&b), whole[first.min(10)..]);
        }
        assert!(split_at(b"\x0a\xff", 1).is_err());
    }
}
