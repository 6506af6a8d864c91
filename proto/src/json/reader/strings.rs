//! The strings of JSON text.

use std::borrow::Cow;

use super::{Reader, Result};

impl<'a> Reader<'a> {
    /// Consumes bytes of a string up to its end, an escape or a control character.
    pub(super) fn plain_run(&mut self) -> &'a [u8] {
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or_default();
        let special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
        self.at += rest.iter().position(special).unwrap_or(rest.len());
        self.since(start)
    }

    #[cold]
    pub(super) fn string_with_escapes(&mut self, start: usize) -> Result<Cow<'a, str>> {
        self.at = start;
        let mut bytes = Vec::new();
        loop {
            bytes.extend_from_slice(self.plain_run());
            match self.current() {
                Some(b'"') => {
                    self.at += 1;
                    let text = String::from_utf8(bytes);
                    return Ok(Cow::Owned(text.unwrap_or_else(|invalid| {
                        String::from_utf8_lossy(invalid.as_bytes()).into_owned()
                    })));
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
            let digit = self.current().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else { return Err(self.unexpected("a hexadecimal digit")) };
            code = code << 4 | digit;
            self.at += 1;
        }
        Ok(code)
    }
}
