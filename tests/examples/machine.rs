//! A machine on which somebody tries the examples: one at a time.

use std::{
    fs::{self, File},
    net::TcpListener,
    os::unix::fs::symlink,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    oracle,
    parts::built,
    process::{get, wait_until},
};

/// How long ports may be taken by others until that is a failure.
const PORTS_WITHIN: Duration = Duration::from_secs(60);

/// A folder in which commands are typed, and what they started. All of it ends with this.
pub(crate) struct Machine {
    servers: Vec<(String, Child)>,
    variables: Vec<(String, String)>,
    pub(crate) folder: tempfile::TempDir,
    /// Given back last.
    _ports: File,
    _turn: MutexGuard<'static, ()>,
}

impl Machine {
    /// A machine whose `ports` are free. The folder has the examples, and `wholetrace` and `jaeger` are
    /// on the search path.
    pub(crate) fn new(ports: &[u16]) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = std::env::temp_dir().join("wholetrace-usual-ports.lock");
        let lock = File::options().create(true).append(true).open(lock).expect("the lock's file");
        lock.lock().expect("the turn of this process");
        let begun = Instant::now();
        for port in ports {
            while TcpListener::bind(("127.0.0.1", *port)).is_err() {
                let who = Command::new("ss").args(["-ltnp", &format!("sport = {port}")]).output();
                let who = who.map(|who| String::from_utf8_lossy(&who.stdout).into_owned());
                assert!(
                    begun.elapsed() < PORTS_WITHIN,
                    "port {port} is taken, and the examples need it: {}",
                    who.unwrap_or_default()
                );
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        let folder = tempfile::tempdir().expect("a folder");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let place = |name: &str| folder.path().join(name);
        for name in ["examples", "tests"] {
            symlink(root.join(name), place(name)).expect("a link");
        }
        fs::create_dir(place("bin")).expect("a folder");
        symlink(env!("CARGO_BIN_EXE_wholetrace"), place("bin/wholetrace")).expect("a link");
        symlink(built("jaeger/jaeger"), place("bin/jaeger")).expect("a link");
        Self { servers: Vec::new(), variables: Vec::new(), folder, _ports: lock, _turn: turn }
    }

    /// Sets a variable for the commands to come.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Types the commands one after the other: what runs until it is stopped must come to work, all
    /// others must succeed.
    pub(crate) fn type_all(&mut self, commands: &[String]) {
        for command in commands {
            self.type_one(command);
        }
    }

    /// Types one command.
    pub(crate) fn type_one(&mut self, command: &str) {
        if let Some((name, value)) =
            command.strip_prefix("export ").and_then(|set| set.split_once('='))
        {
            return self.set(name, value);
        }
        let is_server = [
            "jaeger ",
            "collector ",
            "wholetrace standalone",
            "wholetrace gateway",
            "wholetrace sampler",
        ]
        .iter()
        .any(|server| command.starts_with(server));
        if !is_server {
            let output = self.shell(command).output().expect("bash starts");
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(
                output.status.success(),
                "`{command}`: {}\n{said}{}",
                output.status,
                self.said()
            );
            return;
        }
        let log = self.log(command);
        let output = File::options().create(true).append(true).open(&log).expect("a file");
        let mut shell = self.shell(&format!("exec {command}"));
        shell.stdout(output.try_clone().expect("a second handle")).stderr(output);
        self.servers.push((command.to_owned(), shell.spawn().expect("bash starts")));
        let answers = answers(command);
        wait_until(command, || {
            let ended = self.servers.iter_mut().find_map(|(name, child)| {
                child.try_wait().expect("its status").map(|status| format!("`{name}`: {status}"))
            });
            assert!(ended.is_none(), "{}: {}", ended.unwrap_or_default(), self.said());
            answers.as_ref().is_none_or(|url| get(url).is_some())
        });
    }

    fn shell(&self, command: &str) -> Command {
        // What is left over when a test is killed ends by itself.
        let mut shell = Command::new("timeout");
        shell.args(["-k", "10", "300", "bash", "-c", &format!("PATH=$PWD/bin:$PATH; {command}")]);
        shell.current_dir(self.folder.path()).stdin(Stdio::null());
        shell.envs(self.variables.iter().map(|(name, value)| (name, value)));
        shell
    }

    fn log(&self, command: &str) -> std::path::PathBuf {
        let word: String = command.chars().take(40).filter(|c| c.is_ascii_alphanumeric()).collect();
        self.folder.path().join(format!("{word}.log"))
    }

    /// What the servers said last.
    pub(crate) fn said(&self) -> String {
        let logs = self.servers.iter().map(|(command, _)| {
            let said = fs::read_to_string(self.log(command)).unwrap_or_default();
            let lines: Vec<&str> = said.lines().rev().take(30).collect();
            format!("\n--- {command}\n{}", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
        });
        logs.collect()
    }

    /// Sends some traces over gRPC to `port`, and gives the ids of those that must be kept with how many
    /// spans of each were acknowledged.
    pub(crate) fn send(&mut self, port: u16) -> Vec<(String, usize)> {
        let record = self.folder.path().join("record.jsonl");
        self.type_one(&format!(
            "wholetrace generate --endpoint http://127.0.0.1:{port} --traces 60 --rate 60 --slow 0 \
             --late 0 --errors 0.3 --seed 7 --record {}",
            record.display()
        ));
        let sent = oracle::record(&record);
        let kept = sent.iter().filter(|trace| trace.error);
        let kept: Vec<_> =
            kept.map(|trace| (trace.trace_id.clone(), trace.acknowledged.len())).collect();
        assert!(!kept.is_empty(), "no trace with an error was sent");
        kept
    }

    /// Waits until Jaeger has them all whole.
    pub(crate) fn must_reach_jaeger(&self, traces: &[(String, usize)]) {
        for (id, spans) in traces {
            wait_until(&format!("Jaeger has the kept trace {id} whole, {spans} spans"), || {
                let answer = get(&format!("http://127.0.0.1:16686/api/traces/{id}"));
                answer.is_some_and(|answer| answer.matches("\"spanID\"").count() >= *spans)
            });
        }
    }

    /// Waits until they are all in files of this name below the folder.
    pub(crate) fn must_reach_files(&self, name: &str, traces: &[(String, usize)]) {
        wait_until("the file has all kept traces whole", || {
            let found = Command::new("find").arg(self.folder.path()).args(["-name", name]).output();
            let found = found.expect("find starts");
            let files = String::from_utf8_lossy(&found.stdout).into_owned();
            let text: String =
                files.lines().map(|file| fs::read_to_string(file).unwrap_or_default()).collect();
            traces.iter().all(|(id, spans)| text.matches(id.as_str()).count() >= *spans)
        });
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.said());
        }
        for (_, child) in self.servers.iter_mut().rev() {
            // `timeout` hands it on.
            let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }
}

/// Where a server answers when it works.
fn answers(command: &str) -> Option<String> {
    if command.starts_with("jaeger ") {
        return Some("http://127.0.0.1:16686/api/services".to_owned());
    }
    if command.starts_with("collector ") {
        return Some("http://127.0.0.1:8888/metrics".to_owned());
    }
    let admin = command.split_once("admin.endpoint=127.0.0.1:").map(|(_, port)| port);
    let port = admin.and_then(|port| port.split(' ').next()).unwrap_or("8890");
    Some(format!("http://127.0.0.1:{port}/readyz"))
}
