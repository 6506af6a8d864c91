//! Nested protobuf messages whose length is known only after their body was written.

use super::{LEN, put_tag, put_varint, varint_len};

/// A message that is being written: where its body starts.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(crate) struct OpenMessage {
    field_start: usize,
    body_start: usize,
}

impl OpenMessage {
    /// One that was not begun: not to be ended.
    pub(crate) const fn nowhere() -> Self {
        Self { field_start: 0, body_start: 0 }
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
pub(crate) fn begin_message(out: &mut Vec<u8>, number: u32) -> OpenMessage {
    let field_start = out.len();
    put_tag(out, number, LEN);
    out.push(0);
    OpenMessage { field_start, body_start: out.len() }
}

/// Ends the message: writes its length.
pub(crate) fn end_message(out: &mut Vec<u8>, open: OpenMessage) {
    let OpenMessage { body_start, .. } = open;
    let length = out.len() - body_start;
    if let (Ok(short @ ..0x80), Some(place)) = (u8::try_from(length), out.get_mut(body_start - 1)) {
        *place = short;
        return;
    }
    let more = varint_len(length as u64) - 1;
    out.resize(out.len() + more, 0);
    out.copy_within(body_start..body_start + length, body_start + more);
    let mut head = Vec::with_capacity(10);
    put_varint(&mut head, length as u64);
    if let Some(place) = out.get_mut(body_start - 1..body_start + more) {
        place.copy_from_slice(&head);
    }
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
            let (mut nested, mut plain) = (vec![1, 2], vec![1, 2]);
            let message = begin_message(&mut nested, 2);
            nested.extend_from_slice(&body);
            end_message(&mut nested, message);
            put_bytes(&mut plain, 2, &body);
            assert!(nested == plain, "a body of {length} bytes");
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
