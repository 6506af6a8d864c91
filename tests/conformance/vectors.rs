//! Files of vectors: traces, sets of policies as a user would write them, and which of the traces
//! each set keeps in a Collector.
//!
//! ```yaml
//! traces:
//!   ok: [{}]
//!   bad: [{}, {status: ERROR}]
//! sets:
//!   - name: errors
//!     kept: bad
//!     policies: [{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}]
//! ```
//!
//! `kept` is what a Collector did. It is written by the recorder, and by nobody else: names of
//! traces in the order of the file, `first..last` for three and more in a row, `all` or `none`.
//! All other keys of a set are those of the block `tail_sampling`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::notation::Trace;

/// A file of vectors.
pub(crate) struct Vectors {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) traces: Vec<Trace>,
    pub(crate) sets: Vec<Set>,
}

/// A set of policies, and the traces that a Collector keeps by it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Set {
    pub(crate) name: String,
    /// Unset until it is recorded.
    #[serde(default)]
    pub(crate) kept: Option<String>,
    /// The block `tail_sampling`.
    #[serde(flatten)]
    pub(crate) block: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    traces: Map<String, Value>,
    sets: Vec<Set>,
}

/// The files of vectors, each about one matter.
const FILES: [&str; 9] = [
    "attributes.yaml",
    "budgets.yaml",
    "chance.yaml",
    "generated.yaml",
    "latency.yaml",
    "nested.yaml",
    "ottl.yaml",
    "patterns.yaml",
    "spans.yaml",
];

/// All files of vectors.
pub(crate) fn all() -> Vec<Vectors> {
    FILES.iter().map(|file| Vectors::read(&folder().join(file))).collect()
}

/// Where they stand, whichever package of the workspace the test is of.
pub(crate) fn folder() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut folders = own.map(|folder| folder.join("tests/conformance/vectors"));
    folders.find(|vectors| vectors.is_dir()).expect("the workspace has the vectors")
}

/// What stands in a file, as a Collector reads it: `yes` and `n` are texts.
pub(crate) fn from_yaml<T: DeserializeOwned>(text: &str, name: &str) -> T {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options)
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

impl Vectors {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        Self::parse(path, &text)
    }

    /// The vectors in a text that stands, or could stand, in the file `path`.
    pub(crate) fn parse(path: &Path, text: &str) -> Self {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let raw: Raw = from_yaml(text, &name);
        let trace = |(trace, noted): (&String, &Value)| {
            Trace::parse(&name, trace, noted).unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        let traces: Vec<Trace> = raw.traces.iter().map(trace).collect();
        let ids: BTreeSet<u128> = traces.iter().map(|trace| trace.id).collect();
        assert_eq!(ids.len(), traces.len(), "{name}: two traces have one id");
        for word in ["all", "none"] {
            assert!(!raw.traces.contains_key(word), "{name}: no trace can be called `{word}`");
        }
        let names: BTreeSet<&str> = raw.sets.iter().map(|set| set.name.as_str()).collect();
        assert_eq!(names.len(), raw.sets.len(), "{name}: two sets have one name");
        Self { name, path: path.to_owned(), traces, sets: raw.sets }
    }

    /// The traces, by their places, that a line of names stands for.
    pub(crate) fn places(&self, names: &str) -> BTreeSet<usize> {
        let place = |name: &str| {
            let place = self.traces.iter().position(|trace| trace.name == name);
            place.unwrap_or_else(|| panic!("{}: no trace is called `{name}`", self.name))
        };
        match names {
            "all" => (0..self.traces.len()).collect(),
            "none" => BTreeSet::new(),
            names => names
                .split_whitespace()
                .flat_map(|name| match name.split_once("..") {
                    Some((first, last)) => place(first)..=place(last),
                    None => place(name)..=place(name),
                })
                .collect(),
        }
    }

    /// The line of names that stands for the traces at `places`.
    pub(crate) fn names(&self, places: &BTreeSet<usize>) -> String {
        if places.is_empty() {
            return "none".to_owned();
        }
        if places.len() == self.traces.len() {
            return "all".to_owned();
        }
        let mut runs = Vec::<(usize, usize)>::new();
        for place in places {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == *place => *last = *place,
                _ => runs.push((*place, *place)),
            }
        }
        let name = |place: usize| self.traces[place].name.as_str();
        let run = |(first, last): (usize, usize)| match last - first {
            0 => name(first).to_owned(),
            1 => format!("{} {}", name(first), name(last)),
            _ => format!("{}..{}", name(first), name(last)),
        };
        runs.into_iter().map(run).collect::<Vec<_>>().join(" ")
    }

    /// Writes into the file what each of its sets keeps, in the order of the sets. All else of
    /// the file stays as it is.
    pub(crate) fn write(&self, kept: &[BTreeSet<usize>]) {
        let text = fs::read_to_string(&self.path).expect("it was read");
        let (head, sets) = text.split_once("\nsets:\n").expect("sets begin on a line");
        let mut written = format!("{head}\nsets:\n");
        let mut kept = kept.iter();
        for line in sets.lines().filter(|line| !line.starts_with("    kept:")) {
            written.push_str(line);
            written.push('\n');
            if line.starts_with("  - name:") {
                let names = self.names(kept.next().expect("as many as there are sets"));
                written.push_str(&format!("    kept: {names}\n"));
            }
        }
        assert!(kept.next().is_none(), "{}: each set begins with `  - name:`", self.name);
        fs::write(&self.path, written).expect("written");
    }
}
