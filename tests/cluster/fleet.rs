//! Gateways and samplers of one cluster, each a process of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output},
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    kafka::LATE,
    parts::free_port,
    process::{Expected, Process, generate, wholetrace},
    steady::sampling,
};

/// A deployment with topics and a group of its own. Its processes are killed when it is dropped.
pub(crate) struct Fleet {
    /// What the names of the topics and the group begin with.
    pub(crate) name: String,
    /// The section `log` and what else all roles have in common.
    common: String,
    pub(crate) gateways: Vec<Gateway>,
    pub(crate) samplers: Vec<Process>,
    expected: Vec<Expected>,
    /// Configurations, output, records, and what the samplers kept: `kept-0.jsonl`, … The last to be
    /// dropped: what the processes said is read when they are.
    pub(crate) folder: tempfile::TempDir,
}

/// A gateway and its ports.
pub(crate) struct Gateway {
    pub(crate) process: Process,
    pub(crate) grpc: u16,
}

/// What differs between fleets.
pub(crate) struct Layout<'a> {
    /// The bootstrap list.
    pub(crate) brokers: &'a str,
    /// Partitions of the topics.
    pub(crate) partitions: u32,
    /// More settings of `log.kafka`, indented by four spaces, each line ended.
    pub(crate) kafka: &'a str,
    /// The sections `tail_sampling`, `memory`, `limits`, as far as they are not the defaults.
    pub(crate) rest: &'a str,
}

impl<'a> Layout<'a> {
    /// Eight partitions, policies, and the defaults.
    pub(crate) fn of(brokers: &'a str) -> Self {
        static SAMPLING: LazyLock<String> = LazyLock::new(|| sampling("10s"));
        Self { brokers, partitions: 8, kafka: "", rest: &SAMPLING }
    }
}

impl Fleet {
    /// A fleet without processes and topics.
    pub(crate) fn new(layout: &Layout<'_>) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("fleet-{}-{number}", std::process::id());
        let Layout { brokers, partitions, kafka, rest } = layout;
        // Session timeouts as short as the brokers of the tests allow.
        let common = format!(
            "log:\n  kafka:\n    brokers: [{}]\n    group_id: {name}\n    commit_interval: 1s\n    \
             spans: {{ topic: {name}-spans, partitions: {partitions} }}\n    \
             decisions: {{ topic: {name}-decisions }}\n    \
             dead_letters: {{ topic: {name}-dead-letters }}\n    \
             ring: {{ topic: {name}-ring }}\n{kafka}{rest}",
            quoted(brokers)
        );
        let folder = tempfile::tempdir().expect("a folder");
        let (gateways, samplers, expected) = (Vec::new(), Vec::new(), LATE.to_vec());
        Self { name, common, gateways, samplers, expected, folder }
    }

    /// Warnings and errors of its processes that are among these are expected; any other fails the
    /// test.
    pub(crate) fn expect(&mut self, lines: &[Expected]) {
        self.expected.extend(lines);
        let gateways = self.gateways.iter_mut().map(|gateway| &mut gateway.process);
        gateways.chain(&mut self.samplers).for_each(|process| process.expect(lines));
    }

    /// Its `decision_wait`.
    ///
    /// # Panics
    /// When its configuration has none in whole seconds.
    pub(crate) fn decision_wait(&self) -> Duration {
        let mut lines = self.common.lines().map(str::trim);
        let wait = lines.find_map(|line| line.strip_prefix("decision_wait: ")?.strip_suffix('s'));
        let seconds = wait.and_then(|seconds| seconds.parse().ok());
        Duration::from_secs(seconds.expect("a decision wait in seconds"))
    }

