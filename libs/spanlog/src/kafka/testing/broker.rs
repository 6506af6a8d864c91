//! Brokers that the tests of this crate share.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, OnceLock},
};

/// One node, which ends with the process of the tests.
struct Node {
    brokers: String,
    /// The keeper of the node stops it when this end is closed.
    _open: Mutex<(Child, ChildStdin)>,
}

/// Where a broker is: the one that `WHOLETRACE_TEST_KAFKA` names, or one that is started for this
/// process. `None`, and a word about it, where Kafka is not installed.
///
/// # Panics
/// With `CI=true`, where nothing may be skipped.
pub(crate) fn brokers() -> Option<&'static str> {
    static FOUND: OnceLock<Option<Node>> = OnceLock::new();
    static NAMED: OnceLock<Option<String>> = OnceLock::new();
    if let Some(named) = NAMED.get_or_init(|| variable("WHOLETRACE_TEST_KAFKA")) {
        return Some(named);
    }
    FOUND.get_or_init(start).as_ref().map(|node| node.brokers.as_str())
}

#[expect(
    clippy::disallowed_methods,
    reason = "where the tests find their broker is no configuration"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn start() -> Option<Node> {
    let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parts");
    let script = parts.join("kafka/cluster");
    if !parts.join(".build/kafka/libs").is_dir() {
        skip();
        return None;
    }
    // The folder goes with the keeper, which outlives this process for a moment.
    let keep = r#"dir=$(mktemp -d) || exit 1
        trap '"$0" stop "$dir" >/dev/null 2>&1; rm -rf "$dir"' EXIT
        "$0" start "$dir" --nodes 1 >&2 && "$0" brokers "$dir" && read -r _"#;
    let mut keeper = Command::new("bash")
        .args(["-c", keep])
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("bash starts the broker");
    let open = keeper.stdin.take().unwrap();
    let mut brokers = String::new();
    BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut brokers).unwrap();
    let brokers = brokers.trim().to_owned();
    assert!(
        !brokers.is_empty(),
        "the broker does not start: run tests/parts/kafka/cluster by hand"
    );
    Some(Node { brokers, _open: Mutex::new((keeper, open)) })
}

fn skip() {
    let strict = variable("CI").is_some_and(|value| value == "true");
    assert!(!strict, "CI needs Kafka: run `tests/parts/install.sh kafka`");
    eprintln!("skipped: run `tests/parts/install.sh kafka` first, or set WHOLETRACE_TEST_KAFKA");
}
