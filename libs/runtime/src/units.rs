//! Sizes and durations as people write them.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

/// What is wrong with a size or a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnitError(String);

/// A number of bytes: `512MiB`, `10GiB`, `1.5MB`, or a plain number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

const BYTE_UNITS: [(&str, u64); 13] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("K", 1 << 10),
    ("M", 1 << 20),
    ("G", 1 << 30),
    ("T", 1 << 40),
];

impl ByteSize {
    /// `n` bytes.
    #[must_use]
    pub const fn bytes(n: u64) -> Self {
        Self(n)
    }

    /// `n` × 1024 bytes.
    #[must_use]
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// `n` × 1024² bytes.
    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// `n` × 1024³ bytes.
    #[must_use]
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number of bytes, or the largest `usize` if it is larger.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, unit) in [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        {
            if self.0 >= unit && self.0.is_multiple_of(unit) {
                return write!(f, "{}{name}", self.0 / unit);
            }
        }
        write!(f, "{}B", self.0)
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let (number, unit) = (number.trim(), unit.trim());
        let scale = if unit.is_empty() {
            1
        } else {
            let known = BYTE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
            known.ok_or_else(|| not_a_size(text))?.1
        };
        if let Ok(whole) = number.parse::<u64>() {
            let bytes = whole.checked_mul(scale).ok_or_else(|| not_a_size(text))?;
            return Ok(Self(bytes));
        }
        let value = number.parse::<f64>().map_err(|_| not_a_size(text))? * scale as f64;
        if !(0.0..=9e15).contains(&value) || (scale == 1 && value.fract() != 0.0) {
            return Err(not_a_size(text));
        }
        Ok(Self(value as u64))
    }
}

fn not_a_size(text: &str) -> UnitError {
    UnitError(format!("`{text}` is not a size: write a number with a unit, such as `512MiB`"))
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = ByteSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as `512MiB`, or a number of bytes")
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(value))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<ByteSize, E> {
                let text = value.to_string();
                u64::try_from(value).map(ByteSize).map_err(|_| E::custom(not_a_size(&text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<ByteSize, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for ByteSize {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "format": "size" })
    }
}

/// A length of time, as Go writes it: `10s`, `500ms`, `1m30s`, `1.5h`; `d` is 24 hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration(Duration);

/// Nanoseconds of each unit, largest first.
const TIME_UNITS: [(&str, u64); 8] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];

impl HumanDuration {
    /// `n` seconds.
    #[must_use]
    pub const fn from_secs(n: u64) -> Self {
        Self(Duration::from_secs(n))
    }

    /// `n` milliseconds.
    #[must_use]
    pub const fn from_millis(n: u64) -> Self {
        Self(Duration::from_millis(n))
    }

    /// The duration.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }

    /// Whether it is no time at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Whole milliseconds, or the largest number if there are more.
    #[must_use]
    pub fn as_millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl From<HumanDuration> for Duration {
    fn from(value: HumanDuration) -> Self {
        value.0
    }
}

impl From<Duration> for HumanDuration {
    fn from(value: Duration) -> Self {
        Self(value)
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_nanos();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (name, unit) in TIME_UNITS {
            let unit = u128::from(unit);
            // Days are read but not written, so that a Collector can read what is printed.
            if name != "d" && name != "µs" && rest >= unit {
                write!(f, "{}{name}", rest / unit)?;
                rest %= unit;
            }
        }
        Ok(())
    }
}

impl FromStr for HumanDuration {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        if text == "0" {
            return Ok(Self::default());
        }
        let mut rest = text;
        let mut total = 0u64;
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let (number, after) = rest.split_at(end);
            let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            let unit = TIME_UNITS.iter().find(|(known, _)| *known == name);
            let unit = unit.ok_or_else(|| not_a_duration(text))?.1;
            let part = nanos(number, unit).ok_or_else(|| not_a_duration(text))?;
            total = total.checked_add(part).ok_or_else(|| not_a_duration(text))?;
            rest = after;
        }
        if text.is_empty() {
            return Err(not_a_duration(text));
        }
        Ok(Self(Duration::from_nanos(total)))
    }
}

/// `number` times `unit`, exact where the number is whole.
fn nanos(number: &str, unit: u64) -> Option<u64> {
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(unit);
    }
    let value = number.parse::<f64>().ok()? * unit as f64;
    (0.0..=9e18).contains(&value).then_some(value.round() as u64)
}

fn not_a_duration(text: &str) -> UnitError {
    UnitError(format!(
        "`{text}` is not a duration: write a number with a unit, such as `10s`, `500ms` or `1m30s`"
    ))
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = HumanDuration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as `10s` or `500ms`")
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<HumanDuration, E> {
                value.to_string().parse().map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<HumanDuration, E> {
                value.to_string().parse().map_err(E::custom)
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<HumanDuration, E> {
                Err(E::custom(not_a_duration(&value.to_string())))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<HumanDuration, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for HumanDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "HumanDuration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "duration" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes, written) in [
            ("0", 0, "0B"),
            ("512MiB", 512 << 20, "512MiB"),
            ("10 gib", 10 << 30, "10GiB"),
            ("1.5KiB", 1536, "1536B"),
            ("2MB", 2_000_000, "2000000B"),
            ("64k", 64 << 10, "64KiB"),
            ("2048", 2048, "2KiB"),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!((size.get(), size.to_string().as_str()), (bytes, written), "{text}");
        }
        for bad in ["", "MiB", "-1", "1.5", "5 parsecs", "1e3", "99999999999TiB", "1..2KiB"] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
        }
        assert_eq!(serde_json::from_str::<ByteSize>("17").unwrap(), ByteSize::bytes(17));
        assert!(serde_json::from_str::<ByteSize>("-17").is_err());
    }

    #[test]
    fn durations_are_read_and_written() {
        for (text, millis, written) in [
            ("0", 0, "0s"),
            ("10s", 10_000, "10s"),
            ("1m30s", 90_000, "1m30s"),
            ("1.5h", 5_400_000, "1h30m"),
            ("250ms", 250, "250ms"),
            ("2d", 172_800_000, "48h"),
        ] {
            let read: HumanDuration = text.parse().unwrap();
            assert_eq!((read.as_millis(), read.to_string().as_str()), (millis, written), "{text}");
        }
        for bad in ["", "10", "s", "-1s", "10 s", "1s2", "5 parsecs", "9999999999h", "1e3s"] {
            assert!(bad.parse::<HumanDuration>().is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<HumanDuration>("10").is_err());
        assert!(serde_json::from_str::<HumanDuration>("0").is_ok());
    }
}
