//! Joins heads and spans to `TracesData`: ranges of requests to frames, and ranges of frames to
//! what is exported.
//!
//! `TracesData` messages may also simply be written one after the other: together they are one
//! `TracesData` message. An [`Assembler`] appends to its output, so its caller may do just that.

use std::ops::Range;

use crate::{
    otlp::numbers::{resource_spans::SCOPE_SPANS, scope_spans::SPANS, traces_data::RESOURCE_SPANS},
    spans::{Head, ScopeRef, SpanRef, Visitor},
    wire::{delimited_len, put_bytes, put_delimited_head},
};

/// Collects spans under their heads and writes them as one `TracesData` message, every length in
/// the fewest bytes. Resources and scopes without spans leave no trace.
///
/// Collecting copies no span. It is a [`Visitor`], so that a request or frame can be poured in.
#[derive(Debug, Default)]
pub struct Assembler<'a> {
    resources: Vec<Group<Head<'a>>>,
    scopes: Vec<Group<ScopeHead<'a>>>,
    spans: Vec<Body<'a>>,
    /// Spans and heads of scopes that were made on the way.
    made: Vec<u8>,
    resource: Option<Head<'a>>,
    scope: Option<ScopeHead<'a>>,
    /// The length of the message as far as its resources are closed.
    closed: usize,
}

/// A resource with its scopes, or a scope with its spans.
#[derive(Debug)]
struct Group<H> {
    head: H,
    /// How many scopes or spans it has.
    members: usize,
    /// The length of its body as far as its members are closed.
    len: usize,
}

#[derive(Debug)]
enum ScopeHead<'a> {
    Given(Head<'a>),
    Made(Range<usize>),
}

impl ScopeHead<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Given(head) => head.len(),
            Self::Made(range) => range.len(),
        }
    }
}

#[derive(Debug)]
enum Body<'a> {
    Given(&'a [u8]),
    Made(Range<usize>),
}

impl<'a> Assembler<'a> {
    /// One with no spans.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The spans that follow belong to this resource.
    pub fn resource(&mut self, head: Head<'a>) {
        self.resource = Some(head);
        self.scope = None;
    }

    /// The spans that follow belong to this scope of the last resource.
    pub fn scope(&mut self, head: Head<'a>) {
        self.scope = Some(ScopeHead::Given(head));
    }

    /// The spans that follow belong to a scope of the last resource whose head `make` appends to the
    /// buffer that it is given; it must leave alone what is in there.
    pub fn scope_with(&mut self, make: impl FnOnce(&mut Vec<u8>)) {
        self.scope = Some(ScopeHead::Made(self.make(make)));
    }

    /// Adds a span: `body` is the bytes of a `Span` message.
    #[inline]
    pub fn span(&mut self, body: &'a [u8]) {
        self.add(body.len(), Body::Given(body));
    }

    /// Adds a span whose bytes `make` appends to the buffer that it is given; it must leave alone
    /// what is in there.
    #[inline]
    pub fn span_with(&mut self, make: impl FnOnce(&mut Vec<u8>)) {
        let range = self.make(make);
        self.add(range.len(), Body::Made(range));
    }

    fn make(&mut self, make: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let start = self.made.len();
        make(&mut self.made);
        start..self.made.len().max(start)
    }

    /// How many spans there are.
    #[must_use]
    pub const fn spans(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are no spans.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// How many bytes [`append_to`](Self::append_to) would write now. Costs the same however many
    /// spans there are.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.closed + self.resources.last().map_or(0, |open| self.resource_len(open))
    }

    /// Appends the message to `out`, which is made large enough at once.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        out.reserve(self.encoded_len());
        let (mut scopes, mut spans) = (self.scopes.iter(), self.spans.iter());
        let mut left = self.resources.len();
        for resource in &self.resources {
            left -= 1;
            let open = if left == 0 { self.open_scope_len() } else { 0 };
            put_delimited_head(out, RESOURCE_SPANS, resource.len + open);
            resource.head.append_to(out);
            for scope in scopes.by_ref().take(resource.members) {
                put_delimited_head(out, SCOPE_SPANS, scope.len);
                match &scope.head {
                    ScopeHead::Given(head) => head.append_to(out),
                    ScopeHead::Made(range) => out.extend_from_slice(self.made_at(range)),
                }
                for span in spans.by_ref().take(scope.members) {
                    put_bytes(out, SPANS, self.bytes_of(span));
                }
            }
        }
    }

    /// The message.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.append_to(&mut out);
        out
    }

    /// Takes all spans and heads out; the buffers are kept for the next message.
    pub fn clear(&mut self) {
        self.resources.clear();
        self.scopes.clear();
        self.spans.clear();
        self.made.clear();
        (self.resource, self.scope, self.closed) = (None, None, 0);
    }

    #[inline]
    fn add(&mut self, len: usize, body: Body<'a>) {
        if self.scope.is_some() || self.resource.is_some() || self.scopes.is_empty() {
            self.open();
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.members += 1;
            scope.len += delimited_len(SPANS, len);
            self.spans.push(body);
        }
    }

    /// Opens the scope, and resource if it is another, that the next span belongs to.
    fn open(&mut self) {
        let closed = self.open_scope_len();
        if let Some(resource) = self.resources.last_mut() {
            resource.len += closed;
        }
        if self.resource.is_some() || self.resources.is_empty() {
            self.closed +=
                self.resources.last().map_or(0, |closed| delimited_len(RESOURCE_SPANS, closed.len));
            let head = self.resource.take().unwrap_or(Head::of(&[]));
            self.resources.push(Group { len: head.len(), head, members: 0 });
        }
        let head = self.scope.take().unwrap_or(ScopeHead::Given(Head::of(&[])));
        self.scopes.push(Group { len: head.len(), head, members: 0 });
        if let Some(resource) = self.resources.last_mut() {
            resource.members += 1;
        }
    }

    /// What the scope that is still open adds to its resource.
    fn open_scope_len(&self) -> usize {
        self.scopes.last().map_or(0, |scope| delimited_len(SCOPE_SPANS, scope.len))
    }

    fn resource_len(&self, open: &Group<Head<'_>>) -> usize {
        delimited_len(RESOURCE_SPANS, open.len + self.open_scope_len())
    }

    fn bytes_of<'b>(&'b self, body: &'b Body<'a>) -> &'b [u8] {
        match body {
            Body::Given(bytes) => bytes,
            Body::Made(range) => self.made_at(range),
        }
    }

    fn made_at(&self, range: &Range<usize>) -> &[u8] {
        self.made.get(range.clone()).unwrap_or_default()
    }
}

impl<'a> Visitor<'a> for Assembler<'a> {
    fn resource(&mut self, head: Head<'a>) {
        Self::resource(self, head);
    }

    fn scope(&mut self, scope: ScopeRef<'a>) {
        Self::scope(self, scope.head());
    }

    fn span(&mut self, span: SpanRef<'a>) {
        Self::span(self, span.body);
    }
}

#[cfg(test)]
mod tests;
