//! Each known trap of the protocols has its tests, where the page says that they are.

use std::collections::BTreeMap;

use super::{files, read, relative, root};

/// How many there are.
const TRAPS: u32 = 20;

/// The tests in `source` whose names begin with the number of a trap.
fn tests(source: &str) -> Vec<u32> {
    let is_test = |line: &str| line.trim_start().starts_with("#[test]") || line.contains("::test");
    let lines: Vec<&str> = source.lines().collect();
    let pairs = lines.windows(2).filter(|pair| is_test(pair[0]));
    let names = pairs.filter_map(|pair| pair[1].split("fn trap_").nth(1)?.split('_').next());
    names.filter_map(|number| number.parse().ok()).collect()
}

/// The files of the tree with such tests, by trap.
fn tested() -> BTreeMap<u32, Vec<String>> {
    let mut tested = BTreeMap::<u32, Vec<String>>::new();
    for file in files(root(), "rs") {
        for trap in tests(&read(&file)) {
            let (file, files) = (relative(&file, root()), tested.entry(trap).or_default());
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    tested
}

/// The files that the table in `page` names, by trap. A row may say that it has those of the one before.
fn told(page: &str) -> BTreeMap<u32, Vec<String>> {
    let mut told = BTreeMap::new();
    let mut before = Vec::new();
    for row in page.lines() {
        let cells: Vec<&str> = row.trim_matches(['|', ' ']).split(" | ").collect();
        let [number, _, _, names] = cells[..] else { continue };
        let Ok(number) = number.parse() else { continue };
        let named: Vec<String> = names.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        if !named.is_empty() {
            before = named;
            before.sort();
        }
        told.insert(number, before.clone());
    }
    told
}

#[test]
fn each_trap_is_tested_where_the_page_says() {
    let (tested, told) = (tested(), told(&read(&root().join("docs/protocols.md"))));
    assert_eq!(tested, told);
    assert_eq!(tested.into_keys().collect::<Vec<_>>(), (1..=TRAPS).collect::<Vec<_>>());
}

#[test]
fn a_trap_without_its_test_is_found() {
    let source = "#[test]\nfn trap_03_it() {}\nfn trap_04_helper() {}\n\
                  #[tokio::test]\nasync fn trap_05_other() {}\n#[test]\nfn other() {}\n";
    assert_eq!(tests(source), [3, 5]);
    let page = "| | a | b | tests |\n|---|---|---|---|\n| 3 | x | y | `b.rs`, `a.rs` |\n\
                | 4 | x | y | the same |\ntext\n";
    let files = vec!["a.rs".to_owned(), "b.rs".to_owned()];
    assert_eq!(told(page), BTreeMap::from([(3, files.clone()), (4, files)]));
}
