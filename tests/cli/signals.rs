//! What signals, and the loss of a terminal, do to a process.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command},
};

use super::process::{FREE_PORTS, command};

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(sent.expect("kill starts").success());
}

/// Scenario: SIGHUP comes while the configuration is still being read.
///
/// Guarantee: it ends no role, however early it comes.
#[test]
fn a_hangup_during_the_start_ends_no_role() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("wholetrace.yaml");
    assert!(Command::new("mkfifo").arg(&file).status().expect("mkfifo starts").success());
    let name = file.display().to_string();
    for role in ["standalone", "gateway", "sampler"] {
        let child = command(folder.path(), &[role, "--config", &name], &[]).spawn();
        let child = child.expect("it starts");
        // Waits until the process reads it.
        let mut config = File::options().write(true).open(&file).expect("it reads the file");
        signal(&child, "HUP");
        // Nobody reads it where the signal has ended the process.
        let _ = config.write_all(b"admim: {}\n");
        drop(config);
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{role}: {}: {said}", output.status);
        assert!(said.contains("did you mean `admin`?"), "{role}: {said}");
    }
}

/// Scenario: standard error is gone, as it is with a lost terminal, and there is something to say.
///
/// Guarantee: the process does its work and stops in order.
#[test]
fn a_log_that_nobody_takes_ends_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let all: Vec<&str> = ["standalone"].iter().chain(&FREE_PORTS).copied().collect();
    let mut child = command(folder.path(), &all, &[]).spawn().expect("it starts");
    drop(child.stderr.take());
    let stdout = child.stdout.take().expect("its output");
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("Ctrl-C stops it")), "it starts");
    signal(&child, "HUP");
    signal(&child, "TERM");
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(0), "{status}");
}
