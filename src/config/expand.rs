//! `${env:NAME}`, `${env:NAME:-default}`, `${file:PATH}` and `$$` in values.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;
use wholetrace_runtime::{
    problems::{Problem, Problems},
    secret::Secret,
};

use super::path::{KeyPath, Step};

/// The environment that values come from: variables by name.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A value that came from elsewhere. It may be a secret, so it is shown as what was written.
#[derive(Clone, Debug)]
pub(crate) struct Expansion {
    /// What stands in the configuration.
    pub(crate) written: String,
    /// What became of it.
    pub(crate) value: String,
}

/// The values that came from elsewhere, by their path.
#[derive(Debug, Default)]
pub(crate) struct Expansions(BTreeMap<KeyPath, Expansion>);

impl Expansions {
    pub(crate) fn at(&self, path: &KeyPath) -> Option<&Expansion> {
        self.0.get(path)
    }

    /// `text` with every such value replaced by what was written for it.
    pub(crate) fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for expansion in self.0.values() {
            // Shorter ones would be found in any text, and keep no secret.
            if expansion.value.len() >= 4 {
                text = text.replace(&expansion.value, &expansion.written);
            }
        }
        text
    }

    /// Writes into `tree` what was written, in place of what became of it.
    pub(crate) fn restore(&self, tree: &mut Value) {
        for (path, expansion) in &self.0 {
            if let Some(value) = path.of_mut(tree)
                && (value.is_string() || value.is_number() || value.is_boolean())
            {
                *value = Value::String(expansion.written.clone());
            }
        }
    }
}

/// Fills in all values of `tree`. What cannot be filled in is a problem and is left as it is.
pub(crate) fn expand(
    tree: &mut Value,
    environment: Environment<'_>,
    problems: &mut Problems,
) -> Expansions {
    let mut expander = Expander { environment, problems, found: Expansions::default() };
    expander.visit(tree, &KeyPath::default());
    expander.found
}

struct Expander<'a> {
    environment: Environment<'a>,
    problems: &'a mut Problems,
    found: Expansions,
}

impl Expander<'_> {
    fn visit(&mut self, value: &mut Value, path: &KeyPath) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    self.visit(value, &path.key(key));
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter_mut().enumerate() {
                    self.visit(value, &path.child(Step::Item(index)));
                }
            }
            Value::String(text) if text.contains('$') => self.text(text, path),
            _ => {}
        }
    }

    fn text(&mut self, text: &mut String, path: &KeyPath) {
        match filled(text, self.environment) {
            Ok((value, true)) => {
                let written = std::mem::replace(text, value.clone());
                self.found.0.insert(path.clone(), Expansion { written, value });
            }
            Ok((value, false)) => *text = value,
            Err((message, hint)) => {
                let problem = Problem::new(path.to_string(), message).value(&*text);
                self.problems.push_error(problem.hint(hint));
            }
        }
    }
}

/// `text` with everything filled in, and whether anything came from elsewhere; or what is wrong
/// and what to do.
fn filled(text: &str, environment: Environment<'_>) -> Result<(String, bool), (String, String)> {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut elsewhere) = (text, false);
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = after.strip_prefix('{') {
            let (reference, after) = after.split_once('}').ok_or_else(|| {
                ("a `${` is not closed".to_owned(), "write `$$` for a dollar sign".to_owned())
            })?;
            out.push_str(&referenced(reference, environment)?);
            elsewhere = true;
            rest = after;
        } else {
            // The Collector takes a lone dollar sign as it is.
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    Ok((out, elsewhere))
}

fn referenced(reference: &str, environment: Environment<'_>) -> Result<String, (String, String)> {
    if let Some(path) = reference.strip_prefix("file:") {
        let text = Secret::from_file(Path::new(path)).map_err(|error| {
            (format!("`{path}` cannot be read: {error}"), "name a readable text file".to_owned())
        })?;
        return Ok(text.reveal().to_owned());
    }
    let name = reference.strip_prefix("env:").unwrap_or(reference);
    if name.contains(':') && !name.contains(":-") {
        return Err((
            format!("`${{{reference}}}` names no known source"),
            "take `${env:NAME}`, `${env:NAME:-default}` or `${file:PATH}`".to_owned(),
        ));
    }
    let (name, default) = match name.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (name, None),
    };
    environment(name).or_else(|| default.map(str::to_owned)).ok_or_else(|| {
        (
            format!("the environment variable `{name}` is not set"),
            format!("set it, or give a default: `${{env:{name}:-default}}`"),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    fn environment(name: &str) -> Option<String> {
        (name == "TOKEN").then(|| "hunter2".to_owned())
    }

    #[test]
    fn references_are_filled_in_and_hidden() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, "from a file\n").unwrap();
        let mut tree = json!({
            "a": "Bearer ${env:TOKEN}", "b": ["${TOKEN}"], "c": "${env:NONE:-x:y}",
            "d": format!("${{file:{}}}", file.display()), "e": "1$$2 $3", "f": 5,
        });
        let mut problems = Problems::new();
        let found = expand(&mut tree, &environment, &mut problems);
        assert!(!problems.has_errors(), "{problems}");
        let expected = json!({
            "a": "Bearer hunter2", "b": ["hunter2"], "c": "x:y", "d": "from a file",
            "e": "1$2 $3", "f": 5,
        });
        assert_eq!(tree, expected);
        assert_eq!(found.hide("bad value: hunter2"), "bad value: ${TOKEN}");
        found.restore(&mut tree);
        assert_eq!(tree["a"], json!("Bearer ${env:TOKEN}"));
        assert_eq!(tree["e"], json!("1$2 $3"));
    }

    #[test]
    fn what_cannot_be_filled_in_is_told_at_once() {
        let mut tree = json!({
            "a": "${env:NONE}", "b": "${vault:x}", "c": "${env:TOKEN", "d": "${file:/nowhere/x}",
        });
        let mut problems = Problems::new();
        expand(&mut tree, &environment, &mut problems);
        let said = problems.to_string();
        for expected in ["`NONE` is not set", "no known source", "not closed", "cannot be read"] {
            assert!(said.contains(expected), "{said}");
        }
        assert_eq!(problems.errors().len(), 4);
    }
}
