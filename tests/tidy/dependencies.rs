//! The rules of `deny.toml`, applied to what cargo says of the dependencies: for where
//! `cargo deny` is not installed. It reads the lists that are in the file, and no others.
//! And what is named as a dependency but not used.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

use super::{read, root, toml};

/// The registry that dependencies may come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What cargo says of a workspace and all that it depends on.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    /// None for what is in the workspace.
    source: Option<String>,
    dependencies: Vec<Dependency>,
    manifest_path: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// What the package calls it, where that is another name.
    rename: Option<String>,
    req: String,
    source: Option<String>,
}

/// What may come in with a dependency.
#[derive(Debug)]
struct Rules {
    targets: Vec<String>,
    licenses: Vec<String>,
}

impl Rules {
    /// Those in `deny.toml` below `root`.
    fn read(root: &Path) -> Self {
        let file = toml(&root.join("deny.toml"));
        let list = |section: &str, key: &str| -> Vec<String> {
            let items = file[section][key].as_array().expect("a list").iter();
            items.map(|item| item.as_str().expect("a text").to_owned()).collect()
        };
        for (section, key) in [("sources", "unknown-registry"), ("sources", "unknown-git")] {
            assert_eq!(file[section][key].as_str(), Some("deny"), "{section}.{key}");
        }
        assert_eq!(file["bans"]["wildcards"].as_str(), Some("deny"), "bans.wildcards");
        Self { targets: list("graph", "targets"), licenses: list("licenses", "allow") }
    }
}

/// What cargo says of the workspace at `root`, for all targets of `rules`.
fn metadata(root: &Path, rules: &Rules) -> Metadata {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version", "1", "--locked"]).current_dir(root);
    for target in &rules.targets {
        command.args(["--filter-platform", target]);
    }
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("metadata")
}

/// All that breaks `rules`.
fn breaches(metadata: &Metadata, rules: &Rules) -> Vec<String> {
    let mut breaches = Vec::new();
    for package in &metadata.packages {
        let name = format!("{} {}", package.name, package.version);
        match &package.license {
            None => breaches.push(format!("{name} names no license")),
            Some(license) if !is_allowed(license, &rules.licenses) => {
                breaches.push(format!("{name} has the license `{license}`"));
            }
            Some(_) => {}
        }
        match &package.source {
            Some(source) if source != REGISTRY => {
                breaches.push(format!("{name} comes from `{source}`"));
            }
            Some(_) => {}
            None => breaches.extend(wildcards(package).map(|one| format!("{name}: {one}"))),
        }
    }
    breaches
}

/// Dependencies of a package of ours that take any version.
fn wildcards(package: &Package) -> impl Iterator<Item = String> {
    let open = package.dependencies.iter().filter(|one| one.req == "*" && one.source.is_some());
    open.map(|one| format!("`{}` may have any version", one.name))
}

/// Crates that come in several versions, which costs time to build and is no breach.
fn repeated(metadata: &Metadata) -> Vec<String> {
    let mut versions = BTreeMap::<&str, Vec<&str>>::new();
    for package in &metadata.packages {
        versions.entry(&package.name).or_default().push(&package.version);
    }
    let several = versions.iter().filter(|(_, versions)| versions.len() > 1);
    several.map(|(name, versions)| format!("{name} {}", versions.join(", "))).collect()
}

/// Dependencies that the workspace at `root` lists and no package of it has, and those that a
/// package has and none of its source files names.
fn unused(metadata: &Metadata, root: &Path) -> Vec<String> {
    let ours: Vec<&Package> = metadata.packages.iter().filter(|one| one.source.is_none()).collect();
    let file = toml(&root.join("Cargo.toml"));
    let listed = file["workspace"]["dependencies"].as_table_like().expect("a table").iter();
    let called = |one: &Dependency| one.rename.clone().unwrap_or_else(|| one.name.clone());
    let had =
        |name: &str| ours.iter().flat_map(|one| &one.dependencies).any(|one| called(one) == name);
    let mut unused: Vec<String> = listed
        .filter(|(name, _)| !had(name))
        .map(|(name, _)| format!("no package has {name}"))
        .collect();
    for package in &ours {
        let folder = package.manifest_path.parent().expect("a manifest is in a folder");
        // The package at the root has the others below it.
        let inner: Vec<&Path> = ours
            .iter()
            .filter_map(|other| other.manifest_path.parent())
            .filter(|other| *other != folder && other.starts_with(folder))
            .collect();
        let sources: String = super::files(folder, "rs")
            .iter()
            .filter(|file| !inner.iter().any(|inner| file.starts_with(inner)))
            .map(|file| read(file))
            .collect();
        for one in &package.dependencies {
            let name = called(one).replace('-', "_");
            if !names(&sources, &name) {
                unused.push(format!("{} does not use {}", package.name, one.name));
            }
        }
    }
    unused
}

/// Whether `text` has `word`, and not only as a part of another one.
fn names(text: &str, word: &str) -> bool {
    let in_word = |one: char| one.is_alphanumeric() || one == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(in_word) && !text[at + word.len()..].starts_with(in_word)
    })
}

/// Whether a license expression, as SPDX has them, can be satisfied with `allowed` licenses.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    // An older way to write `OR`.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    alternatives(&mut rest, allowed) && rest.is_empty()
}

/// One of several: `AND` binds closer than `OR`.
fn alternatives(words: &mut &[&str], allowed: &[String]) -> bool {
    let mut any = together(words, allowed);
    while let [first, rest @ ..] = *words
        && *first == "OR"
    {
        *words = rest;
        any |= together(words, allowed);
    }
    any
}

/// All of several.
fn together(words: &mut &[&str], allowed: &[String]) -> bool {
    let mut all = license(words, allowed);
    while let [first, rest @ ..] = *words
        && *first == "AND"
    {
        *words = rest;
        all &= license(words, allowed);
    }
    all
}

fn license(words: &mut &[&str], allowed: &[String]) -> bool {
    let (name, rest) = match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let inside = alternatives(words, allowed);
            let closed = words.first() == Some(&")");
            *words = words.get(1..).unwrap_or_default();
            return inside && closed;
        }
        [license, "WITH", exception, rest @ ..] => (format!("{license} WITH {exception}"), rest),
        [license, rest @ ..] => ((*license).to_owned(), rest),
        [] => return false,
    };
    *words = rest;
    allowed.contains(&name)
}

#[test]
fn dependencies_keep_the_rules_of_deny_toml() {
    let rules = Rules::read(root());
    let metadata = metadata(root(), &rules);
    for one in repeated(&metadata) {
        println!("in several versions: {one}");
    }
    let breaches = breaches(&metadata, &rules);
    assert!(breaches.is_empty(), "against deny.toml:\n{}", breaches.join("\n"));
}

#[test]
fn dependencies_are_used() {
    let unused = unused(&metadata(root(), &Rules::read(root())), root());
    assert!(unused.is_empty(), "to be taken out of Cargo.toml:\n{}", unused.join("\n"));
}

#[test]
fn license_expressions_are_understood() {
    let allowed: Vec<String> =
        ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
    for (expression, expected) in [
        ("MIT", true),
        ("MIT/GPL-3.0", true),
        ("GPL-3.0 OR ISC", true),
        ("MIT AND GPL-3.0", false),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("GPL-3.0 OR MIT AND ISC", true),
        ("(MIT OR ISC) AND GPL-3.0", false),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
        ("Apache-2.0", false),
        ("(MIT", false),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}
