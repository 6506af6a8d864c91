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

/// The values of all bytes that are digits; of others, what no digit has.
const VALUES: [u8; 256] = {
    let (mut values, mut byte) = ([0xff; 256], 0_u8);
    loop {
        if let Some(value) = digit(byte) {
            values[byte as usize] = value;
        }
        if byte == u8::MAX {
            break values;
        }
        byte += 1;
    }
};

#[inline]
fn value(digit: u8) -> u8 {
    VALUES.get(usize::from(digit)).copied().unwrap_or(0xff)
}

/// The bytes that exactly two digits each of either case write. `None` for another number of
/// digits, or other characters.
pub(crate) fn exact<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let (mut bytes, mut wrong) = ([0; N], 0);
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let (high, low) = (value(*high), value(*low));
        wrong |= high | low;
        *byte = high << 4 | low & 0xf;
    }
    (wrong < 0x10).then_some(bytes)
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
