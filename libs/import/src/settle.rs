//! Until the loader has nothing against the configuration.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wholetrace_runtime::problems::Problem;

use crate::{
    draft::Draft,
    exact,
    front::{Check, Checked},
    report::Report,
};

/// How often the configuration is tried: each time with one thing less.
const ROUNDS: usize = 300;

/// What is tried in the place of a value that is known only where the process runs.
const STAND_INS: [&str; 4] = ["1", "10s", "localhost:1", "192.0.2.1:1"];

/// Policies stay as they are, whatever is said of them.
const POLICIES: &str = "tail_sampling.policies";

/// Leaves out of `draft` what has no effect and what is refused, and says so. Gives whether the rest
/// loads.
pub(crate) fn settle(draft: &mut Draft, report: &mut Report, check: Check<'_>) -> bool {
    exact::ask(draft);
    let mut loads = true;
    let mut policies = None;
    // Values that are known only where the process runs, and how often something else was tried.
    let mut later: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let now = |draft: &Draft| {
            let mut draft = draft.clone();
            for (path, tried) in &later {
                // For a file there is nothing but to do without it.
                let is_value = draft.get(path).is_some_and(holds_reference);
                match STAND_INS.get(tried - 1).filter(|_| is_value) {
                    Some(text) => draft.replace(path, read(text)),
                    None => drop(draft.remove(around_files(path))),
                }
            }
            check(&draft.yaml())
        };
        let checked = now(draft);
        let (unknown, errors): (Vec<&Problem>, Vec<&Problem>) =
            checked.errors.iter().partition(|error| is_of_another_machine(draft, error));
        if errors.is_empty() {
            let tried = |path: &String| later.get(path).copied().unwrap_or(0);
            let unknown = unknown.into_iter().map(|error| error.path.clone());
            let unknown: Vec<String> =
                unknown.filter(|path| tried(path) <= STAND_INS.len()).collect();
            if unknown.is_empty() && !lighten(draft, report, &checked, &now) {
                break;
            }
            for path in unknown {
                *later.entry(path).or_default() += 1;
            }
            continue;
        }
        if errors.iter().any(|error| leave_out(draft, report, error)) {
            continue;
        }
        loads = false;
        let mut said = Vec::new();
        for Problem { path, message, hint, .. } in errors {
            let place = draft.origin(path).unwrap_or_default();
            // A rule becomes several policies, and is said once.
            if !said.contains(&place) {
                report.lost(
                    place.clone(),
                    format!("this version does not load it: {message}"),
                    hint,
                );
                said.push(place);
            }
        }
        // The rest is looked at without them.
        if policies.is_some() || draft.get(POLICIES).is_none() {
            break;
        }
        policies = draft.get(POLICIES).cloned();
        draft.replace(POLICIES, json!([{ "name": "everything", "type": "always_sample" }]));
    }
    if let Some(policies) = policies {
        draft.replace(POLICIES, policies);
    }
    loads
}

/// A number or text, as YAML has it.
fn read(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| Value::from(text), Value::from)
}

/// Whether what is wrong is so on this machine only: the value is filled in where the process runs, or a
/// file is there.
fn is_of_another_machine(draft: &Draft, error: &Problem) -> bool {
    let Some(value) = draft.get(&error.path) else { return false };
    let is_file = error.path.rsplit('.').next().is_some_and(names_files);
    holds_reference(value)
        || (is_file && mentions(value, error))
        || value.as_object().is_some_and(|map| {
            map.iter().any(|(key, value)| names_files(key) && mentions(value, error))
        })
}

fn holds_reference(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains("${"))
}

/// Whether the value of `key` is a file to read.
fn names_files(key: &str) -> bool {
    let key = key.split('[').next().unwrap_or(key);
    key.ends_with("_file") || key.ends_with("_files")
}

/// The part that can be left out where the file at `path` cannot be read.
fn around_files(path: &str) -> &str {
    const TENANTS: &str = "authentication";
    match path.rsplit_once('.') {
        _ if path.starts_with(TENANTS) => TENANTS,
        // A certificate without its key is none.
        Some((around, key)) if names_files(key) => around,
        _ => path,
    }
}

/// Whether `error` is about one of the texts in `value`.
fn mentions(value: &Value, error: &Problem) -> bool {
    match value {
        Value::String(text) => error.message.contains(text.as_str()) || error.value == *text,
        Value::Array(items) => items.iter().any(|item| mentions(item, error)),
        _ => false,
    }
}

/// Leaves out what is refused; `false` if it has to stay.
fn leave_out(draft: &mut Draft, report: &mut Report, error: &Problem) -> bool {
    let path = &error.path;
    if path == exact::PATH {
        exact::withdraw(draft, report);
        return true;
    }
    if path.starts_with(POLICIES) {
        return false;
    }
    let place = draft.origin(path).unwrap_or_default();
    let removed = draft.remove(path);
    if removed {
        let (parent, key) = path.rsplit_once('.').unwrap_or(("", path));
        if draft.get(parent).is_some() {
            draft.comment(parent, format!("left out: `{key}`: {}", error.message));
        }
        report.not_taken(&place);
        report.lost(place, &error.message, &error.hint);
    }
    removed
}

/// Deals with the first warning about something that can go or be written otherwise; `false` if there
/// is none.
fn lighten(
    draft: &mut Draft,
    report: &mut Report,
    checked: &Checked,
    check: &dyn Fn(&Draft) -> Checked,
) -> bool {
    if checked.effective.is_null() {
        return false;
    }
    for Problem { path, message, hint, .. } in &checked.warnings {
        let Some(written) = draft.get(path).cloned() else { continue };
        let place = draft.origin(path).unwrap_or_default();
        let said = match (message.as_str(), hint.as_str()) {
            (message, "") => message.to_owned(),
            // The list says so.
            ("not needed" | "has no effect", why) => why.to_owned(),
            (message, hint) => format!("{message}: {hint}"),
        };
        let mut without = draft.clone();
        without.remove(path);
        let least = check(&without).effective;
        let used = at(&checked.effective, path);
        if least == checked.effective || (is_said_idle(message) && used == Some(&written)) {
            *draft = without;
            report.not_needed(place, said);
            return true;
        }
        // A number that counts something else here.
        let is_other = used.filter(|used| **used != written && !same(used, &written));
        if let Some(used) = is_other.filter(|_| !is_within_policies(path)) {
            draft.replace(path, used.clone());
            draft.comment(path, format!("was {written}: {message}"));
            report.taken(place, said);
            return true;
        }
        report.taken(place, said);
    }
    false
}

fn is_within_policies(path: &str) -> bool {
    path.starts_with(POLICIES)
}

/// What the loader says of keys that only stand there.
fn is_said_idle(message: &str) -> bool {
    ["not needed", "no effect", "not looked at"].iter().any(|words| message.contains(words))
}

/// Whether two values are one in two spellings.
fn same(a: &Value, b: &Value) -> bool {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text(a) == text(b)
}

/// The value at `path`.
fn at<'a>(tree: &'a Value, path: &str) -> Option<&'a Value> {
    let mut value = tree;
    for part in path.split('.') {
        let (key, index) = match part.split_once('[') {
            Some((key, index)) => (key, index.trim_end_matches(']').parse::<usize>().ok()),
            None => (part, None),
        };
        value = value.get(key)?;
        if let Some(index) = index {
            value = value.get(index)?;
        }
    }
    Some(value)
}
