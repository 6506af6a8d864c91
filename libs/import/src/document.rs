//! Files as trees of values.

use serde_json::Value;
use serde_saphyr::options::NonFiniteFloatPolicy;

use crate::{front::Unreadable, report::Place};

/// A file as it was read.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name, for messages.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// A tree of values, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// Bytes of a file that are read; a configuration is never so large.
const FILE_BYTES_MAX: usize = 16 << 20;

/// All documents of `files`; those that say nothing are left out.
pub(crate) fn read(files: &[Source]) -> Result<Vec<Document>, Unreadable> {
    let mut documents = Vec::new();
    for Source { name, text } in files {
        if text.len() > FILE_BYTES_MAX {
            let bytes = text.len();
            return Err(Unreadable(format!(
                "{name}: {bytes} bytes are more than a configuration has (at most {FILE_BYTES_MAX})"
            )));
        }
        let values = parsed(text);
        // A text is all that YAML makes of some files of TOML.
        let is_plain = values.as_ref().map_or(true, |values| values.iter().all(Value::is_string));
        if is_plain && is_toml(name, text) {
            return Err(toml(name));
        }
        let values = values.map_err(|error| {
            let error = error.trim_end();
            Unreadable(format!("{name}: the file is not YAML: {error}"))
        })?;
        let place = Place::of_file(name);
        let values = values.into_iter().filter(|value| !value.is_null());
        documents.extend(values.map(|value| Document { place: place.clone(), value }));
    }
    Ok(documents)
}

/// Whether a file that is no YAML is TOML: it begins with a table or a setting.
fn is_toml(name: &str, text: &str) -> bool {
    let is_word = |one: char| one.is_alphanumeric() || "_-.\"' ".contains(one);
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    let is_setting =
        first.split_once('=').is_some_and(|(key, _)| !key.is_empty() && key.chars().all(is_word));
    let is_table = first.starts_with('[') && first.ends_with(']');
    name.ends_with(".toml") || is_setting || is_table
}

/// What is said of TOML, which only files of Refinery's first version are.
fn toml(name: &str) -> Unreadable {
    Unreadable(format!(
        "{name}: the file is TOML, as rules and configurations of Refinery's version 1 are: {CONVERT}"
    ))
}

/// What becomes of files of Refinery's version 1.
pub(crate) const CONVERT: &str = "bring it to version 2 with Refinery's own converter (`convert rules \
     --input OLD --output rules.yaml`, or `convert config`), and import what that writes";

/// The documents in `text`. Plain words and numbers are what they are for a Collector: `yes` is text, a
/// number that begins with a zero is octal.
pub(crate) fn parsed(text: &str) -> Result<Vec<Value>, String> {
    let options = serde_saphyr::options! {
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        strict_booleans: true,
        legacy_octal_numbers: true,
    };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| error.to_string())
}

/// A list of words; a single one stands for a list of one.
pub(crate) fn words(value: Option<&Value>) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match value {
        Some(Value::Array(items)) => items.iter().filter_map(text).collect(),
        Some(value) => text(value).into_iter().collect(),
        None => Vec::new(),
    }
}
