//! Makes text UTF-8 that is not, so that strict receivers do not refuse a whole request for it.

use std::{borrow::Cow, ops::Range};

use crate::{
    check::{HeadKind, TextVisitor, Walk},
    otlp::SPAN_LEVEL,
    schema::{SPAN, Schema},
    utf8::REPLACEMENT,
};

/// The span with the bytes `body`, with all text valid: each byte that is no part of a character
/// becomes a `?`. Borrowed when nothing had to be changed. A span that
/// [`check_span`](crate::check::check_span) refuses may come back as it was, from the malformed
/// field on.
#[must_use]
pub fn repair_span(body: &[u8]) -> Cow<'_, [u8]> {
    repair(&SPAN, SPAN_LEVEL, body)
}

/// As [`repair_span`], for a head: `bytes` are its fields, joined.
#[must_use]
pub fn repair_head(kind: HeadKind, bytes: &[u8]) -> Cow<'_, [u8]> {
    repair(kind.schema(), kind.level(), bytes)
}

fn repair<'a>(schema: &'static Schema, level: u32, bytes: &'a [u8]) -> Cow<'a, [u8]> {
    let mut walk = Walk { buffer: bytes, text: Repair { given: bytes, repaired: None } };
    // What is malformed is the check's to refuse.
    let _ = walk.message(schema, 0..bytes.len(), level);
    walk.text.repaired.map_or(Cow::Borrowed(bytes), Cow::Owned)
}

struct Repair<'a> {
    given: &'a [u8],
    repaired: Option<Vec<u8>>,
}

impl TextVisitor for Repair<'_> {
    fn text(&mut self, range: Range<usize>) {
        let mut at = range.start;
        for chunk in self.given.get(range).unwrap_or_default().utf8_chunks() {
            at += chunk.valid().len();
            let end = at + chunk.invalid().len();
            if at < end {
                let repaired = self.repaired.get_or_insert_with(|| self.given.to_vec());
                repaired.get_mut(at..end).unwrap_or_default().fill(REPLACEMENT);
            }
            at = end;
        }
    }
}

#[cfg(test)]
mod tests;
