//! The cases of a format, and what a Collector made of them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::format::Format;
use crate::vectors;

/// What is sent in one request, or one datagram.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// What `bytes` were made of.
    sent: Value,
    /// The case that it is taken as here, where a Collector refuses or mistakes it.
    pub(super) taken_as: Option<String>,
}

/// The cases of a format.
pub(super) struct Cases {
    pub(super) format: Format,
    pub(super) all: Vec<Case>,
}

/// A case of which more is to be said than what is sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    sent: Value,
    #[serde(rename = "as")]
    taken_as: String,
}

impl Cases {
    pub(super) fn read(format: Format) -> Self {
        let raw: Map<String, Value> = yaml(&folder().join(format.files()[0]));
        let case = |(name, value): (String, Value)| {
            let (sent, taken_as) = match serde_json::from_value::<Said>(value.clone()) {
                Ok(said) => (said.sent, Some(said.taken_as)),
                Err(_) => (value, None),
            };
            Case { bytes: format.bytes(&name, &sent), sent, name, taken_as }
        };
        Self { format, all: raw.into_iter().map(case).collect() }
    }

    pub(super) fn named(&self, name: &str) -> &Case {
        let found = self.all.iter().find(|case| case.name == name);
        found.unwrap_or_else(|| panic!("{}: no case is called `{name}`", self.format.name()))
    }

    /// The bytes of a case of Jaeger's in Thrift, posted over HTTP.
    pub(super) fn posted(&self, case: &Case) -> Vec<u8> {
        Format::JaegerThrift.bytes(&case.name, &case.sent)
    }

    /// What a Collector made of each case: lines, by the case's name.
    pub(super) fn recorded(&self) -> BTreeMap<String, Vec<String>> {
        recorded(self.format.files()[1])
    }

    /// Writes what a Collector made of each case, in their order.
    pub(super) fn write(&self, made: &[Vec<String>]) {
        write(self.format.files()[1], self, made);
    }
}

/// What is recorded in `file`: lines, by the case's name.
pub(super) fn recorded(file: &str) -> BTreeMap<String, Vec<String>> {
    let texts: BTreeMap<String, String> = yaml(&folder().join(file));
    let lines = |text: String| text.lines().map(str::to_owned).collect();
    texts.into_iter().map(|(name, text)| (name, lines(text))).collect()
}

/// Writes to `file` what was made of each of the cases, in their order.
pub(super) fn write(file: &str, cases: &Cases, made: &[Vec<String>]) {
    let mut text = "# Written by tests/conformance/record.\n".to_owned();
    for (case, lines) in cases.all.iter().zip(made) {
        text.push_str(&format!("{}: |\n", case.name));
        for line in lines {
            text.push_str(&format!("  {line}\n"));
        }
    }
    fs::write(folder().join(file), text).expect("written");
}

pub(super) fn folder() -> PathBuf {
    vectors::folder().with_file_name("mappings")
}

pub(super) fn yaml<T: DeserializeOwned>(path: &Path) -> T {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    vectors::from_yaml(&text, &path.to_string_lossy())
}
