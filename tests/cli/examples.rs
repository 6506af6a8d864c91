//! Every example is a configuration, and the one of the defaults says the defaults.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value as Json;

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
    assert!(checked >= 8, "{checked} examples");
}

/// The numbers of four or five digits in the lines of `text` that name a gateway.
fn ports_of_gateways(text: &str) -> BTreeSet<u16> {
    let named = text.lines().filter(|line| line.contains("wholetrace"));
    let words = named.flat_map(|line| line.split(|one: char| !one.is_ascii_digit()));
    words.filter(|word| word.len() >= 4).filter_map(|word| word.parse().ok()).collect()
}

/// What receivers of a configuration listen on.
fn ports_of_receivers(config: &Json) -> BTreeSet<u16> {
    fn endpoints(value: &Json, found: &mut BTreeSet<u16>) {
        for (key, value) in value.as_object().into_iter().flatten() {
            match value.as_str().and_then(|text| text.rsplit_once(':')) {
                Some((_, port)) if key == "endpoint" => found.extend(port.parse::<u16>()),
                _ => endpoints(value, found),
            }
        }
    }
    let mut found = BTreeSet::new();
    endpoints(&config["receivers"], &mut found);
    found
}

/// Each sender's file can be read, and points at ports of the configuration beside it, all of which
/// some sender uses.
#[test]
fn senders_point_at_ports_that_are_listened_on() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let config = fs::read_to_string(examples.join("every-protocol.yaml")).expect("a file");
    let ours = ports_of_receivers(&serde_saphyr::from_str(&config).expect("YAML"));
    let mut used = BTreeSet::new();
    for entry in fs::read_dir(examples.join("senders")).expect("the senders").flatten() {
        let (path, text) = (entry.path(), fs::read_to_string(entry.path()).expect("text"));
        if path.extension().is_some_and(|is| is == "yaml") {
            for document in text.split("\n---\n") {
                let read: Json = serde_saphyr::from_str(document)
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                assert!(read.is_object(), "{}: {read}", path.display());
            }
        }
        let ports = ports_of_gateways(&text);
        assert!(!ports.is_empty() && ports.is_subset(&ours), "{}: {ports:?}", path.display());
        used.extend(ports);
    }
    // Clients for Node.js differ from others by their port alone.
    used.insert(6832);
    assert_eq!(used, ours);
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
