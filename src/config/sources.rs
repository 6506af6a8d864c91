//! Files, variables and options, laid over each other: later ones win.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::{Map, Value};
use wholetrace_runtime::problems::{Problem, Problems};

use super::{
    path::{KeyPath, Step},
    yaml::{self, Document, Unreadable},
};

/// Variables of this beginning are settings: `WHOLETRACE__ADMIN__ENDPOINT` is `admin.endpoint`.
const VARIABLE_PREFIX: &str = "WHOLETRACE__";

/// What the user gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inputs {
    /// Files, later ones win.
    pub(crate) files: Vec<PathBuf>,
    /// A configuration that stands in no file; it wins over files.
    pub(crate) text: Option<String>,
    /// `key.path=value`, later ones win over everything else.
    pub(crate) settings: Vec<String>,
    /// All environment variables.
    pub(crate) variables: BTreeMap<String, String>,
}

impl Inputs {
    /// The inputs of the command line, with the variables of this process.
    pub(crate) fn of_process(files: Vec<PathBuf>, settings: Vec<String>) -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { files, settings, variables, text: None }
    }
}

/// All of it as one tree, and where each value of it stands.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) tree: Value,
    /// `file:line`, or the name of a variable or an option.
    origins: BTreeMap<KeyPath, String>,
    /// What is written where something else than text stands.
    written: BTreeMap<KeyPath, Written>,
}

/// What is written for a value that is no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) text: String,
    /// Whether it was said by a variable or an option, which have no way to say that text is meant.
    pub(crate) untyped: bool,
}

impl Sources {
    /// Where the value at `path` stands, or the first one in it, or the nearest one around it.
    pub(crate) fn origin(&self, path: &KeyPath) -> Option<&str> {
        if let Some((below, origin)) = self.origins.range(path..).next()
            && below.starts_with(path)
        {
            return Some(origin);
        }
        let mut path = path.clone();
        loop {
            if let Some(origin) = self.origins.get(&path) {
                return Some(origin);
            }
            path = path.parent()?;
        }
    }

    /// What is written for the value at `path`, where it is no text.
    pub(crate) fn written(&self, path: &KeyPath) -> Option<&Written> {
        self.written.get(path)
    }

    fn over(&mut self, value: Value, origin_of: &dyn Fn(&KeyPath) -> Option<String>) {
        let tree = std::mem::take(&mut self.tree);
        self.tree = self.merged(tree, value, &KeyPath::default(), origin_of);
    }

    /// `over` on top of `under`: maps are merged, everything else is replaced.
    fn merged(
        &mut self,
        under: Value,
        over: Value,
        path: &KeyPath,
        origin_of: &dyn Fn(&KeyPath) -> Option<String>,
    ) -> Value {
        if let Some(origin) = origin_of(path) {
            self.origins.insert(path.clone(), origin);
        }
        match (under, over) {
            (Value::Object(mut under), Value::Object(over)) => {
                for (key, value) in over {
                    let below = under.remove(&key).unwrap_or(Value::Null);
                    let value = self.merged(below, value, &path.key(&key), origin_of);
                    under.insert(key, value);
                }
                Value::Object(under)
            }
            (_, Value::Object(over)) => {
                let entries = over.into_iter().map(|(key, value)| {
                    let value = self.merged(Value::Null, value, &path.key(&key), origin_of);
                    (key, value)
                });
                Value::Object(entries.collect())
            }
            (_, Value::Array(over)) => {
                let items = over.into_iter().enumerate().map(|(index, item)| {
                    let path = path.child(Step::Item(index));
                    self.merged(Value::Null, item, &path, origin_of)
                });
                Value::Array(items.collect())
            }
            (_, over) => over,
        }
    }
}

/// Reads everything. What cannot be read is a problem, and the rest goes on.
///
/// A section of `starters` that no file has is there before variables and options, so that they
/// change a part of it, and do not stand for the whole.
pub(crate) fn read(
    inputs: &Inputs,
    starters: &[(&str, Value)],
    problems: &mut Problems,
) -> Sources {
    let mut sources = Sources { tree: Value::Object(Map::new()), ..Sources::default() };
    read_files(&inputs.files, &mut sources, problems);
    if let Some(text) = &inputs.text {
        read_text("the configuration".to_owned(), text, &mut sources, problems);
    }
    let variables: Vec<(String, &String, &String)> = inputs
        .variables
        .iter()
        .filter_map(|(name, value)| {
            let key = name.strip_prefix(VARIABLE_PREFIX)?;
            Some((key.to_lowercase().replace("__", "."), value, name))
        })
        .collect();
    for (section, value) in starters {
        let keys = variables.iter().map(|(key, ..)| key).chain(&inputs.settings);
        let named = keys.map(|key| key.trim_start().strip_prefix(section));
        let changed = named.flatten().any(|rest| rest.starts_with(['.', '[']));
        if changed && let Value::Object(tree) = &mut sources.tree {
            tree.entry(*section).or_insert_with(|| value.clone());
        }
    }
    for (key, value, name) in &variables {
        set(&mut sources, key, value, name, problems);
    }
    for setting in &inputs.settings {
        match setting.split_once('=') {
            Some((key, value)) => set(&mut sources, key, value, "--set", problems),
            None => problems.push_error(
                Problem::new("--set", "it has no `=`")
                    .value(setting)
                    .hint("write `--set key.path=value`, such as `--set admin.endpoint=:8890`"),
            ),
        }
    }
    sources
}

