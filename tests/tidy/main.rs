//! The shape of the source tree, as a test: what imports what, what can be read in one sitting,
//! what nothing uses, what the pages say of the tree, that known traps are tested, and nothing that
//! belongs to one machine.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod dependencies;
mod lengths;
mod lints;
mod machine;
mod modules;
mod pages;
mod traps;
mod unused;

use std::{
    fs,
    path::{Path, PathBuf},
};

use toml_edit::DocumentMut;

/// The folder of the workspace.
fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).expect("the folder is `tests/tidy`")
}

/// A file of the tree.
fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// A manifest, or another file in TOML.
fn toml(file: &Path) -> DocumentMut {
    read(file).parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The folders of the workspace's packages, relative to `root`; the one at the root is empty.
fn packages(root: &Path) -> Vec<String> {
    let manifest = toml(&root.join("Cargo.toml"));
    let members = manifest["workspace"]["members"].as_array().expect("members").iter();
    let members = members.map(|one| one.as_str().expect("a folder").to_owned());
    std::iter::once(String::new()).chain(members).collect()
}

/// The sources of each crate.
fn sources() -> Vec<PathBuf> {
    let folders = packages(root()).into_iter().map(|package| root().join(package).join("src"));
    folders.filter(|folder| folder.is_dir()).collect()
}

/// All files below `folder` with this extension, sorted.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let has_it = |file: &PathBuf| file.extension().is_some_and(|is| is == extension);
    tree(folder).into_iter().filter(has_it).collect()
}

/// All files below `folder`, sorted, without what `.gitignore` of the workspace names, and without
/// links: what they lead to stands elsewhere.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let ignored = read(&root().join(".gitignore"));
    let ignored: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('/')).collect();
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            let name = entry.file_name();
            let below = path.strip_prefix(root()).unwrap_or(&path);
            let is_ignored = ignored.iter().any(|one| Path::new(one) == below);
            if name == ".git" || path.is_symlink() || is_ignored {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// How the path of a file is written below `root`.
fn relative(file: &Path, root: &Path) -> String {
    file.strip_prefix(root).unwrap_or(file).to_string_lossy().into_owned()
}
