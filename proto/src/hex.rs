//! Hexadecimal digits: ids in text, escapes of JSON, thresholds.

use std::fmt;

/// The value of a hexadecimal digit of either case.
#[inline]
#[must_use]
pub const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// The bytes that exactly two digits each of either case write. `None` for another number of
/// digits, or other characters.
#[inline]
#[must_use]
pub fn exact<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    let (eights, rest) = text.as_chunks::<8>();
    let (fours, last) = bytes.as_chunks_mut::<4>();
    for (four, eight) in fours.iter_mut().zip(eights) {
        *four = four_bytes(*eight)?;
    }
    for (byte, pair) in last.iter_mut().zip(rest.as_chunks::<2>().0) {
        let [high, low] = *pair;
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}

/// The bytes that eight digits write: looked at together, they take a quarter of the time.
#[inline]
fn four_bytes(digits: [u8; 8]) -> Option<[u8; 4]> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = ONES << 7;
    let word = u64::from_le_bytes(digits);
    // With this bit small letters and capitals are one, and no other byte is a letter for it. Bytes
    // are below 0x80 here, so that no sum of theirs carries into the next.
    let plain = word & !HIGHEST;
    let small = plain | (ONES * 0x20);
    // The highest bit of each byte tells whether it is at least as large.
    let at_least = |bytes: u64, least: u8| bytes + ONES * (0x80 - u64::from(least));
    let decimal = at_least(plain, b'0') & !at_least(plain, b'9' + 1) & HIGHEST;
    let letter = at_least(small, b'a') & !at_least(small, b'f' + 1) & HIGHEST;
    if (decimal | letter) & !(word & HIGHEST) != HIGHEST {
        return None;
    }
    let values = (word & (ONES * 0xf)) + (letter >> 7) * 9;
    // The higher digit of each pair is in the lower byte.
    let [a, _, b, _, c, _, d, _] = (values << 4 | values >> 8).to_le_bytes();
    Some([a, b, c, d])
}

/// The bytes that up to `2 N` digits of either case write, with zeros before them. `None` for more
/// digits, or other characters.
pub(crate) fn padded<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() >= 2 * N {
        return exact(text);
    }
    let mut bytes = [0_u8; N];
    for (byte, pair) in bytes.iter_mut().rev().zip(text.rchunks(2)) {
        for one in pair {
            *byte = *byte << 4 | digit(*one)?;
        }
    }
    Some(bytes)
}

/// Appends `bytes` as lower-case digits, two for each.
pub(crate) fn append(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.extend([byte >> 4, byte & 0xf].map(lower_case));
    }
}

/// The digit of a value below 16.
const fn lower_case(value: u8) -> u8 {
    match value {
        0..=9 => b'0' + value,
        _ => b'a' + value - 10,
    }
}

/// Displays bytes as lower-case digits, two for each.
#[derive(Clone, Copy, Debug)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_text_is_padded_on_the_left() {
        assert_eq!(padded(b"1A2"), Some([0, 0, 1, 0xa2]));
        assert_eq!(padded(b"f"), Some([0xf]));
        assert_eq!(padded(b""), Some([0, 0]));
        assert_eq!(exact::<4>(b"1A2"), None);
    }

    #[test]
    fn every_byte_is_told_from_a_digit_at_every_place() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut digits = *b"0aF9c4B7";
                digits[place] = byte;
                let pairs = digits.as_chunks::<2>().0.iter();
                let bytes = pairs.map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
                let wanted: Option<Vec<u8>> = bytes.collect();
                assert_eq!(four_bytes(digits).map(Vec::from), wanted, "{digits:?}");
            }
        }
    }

    #[test]
    fn too_many_digits_and_other_characters_are_refused() {
        assert_eq!(padded::<8>(b"00112233445566778"), None);
        assert_eq!(padded::<8>(b"12g4"), None);
        assert_eq!(exact::<2>(b"12g4"), None);
        assert_eq!(exact::<2>(b"12345"), None);
        assert_eq!(exact::<1>(b""), None);
    }

    proptest! {
        #[test]
        fn prop_what_is_written_reads_back(bytes: [u8; 16]) {
            let mut text = Vec::new();
            append(&mut text, &bytes);
            prop_assert_eq!(&text, &Hex(&bytes).to_string().into_bytes());
            for text in [&text, &text.to_ascii_uppercase()] {
                prop_assert_eq!(exact(text), Some(bytes));
                prop_assert_eq!(padded(text), Some(bytes));
            }
        }
    }
}
