//! The rejection threshold.

use std::fmt;

use crate::{hex, id::RANDOMNESS_BITS};

/// The hexadecimal digits of a threshold or a randomness.
pub(crate) const DIGITS: u32 = RANDOMNESS_BITS / 4;

/// A rejection threshold: spans are kept whose 56 bits of randomness are not below it. 0 keeps
/// all, 2^56 keeps none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Threshold(u64);

impl Threshold {
    /// Keeps all.
    pub const ALWAYS: Self = Self(0);
    /// Keeps none.
    pub const NEVER: Self = Self(1 << RANDOMNESS_BITS);

    /// The hexadecimal digits behind leading `f`s to which thresholds are rounded where nobody wants
    /// more: enough for a share that is right within a thousandth of itself.
    pub const PRECISION: u32 = 4;

    /// The threshold `value`; `None` above 2^56.
    #[must_use]
    pub const fn new(value: u64) -> Option<Self> {
        if value <= Self::NEVER.0 { Some(Self(value)) } else { None }
    }

    /// The threshold that keeps a share of `probability`, rounded to [`PRECISION`](Self::PRECISION) as
    /// [`with_precision`](Self::with_precision) does, so that it takes few characters in a
    /// tracestate: 10 % is `e666`, 1 % is `fd70a`.
    #[must_use]
    pub fn of_probability(probability: f64) -> Self {
        Self::with_precision(probability, Self::PRECISION)
    }

    /// The threshold that keeps a share of `probability`, within 0 to 1 (what is outside counts
    /// as the nearer end, not-a-number as 0). Rounded to `precision` hexadecimal digits, 1 to 14,
    /// after leading `f`s.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the product is within 0 to 2^56, which both types hold"
    )]
    pub fn with_precision(probability: f64, precision: u32) -> Self {
        let kept = (probability.clamp(0.0, 1.0) * Self::NEVER.0 as f64).round() as u64;
        let exact = Self::NEVER.0 - kept.min(Self::NEVER.0);
        if kept == 0 {
            return Self::NEVER;
        }
        // Leading ones within the 56 bits, in whole digits.
        let leading = (exact << (64 - RANDOMNESS_BITS)).leading_ones() / 4;
        let unit = 1_u64 << (4 * DIGITS.saturating_sub(leading + precision));
        let rounded = (exact + unit / 2) / unit * unit;
        if rounded < Self::NEVER.0 { Self(rounded) } else { Self(exact) }
    }

    /// The number, 0 to 2^56.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether a span with this randomness is kept.
    #[must_use]
    pub const fn keeps(self, randomness: u64) -> bool {
        randomness >= self.0
    }

    /// The probability of being kept, 0 to 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a probability is an estimate")]
    pub fn probability(self) -> f64 {
        (Self::NEVER.0 - self.0) as f64 / Self::NEVER.0 as f64
    }

    /// The threshold written as `text`: 1 to 14 lower-case hexadecimal digits, zeros left out at
    /// the end.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let missing = DIGITS.checked_sub(u32::try_from(text.len()).ok()?)?;
        digits(text).map(|number| Self(number << (4 * missing)))
    }
}

impl fmt::Display for Threshold {
    /// As in `th`: hexadecimal digits without zeros at the end. [`Threshold::NEVER`], which is on
    /// no kept span, has one digit more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0");
        }
        let zeros = (self.0.trailing_zeros() / 4).min(DIGITS);
        let width = DIGITS.saturating_sub(zeros) as usize;
        write!(f, "{:0width$x}", self.0 >> (4 * zeros))
    }
}

/// The number that `text` is: lower-case hexadecimal digits, at least one, at most 16.
pub(crate) fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    text.iter().try_fold(0, |number, digit| {
        let value = hex::digit(*digit).filter(|_| !digit.is_ascii_uppercase())?;
        Some(number << 4 | u64::from(value))
    })
}
