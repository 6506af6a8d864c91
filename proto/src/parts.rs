//! How many tags, logs and other parts a span may have.
//!
//! Each takes some hundred bytes while its span is read, and may take one in a request. So that what
//! a translator holds stays a small multiple of what came, there may be no more of them than bytes
//! for them came.

use crate::reject::SpanReject;

/// The most parts that a span may have.
const MOST: usize = 1 << 16;

/// So many it may have however few bytes they took.
const FREE: usize = 1 << 12;

/// What each part beyond has to have taken, on average. None with a name and a value takes less.
const PART_BYTES: usize = 8;

/// Checks that there is room for one more beside `parts` others of `field`. It ends at byte `at` of
/// what came.
pub(crate) fn room(parts: usize, field: &'static str, at: usize) -> Result<(), SpanReject> {
    let most = MOST.min(FREE + at / PART_BYTES);
    if parts < most { Ok(()) } else { Err(SpanReject::TooMany { field, most, at }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_as_many_as_bytes_came_for() {
        for (at, most) in [(0, 1 << 12), (800, (1 << 12) + 100), (1 << 30, 1 << 16)] {
            assert_eq!(room(most - 1, "tags", at), Ok(()));
            let refused = SpanReject::TooMany { field: "tags", most, at };
            assert_eq!(room(most, "tags", at), Err(refused));
        }
    }
}
