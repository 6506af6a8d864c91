//! Every crate is under the lints of the workspace, and `unsafe` is in one place.

use super::{files, packages, read, root, toml};

/// The crate that may call into C, once.
const LEAF: &str = "libs/kafka-bootstrap";

#[test]
fn every_crate_is_under_the_lints_of_the_workspace() {
    let workspace = toml(&root().join("Cargo.toml"));
    assert_eq!(workspace["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    for package in packages(root()).iter().filter(|package| *package != LEAF) {
        let manifest = toml(&root().join(package).join("Cargo.toml"));
        let inherits = manifest["lints"]["workspace"].as_bool();
        assert_eq!(inherits, Some(true), "{package}/Cargo.toml: `lints.workspace`");
    }
}

#[test]
fn the_one_crate_with_unsafe_is_a_leaf_and_has_it_once() {
    let folder = root().join(LEAF);
    let manifest = toml(&folder.join("Cargo.toml"));
    assert_eq!(manifest["lints"]["rust"]["unsafe_code"].as_str(), Some("deny"));
    let dependencies = manifest["dependencies"].as_table().expect("a table");
    for (name, _) in dependencies {
        assert!(!name.starts_with("wholetrace"), "{LEAF} depends on {name}");
    }
    let text: String = files(&folder, "rs").iter().map(|file| read(file)).collect();
    assert_eq!(text.matches("unsafe {").count(), 1, "{LEAF}");
}
