//! Text that is not UTF-8, as a copy that is.

use std::{borrow::Cow, ops::Range};

/// What stands for a byte that is no part of a character. One byte for one, so that every length
/// in the message stays what it is.
pub(crate) const REPLACEMENT: u8 = b'?';

/// Text as bytes, all of which are UTF-8: what copies it need not look at it once more.
pub(crate) type Text<'a> = Cow<'a, [u8]>;

/// `bytes` as text, each that is no part of a character a `?`.
#[inline]
pub(crate) fn valid(bytes: &[u8]) -> Text<'_> {
    // Nearly all texts are short and ASCII.
    if is_ascii(bytes) { Cow::Borrowed(bytes) } else { bytes_of(text(bytes)) }
}

/// The bytes of `text`.
#[inline]
pub(crate) fn bytes_of(text: Cow<'_, str>) -> Text<'_> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// What [`Text`] says, for what looks into it.
pub(crate) fn str_of(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
}

/// In each byte of a word, the bit that bytes of ASCII do not have.
const HIGHEST: u64 = 0x8080_8080_8080_8080;

/// Whether all of a short text is ASCII.
#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    let (words, _) = bytes.as_chunks::<8>();
    match bytes.last_chunk::<8>() {
        Some(last) => {
            let all = words
                .iter()
                .fold(u64::from_le_bytes(*last), |all, word| all | u64::from_le_bytes(*word));
            all & HIGHEST == 0
        }
        None => bytes.iter().fold(0, |all, byte| all | byte) < 0x80,
    }
}

/// How many bytes there are before the first that is not ASCII.
#[inline]
fn ascii_prefix(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((block, behind)) = rest.split_first_chunk::<32>() {
        let (words, _) = block.as_chunks::<8>();
        if words.iter().fold(0, |all, word| all | u64::from_le_bytes(*word)) & HIGHEST != 0 {
            break;
        }
        rest = behind;
    }
    while let Some((word, behind)) = rest.split_first_chunk::<8>() {
        let highest = u64::from_le_bytes(*word) & HIGHEST;
        if highest != 0 {
            return bytes.len() - rest.len() + (highest.trailing_zeros() / 8) as usize;
        }
        rest = behind;
    }
    bytes.len() - rest.len() + rest.iter().take_while(|byte| byte.is_ascii()).count()
}

/// Tells of texts in a buffer whether they are UTF-8.
///
/// Looks for bytes outside of ASCII over long stretches rather than text by text, since most texts are
/// short: each byte is looked at three times at most.
#[derive(Debug)]
pub(crate) struct Utf8Check<'a> {
    buffer: &'a [u8],
    /// A stretch of the buffer that is all ASCII.
    ascii: Range<usize>,
}

impl<'a> Utf8Check<'a> {
    /// For texts in `buffer`.
    pub(crate) const fn new(buffer: &'a [u8]) -> Self {
        Self { buffer, ascii: 0..0 }
    }

    /// What the texts are in.
    pub(crate) const fn buffer(&self) -> &'a [u8] {
        self.buffer
    }

    /// Whether the text at `range` is known to be UTF-8.
    #[inline]
    pub(crate) const fn knows(&self, range: &Range<usize>) -> bool {
        range.start >= self.ascii.start && range.end <= self.ascii.end
    }

    /// Whether the text at `range` is UTF-8.
    #[inline(never)]
    pub(crate) fn look(&mut self, range: &Range<usize>) -> bool {
        if range.is_empty() {
            return true;
        }
        let rest = self.buffer.get(range.start..).unwrap_or_default();
        self.ascii = range.start..range.start + ascii_prefix(rest);
        let text = self.buffer.get(range.clone()).unwrap_or_default();
        range.end <= self.ascii.end || std::str::from_utf8(text).is_ok()
    }
}

/// `bytes` as text, each that is no part of a character a `?`.
#[inline]
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(repaired(bytes.to_vec())),
    }
}

/// `text` as UTF-8, each byte that is no part of a character a `?`.
pub(crate) fn repaired(text: Vec<u8>) -> String {
    String::from_utf8(text).unwrap_or_else(|invalid| {
        let mut text = String::with_capacity(invalid.as_bytes().len());
        for chunk in invalid.as_bytes().utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|_| char::from(REPLACEMENT)));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_outside_of_ascii_ends_the_prefix_wherever_it_is() {
        for length in 0..100 {
            let mut bytes = vec![b'a'; length];
            assert_eq!(ascii_prefix(&bytes), length);
            for at in 0..length {
                bytes.splice(at..=at, [0x80]);
                assert_eq!(ascii_prefix(&bytes), at, "of {length}");
                bytes.splice(at..=at, *b"a");
            }
        }
    }

    #[test]
    fn bytes_are_taken_as_text_of_every_length_is() {
        for length in 0..40 {
            let plain = vec![b'a'; length];
            assert!(matches!(valid(&plain), Cow::Borrowed(same) if same == plain), "{length}");
            for at in 0..length {
                let mut broken = plain.clone();
                broken.splice(at..=at, [0xff]);
                let wanted = text(&broken).into_owned().into_bytes();
                assert_eq!(&*valid(&broken), wanted, "{length} {at}");
            }
        }
        assert_eq!(&*valid("größer als ä".as_bytes()), "größer als ä".as_bytes());
    }
}
