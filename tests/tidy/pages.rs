//! What the pages say of the tree: links, paths, and the picture of the crates. And tables that a
//! screen can hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{files, packages, read, relative, root, toml};

/// Characters of a cell of a table.
const CELL_CHARS: usize = 160;

/// A page: where it stands, and its lines outside of blocks of code.
struct Page {
    file: PathBuf,
    lines: Vec<String>,
}

impl Page {
    fn of(file: &Path, text: &str) -> Self {
        let mut in_code = false;
        let is_prose = |line: &&str| {
            let fence = line.trim_start().starts_with("```");
            in_code ^= fence;
            !in_code && !fence
        };
        let lines = text.lines().filter(is_prose).map(str::to_owned).collect();
        Self { file: file.to_owned(), lines }
    }

    /// The targets of its links.
    fn links(&self) -> Vec<&str> {
        let links = self.lines.iter().flat_map(|line| line.split("](").skip(1));
        links.filter_map(|rest| Some(rest.split_once(')')?.0)).collect()
    }

    /// What stands in backquotes.
    fn quoted(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().flat_map(|line| line.split('`').skip(1).step_by(2))
    }

    /// What links to its headings are called.
    fn anchors(&self) -> BTreeSet<String> {
        let headings = self.lines.iter().filter(|line| line.starts_with('#'));
        headings.map(|heading| anchor(heading.trim_start_matches('#').trim())).collect()
    }
}

/// What GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|one| one.is_alphanumeric() || " -_".contains(*one));
    kept.flat_map(char::to_lowercase).map(|one| if one == ' ' { '-' } else { one }).collect()
}

/// Links of `page` that lead nowhere.
fn broken_links(page: &Page) -> Vec<String> {
    let leads = |link: &&str| {
        let (path, heading) = link.split_once('#').unwrap_or((link, ""));
        let target = match path {
            "" => page.file.clone(),
            path => page.file.parent().unwrap_or(&page.file).join(path),
        };
        if heading.is_empty() || !target.is_file() {
            return target.exists();
        }
        Page::of(&target, &read(&target)).anchors().contains(heading)
    };
    let local = page.links().into_iter().filter(|link| !link.contains("://"));
    local.filter(|link| !leads(link)).map(str::to_owned).collect()
}

/// Paths of the tree at `root` that `page` names and that are not there. One that does not begin
/// at the root is that of a source file, and may leave out folders in front.
fn missing_paths(page: &Page, root: &Path) -> Vec<String> {
    let is_path = |word: &&str| {
        word.chars().all(|one| one.is_ascii_alphanumeric() || "_-./".contains(one))
            && !word.starts_with('/')
            && !word.contains("..")
    };
    let sources = files(root, "rs");
    let is_there = |word: &&str| {
        let below = |top: &str| top != "target" && root.join(top).is_dir();
        if word.split_once('/').is_some_and(|(top, _)| below(top)) {
            root.join(word).exists() || sources.iter().any(|file| file.ends_with(word))
        } else if word.ends_with(".rs") {
            sources.iter().any(|file| file.ends_with(word))
        } else {
            true
        }
    };
    page.quoted().filter(is_path).filter(|word| !is_there(word)).map(str::to_owned).collect()
}

/// Cells of tables that are longer than a screen can hold.
fn long_cells(page: &Page) -> Vec<String> {
    let rows = page.lines.iter().filter(|line| line.starts_with('|'));
    let cells = rows.flat_map(|row| row.split(" | ")).map(|cell| cell.trim_matches([' ', '|']));
    let long = cells.filter(|cell| cell.chars().count() > CELL_CHARS);
    long.map(|cell| format!("{}…", cell.chars().take(60).collect::<String>())).collect()
}

/// What uses what: the name of a crate, and those that it uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

/// The arrows of the picture in `text`.
fn drawn(text: &str) -> Uses {
    let mut uses = Uses::new();
    let picture = text.split("```mermaid").nth(1).and_then(|rest| rest.split("```").next());
    for line in picture.unwrap_or_default().lines() {
        if let Some((from, to)) = line.trim().split_once(" --> ") {
            uses.entry(from.to_owned()).or_default().insert(to.to_owned());
        }
    }
    uses
}

/// What the manifests below `root` say.
fn used(root: &Path) -> Uses {
    let mut uses = Uses::new();
    for package in packages(root) {
        let manifest = toml(&root.join(package).join("Cargo.toml"));
        let name = manifest["package"]["name"].as_str().expect("a name").to_owned();
        let list = manifest.get("dependencies").and_then(|list| list.as_table_like());
        let ours = list.into_iter().flat_map(|list| list.iter()).map(|(name, _)| name.to_owned());
        let ours: BTreeSet<String> = ours.filter(|one| one.starts_with("wholetrace-")).collect();
        if !ours.is_empty() {
            uses.insert(name, ours);
        }
    }
    uses
}

