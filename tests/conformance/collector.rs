//! A real Collector that decides traces: many sets of policies in one process, each a processor of
//! its own in a pipeline of its own, with a file for what comes out of it.
//!
//! Nothing waits for `decision_wait`: a Collector that is told to stop decides what is pending.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use prost::Message;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use wholetrace_proto::otlp::ExportTraceServiceRequest;

use crate::parts;

/// How long a start or a stop may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// How often one is started that was killed by the signal to stop: it says that it is ready a
/// moment before it handles the signal.
const TRIES: usize = 20;

const SIGTERM: i32 = 15;

/// Stands in a configuration for the folder of the Collector that runs by it.
const FOLDER: &str = "FOLDER";

/// What is said when a Collector has started.
const READY: &str = "Everything is ready";

/// Traces that are sent to some sets of policies.
pub(crate) struct Job<'j> {
    pub(crate) requests: Vec<ExportTraceServiceRequest>,
    /// The blocks `tail_sampling`.
    pub(crate) blocks: Vec<&'j Map<String, Value>>,
}

/// What came out of one set: how many spans of each trace id.
pub(crate) type Kept = BTreeMap<String, usize>;

/// What a Collector makes of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Loads,
    Refuses,
    /// Starts, and dies of the first decision.
    Panics,
}

/// What a Collector keeps, for each set of each job.
pub(crate) fn decide(jobs: &[Job<'_>]) -> Vec<Vec<Kept>> {
    let ports: Vec<u16> = jobs.iter().map(|_| parts::free_port()).collect();
    let sent: Vec<Sent<'_>> =
        ports.iter().copied().zip(jobs.iter().map(|job| &job.requests[..])).collect();
    let ended = run(&configuration_of(jobs, &ports), &sent)
        .unwrap_or_else(|said| panic!("the Collector does not start:\n{said}"));
    assert!(ended.status.success(), "the Collector failed:\n{}", ended.log);
    let read = |job: usize, set: usize| kept(&out(ended.folder.path(), job, set));
    let sets = |(job, one): (usize, &Job<'_>)| {
        (0..one.blocks.len()).map(|set| read(job, set)).collect::<Vec<_>>()
    };
    jobs.iter().enumerate().map(sets).collect()
}

/// Whether a Collector runs with this block, which is sent `request`.
pub(crate) fn outcome(block: &Value, request: &ExportTraceServiceRequest) -> Outcome {
    let port = parts::free_port();
    let path = out(Path::new(FOLDER), 0, 0);
    let configuration = configuration(vec![(port, vec![(block.clone(), path)])]);
    match run(&configuration, &[(port, std::slice::from_ref(request))]) {
        Err(_) => Outcome::Refuses,
        Ok(ended) if ended.status.success() => Outcome::Loads,
        Ok(ended) => {
            assert!(ended.log.contains("panic"), "the Collector failed:\n{}", ended.log);
            Outcome::Panics
        }
    }
}

/// What a port is sent.
type Sent<'s> = (u16, &'s [ExportTraceServiceRequest]);

