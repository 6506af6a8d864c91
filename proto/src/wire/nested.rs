//! Nested protobuf messages whose length is known only after their body was written.

use super::{LEN, put_tag, varint_len};

/// A message that is being written: where its body starts.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(crate) struct OpenMessage {
    field_start: usize,
    body_start: usize,
    /// The bytes before the body that are kept for its length.
    length_bytes: usize,
}

impl OpenMessage {
    /// One that was not begun: not to be ended.
    pub(crate) const fn nowhere() -> Self {
        Self { field_start: 0, body_start: 0, length_bytes: 0 }
    }

    /// Where the body of the message starts.
    pub(crate) const fn body_start(self) -> usize {
        self.body_start
    }
}

/// Starts field `number`, a message; its body is what is appended until [`end_message`].
///
/// One byte is kept for the length, since most messages are attributes of less than 128 bytes;
/// the others are moved by the few bytes that they need more.
#[inline]
pub(crate) fn begin_message(out: &mut Vec<u8>, number: u32) -> OpenMessage {
    begin(out, number, &[0])
}

/// As [`begin_message`], for a message that has 128 bytes or more as a rule: two are kept.
#[inline]
pub(crate) fn begin_long_message(out: &mut Vec<u8>, number: u32) -> OpenMessage {
    begin(out, number, &[0; 2])
}

#[inline]
fn begin(out: &mut Vec<u8>, number: u32, length: &[u8]) -> OpenMessage {
    let field_start = out.len();
    put_tag(out, number, LEN);
    out.extend_from_slice(length);
    OpenMessage { field_start, body_start: out.len(), length_bytes: length.len() }
}

/// Ends the message: writes its length.
#[inline]
pub(crate) fn end_message(out: &mut Vec<u8>, open: OpenMessage) {
    let OpenMessage { body_start, length_bytes, .. } = open;
    let length = out.len() - body_start;
    let needed = varint_len(length as u64);
    if needed != length_bytes {
        move_body(out, body_start, body_start - length_bytes + needed);
    }
    let place = out.get_mut(body_start - length_bytes..).unwrap_or_default();
    let (mut left, last) = (length as u64, needed - 1);
    for (byte, at) in place.iter_mut().take(needed).zip(0..) {
        let more = if at < last { 0x80 } else { 0 };
        *byte = left.to_le_bytes()[0] & 0x7f | more;
        left >>= 7;
    }
}

/// Moves all bytes at `from` and behind to `to`.
#[cold]
fn move_body(out: &mut Vec<u8>, from: usize, to: usize) {
    let end = out.len();
    out.resize(end.max(end + to - from), 0);
    out.copy_within(from..end, to);
    out.truncate(end + to - from);
}

/// Ends the message, or takes it away when nothing was written into it.
pub(crate) fn end_message_or_drop(out: &mut Vec<u8>, open: OpenMessage) {
    if out.len() == open.body_start {
        out.truncate(open.field_start);
    } else {
        end_message(out, open);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::put_bytes;

    #[test]
    fn lengths_of_every_size_are_minimal() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 3_000_000] {
            let body = vec![7; length];
            for begin in [begin_message, begin_long_message] {
                let (mut nested, mut plain) = (vec![1, 2], vec![1, 2]);
                let message = begin(&mut nested, 2);
                nested.extend_from_slice(&body);
                end_message(&mut nested, message);
                put_bytes(&mut plain, 2, &body);
                assert!(nested == plain, "a body of {length} bytes");
            }
        }
    }

    #[test]
    fn a_message_without_content_can_be_dropped() {
        let mut out = vec![9];
        let message = begin_message(&mut out, 1);
        end_message_or_drop(&mut out, message);
        assert_eq!(out, [9]);
    }
}