/// All that each crate uses, also by way of others.
fn reached(uses: &Uses) -> Uses {
    let mut reached = uses.clone();
    loop {
        let mut more = reached.clone();
        for used in more.values_mut() {
            let through: Vec<_> = used.iter().filter_map(|one| reached.get(one)).collect();
            used.extend(through.into_iter().flatten().cloned());
        }
        if more == reached {
            return reached;
        }
        reached = more;
    }
}

/// What a picture shows falsely, or leaves out.
fn untrue(drawn: &Uses, used: &Uses) -> Vec<String> {
    let pairs = |uses: &Uses| -> BTreeSet<String> {
        let pairs =
            uses.iter().flat_map(|(from, to)| to.iter().map(move |to| format!("{from} → {to}")));
        pairs.collect()
    };
    let (drawn_all, used_all) = (pairs(&reached(drawn)), pairs(&reached(used)));
    let (drawn, used) = (pairs(drawn), pairs(used));
    let absent = drawn.difference(&used).map(|pair| format!("{pair} is drawn and is not so"));
    let left = used_all.difference(&drawn_all).map(|pair| format!("{pair} is so and not drawn"));
    absent.chain(left).collect()
}

/// All pages of the tree.
fn pages() -> Vec<Page> {
    let pages = files(root(), "md").into_iter();
    pages.map(|file| Page::of(&file, &read(&file))).collect()
}

/// What `find` finds in all pages.
fn in_all_pages(find: impl Fn(&Page) -> Vec<String>) -> Vec<String> {
    let mut found = Vec::new();
    for page in pages() {
        let place = relative(&page.file, root());
        found.extend(find(&page).into_iter().map(|one| format!("{place}: {one}")));
    }
    found
}

#[test]
fn links_lead_somewhere() {
    let broken = in_all_pages(broken_links);
    assert!(broken.is_empty(), "nothing is there:\n{}", broken.join("\n"));
}

#[test]
fn named_files_are_there() {
    let missing = in_all_pages(|page| missing_paths(page, root()));
    assert!(missing.is_empty(), "there is no:\n{}", missing.join("\n"));
}

#[test]
fn cells_fit_a_screen() {
    let long = in_all_pages(long_cells);
    assert!(long.is_empty(), "more than {CELL_CHARS} characters:\n{}", long.join("\n"));
}

#[test]
fn the_picture_of_the_crates_is_true() {
    let untrue = untrue(&drawn(&read(&root().join("docs/architecture.md"))), &used(root()));
    assert!(untrue.is_empty(), "{}", untrue.join("\n"));
}

#[test]
fn what_is_wrong_with_a_page_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
    std::fs::create_dir_all(folder.path().join("src/b")).expect("a folder");
    write("src/b/c.rs", "").expect("written");
    write("other.md", "## A `word`, two").expect("written");
    let long = "é".repeat(CELL_CHARS + 1);
    let text = format!(
        "# Here\n[a](other.md#a-word-two) [b](other.md#b) [c](#here) [d](lost.md) [e](https://x)\n\
         `src/b` `src/b/c.rs` `b/c.rs` `src/lost` `d.rs` `x/y` `a d.rs`\n\
         | {} | {long} |\n```\n[f](lost.md) `src/lost`\n| {long} |\n```\n",
        &long[2..]
    );
    write("page.md", &text).expect("written");
    let page = Page::of(&folder.path().join("page.md"), &text);
    assert_eq!(broken_links(&page), ["other.md#b", "lost.md"]);
    assert_eq!(missing_paths(&page, folder.path()), ["src/lost", "d.rs"]);
    assert_eq!(long_cells(&page).len(), 1);
}

#[test]
fn an_untrue_picture_is_found() {
    let picture = "```mermaid\ngraph TD\n  a --> b\n  b --> c\n  a --> d\n```\nx --> y";
    let uses = |pairs: &[(&str, &[&str])]| -> Uses {
        let one = |(from, to): &(&str, &[&str])| {
            ((*from).to_owned(), to.iter().map(|to| (*to).to_owned()).collect())
        };
        pairs.iter().map(one).collect()
    };
    let all = uses(&[("a", &["b", "c", "d"]), ("b", &["c"])]);
    assert!(untrue(&drawn(picture), &all).is_empty());
    let other = uses(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &["e"])]);
    assert_eq!(
        untrue(&drawn(picture), &other),
        [
            "a → d is drawn and is not so",
            "a → e is so and not drawn",
            "b → e is so and not drawn",
            "c → e is so and not drawn",
        ]
    );
}
