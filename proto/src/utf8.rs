//! Text that is not UTF-8, as a copy that is.

use std::borrow::Cow;

/// What stands for a byte that is no part of a character. One byte for one, so that every length
/// in the message stays what it is.
pub(crate) const REPLACEMENT: u8 = b'?';

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
