//! Reads a message span by span, each decoded by itself: for the writers of other formats, which need
//! to know all of it.

use prost::Message;

use crate::check::HeadKind;
use crate::otlp::{InstrumentationScope, Resource, ResourceSpans, ScopeSpans, Span};
use crate::repair::{repair_head, repair_span};
use crate::spans::{Head, ScopeRef, SpanRef, Visitor, visit};
use crate::wire::WireError;

/// Why a message cannot be written in another format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is not a message of spans.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A resource, a scope or a span in it is not what it should be.
    #[error(transparent)]
    Message(#[from] prost::DecodeError),
    /// A span has no id of the right length.
    #[error("the `{name}` of a span has `{found}` bytes, or is zero: must be `{wanted}` bytes")]
    Id {
        /// Which id.
        name: &'static str,
        /// Its length.
        found: usize,
        /// What it should be.
        wanted: usize,
    },
}

/// Why spans are not written as one request in another format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TranslateError {
    /// They cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// There are several, and they take more room than there is.
    #[error("`{spans}` spans take more than the `{limit}` bytes that a request may have")]
    TooLarge {
        /// The spans that were written up to there, at least two.
        spans: usize,
        /// The most bytes.
        limit: usize,
    },
}

/// Takes what is in a message, in its order: each span belongs to the last scope, and this to the
/// last resource. All text is UTF-8.
pub(crate) trait SpanSink {
    /// Why it takes no more.
    type Error: From<DecodeError>;

    /// The spans of a resource follow.
    fn resource(&mut self, resource: Resource);

    /// The spans of a scope of that resource follow.
    fn scope(&mut self, scope: InstrumentationScope);

    /// A span.
    fn span(&mut self, span: Span) -> Result<(), Self::Error>;
}

/// Gives `sink` what is in `traces_data`.
///
/// # Errors
/// The first error of the sink; when the bytes are not a `TracesData`.
pub(crate) fn each_span<S: SpanSink>(traces_data: &[u8], sink: &mut S) -> Result<(), S::Error> {
    let mut walk = Walk { sink, ended: None };
    let walked = visit(traces_data, &mut walk);
    match walk.ended {
        Some(error) => Err(error),
        None => walked.map_err(|error| DecodeError::from(error).into()),
    }
}

struct Walk<'s, S: SpanSink> {
    sink: &'s mut S,
    /// Nothing is decoded after an error.
    ended: Option<S::Error>,
}

impl<S: SpanSink> Walk<'_, S> {
    fn take(&mut self, take: impl FnOnce(&mut S) -> Result<(), S::Error>) {
        if self.ended.is_none() {
            self.ended = take(self.sink).err();
        }
    }
}

impl<'a, S: SpanSink> Visitor<'a> for Walk<'_, S> {
    fn resource(&mut self, head: Head<'a>) {
        self.take(|sink| {
            let bytes = head.bytes();
            let head = ResourceSpans::decode(&*repair_head(HeadKind::Resource, &bytes));
            sink.resource(head.map_err(DecodeError::from)?.resource.unwrap_or_default());
            Ok(())
        });
    }

    fn scope(&mut self, scope: ScopeRef<'a>) {
        self.take(|sink| {
            let bytes = scope.head().bytes();
            let head = ScopeSpans::decode(&*repair_head(HeadKind::Scope, &bytes));
            sink.scope(head.map_err(DecodeError::from)?.scope.unwrap_or_default());
            Ok(())
        });
    }

    fn span(&mut self, span: SpanRef<'a>) {
        self.take(|sink| {
            let span = Span::decode(&*repair_span(span.body)).map_err(DecodeError::from)?;
            sink.span(span)
        });
    }
}

/// The id `name` of a span, which has to be there.
///
/// # Errors
/// When it is of another length, or zero.
pub(crate) fn span_id<const N: usize>(
    name: &'static str,
    bytes: &[u8],
) -> Result<[u8; N], DecodeError> {
    match bytes.try_into() {
        Ok(id) if id != [0; N] => Ok(id),
        _ => Err(DecodeError::Id { name, found: bytes.len(), wanted: N }),
    }
}
