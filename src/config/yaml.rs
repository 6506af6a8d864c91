//! A YAML file as a tree of values whose lines are known.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_saphyr::{
    Spanned,
    options::{DuplicateKeyPolicy, NonFiniteFloatPolicy},
};

use super::path::{KeyPath, Step};

/// What a text says.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) value: Value,
    /// In which line each key and item stands, from 1.
    pub(crate) lines: BTreeMap<KeyPath, u64>,
    /// What is written where a number, `true` or `false` stands: `010` is 8, and can be meant as text.
    pub(crate) written: BTreeMap<KeyPath, String>,
}

/// Why a text is no document.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// It is no YAML, as the parser says it: with the line and what stands there.
    Syntax(String),
    /// A key is there twice in one map.
    Twice {
        key: String,
        /// The line of the second one.
        line: u64,
        /// What the text says without it and all others of the kind.
        rest: Box<Document>,
    },
}

/// Reads a document. Empty text is an empty map.
///
/// Plain words and numbers are what they are for a Collector: `yes`, `no`, `on` and `off` are text,
/// and a number that begins with a zero is octal.
pub(crate) fn read(text: &str) -> Result<Document, Unreadable> {
    // A file that says nothing has no sections.
    let sections = |mut document: Document| {
        if document.value.is_null() {
            document.value = Value::Object(Map::new());
        }
        document
    };
    let read = document(text, DuplicateKeyPolicy::Error).map(sections);
    read.map_err(|error| match error.without_snippet() {
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), location } => {
            let rest = document(text, DuplicateKeyPolicy::FirstWins).unwrap_or_default();
            let rest = Box::new(sections(rest));
            Unreadable::Twice { key: key.clone(), line: location.line(), rest }
        }
        _ => Unreadable::Syntax(error.to_string()),
    })
}

fn document(
    text: &str,
    duplicate_keys: DuplicateKeyPolicy,
) -> Result<Document, serde_saphyr::Error> {
    let options = serde_saphyr::options! {
        duplicate_keys: duplicate_keys,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        strict_booleans: true,
        legacy_octal_numbers: true,
    };
    let root: Option<Node> = serde_saphyr::from_str_with_options(text, options)?;
    let mut document = Document::default();
    if let Some(root) = root {
        document.value = root.flatten(&KeyPath::default(), text, &mut document);
    }
    Ok(document)
}

/// Reads one value, as `--set` has it. Text that is no YAML is itself; and so is text of which a file
/// would take a part only, since what begins like a comment or a tag can be a password here.
pub(crate) fn scalar(text: &str) -> Document {
    let mut read = document(text, DuplicateKeyPolicy::Error).unwrap_or_default();
    let is_quoted = text.trim_start().starts_with(['"', '\'']);
    let is_nothing = ["", "~", "null", "Null", "NULL"].contains(&text.trim());
    if (read.value.is_string() && !is_quoted) || (read.value.is_null() && !is_nothing) {
        read.value = Value::String(text.to_owned());
    }
    if !read.value.is_string() {
        read.written.insert(KeyPath::default(), text.to_owned());
    }
    read
}

/// A value, and where it stands.
struct Node {
    line: u64,
    /// Where its text begins and how long that is, in bytes, if the parser knows.
    place: Option<(usize, usize)>,
    kind: Kind,
}

enum Kind {
    Scalar(Value),
    /// A number that is too large, or none: text, since no setting is such a number.
    NotFinite,
    List(Vec<Node>),
    /// Keys with their lines.
    Map(Vec<(String, u64, Node)>),
}