    /// `wholetrace topics ACTION`: whether it succeeded, and all that it said.
    pub(crate) fn topics(&self, action: &str) -> (bool, String) {
        let config = self.write("topics", "");
        let Output { status, stdout, stderr } = wholetrace()
            .args(["topics", action, "--config"])
            .arg(config)
            .output()
            .expect("the executable starts");
        let said = [stdout, stderr].concat();
        (status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Makes the topics, which must succeed.
    pub(crate) fn create_topics(&self) {
        let (created, said) = self.topics("create");
        assert!(created, "{said}");
    }

    /// Adds a gateway that is not started, and gives its number.
    pub(crate) fn add_gateway(&mut self, more: &str) -> usize {
        self.add_receiver("gateway", more)
    }

    /// The same for a process that samples too; what it keeps goes to `kept-standalone.jsonl`.
    pub(crate) fn add_standalone(&mut self) -> usize {
        let kept = self.folder.path().join("kept-standalone.jsonl");
        let kept = kept.display();
        self.add_receiver("standalone", &format!("exporters:\n  file: {{ path: \"{kept}\" }}\n"))
    }

    fn add_receiver(&mut self, role: &str, more: &str) -> usize {
        let number = self.gateways.len();
        let (grpc, admin) = (free_port(), free_port());
        let listeners = format!(
            "receivers:\n  otlp:\n    protocols:\n      grpc: {{ endpoint: \"127.0.0.1:{grpc}\" }}\n      \
             http: {{ endpoint: \"127.0.0.1:0\" }}\nadmin: {{ endpoint: \"127.0.0.1:{admin}\" }}\n{more}"
        );
        let process = self.process(role, number, &listeners, admin);
        self.gateways.push(Gateway { process, grpc });
        number
    }

    /// Adds a sampler that is not started, and gives its number. What it keeps goes to
    /// `kept-NUMBER.jsonl`, unless `more` has exporters.
    pub(crate) fn add_sampler(&mut self, more: &str) -> usize {
        let (number, admin) = (self.samplers.len(), free_port());
        let mut sections = format!("admin: {{ endpoint: \"127.0.0.1:{admin}\" }}\n{more}");
        if !more.contains("exporters:") {
            let kept = self.folder.path().join(format!("kept-{number}.jsonl"));
            sections.push_str(&format!(
                "exporters:\n  file: {{ path: \"{}\", flush_interval: 100ms }}\n",
                kept.display()
            ));
        }
        let process = self.process("sampler", number, &sections, admin);
        self.samplers.push(process);
        number
    }

    /// Adds and starts so many of each, and waits until all are ready.
    pub(crate) fn start(&mut self, gateways: usize, samplers: usize) {
        for _ in 0..gateways {
            self.add_gateway("");
        }
        for _ in 0..samplers {
            self.add_sampler("");
        }
        for gateway in &mut self.gateways {
            gateway.process.spawn();
        }
        self.samplers.iter_mut().for_each(Process::spawn);
        for gateway in &mut self.gateways {
            gateway.process.wait_ready();
        }
        self.samplers.iter_mut().for_each(Process::wait_ready);
    }

    /// `wholetrace generate` against a gateway, with its record.
    pub(crate) fn generate(&self, gateway: usize, options: &[&str]) -> (Child, PathBuf) {
        let record = self.folder.path().join(format!("record-{gateway}.jsonl"));
        let grpc = self.gateways[gateway].grpc;
        let child = generate(grpc, &record, &self.generator_log(gateway), options);
        (child, record)
    }

    /// What a generator complained of.
    pub(crate) fn generator_log(&self, gateway: usize) -> PathBuf {
        self.folder.path().join(format!("generate-{gateway}.log"))
    }

    /// Runs `wholetrace ROLE` to its end, which must come by itself: its exit code and what it said.
    pub(crate) fn run(&self, role: &str, settings: &[&str]) -> (Option<i32>, String) {
        let config = self.write("run", "exporters: { debug: {} }\n");
        let mut command: Command = wholetrace();
        command.arg(role).arg("--config").arg(config);
        for port in ["receivers.otlp.protocols.grpc", "receivers.otlp.protocols.http"] {
            command.args(["--set", &format!("{port}.endpoint=127.0.0.1:0")]);
        }
        command.args(["--set", "receivers.zipkin.endpoint=127.0.0.1:0"]);
        command.args(["--set", "admin.endpoint=127.0.0.1:0"]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        let Output { status, stdout, stderr } = command.output().expect("the executable starts");
        let said = [stdout, stderr].concat();
        (status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    fn process(&self, role: &str, number: usize, sections: &str, admin: u16) -> Process {
        let name = format!("{role}-{number}");
        let config = self.write(&name, sections);
        let output = self.folder.path().join(format!("{name}.output"));
        let mut process = Process::new(role, config, output, admin);
        process.expect(&self.expected);
        process
    }

    fn write(&self, name: &str, sections: &str) -> PathBuf {
        let path: &Path = self.folder.path();
        let path = path.join(format!("{name}.yaml"));
        fs::write(&path, format!("{}{sections}", self.common)).expect("the configuration");
        path
    }
}

/// The bootstrap list as items of YAML.
fn quoted(brokers: &str) -> String {
    brokers.split(',').map(|broker| format!("\"{broker}\"")).collect::<Vec<_>>().join(", ")
}
