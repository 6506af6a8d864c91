//! The small words of the notation.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};
use wholetrace_proto::{id::RANDOMNESS_BITS, tracestate::Threshold};
use wholetrace_runtime::problems::did_you_mean;

/// What has a short form, a text, beside its long one.
pub(crate) trait FromText: Sized {
    /// What the short form means, or what is wrong with it.
    fn from_text(text: &str) -> Result<Self, String>;
}

/// Reads a text or a map.
pub(crate) fn text_or_map<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromText + Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct TextOrMap<T>(PhantomData<T>);
    impl<'de, T: FromText + Deserialize<'de>> Visitor<'de> for TextOrMap<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text, or a section with keys")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            T::from_text(text).map_err(E::custom)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_any(TextOrMap(PhantomData))
}

/// Reads a text or a map where there is one.
pub(crate) fn maybe_text_or_map<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: FromText + Deserialize<'de>,
    D: Deserializer<'de>,
{
    text_or_map(deserializer).map(Some)
}

/// One of a few words, as a field of its own.
fn word<T: Copy>(text: &str, words: &[(&str, T)], what: &str) -> Result<T, String> {
    let known = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
    known.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let hint = did_you_mean(text, names.iter().copied()).map_or_else(
            || format!("there is `{}`", names.join("`, `")),
            |meant| format!("did you mean `{meant}`?"),
        );
        format!("`{text}` is no {what}; {hint}")
    })
}

macro_rules! reads_text {
    ($($type:ty),+) => { $(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::from_text(&text).map_err(D::Error::custom)
            }
        }
    )+ };
}

reads_text!(Verdict, Kind, StatusCode, Id, Randomness, ThresholdText);

/// What becomes of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is kept.
    Kept,
    /// A policy discards it, whatever others say.
    Dropped,
    /// No policy keeps it.
    NotSampled,
}

const VERDICTS: [(&str, Verdict); 3] =
    [("kept", Verdict::Kept), ("dropped", Verdict::Dropped), ("not_sampled", Verdict::NotSampled)];

impl FromText for Verdict {
    fn from_text(text: &str) -> Result<Self, String> {
        word(text, &VERDICTS, "verdict")
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = VERDICTS.iter().filter(|(_, verdict)| verdict == self);
        f.write_str(words.next().map_or("", |(word, _)| word))
    }
}

/// The kind of a span, by its number in OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(pub(crate) i32);

impl FromText for Kind {
    fn from_text(text: &str) -> Result<Self, String> {
        let kinds = ["unspecified", "internal", "server", "client", "producer", "consumer"];
        let kinds: Vec<(&str, i32)> = kinds.into_iter().zip(0..).collect();
        word(text, &kinds, "kind of a span").map(Self)
    }
}

/// The status of a span, by its number in OTLP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusCode(pub(crate) i32);

impl FromText for StatusCode {
    fn from_text(text: &str) -> Result<Self, String> {
        word(text, &[("UNSET", 0), ("OK", 1), ("ERROR", 2)], "status").map(Self)
    }
}

/// The id of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(pub(crate) u128);

impl FromText for Id {
    fn from_text(text: &str) -> Result<Self, String> {
        let id = Some(text).filter(|text| [16, 32].contains(&text.len()) && is_hex(text));
        let id = id.and_then(|text| u128::from_str_radix(text, 16).ok()).filter(|id| *id != 0);
        let wanted = "32 hexadecimal digits (or 16), not all of them zeros, are wanted";
        id.map(Self).ok_or_else(|| format!("`{text}` is no trace id: {wanted}"))
    }
}

/// The randomness of a trace: 56 bits that are compared with thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Randomness(pub(crate) u64);

impl FromText for Randomness {
    fn from_text(text: &str) -> Result<Self, String> {
        const DIGITS: usize = RANDOMNESS_BITS as usize / 4;
        let number = match text {
            "least" => Some(0),
            "most" => Some((1 << RANDOMNESS_BITS) - 1),
            _ if text.len() == DIGITS && is_hex(text) => u64::from_str_radix(text, 16).ok(),
            _ => None,
        };
        let wanted = "`least` (kept by no share below 100 %), `most` (kept by every share) or 14 hexadecimal digits";
        number.map(Self).ok_or_else(|| format!("`{text}` is no randomness: {wanted} are wanted"))
    }
}

/// A threshold, as `th` in a tracestate has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThresholdText(pub(crate) u64);

impl FromText for ThresholdText {
    fn from_text(text: &str) -> Result<Self, String> {
        let digits = text.len();
        let number = Some(text).filter(|text| (1..=14).contains(&digits) && is_hex(text));
        let number = number.and_then(|text| u64::from_str_radix(text, 16).ok());
        number.map(|number| Self(number << (4 * (14 - digits)))).ok_or_else(|| {
            format!(
                "`{text}` is no threshold: 1 to 14 hexadecimal digits are wanted, as in `th:e666`"
            )
        })
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// A probability, 0 to 1: written as `10%`, or as `0.1`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probability(pub(crate) f64);

impl Probability {
    /// Whether `found` is what was meant. The number may be rounded: to a thousandth of itself, and
    /// thresholds have four digits.
    pub(crate) fn is(self, found: f64) -> bool {
        (self.0 - found).abs() <= self.0 / 1000.0
    }
}

impl<'de> Deserialize<'de> for Probability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Probability;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a probability: `10%`, or a number from 0 to 1")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Probability, E> {
                let number = match text.strip_suffix('%') {
                    Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
                    None => text.parse(),
                };
                self.visit_f64(number.unwrap_or(f64::NAN))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Probability, E> {
                self.visit_f64(if number == 0 {
                    0.0
                } else if number == 1 {
                    1.0
                } else {
                    f64::NAN
                })
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Probability, E> {
                self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Probability, E> {
                if (0.0..=1.0).contains(&number) {
                    Ok(Probability(number))
                } else {
                    Err(E::custom("must be `0%` to `100%`, or a number from 0 to 1"))
                }
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        percent(f, self.0)
    }
}

/// The probability that a threshold stands for.
pub(crate) fn probability_of(threshold: u64) -> Probability {
    Probability(Threshold::new(threshold).map_or(0.0, Threshold::probability))
}

/// Writes a probability in percent, with four digits that count.
fn percent(f: &mut fmt::Formatter<'_>, probability: f64) -> fmt::Result {
    let percent = probability * 100.0;
    let places = if percent >= 1.0 { 2 } else { 6 };
    let text = format!("{percent:.places$}");
    write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
}
