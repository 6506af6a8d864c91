//! Ids as Zipkin writes them: with fewer digits than they have bytes for.

use crate::id::hex_digit;

/// The bytes that hexadecimal digits of either case write, with zeros before them. `None` for
/// more digits than the id has, or other characters.
pub(super) fn padded_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() > 2 * N {
        return None;
    }
    let mut bytes = [0_u8; N];
    for (place, pair) in bytes.iter_mut().rev().zip(text.rchunks(2)) {
        for digit in pair {
            *place = *place << 4 | hex_digit(*digit)?;
        }
    }
    Some(bytes)
}
