//! A `wholetrace` process of any role, of a test's own.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

/// How long a start, a stop or an expected state may take before the test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// The executable under test.
pub(crate) fn wholetrace() -> Command {
    Command::new(env!("CARGO_BIN_EXE_wholetrace"))
}

/// Runs `wholetrace dead-letters` with `config`: its exit code, and what it said on standard output
/// and standard error.
pub(crate) fn dead_letters(config: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = wholetrace();
    command.arg("dead-letters").args(arguments).arg("--config").arg(config);
    let Output { status, stdout, stderr } = command.output().expect("the executable starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code(), text(stdout), text(stderr))
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

/// `wholetrace generate` against the port `grpc`, with its record, and its complaints in `log`.
pub(crate) fn generate(grpc: u16, record: &Path, log: &Path, options: &[&str]) -> Child {
    wholetrace()
        .args(["generate", "--endpoint", &format!("http://127.0.0.1:{grpc}"), "--record"])
        .arg(record)
        .args(options)
        .stdout(Stdio::null())
        .stderr(File::create(log).expect("a file"))
        .spawn()
        .expect("the generator starts")
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

/// What a process may say in a scenario as WARN or ERROR: words of the line, and why it comes there.
pub(crate) type Expected = (&'static str, &'static str);

/// What exporters say while a backend is away, hangs up or answers late.
pub(crate) const BACKEND_AWAY: &[Expected] = &[
    ("fail to export", "the backend takes nothing"),
    ("send the halves of a batch", "an answer that is late may be late for the size of the batch"),
];

/// What exporters say of spans that a backend refuses, beside what they say when it is away.
pub(crate) const BACKEND_REFUSES: &[Expected] = &[
    ("hold back spans that the backend refuses", "one answer proves nothing"),
    ("put kept spans to the dead letters", "the same answer again and again proves the span"),
];

/// A process, or one that can be started. Killed when dropped.
pub(crate) struct Process {
    role: String,
    config: PathBuf,
    output: PathBuf,
    /// Port of the admin listener.
    pub(crate) admin: u16,
    child: Option<Child>,
    /// The warnings and errors that the test expects.
    expected: Vec<Expected>,
}

impl Process {
    /// `wholetrace ROLE --config CONFIG`, which prints to the file `output` and has the admin
    /// listener on the port `admin` of loopback. Not started yet.
    pub(crate) fn new(role: &str, config: PathBuf, output: PathBuf, admin: u16) -> Self {
        let role = role.to_owned();
        Self { role, config, output, admin, child: None, expected: Vec::new() }
    }

    /// Warnings and errors in its log that are among these are expected. Any other fails the test,
    /// when this is dropped, and so does a panic.
    pub(crate) fn expect(&mut self, lines: &[Expected]) {
        self.expected.extend(lines);
    }

    /// Starts it and waits until it is ready.
    pub(crate) fn start(&mut self) {
        self.spawn();
        self.wait_ready();
    }

    /// Starts it.
    pub(crate) fn spawn(&mut self) {
        let log = File::options().create(true).append(true).open(&self.output);
        let log = log.expect("the log file");
        let child = wholetrace()
            .args([&self.role, "--config"])
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("the executable starts");
        self.child = Some(child);
    }

    /// Waits until it is ready.
    pub(crate) fn wait_ready(&mut self) {
        wait_until("ready", || {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            assert!(ended.is_none(), "it ended with {ended:?}:\n{}", self.output());
            self.is_ready()
        });
    }

    /// Whether it says that it can do what others ask of it.
    pub(crate) fn is_ready(&self) -> bool {
        get(&format!("http://127.0.0.1:{}/readyz", self.admin)).is_some()
    }

    /// What it says of its checks, if it is ready.
    pub(crate) fn checks(&self) -> Option<String> {
        get(&format!("http://127.0.0.1:{}/readyz?verbose", self.admin))
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
        self.signal("TERM");
        self.end()
    }

    /// Waits until it has ended.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            let child = self.child.as_mut().expect("it runs");
            if let Some(status) = child.try_wait().expect("its status") {
                self.child = None;
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it did not end:\n{}", self.output());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it in the middle of what it does, until it is [woken](Self::resume).
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    /// Sends it a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(sent.expect("kill starts").success());
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Whether it was started and was not killed, stopped or waited for.
    pub(crate) const fn is_started(&self) -> bool {
        self.child.is_some()
    }

    /// Resident memory in bytes.
    pub(crate) fn rss(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() * 1024
    }

    /// The sum of a metric over its labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        self.metric_with(name, "")
    }

    /// The sum of a metric over its labels, of those lines that have `label` (`reason="full"`).
    pub(crate) fn metric_with(&self, name: &str, label: &str) -> f64 {
        let text = get(&format!("http://127.0.0.1:{}/metrics", self.admin)).unwrap_or_default();
        let value = |line: &str| {
            let rest = line.strip_prefix(name)?;
            (rest.starts_with(['{', ' '])).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
        };
        text.lines().filter(|line| line.contains(label)).filter_map(value).sum()
    }

    /// What it printed.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let output = self.output();
            let from = output.len().saturating_sub(20_000);
            let tail = output.get(from..).unwrap_or(&output);
            let place = self.output.display();
            let _ = writeln!(std::io::stderr(), "output of the process ({place}):\n{tail}");
            return;
        }
        let output = self.output();
        let complaints = complaints(&output, &self.expected);
        assert!(
            complaints.is_empty(),
            "{} said what nobody expects:\n{}",
            self.role,
            complaints.join("\n")
        );
    }
}

/// The lines of a log that nobody expects.
fn complaints<'a>(output: &'a str, expected: &[Expected]) -> Vec<&'a str> {
    let is_bad = |line: &&str| {
        line.contains("panicked at")
            || [" WARN ", " ERROR "].iter().any(|level| line.contains(level))
                && !expected.iter().any(|(words, _)| line.contains(words))
    };
    output.lines().filter(is_bad).collect()
}

#[test]
fn what_nobody_expects_is_found() {
    let output = "a  INFO x: all is well\na  WARN x: fail to export: it is away\na ERROR x: lost\n\
                  thread 'y' panicked at src/z.rs:1:2:\n  WARN \n";
    assert_eq!(complaints(output, BACKEND_AWAY).len(), 3);
    let all = [("lost", "a reason"), ("  WARN ", "another"), ("panicked", "none is good enough")];
    assert_eq!(complaints(output, &all), ["thread 'y' panicked at src/z.rs:1:2:"]);
}
