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
    #[inline(always)]
    pub fn next_field(&mut self) -> Result<Option<Field<'a>>, WireError> {
        let start = self.position;
        let Some(tag) = self.next_tag()? else { return Ok(None) };
        let value = match tag.wire_type() {
            VARINT => Value::Varint(self.varint()?),
            FIXED64 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            LEN => Value::Bytes(self.delimited()?),
            FIXED32 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => {
                self.position = skip_unusual(self.clone(), tag, start)?;
                Value::Group
            }
        };
        Ok(Some(Field { number: tag.number(), value, range: start..self.position }))
    }

    /// The tag of the next field, `None` at the end of the message. To be followed by the one
    /// method that takes its value: [`skip`](Self::skip) or [`take_range`](Self::take_range).
    /// For walks that look at few values; [`next_field`](Self::next_field) is the plain way.
    ///
    /// # Errors
    /// When the bytes are no tag.
    #[inline(always)]
    pub fn next_tag(&mut self) -> Result<Option<Tag>, WireError> {
        if self.position >= self.buffer.len() {
            return Ok(None);
        }
        self.tag().map(Some)
    }

    /// Moves behind the value of the field whose tag was just read, whatever it is.
    ///
    /// # Errors
    /// When the value does not end within the message, or is none.
    #[inline(always)]
    pub fn skip(&mut self, tag: Tag) -> Result<(), WireError> {
        match tag.wire_type() {
            VARINT => self.varint().map(drop),
            FIXED64 => self.array::<8>().map(drop),
            LEN => self.delimited().map(drop),
            FIXED32 => self.array::<4>().map(drop),
            _ => {
                self.position = skip_unusual(self.clone(), tag, self.position)?;
                Ok(())
            }
        }
    }

    /// Where the bytes of the field are whose tag was just read: one of wire type [`LEN`].
    ///
    /// # Errors
    /// When they do not end within the message.
    #[inline(always)]
    pub fn take_range(&mut self) -> Result<Range<usize>, WireError> {
        let len = self.delimited()?.len();
        Ok(self.position - len..self.position)
    }

    /// The bytes from the next field on.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.buffer.get(self.position..).unwrap_or_default()
    }

    /// Moves on by `len` bytes, which the caller has seen to be whole fields.
    #[inline]
    pub(crate) const fn advance(&mut self, len: usize) {
        self.position += len;
    }

    #[inline(always)]
    fn tag(&mut self) -> Result<Tag, WireError> {
        let start = self.position;
        match u32::try_from(self.varint()?) {
            Ok(tag) if tag >= 1 << 3 => Ok(Tag(tag)),
            _ => Err(WireError::FieldNumber { at: start }),
        }
    }

    /// A varint at the position. Lengths of spans and tags of fields have one or two bytes.
    #[inline(always)]
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
            _ => {
                let number;
                (number, self.position) = long_varint(self.buffer, self.position)?;
                Ok(number)
            }
        }
    }

    #[inline(always)]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let rest = self.buffer.get(self.position..).unwrap_or_default();
        let Some(bytes) = rest.first_chunk::<N>() else {
            return Err(WireError::Truncated { at: self.buffer.len() });
        };
        self.position += N;
        Ok(*bytes)
    }

    #[inline(always)]
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
}

// What is rare takes no reference to a cursor, so that the cursors of others stay in registers.

#[cold]
#[inline(never)]
fn long_varint(buffer: &[u8], start: usize) -> Result<(u64, usize), WireError> {
    let mut number = 0_u64;
    let rest = buffer.get(start..).unwrap_or_default();
    for (index, byte) in (0_u32..).zip(rest) {
        // The tenth byte holds the 64th bit alone.
        if index == 9 && *byte > 1 {
            return Err(WireError::Varint { at: start });
        }
        number |= u64::from(*byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            return Ok((number, start + index as usize + 1));
        }
    }
    Err(WireError::Truncated { at: buffer.len() })
}

/// Where the group ends that `tag`, just read, starts at `start`; all else that has no value of
/// its own is an error.
#[cold]
#[inline(never)]
fn skip_unusual(mut fields: Cursor<'_>, tag: Tag, start: usize) -> Result<usize, WireError> {
    let mut open = [0_u32; GROUP_DEPTH_MAX];
    let (mut depth, mut next, mut at) = (0_usize, tag, start);
    loop {
        match next.wire_type() {
            GROUP_START => {
                let place = open.get_mut(depth).ok_or(WireError::GroupDepth { at })?;
                *place = next.number();
                depth += 1;
            }
            GROUP_END => {
                depth = depth.checked_sub(1).ok_or(WireError::GroupEnd { at })?;
                if open.get(depth) != Some(&next.number()) {
                    return Err(WireError::GroupEnd { at });
                }
                if depth == 0 {
                    return Ok(fields.position);
                }
            }
            VARINT | FIXED64 | LEN | FIXED32 => fields.skip(next)?,
            wire_type => return Err(unknown_wire_type(at, wire_type)),
        }
        at = fields.position;
        next = fields.tag()?;
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
