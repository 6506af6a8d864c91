//! The kinds of JSON values, and which of them are open while one is passed over.

use super::error::JsonError;

/// The deepest nesting of arrays and objects that is passed over. This bounds no recursion
/// (there is none here), only what is worth looking at.
pub(crate) const SKIP_DEPTH_MAX: usize = 1024;

/// What kind of value comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

/// A stack of the arrays and objects that are open while a value is passed over: a bit for each,
/// set for an object.
#[derive(Default)]
pub(super) struct KindStack {
    bits: [u64; SKIP_DEPTH_MAX / 64],
    depth: usize,
}

impl KindStack {
    pub(super) fn push(&mut self, kind: Kind, at: usize) -> Result<(), JsonError> {
        let Some(word) = self.bits.get_mut(self.depth / 64) else {
            return Err(JsonError::Nesting { at, limit: SKIP_DEPTH_MAX });
        };
        let bit = 1 << (self.depth % 64);
        if kind == Kind::Object {
            *word |= bit;
        } else {
            *word &= !bit;
        }
        self.depth += 1;
        Ok(())
    }

    pub(super) const fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    pub(super) fn top(&self) -> Option<Kind> {
        let last = self.depth.checked_sub(1)?;
        let word = self.bits.get(last / 64)?;
        Some(if word >> (last % 64) & 1 == 1 { Kind::Object } else { Kind::Array })
    }
}
