//! `generate`: a load for somebody who tries something out, and who looks at a terminal.

use crate::process::{FREE_PORTS, Standalone, run};

/// Nobody takes anything: that is said at once and with its cause, and the run ends when the first
/// request has had its time, however long the rest would take.
#[test]
fn a_receiver_that_is_not_there_is_told_and_not_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    for protocol in ["grpc", "http"] {
        let arguments = [
            "generate",
            "--endpoint",
            "http://127.0.0.1:1",
            "--protocol",
            protocol,
            "--give-up-after",
            "1s",
            "--rate",
            "1000",
        ];
        let ended = run(folder.path(), &arguments, &[]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let first = ended.stderr.lines().next().unwrap_or_default();
        assert!(first.contains("refused") && first.contains("trying again"), "{ended:?}");
        assert!(ended.stderr.contains("--give-up-after"), "{ended:?}");
    }
}

/// Requests that do not wait for each other arrive as the others do.
#[test]
fn an_open_loop_delivers_everything() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut running = Standalone::start(folder.path(), &FREE_PORTS);
    let endpoint = format!("http://{}", running.address("OTLP gRPC"));
    let load = ["--rate", "500", "--duration", "2s", "--late", "0", "--slow", "0", "--batch", "20"];
    let arguments = [&["generate", "--endpoint", &endpoint, "--open-loop"], &load[..]].concat();
    let ended = run(folder.path(), &arguments, &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stdout.contains("; 0 repeats, 0 spans rejected, 0 spans not delivered"),
        "{ended:?}"
    );
    assert!(!ended.stderr.contains("follow"), "{ended:?}");
    // Each run has traces of its own: spans of those that are decided would be late.
    let runs = ["one", "other"].map(|name| {
        let few = ["--traces", "5", "--late", "0", "--slow", "0", "--rate", "0", "--record", name];
        let arguments = [&["generate", "--endpoint", &endpoint], &few[..]].concat();
        assert_eq!(run(folder.path(), &arguments, &[]).code, Some(0));
        std::fs::read_to_string(folder.path().join(name)).expect("the record")
    });
    assert_ne!(runs[0], runs[1]);
    // What comes after the last trace is said before it is waited for.
    let late =
        ["--rate", "50", "--duration", "1s", "--slow", "0", "--late", "1", "--late-by", "3s"];
    let arguments = [&["generate", "--endpoint", &endpoint], &late[..]].concat();
    let ended = run(folder.path(), &arguments, &[]);
    assert!(ended.stderr.contains("their slow and late spans follow for "), "{ended:?}");
    let refused = run(folder.path(), &["generate", "--open-loop", "--rate", "ten"], &[]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
}
