//! A bounded reader and a writer of Thrift, in the binary and in the compact protocol.
//!
//! [`Cursor`] walks one message or bare value: it never panics, never reads beyond the bytes it was
//! given, allocates nothing but to repair text, and each call moves forward or ends the walk. What a
//! sender says about sizes is compared with the bytes that are left before anything is done with
//! it: each element takes a byte at least, so that reading as many as a container claims is work
//! linear in the bytes. What is skipped may be nested [`DEPTH_MAX`] deep.
//!
//! ```
//! use wholetrace_proto::thrift::{Cursor, Kind, Protocol, Writer};
//!
//! let mut writer = Writer::new(Protocol::Compact);
//! writer.structure(|span| {
//!     span.i64(1, 5);
//!     span.text(5, "GET /");
//!     span.list(6, Kind::Struct, 0, |_| ());
//! });
//! let bytes = writer.into_bytes();
//!
//! let (mut id, mut name) = (0, &[][..]);
//! let mut cursor = Cursor::new(&bytes, Protocol::Compact);
//! let mut fields = cursor.fields();
//! while let Some(field) = cursor.next_field(&mut fields)? {
//!     match (field.id, field.kind) {
//!         (1, Kind::I64) => id = cursor.i64()?,
//!         (5, Kind::Bytes) => name = cursor.bytes()?,
//!         // Also a known field of a wrong kind.
//!         _ => cursor.skip(field.kind)?,
//!     }
//! }
//! assert_eq!((id, name), (5, &b"GET /"[..]));
//! # Ok::<(), wholetrace_proto::thrift::ThriftError>(())
//! ```

mod cursor;
mod error;
mod kind;
mod message;
mod skip;
mod write;

pub use cursor::{Cursor, Field, Fields, List, Map};
pub use error::ThriftError;
pub use kind::{DEPTH_MAX, Kind, Protocol};
pub use message::{Message, MessageKind};
pub use write::Writer;

#[cfg(test)]
mod tests;
