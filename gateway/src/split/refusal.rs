//! Why a span is left out, as a reason to be counted and as a sentence for its sender.

use std::fmt;

use wholetrace_proto::{check::SpanError, otlp::numbers::span, spans::SpanRef, wire::Cursor};

use crate::reject::RejectReason;

/// How much of a span's name is told.
const NAME_CHARACTERS: usize = 64;

/// Why a span is left out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    /// It is not one.
    Span(SpanError),
    /// Its resource is not one.
    Resource(SpanError),
    /// Its scope is not one.
    Scope(SpanError),
    /// Its field is not written as anybody writes it.
    Tag,
    /// It is too large with its resource and scope.
    TooLarge {
        /// What they take together.
        bytes: usize,
        /// What they may.
        most: usize,
    },
}

impl Refusal {
    /// The reason that it counts for.
    pub(super) fn reason(&self) -> RejectReason {
        match self {
            Self::Tag => RejectReason::SpanMalformed,
            Self::TooLarge { .. } => RejectReason::SpanTooLarge,
            Self::Span(error) | Self::Resource(error) | Self::Scope(error) => match error {
                SpanError::IdLength { message: "Span", .. }
                | SpanError::ZeroId { .. }
                | SpanError::RepeatedId { .. } => RejectReason::SpanId,
                SpanError::Nesting { .. } => RejectReason::SpanNesting,
                // A link's ids are content, not what the span is known by.
                SpanError::IdLength { .. } | SpanError::Malformed(_) => RejectReason::SpanMalformed,
            },
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
            Self::Span(error) => write!(f, "{error}"),
            Self::Resource(error) => write!(f, "in its resource, {error}"),
            Self::Scope(error) => write!(f, "in its scope, {error}"),
            Self::Tag => f.write_str("its tag or length has more bytes than it needs"),
            Self::TooLarge { bytes, most } => write!(
                f,
                "it takes `{bytes}` bytes with its resource and scope, at most `{most}` are taken"
            ),
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
