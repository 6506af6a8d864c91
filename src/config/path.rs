//! Key paths into the configuration tree.

use std::fmt;

use serde_json::{Map, Value};

/// The way from the root of the tree to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KeyPath(Vec<Step>);

/// A step of that way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    /// To the value of a key.
    Key(String),
    /// To an item of a list, from 0.
    Item(usize),
}

impl KeyPath {
    /// The path in the form that [`Display`](fmt::Display) writes: `a.b[0].c`. `None` if a key is
    /// empty or an index is no number.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        for part in text.split('.') {
            let (key, mut rest) = part.split_at(part.find('[').unwrap_or(part.len()));
            if key.is_empty() {
                return None;
            }
            steps.push(Step::Key(key.to_owned()));
            while !rest.is_empty() {
                let (index, after) = rest.strip_prefix('[')?.split_once(']')?;
                steps.push(Step::Item(index.parse().ok()?));
                rest = after;
            }
        }
        Some(Self(steps))
    }

    pub(crate) fn child(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    pub(crate) fn key(&self, key: &str) -> Self {
        self.child(Step::Key(key.to_owned()))
    }

    /// The way to `below` from where this one leads.
    pub(crate) fn join(&self, below: &Self) -> Self {
        Self(self.0.iter().chain(&below.0).cloned().collect())
    }

    pub(crate) fn parent(&self) -> Option<Self> {
        let (_, steps) = self.0.split_last()?;
        Some(Self(steps.to_vec()))
    }

    pub(crate) fn last(&self) -> Option<&Step> {
        self.0.last()
    }

    pub(crate) fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The value at this path.
    pub(crate) fn of<'a>(&self, tree: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(tree, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Item(index) => value.get(index),
        })
    }

    /// The value at this path, to be changed.
    pub(crate) fn of_mut<'a>(&self, tree: &'a mut Value) -> Option<&'a mut Value> {
        self.0.iter().try_fold(tree, |value, step| match step {
            Step::Key(key) => value.get_mut(key),
            Step::Item(index) => value.get_mut(index),
        })
    }

    /// Takes the value at this path out of the tree; `false` if there is none. Items of lists
    /// behind it move up.
    pub(crate) fn remove(&self, tree: &mut Value) -> bool {
        let Some((last, parents)) = self.0.split_last() else { return false };
        let Some(parent) = Self(parents.to_vec()).of_mut(tree) else { return false };
        match (last, parent) {
            (Step::Key(key), Value::Object(map)) => map.shift_remove(key).is_some(),
            (Step::Item(index), Value::Array(list)) if *index < list.len() => {
                list.remove(*index);
                true
            }
            _ => false,
        }
    }

    /// Puts `value` there, with the maps on the way; `false` if something on the way is neither a
    /// map nor an item of a list that is there.
    pub(crate) fn set(&self, tree: &mut Value, value: Value) -> bool {
        let mut place = tree;
        for step in &self.0 {
            if place.is_null() {
                *place = Value::Object(Map::new());
            }
            let next = match (step, place) {
                (Step::Key(key), Value::Object(map)) => {
                    Some(map.entry(key.clone()).or_insert(Value::Null))
                }
                (Step::Item(index), Value::Array(list)) => list.get_mut(*index),
                _ => None,
            };
            let Some(next) = next else { return false };
            place = next;
        }
        *place = value;
        true
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if index > 0 => write!(f, ".{key}")?,
                Step::Key(key) => f.write_str(key)?,
                Step::Item(item) => write!(f, "[{item}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_are_read_and_written() {
        for text in ["a", "a.b", "policies[2].and[0]", "exporters.otlp/jaeger.endpoint"] {
            assert_eq!(KeyPath::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "a..b", "a[", "a[x]", "[1]", "a]"] {
            assert!(KeyPath::parse(text).is_none_or(|path| path.to_string() == "a]"), "{text}");
        }
    }

    #[test]
    fn values_are_set_found_and_removed() {
        let mut tree = json!({ "list": [{ "x": 1 }] });
        let path = |text| KeyPath::parse(text).unwrap();
        assert!(path("list[0].x").set(&mut tree, json!(2)));
        assert!(path("new.deep").set(&mut tree, json!(3)));
        assert!(!path("list[1].x").set(&mut tree, json!(4)));
        assert!(!path("new.deep.deeper").set(&mut tree, json!(4)));
        assert_eq!(tree, json!({ "list": [{ "x": 2 }], "new": { "deep": 3 } }));
        assert!(path("list[0]").remove(&mut tree));
        assert!(!path("list[0]").remove(&mut tree));
        assert_eq!(path("new.deep").of(&tree), Some(&json!(3)));
    }
}
