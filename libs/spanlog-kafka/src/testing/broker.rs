//! Brokers that the tests of this crate share.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, OnceLock},
    time::{Duration, Instant},
};

/// How long a broker may take to stop in order, on a busy machine.
const STOP_WITHIN: Duration = Duration::from_secs(90);

/// One node, which ends with this handle or with the process of the tests.
pub(crate) struct Node {
    /// Where it listens, without any security.
    brokers: String,
    /// Its folder.
    folder: PathBuf,
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
    FOUND.get_or_init(|| Node::start("")).as_ref().map(|node| node.brokers.as_str())
}

#[expect(
    clippy::disallowed_methods,
    reason = "where the tests find their broker is no configuration"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Node {
    /// A node for one test alone, which may do with it what it likes. `None` where Kafka is not
    /// installed.
    pub(crate) fn own() -> Option<Self> {
        Self::start("")
    }

    /// A node that also listens as `--secure` of the script says. `None` where Kafka is not
    /// installed.
    pub(crate) fn secure() -> Option<Self> {
        Self::start("--secure")
    }

    fn start(option: &str) -> Option<Self> {
        let parts = parts();
        let script = parts.join("kafka/cluster");
        if !parts.join(".build/kafka/libs").is_dir() {
            skip();
            return None;
        }
        // The folder goes with the keeper, which outlives this process for a moment.
        let keep = r#"dir=$(mktemp -d) || exit 1
            trap '"$0" stop "$dir" >/dev/null 2>&1; rm -rf "$dir"' EXIT
            "$0" start "$dir" --nodes 1 $1 >&2 && "$0" brokers "$dir" && echo "$dir" && read -r _"#;
        let mut keeper = Command::new("bash")
            .args(["-c", keep])
            .arg(script)
            .arg(option)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("bash starts the broker");
        let open = keeper.stdin.take().unwrap();
        let mut said = BufReader::new(keeper.stdout.take().unwrap()).lines();
        let mut line = || said.next().and_then(Result::ok);
        let (Some(brokers), Some(folder)) = (line(), line()) else {
            panic!("the broker does not start: try tests/parts/kafka/cluster by hand");
        };
        Some(Self { brokers, folder: folder.into(), _open: Mutex::new((keeper, open)) })
    }

    /// Stops the broker in order and starts it again, with `change` in between. One that is killed
    /// looks through its records when it starts, and cuts its log where one is damaged.
    pub(crate) fn restarted(&self, change: impl FnOnce()) {
        let id = fs::read_to_string(self.file("n1/pid")).unwrap();
        let run = |command: &mut Command| {
            let done = command.output().expect("it runs");
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        };
        run(Command::new("kill").args(["-TERM", id.trim()]));
        let process = PathBuf::from("/proc").join(id.trim()).join("cmdline");
        let begun = Instant::now();
        // One that nobody has looked after yet has no command line any more.
        while fs::read(&process).is_ok_and(|line| !line.is_empty()) {
            assert!(begun.elapsed() < STOP_WITHIN, "the broker does not stop");
            std::thread::sleep(Duration::from_millis(50));
        }
        change();
        let script = parts().join("kafka/cluster");
        run(Command::new("bash").arg(script).arg("start").arg(&self.folder));
    }

    /// Where it listens, without any security.
    pub(crate) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Where its other listeners are: `offset` ports behind.
    pub(crate) fn listener(&self, offset: u16) -> String {
        let (host, port) = self.brokers.rsplit_once(':').unwrap();
        format!("{host}:{}", port.parse::<u16>().unwrap() + offset)
    }

    /// A file in its folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn parts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parts")
}

fn skip() {
    let strict = variable("CI").is_some_and(|value| value == "true");
    assert!(!strict, "CI needs Kafka: run `tests/parts/install.sh kafka`");
    eprintln!("skipped: run `tests/parts/install.sh kafka` first, or set WHOLETRACE_TEST_KAFKA");
}
