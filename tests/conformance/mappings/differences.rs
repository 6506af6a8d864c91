//! The differences that are meant, from `mappings/differences.yaml`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde::Deserialize;

use super::cases::{folder, yaml};
use crate::vectors;

/// A difference that is meant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    name: String,
    reason: String,
    /// Lines that are only here. A `*` stands for anything.
    #[serde(default)]
    here: Vec<String>,
    /// Lines that are only a Collector's.
    #[serde(default)]
    there: Vec<String>,
    /// All cases that it is in, by format: their names, with blanks between.
    cases: BTreeMap<String, String>,
}

impl Difference {
    /// The cases that it is in, `format/case`.
    fn cases(&self) -> impl Iterator<Item = String> {
        self.cases.iter().flat_map(|(format, names)| {
            names.split_whitespace().map(move |name| format!("{format}/{name}"))
        })
    }

    fn is_in(&self, case: &str) -> bool {
        self.cases().any(|known| known == case)
    }
}

/// All of them.
pub(super) struct Differences(Vec<Difference>);

impl Differences {
    /// Those in this file.
    pub(super) fn read(file: &str) -> Self {
        Self(yaml(&folder().join(file)))
    }

    /// Whether one names `case`.
    pub(super) fn names(&self, case: &str) -> bool {
        self.0.iter().any(|difference| difference.is_in(case))
    }

    /// The cases that are named and that no format has.
    pub(super) fn unknown(&self, known: &BTreeSet<String>) -> Vec<String> {
        let named = self.0.iter().flat_map(Difference::cases);
        let unknown = named.filter(|case| !known.contains(case));
        unknown.map(|case| format!("{case} is listed and not there")).collect()
    }

    /// Lines of `case`, only `here` and only `there`, that no difference which names the case has;
    /// and the differences which name it and have none of them.
    pub(super) fn unexplained(&self, case: &str, here: &[String], there: &[String]) -> Vec<String> {
        let naming: Vec<&Difference> =
            self.0.iter().filter(|difference| difference.is_in(case)).collect();
        let mut wrong = Vec::new();
        for (sign, lines) in [("+", here), ("-", there)] {
            let of = |difference: &&&Difference, line: &str| {
                let patterns = if sign == "+" { &difference.here } else { &difference.there };
                patterns.iter().any(|pattern| matches(pattern, unnumbered(line)))
            };
            let is_meant = |line: &&String| naming.iter().any(|one| of(&one, line));
            let left = lines.iter().filter(|line| !is_meant(line));
            wrong.extend(left.map(|line| format!("{case}: {sign} {line}")));
        }
        let any = |patterns: &[String], lines: &[String]| {
            patterns
                .iter()
                .any(|pattern| lines.iter().any(|line| matches(pattern, unnumbered(line))))
        };
        let idle = naming.iter().filter(|one| !any(&one.here, here) && !any(&one.there, there));
        wrong.extend(idle.map(|one| format!("{case}: `{}` is not in it", one.name)));
        wrong
    }
}

/// A line without the number of its span.
fn unnumbered(line: &str) -> &str {
    line.trim_start_matches(|letter: char| letter.is_ascii_digit()).trim_start()
}

/// Whether `text` is `pattern`, in which each `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[test]
fn the_page_tells_of_every_difference() {
    let root = vectors::folder().ancestors().nth(3).map(std::path::Path::to_owned);
    let page = root.expect("the workspace").join("docs/protocols.md");
    let page = fs::read_to_string(page).expect("the page");
    let files = ["differences.yaml", "zipkin_differences.yaml"].map(Differences::read);
    for Difference { name, reason, .. } in files.into_iter().flat_map(|file| file.0) {
        assert!(!reason.is_empty(), "`{name}` has no reason");
        let row = format!("| {name} |");
        assert!(page.contains(&row), "docs/protocols.md does not tell of `{name}`");
    }
}

#[test]
fn a_star_stands_for_anything() {
    for (pattern, text, is) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a*", "ab", true),
        ("*b", "ab", true),
        ("*", "", true),
        ("a*c*e", "abcde", true),
        ("a*c*e", "abde", false),
    ] {
        assert_eq!(matches(pattern, text), is, "{pattern} {text}");
    }
    assert_eq!(unnumbered("12 name \"1\""), "name \"1\"");
}
