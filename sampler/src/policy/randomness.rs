//! The explicit randomness that a span may carry in its tracestate.

/// Digits of an explicit randomness.
const DIGITS: usize = 14;

/// The `rv` of the `ot` entry of a tracestate: exactly 14 lower-case hexadecimal digits.
pub(super) fn explicit(tracestate: &[u8]) -> Option<u64> {
    let entry = tracestate.split(|byte| *byte == b',').find_map(|entry| {
        entry.trim_ascii().strip_prefix(b"ot=")
    })?;
    let digits = entry.split(|byte| *byte == b';').find_map(|key| key.strip_prefix(b"rv:"))?;
    if digits.len() != DIGITS {
        return None;
    }
    digits.iter().try_fold(0, |value, digit| match digit {
        b'0'..=b'9' => Some(value << 4 | u64::from(digit - b'0')),
        b'a'..=b'f' => Some(value << 4 | u64::from(digit - b'a' + 10)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_value_of_our_entry_counts() {
        let cases: &[(&str, Option<u64>)] = &[
            ("", None),
            ("ot=", None),
            ("ot=rv:0123456789abcd", Some(0x01_2345_6789_abcd)),
            ("ot=th:c;rv:ffffffffffffff;x:y", Some(0xff_ffff_ffff_ffff)),
            ("vendor=1, ot=th:8;rv:00000000000000", Some(0)),
            ("rojo=00f067aa0ba902b7", None),
            ("ot=rv:0123456789abc", None),
            ("ot=rv:0123456789abcde", None),
            ("ot=rv:0123456789ABCD", None),
            ("ot=xrv:0123456789abcd", None),
            ("xot=rv:0123456789abcd", None),
        ];
        for (tracestate, randomness) in cases {
            assert_eq!(explicit(tracestate.as_bytes()), *randomness, "{tracestate}");
        }
    }
}
