//! Messages of which a field may be given several times.

use std::borrow::Cow;

use crate::wire::{Cursor, Field, WireError};

type Result<T> = std::result::Result<T, WireError>;

/// A field of a message that is a message itself and should occur once. Where it occurs several
/// times, protobuf makes one message of them, as if their bytes were written one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Merged<'a> {
    last: &'a [u8],
    times: usize,
}

impl<'a> Merged<'a> {
    /// One that occurs `times` times; `last` is the last.
    #[inline]
    pub(super) const fn last(last: &'a [u8], times: usize) -> Self {
        Self { last, times }
    }

    /// Notes that it occurs.
    ///
    /// # Errors
    /// When it is of another wire type than messages are.
    #[inline]
    pub(super) fn add(&mut self, field: &Field<'a>, message: &'static str) -> Result<()> {
        self.last = field.bytes(message)?;
        self.times += 1;
        Ok(())
    }

    /// Its body: it is the field `number` of the message `outer`, where those that were noted are the
    /// last ones of that number. They are joined when it is known that there are several.
    #[inline]
    pub(super) fn body(self, outer: &'a [u8], number: u32) -> Result<Cow<'a, [u8]>> {
        if self.times > 1 {
            return joined(outer, number, self.times).map(Cow::Owned);
        }
        Ok(Cow::Borrowed(self.last))
    }
}

/// The last `count` fields `number` of `message`, one after the other.
#[cold]
fn joined(message: &[u8], number: u32, count: usize) -> Result<Vec<u8>> {
    let mut parts = Vec::with_capacity(count);
    let mut fields = Cursor::new(message);
    while let Some(field) = fields.next_field()? {
        if field.number == number {
            parts.push(field.bytes("message")?);
        }
    }
    Ok(parts.split_off(parts.len().saturating_sub(count)).concat())
}
