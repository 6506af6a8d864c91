//! What is left of a piece that a backend does not take whole.

use bytes::Bytes;
use wholetrace_proto::divide::divide;

/// Single spans refused one after the other, after which what is left of a piece is not divided
/// any more: most backends that refuse so many refuse all, and must not get a request for each.
const REFUSED_IN_A_ROW: u32 = 64;

/// What a backend does not take of a piece.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    /// Messages of spans: one after the other, one message.
    pub(crate) bytes: Vec<Bytes>,
    pub(crate) spans: u32,
    /// What the backend said last.
    pub(crate) message: String,
    /// Single spans that were refused since something was taken.
    pub(crate) in_a_row: u32,
}

impl Remains {
    /// Adds the halves of a part to `parts`, or the part to the remains: a single span, or one
    /// behind so many refused spans that the backend seems to refuse everything.
    /// Tells whether it was halved.
    pub(crate) fn halve_or_keep(
        &mut self,
        bytes: Bytes,
        spans: u32,
        parts: &mut Vec<(Bytes, u32)>,
    ) -> bool {
        let half = spans / 2;
        if half > 0
            && self.in_a_row < REFUSED_IN_A_ROW
            && let Ok((first, second)) = divide(&bytes, half as usize)
        {
            parts.push((second.into(), spans - half));
            parts.push((first.into(), half));
            return true;
        }
        self.in_a_row += u32::from(spans <= 1);
        self.keep(bytes, spans);
        false
    }

    /// Adds a part to the remains.
    pub(crate) fn keep(&mut self, bytes: Bytes, spans: u32) {
        self.bytes.push(bytes);
        self.spans += spans;
    }
}
