//! From the share of traces to keep to the threshold that keeps it.

use crate::policy::verdict::{RANDOMNESS_RANGE, Threshold};

/// Hexadecimal digits of a threshold at full precision.
const DIGITS: u32 = 14;
/// Digits that a threshold is rounded to, not counting leading `0`s or `f`s: the error of the
/// share stays below 1 in 30,000 of it, and what is written to every kept span stays short.
const PRECISION: u32 = 4;
const BITS_PER_DIGIT: u32 = 4;

/// The threshold that keeps `ratio` of all traces. From 1 on all are kept; below 2^-56, which no
/// threshold can say, none.
pub(super) fn threshold(ratio: f64) -> Threshold {
    if ratio >= 1.0 {
        return Threshold::ALWAYS;
    }
    if ratio.is_nan() || ratio < 1.0 / RANDOMNESS_RANGE as f64 {
        return Threshold::NEVER;
    }
    let exact = RANDOMNESS_RANGE - (ratio * RANDOMNESS_RANGE as f64).round() as u64;
    let leading = leading_zero_bits(ratio).max(leading_zero_bits(1.0 - ratio)) / BITS_PER_DIGIT;
    let digits = (PRECISION + leading).min(DIGITS);
    let cut = BITS_PER_DIGIT * (DIGITS - digits);
    let half = (1_u64 << cut) / 2;
    Threshold::new((exact + half) >> cut << cut)
}

/// How many binary digits behind the point are 0 in `fraction` (between 0 and 1, exclusive).
fn leading_zero_bits(fraction: f64) -> u32 {
    const BIAS: u64 = 1023;
    let exponent = (fraction.to_bits() >> (f64::MANTISSA_DIGITS - 1)) & 0x7ff;
    (BIAS - 1).saturating_sub(exponent) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_the_thresholds_that_are_written_to_spans() {
        let cases: &[(f64, u64)] = &[
            (100.0, 0),
            (250.0, 0),
            (75.0, 0x40_0000_0000_0000),
            (50.0, 0x80_0000_0000_0000),
            (25.0, 0xc0_0000_0000_0000),
            (10.0, 0xe6_6600_0000_0000),
            (5.0, 0xf3_3330_0000_0000),
            (1.0, 0xfd_70a0_0000_0000),
            (0.1, 0xff_be77_0000_0000),
            (0.0, RANDOMNESS_RANGE),
            (-3.0, RANDOMNESS_RANGE),
            (f64::NAN, RANDOMNESS_RANGE),
            (100.0 / RANDOMNESS_RANGE as f64, RANDOMNESS_RANGE - 1),
            (49.0 / RANDOMNESS_RANGE as f64, RANDOMNESS_RANGE),
        ];
        for (percentage, value) in cases {
            let got = threshold(percentage / 100.0).value();
            assert_eq!(got, *value, "{percentage} %: {got:014x}");
        }
    }

    #[test]
    fn rounding_hardly_changes_the_share() {
        for step in 1..10_000_u32 {
            let ratio = f64::from(step) / 10_000.0;
            let kept = (RANDOMNESS_RANGE - threshold(ratio).value()) as f64;
            let share = kept / RANDOMNESS_RANGE as f64;
            assert!((share / ratio - 1.0).abs() < 1.0 / 4096.0, "{ratio}: {share}");
        }
    }

    /// An id that ends in `80000000000000` is kept at 50 % and not at 49 %.
    #[test]
    fn the_threshold_itself_is_kept() {
        let randomness = 0x80_0000_0000_0000;
        assert!(threshold(0.50).keeps(randomness));
        assert!(!threshold(0.49).keeps(randomness));
    }
}
