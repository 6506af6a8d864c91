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
    for arguments in [&["standalon"] as &[&str], &["check", "--confg", "x"], &["topics"], &[]] {
        let ran = run(folder.path(), arguments, &[]);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.stderr);
    }
    let ran = run(folder.path(), &["standalon"], &[]);
    assert!(ran.stderr.contains("standalone"), "it says what was meant: {}", ran.stderr);
}
