//! The differences that are meant, from `differences.yaml`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde::Deserialize;

use crate::vectors::{self, Vectors};

/// A difference that is meant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Difference {
    pub(crate) name: String,
    pub(crate) reason: String,
    /// Sets that are refused here, `file/set`.
    #[serde(default)]
    refused: BTreeSet<String>,
    /// Sets that decide otherwise, `file/set`, and the names of all traces that they do it with.
    #[serde(default)]
    sets: BTreeMap<String, String>,
    /// Configurations that load here and not there, or the other way round.
    #[serde(default)]
    configurations: BTreeSet<String>,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Differences(pub(crate) Vec<Difference>);

impl Differences {
    pub(crate) fn read() -> Self {
        let path = vectors::folder().with_file_name("differences.yaml");
        let text = fs::read_to_string(path).expect("differences.yaml");
        Self(vectors::from_yaml(&text, "differences.yaml"))
    }

    /// Whether `set`, `file/set`, is refused here.
    pub(crate) fn is_refused(&self, set: &str) -> bool {
        self.0.iter().any(|difference| difference.refused.contains(set))
    }

    /// The places of the traces that `set` decides otherwise.
    pub(crate) fn of(&self, vectors: &Vectors, set: &str) -> BTreeSet<usize> {
        let names = self.0.iter().filter_map(|difference| difference.sets.get(set));
        names.flat_map(|names| vectors.places(names)).collect()
    }

    /// The configurations that are listed.
    pub(crate) fn configurations(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|difference| &difference.configurations).map(String::as_str)
    }

    /// The sets that are named and that no file has.
    pub(crate) fn unknown(&self, files: &[Vectors]) -> Vec<String> {
        let names = |file: &Vectors| {
            let sets = file.sets.iter().map(|set| format!("{}/{}", file.name, set.name));
            sets.collect::<Vec<_>>()
        };
        let all: BTreeSet<String> = files.iter().flat_map(names).collect();
        let named = self.0.iter().flat_map(|one| one.refused.iter().chain(one.sets.keys()));
        let unknown = named.filter(|set| !all.contains(*set));
        unknown.map(|set| format!("{set} is listed and not there")).collect()
    }
}

#[test]
fn the_page_tells_of_every_difference() {
    let root = vectors::folder().ancestors().nth(3).map(Path::to_owned).expect("the workspace");
    let page = root.join("docs/collector-compatibility.md");
    let page = fs::read_to_string(page).expect("the page");
    for Difference { name, reason, .. } in Differences::read().0 {
        assert!(!reason.is_empty(), "`{name}` has no reason");
        let row = format!("| {name} |");
        assert!(page.contains(&row), "docs/collector-compatibility.md does not tell of `{name}`");
    }
}
