//! Why a Jaeger request cannot be read at all.

use crate::room::NoRoom;
use crate::thrift::ThriftError;
use crate::wire::WireError;

/// Why a Jaeger request cannot be read at all. What is wrong with one span rejects that span alone
/// and is no error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JaegerError {
    /// The bytes are no protobuf message of the form of a request.
    #[error("the request is malformed: {0}")]
    Protobuf(#[from] WireError),
    /// The bytes are no Thrift of the form of a batch, or of a message with one.
    #[error("the request is malformed: {0}")]
    Thrift(#[from] ThriftError),
    /// A message to the agent calls a method that is not served, or is no call.
    #[error("the message calls `{0}`: only `emitBatch` is served")]
    Method(String),
    /// There is no room for what the request becomes.
    #[error(transparent)]
    Room(#[from] NoRoom),
}
