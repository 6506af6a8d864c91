//! Every example is a configuration, and the one of the defaults says the defaults.

use std::{fs, path::Path};

use super::process::run;

#[test]
fn every_example_is_fine() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut checked = 0;
    for folder in [examples.clone(), examples.join("cluster")] {
        for entry in fs::read_dir(folder).expect("the examples").flatten() {
            if entry.path().extension().is_none_or(|is| is != "yaml") {
                continue;
            }
            let path = entry.path().display().to_string();
            if path.ends_with(".test.yaml") {
                continue;
            }
            let ran = run(Path::new("."), &["check", "--config", &path], &[]);
            assert_eq!(ran.code, Some(0), "{path}: {}", ran.stderr);
            checked += 1;
        }
    }
    assert!(checked >= 7, "{checked} examples");
}

#[test]
fn the_standalone_example_is_what_is_done_without_it() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/standalone.yaml");
    let with = run(Path::new("."), &["check", "--config", &example.display().to_string()], &[]);
    let without = run(Path::new("."), &["check"], &[]);
    assert_eq!(with.stdout, without.stdout);
}

#[test]
fn the_policies_of_the_examples_do_what_their_tests_say() {
    let ran = run(Path::new(env!("CARGO_MANIFEST_DIR")), &["test", "examples"], &[]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("6 passed, 0 failed"), "{}", ran.stdout);
}