impl Node {
    /// The value; what else is known of it goes into `document`.
    fn flatten(self, path: &KeyPath, text: &str, document: &mut Document) -> Value {
        let written = self.place.and_then(|(from, len)| text.get(from..from + len));
        match self.kind {
            Kind::NotFinite => Value::String(written.unwrap_or_default().trim().to_owned()),
            Kind::Scalar(value) => {
                if let Some(written) = written.filter(|_| value.is_number() || value.is_boolean()) {
                    document.written.insert(path.clone(), written.trim().to_owned());
                }
                value
            }
            Kind::List(items) => {
                let items = items.into_iter().enumerate().map(|(index, item)| {
                    let path = path.child(Step::Item(index));
                    document.lines.insert(path.clone(), item.line);
                    item.flatten(&path, text, document)
                });
                Value::Array(items.collect())
            }
            Kind::Map(entries) => {
                let entries = entries.into_iter().map(|(key, line, value)| {
                    let path = path.key(&key);
                    document.lines.insert(path.clone(), line);
                    let value = value.flatten(&path, text, document);
                    (key, value)
                });
                Value::Object(entries.collect())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        let span = spanned.defined.span();
        let place = span.byte_offset().zip(span.byte_len());
        let place = place.and_then(|(from, len)| from.try_into().ok().zip(len.try_into().ok()));
        Ok(Self { line: spanned.referenced.line(), place, kind: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Kind;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value, a list or a map")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
                Ok(Kind::Scalar(Value::Bool(value)))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
                Ok(Kind::Scalar(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
                Ok(Kind::Scalar(value.into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Kind, E> {
                let number = Number::from_f64(value).map(Value::Number);
                Ok(number.map_or(Kind::NotFinite, Kind::Scalar))
            }

            fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
                Ok(Kind::Scalar(Value::String(value.to_owned())))
            }

            fn visit_unit<E>(self) -> Result<Kind, E> {
                Ok(Kind::Scalar(Value::Null))
            }

            fn visit_none<E>(self) -> Result<Kind, E> {
                Ok(Kind::Scalar(Value::Null))
            }

            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Kind, D::Error> {
                Kind::deserialize(inner)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Kind, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Kind::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    entries.push((key.value, key.referenced.line(), map.next_value()?));
                }
                Ok(Kind::Map(entries))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_and_lines_are_known() {
        let text = "a: 1\nb:\n  c: [x, 2.5]\n  d:\n    - e: ~\n    - true\n# end\nf: '7'\n";
        let document = read(text).unwrap();
        let expected =
            json!({ "a": 1, "b": { "c": ["x", 2.5], "d": [{ "e": null }, true] }, "f": "7" });
        assert_eq!(document.value, expected);
        for (path, line) in
            [("a", 1), ("b", 2), ("b.c", 3), ("b.d[0].e", 5), ("b.d[1]", 6), ("f", 8)]
        {
            assert_eq!(document.lines[&KeyPath::parse(path).unwrap()], line, "{path}");
        }
    }

    #[test]
    fn files_that_say_nothing_are_empty() {
        for text in ["", "# only a comment\n", "---\n", "~"] {
            assert_eq!(read(text).unwrap().value, json!({}), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_yaml_is_said_with_its_line() {
        for text in ["a: 1\nb: [1\n", "a: 1\n  b: 2\n", "a: '1\n"] {
            let Err(Unreadable::Syntax(said)) = read(text) else { panic!("{text}") };
            assert!(said.contains("line") || said.contains("-->"), "{said}");
        }
    }

    #[test]
    fn a_key_that_is_there_twice_is_told_and_the_rest_is_read() {
        for (text, line, rest) in [
            ("a: 1\nb: 2\n\na: 3\nc: 4\n", 4, json!({ "a": 1, "b": 2, "c": 4 })),
            ("a:\n  - { x: 1, x: 2 }\n", 2, json!({ "a": [{ "x": 1 }] })),
        ] {
            let Err(Unreadable::Twice { line: found, rest: document, .. }) = read(text) else {
                panic!("{text}")
            };
            assert_eq!((found, document.value), (line, rest), "{text}");
        }
    }

    /// What gopkg.in/yaml.v3 makes of them where nothing says which type is wanted.
    #[test]
    fn plain_words_are_what_they_are_for_a_collector() {
        for word in ["on", "Off", "y", "N", "yes", "NO", "tRUE", "10s", "1.2.3", "0x", "09x"] {
            if word != "tRUE" {
                assert_eq!(scalar(word).value, json!(word));
            }
        }
        for (text, value) in [
            ("true", json!(true)),
            ("FALSE", json!(false)),
            ("010", json!(8)),
            ("-010", json!(-8)),
            ("0o10", json!(8)),
            ("0x10", json!(16)),
            ("0b10", json!(2)),
            ("0", json!(0)),
            ("~", json!(null)),
            ("'010'", json!("010")),
            ("\"on\"", json!("on")),
        ] {
            assert_eq!(scalar(text).value, value, "{text}");
        }
    }

    #[test]
    fn what_is_written_for_a_number_is_known() {
        let text =
            "# \u{fc}\na: 010   # eight\nb: [1.50, '7', x, &n 0x1F, *n]\nc: TRUE\nd: !!int 5\n";
        let document = read(text).unwrap();
        let written =
            |path| document.written.get(&KeyPath::parse(path).unwrap()).map(String::as_str);
        assert_eq!(written("a"), Some("010"));
        assert_eq!(written("b[0]"), Some("1.50"));
        assert_eq!(written("b[1]"), None, "text is its value");
        assert_eq!(written("b[3]"), Some("0x1F"));
        assert_eq!(written("b[4]"), Some("0x1F"));
        assert_eq!(written("c"), Some("TRUE"));
        assert_eq!(written("d"), Some("5"));
    }

    #[test]
    fn options_are_values_or_text() {
        assert_eq!(scalar("5").value, json!(5));
        assert_eq!(scalar("5").written[&KeyPath::default()], "5");
        assert_eq!(scalar("10s").value, json!("10s"));
        assert_eq!(scalar("[a, b]").value, json!(["a", "b"]));
        assert_eq!(scalar("127.0.0.1:4317").value, json!("127.0.0.1:4317"));
        assert_eq!(scalar("[oops").value, json!("[oops"));
        assert_eq!(scalar("").value, json!(null));
        assert_eq!(scalar("'5'").value, json!("5"));
        for text in ["#1", "pass #1", "!x", "*x", "&x", "5 #x", "-", "@", "%", "'5", "\"x\"y"] {
            let read = scalar(text);
            let whole =
                read.value.as_str().or_else(|| Some(read.written.values().next()?.as_str()));
            assert_eq!(whole, Some(text), "{:?}", read.value);
        }
    }
}
