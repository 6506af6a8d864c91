//! The shape of the source tree, as a test: no import cycles between modules, files that can be
//! read in one sitting, and nothing in the tree that belongs to one machine.

mod dependencies;
mod modules;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The crates of the workspace, by the folder of their sources.
const CRATES: [&str; 9] = [
    "src",
    "proto/src",
    "gateway/src",
    "sampler/src",
    "libs/exporter/src",
    "libs/generate/src",
    "libs/spanlog/src",
    "libs/spanlog-kafka/src",
    "libs/runtime/src",
];

/// Lines that nine files in ten stay below.
const FILE_LINES: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` with this extension, sorted.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" && name != "node_modules" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|is| is == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn no_import_cycles_between_modules() {
    let mut cycles = Vec::new();
    for sources in CRATES {
        let graph = modules::graph(&root().join(sources)).expect("the sources parse");
        assert!(!graph.is_empty(), "no modules were found in {sources}");
        cycles
            .extend(modules::cycles(&graph).into_iter().map(|cycle| format!("{sources}: {cycle}")));
    }
    assert!(cycles.is_empty(), "modules that import each other:\n{}", cycles.join("\n"));
}

#[test]
fn a_cycle_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("write");
    fs::create_dir(folder.path().join("c")).expect("a folder");
    write("lib.rs", "mod a; mod b; mod c; pub use c::C;");
    write("a.rs", "use crate::{b::{B, Other}, c};");
    write("b.rs", "fn f() { let _ = super::a::A::new(); }");
    write("c.rs", "mod d; use d::D; #[cfg(test)] mod tests { use crate::a::A; }");
    write("c/d.rs", "pub(in crate::c) struct D;");
    let graph = modules::graph(folder.path()).expect("it parses");
    let cycles = modules::cycles(&graph);
    assert_eq!(cycles, ["a, b"]);
}

#[test]
fn dependencies_keep_the_rules_of_deny_toml() {
    let rules = dependencies::Rules::read(root());
    let metadata = dependencies::metadata(root(), &rules);
    for one in dependencies::repeated(&metadata) {
        println!("in several versions: {one}");
    }
    let breaches = dependencies::breaches(&metadata, &rules);
    assert!(breaches.is_empty(), "against deny.toml:\n{}", breaches.join("\n"));
}

#[test]
fn dependencies_are_used() {
    let metadata = dependencies::metadata(root(), &dependencies::Rules::read(root()));
    let unused = dependencies::unused(&metadata, root());
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
        assert_eq!(dependencies::is_allowed(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn nine_files_in_ten_can_be_read_in_one_sitting() {
    let mut lengths = Vec::new();
    for sources in CRATES {
        for file in files(&root().join(sources), "rs") {
            let lines = fs::read_to_string(&file).expect("a source file").lines().count();
            lengths.push((lines, file));
        }
    }
    lengths.sort();
    let long: Vec<_> = lengths.iter().filter(|(lines, _)| *lines > FILE_LINES).collect();
    assert!(
        long.len() * 10 <= lengths.len(),
        "{} of {} files have more than {FILE_LINES} lines: {long:#?}",
        long.len(),
        lengths.len()
    );
}

#[test]
fn nothing_names_a_machine() {
    // Written in halves, so that this file passes its own test.
    let paths = ["/ro", "/wo", "/ho"];
    let rests = ["ot/", "rk/", "me/"];
    let mut hits = Vec::new();
    for extension in ["rs", "toml", "md", "yaml", "sh", "proto"] {
        for file in files(root(), extension) {
            let text = fs::read_to_string(&file).expect("a text file");
            for (path, rest) in paths.iter().zip(rests) {
                for (number, line) in text.lines().enumerate() {
                    if let Some(at) = line.find(&format!("{path}{rest}")) {
                        let before = line[..at].chars().next_back();
                        if before.is_none_or(|before| " \"'`(=".contains(before)) {
                            hits.push(format!("{}:{}: {line}", file.display(), number + 1));
                        }
                    }
                }
            }
        }
    }
    assert!(hits.is_empty(), "paths of one machine:\n{}", hits.join("\n"));
}
