//! What can be wrong with Thrift.

use super::kind::DEPTH_MAX;

/// Why bytes are not Thrift of the expected form. Positions count from the start of the bytes that
/// the cursor was made over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThriftError {
    /// The bytes end inside a value.
    #[error("the message ends inside the value at byte `{at}`")]
    Truncated {
        /// Where the missing bytes should start.
        at: usize,
    },
    /// Text or bytes say that they are longer than what is left.
    #[error("the text at byte `{at}` claims `{length}` bytes, only `{left}` are left")]
    Length {
        /// Where they should start.
        at: usize,
        /// The length claimed; a negative one is read without its sign.
        length: u32,
        /// The bytes there are.
        left: usize,
    },
    /// A container says that it has more elements than can be in what is left.
    #[error(
        "the container at byte `{at}` claims `{count}` elements, which the `{left}` bytes left \
         cannot hold"
    )]
    Count {
        /// Where its first element should start.
        at: usize,
        /// The number claimed; a negative one is read without its sign.
        count: u32,
        /// The bytes there are.
        left: usize,
    },
    /// A number of more bits than its type has.
    #[error("the number at byte `{at}` has more bits than its type")]
    Number {
        /// Where the number starts.
        at: usize,
    },
    /// A type that does not exist.
    #[error("the value at byte `{at}` has the unknown type `{kind}`")]
    Kind {
        /// Behind the type.
        at: usize,
        /// The type.
        kind: u8,
    },
    /// Values nested deeper than [`DEPTH_MAX`].
    #[error("the value at byte `{at}` is nested deeper than `{DEPTH_MAX}`")]
    Depth {
        /// Where the value starts.
        at: usize,
    },
    /// The head of a message of another protocol or version.
    #[error(
        "the message at byte `{at}` begins with `{found:#x}`, which is no version of Thrift's {protocol} protocol that is known"
    )]
    Version {
        /// Where the message starts.
        at: usize,
        /// What it begins with.
        found: u32,
        /// The protocol that it should be of.
        protocol: &'static str,
    },
    /// A message that is neither call, reply, exception nor oneway.
    #[error("the message at byte `{at}` is of the unknown type `{kind}`")]
    MessageKind {
        /// Where the message starts.
        at: usize,
        /// The type.
        kind: u8,
    },
}
