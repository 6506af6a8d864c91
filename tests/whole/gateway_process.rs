//! A `wholetrace standalone` process of a test's own.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use super::parts::free_port;

/// How long a start, a stop or an expected state may take before the test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// The executable under test.
pub(crate) fn wholetrace() -> Command {
    Command::new(env!("CARGO_BIN_EXE_wholetrace"))
}

/// Waits until `ready`, at most [`PATIENCE`].
pub(crate) fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !ready() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {} s", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The body of a successful GET; `None` when there is no answer or another status than 2xx.
pub(crate) fn get(url: &str) -> Option<String> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(20))).build().into();
    let mut answer = agent.get(url).call().ok()?;
    answer.body_mut().with_config().limit(256 << 20).read_to_string().ok()
}

/// A process, its folder and its ports. Killed when dropped.
pub(crate) struct Gateway {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) grpc: u16,
    pub(crate) http: u16,
    pub(crate) zipkin: u16,
    pub(crate) admin: u16,
    config: PathBuf,
    child: Option<Child>,
}

impl Gateway {
    /// Writes the configuration: listeners on free ports, the log in the test's folder, and what
    /// `rest` says (`tail_sampling`, `exporters`, `memory`; `FOLDER` stands for the folder).
    pub(crate) fn new(rest: &str) -> Self {
        Self::with_log("quota: 2GiB", rest)
    }

    /// The same, with these settings of the log.
    pub(crate) fn with_log(log: &str, rest: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (grpc, http, zipkin, admin) = (free_port(), free_port(), free_port(), free_port());
        let place = folder.path().display();
        let config = folder.path().join("wholetrace.yaml");
        let text = format!(
            "receivers:\n  otlp:\n    protocols:\n      grpc: {{ endpoint: \"127.0.0.1:{grpc}\" }}\n      http: {{ endpoint: \"127.0.0.1:{http}\" }}\n  \
             zipkin: {{ endpoint: \"127.0.0.1:{zipkin}\" }}\nadmin: {{ endpoint: \"127.0.0.1:{admin}\" }}\n\
             log:\n  embedded: {{ directory: \"{place}/log\", {log} }}\n{}",
            rest.replace("FOLDER", &place.to_string())
        );
        fs::write(&config, text).expect("the configuration");
        Self { folder, grpc, http, zipkin, admin, config, child: None }
    }

    /// Starts it and waits until it is ready.
    pub(crate) fn start(&mut self) {
        let log =
            File::options().create(true).append(true).open(self.log_file()).expect("the log file");
        let child = wholetrace()
            .args(["standalone", "--config"])
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("the executable starts");
        self.child = Some(child);
        let ready = format!("http://127.0.0.1:{}/readyz", self.admin);
        wait_until("ready", || {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            assert!(ended.is_none(), "it ended with {ended:?}:\n{}", self.output());
            get(&ready).is_some()
        });
    }

    /// Kills it as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("SIGKILL");
            child.wait().expect("it ended");
        }
    }

    /// Asks it to stop, and waits for that.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        assert!(status.expect("kill").success());
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("its status") {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it did not stop:\n{}", self.output());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Resident memory in bytes.
    pub(crate) fn rss(&self) -> u64 {
        let id = self.child.as_ref().expect("it runs").id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() * 1024
    }

    /// The sum of a metric over its labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = get(&format!("http://127.0.0.1:{}/metrics", self.admin)).unwrap_or_default();
        let value = |line: &str| {
            let rest = line.strip_prefix(name)?;
            (rest.starts_with(['{', ' '])).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
        };
        text.lines().filter_map(value).sum()
    }

    /// What it printed.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("output")
    }

    /// `wholetrace generate` against it, with its record.
    pub(crate) fn generate(&self, options: &[&str]) -> (Child, PathBuf) {
        let record = self.folder.path().join("record.jsonl");
        let errors = File::create(self.folder.path().join("generate.log")).expect("a file");
        let child = wholetrace()
            .args(["generate", "--endpoint", &format!("http://127.0.0.1:{}", self.grpc)])
            .arg("--record")
            .arg(&record)
            .args(options)
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .expect("the generator starts");
        (child, record)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let output = self.output();
            let from = output.len().saturating_sub(20_000);
            let tail = output.get(from..).unwrap_or(&output);
            let _ = writeln!(std::io::stderr(), "output of the process:\n{tail}");
        }
    }
}

/// Waits for a child that must succeed.
pub(crate) fn succeed(mut child: Child, what: &str, log: &Path) {
    let status = child.wait().expect("it ended");
    assert!(
        status.success(),
        "{what} ended with {status}: {}",
        fs::read_to_string(log).unwrap_or_default()
    );
}