fn read_files(files: &[PathBuf], sources: &mut Sources, problems: &mut Problems) {
    for file in files {
        let name = file.display().to_string();
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("the configuration file cannot be read: {error}");
                problems.push_error(Problem::new(name, message));
                continue;
            }
        };
        read_text(name, &text, sources, problems);
    }
}

fn read_text(name: String, text: &str, sources: &mut Sources, problems: &mut Problems) {
    let document = match yaml::read(text) {
        Ok(document) => document,
        Err(Unreadable::Twice { key, line, rest }) => {
            problems.push_error(twice(&name, &key, line, &rest));
            *rest
        }
        Err(Unreadable::Syntax(error)) => {
            let message = format!("the file is not YAML: {}", error.trim_end());
            problems.push_error(Problem::new(name, message));
            return;
        }
    };
    if !document.value.is_object() {
        let hint = "write `key: value` lines, such as `admin: { endpoint: … }`";
        problems.error(name, "the file is not a map of sections", hint);
        return;
    }
    let Document { value, lines, written } = document;
    sources.over(value, &|path| Some(format!("{name}:{}", lines.get(path)?)));
    sources.written.retain(|path, _| !lines.contains_key(path));
    let written = written.into_iter();
    let written = written.map(|(path, text)| (path, Written { text, untyped: false }));
    sources.written.extend(written);
}

/// The problem of a `key` that the file `name` has twice in one section, the second time in `line`.
fn twice(name: &str, key: &str, line: u64, rest: &Document) -> Problem {
    let is_first = |path: &KeyPath, at: u64| {
        at <= line && matches!(path.last(), Some(Step::Key(known)) if known == key)
    };
    let mut before = rest.lines.iter().filter(|(path, at)| is_first(path, **at));
    let (path, first) = match (before.next(), before.next()) {
        (Some((path, at)), None) => (path.to_string(), format!("in line {at} and again ")),
        // Other sections have a key of this name, too.
        _ => (key.to_owned(), "a second time ".to_owned()),
    };
    Problem::new(path, format!("`{key}` is there twice: {first}in line {line} of {name}"))
        .hint("put what both say under one of them: the second would hide the first")
}

fn set(sources: &mut Sources, key: &str, value: &str, origin: &str, problems: &mut Problems) {
    let set = KeyPath::parse(key.trim()).is_some_and(|path| {
        // What stood there before does not shine through a list or a map that is set.
        let Document { value, written, .. } = yaml::scalar(value);
        path.set(&mut sources.tree, value) && {
            sources.origins.retain(|known, _| !known.starts_with(&path));
            sources.written.retain(|known, _| !known.starts_with(&path));
            let written = written.into_iter();
            sources.written.extend(
                written.map(|(below, text)| (path.join(&below), Written { text, untyped: true })),
            );
            sources.origins.insert(path, origin.to_owned());
            true
        }
    });
    if !set {
        let message = "it is no path to a setting";
        let hint = "write keys with dots and items with brackets, such as `policies[0].name`";
        problems.push_error(Problem::new(origin, message).value(key).hint(hint));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn later_sources_win_and_origins_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a.yaml"), folder.path().join("b.yaml"));
        fs::write(&first, "admin:\n  endpoint: a\nlist: [1, 2]\n").unwrap();
        fs::write(&second, "\nadmin: { other: b }\nlist: [3]\n").unwrap();
        let inputs = Inputs {
            files: vec![first, second.clone()],
            settings: vec!["admin.endpoint=c".to_owned(), "x.y=5".to_owned()],
            variables: [
                ("WHOLETRACE__ADMIN__ENDPOINT", "v"),
                ("WHOLETRACE__V", "1"),
                ("HOME", "/"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            ..Inputs::default()
        };
        let mut problems = Problems::new();
        let sources = read(&inputs, &[], &mut problems);
        assert!(!problems.has_errors(), "{problems}");
        let expected = json!({
            "admin": { "endpoint": "c", "other": "b" }, "list": [3], "v": 1, "x": { "y": 5 },
        });
        assert_eq!(sources.tree, expected);
        let origin = |path| sources.origin(&KeyPath::parse(path).unwrap()).unwrap().to_owned();
        assert_eq!(origin("admin.endpoint"), "--set");
        assert_eq!(origin("list[0]"), format!("{}:3", second.display()));
        assert_eq!(origin("v"), "WHOLETRACE__V");
        assert_eq!(origin("x"), "--set");
    }

    #[test]
    fn options_change_a_part_of_what_stands_in_no_file() {
        let starters = [("a", json!({ "x": 1, "y": 2 })), ("b", json!({ "z": 3 }))];
        let settings = vec!["a.x=5".to_owned()];
        let inputs = Inputs { settings, ..Inputs::default() };
        let sources = read(&inputs, &starters, &mut Problems::new());
        assert_eq!(sources.tree, json!({ "a": { "x": 5, "y": 2 } }));
    }

    #[test]
    fn what_cannot_be_read_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let bad = folder.path().join("bad.yaml");
        fs::write(&bad, "a: [\n").unwrap();
        let list = folder.path().join("list.yaml");
        fs::write(&list, "- a\n").unwrap();
        let inputs = Inputs {
            files: vec![folder.path().join("none.yaml"), bad, list],
            settings: vec!["nothing".to_owned(), "a..b=1".to_owned()],
            ..Inputs::default()
        };
        let mut problems = Problems::new();
        read(&inputs, &[], &mut problems);
        assert_eq!(problems.errors().len(), 5, "{problems}");
    }
}
