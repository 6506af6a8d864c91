//! The configuration while it is made.

use serde_json::{Map, Value};

use crate::{
    report::Place,
    yaml::{self, Comments},
};

/// Sections in the order in which a person would write them.
const ORDER: [&str; 9] = [
    "receivers",
    "authentication",
    "tail_sampling",
    "exporters",
    "log",
    "limits",
    "memory",
    "admin",
    "logging",
];

/// Maps that mean nothing without settings in them.
const GROUPS: [&str; 6] =
    ["sending_queue", "batch", "retry_on_failure", "keepalive", "cors", "decision_cache"];

/// The tree of the configuration, with comments, and where each part of it comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    tree: Map<String, Value>,
    comments: Comments,
    /// Key paths of parts, where they come from, and whether they have the same keys there.
    origins: Vec<(String, Place, bool)>,
    /// Comments at the top of the file.
    head: Vec<String>,
    /// Comments at its end.
    foot: Vec<String>,
}

/// A step into a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Item(usize),
}

impl Draft {
    pub(crate) fn head(&mut self, line: impl Into<String>) {
        self.head.push(line.into());
    }

    pub(crate) fn foot(&mut self, line: impl Into<String>) {
        self.foot.push(line.into());
    }

    /// Puts `value` under `key` of a section.
    pub(crate) fn put(&mut self, section: &str, key: &str, value: Value, from: Place) {
        let entry = self.tree.entry(section).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(map) = entry {
            map.insert(key.to_owned(), value);
            self.origins.push((yaml::below(section, key), from, true));
        }
    }

    /// Puts a whole section.
    pub(crate) fn section(&mut self, section: &str, value: Value, from: Place) {
        self.tree.insert(section.to_owned(), value);
        self.origins.push((section.to_owned(), from, true));
    }

    /// Says where the part at `path` comes from, which has other keys there.
    pub(crate) fn part(&mut self, path: String, from: Place) {
        self.origins.push((path, from, false));
    }

    /// Says where the part at `path` comes from, which has the same keys there.
    pub(crate) fn moved(&mut self, path: String, from: Place) {
        self.origins.push((path, from, true));
    }

    /// Puts `key` behind the others of its section: the longest one is read last.
    pub(crate) fn move_last(&mut self, section: &str, key: &str) {
        if let Some(Value::Object(map)) = self.tree.get_mut(section)
            && let Some(value) = map.shift_remove(key)
        {
            map.insert(key.to_owned(), value);
        }
    }

    /// Puts a comment above what is at `path`, below those that are there.
    pub(crate) fn comment(&mut self, path: &str, text: impl AsRef<str>) {
        let comment = self.comments.entry(path.to_owned()).or_default();
        if !comment.is_empty() {
            comment.push('\n');
        }
        comment.push_str(text.as_ref());
    }

    pub(crate) fn has(&self, section: &str) -> bool {
        self.tree.contains_key(section)
    }

    /// The value at `path`, as messages write it.
    pub(crate) fn get(&self, path: &str) -> Option<&Value> {
        let steps = self.steps(path)?;
        steps.iter().try_fold(None, |at: Option<&Value>, step| Some(Some(self.next(at, step)?)))?
    }

    fn next<'a>(&'a self, at: Option<&'a Value>, step: &Step) -> Option<&'a Value> {
        match (at, step) {
            (None, Step::Key(key)) => self.tree.get(key),
            (None, Step::Item(_)) => None,
            (Some(value), step) => child(value, step),
        }
    }

    /// Sets the value at `path`, which must be there.
    pub(crate) fn replace(&mut self, path: &str, value: Value) {
        if let Some(place) = self.steps(path).and_then(|steps| self.place(&steps)) {
            *place = value;
        }
    }

    /// Takes out what is at `path`, and groups that are empty without it; `false` if nothing is there.
    pub(crate) fn remove(&mut self, path: &str) -> bool {
        let Some(mut steps) = self.steps(path) else { return false };
        let Some(last) = steps.pop() else { return false };
        if steps.is_empty() {
            return matches!(last, Step::Key(key) if self.tree.shift_remove(&key).is_some());
        }
        let removed = match (self.place(&steps), last) {
            (Some(Value::Object(map)), Step::Key(key)) => map.shift_remove(&key).is_some(),
            (Some(Value::Array(items)), Step::Item(index)) if index < items.len() => {
                items.remove(index);
                true
            }
            _ => false,
        };
        // Others mean something without settings: a protocol is listened for, TLS is spoken.
        let is_group =
            matches!(steps.last(), Some(Step::Key(key)) if GROUPS.contains(&key.as_str()));
        if removed && is_group && self.place(&steps).is_some_and(|rest| is_empty(rest)) {
            self.remove(&path_of(&steps));
        }
        removed
    }

    fn place(&mut self, steps: &[Step]) -> Option<&mut Value> {
        let (first, rest) = steps.split_first()?;
        let Step::Key(section) = first else { return None };
        rest.iter().try_fold(self.tree.get_mut(section)?, |value, step| match step {
            Step::Key(key) => value.get_mut(key),
            Step::Item(index) => value.get_mut(index),
        })
    }

