//! Text that is never printed.

use std::{
    borrow::Cow,
    fmt,
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};

/// What stands in place of a secret wherever it would be printed.
pub const REDACTED: &str = "[redacted]";

/// What is read of a file at most (1 MiB): a secret is no larger.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// A password, token or header value. `Debug`, `Display` and `Serialize` say [`REDACTED`].
///
/// It deserializes from text only: what a number was written as is not known any more (`007`). The error
/// says what was found without its value, and ends with [`Secret::EXPECTED`].
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// What errors about a value that is no text end with.
    pub const EXPECTED: &str = "the text of a secret is wanted";

    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Hides the text of a file, without the line end at its end. Not more than
    /// [`FILE_BYTES_MAX`] are read.
    ///
    /// # Errors
    /// When the file cannot be read, or is not text.
    pub fn from_file(path: &Path) -> io::Result<Self> {
        let mut text = String::new();
        File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
        let end = text.trim_end_matches(['\n', '\r']).len();
        text.truncate(end);
        Ok(Self(text))
    }

    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not a string: its errors would have the value in them.
        deserializer.deserialize_any(Text)
    }
}

struct Text;

fn unfit<E: de::Error>(found: &str) -> E {
    E::custom(format!("{found} does not fit: {}", Secret::EXPECTED))
}

impl<'de> Visitor<'de> for Text {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Secret::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret::new(text))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Secret, E> {
        Ok(Secret::new(text))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Secret, E> {
        Err(unfit("`true` or `false`"))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Secret, E> {
        Err(unfit("a number"))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Secret, E> {
        Err(unfit("a number"))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Secret, E> {
        Err(unfit("a number"))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Secret, E> {
        Err(unfit("no value"))
    }

    fn visit_none<E: de::Error>(self) -> Result<Secret, E> {
        Err(unfit("no value"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Secret, A::Error> {
        Err(unfit("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Secret, A::Error> {
        Err(unfit("a section"))
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

impl JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "secret" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let secret: Secret = serde_json::from_str(r#""hunter2""#).unwrap();
        assert_eq!(secret.reveal(), "hunter2");
        let printed = format!("{secret} {secret:?} {}", serde_json::to_string(&secret).unwrap());
        assert!(!printed.contains("hunter2"), "{printed}");
    }

    #[test]
    fn what_is_no_text_is_refused_without_its_value() {
        for value in ["4711", "-4711", "4.711e3", "true", "null", "[4711]", r#"{"4711": 4711}"#] {
            let said = serde_json::from_str::<Secret>(value).unwrap_err().to_string();
            assert!(said.contains(Secret::EXPECTED), "{said}");
            assert!(!said.contains("4711") && !said.contains("4.7"), "{said}");
        }
    }
}