/// Runs a Collector, sends it this, and stops it.
///
/// # Errors
/// What it said, when it does not start.
fn run(configuration: &Value, sent: &[Sent<'_>]) -> Result<Ended, String> {
    for _ in 0..TRIES {
        let running = Running::start(configuration);
        if !running.is_ready {
            return Err(running.said());
        }
        for (port, requests) in sent {
            requests.iter().for_each(|request| send(*port, request));
        }
        let ended = running.end();
        if ended.status.signal() != Some(SIGTERM) {
            return Ok(ended);
        }
    }
    panic!("the Collector is always told to stop before it hears of it");
}

fn configuration_of(jobs: &[Job<'_>], ports: &[u16]) -> Value {
    let folder = Path::new(FOLDER);
    let job = |(number, (job, port)): (usize, (&Job<'_>, &u16))| {
        let block = |(set, block): (usize, &&Map<String, Value>)| {
            (Value::Object((*block).clone()), out(folder, number, set))
        };
        (*port, job.blocks.iter().enumerate().map(block).collect::<Vec<_>>())
    };
    configuration(jobs.iter().zip(ports).enumerate().map(job).collect())
}

/// Where the spans go that a set of policies keeps.
fn out(folder: &Path, job: usize, set: usize) -> PathBuf {
    folder.join(format!("{job}-{set}.json"))
}

/// A receiver for each port, and for each block a pipeline from it into a file.
fn configuration(receivers: Vec<(u16, Vec<(Value, PathBuf)>)>) -> Value {
    let [mut all, mut processors, mut exporters, mut pipelines] = [(); 4].map(|()| Map::new());
    for (port, sets) in receivers {
        let receiver = format!("otlp/{port}");
        let endpoint = format!("127.0.0.1:{port}");
        all.insert(receiver.clone(), json!({ "protocols": { "http": { "endpoint": endpoint } } }));
        for (set, (block, path)) in sets.into_iter().enumerate() {
            let [processor, exporter, pipeline] =
                ["tail_sampling", "file", "traces"].map(|kind| format!("{kind}/{port}-{set}"));
            let stages = json!({
                "receivers": [receiver], "processors": [processor], "exporters": [exporter],
            });
            processors.insert(processor, block);
            exporters.insert(exporter, json!({ "path": path }));
            pipelines.insert(pipeline, stages);
        }
    }
    json!({
        "receivers": all, "processors": literally(Value::Object(processors)),
        "exporters": exporters,
        "service": { "pipelines": pipelines, "telemetry": { "metrics": { "level": "none" } } },
    })
}

/// With dollar signs that the Collector does not expand.
fn literally(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace('$', "$$")),
        Value::Array(list) => list.into_iter().map(literally).collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (key, literally(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other,
    }
}

/// A Collector's process.
pub(crate) struct Running {
    process: Child,
    pub(crate) folder: TempDir,
    pub(crate) is_ready: bool,
}

/// What was left of a Collector.
pub(crate) struct Ended {
    status: ExitStatus,
    log: String,
    folder: TempDir,
}

impl Running {
    /// Starts one, and waits until it is ready or has given up.
    pub(crate) fn start(configuration: &Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let own = folder.path().to_string_lossy().into_owned();
        let text = configuration.to_string().replace(FOLDER, &own);
        let path = folder.path().join("config.yaml");
        fs::write(&path, text).expect("written");
        let process = Command::new(parts::built("collector/collector"))
            .arg("--config")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("log")).expect("a file"))
            .spawn()
            .expect("the Collector starts");
        let mut running = Self { process, folder, is_ready: false };
        let begun = Instant::now();
        while !running.is_ready && running.process.try_wait().expect("a status").is_none() {
            running.is_ready = running.said().contains(READY);
            assert!(begun.elapsed() < PATIENCE, "the Collector neither starts nor fails");
            std::thread::sleep(Duration::from_millis(5));
        }
        running
    }

    pub(crate) fn said(&self) -> String {
        let log = fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Stops it, which has it decide what is pending.
    pub(crate) fn end(mut self) -> Ended {
        let id = self.process.id().to_string();
        // It may have ended by itself.
        let _ = Command::new("kill").args(["-TERM", &id]).stderr(Stdio::null()).status();
        let status = self.process.wait().expect("a status");
        Ended { status, log: self.said(), folder: self.folder }
    }
}

fn send(port: u16, request: &ExportTraceServiceRequest) {
    let url = format!("http://127.0.0.1:{port}/v1/traces");
    let sent = ureq::post(&url)
        .header("content-type", "application/x-protobuf")
        .send(&request.encode_to_vec()[..]);
    let status = sent.unwrap_or_else(|error| panic!("{url}: {error}")).status();
    assert!(status.is_success(), "{url}: {status}");
}

/// The spans in a file of OTLP/JSON, a line per request.
fn kept(path: &Path) -> Kept {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut kept = Kept::new();
    for line in text.lines() {
        let request: Value = serde_json::from_str(line).expect("JSON");
        for resource in list(&request, "resourceSpans") {
            for span in list(resource, "scopeSpans").iter().flat_map(|scope| list(scope, "spans")) {
                let id = span["traceId"].as_str().expect("an id").to_owned();
                *kept.entry(id).or_default() += 1;
            }
        }
    }
    kept
}

fn list<'v>(of: &'v Value, key: &str) -> &'v [Value] {
    of.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
