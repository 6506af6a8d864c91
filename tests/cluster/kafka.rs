//! Real brokers, started by the script that people use too.

use std::{
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Output, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use super::{
    machine::Leave,
    parts::{folder, stands},
    process::Expected,
};

/// What processes say while brokers are away, or answer late.
pub(crate) const AWAY: &[Expected] = &[
    ("wholetrace_spanlog_kafka", "the clients tell of each connection that ends or fails"),
    ("have not answered", "a partition has no leader until another broker is elected"),
    ("no broker is connected", "all of them were away for a moment"),
    ("read the log again", "a partition that cannot be read is tried again"),
    ("commit later", "so is a commit"),
];

/// What processes say of brokers that are there and answer late, as on a busy machine. No scenario
/// fails for how fast its machine is: what it guarantees is judged by the spans.
pub(crate) const LATE: &[Expected] = &[
    ("no broker answers", "brokers that have just started are asked again"),
    ("imed out", "so is who did not answer in time"),
    ("have not answered", "partitions whose writes wait are told"),
];

/// What samplers say when one of them was gone without a word, or for too long.
pub(crate) const REPLACED: &[Expected] = &[
    ("while they were still being worked on", "its partitions had to be given away at once"),
    ("Consumer group session timed out", "the client says the same"),
    ("another process has claimed the partition", "who has it now, as the decision log says"),
    ("cut an unfinished line", "a kill in the midst of a write leaves one"),
];

/// A Kafka cluster. Ended and removed when dropped, and also when the tests end in any other way.
pub(crate) struct Kafka {
    place: tempfile::TempDir,
    /// `host:port,host:port`.
    pub(crate) brokers: String,
    /// Ends the brokers when its standard input ends, and that ends with this process.
    guard: Child,
    pipe: Option<ChildStdin>,
    /// Given back when the brokers have ended.
    _leave: Leave,
}

impl Kafka {
    /// The three brokers that all tests share which leave the brokers alone. `None` where Kafka
    /// cannot be installed.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<Kafka>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kafka) = shared.upgrade() {
            return Some(kafka);
        }
        let kafka = Arc::new(Self::start(&[])?);
        *shared = Arc::downgrade(&kafka);
        Some(kafka)
    }

    /// Brokers of a test's own, to be stopped and killed. `options` are those of the script:
    /// `--nodes 1`, `--fast-failover`, `--secure`. `None` where Kafka cannot be installed.
    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        stands("kafka").then(|| Self::start_with(Leave::beside_others(), options))
    }

    /// The same for a test that measures a rate: no other uses brokers meanwhile.
    pub(crate) fn start_alone(options: &[&str]) -> Option<Self> {
        stands("kafka").then(|| Self::start_with(Leave::alone(), options))
    }

    fn start_with(leave: Leave, options: &[&str]) -> Self {
        let place = tempfile::tempdir().expect("a folder");
        let script = folder().join("kafka/cluster");
        // Made first: what starts is stopped even when the start fails. Node by node: some may be dead.
        let end = "cat; for n in 1 2 3; do \"$0\" kill \"$1\" $n; done; rm -rf \"$1\"";
        let mut guard = Command::new("bash")
            .args(["-c", end, &script.display().to_string()])
            .arg(place.path())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the guard starts");
        let pipe = guard.stdin.take();
        let mut kafka = Self { place, brokers: String::new(), guard, pipe, _leave: leave };
        let said = kafka.run("start", options);
        let brokers = said.lines().last().expect("the bootstrap list");
        brokers.clone_into(&mut kafka.brokers);
        kafka
    }

    /// The folder of the cluster.
    pub(crate) fn folder(&self) -> &Path {
        self.place.path()
    }

    /// Does `command` (`stop`, `kill`, `restart`, `pause`, `resume`) to a node: `1`, `2`, `3`, `all`.
    pub(crate) fn node(&self, command: &str, node: &str) {
        self.run(command, &[node]);
    }

    /// The bootstrap list of a listener: `plaintext`, `ssl`, `sasl_ssl`.
    pub(crate) fn listener(&self, name: &str) -> String {
        self.run("brokers", &[name]).trim().to_owned()
    }

    /// Has the authority of brokers that are `--secure` sign `certs/NAME.pem` of the folder, with
    /// `certs/NAME.key`, for so many seconds.
    pub(crate) fn certificate(&self, name: &str, seconds: u32) {
        self.run("certificate", &[name, &seconds.to_string()]);
    }

    /// What one of Kafka's own tools prints.
    pub(crate) fn tool(&self, class: &str, arguments: &[&str]) -> String {
        let all: Vec<&str> = [class].iter().chain(arguments).copied().collect();
        self.run("tool", &all)
    }

    fn run(&self, command: &str, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = Command::new(script())
            .arg(command)
            .arg(self.place.path())
            .args(arguments)
            .output()
            .expect("bash runs the script");
        let said = String::from_utf8_lossy(&stdout).into_owned();
        let errors = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "cluster {command} {arguments:?}: {said}{errors}");
        said
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // It waits for nothing but the brokers.
        let _ = self.guard.wait();
    }
}

fn script() -> PathBuf {
    folder().join("kafka/cluster")
}
