//! Help, version and wrong usage.

use super::process::run;

#[test]
fn help_teaches_and_version_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let help = run(folder.path(), &["--help"], &[]);
    assert_eq!(help.code, Some(0));
    for expected in [
        "standalone",
        "gateway",
        "sampler",
        "topics",
        "dead-letters",
        "explain",
        "check",
        "generate",
        "Examples:",
        "--config",
        "Exit codes",
    ] {
        assert!(help.stdout.contains(expected), "{expected}: {}", help.stdout);
    }
    let version = run(folder.path(), &["--version"], &[]);
    assert_eq!(version.stdout.trim(), concat!("wholetrace ", env!("CARGO_PKG_VERSION")));
    let command = run(folder.path(), &["standalone", "--help"], &[]);
    assert!(command.stdout.contains("SIGHUP"), "{}", command.stdout);
}

#[test]
fn wrong_usage_ends_with_2() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in
        [&["standalon"] as &[&str], &["check", "--confg", "x"], &["topics"], &["dead-letters"], &[]]
    {
        let ran = run(folder.path(), arguments, &[]);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.stderr);
    }
    let ran = run(folder.path(), &["standalon"], &[]);
    assert!(ran.stderr.contains("standalone"), "it says what was meant: {}", ran.stderr);
}

#[test]
fn what_dead_letters_takes_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let help = run(folder.path(), &["dead-letters", "--help"], &[]);
    for expected in ["list", "export", "replay", "stop it first", "Examples:"] {
        assert!(help.stdout.contains(expected), "{expected}: {}", help.stdout);
    }
    let rows: [(&[&str], i32, &str); 5] = [
        (&["list", "--since", "yesterday"], 2, "2026-01-31T08:00:00Z"),
        (&["export", "--format", "xml"], 2, "protobuf"),
        (&["replay", "--give-up-after", "0s"], 2, "more than 0s"),
        (&["replay", "--to", "otlp/none"], 1, "no exporter `otlp/none`, there are `file`"),
        (&["list"], 1, "there is no log in `wholetrace-data`"),
    ];
    for (arguments, code, expected) in rows {
        let ran = run(folder.path(), &[&["dead-letters"], arguments].concat(), &[]);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{arguments:?}: {expected}: {}", ran.stderr);
    }
    let made = folder.path().read_dir().expect("the folder").count();
    assert_eq!(made, 0, "nothing is made where there is nothing");
}

#[test]
fn what_explain_takes_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let help = run(folder.path(), &["explain", "--help"], &[]);
    for expected in ["TRACE_ID", "--at", "beside the running cluster", "Examples:"] {
        assert!(help.stdout.contains(expected), "{expected}: {}", help.stdout);
    }
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let rows: [(&[&str], i32, &str); 4] = [
        (&["4bf92f35"], 2, "32 hexadecimal digits"),
        (&[id, "--within", "0s"], 2, "more than 0s"),
        (&[id], 1, "there is no log in `wholetrace-data`"),
        (&[id, "--at", "127.0.0.1:1"], 1, "nobody listens at `127.0.0.1:1`"),
    ];
    for (arguments, code, expected) in rows {
        let ran = run(folder.path(), &[&["explain"], arguments].concat(), &[]);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{arguments:?}: {expected}: {}", ran.stderr);
    }
}
