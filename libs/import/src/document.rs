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
        let values = parsed(text).map_err(|error| {
            let error = error.trim_end();
            Unreadable(format!("{name}: the file is not YAML: {error}"))
        })?;
        let place = Place::of_file(name);
        let values = values.into_iter().filter(|value| !value.is_null());
        documents.extend(values.map(|value| Document { place: place.clone(), value }));
    }
    Ok(documents)
}

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
