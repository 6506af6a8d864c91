//! Passing over values that nobody asks for.

use super::cursor::{Cursor, List};
use super::error::ThriftError;
use super::kind::{DEPTH_MAX, Kind, Protocol};

type Result<T> = std::result::Result<T, ThriftError>;

impl Cursor<'_> {
    /// The head of a list or a set of elements of `kind`, and how many there are. Elements of another
    /// kind are skipped: then there are none.
    ///
    /// # Errors
    /// As of [`list`](Self::list) and [`skip`](Self::skip).
    #[inline]
    pub fn list_of(&mut self, kind: Kind) -> Result<u32> {
        if let Some(count) = self.plain_list_of(kind) {
            return Ok(count);
        }
        let list = self.list()?;
        if list.kind == kind {
            return Ok(list.count);
        }
        self.skip_elements(list, DEPTH_MAX)?;
        Ok(0)
    }

    /// The head of a list in the binary protocol whose elements are of `kind`, taken in one look; `None`
    /// where it is another one, which is then still to be taken.
    #[inline]
    fn plain_list_of(&mut self, kind: Kind) -> Option<u32> {
        let [number, a, b, c, d, rest @ ..] = self.binary_rest()? else { return None };
        let count = u32::from_be_bytes([*a, *b, *c, *d]);
        let least = (count as usize).checked_mul(kind.least_bytes(Protocol::Binary))?;
        if *number != kind.number(Protocol::Binary) || least > rest.len() {
            return None;
        }
        self.advance(5).ok().map(|()| count)
    }

    /// Moves behind the next value, which is of `kind`.
    ///
    /// # Errors
    /// When it is none, does not end within what is left, or is nested deeper than [`DEPTH_MAX`].
    #[inline]
    pub fn skip(&mut self, kind: Kind) -> Result<()> {
        self.skip_within(kind, DEPTH_MAX)
    }

    /// As [`skip`](Self::skip), for a value in which so many may be nested.
    fn skip_within(&mut self, kind: Kind, depth: usize) -> Result<()> {
        match kind {
            Kind::Bool => self.boolean().map(drop),
            Kind::I8 => self.advance(1),
            Kind::I16 | Kind::I32 | Kind::I64 => match kind.fixed_bytes(self.protocol()) {
                Some(bytes) => self.advance(bytes),
                None => self.varint().map(drop),
            },
            Kind::Double => self.advance(8),
            Kind::Uuid => self.advance(16),
            Kind::Bytes => self.bytes().map(drop),
            Kind::Struct | Kind::Map | Kind::Set | Kind::List => self.skip_nested(kind, depth),
        }
    }

    fn skip_nested(&mut self, kind: Kind, depth: usize) -> Result<()> {
        let depth =
            depth.checked_sub(1).ok_or_else(|| ThriftError::Depth { at: self.position() })?;
        match kind {
            Kind::Struct => {
                let mut fields = self.fields();
                while let Some(field) = self.next_field(&mut fields)? {
                    self.skip_within(field.kind, depth)?;
                }
            }
            Kind::Map => {
                let map = self.map()?;
                if let Some((key, value)) = map.kinds {
                    for _ in 0..map.count {
                        self.skip_within(key, depth)?;
                        self.skip_within(value, depth)?;
                    }
                }
            }
            _ => {
                let list = self.list()?;
                self.skip_elements(list, depth)?;
            }
        }
        Ok(())
    }

    fn skip_elements(&mut self, list: List, depth: usize) -> Result<()> {
        if let Some(bytes) = list.kind.fixed_bytes(self.protocol()) {
            // As many as that are left: `list` has looked.
            return self.advance(bytes.saturating_mul(list.count as usize));
        }
        (0..list.count).try_for_each(|_| self.skip_within(list.kind, depth))
    }
}
