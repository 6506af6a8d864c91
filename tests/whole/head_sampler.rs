//! A real Collector's `probabilistic_sampler` in front of the whole process: what both have kept
//! counts right together.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use prost::Message as _;
use serde_json::{Value, json};
use wholetrace_proto::otlp::{
    ExportTraceServiceRequest, ResourceSpans, ScopeSpans, Span, Status, status::StatusCode,
};

use super::{
    gateway_process::Gateway,
    parts::{built, free_port, stands},
    process::wait_until,
};

/// Traces of each mode, before any sampler.
const TRACES: u64 = 3_000;

/// One above the greatest randomness.
const ALL: u64 = 1 << 56;

/// The modes of the sampler; the place of one is the high half of the ids of its traces.
const MODES: [&str; 3] = ["hash_seed", "proportional", "equalizing"];

/// The threshold of the tenth that the process keeps, in the four digits that it states.
const TENTH: u64 = 0xe666 << 40;

/// A trace as its service makes it.
struct Source {
    id: u128,
    error: bool,
    /// What the SDK writes to the tracestate.
    state: &'static str,
}

/// A span behind a sampler, as its tracestate tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    threshold: u64,
    randomness: u64,
}

/// A Collector. Killed when dropped.
struct Collector(Child);

impl Collector {
    /// Starts one that keeps a quarter, in each mode for a port of its own. All goes to the process at
    /// the port `whole`, and to files in `folder`.
    fn start(ports: [u16; 3], whole: u16, folder: &Path) -> Self {
        let by_mode = |name: &str, of: &dyn Fn(usize) -> Value| {
            let each = (0..MODES.len()).map(|mode| (format!("{name}/{}", MODES[mode]), of(mode)));
            Value::Object(each.collect())
        };
        let receivers = by_mode(
            "otlp",
            &|mode| json!({ "protocols": { "http": { "endpoint": format!("127.0.0.1:{}", ports[mode]) } } }),
        );
        let processors = by_mode(
            "probabilistic_sampler",
            &|mode| json!({ "mode": MODES[mode], "sampling_percentage": 25, "hash_seed": 22 }),
        );
        let mut exporters = by_mode("file", &|mode| json!({ "path": passed(folder, mode) }));
        // Without a queue an answer means that the process has taken what was sent.
        exporters["otlp"] = json!({
            "endpoint": format!("127.0.0.1:{whole}"), "tls": { "insecure": true },
            "sending_queue": { "enabled": false },
        });
        let pipelines = by_mode("traces", &|mode| {
            let named = |kind: &str| format!("{kind}/{}", MODES[mode]);
            json!({
                "receivers": [named("otlp")], "processors": [named("probabilistic_sampler")],
                "exporters": ["otlp", named("file")],
            })
        });
        let config = json!({
            "receivers": receivers, "processors": processors, "exporters": exporters,
            "service": { "pipelines": pipelines, "telemetry": { "metrics": { "level": "none" } } },
        });
        let (path, log) = (folder.join("collector.yaml"), folder.join("collector.log"));
        fs::write(&path, config.to_string()).expect("the configuration");
        let child = Command::new(built("collector/collector"))
            .arg("--config")
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a file"))
            .spawn();
        let collector = Self(child.expect("the Collector starts"));
        wait_until("the Collector is ready", || {
            fs::read_to_string(&log).unwrap_or_default().contains("Everything is ready")
        });
        collector
    }

