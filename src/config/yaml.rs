//! A YAML file as a tree of values whose lines are known.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use super::path::{KeyPath, Step};

/// What a file says, and in which line each key and item stands (from 1).
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) value: Value,
    pub(crate) lines: BTreeMap<KeyPath, u64>,
}

/// Reads a document. Empty text is an empty map.
///
/// # Errors
/// What is no YAML, as the parser says it: with the line and what stands there.
pub(crate) fn read(text: &str) -> Result<Document, String> {
    let root: Option<Node> = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let mut document = Document { value: Value::Null, lines: BTreeMap::new() };
    document.value = match root {
        Some(root) => root.flatten(&KeyPath::default(), &mut document.lines),
        None => Value::Object(Map::new()),
    };
    if document.value.is_null() {
        document.value = Value::Object(Map::new());
    }
    Ok(document)
}

/// Reads one value, as `--set` has it; text that is no YAML is itself.
pub(crate) fn scalar(text: &str) -> Value {
    let plain = || Value::String(text.to_owned());
    serde_saphyr::from_str::<Node>(text)
        .map_or_else(|_| plain(), |node| node.flatten(&KeyPath::default(), &mut BTreeMap::new()))
}

/// A value and its line.
struct Node {
    line: u64,
    kind: Kind,
}

enum Kind {
    Scalar(Value),
    List(Vec<Node>),
    /// Keys with their lines.
    Map(Vec<(String, u64, Node)>),
}

impl Node {
    fn flatten(self, path: &KeyPath, lines: &mut BTreeMap<KeyPath, u64>) -> Value {
        match self.kind {
            Kind::Scalar(value) => value,
            Kind::List(items) => {
                let items = items.into_iter().enumerate().map(|(index, item)| {
                    let path = path.child(Step::Item(index));
                    lines.insert(path.clone(), item.line);
                    item.flatten(&path, lines)
                });
                Value::Array(items.collect())
            }
            Kind::Map(entries) => {
                let entries = entries.into_iter().map(|(key, line, value)| {
                    let path = path.key(&key);
                    lines.insert(path.clone(), line);
                    let value = value.flatten(&path, lines);
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
        Ok(Self { line: spanned.referenced.line(), kind: spanned.value })
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
                let text = || Value::String(value.to_string());
                Ok(Kind::Scalar(Number::from_f64(value).map_or_else(text, Value::Number)))
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
        for text in ["a: 1\nb: [1\n", "a: 1\na: 2\n", "a: 1\n  b: 2\n"] {
            let said = read(text).unwrap_err();
            assert!(said.contains("line") || said.contains("-->"), "{said}");
        }
    }

    #[test]
    fn options_are_values_or_text() {
        assert_eq!(scalar("5"), json!(5));
        assert_eq!(scalar("10s"), json!("10s"));
        assert_eq!(scalar("[a, b]"), json!(["a", "b"]));
        assert_eq!(scalar("127.0.0.1:4317"), json!("127.0.0.1:4317"));
        assert_eq!(scalar("[oops"), json!("[oops"));
    }
}
