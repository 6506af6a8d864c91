//! Why a span is left out, as a reason to be counted and as a sentence for its sender.

use std::fmt;

use wholetrace_proto::{otlp::numbers::span, reject::SpanReject, spans::SpanRef, wire::Cursor};

use crate::reject::RejectReason;

/// How much of a span's name is told.
const NAME_CHARACTERS: usize = 64;

/// Why a span is left out.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    /// For what it is.
    Span(SpanReject),
    /// For what its resource is.
    Resource(SpanReject),
    /// For what its scope is.
    Scope(SpanReject),
}

impl Refusal {
    /// The reason that it counts for.
    pub(super) fn reason(&self) -> RejectReason {
        match self {
            Self::Span(reject) | Self::Resource(reject) | Self::Scope(reject) => reject.into(),
        }
    }

    /// What its sender is told.
    #[cold]
    pub(super) fn told_of(&self, span: &SpanRef<'_>) -> String {
        format!("the span `{}`: {self}", name_of(span.body))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Span(reject) => write!(f, "{reject}"),
            Self::Resource(reject) => write!(f, "in its resource, {reject}"),
            Self::Scope(reject) => write!(f, "in its scope, {reject}"),
        }
    }
}

/// The name of a span, as far as it can be told.
fn name_of(body: &[u8]) -> String {
    let (mut fields, mut name) = (Cursor::new(body), &[][..]);
    while let Ok(Some(field)) = fields.next_field() {
        if field.number == span::NAME {
            name = field.bytes("Span").unwrap_or_default();
        }
    }
    let shown = name.get(..4 * NAME_CHARACTERS).unwrap_or(name);
    let plain = |one: char| if one.is_control() { ' ' } else { one };
    String::from_utf8_lossy(shown).chars().map(plain).take(NAME_CHARACTERS).collect()
}
