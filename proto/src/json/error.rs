//! What can be wrong with a JSON document, and with one span of it.

use crate::reject::SpanReject;
use crate::room::NoRoom;

/// Why a request in JSON cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// There is nothing but white space.
    #[error("the body is empty; a request without spans is `{{}}`")]
    Empty,
    /// The bytes are something else than JSON.
    #[error("the body is {what}, not JSON; {hint}")]
    Format {
        /// What it looks like.
        what: &'static str,
        /// What the sender has to change.
        hint: &'static str,
    },
    /// The text is not JSON.
    #[error("not JSON at byte `{at}`: {found}, expected {expected}")]
    Syntax {
        /// Where the unexpected byte is.
        at: usize,
        /// What stands there.
        found: Found,
        /// What should.
        expected: &'static str,
    },
    /// The text is JSON, of another shape than a request has above its spans.
    #[error("`{field}` at byte `{at}` is not {expected}")]
    Shape {
        /// Where the value starts.
        at: usize,
        /// The field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// Arrays and objects stand in each other deeper than is read.
    #[error("arrays and objects at byte `{at}` are nested deeper than `{limit}`")]
    Nesting {
        /// Where the first too deep one starts.
        at: usize,
        /// The most levels.
        limit: usize,
    },
    /// There is no room for what the request becomes.
    #[error(transparent)]
    Room(#[from] NoRoom),
}

/// What stands at a place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A byte.
    Byte(u8),
    /// The end of the text.
    End,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::End => f.write_str("the end of the body"),
            Self::Byte(byte) if byte.is_ascii_graphic() => {
                write!(f, "found `{}`", char::from(*byte))
            }
            Self::Byte(byte) => write!(f, "found the byte `{byte:#04x}`"),
        }
    }
}

/// Why a span could not be read: with the document, or alone.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The rest of the document cannot be read either.
    Document(JsonError),
    /// The span is rejected; the rest of the document can be read.
    Span(SpanReject),
}

impl From<SpanReject> for ReadError {
    fn from(reject: SpanReject) -> Self {
        Self::Span(reject)
    }
}

impl From<JsonError> for ReadError {
    fn from(error: JsonError) -> Self {
        Self::Document(error)
    }
}
