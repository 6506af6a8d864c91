//! The import graph of a crate's modules, read from its sources.
//!
//! A module is a file. It imports another when a path in it (in a `use`, a type or an expression)
//! leads there by `crate::`, `super::` or `self::`. Code under `#[cfg(test)]` and files called
//! `tests.rs` do not count: a test may look at everything.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use syn::visit::Visit;

/// Modules by path (`""` is the crate's root, `a::b` a child), each with those it imports.
pub(crate) type Graph = BTreeMap<String, BTreeSet<String>>;

/// Reads the graph of the crate whose sources stand in `sources`.
pub(crate) fn graph(sources: &Path) -> Result<Graph, String> {
    let files = super::files(sources, "rs");
    let mut modules = BTreeMap::new();
    for file in files {
        if file.file_name().is_some_and(|name| name == "tests.rs")
            || file.components().any(|part| part.as_os_str() == "tests")
        {
            continue;
        }
        let relative = file.strip_prefix(sources).map_err(|error| error.to_string())?;
        let mut path: Vec<String> = relative
            .with_extension("")
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        if matches!(path.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            path.pop();
        }
        let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let parsed =
            syn::parse_file(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        modules.insert(path.join("::"), parsed);
    }
    let names: BTreeSet<String> = modules.keys().cloned().collect();
    Ok(modules
        .into_iter()
        .map(|(name, parsed)| {
            let mut imports = Imports { of: &name, modules: &names, found: BTreeSet::new() };
            imports.visit_file(&parsed);
            let mut found = imports.found;
            found.remove(&name);
            (name, found)
        })
        .collect())
}

/// The groups of modules that import each other, each as one line.
pub(crate) fn cycles(graph: &Graph) -> Vec<String> {
    let reach: BTreeMap<&String, BTreeSet<&String>> =
        graph.keys().map(|from| (from, reachable(graph, from))).collect();
    let mut groups = BTreeSet::new();
    for (from, reached) in &reach {
        if reached.contains(from) {
            let group: Vec<&str> = reached
                .iter()
                .filter(|to| reach.get(*to).is_some_and(|back| back.contains(from)))
                .map(|to| if to.is_empty() { "the crate's root" } else { to.as_str() })
                .collect();
            groups.insert(group.join(", "));
        }
    }
    groups.into_iter().collect()
}

fn reachable<'a>(graph: &'a Graph, from: &'a String) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(module) = open.pop() {
        for import in graph.get(module).into_iter().flatten() {
            if reached.insert(import) {
                open.push(import);
            }
        }
    }
    reached
}

struct Imports<'a> {
    of: &'a str,
    modules: &'a BTreeSet<String>,
    found: BTreeSet<String>,
}

impl Imports<'_> {
    /// Follows `path` from this module as far as there are modules.
    fn follow(&mut self, path: &[String]) {
        let own: Vec<&str> = self.of.split("::").filter(|part| !part.is_empty()).collect();
        let (mut at, rest): (Vec<&str>, &[String]) = match path.first().map(String::as_str) {
            Some("crate") => (Vec::new(), &path[1..]),
            Some("self") => (own, &path[1..]),
            Some("super") => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                (own[..own.len().saturating_sub(ups)].to_vec(), &path[ups..])
            }
            // `use child::X` in the parent of `child`.
            Some(first) => {
                let mut child = own.clone();
                child.push(first);
                if !self.modules.contains(&child.join("::")) {
                    return;
                }
                (own, path)
            }
            None => return,
        };
        for part in rest {
            at.push(part);
            if !self.modules.contains(&at.join("::")) {
                at.pop();
                break;
            }
        }
        self.found.insert(at.join("::"));
    }

    fn follow_use(&mut self, tree: &syn::UseTree, path: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(part) => {
                path.push(part.ident.to_string());
                self.follow_use(&part.tree, path);
                path.pop();
            }
            syn::UseTree::Name(name) => {
                path.push(name.ident.to_string());
                self.follow(path);
                path.pop();
            }
            syn::UseTree::Rename(rename) => {
                path.push(rename.ident.to_string());
                self.follow(path);
                path.pop();
            }
            syn::UseTree::Glob(_) => self.follow(path),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.follow_use(tree, path);
                }
            }
        }
    }
}

fn only_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| {
                let condition = list.tokens.to_string();
                condition == "test"
                    || condition.starts_with("any (test")
                    || condition.starts_with("all (test")
            })
    })
}

impl<'ast> Visit<'ast> for Imports<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !only_for_tests(&item.attrs) {
            syn::visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !only_for_tests(&item.attrs) {
            syn::visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if !only_for_tests(&item.attrs) {
            syn::visit::visit_item_impl(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !only_for_tests(&item.attrs) {
            self.follow_use(&item.tree, &mut Vec::new());
        }
    }

    /// `pub(in crate::a)` says who may import, and imports nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if matches!(parts.first().map(String::as_str), Some("crate" | "super" | "self"))
            && parts.len() > 1
        {
            self.follow(&parts);
        }
        syn::visit::visit_path(self, path);
    }
}

#[test]
fn no_import_cycles_between_modules() {
    let mut found = Vec::new();
    for sources in super::sources() {
        let graph = graph(&sources).expect("the sources parse");
        let place = super::relative(&sources, super::root());
        assert!(!graph.is_empty(), "no modules were found in {place}");
        found.extend(cycles(&graph).into_iter().map(|cycle| format!("{place}: {cycle}")));
    }
    assert!(found.is_empty(), "modules that import each other:\n{}", found.join("\n"));
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
    let graph = graph(folder.path()).expect("it parses");
    assert_eq!(cycles(&graph), ["a, b"]);
}
