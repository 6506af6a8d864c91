//! Files that nothing uses: sources that are part of no target, and files that no other names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::{read, relative, root, toml, tree};

/// Files that a tool or a reader finds by their names alone.
const FOUND_BY_NAME: [&str; 17] = [
    ".dockerignore",
    ".editorconfig",
    ".gitignore",
    ".helmignore",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "Chart.yaml",
    "LICENSE",
    "README.md",
    "clippy.toml",
    "deny.toml",
    "go.mod",
    "go.sum",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "values.schema.json",
];

/// Whether `file` is among the templates of a chart.
fn is_template(file: &Path) -> bool {
    let mut folders = file.ancestors().filter(|folder| folder.ends_with("templates"));
    folders.any(|folder| folder.with_file_name("Chart.yaml").is_file())
}

/// Those of `files`, all below `root`, that nothing uses.
fn unused(root: &Path, files: &[PathBuf]) -> Vec<String> {
    let built = built(files);
    // What is no text cannot name anything.
    let texts: Vec<(&PathBuf, String)> =
        files.iter().filter_map(|file| Some((file, fs::read_to_string(file).ok()?))).collect();
    let mut times = BTreeMap::<String, usize>::new();
    for file in files {
        *times.entry(name(file)).or_default() += 1;
    }
    let is_used = |file: &PathBuf| {
        let own = name(file);
        match file.extension().and_then(|is| is.to_str()) {
            Some("rs") => return built.contains(file),
            // Go builds folders.
            Some("go") => return file.with_file_name("go.mod").is_file(),
            // Helm renders folders.
            Some("yaml" | "tpl") if is_template(file) => return true,
            _ if FOUND_BY_NAME.contains(&own.as_str()) => return true,
            _ => {}
        }
        // A word of its own, and not one that several files have.
        let telling = own.contains('.') && times.get(&own) == Some(&1);
        let place = relative(file, root);
        let in_folder = place.rsplit('/').take(2).collect::<Vec<_>>();
        let in_folder = in_folder.into_iter().rev().collect::<Vec<_>>().join("/");
        texts.iter().filter(|(other, _)| *other != file).any(|(other, text)| {
            let beside = other.parent() == file.parent();
            names(text, &in_folder)
                || (telling || (beside && own.contains('.'))) && names(text, &own)
                || beside && imports(other, text, file)
        })
    };
    let unused = files.iter().filter(|file| !is_used(file));
    unused.map(|file| relative(file, root)).collect()
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Whether `text` has `name` as a word of its own, or at the end of a path.
fn names(text: &str, name: &str) -> bool {
    let in_word = |one: char| one.is_alphanumeric() || one == '_' || one == '-';
    text.match_indices(name).any(|(at, _)| {
        !text[..at].ends_with(in_word) && !text[at + name.len()..].starts_with(in_word)
    })
}

/// Whether one Python file imports another in the same folder.
fn imports(other: &Path, text: &str, file: &Path) -> bool {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let python = |file: &Path| file.extension().is_some_and(|is| is == "py");
    python(other) && python(file) && names(text, &format!("import {stem}"))
        || names(text, &format!("from {stem} import"))
}

/// The sources of all targets of the packages whose manifests are in `files`.
fn built(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for manifest in files.iter().filter(|file| name(file) == "Cargo.toml") {
        for target in targets(manifest, files) {
            take(&target, true, &mut found);
        }
    }
    found
}

/// The roots of a package's targets: those that its manifest names, and those that cargo finds.
fn targets(manifest: &Path, files: &[PathBuf]) -> Vec<PathBuf> {
    let folder = manifest.parent().unwrap_or(manifest);
    let file = toml(manifest);
    let mut targets: Vec<PathBuf> =
        ["src/lib.rs", "src/main.rs", "build.rs"].iter().map(|one| folder.join(one)).collect();
    for kind in ["bin", "test", "bench", "example"] {
        let listed = file.get(kind).and_then(|list| list.as_array_of_tables()).into_iter();
        let paths = listed.flatten().filter_map(|one| one.get("path")?.as_str());
        targets.extend(paths.map(|path| folder.join(path)));
    }
    for (kind, switch) in [("tests", "autotests"), ("benches", "autobenches")] {
        let off = file.get("package").and_then(|package| package.get(switch)?.as_bool());
        let place = folder.join(kind);
        let is_root = |file: &&PathBuf| {
            let inner = file.parent().and_then(Path::parent) == Some(place.as_path());
            file.parent() == Some(place.as_path()) || inner && name(file) == "main.rs"
        };
        if off != Some(false) {
            targets.extend(files.iter().filter(is_root).cloned());
        }
    }
    targets.retain(|target| target.extension().is_some_and(|is| is == "rs") && target.is_file());
    targets
}

/// Adds the file of a module, and of all modules below it. Those of one that `owns` its folder, as
/// the root of a target does, stand beside it; those of another one in a folder of its name.
fn take(file: &Path, owns: bool, found: &mut BTreeSet<PathBuf>) {
    if !file.is_file() || !found.insert(file.to_owned()) {
        return;
    }
    let parsed =
        syn::parse_file(&read(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let beside = file.parent().unwrap_or(file);
    let inner = if owns { beside.to_owned() } else { file.with_extension("") };
    below(&parsed.items, beside, &inner, found);
}

/// Adds the modules that are declared in `items`.
fn below(items: &[syn::Item], beside: &Path, inner: &Path, found: &mut BTreeSet<PathBuf>) {
    for item in items {
        let syn::Item::Mod(module) = item else { continue };
        let own = inner.join(module.ident.to_string());
        match (&module.content, path_of(module)) {
            (Some((_, items)), _) => below(items, &own, &own, found),
            (None, Some(path)) => take(&normal(&beside.join(path)), true, found),
            (None, None) => {
                take(&own.with_extension("rs"), false, found);
                take(&own.join("mod.rs"), true, found);
            }
        }
    }
}

/// What `#[path = "…"]` says of a module.
fn path_of(module: &syn::ItemMod) -> Option<String> {
    let is_path = |one: &&syn::Attribute| one.path().is_ident("path");
    let value = &module.attrs.iter().find(is_path)?.meta.require_name_value().ok()?.value;
    match value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) => Some(path.value()),
        _ => None,
    }
}

/// A path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        if part.as_os_str() == ".." {
            normal.pop();
        } else {
            normal.push(part);
        }
    }
    normal
}

