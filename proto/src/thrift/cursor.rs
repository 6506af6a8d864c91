//! The reader.

use super::error::ThriftError;
use super::kind::{Kind, Protocol};

/// Walks values, in their order. Each method takes the value that comes next.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    /// From the next value on.
    rest: &'a [u8],
    /// Of all the bytes that it was made over.
    length: usize,
    protocol: Protocol,
    /// In the compact protocol the head of a field holds the value of a boolean.
    boolean: Option<bool>,
}

/// The fields of a struct that is being read.
#[derive(Debug, Default)]
#[must_use]
pub struct Fields {
    last: i16,
}

/// The head of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its number.
    pub id: i16,
    /// Of its value, which is to be taken or skipped next.
    pub kind: Kind,
}

/// The head of a list or set: so many elements are to be taken or skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    /// Of the elements.
    pub kind: Kind,
    /// The elements: no more than there are bytes left. No size to allocate by, since what is made
    /// of an element is larger than a byte.
    pub count: u32,
}

/// The head of a map: so many times a key and a value are to be taken or skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    /// Of the keys and of the values. `None` when there are none.
    pub kinds: Option<(Kind, Kind)>,
    /// The pairs: no more than there are bytes left.
    pub count: u32,
}

type Result<T> = std::result::Result<T, ThriftError>;

impl<'a> Cursor<'a> {
    /// A cursor over the values in `buffer`, written in `protocol`.
    #[inline]
    #[must_use]
    pub const fn new(buffer: &'a [u8], protocol: Protocol) -> Self {
        Self { rest: buffer, length: buffer.len(), protocol, boolean: None }
    }

    /// Where the next value starts.
    #[inline]
    #[must_use]
    pub const fn position(&self) -> usize {
        self.length - self.rest.len()
    }

    /// How many bytes are left.
    #[inline]
    #[must_use]
    pub const fn left(&self) -> usize {
        self.rest.len()
    }

