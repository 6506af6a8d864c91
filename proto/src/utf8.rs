//! Text that is not UTF-8, as a copy that is.

use std::borrow::Cow;

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

#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    const HIGHEST: u64 = 0x8080_8080_8080_8080;
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
