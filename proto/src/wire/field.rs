//! What the fields of a message are, and what can be wrong with them.

use std::ops::Range;

/// The deepest nesting of groups that is skipped.
pub const GROUP_DEPTH_MAX: usize = 64;

/// Wire type of a varint.
pub const VARINT: u32 = 0;
/// Wire type of eight bytes.
pub const FIXED64: u32 = 1;
/// Wire type of bytes, text and nested messages.
pub const LEN: u32 = 2;
/// Wire type of the start of a group.
pub(crate) const GROUP_START: u32 = 3;
/// Wire type of the end of a group.
pub(crate) const GROUP_END: u32 = 4;
/// Wire type of four bytes.
pub const FIXED32: u32 = 5;

/// Why bytes are not a protobuf message of the expected form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The message ends inside a field.
    #[error("the message ends inside the field at byte `{at}`")]
    Truncated {
        /// Where the missing bytes should start.
        at: usize,
    },
    /// A field says it is longer than what is left of the message around it.
    #[error("the field at byte `{at}` claims `{length}` bytes, only `{left}` are left")]
    Length {
        /// Where the value should start.
        at: usize,
        /// The length claimed.
        length: u64,
        /// The bytes there are.
        left: usize,
    },
    /// A number of more than 64 bits.
    #[error("the number at byte `{at}` has more than 64 bits")]
    Varint {
        /// Where the number starts.
        at: usize,
    },
    /// A field number of 0 or above 2^29 - 1.
    #[error("the field number at byte `{at}` is outside `1` to `536870911`")]
    FieldNumber {
        /// Where the field starts.
        at: usize,
    },
    /// One of the two wire types that do not exist.
    #[error("the field at byte `{at}` has the unknown wire type `{wire_type}`")]
    WireType {
        /// Where the field starts.
        at: usize,
        /// The wire type.
        wire_type: u8,
    },
    /// The end of a group that is not open.
    #[error("the group end at byte `{at}` ends no open group")]
    GroupEnd {
        /// Where the field starts.
        at: usize,
    },
    /// Groups nested deeper than [`GROUP_DEPTH_MAX`].
    #[error("the group at byte `{at}` is nested deeper than `{GROUP_DEPTH_MAX}`")]
    GroupDepth {
        /// Where the group starts.
        at: usize,
    },
    /// A known field with a wire type that is not its own.
    #[error("field `{number}` of `{message}` at byte `{at}` has a wrong wire type")]
    WrongType {
        /// Where that was noticed: in the field, or right after it.
        at: usize,
        /// The message the field belongs to.
        message: &'static str,
        /// The number of the field.
        number: u32,
    },
}

/// The value of a field, by wire type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number of variable length.
    Varint(u64),
    /// Eight bytes, little-endian.
    Fixed64(u64),
    /// Bytes, text or a nested message.
    Bytes(&'a [u8]),
    /// A group, skipped: it is well-formed.
    Group,
    /// Four bytes, little-endian.
    Fixed32(u32),
}

/// One field of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its number, 1 to 2^29 - 1.
    pub number: u32,
    /// Its value.
    pub value: Value<'a>,
    /// All its bytes, the tag included, in the buffer of the cursor.
    pub range: Range<usize>,
}

impl<'a> Field<'a> {
    /// The bytes of a length-delimited field of `message`.
    ///
    /// # Errors
    /// [`WireError::WrongType`] when it has another wire type.
    #[inline]
    pub fn bytes(&self, message: &'static str) -> Result<&'a [u8], WireError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(self.wrong_type(message)),
        }
    }

    /// The number in a varint field of `message`.
    ///
    /// # Errors
    /// [`WireError::WrongType`] when it has another wire type.
    #[inline]
    pub fn varint(&self, message: &'static str) -> Result<u64, WireError> {
        match self.value {
            Value::Varint(number) => Ok(number),
            _ => Err(self.wrong_type(message)),
        }
    }

    /// The number in a fixed64 field of `message`.
    ///
    /// # Errors
    /// [`WireError::WrongType`] when it has another wire type.
    #[inline]
    pub fn fixed64(&self, message: &'static str) -> Result<u64, WireError> {
        match self.value {
            Value::Fixed64(number) => Ok(number),
            _ => Err(self.wrong_type(message)),
        }
    }

    /// The error for this field of `message` having a wire type that is not its own.
    #[cold]
    #[must_use]
    pub const fn wrong_type(&self, message: &'static str) -> WireError {
        WireError::WrongType { at: self.range.end, message, number: self.number }
    }
}

/// The tag of a field: its number and the wire type of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(u32);

impl Tag {
    /// The tag of field `number` with a wire type.
    #[inline]
    #[must_use]
    pub const fn new(number: u32, wire_type: u32) -> Self {
        Self(number << 3 | wire_type)
    }

    /// The tag that was read as `varint`; `None` when its field number is out of range.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "compared with the bound before")]
    pub(crate) const fn of(varint: u64) -> Option<Self> {
        if varint >= 1 << 3 && varint < 1 << 32 { Some(Self(varint as u32)) } else { None }
    }

    /// The tag as it is written, of a field of number 1 to 15: such a tag has one byte.
    ///
    /// # Panics
    /// On a higher number. To be asked for in constants, where that stops the build.
    #[must_use]
    pub const fn byte(self) -> u8 {
        assert!(self.0 < 0x80, "a tag of one byte has a field number of 1 to 15");
        self.0 as u8
    }

    /// The number of the field, 1 to 2^29 - 1.
    #[inline]
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0 >> 3
    }

    /// The wire type, such as [`LEN`]; also those that do not exist.
    #[inline]
    #[must_use]
    pub const fn wire_type(self) -> u32 {
        self.0 & 7
    }
}
