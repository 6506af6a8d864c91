//! Writes the fields of one message, and grows the memory that it takes as it writes.

use super::numbers::{any_value, event, key_value};
use crate::room::{NoRoom, Reserved, Room};
use crate::wire::nested::{
    OpenMessage, begin_long_message, begin_message, end_message, end_message_or_drop,
};
use crate::wire::{
    LEN, Tag, delimited_len, put_bytes, put_delimited_head, put_fixed32, put_fixed64, put_uint,
    short_tag, varint_len,
};

/// The most bytes of a tag with a length or a number behind it.
const HEAD_BYTES_MAX: usize = 5 + 10;

/// What all messages of a request take in memory: once where they are written, once more while they
/// are put together, and what is there to find them.
pub(super) struct Memory<'r> {
    room: Reserved<'r>,
    /// Of messages that are written.
    messages: usize,
    /// Beside them.
    beside: usize,
    refused: Option<NoRoom>,
}

impl<'r> Memory<'r> {
    pub(super) fn new(room: &'r mut dyn Room) -> Self {
        Self { room: Reserved::new(room), messages: 0, beside: 0, refused: None }
    }

    /// Counts a message of so many bytes, and what is there to find it.
    pub(super) const fn add(&mut self, message: usize, beside: usize) {
        self.messages += message;
        self.beside += beside;
    }

    /// Bytes of messages.
    pub(super) const fn messages(&self) -> usize {
        self.messages
    }

    /// Sees to it that there is room for all, with a message of so many bytes more.
    pub(super) fn reserve(&mut self, message: usize) -> Result<(), NoRoom> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        let messages = self.messages.saturating_add(message).saturating_mul(2);
        let reserved = self.room.reserve(self.beside.saturating_add(messages));
        self.refused = reserved.err();
        reserved
    }

    /// How large a message may become before room has to be asked for.
    fn spare(&self) -> usize {
        (self.room.bytes().saturating_sub(self.beside) / 2).saturating_sub(self.messages)
    }
}

/// The value of an attribute.
#[derive(Debug)]
pub(crate) enum Scalar<'s> {
    Text(&'s str),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(&'s [u8]),
}

impl Scalar<'_> {
    /// The bytes of the `AnyValue`.
    #[inline]
    const fn value_len(&self) -> usize {
        match self {
            Self::Text(text) => delimited_len(any_value::STRING_VALUE, text.len()),
            Self::Bool(_) => 2,
            Self::Int(value) => 1 + varint_len(value.cast_unsigned()),
            Self::Double(_) => 9,
            Self::Bytes(bytes) => delimited_len(any_value::BYTES_VALUE, bytes.len()),
        }
    }
}

/// Writes the fields of a message.
///
/// Where there is no room for a field, neither it nor any field after it is written, and whoever
/// asked for the message to be written is told.
pub(crate) struct MessageWriter<'w, 'r> {
    out: &'w mut Vec<u8>,
    memory: &'w mut Memory<'r>,
    /// Where in `out` the message starts: what `memory` does not count yet.
    start: usize,
    /// As long as `out` may become before room has to be asked for.
    limit: usize,
}

impl<'w, 'r> MessageWriter<'w, 'r> {
    /// Writes behind what is in `out`.
    pub(super) fn new(out: &'w mut Vec<u8>, memory: &'w mut Memory<'r>) -> Self {
        let start = out.len();
        let limit = start.saturating_add(memory.spare());
        Self { out, memory, start, limit }
    }

    /// A field of bytes, or of a message that is there.
    pub(crate) fn bytes(&mut self, number: u32, bytes: &[u8]) {
        if self.grow(bytes.len().saturating_add(HEAD_BYTES_MAX)) {
            put_bytes(self.out, number, bytes);
        }
    }

    /// A field of so many bytes, which are not many.
    #[inline]
    pub(crate) fn array<const N: usize>(&mut self, number: u32, bytes: &[u8; N]) {
        if self.grow(N + HEAD_BYTES_MAX) {
            put_delimited_head(self.out, number, N);
            self.out.extend_from_slice(bytes);
        }
    }

    /// A field with an event that has a name alone, and a time where that is not 0.
    pub(crate) fn event(&mut self, number: u32, time: u64, name: &[u8]) {
        const TIME_LEN: usize = 1 + 8;

        let time_len = if time > 0 { TIME_LEN } else { 0 };
        let length = time_len + delimited_len(event::NAME, name.len());
        if !self.grow(length.saturating_add(HEAD_BYTES_MAX)) {
            return;
        }
        put_delimited_head(self.out, number, length);
        if time > 0 {
            put_fixed64(self.out, event::TIME_UNIX_NANO, time);
        }
        put_bytes(self.out, event::NAME, name);
    }

    /// A field of text, left out when it is empty.
    pub(crate) fn text(&mut self, number: u32, text: &[u8]) {
        if !text.is_empty() {
            self.bytes(number, text);
        }
    }

    /// A field with a number of variable length.
    #[inline]
    pub(crate) fn uint(&mut self, number: u32, value: u64) {
        if self.grow(HEAD_BYTES_MAX) {
            put_uint(self.out, number, value);
        }
    }

    /// A field with a number of eight bytes, also a double's bits.
    #[inline]
    pub(crate) fn fixed64(&mut self, number: u32, value: u64) {
        if self.grow(HEAD_BYTES_MAX) {
            put_fixed64(self.out, number, value);
        }
    }