#[test]
fn every_file_is_used() {
    let unused = unused(root(), &tree(root()));
    assert!(unused.is_empty(), "nothing uses or names:\n{}", unused.join("\n"));
}

#[test]
fn a_file_that_nothing_uses_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, text).expect("written");
    };
    write(
        "Cargo.toml",
        "[package]\nname = \"a\"\nautotests = false\n[[test]]\npath = \"tests/t/main.rs\"",
    );
    write("src/lib.rs", "mod a; mod b { mod c; } #[cfg(test)] mod tests;");
    write("src/a.rs", "mod d;");
    write("src/a/d.rs", "#[path = \"../e.rs\"] mod e; mod f;");
    write("src/a/f.rs", "");
    write("src/b/c.rs", "");
    write("src/e.rs", "mod g;");
    write("src/g/mod.rs", "mod h;");
    write("src/g/h.rs", "");
    write("src/tests.rs", "");
    write("src/lost.rs", "");
    write("src/a/d/f.rs", "");
    write("tests/t/main.rs", "");
    write("tests/other.rs", "");
    write("README.md", "`run/it --all`, and docs/page.md; `one/config.yaml`, undone.txt");
    write("docs/page.md", "page.md config.yaml it");
    write("docs/lost.md", "lost.md");
    write("run/it", "from helper import x");
    write("run/it.py", "from helper import x");
    write("run/helper.py", "run/it.py");
    write("one/config.yaml", "");
    write("two/config.yaml", "");
    write("done.txt", "");
    assert_eq!(
        unused(folder.path(), &tree(folder.path())),
        [
            "docs/lost.md",
            "done.txt",
            "src/a/f.rs",
            "src/lost.rs",
            "tests/other.rs",
            "two/config.yaml",
        ]
    );
}
