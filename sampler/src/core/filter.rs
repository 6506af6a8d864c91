//! Filters the kept spans out of one frame.

use std::borrow::Cow;

use bytes::Bytes;
use wholetrace_proto::{
    assemble::Assembler,
    id::TraceKey,
    otlp::numbers::span::PARENT_SPAN_ID,
    set_attribute::append_with_true,
    spans::{Head, ScopeRef, SpanRef, Visitor, visit},
    tracestate::{self, Kept},
    wire::{Cursor, Value, WireError},
};
use wholetrace_spanlog::LogTime;

use crate::core::decision::table::{DecisionTable, PackedDecision};

/// What a span may take in a piece beside its body and its heads: tags, lengths, a threshold, a
/// mark.
const OVERHEAD: usize = 96;

/// The attribute that marks the spans of a trace whose rest may have been decided otherwise.
const LATE_FRAGMENT: &str = "wholetrace.late_fragment";

/// What a frame has left after sampling.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filtered {
    /// The kept spans; each piece is a valid `TracesData` message.
    pub(crate) pieces: Vec<(Bytes, u32)>,
    /// Bytes of all pieces.
    pub(crate) bytes: usize,
    /// Spans in all pieces.
    pub(crate) kept: u64,
    /// Spans that the policies do not want.
    pub(crate) not_sampled: u64,
    /// Root spans among them that came after the decision.
    pub(crate) late_roots: u64,
    /// Spans for which there is no decision. They are kept: this must not happen (I3), but a
    /// span too many is better than one too few.
    pub(crate) undecided: u64,
}

/// Cuts the kept spans of the frame `payload` of time `time` into pieces of at most `max_piece`
/// bytes, or of one span.
///
/// # Errors
/// Malformed bytes: of the whole frame nothing can be exported.
pub(crate) fn filter(
    payload: &[u8],
    time: LogTime,
    decided: &DecisionTable,
    max_piece: usize,
) -> Result<Filtered, WireError> {
    let mut filter = Filter {
        decided,
        time,
        max_piece,
        resource: None,
        scope: None,
        has_resource: false,
        has_scope: false,
        last: None,
        piece: Assembler::new(),
        spans: 0,
        filtered: Filtered::default(),
    };
    visit(payload, &mut filter)?;
    filter.finish_piece();
    Ok(filter.filtered)
}

/// The head is looked for when the first span is kept: of most scopes none is.
#[derive(Clone, Copy)]
enum Scope<'f> {
    Told(ScopeRef<'f>),
    Found(Head<'f>),
}

struct Filter<'s, 'f> {
    decided: &'s DecisionTable,
    time: LogTime,
    max_piece: usize,
    /// Whose the spans to come are.
    resource: Option<Head<'f>>,
    scope: Option<Scope<'f>>,
    /// Whether the piece under way has got their heads.
    has_resource: bool,
    has_scope: bool,
    last: Option<(TraceKey, Option<(PackedDecision, LogTime)>)>,
    piece: Assembler<'f>,
    spans: u32,
    filtered: Filtered,
}

impl<'f> Filter<'_, 'f> {
    /// The decision over a trace, and when it was made.
    fn decision(&mut self, key: TraceKey) -> Option<(PackedDecision, LogTime)> {
        if let Some((last, decision)) = self.last
            && last == key
        {
            return decision;
        }
        let decision = self.decided.find(key, self.time);
        self.last = Some((key, decision));
        decision
    }

    fn keep(&mut self, body: &'f [u8], decision: Option<PackedDecision>) {
        let (resource, scope) = (self.resource.unwrap_or(Head::of(&[])), self.scope_head());
        let heads = if self.has_resource { 0 } else { resource.len() }
            + if self.has_scope { 0 } else { scope.len() };
        if self.spans > 0
            && self.piece.encoded_len() + heads + body.len() + OVERHEAD > self.max_piece
        {
            self.finish_piece();
        }
        if !std::mem::replace(&mut self.has_resource, true) {
            self.piece.resource(resource);
        }
        if !std::mem::replace(&mut self.has_scope, true) {
            self.piece.scope(scope);
        }
        let probability =
            decision.and_then(PackedDecision::threshold).map_or(Kept::Unknown, Kept::At);
        let late = decision.is_some_and(PackedDecision::is_late_fragment);
        match tracestate::rewrite(body, probability) {
            rewrite if late => {
                let mut rewritten = Cow::Borrowed(body);
                if let Some(rewrite) = rewrite {
                    rewritten = Cow::Owned(Vec::new());
                    rewrite.append_to(rewritten.to_mut());
                }
                self.piece.span_with(|out| append_with_true(&rewritten, LATE_FRAGMENT, out));
            }
            Some(rewrite) => self.piece.span_with(|out| rewrite.append_to(out)),
            None => self.piece.span(body),
        }
        self.spans += 1;
    }

    fn scope_head(&mut self) -> Head<'f> {
        let head = match self.scope {
            Some(Scope::Told(scope)) => scope.head(),
            Some(Scope::Found(head)) => return head,
            None => Head::of(&[]),
        };
        self.scope = Some(Scope::Found(head));
        head
    }

    fn finish_piece(&mut self) {
        if self.spans == 0 {
            return;
        }
        (self.has_resource, self.has_scope) = (false, false);
        let bytes = std::mem::take(&mut self.piece).to_vec();
        self.filtered.bytes += bytes.len();
        self.filtered.kept += u64::from(self.spans);
        self.filtered.pieces.push((Bytes::from(bytes), self.spans));
        self.spans = 0;
    }
}

impl<'f> Visitor<'f> for Filter<'_, 'f> {
    fn resource(&mut self, head: Head<'f>) {
        self.resource = Some(head);
        self.scope = None;
        (self.has_resource, self.has_scope) = (false, false);
    }

    fn scope(&mut self, scope: ScopeRef<'f>) {
        self.scope = Some(Scope::Told(scope));
        self.has_scope = false;
    }

    fn span(&mut self, span: SpanRef<'f>) {
        let Some(key) = span.key() else { return };
        let decision = self.decision(key);
        match decision {
            Some((decision, decided_at)) if !decision.kept() => {
                self.filtered.not_sampled += 1;
                self.filtered.late_roots += u64::from(decided_at < self.time && is_root(span.body));
            }
            Some((decision, _)) => self.keep(span.body, Some(decision)),
            None => {
                self.filtered.undecided += 1;
                self.keep(span.body, None);
            }
        }
    }
}

/// Whether a span has no parent.
fn is_root(span: &[u8]) -> bool {
    let mut fields = Cursor::new(span);
    loop {
        match fields.next_field() {
            Ok(Some(field)) => {
                if let (PARENT_SPAN_ID, Value::Bytes(parent)) = (field.number, field.value) {
                    return parent.iter().all(|byte| *byte == 0);
                }
            }
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests;
