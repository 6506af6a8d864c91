//! A bounded reader and a writer of the protobuf wire format.
//!
//! [`Cursor`] walks the fields of one message and stays inside it: it never panics, never reads
//! beyond the message, allocates nothing, and each call moves forward or ends the walk. Positions
//! in fields and errors count from the start of the buffer that the cursor was made over, also in
//! a nested message.

mod cursor;
mod field;
pub(crate) mod nested;
mod write;

pub use cursor::Cursor;
pub(crate) use field::GROUP_START;
pub use field::{FIXED32, FIXED64, Field, GROUP_DEPTH_MAX, LEN, Tag, VARINT, Value, WireError};
pub(crate) use write::short_tag;
pub use write::{
    delimited_len, put_bytes, put_delimited_head, put_fixed32, put_fixed64, put_tag, put_uint,
    put_varint, varint_len,
};

#[cfg(test)]
mod tests;
