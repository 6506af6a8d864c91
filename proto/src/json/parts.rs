//! Messages of which a field may be given several times.

use super::line_value::Result;
use crate::wire::{Cursor, Field, WireError};

/// The body of a message: the bytes of its field, in as many parts as the field was given times. To
/// protobuf they are one message, as if they were written one after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Body<'a> {
    first: &'a [u8],
    /// All of them, when there are several: hardly ever.
    all: Vec<&'a [u8]>,
    given: bool,
}

impl<'a> Body<'a> {
    /// Adds what another field of the same number has.
    ///
    /// # Errors
    /// When that is of another wire type than messages are.
    pub(super) fn add(
        &mut self,
        field: &Field<'a>,
        message: &'static str,
    ) -> std::result::Result<(), WireError> {
        let part = field.bytes(message)?;
        if !self.given {
            (self.first, self.given) = (part, true);
            return Ok(());
        }
        if self.all.is_empty() {
            self.all.push(self.first);
        }
        self.all.push(part);
        Ok(())
    }

    /// The parts, in order.
    pub(super) fn parts(&self) -> &[&'a [u8]] {
        if self.all.is_empty() { std::slice::from_ref(&self.first) } else { &self.all }
    }
}

/// Gives the fields of a message, whose body has these parts, to `each`.
pub(super) fn each_field<'a>(
    body: &[&'a [u8]],
    mut each: impl FnMut(Field<'a>) -> Result,
) -> Result {
    for part in body {
        let mut fields = Cursor::new(part);
        while let Some(field) = fields.next_field()? {
            each(field)?;
        }
    }
    Ok(())
}