    /// Has it write what it holds, and end.
    fn stop(&mut self) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill starts").success());
        wait_until("the Collector ends", || self.0.try_wait().expect("its status").is_some());
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where the Collector writes what its sampler of a mode lets pass.
fn passed(folder: &Path, mode: usize) -> PathBuf {
    folder.join(format!("passed-{}.jsonl", MODES[mode]))
}

/// The same bits for the same number, as if by chance.
const fn random(number: u64) -> u64 {
    let one = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let two = (one ^ one >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let three = (two ^ two >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    three ^ three >> 31
}

/// The traces of a mode, one in five with an error. Of those with an odd number an SDK has kept half,
/// except where the head sampler hashes, which knows nothing of thresholds.
fn traces(mode: usize) -> Vec<Source> {
    let trace = |number: u64| Source {
        id: (mode as u128) << 64 | u128::from(random(number * 3 + mode as u64)),
        error: number.is_multiple_of(5),
        state: if number.is_multiple_of(2) || mode == 0 { "" } else { "ot=th:8" },
    };
    (0..TRACES).map(trace).collect()
}

/// Whether an SDK that has written this tracestate has kept the trace.
const fn is_sent(source: &Source) -> bool {
    source.state.is_empty() || source.id as u64 & (ALL - 1) >= ALL / 2
}

fn send(port: u16, traces: &[Source]) {
    let span = |source: &Source, number: u64| Span {
        trace_id: source.id.to_be_bytes().to_vec(),
        span_id: number.to_be_bytes().to_vec(),
        parent_span_id: if number == 1 { Vec::new() } else { 1_u64.to_be_bytes().to_vec() },
        trace_state: source.state.to_owned(),
        status: (source.error && number == 2)
            .then(|| Status { code: StatusCode::Error as i32, ..Status::default() }),
        ..Span::default()
    };
    let sent: Vec<&Source> = traces.iter().filter(|source| is_sent(source)).collect();
    for some in sent.chunks(500) {
        let spans = some.iter().flat_map(|source| [span(source, 1), span(source, 2)]).collect();
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
                ..ResourceSpans::default()
            }],
        };
        let sent = ureq::post(&format!("http://127.0.0.1:{port}/v1/traces"))
            .header("content-type", "application/x-protobuf")
            .send(&request.encode_to_vec()[..]);
        assert!(sent.expect("it is taken").status().is_success());
    }
}

/// What the spans in a file of OTLP/JSON tell, by the ids of their traces.
fn spans_in(path: &Path) -> BTreeMap<u128, Vec<Told>> {
    let list = |of: &Value, key: &str| of[key].as_array().cloned().unwrap_or_default();
    let mut spans: BTreeMap<u128, Vec<Told>> = BTreeMap::new();
    for line in fs::read_to_string(path).unwrap_or_default().lines() {
        // The last line may be in the midst of being written.
        let Ok(request) = serde_json::from_str::<Value>(line) else { continue };
        let scopes = list(&request, "resourceSpans").into_iter();
        let scopes = scopes.flat_map(|resource| list(&resource, "scopeSpans"));
        for span in scopes.flat_map(|scope| list(&scope, "spans")) {
            let id = span["traceId"].as_str().expect("an id");
            let id = u128::from_str_radix(id, 16).expect("an id");
            let told = told(id, span["traceState"].as_str().unwrap_or_default());
            spans.entry(id).or_default().push(told);
        }
    }
    spans
}

/// What a tracestate with an entry of OpenTelemetry alone tells of a span.
fn told(id: u128, state: &str) -> Told {
    let fields = state.strip_prefix("ot=").unwrap_or_default().split(';');
    let fields: BTreeMap<&str, &str> = fields.filter_map(|field| field.split_once(':')).collect();
    let number = |digits: &&str| u64::from_str_radix(&format!("{digits:0<14}"), 16).expect(state);
    Told {
        threshold: fields.get("th").map_or(0, number),
        randomness: fields.get("rv").map_or(id as u64 & (ALL - 1), number),
    }
}

