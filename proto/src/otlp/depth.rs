//! How deep messages may be nested.

use super::{NESTING_MAX, SPAN_LEVEL};
use crate::reject::SpanReject;

/// How many levels of messages may still be opened, of [`NESTING_MAX`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Depth(u32);

impl Depth {
    /// Inside of a `Resource`: below `TracesData` and `ResourceSpans`.
    pub(crate) const RESOURCE: Self = Self(NESTING_MAX - 3);
    /// Inside of an `InstrumentationScope`: below `ScopeSpans` too.
    pub(crate) const SCOPE: Self = Self(NESTING_MAX - 4);
    /// Inside of a `Span`.
    pub(crate) const SPAN: Self = Self(NESTING_MAX - SPAN_LEVEL);

    /// The depth inside a message that is opened here.
    pub(crate) fn down(self, at: usize) -> Result<Self, SpanReject> {
        match self.0.checked_sub(1) {
            Some(left) => Ok(Self(left)),
            None => Err(SpanReject::Nesting { at }),
        }
    }
}
