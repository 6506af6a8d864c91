//! A pull reader of JSON text that can go back.
//!
//! It hands out what comes next, borrowed from the text where that is possible, and allocates
//! only for strings with escapes or invalid UTF-8. Its position can be taken and returned to:
//! that is how a span that turns out bad half-way is passed over while the rest of the document
//! is read. It takes a byte-order mark, replaces each byte that is no part of a character by `?` and
//! lone surrogates by U+FFFD, so that text never grows, and is strict otherwise.

use std::borrow::Cow;

use super::error::{Found, JsonError};
use super::kind::{Kind, KindStack};
use super::number;
use super::sniff::other_format;

mod strings;

/// Whether an array or object that is being read has had a first element.
#[derive(Debug)]
#[must_use]
pub(crate) struct Elements {
    first: bool,
}

/// Reads one JSON document.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    text: &'a [u8],
    /// The same, where all of it is UTF-8: one look at the document takes a part of the time of
    /// looking at each of its many short strings.
    valid: Option<&'a str>,
    at: usize,
}

type Result<T> = std::result::Result<T, JsonError>;

impl<'a> Reader<'a> {
    /// A reader at the start of the document.
    ///
    /// Fails when the text is empty, or clearly something else than JSON in UTF-8.
    pub(crate) fn new(text: &'a [u8]) -> Result<Self> {
        if let Some((what, hint)) = other_format(text) {
            return Err(JsonError::Format { what, hint });
        }
        let start = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let mut reader = Self { text, valid: std::str::from_utf8(text).ok(), at: start };
        match reader.next_byte() {
            Some(_) => Ok(reader),
            None => Err(JsonError::Empty),
        }
    }

    /// The place where the next value (or the white space before it) starts.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// Goes back to a place where [`at`](Self::at) was.
    pub(crate) const fn rewind(&mut self, at: usize) {
        self.at = at;
    }

