//! Numbers of JSON read exactly, without a detour over floating point.

/// The number that `text` writes, when it is one and has no fraction: `12`, `-3`, `1.58e+15`.
pub(crate) fn integer(text: &str) -> Option<i128> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(i128::from(number));
    }
    match scaled(text, 0)? {
        (number, true) => Some(number),
        _ => None,
    }
}

/// The number that the digits write which `text` begins with, and how many they are: of more than 18, a
/// number that says nothing.
pub(crate) fn leading_digits(text: &[u8]) -> (u64, usize) {
    let (mut number, mut length) = (0_u64, 0);
    let (chunks, _) = text.as_chunks::<8>();
    for chunk in chunks {
        let Some(eight) = eight_digits(*chunk) else { break };
        number = number.wrapping_mul(100_000_000).wrapping_add(eight);
        length += 8;
    }
    let rest = text.get(length..).unwrap_or_default();
    for byte in rest.iter().take_while(|byte| byte.is_ascii_digit()) {
        number = number.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
        length += 1;
    }
    (number, length)
}

/// The number that eight digits write.
fn eight_digits(digits: [u8; 8]) -> Option<u64> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let values = u64::from_le_bytes(digits) ^ (ONES * b'0' as u64);
    // Of a value above 9 the sum has a bit set of the upper half, as such a value may have.
    if (values | values.wrapping_add(ONES * 6)) & (ONES * 0xf0) != 0 {
        return None;
    }
    // By twos, fours and eights: the higher digit is in the lower byte.
    let twos = (values * 10 + (values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (twos * 100 + (twos >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours * 10_000 + (fours >> 32)) & 0xffff_ffff)
}

/// The floating-point number that `text` writes: one that is not too large to be held, or, in words,
/// an infinity or not-a-number.
pub(crate) fn float(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    // Too many digits make an infinity as well.
    let named = || !text.bytes().any(|byte| byte.is_ascii_digit());
    (number.is_finite() || named()).then_some(number)
}

/// `10^scale` times the number that `text` writes, cut off to an integer, and whether nothing
/// had to be cut off. `None` when `text` is no decimal number or too large for the answer.
pub(crate) fn scaled(text: &str, scale: i32) -> Option<(i128, bool)> {
    let (negative, text) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let exponent_at = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = match exponent_at {
        Some(at) => (text.get(..at)?, exponent(text.get(at + 1..)?)?),
        None => (text, 0),
    };
    let (digits, fraction_digits, mut exact) = digits(mantissa)?;
    let mut number = digits;
    let shift = exponent.checked_add(scale)?.checked_sub(fraction_digits)?;
    if number == 0 {
        return Some((0, exact));
    }
    if shift >= 0 {
        number = 10_u128.checked_pow(u32::try_from(shift).ok()?)?.checked_mul(number)?;
    } else {
        // More than 38 digits go away: nothing is left of any number.
        let divisor = 10_u128.checked_pow(shift.unsigned_abs()).unwrap_or(u128::MAX);
        exact &= number.is_multiple_of(divisor);
        number /= divisor;
    }
    let number = i128::try_from(number).ok()?;
    Some((if negative { -number } else { number }, exact))
}

fn exponent(text: &[u8]) -> Option<i32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// All digits of `mantissa` as one number, how many of them stand behind the point, and whether
/// that is all of them: digits of a fraction that no number of ours could hold are left out.
fn digits(mantissa: &[u8]) -> Option<(u128, i32, bool)> {
    let (mut number, mut fraction_digits, mut exact) = (0_u128, 0, true);
    let (mut seen_digit, mut seen_point, mut full) = (false, false, false);
    for byte in mantissa {
        match byte {
            b'0'..=b'9' => {
                let digit = u128::from(byte - b'0');
                seen_digit = true;
                match number.checked_mul(10).and_then(|number| number.checked_add(digit)) {
                    Some(longer) if !full => {
                        number = longer;
                        fraction_digits += i32::from(seen_point);
                    }
                    _ if seen_point => (full, exact) = (true, exact && digit == 0),
                    _ => return None,
                }
            }
            b'.' if !seen_point => seen_point = true,
            _ => return None,
        }
    }
    seen_digit.then_some((number, fraction_digits, exact))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_in_every_notation_without_loss() {
        let rows = [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("12", Some(12)),
            ("-3", Some(-3)),
            ("+3", Some(3)),
            ("1.58e+15", Some(1_580_000_000_000_000)),
            ("1.58E15", Some(1_580_000_000_000_000)),
            ("1580000000000000.0", Some(1_580_000_000_000_000)),
            ("120e-1", Some(12)),
            ("18446744073709551615", Some(i128::from(u64::MAX))),
            ("1580000000000000.00000000000000000000000000000000", Some(1_580_000_000_000_000)),
            ("9007199254740993", Some(9_007_199_254_740_993)),
            ("1.5", None),
            ("1e-1", None),
            ("", None),
            (".", None),
            ("-", None),
            ("1e", None),
            ("1e+-5", None),
            ("abc", None),
            ("0x10", None),
            ("1 ", None),
            ("1e999999999999", None),
            ("1e2147483647", None),
            ("1e-2147483648", None),
            ("0e2147483647", Some(0)),
            ("99999999999999999999999999999999999999999999", None),
        ];
        for (text, wanted) in rows {
            assert_eq!(integer(text), wanted, "{text}");
        }
    }

    #[test]
    fn digits_are_read_up_to_what_is_none() {
        let rows = [
            ("", (0, 0)),
            ("x", (0, 0)),
            ("7,", (7, 1)),
            ("12345678", (12_345_678, 8)),
            ("1234567:", (1_234_567, 7)),
            ("1700000000000000}", (1_700_000_000_000_000, 16)),
            ("999999999999999999 ", (999_999_999_999_999_999, 18)),
            ("0001.5", (1, 4)),
        ];
        for (text, wanted) in rows {
            assert_eq!(leading_digits(text.as_bytes()), wanted, "{text}");
        }
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut digits = *b"98765432";
                digits[place] = byte;
                let text = std::str::from_utf8(&digits).ok();
                let wanted = text.filter(|_| byte != b'+').and_then(|text| text.parse().ok());
                assert_eq!(eight_digits(digits), wanted, "{digits:?}");
            }
        }
    }

    #[test]
    fn a_number_that_is_too_large_is_no_infinity() {
        let long = "9".repeat(400) + ".5";
        for text in ["1e999", "-1e999", "1e309", "1.8e308", long.as_str(), "x", ""] {
            assert_eq!(float(text), None, "{text}");
        }
        for text in ["Infinity", "-Infinity", "inf", "+Inf"] {
            assert!(float(text).is_some_and(f64::is_infinite), "{text}");
        }
        assert_eq!(float("1.7976931348623157e308"), Some(f64::MAX));
        assert_eq!(float("1e-999"), Some(0.0));
        assert!(float("NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn a_scaled_number_says_what_was_cut_off() {
        assert_eq!(scaled("1.5", 3), Some((1500, true)));
        assert_eq!(scaled("1.2345", 3), Some((1234, false)));
        assert_eq!(scaled("-0.0001", 3), Some((0, false)));
        assert_eq!(scaled("1e-40", 3), Some((0, false)));
        assert_eq!(scaled(&format!("1.{}", "0".repeat(100)), 0), Some((1, true)));
        assert_eq!(scaled(&format!("1.{}1", "0".repeat(100)), 0), Some((1, false)));
    }
}
