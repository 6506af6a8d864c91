//! The reader.

use std::ops::Range;

use super::field::{
    FIXED32, FIXED64, Field, GROUP_DEPTH_MAX, GROUP_END, GROUP_START, LEN, Tag, VARINT, Value,
    WireError,
};

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
                self.position = skip_unusual(self.clone(), tag, start, GROUP_DEPTH_MAX)?;
                Value::Group
            }
        };
        Ok(Some(Field { number: tag.number(), value, range: start..self.position }))
    }

    /// The tag of the next field, `None` at the end of the message. To be followed by the one
    /// method that takes its value: [`skip`](Self::skip), [`take_range`](Self::take_range) or another.
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
                self.position = skip_unusual(self.clone(), tag, self.position, GROUP_DEPTH_MAX)?;
                Ok(())
            }
        }
    }

    /// Moves behind the group whose tag was just read, and which with those in it may be `most` deep.
    pub(crate) fn skip_group(&mut self, tag: Tag, most: u32) -> Result<(), WireError> {
        self.position = skip_unusual(self.clone(), tag, self.position, most as usize)?;
        Ok(())
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

    /// The bytes from the next field on; never `None` for a cursor within its buffer.
    #[inline]
    pub(crate) fn rest(&self) -> Option<&'a [u8]> {
        self.buffer.get(self.position..)
    }

    /// Moves on by `len` bytes, which the caller has seen to be whole fields.
    #[inline]
    pub(crate) const fn advance(&mut self, len: usize) {
        self.position += len;
    }

    #[inline(always)]
    fn tag(&mut self) -> Result<Tag, WireError> {
        let start = self.position;
        Tag::of(self.varint()?).ok_or(WireError::FieldNumber { at: start })
    }

    /// The number that comes next, of a field of wire type [`VARINT`]. Lengths of spans and tags of
    /// fields have one or two bytes.
    #[inline(always)]
    pub(crate) fn varint(&mut self) -> Result<u64, WireError> {
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

    /// The bytes that come next, so many.
    #[inline(always)]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let rest = self.buffer.get(self.position..).unwrap_or_default();
        let Some(bytes) = rest.first_chunk::<N>() else {
            return Err(WireError::Truncated { at: self.buffer.len() });
        };
        self.position += N;
        Ok(*bytes)
    }

    /// The bytes of the field whose tag was just read, of wire type [`LEN`].
    #[inline(always)]
    pub(crate) fn delimited(&mut self) -> Result<&'a [u8], WireError> {
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

#[inline(never)]
fn long_varint(buffer: &[u8], start: usize) -> Result<(u64, usize), WireError> {
    let rest = buffer.get(start..).unwrap_or_default();
    if let Some((number, bytes)) = rest.first_chunk().and_then(|word| varint_in(*word)) {
        return Ok((number, start + bytes));
    }
    let mut number = 0_u64;
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

/// The varint that eight bytes begin with, and how many it takes; `None` where it is longer. Joins the
/// seven bits of all bytes at once: pairs, then fours, then eight.
#[inline]
fn varint_in(bytes: [u8; 8]) -> Option<(u64, usize)> {
    let word = u64::from_le_bytes(bytes);
    let last = !word & 0x8080_8080_8080_8080;
    if last == 0 {
        return None;
    }
    // All bits up to the lowest high bit that is not set.
    let word = word & (last ^ (last - 1)) & 0x7f7f_7f7f_7f7f_7f7f;
    let pairs = word & 0x007f_007f_007f_007f | (word & 0x7f00_7f00_7f00_7f00) >> 1;
    let fours = pairs & 0x0000_3fff_0000_3fff | (pairs & 0x3fff_0000_3fff_0000) >> 2;
    let number = fours & 0x0000_0000_0fff_ffff | (fours & 0x0fff_ffff_0000_0000) >> 4;
    Some((number, last.trailing_zeros() as usize / 8 + 1))
}

/// Where the group ends that `tag`, just read, starts at `start`, and which may be `most` deep (as
/// far as [`GROUP_DEPTH_MAX`] allows); all else that has no value of
/// its own is an error.
#[cold]
#[inline(never)]
fn skip_unusual(
    mut fields: Cursor<'_>,
    tag: Tag,
    start: usize,
    most: usize,
) -> Result<usize, WireError> {
    let mut open = [0_u32; GROUP_DEPTH_MAX];
    let (mut depth, mut next, mut at) = (0_usize, tag, start);
    loop {
        match next.wire_type() {
            GROUP_START => {
                let place = open.get_mut(depth).filter(|_| depth < most);
                let place = place.ok_or(WireError::GroupDepth { at })?;
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

#[cold]
const fn unknown_wire_type(at: usize, wire_type: u32) -> WireError {
    WireError::WireType { at, wire_type: (wire_type & 7) as u8 }
}
