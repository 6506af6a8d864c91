//! The executable under test.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// How long a process may take to say or do what is expected of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a run that ends by itself came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the executable to its end, in `folder`, with no variables that configure it.
pub(crate) fn run(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let output = command(folder, arguments, variables).output().expect("it starts");
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Writes `text` as the configuration in `folder` and gives its path.
pub(crate) fn configuration(folder: &Path, text: &str) -> String {
    let path = folder.join("wholetrace.yaml");
    fs::write(&path, text).expect("the configuration is written");
    path.display().to_string()
}

/// The executable, to be started in `folder` with its output piped.
pub(crate) fn command(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wholetrace"));
    command.current_dir(folder).args(arguments).envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A `standalone` that runs. Killed when dropped.
pub(crate) struct Standalone {
    child: Child,
    lines: mpsc::Receiver<String>,
    said: Vec<String>,
}

/// Settings that put all listeners on free ports.
pub(crate) const FREE_PORTS: [&str; 8] = [
    "--set",
    "receivers.otlp.protocols.grpc.endpoint=127.0.0.1:0",
    "--set",
    "receivers.otlp.protocols.http.endpoint=127.0.0.1:0",
    "--set",
    "receivers.zipkin.endpoint=127.0.0.1:0",
    "--set",
    "admin.endpoint=127.0.0.1:0",
];

impl Standalone {
    /// Starts it in `folder` and waits until it says that it is ready.
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        let all: Vec<&str> = ["standalone"].iter().chain(arguments).copied().collect();
        Self::spawned(command(folder, &all, &[]))
    }

    /// The same, of a process that gets an error when it writes more to a file than it
    /// [may](Self::limit_files): one that does not ignore that signal is ended by it.
    pub(crate) fn start_to_be_limited(folder: &Path, arguments: &[&str]) -> Self {
        let script = "trap '' XFSZ; exec \"$0\" standalone \"$@\"";
        let mut shell = Command::new("sh");
        shell.args(["-c", script, env!("CARGO_BIN_EXE_wholetrace")]).args(arguments);
        shell.current_dir(folder).stdin(Stdio::null());
        shell.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::spawned(shell)
    }

    fn spawned(mut command: Command) -> Self {
        let mut child = command.spawn().expect("it starts");
        let (sender, lines) = mpsc::sync_channel(10_000);
        let stdout = child.stdout.take().expect("its output");
        let stderr = child.stderr.take().expect("its log");
        for source in [Box::new(stdout) as Box<dyn std::io::Read + Send>, Box::new(stderr)] {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(source).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        let mut running = Self { child, lines, said: Vec::new() };
        running.wait_for("Point an SDK at it");
        running
    }

    /// Waits until it says `text`, and gives the line.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        if let Some(line) = self.said.iter().find(|line| line.contains(text)) {
            return line.clone();
        }
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| {
                panic!("it did not say `{text}`:\n{}", self.said.join("\n"));
            });
            self.said.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The address in the line of the start-up message that has `text`.
    pub(crate) fn address(&mut self, text: &str) -> String {
        let line = self.wait_for(text);
        let word = line.split_whitespace().find(|word| word.contains("127.0.0.1:"));
        let word = word.expect("an address").trim_start_matches("http://");
        word.split('/').next().expect("an address").to_owned()
    }

    /// Sends the signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(sent.expect("kill starts").success());
    }

    /// From now on the system refuses it every write to a file, as a dying disk would.
    pub(crate) fn limit_files(&self) {
        let id = self.child.id().to_string();
        let done = Command::new("prlimit").args(["--pid", &id, "--fsize=0"]).status();
        assert!(done.expect("prlimit starts").success());
    }

    /// Waits until it has ended.
    pub(crate) fn end(self) -> ExitStatus {
        self.last_words().0
    }

    /// Waits until it has ended; gives all that it said, too.
    pub(crate) fn last_words(mut self) -> (ExitStatus, Vec<String>) {
        let begun = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("its status") {
                Some(status) => break status,
                None => assert!(begun.elapsed() < PATIENCE, "it did not end: {:#?}", self.said),
            }
            thread::sleep(Duration::from_millis(20));
        };
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.said.push(line);
        }
        (status, std::mem::take(&mut self.said))
    }
}

impl Drop for Standalone {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status line and body of a GET.
pub(crate) fn get(address: &str, path: &str) -> String {
    use std::{io::Write as _, net::TcpStream};

    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
