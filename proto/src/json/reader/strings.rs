//! The strings of JSON text.

use std::borrow::Cow;

use super::{Elements, Reader, Result};
use crate::hex;
use crate::utf8::{self, repaired};

impl<'a> Reader<'a> {
    /// Consumes bytes of a string up to its end, an escape or a control character.
    #[inline]
    pub(super) fn plain_run(&mut self) -> &'a [u8] {
        let start = self.at;
        self.at += plain_length(self.text.get(start..).unwrap_or_default());
        self.since(start)
    }

    /// Consumes a string without escapes that begins here, in a document that is UTF-8. Where there is
    /// none, nothing is consumed.
    #[inline]
    pub(super) fn plain_string(&mut self) -> Option<&'a str> {
        let (length, valid) = (self.plain_string_length()?, self.valid?);
        let start = self.at + 1;
        let text = valid.get(start..start + length)?;
        self.at = start + length + 1;
        Some(text)
    }

    /// As [`plain_string`](Self::plain_string), the bytes of the text.
    #[inline]
    pub(crate) fn plain_text(&mut self) -> Option<&'a [u8]> {
        let length = self.plain_string_length()?;
        self.valid?;
        let start = self.at + 1;
        let text = self.text.get(start..start + length)?;
        self.at = start + length + 1;
        Some(text)
    }

    /// How long the string without escapes is that begins here.
    #[inline]
    fn plain_string_length(&self) -> Option<usize> {
        let [b'"', rest @ ..] = self.rest() else { return None };
        let length = plain_length(rest);
        (rest.get(length) == Some(&b'"')).then_some(length)
    }

    /// Consumes the name of the next field and what stands around it, where that has no escapes and no
    /// more white space than before the name. Where there is none, nothing is consumed.
    #[inline]
    pub(super) fn plain_name(&mut self, elements: &mut Elements) -> Option<&'a str> {
        let before = self.at;
        if !elements.first {
            if self.current() != Some(b',') {
                return None;
            }
            self.at += 1;
        }
        self.next_byte();
        let name = self.plain_string();
        if name.is_some() && self.current() == Some(b':') {
            self.at += 1;
            elements.first = false;
            return name;
        }
        self.at = before;
        None
    }

    /// Consumes a string that may have escapes, or be no UTF-8.
    #[cold]
    pub(super) fn unusual_string(&mut self) -> Result<Cow<'a, str>> {
        self.expect(b'"', "a string")?;
        let start = self.at;
        let plain = self.plain_run();
        if self.current() == Some(b'"') {
            self.at += 1;
            return Ok(utf8::text(plain));
        }
        self.string_with_escapes(start)
    }

    fn string_with_escapes(&mut self, start: usize) -> Result<Cow<'a, str>> {
        self.at = start;
        let mut bytes = Vec::new();
        loop {
            bytes.extend_from_slice(self.plain_run());
            match self.current() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(repaired(bytes)));
                }
                Some(b'\\') => {
                    let character = self.escape()?;
                    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                // Control characters must be escaped in JSON.
                _ => return Err(self.unexpected("the rest of a string")),
            }
        }
    }

    /// Consumes an escape, both halves of a surrogate pair.
    pub(super) fn escape(&mut self) -> Result<char> {
        self.at += 1;
        let character = match self.current() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape();
            }
            _ => return Err(self.unexpected("an escape of JSON")),
        };
        self.at += 1;
        Ok(character)
    }

    fn unicode_escape(&mut self) -> Result<char> {
        let high = self.four_hex_digits()?;
        if !matches!(high, 0xd800..0xdc00) {
            return Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let after_high = self.at;
        if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(b"\\u")) {
            self.at += 2;
            let low = self.four_hex_digits()?;
            if matches!(low, 0xdc00..0xe000) {
                let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            // An escape of its own.
            self.at = after_high;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn four_hex_digits(&mut self) -> Result<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = self.current().and_then(hex::digit) else {
                return Err(self.unexpected("a hexadecimal digit"));
            };
            code = code << 4 | u32::from(digit);
            self.at += 1;
        }
        Ok(code)
    }
}

/// How many bytes at the start of `text` stand for themselves in a string.
///
/// Eight bytes are looked at together: half of the time of reading a request goes by here.
#[inline]
fn plain_length(text: &[u8]) -> usize {
    let mut rest = text;
    while let Some((word, behind)) = rest.split_first_chunk::<8>() {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return text.len() - rest.len() + special.trailing_zeros() as usize / 8;
        }
        rest = behind;
    }
    let special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    text.len() - rest.len() + rest.iter().position(special).unwrap_or(rest.len())
}

/// Has the highest bit of each byte of `word` set that is a control character, `"` or `\`. Bytes
/// above the lowest such one may be set wrongly.
const fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = ONES << 7;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    // A byte below n borrows from its highest bit when n is taken away, if that is not set.
    ((quote.wrapping_sub(ONES) & !quote)
        | (backslash.wrapping_sub(ONES) & !backslash)
        | (word.wrapping_sub(ONES * 0x20) & !word))
        & HIGHEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_bytes_are_found_at_every_place() {
        for byte in 0..=255_u8 {
            for before in 0..20 {
                for fill in [b'a', 0x80, 0xff, 0x23, 0x5d, 0x20] {
                    let mut text = vec![fill; before];
                    text.extend([byte, b'"', 0, b'a', b'\\', fill, fill, fill, fill, fill]);
                    let special = byte < 0x20 || byte == b'"' || byte == b'\\';
                    let wanted = if special { before } else { before + 1 };
                    assert_eq!(plain_length(&text), wanted, "{text:?}");
                }
            }
            assert_eq!(plain_length(&[b'a'; 21]), 21);
        }
    }
}
