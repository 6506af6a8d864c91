//! Programs that send traces with a library of their language, and say what they sent.

use std::process::Command;

use super::{
    jaeger::Jaeger,
    parts::{built, folder},
    process::wait_until,
};

/// A trace as a sender says it sent it.
#[derive(serde::Deserialize)]
pub(crate) struct Sent {
    pub(crate) trace_id: String,
    /// Jaeger gives a server's span that has its client's id one of its own.
    pub(crate) spans: usize,
    pub(crate) error: bool,
    /// Whether the sender asks by its protocol's own means for the trace to be kept.
    #[serde(default)]
    pub(crate) insists: bool,
    /// A span that can go on to call others, of senders that say it.
    pub(crate) last: Option<String>,
}

const TRACES: usize = 20;

/// Keeps the traces with an error only. A trace is decided soon after its root came, which senders
/// send after all the rest: however slow they are, it is whole by then. Policies and signals that
/// are to keep others can follow.
pub(crate) const ERRORS_ARE_KEPT: &str = "tail_sampling:
  decision_wait: 10m
  decision_wait_after_root_received: 1s
  policies:
    - { name: errors, type: status_code, status_code: { status_codes: [ERROR] } }
";

/// Has a sender send, and gives what it says it sent.
pub(crate) fn run(command: &mut Command) -> Vec<Sent> {
    let output = command.args(["--traces", &TRACES.to_string()]).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}{errors}");
    let sent: Vec<Sent> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(sent.len(), TRACES, "{command:?}: {said}{errors}");
    sent
}

/// The traces with an error, and those that their sender insists on, are whole in Jaeger; the others
/// are not there at all.
pub(crate) fn must_be_whole(jaeger: &Jaeger, sent: &[Sent]) {
    let (kept, dropped): (Vec<_>, Vec<_>) =
        sent.iter().partition(|trace| trace.error || trace.insists);
    for trace in kept {
        wait_until("a trace that is to be kept is whole in Jaeger", || {
            jaeger.trace(&trace.trace_id).len() == trace.spans
        });
    }
    for trace in dropped {
        assert!(jaeger.trace(&trace.trace_id).is_empty(), "{} was exported", trace.trace_id);
    }
}

pub(crate) fn python(protocol: &str, port: u16) -> Command {
    let mut command = Command::new(built("python/bin/python"));
    command.arg(folder().join("python/send.py"));
    command.args(["--protocol", protocol, "--endpoint", &format!("127.0.0.1:{port}")]);
    command
}

pub(crate) fn node(protocol: &str, port: u16) -> Command {
    let mut command = Command::new("node");
    command.env("NODE_PATH", built("node/node_modules")).arg(folder().join("node/send.js"));
    command.args(["--protocol", protocol, "--endpoint", &format!("127.0.0.1:{port}")]);
    command
}

pub(crate) fn go(protocol: &str, port: u16) -> Command {
    let mut command = Command::new(built("go/send"));
    command.args(["--protocol", protocol, "--endpoint", &format!("127.0.0.1:{port}")]);
    command
}

pub(crate) fn java(protocol: &str, port: u16) -> Command {
    let mut command = Command::new("java");
    let classes = format!("{}:{}", built("java").display(), built("java/libs/*").display());
    command
        .args(["-cp", &classes, "Send", "--protocol", protocol, "--endpoint"])
        .arg(format!("127.0.0.1:{port}"));
    command
}
