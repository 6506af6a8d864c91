//! Why a Zipkin request cannot be read at all.

use crate::json::error::JsonError;
use crate::room::NoRoom;
use crate::thrift::ThriftError;
use crate::wire::WireError;

/// Why a Zipkin request cannot be read at all. What is wrong with one span rejects that span
/// alone and is no error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZipkinError {
    /// The body is no JSON document.
    #[error(transparent)]
    Json(JsonError),
    /// The body is no list of spans in protobuf.
    #[error("not a list of Zipkin spans in protobuf: {0}")]
    Protobuf(#[from] WireError),
    /// The body is no list of spans in Thrift.
    #[error("not a list of Zipkin spans in Thrift: {0}")]
    Thrift(#[from] ThriftError),
    /// The body is OTLP/JSON.
    #[error(
        "the body is an OTLP request, here Zipkin is taken: send it to the port of OTLP over HTTP"
    )]
    Otlp,
    /// There is no room for what the request becomes.
    #[error(transparent)]
    Room(NoRoom),
}

impl From<NoRoom> for ZipkinError {
    fn from(error: NoRoom) -> Self {
        Self::Room(error)
    }
}

impl From<JsonError> for ZipkinError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Room(error) => Self::Room(error),
            error => Self::Json(error),
        }
    }
}