/// Scenario: a head sampler of each mode keeps a quarter of what services send, of which an SDK has
/// kept half of some traces, and the process behind it keeps errors and a tenth.
///
/// Guarantees: it keeps what has an error and what is in the tenth of what arrives, and no more; each
/// span leaves with the threshold of the last sampler that could have dropped it; and the counts that
/// these tell estimate how many traces, and how many with an error, there were before any sampler.
#[test]
fn a_head_sampler_and_the_process_count_right_together() {
    if !stands("collector") {
        return;
    }
    let mut gateway = Gateway::new(
        "tail_sampling:\n  decision_wait: 2s\n  policies:\n    \
         - { name: errors, type: status_code, status_code: { status_codes: [ERROR] } }\n    \
         - { name: share, type: probabilistic, probabilistic: { sampling_percentage: 10 } }\n\
         exporters: { file: { path: \"FOLDER/kept.jsonl\", flush_interval: 100ms } }\n",
    );
    gateway.start();
    let folder = gateway.folder.path().to_owned();
    let ports = [(); 3].map(|()| free_port());
    let mut collector = Collector::start(ports, gateway.grpc, &folder);
    let sources = [0, 1, 2].map(traces);
    for (port, traces) in ports.into_iter().zip(&sources) {
        send(port, traces);
    }
    collector.stop();

    let arrived = [0, 1, 2].map(|mode| spans_in(&passed(&folder, mode)));
    let all: usize = arrived.iter().map(BTreeMap::len).sum();
    let decided =
        |verdict: &str| gateway.metric_with("wholetrace_sampler_decisions_total", verdict);
    wait_until("all are decided", || decided("") as usize >= all);
    let path = folder.join("kept.jsonl");
    let spans = || spans_in(&path).values().map(Vec::len).sum::<usize>();
    wait_until("all are exported", || spans() >= 2 * decided("\"kept\"") as usize);
    let kept = spans_in(&path);
    for ((mode, sources), arrived) in MODES.iter().zip(&sources).zip(&arrived) {
        check(mode, sources, arrived, &kept);
    }
    let known = |id: &u128| arrived.iter().any(|arrived| arrived.contains_key(id));
    assert!(kept.keys().all(known));
    assert!(gateway.stop().success(), "{}", gateway.output());
}

/// Checks what became of the traces `sources` of a mode.
fn check(
    mode: &str,
    sources: &[Source],
    arrived: &BTreeMap<u128, Vec<Told>>,
    kept: &BTreeMap<u128, Vec<Told>>,
) {
    let (mut all, mut errors) = (Estimate::default(), Estimate::default());
    for source in sources {
        all.true_count += 1.0;
        errors.true_count += f64::from(source.error);
        let Some(passed) = arrived.get(&source.id) else {
            assert!(!kept.contains_key(&source.id), "{mode}");
            continue;
        };
        let [one, other] = passed[..] else { panic!("{mode}: {passed:?}") };
        assert_eq!(one, other, "{mode}");
        assert!((ALL / 4 * 3..=one.randomness).contains(&one.threshold), "{mode}: {one:?}");
        let Some(spans) = kept.get(&source.id) else {
            assert!(!source.error && one.randomness < TENTH, "{mode}: {one:?}");
            continue;
        };
        assert!(source.error || one.randomness >= TENTH, "{mode}: {one:?}");
        let least = if source.error { 0 } else { TENTH };
        let left = Told { threshold: one.threshold.max(least), ..one };
        assert_eq!(spans[..], [left; 2], "{mode}");
        all.add(left);
        if source.error {
            errors.add(left);
        }
    }
    all.check(&format!("{mode}: all"));
    errors.check(&format!("{mode}: errors"));
}

/// How many traces there were, by what was kept.
#[derive(Debug, Default)]
struct Estimate {
    true_count: f64,
    estimate: f64,
    /// Estimates the variance of the estimate.
    variance: f64,
}

impl Estimate {
    fn add(&mut self, kept: Told) {
        let count = ALL as f64 / (ALL - kept.threshold) as f64;
        self.estimate += count;
        self.variance += count * (count - 1.0);
    }

    /// Within four standard deviations: the ids are always the same ones, so what holds once does
    /// each time.
    fn check(&self, what: &str) {
        let off = (self.estimate - self.true_count).abs();
        assert!(off < 4.0 * self.variance.sqrt(), "{what}: {self:?}");
        // The bound tells something: it is far below the number itself.
        assert!(4.0 * self.variance.sqrt() < 0.4 * self.true_count, "{what}: {self:?}");
    }
}