    /// The bytes from `start` to here.
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// The bytes from here on.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The kind of the next value; nothing is consumed but white space.
    pub(crate) fn peek(&mut self) -> Result<Kind> {
        match self.next_byte() {
            Some(b'"') => Ok(Kind::String),
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'n') => Ok(Kind::Null),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            _ => Err(self.unexpected("a value")),
        }
    }

    /// Consumes `null` if that is next.
    pub(crate) fn null(&mut self) -> Result<bool> {
        if self.peek()? != Kind::Null {
            return Ok(false);
        }
        self.literal(b"null")?;
        Ok(true)
    }

    /// Consumes `true` or `false`.
    pub(crate) fn boolean(&mut self) -> Result<bool> {
        let value = self.next_byte() == Some(b't');
        self.literal(if value { b"true" } else { b"false" })?;
        Ok(value)
    }

    /// Consumes a number and gives its text.
    pub(crate) fn number(&mut self) -> Result<&'a str> {
        self.next_byte();
        let start = self.at;
        if self.current() == Some(b'-') {
            self.at += 1;
        }
        if self.current() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.current() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.current(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.current(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        // A number is ASCII.
        Ok(match self.valid.and_then(|valid| valid.get(start..self.at)) {
            Some(text) => text,
            None => std::str::from_utf8(self.since(start)).unwrap_or_default(),
        })
    }

    /// Consumes a string and gives what it says.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>> {
        self.next_byte();
        match self.plain_string() {
            Some(text) => Ok(Cow::Borrowed(text)),
            None => self.unusual_string(),
        }
    }

    /// Consumes a whole number without a sign, of at most 18 digits, if that is next.
    pub(crate) fn whole_number(&mut self) -> Option<u64> {
        let rest = self.rest();
        let (number, digits) = number::leading_digits(rest);
        let is_whole = match rest.get(..digits)? {
            [] => false,
            [b'0'] => true,
            [first, ..] => *first != b'0' && digits <= 18,
        };
        if !is_whole || matches!(rest.get(digits), Some(b'.' | b'e' | b'E')) {
            return None;
        }
        self.at += digits;
        Some(number)
    }

    /// Consumes `[`.
    pub(crate) fn array(&mut self) -> Result<Elements> {
        self.expect(b'[', "an array")?;
        Ok(Elements { first: true })
    }

    /// Whether there is a next element, to be consumed by the caller; the end of the array is
    /// consumed.
    pub(crate) fn element(&mut self, elements: &mut Elements) -> Result<bool> {
        self.step(elements, b']', "`,` or `]`")
    }

    /// Consumes `{`.
    pub(crate) fn object(&mut self) -> Result<Elements> {
        self.expect(b'{', "an object")?;
        Ok(Elements { first: true })
    }

    /// The name of the next field, whose value is to be consumed by the caller; the end of the
    /// object is consumed.
    pub(crate) fn field(&mut self, elements: &mut Elements) -> Result<Option<Cow<'a, str>>> {
        if let Some(name) = self.plain_name(elements) {
            self.next_byte();
            return Ok(Some(Cow::Borrowed(name)));
        }
        if !self.step(elements, b'}', "`,` or `}`")? {
            return Ok(None);
        }
        self.next_byte();
        if self.current() != Some(b'"') {
            return Err(self.unexpected("the name of a field"));
        }
        let name = self.string()?;
        self.expect(b':', "`:`")?;
        // So that the place told of a wrong value is that of the value.
        self.next_byte();
        Ok(Some(name))
    }

    /// Consumes a value of any kind, without recursion.
    pub(crate) fn skip(&mut self) -> Result<()> {
        let mut open = KindStack::default();
        loop {
            match self.peek()? {
                Kind::Null => self.literal(b"null")?,
                Kind::Bool => drop(self.boolean()?),
                Kind::Number => drop(self.number()?),
                Kind::String => self.skip_string()?,
                kind @ (Kind::Array | Kind::Object) => {
                    open.push(kind, self.at)?;
                    self.at += 1;
                    if self.enter(kind)? {
                        continue;
                    }
                    open.pop();
                }
            }
            // A value has ended: go on in what it stands in.
            loop {
                let Some(kind) = open.top() else { return Ok(()) };
                if self.advance(kind)? {
                    break;
                }
                open.pop();
            }
        }
    }

    /// Fails unless only white space is left.
    pub(crate) fn end(&mut self) -> Result<()> {
        match self.next_byte() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("nothing after the document")),
        }
    }

    /// The error for what stands here.
    #[cold]
    pub(crate) fn unexpected(&self, expected: &'static str) -> JsonError {
        let found = self.current().map_or(Found::End, Found::Byte);
        JsonError::Syntax { at: self.at, found, expected }
    }

    #[inline]
    fn current(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// The next byte that is not white space, without consuming it.
    #[inline]
    fn next_byte(&mut self) -> Option<u8> {
        match self.current() {
            Some(b' ' | b'\t' | b'\n' | b'\r') => self.after_white_space(),
            byte => byte,
        }
    }

    #[inline(never)]
    fn after_white_space(&mut self) -> Option<u8> {
        let mut rest = self.rest();
        loop {
            // Lines are indented.
            if let Some(behind) = rest.strip_prefix(b"        ") {
                rest = behind;
                continue;
            }
            match rest {
                [b' ' | b'\t' | b'\n' | b'\r', behind @ ..] => rest = behind,
                _ => break,
            }
        }
        self.at = self.text.len() - rest.len();
        rest.first().copied()
    }

    #[inline]
    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<()> {
        if self.next_byte() != Some(byte) {
            return Err(self.unexpected(expected));
        }
        self.at += 1;
        Ok(())
    }

    fn literal(&mut self, word: &'static [u8]) -> Result<()> {
        for byte in word {
            if self.current() != Some(*byte) {
                return Err(self.unexpected("`null`, `true` or `false`"));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<()> {
        let start = self.at;
        while matches!(self.current(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.unexpected("a digit")) } else { Ok(()) }
    }

    fn step(&mut self, elements: &mut Elements, end: u8, expected: &'static str) -> Result<bool> {
        let byte = self.next_byte();
        if byte == Some(end) {
            self.at += 1;
            return Ok(false);
        }
        if std::mem::replace(&mut elements.first, false) {
            return Ok(true);
        }
        if byte != Some(b',') {
            return Err(self.unexpected(expected));
        }
        self.at += 1;
        if self.next_byte() == Some(end) {
            return Err(self.unexpected("another element after `,`"));
        }
        Ok(true)
    }

    /// After the opening bracket: whether there is a first element, with its name consumed.
    fn enter(&mut self, kind: Kind) -> Result<bool> {
        self.element_of(kind, &mut Elements { first: true })
    }

    /// After an element: whether there is another one, with its name consumed.
    fn advance(&mut self, kind: Kind) -> Result<bool> {
        self.element_of(kind, &mut Elements { first: false })
    }

    fn element_of(&mut self, kind: Kind, elements: &mut Elements) -> Result<bool> {
        if kind == Kind::Array {
            return self.element(elements);
        }
        if !self.step(elements, b'}', "`,` or `}`")? {
            return Ok(false);
        }
        self.next_byte();
        self.skip_string()?;
        self.expect(b':', "`:`")?;
        Ok(true)
    }

    fn skip_string(&mut self) -> Result<()> {
        self.expect(b'"', "a string")?;
        loop {
            self.plain_run();
            match self.current() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => drop(self.escape()?),
                _ => return Err(self.unexpected("the rest of a string")),
            }
        }
    }
}
