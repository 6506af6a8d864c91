//! From the tree to sections, with every problem on the way.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;
use wholetrace_runtime::{
    problems::{Problem, Problems, did_you_mean},
    secret::Secret,
};

use super::{
    expand::Expansions,
    path::{KeyPath, Step},
    sources::Sources,
    words, yaml,
};

/// Problems that are told of one configuration; more than these have one cause.
const PROBLEMS_MAX: usize = 100;

/// Makes a `T` of `tree`. Each value that does not fit is a problem and is taken out of the tree,
/// so that the next one is found too; what is left has its default.
///
/// Text that came from elsewhere is read as YAML (`"5"` as a number) where text does not fit, the
/// value of an option or a variable is text where a number does not fit, and a key without a value
/// (`tls:`) has its default where nothing does not.
pub(crate) fn deserialize<T: DeserializeOwned + Default>(
    tree: &mut Value,
    expansions: &Expansions,
    sources: &Sources,
    problems: &mut Problems,
) -> T {
    for _ in 0..PROBLEMS_MAX {
        let error = match serde_path_to_error::deserialize::<_, T>(&*tree) {
            Ok(value) => return value,
            Err(error) => error,
        };
        let path = path_of(error.path());
        let message = error.into_inner().to_string();
        let (path, unknown) = match unknown_key(&message) {
            // The path ends at the unknown key or at the map that has it.
            Some(key) if path.last() != Some(&Step::Key(key.clone())) => (path.key(&key), true),
            Some(_) => (path, true),
            None => (path, false),
        };
        if !unknown && mended(tree, &path, &message, expansions, sources) {
            continue;
        }
        problems.push_error(problem(tree, &path, &message, unknown));
        if !path.remove(tree) {
            return T::default();
        }
    }
    T::default()
}

fn path_of(path: &serde_path_to_error::Path) -> KeyPath {
    path.iter().fold(KeyPath::default(), |parent, segment| match segment {
        Segment::Seq { index } => parent.child(Step::Item(*index)),
        Segment::Map { key } => parent.key(key),
        // Variants of enums and unknown steps are not part of the way through the tree.
        Segment::Enum { .. } | Segment::Unknown => parent,
    })
}

/// Tries another reading of the value at `path`, which does not fit because of what `message` says;
/// `false` if there is none.
fn mended(
    tree: &mut Value,
    path: &KeyPath,
    message: &str,
    expansions: &Expansions,
    sources: &Sources,
) -> bool {
    let Some(place) = path.of_mut(tree) else { return false };
    match place {
        Value::Null => path.remove(tree),
        Value::String(text) if expansions.at(path).is_some() => {
            let read = yaml::scalar(text).value;
            let other = !read.is_string() && !read.is_null();
            if other {
                *place = read;
            }
            other
        }
        Value::String(_) => false,
        // Digits can be a password, and options and variables have no quotes to say that text is meant.
        _ => match sources.written(path) {
            Some(written)
                if is_secret(message) || (written.untyped && words::want_text(message)) =>
            {
                *place = Value::String(written.text.clone());
                true
            }
            _ => false,
        },
    }
}

fn problem(tree: &Value, path: &KeyPath, message: &str, unknown: bool) -> Problem {
    if unknown {
        let key = match path.last() {
            Some(Step::Key(key)) => key.as_str(),
            _ => "",
        };
        let known = known_keys(message);
        let place = path.to_string();
        if let Some((_, hint)) = REMOVED.iter().find(|(removed, _)| *removed == place) {
            return Problem::new(place, "unknown key").hint((*hint).to_owned());
        }
        let hint = match did_you_mean(key, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if known.is_empty() => "there are no keys here".to_owned(),
            None => format!("there are: {}", known.join(", ")),
        };
        return Problem::new(path.to_string(), "unknown key").hint(hint);
    }
    // Whatever stands there may be the secret, or a part of it.
    if is_secret(message) {
        return Problem::new(path.to_string(), message.to_owned());
    }
    let problem = Problem::new(path.to_string(), words::of(message));
    let problem = match words::hint(message) {
        Some(hint) => problem.hint(hint),
        None => problem,
    };
    match path.of(tree) {
        Some(Value::String(text)) if !problem.message.contains(text.as_str()) => {
            problem.value(text)
        }
        Some(value @ (Value::Number(_) | Value::Bool(_)))
            if !problem.message.contains(&format!("`{value}`")) =>
        {
            problem.value(value)
        }
        _ => problem,
    }
}

/// Keys of earlier versions, and what to do about them.
const REMOVED: [(&str, &str); 1] = [(
    "log.embedded.write_buffer",
    "the log needs no write buffer any more: remove the line, and count its memory to `tail_cache` \
     or `memory.window_cache` if you like",
)];

/// The key in serde's message for an unknown one.
fn unknown_key(message: &str) -> Option<String> {
    let (key, _) = message.strip_prefix("unknown field `")?.split_once('`')?;
    Some(key.to_owned())
}

/// The keys that serde's message lists as known.
fn known_keys(message: &str) -> Vec<&str> {
    let Some((_, list)) = message.split_once("expected") else { return Vec::new() };
    list.split('`').skip(1).step_by(2).collect()
}

/// Whether the message is about a secret.
fn is_secret(message: &str) -> bool {
    message.ends_with(Secret::EXPECTED)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::config::expand;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Outer {
        number: u32,
        inner: Vec<Inner>,
        boxed: Inner,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Inner {
        endpoint: String,
        size: u8,
    }

    fn read(mut tree: Value) -> (Outer, Problems) {
        let mut problems = Problems::new();
        let environment = |_: &str| Some("17".to_owned());
        let expansions = expand::expand(&mut tree, &environment, &mut problems);
        let value = deserialize(&mut tree, &expansions, &Sources::default(), &mut problems);
        (value, problems)
    }

    #[test]
    fn every_problem_is_found() {
        let (value, problems) = read(json!({
            "number": -1,
            "nubmer": 2,
            "inner": [{ "endpiont": "x" }, { "size": 300, "endpoint": [1] }],
            "boxed": { "size": 3, "zzz": 1 },
        }));
        let said: Vec<String> = problems.errors().iter().map(ToString::to_string).collect();
        let expected = [
            ("number", "`-1` does not fit: a whole number from 0 to 4294967295 is wanted"),
            ("nubmer", "did you mean `number`?"),
            ("inner[0].endpiont", "unknown key; did you mean `endpoint`?"),
            ("inner[1].size", "`300` does not fit: a whole number from 0 to 255 is wanted"),
            ("inner[1].endpoint", "a list does not fit: text is wanted"),
            ("boxed.zzz", "there are: endpoint, size"),
        ];
        assert_eq!(said.len(), expected.len(), "{said:#?}");
        for (path, text) in expected {
            let found = said.iter().any(|line| line.starts_with(path) && line.contains(text));
            assert!(found, "{path} {text}: {said:#?}");
        }
        assert_eq!(value.boxed.size, 3);
    }

    #[test]
    fn values_from_elsewhere_are_text_or_what_fits() {
        let (value, problems) = read(json!({
            "number": "${env:X}", "boxed": { "endpoint": "${env:X}", "size": null },
        }));
        assert!(!problems.has_errors(), "{problems}");
        assert_eq!((value.number, value.boxed.endpoint.as_str(), value.boxed.size), (17, "17", 0));
    }
}