    /// The way to `path`. Names have dots in them at times: the tree says which.
    fn steps(&self, path: &str) -> Option<Vec<Step>> {
        let mut steps = Vec::new();
        let mut at: Option<&Value> = None;
        let mut rest = path;
        while !rest.is_empty() {
            let (step, after) = match (at, rest.strip_prefix('[')) {
                (Some(Value::Array(_)), Some(index)) => {
                    let (index, after) = index.split_once(']')?;
                    (Step::Item(index.parse().ok()?), after)
                }
                (Some(Value::Object(map)), _) => key_of(map, rest)?,
                (None, _) => key_of(&self.tree, rest)?,
                _ => return None,
            };
            at = Some(self.next(at, &step)?);
            rest = after.strip_prefix('.').unwrap_or(after);
            steps.push(step);
        }
        Some(steps)
    }

    /// Where what is at `path` comes from, and its path there.
    pub(crate) fn origin(&self, path: &str) -> Option<Place> {
        let is_in = |part: &str| {
            path.strip_prefix(part).filter(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let parts = self.origins.iter();
        let parts =
            parts.filter_map(|(part, place, same)| Some((part.len(), is_in(part)?, place, same)));
        let (_, rest, place, same) = parts.max_by_key(|(len, ..)| *len)?;
        let rest = if *same { rest.trim_start_matches('.') } else { "" };
        Some(if rest.is_empty() { place.clone() } else { place.key(rest) })
    }

    /// The file.
    pub(crate) fn yaml(&self) -> String {
        let mut out = String::new();
        let comments = |out: &mut String, lines: &[String]| {
            for line in lines {
                out.push_str(if line.is_empty() { "#" } else { "# " });
                out.push_str(line);
                out.push('\n');
            }
        };
        comments(&mut out, &self.head);
        if !self.head.is_empty() {
            out.push('\n');
        }
        let mut sections = Map::new();
        for name in ORDER {
            if let Some(section) = self.tree.get(name) {
                sections.insert(name.to_owned(), section.clone());
            }
        }
        out.push_str(&yaml::written(&sections, &self.comments));
        if !self.foot.is_empty() {
            out.push('\n');
        }
        comments(&mut out, &self.foot);
        out
    }
}

fn child<'a>(value: &'a Value, step: &Step) -> Option<&'a Value> {
    match step {
        Step::Key(key) => value.get(key),
        Step::Item(index) => value.get(index),
    }
}

/// The longest key of `map` that `path` begins with, and what comes behind it.
fn key_of<'a>(map: &Map<String, Value>, path: &'a str) -> Option<(Step, &'a str)> {
    let ends = |rest: &str| rest.is_empty() || rest.starts_with(['.', '[']);
    let keys = map.keys().filter_map(|key| {
        let rest = path.strip_prefix(key.as_str())?;
        ends(rest).then_some((key, rest))
    });
    let (key, rest) = keys.max_by_key(|(key, _)| key.len())?;
    Some((Step::Key(key.clone()), rest))
}

fn path_of(steps: &[Step]) -> String {
    steps.iter().fold(String::new(), |path, step| match step {
        Step::Key(key) => yaml::below(&path, key),
        Step::Item(index) => format!("{path}[{index}]"),
    })
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn draft() -> Draft {
        let mut draft = Draft::default();
        let place = Place::of_file("a.yaml").key("exporters.otlp/x.y");
        draft.put(
            "exporters",
            "otlp/x.y",
            json!({ "sending_queue": { "a": 1 }, "list": [1, 2] }),
            place,
        );
        draft
    }

    #[test]
    fn names_may_have_dots() {
        let draft = draft();
        assert_eq!(draft.get("exporters.otlp/x.y.sending_queue.a"), Some(&json!(1)));
        assert_eq!(draft.get("exporters.otlp/x.y.list[1]"), Some(&json!(2)));
        assert_eq!(draft.get("exporters.otlp/x.y.list[2]"), None);
        assert_eq!(draft.get("exporters.otlp/x"), None);
        let place = draft.origin("exporters.otlp/x.y.sending_queue.a").unwrap();
        assert_eq!(place.path, "exporters.otlp/x.y.sending_queue.a");
        assert_eq!(draft.origin("exporters.other"), None);
    }

    #[test]
    fn groups_that_are_empty_go_and_components_stay() {
        let mut draft = draft();
        assert!(draft.remove("exporters.otlp/x.y.sending_queue.a"));
        assert!(draft.remove("exporters.otlp/x.y.list"));
        assert!(!draft.remove("exporters.otlp/x.y.list"));
        assert_eq!(draft.get("exporters"), Some(&json!({ "otlp/x.y": {} })));
        assert!(draft.remove("exporters.otlp/x.y"));
        assert!(draft.remove("exporters"));
        assert_eq!(draft.yaml(), "");
    }
}
