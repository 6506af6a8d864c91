//! A bounded reader and a writer of the protobuf wire format.
//!
//! [`Cursor`] walks the fields of one message and stays inside it: it never panics, never reads
//! beyond the message, allocates nothing, and each call moves forward or ends the walk. Positions
//! in fields and errors count from the start of the buffer that the cursor was made over, also in
//! a nested message.

use std::ops::Range;

/// The deepest nesting of groups that is skipped.
pub const GROUP_DEPTH_MAX: usize = 64;

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
        /// Where the field ends.
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

/// Walks the fields of one message.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    /// Cut at the end of the message; what is before the message is kept so that positions are
    /// those of the whole buffer.
    buffer: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor over the message that `buffer` is.
    #[inline]
    #[must_use]
    pub const fn new(buffer: &'a [u8]) -> Self {
        Self { buffer, position: 0 }
    }

    /// A cursor over the message at `range` of `buffer`, with positions of `buffer`. What of the
    /// range is outside of the buffer is not there: a message cut short.
    #[inline]
    #[must_use]
    pub fn within(buffer: &'a [u8], range: Range<usize>) -> Self {
        Self { buffer: buffer.get(..range.end).unwrap_or(buffer), position: range.start }
    }

    /// Where the next field starts, in the buffer.
    #[inline]
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Moves to the end of the message, and tells where that is.
    #[inline]
    pub const fn skip_to_end(&mut self) -> usize {
        self.position = self.buffer.len();
        self.position
    }

    /// The next field, `None` at the end of the message. After an error the cursor is of no use.
    ///
    /// # Errors
    /// When the bytes are no field, or the field does not end within the message.
    #[inline]
    pub fn next_field(&mut self) -> Result<Option<Field<'a>>, WireError> {
        let start = self.position;
        if start >= self.buffer.len() {
            return Ok(None);
        }
        let tag = self.tag()?;
        let number = tag >> 3;
        let value = match tag & 7 {
            VARINT => Value::Varint(self.varint()?),
            FIXED64 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            LEN => Value::Bytes(self.delimited()?),
            GROUP_START => {
                self.skip_group(number, start)?;
                Value::Group
            }
            FIXED32 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            GROUP_END => return Err(WireError::GroupEnd { at: start }),
            wire_type => return Err(unknown_wire_type(start, wire_type)),
        };
        Ok(Some(Field { number, value, range: start..self.position }))
    }

    #[inline]
    fn tag(&mut self) -> Result<u32, WireError> {
        let start = self.position;
        match u32::try_from(self.varint()?) {
            Ok(tag) if tag >= 1 << 3 => Ok(tag),
            _ => Err(WireError::FieldNumber { at: start }),
        }
    }

    /// A varint at the position. Lengths of spans and tags of fields have one or two bytes.
    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        match self.buffer.get(self.position..) {
            Some([low, ..]) if *low < 0x80 => {
                self.position += 1;
                Ok(u64::from(*low))
            }
            Some([low, high, ..]) if *high < 0x80 => {
                self.position += 2;
                Ok(u64::from(*low & 0x7f) | u64::from(*high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, WireError> {
        let start = self.position;
        let mut number = 0_u64;
        let rest = self.buffer.get(start..).unwrap_or_default();
        for (index, byte) in (0_u32..).zip(rest) {
            // The tenth byte holds the 64th bit alone.
            if index == 9 && *byte > 1 {
                return Err(WireError::Varint { at: start });
            }
            number |= u64::from(*byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.position = start + index as usize + 1;
                return Ok(number);
            }
        }
        Err(WireError::Truncated { at: self.buffer.len() })
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let rest = self.buffer.get(self.position..).unwrap_or_default();
        let Some(bytes) = rest.first_chunk::<N>() else {
            return Err(WireError::Truncated { at: self.buffer.len() });
        };
        self.position += N;
        Ok(*bytes)
    }

    #[inline]
    fn delimited(&mut self) -> Result<&'a [u8], WireError> {
        let length = self.varint()?;
        let rest = self.buffer.get(self.position..).unwrap_or_default();
        match usize::try_from(length).ok().and_then(|length| rest.get(..length)) {
            Some(bytes) => {
                self.position += bytes.len();
                Ok(bytes)
            }
            None => Err(WireError::Length { at: self.position, length, left: rest.len() }),
        }
    }

    /// Moves behind the end of the group `number`, whose start tag has been read.
    #[cold]
    fn skip_group(&mut self, number: u32, start: usize) -> Result<(), WireError> {
        let mut open = [0_u32; GROUP_DEPTH_MAX];
        let mut depth = 0_usize;
        let (mut opened, mut opened_at) = (Some(number), start);
        loop {
            if let Some(number) = opened.take() {
                let place = open.get_mut(depth).ok_or(WireError::GroupDepth { at: opened_at })?;
                *place = number;
                depth += 1;
            }
            let at = self.position;
            let tag = self.tag()?;
            match tag & 7 {
                VARINT => drop(self.varint()?),
                FIXED64 => drop(self.array::<8>()?),
                LEN => drop(self.delimited()?),
                GROUP_START => (opened, opened_at) = (Some(tag >> 3), at),
                GROUP_END => {
                    depth -= 1;
                    if open.get(depth) != Some(&(tag >> 3)) {
                        return Err(WireError::GroupEnd { at });
                    }
                    if depth == 0 {
                        return Ok(());
                    }
                }
                FIXED32 => drop(self.array::<4>()?),
                wire_type => return Err(unknown_wire_type(at, wire_type)),
            }
        }
    }
}

/// Wire type of a varint.
pub const VARINT: u32 = 0;
/// Wire type of eight bytes.
pub const FIXED64: u32 = 1;
/// Wire type of bytes, text and nested messages.
pub const LEN: u32 = 2;
const GROUP_START: u32 = 3;
const GROUP_END: u32 = 4;
/// Wire type of four bytes.
pub const FIXED32: u32 = 5;

#[cold]
const fn unknown_wire_type(at: usize, wire_type: u32) -> WireError {
    WireError::WireType { at, wire_type: (wire_type & 7) as u8 }
}

/// How many bytes `number` takes as a varint: 1 to 10.
#[inline]
#[must_use]
pub const fn varint_len(number: u64) -> usize {
    // Seven bits a byte; 0 takes one as well.
    ((70 - (number | 1).leading_zeros()) / 7) as usize
}

/// How many bytes a field of `number` takes whose value has `length` bytes: tag, length and value.
#[inline]
#[must_use]
pub const fn delimited_len(number: u32, length: usize) -> usize {
    varint_len((number as u64) << 3) + varint_len(length as u64) + length
}

/// Appends `number` as a varint of the fewest bytes.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// Appends the tag of field `number` with a wire type.
#[inline]
pub fn put_tag(out: &mut Vec<u8>, number: u32, wire_type: u32) {
    put_varint(out, u64::from(number) << 3 | u64::from(wire_type));
}

/// Appends the tag and the length of a length-delimited field; its `length` bytes are to follow.
#[inline]
pub fn put_delimited_head(out: &mut Vec<u8>, number: u32, length: usize) {
    put_tag(out, number, LEN);
    put_varint(out, length as u64);
}

/// Appends a length-delimited field: bytes, text or an encoded message.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_delimited_head(out, number, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends a varint field.
#[inline]
pub fn put_uint(out: &mut Vec<u8>, number: u32, value: u64) {
    put_tag(out, number, VARINT);
    put_varint(out, value);
}

/// Appends a fixed64 field (also for a double: its bits).
#[inline]
pub fn put_fixed64(out: &mut Vec<u8>, number: u32, value: u64) {
    put_tag(out, number, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a fixed32 field.
#[inline]
pub fn put_fixed32(out: &mut Vec<u8>, number: u32, value: u32) {
    put_tag(out, number, FIXED32);
    out.extend_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests;