    /// A field with a number of four bytes.
    pub(crate) fn fixed32(&mut self, number: u32, value: u32) {
        if self.grow(HEAD_BYTES_MAX) {
            put_fixed32(self.out, number, value);
        }
    }

    /// A field with an attribute.
    pub(crate) fn attribute(&mut self, number: u32, key: &str, value: &Scalar<'_>) {
        self.scalar_attribute(number, key.as_bytes(), value);
    }

    /// As [`attribute`](Self::attribute), with a key that is UTF-8.
    pub(crate) fn scalar_attribute(&mut self, number: u32, key: &[u8], value: &Scalar<'_>) {
        if !self.begin_attribute(number, key, value.value_len()) {
            return;
        }
        let out = &mut *self.out;
        match value {
            Scalar::Text(text) => put_bytes(out, any_value::STRING_VALUE, text.as_bytes()),
            Scalar::Bool(value) => put_uint(out, any_value::BOOL_VALUE, u64::from(*value)),
            Scalar::Int(value) => put_uint(out, any_value::INT_VALUE, value.cast_unsigned()),
            Scalar::Double(value) => put_fixed64(out, any_value::DOUBLE_VALUE, value.to_bits()),
            Scalar::Bytes(bytes) => put_bytes(out, any_value::BYTES_VALUE, bytes),
        }
    }

    /// A field with an attribute of text, which is UTF-8 as the key is.
    #[inline]
    pub(crate) fn text_attribute(&mut self, number: u32, key: &[u8], text: &[u8]) {
        const KEY: u8 = Tag::new(key_value::KEY, LEN).byte();
        const VALUE: u8 = Tag::new(key_value::VALUE, LEN).byte();
        const TEXT: u8 = Tag::new(any_value::STRING_VALUE, LEN).byte();
        /// Tag and length of the key, the value and its text.
        const HEADS: usize = 6;

        let length = key.len().saturating_add(text.len()).saturating_add(HEADS);
        // Nearly always all tags and lengths have one byte each.
        match (short_tag(number, LEN), u8::try_from(length)) {
            (Some(tag), Ok(length @ ..0x80)) => {
                if !self.grow(usize::from(length) + HEAD_BYTES_MAX) {
                    return;
                }
                let byte = |length: usize| length.to_le_bytes()[0];
                let (key_len, text_len) = (byte(key.len()), byte(text.len()));
                self.out.extend_from_slice(&[tag, length, KEY, key_len]);
                self.out.extend_from_slice(key);
                self.out.extend_from_slice(&[VALUE, text_len + 2, TEXT, text_len]);
                self.out.extend_from_slice(text);
            }
            _ => {
                let value_len = delimited_len(any_value::STRING_VALUE, text.len());
                if self.begin_attribute(number, key, value_len) {
                    put_bytes(self.out, any_value::STRING_VALUE, text);
                }
            }
        }
    }

    /// Writes an attribute up to its value, of which all bytes are to follow; or, where there is no
    /// room for all of it, nothing.
    fn begin_attribute(&mut self, number: u32, key: &[u8], value_len: usize) -> bool {
        // Both lengths are known before anything is written: no byte is moved for them.
        let length =
            delimited_len(key_value::KEY, key.len()) + delimited_len(key_value::VALUE, value_len);
        if !self.grow(length.saturating_add(HEAD_BYTES_MAX)) {
            return false;
        }
        let out = &mut *self.out;
        out.reserve(length + HEAD_BYTES_MAX);
        put_delimited_head(out, number, length);
        put_bytes(out, key_value::KEY, key);
        put_delimited_head(out, key_value::VALUE, value_len);
        true
    }

    /// Begins a field with a message: what is written up to its end.
    pub(crate) fn begin_message(&mut self, number: u32) -> OpenMessage {
        if self.grow(HEAD_BYTES_MAX) {
            begin_message(self.out, number)
        } else {
            OpenMessage::nowhere()
        }
    }

    /// As [`begin_message`](Self::begin_message), for a message that is long as a rule.
    pub(super) fn begin_long_message(&mut self, number: u32) -> OpenMessage {
        if self.grow(HEAD_BYTES_MAX) {
            begin_long_message(self.out, number)
        } else {
            OpenMessage::nowhere()
        }
    }

    /// Ends the message.
    pub(crate) fn end_message(&mut self, message: OpenMessage) {
        if self.memory.refused.is_none() {
            end_message(self.out, message);
        }
    }

    /// Ends the message, or takes it away when nothing was written into it.
    pub(super) fn end_message_or_drop(&mut self, message: OpenMessage) {
        if self.memory.refused.is_none() {
            end_message_or_drop(self.out, message);
        }
    }

    /// Where it is: what is written from here on can be taken back.
    pub(crate) fn position(&self) -> usize {
        self.out.len()
    }

    /// Takes back what was written since it was at `position`, messages that were begun included.
    pub(crate) fn rewind(&mut self, position: usize) {
        self.out.truncate(position);
    }

    /// Whether there is room for `more` bytes.
    #[inline]
    fn grow(&mut self, more: usize) -> bool {
        self.out.len().saturating_add(more) <= self.limit || self.ask(more)
    }

    #[cold]
    fn ask(&mut self, more: usize) -> bool {
        let message = (self.out.len() - self.start).saturating_add(more);
        let there = self.memory.reserve(message).is_ok();
        self.limit = if there { self.start.saturating_add(self.memory.spare()) } else { 0 };
        there
    }
}
