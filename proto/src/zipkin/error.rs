//! Why a Zipkin request cannot be read at all.

use crate::json::error::JsonError;
use crate::room::NoRoom;

/// Why a Zipkin request cannot be read at all. What is wrong with one span rejects that span
/// alone and is no error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZipkinError {
    /// The body is no JSON document.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The body has spans in the format of Zipkin v1.
    #[error("the body has Zipkin v1 spans, only v2 is taken: set the reporter to Zipkin v2 JSON")]
    Version1,
    /// The body is OTLP/JSON.
    #[error(
        "the body is an OTLP request, here Zipkin v2 is taken: send it to the port of OTLP over HTTP"
    )]
    Otlp,
}

impl From<NoRoom> for ZipkinError {
    fn from(error: NoRoom) -> Self {
        Self::Json(error.into())
    }
}
