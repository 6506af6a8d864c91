//! Nothing in the tree names a place on one machine.

use super::{files, read, root};

#[test]
fn nothing_names_a_machine() {
    // Written in halves, so that this file passes its own test.
    let paths = ["/ro", "/wo", "/ho"];
    let rests = ["ot/", "rk/", "me/"];
    let mut hits = Vec::new();
    for extension in ["rs", "toml", "md", "yaml", "sh", "proto"] {
        for file in files(root(), extension) {
            let text = read(&file);
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
