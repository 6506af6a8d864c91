//! Text that is known to be UTF-8, taken out of a buffer.

use std::ops::Range;

use crate::utf8::{Utf8Check, repaired};

/// Bytes that are UTF-8: nobody has to look at them again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Utf8<'a>(&'a [u8]);

impl<'a> Utf8<'a> {
    /// Its bytes.
    pub(crate) const fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether it has none.
    pub(crate) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// As a string, for what is asked of few texts: that looks at the bytes again.
    pub(crate) fn as_str(self) -> &'a str {
        std::str::from_utf8(self.0).unwrap_or_default()
    }
}

impl<'a, T: AsRef<str> + ?Sized> From<&'a T> for Utf8<'a> {
    #[inline]
    fn from(text: &'a T) -> Self {
        Self(text.as_ref().as_bytes())
    }
}

/// Takes texts out of a buffer. Those that are not UTF-8 are noted: they are taken as empty, for the
/// caller to take them again from a copy that is [`repaired`](Self::repaired).
#[derive(Debug)]
pub(crate) struct Texts<'a> {
    check: Utf8Check<'a>,
    /// Texts that are not UTF-8.
    invalid: Vec<Range<usize>>,
}

impl<'a> Texts<'a> {
    /// Of `buffer`, none taken.
    pub(crate) const fn new(buffer: &'a [u8]) -> Self {
        Self { check: Utf8Check::new(buffer), invalid: Vec::new() }
    }

    /// What they are taken out of.
    pub(crate) const fn buffer(&self) -> &'a [u8] {
        self.check.buffer()
    }

    /// The text at `range` of the buffer; empty where it is not UTF-8.
    #[inline]
    pub(crate) fn take(&mut self, range: Range<usize>) -> Utf8<'a> {
        if self.check.knows(&range) || self.check.look(&range) {
            return Utf8(self.buffer().get(range).unwrap_or_default());
        }
        self.invalid.push(range);
        Utf8::default()
    }

    /// Where a text that was taken is not UTF-8: a copy of `range` of the buffer, in which all those are
    /// repaired. Lengths stay what they are.
    #[inline]
    pub(crate) fn repaired(&mut self, range: Range<usize>) -> Option<Vec<u8>> {
        if self.invalid.is_empty() { None } else { Some(self.copy(range)) }
    }

    #[cold]
    fn copy(&mut self, range: Range<usize>) -> Vec<u8> {
        let mut copy = self.buffer().get(range.clone()).unwrap_or_default().to_vec();
        for Range { start, end } in self.invalid.drain(..) {
            let place = start.saturating_sub(range.start)..end.saturating_sub(range.start);
            if let Some(text) = copy.get_mut(place) {
                text.copy_from_slice(repaired(text.to_vec()).as_bytes());
            }
        }
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_utf8_or_repaired_in_a_copy() {
        let buffer = "plain, \u{e9}\u{1f600} and \u{ff}".as_bytes();
        let mut texts = Texts::new(buffer);
        let whole = 0..buffer.len();
        assert_eq!(texts.take(whole.clone()).bytes(), buffer);
        assert_eq!(texts.take(0..5), Utf8::from("plain"));
        assert_eq!(texts.take(2..2), Utf8::default());
        assert_eq!(texts.repaired(whole.clone()), None);
        // In the middle of characters.
        assert_eq!(texts.take(5..8), Utf8::default());
        assert_eq!(texts.take(0..6), Utf8::from("plain,"));
        assert_eq!(texts.take(12..18), Utf8::default());
        let copy = texts.repaired(3..buffer.len()).unwrap_or_default();
        assert_eq!(copy, [b"in, ?", &buffer[8..12], b"? and ", &buffer[18..]].concat());
        assert_eq!(texts.repaired(whole), None);
    }
}
