//! The generated pages of the documentation are what the sources say. `UPDATE_DOCS=1` writes them. The
//! page of the invariants, which people write, has the sentences that assertions print.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::{env, fs, path::Path, process::Command};

use wholetrace_runtime::invariant::Invariant;

/// Compares `docs/<page>.md` with what the executable prints.
fn current(page: &str) {
    let printed = Command::new(env!("CARGO_BIN_EXE_wholetrace"))
        .args(["document", page])
        .output()
        .expect("the executable starts");
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let printed = String::from_utf8(printed.stdout).expect("text");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(format!("{page}.md"));
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &printed).expect("the page is written");
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    let line = printed.lines().zip(stored.lines()).find(|(printed, stored)| printed != stored);
    assert!(
        printed == stored,
        "docs/{page}.md is not current; `UPDATE_DOCS=1 cargo test --test docs` writes it; \
         first difference: {line:?}"
    );
}

#[test]
fn the_page_of_the_configuration_is_current() {
    current("configuration");
}

#[test]
fn the_page_of_the_metrics_is_current() {
    current("metrics");
}

/// The page lists all invariants, in order, in the words of the code, and no other.
#[test]
fn the_page_of_the_invariants_says_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/invariants.md");
    let page = fs::read_to_string(&path).expect("the page");
    let said: Vec<&str> = page.lines().filter(|line| line.starts_with("**I")).collect();
    let line = |invariant: Invariant| {
        let (first, rest) = invariant.sentence().split_at(1);
        format!("**{invariant:?}** — {}{rest}.", first.to_uppercase())
    };
    assert_eq!(said, Invariant::ALL.map(line), "docs/invariants.md and `Invariant` differ");
}