    /// The bytes from the next value on.
    #[inline]
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// A cursor at the same position over `copy`, which stands for the bytes from there on.
    pub(crate) const fn over<'b>(&self, copy: &'b [u8]) -> Cursor<'b> {
        let Self { protocol, boolean, .. } = *self;
        Cursor { rest: copy, length: self.position() + copy.len(), protocol, boolean }
    }

    /// What is left, where it is in the binary protocol: there, what a value is depends on its bytes
    /// alone.
    #[inline]
    pub(crate) fn binary_rest(&self) -> Option<&'a [u8]> {
        (self.protocol == Protocol::Binary).then_some(self.rest)
    }

    pub(super) const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Enters the struct that comes next.
    #[inline]
    pub const fn fields(&self) -> Fields {
        Fields { last: 0 }
    }

    /// The head of the next field of a struct, `None` at its end. Its value is to be taken or
    /// skipped before this is called again.
    ///
    /// # Errors
    /// When the bytes are no head of a field.
    #[inline(always)]
    pub fn next_field(&mut self, fields: &mut Fields) -> Result<Option<Field>> {
        match self.protocol {
            // A type, and a number of two bytes: there is one look at what is left for both.
            Protocol::Binary => match self.rest {
                [0, rest @ ..] => {
                    self.rest = rest;
                    Ok(None)
                }
                [head, high, low, rest @ ..] => {
                    let kind = Kind::of_binary(*head);
                    let kind = kind.ok_or_else(|| unknown(self.position() + 1, *head))?;
                    self.rest = rest;
                    Ok(Some(Field { id: i16::from_be_bytes([*high, *low]), kind }))
                }
                _ => Err(self.cut_field()),
            },
            Protocol::Compact => self.next_compact_field(fields),
        }
    }

    #[inline]
    fn next_compact_field(&mut self, fields: &mut Fields) -> Result<Option<Field>> {
        let head = self.byte()?;
        let (distance, number) = (i16::from(head >> 4), head & 15);
        if number == 0 {
            return Ok(None);
        }
        let kind = self.known(Kind::of_compact(number), number)?;
        fields.last = match distance {
            0 => self.i16()?,
            _ => fields.last.wrapping_add(distance),
        };
        self.boolean = (kind == Kind::Bool).then_some(number == 1);
        Ok(Some(Field { id: fields.last, kind }))
    }

    /// What is wrong with the head of a field that the bytes end in.
    #[cold]
    fn cut_field(&self) -> ThriftError {
        match self.rest {
            [head, ..] if Kind::of_binary(*head).is_none() => unknown(self.position() + 1, *head),
            _ => self.truncated(),
        }
    }

    /// A boolean.
    ///
    /// # Errors
    /// When the bytes end before it.
    #[inline]
    pub fn boolean(&mut self) -> Result<bool> {
        match self.boolean.take() {
            Some(value) => Ok(value),
            None => Ok(self.byte()? == 1),
        }
    }

    /// A number of 8 bits.
    ///
    /// # Errors
    /// When the bytes end before it.
    #[inline]
    pub fn i8(&mut self) -> Result<i8> {
        Ok(self.byte()?.cast_signed())
    }

    /// A number of 16 bits.
    ///
    /// # Errors
    /// When the bytes end before it, or it has more bits.
    #[inline]
    pub fn i16(&mut self) -> Result<i16> {
        match self.protocol {
            Protocol::Binary => Ok(i16::from_be_bytes(self.array()?)),
            Protocol::Compact => {
                let at = self.position();
                let number = u16::try_from(self.varint()?);
                let number = number.map_err(|_| ThriftError::Number { at })?;
                Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
            }
        }
    }

    /// A number of 32 bits; also the value of an enumeration.
    ///
    /// # Errors
    /// When the bytes end before it, or it has more bits.
    #[inline]
    pub fn i32(&mut self) -> Result<i32> {
        match self.protocol {
            Protocol::Binary => Ok(i32::from_be_bytes(self.array()?)),
            Protocol::Compact => {
                let number = self.varint_u32()?;
                Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
            }
        }
    }

    /// A number of 64 bits.
    ///
    /// # Errors
    /// When the bytes end before it, or it has more bits.
    #[inline]
    pub fn i64(&mut self) -> Result<i64> {
        match self.protocol {
            Protocol::Binary => Ok(i64::from_be_bytes(self.array()?)),
            Protocol::Compact => {
                let number = self.varint()?;
                Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
            }
        }
    }

    /// A number with a fraction.
    ///
    /// # Errors
    /// When the bytes end before it.
    #[inline]
    pub fn double(&mut self) -> Result<f64> {
        let bytes = self.array()?;
        Ok(match self.protocol {
            Protocol::Binary => f64::from_be_bytes(bytes),
            Protocol::Compact => f64::from_le_bytes(bytes),
        })
    }

    /// Bytes, or text as it came.
    ///
    /// # Errors
    /// When they do not end within what is left.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.size()?;
        let split = usize::try_from(length).ok();
        match split.and_then(|length| self.rest.split_at_checked(length)) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => Err(self.too_long(length)),
        }
    }

    /// The head of a list or a set.
    ///
    /// # Errors
    /// When the bytes are none, or what is left cannot hold so many elements.
    #[inline]
    pub fn list(&mut self) -> Result<List> {
        let head = self.byte()?;
        let (kind, count) = match self.protocol {
            Protocol::Binary => (self.known(Kind::of_binary(head), head), self.size()?),
            Protocol::Compact => {
                let count = match head >> 4 {
                    15 => self.varint_u32()?,
                    count => u32::from(count),
                };
                (self.known(Kind::of_compact(head & 15), head & 15), count)
            }
        };
        // Some writers give an empty list the type 0.
        let kind = if count == 0 { kind.unwrap_or(Kind::Bool) } else { kind? };
        self.check_count(count, kind.least_bytes(self.protocol))?;
        Ok(List { kind, count })
    }

    /// The head of a map.
    ///
    /// # Errors
    /// When the bytes are none, or what is left cannot hold so many pairs.
    pub fn map(&mut self) -> Result<Map> {
        let (kinds, count) = match self.protocol {
            Protocol::Binary => {
                let [key, value] = self.array()?;
                let count = self.size()?;
                if count == 0 {
                    return Ok(Map { kinds: None, count });
                }
                let key = self.known(Kind::of_binary(key), key)?;
                ((key, self.known(Kind::of_binary(value), value)?), count)
            }
            Protocol::Compact => {
                let count = self.varint_u32()?;
                if count == 0 {
                    return Ok(Map { kinds: None, count });
                }
                let both = self.byte()?;
                let key = self.known(Kind::of_compact(both >> 4), both >> 4)?;
                ((key, self.known(Kind::of_compact(both & 15), both & 15)?), count)
            }
        };
        let (key, value) = kinds;
        let least = key.least_bytes(self.protocol) + value.least_bytes(self.protocol);
        self.check_count(count, least)?;
        Ok(Map { kinds: Some(kinds), count })
    }

    /// The length of text, or the number of elements of a container in the binary protocol.
    #[inline]
    fn size(&mut self) -> Result<u32> {
        match self.protocol {
            Protocol::Binary => Ok(u32::from_be_bytes(self.array()?)),
            Protocol::Compact => self.varint_u32(),
        }
    }

    #[inline]
    fn check_count(&self, count: u32, least_bytes: usize) -> Result<()> {
        let left = self.left();
        let least = usize::try_from(count).ok().and_then(|count| count.checked_mul(least_bytes));
        if least.is_some_and(|least| least <= left) {
            return Ok(());
        }
        Err(ThriftError::Count { at: self.position(), count, left })
    }

    #[inline]
    fn known(&self, kind: Option<Kind>, number: u8) -> Result<Kind> {
        kind.ok_or_else(|| unknown(self.position(), number))
    }

    #[cold]
    const fn truncated(&self) -> ThriftError {
        ThriftError::Truncated { at: self.length }
    }

    #[cold]
    const fn too_long(&self, length: u32) -> ThriftError {
        ThriftError::Length { at: self.position(), length, left: self.rest.len() }
    }

    /// Moves on by so many bytes.
    #[inline]
    pub(crate) fn advance(&mut self, bytes: usize) -> Result<()> {
        self.rest = self.rest.get(bytes..).ok_or_else(|| self.truncated())?;
        Ok(())
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let Some((bytes, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.truncated());
        };
        self.rest = rest;
        Ok(*bytes)
    }

    pub(super) fn varint_u32(&mut self) -> Result<u32> {
        let at = self.position();
        u32::try_from(self.varint()?).map_err(|_| ThriftError::Number { at })
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64> {
        let start = self.position();
        let mut number = 0_u64;
        for (index, byte) in (0_u32..).zip(self.rest) {
            // The tenth byte holds the 64th bit alone.
            if index == 9 && *byte > 1 {
                return Err(ThriftError::Number { at: start });
            }
            number |= u64::from(*byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.advance(index as usize + 1)?;
                return Ok(number);
            }
        }
        Err(self.truncated())
    }
}

#[cold]
const fn unknown(at: usize, kind: u8) -> ThriftError {
    ThriftError::Kind { at, kind }
}
