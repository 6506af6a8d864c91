//! Compares what was acknowledged with what arrived.
//!
//! The decision about every trace is known beforehand: the policies of [`POLICIES`] keep it because it
//! has an error, because it is slow, or because its id is among the 10 % kept by consistent
//! probability sampling. So a lost span, a split trace and a second decision all show. The one
//! exception: where a sender needed longer than the decision wait for a trace, what decides may have
//! come too late; then it is kept whole or not at all.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use wholetrace_runtime::invariant::Invariant::{I1, I3};

/// The policies that decide.
pub(crate) const POLICIES: &str = r"  policies:
    - { name: errors, type: status_code, status_code: { status_codes: [ERROR] } }
    - { name: slow, type: latency, latency: { threshold_ms: 1500 } }
    - { name: tenth, type: probabilistic, probabilistic: { sampling_percentage: 10 } }
";

/// 10 % as a rejection threshold with four hexadecimal digits, as `ot=th:e666` says it.
const TENTH: u64 = 0xe666 << 40;

/// A trace of the generator's record.
#[derive(Clone, serde::Deserialize)]
pub(crate) struct Sent {
    pub(crate) trace_id: String,
    pub(crate) planned: usize,
    pub(crate) acknowledged: Vec<String>,
    pub(crate) repeated: Vec<String>,
    pub(crate) took_ms: u64,
    pub(crate) error: bool,
    slow: bool,
    pub(crate) late: bool,
    /// Whether its spans may have been taken further apart than the decision wait; false where
    /// nobody [said how long that is](Self::decided_after).
    #[serde(skip)]
    spread: bool,
}

impl Sent {
    /// The same trace, where its acknowledged spans may be lost: none has to arrive.
    pub(crate) fn that_may_be_lost(self) -> Self {
        Self { acknowledged: Vec::new(), ..self }
    }

    /// The same, where traces are decided after `wait`: senders that had to repeat a request for as
    /// long, for a broker that was away say, may have brought what decides too late.
    pub(crate) fn decided_after(self, wait: Duration) -> Self {
        Self { spread: u128::from(self.took_ms) >= wait.as_millis(), ..self }
    }

    /// Whether the policies keep it.
    pub(crate) fn must_be_kept(&self) -> bool {
        self.error || self.slow || self.is_among_the_tenth()
    }

    /// Whether its id alone makes the policies keep it, whenever its spans come.
    pub(crate) fn is_among_the_tenth(&self) -> bool {
        let digits = self.trace_id.get(18..).unwrap_or("0");
        u64::from_str_radix(digits, 16).unwrap_or(0) >= TENTH
    }
}

/// Reads the generator's record.
pub(crate) fn record(path: &Path) -> Vec<Sent> {
    let text = fs::read_to_string(path).expect("the record");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of the record")).collect()
}

/// How often each span arrived, by trace id and span id.
pub(crate) type Arrived = HashMap<String, HashMap<String, usize>>;

/// Reads the lines of the `file` exporter, rotated files too.
pub(crate) fn arrived(folder: &Path, stem: &str) -> Arrived {
    let mut arrived = Arrived::new();
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder")
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(stem))
        .map(|entry| entry.path())
        .collect();
    files.sort();
    for file in files {
        let bytes = fs::read(&file).expect("a file of kept traces");
        // A crash may have cut the last line short; it was not delivered then and comes again.
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Ok(line) = serde_json::from_slice::<serde_json::Value>(line) else { continue };
            add(&line, &mut arrived);
        }
    }
    arrived
}

fn add(line: &serde_json::Value, arrived: &mut Arrived) {
    let each =
        |value: &serde_json::Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    for resource in each(line, "resourceSpans") {
        for scope in each(&resource, "scopeSpans") {
            for span in each(&scope, "spans") {
                let id = |key: &str| span[key].as_str().unwrap_or_default().to_owned();
                *arrived.entry(id("traceId")).or_default().entry(id("spanId")).or_default() += 1;
            }
        }
    }
}

/// What the comparison came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Spans acknowledged, all told.
    pub(crate) spans: usize,
    /// Traces that had to be kept.
    pub(crate) kept: usize,
    /// Spans that arrived more than once although their request was sent once: exported again
    /// after a crash.
    pub(crate) replayed: usize,
    /// Traces of which nothing was kept, since what decides came too late.
    pub(crate) too_late: usize,
    /// What must not be, a line each.
    pub(crate) wrong: Vec<String>,
}

/// Compares a record with what arrived.
pub(crate) fn judge(sent: &[Sent], arrived: &Arrived) -> Comparison {
    let mut comparison = Comparison::default();
    let none = HashMap::new();
    for trace in sent {
        comparison.spans += trace.acknowledged.len();
        let spans = arrived.get(&trace.trace_id).unwrap_or(&none);
        if !trace.must_be_kept() {
            if !spans.is_empty() {
                comparison.wrong.push(format!(
                    "{}: {} spans of a trace not to be kept ({I3})",
                    trace.trace_id,
                    spans.len()
                ));
            }
            continue;
        }
        if trace.spread && !trace.is_among_the_tenth() && spans.is_empty() {
            comparison.too_late += 1;
            continue;
        }
        comparison.kept += 1;
        let missing = trace.acknowledged.iter().filter(|id| !spans.contains_key(*id)).count();
        if missing > 0 {
            let all = trace.acknowledged.len();
            let late = if trace.late { " (one was late)" } else { "" };
            comparison.wrong.push(format!(
                "{}: {missing} of {all} acknowledged spans are missing{late} ({I1})",
                trace.trace_id
            ));
        }
        comparison.replayed +=
            spans.iter().filter(|(id, count)| **count > 1 && !trace.repeated.contains(id)).count();
    }
    let known: HashMap<&str, ()> = sent.iter().map(|trace| (trace.trace_id.as_str(), ())).collect();
    let invented = arrived.keys().filter(|id| !known.contains_key(id.as_str()));
    comparison.wrong.extend(invented.map(|id| format!("{id}: a trace nobody sent")));
    comparison
}

/// How long nothing may have changed until no more is expected: spans of traces that were not to
/// be kept, and repeated ones, may come after all that has to.
const QUIET: Duration = Duration::from_secs(3);
/// How long nothing may have changed until what is missing is lost.
const LOST: Duration = Duration::from_secs(60);

/// Waits until everything has arrived and nothing more comes, and gives the last comparison.
pub(crate) fn settle(sent: &[Sent], arrived: impl Fn() -> Arrived) -> Comparison {
    let mut last = (Comparison::default(), 0);
    let mut changed = Instant::now();
    loop {
        let arrived = arrived();
        let spans: usize = arrived.values().flat_map(|spans| spans.values()).sum();
        let now = (judge(sent, &arrived), spans);
        if now != last {
            (last, changed) = (now, Instant::now());
        }
        let enough = if last.0.wrong.is_empty() { QUIET } else { LOST };
        if changed.elapsed() >= enough {
            return last.0;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn the_oracle_sees_what_is_wrong() {
    let sent = |id: &str, error| Sent {
        trace_id: id.to_owned(),
        planned: 2,
        acknowledged: vec!["a".to_owned(), "b".to_owned()],
        repeated: Vec::new(),
        took_ms: 4_999,
        error,
        slow: false,
        late: false,
        spread: false,
    };
    let spans = |list: &[(&str, usize)]| {
        list.iter().map(|(id, count)| ((*id).to_owned(), *count)).collect()
    };
    let failed = "00000000000000000000000000000001";
    let lucky = "000000000000000000ffffffffffffff";
    let plain = "00000000000000000000000000000002";
    let record = [sent(failed, true), sent(lucky, false), sent(plain, false)];
    let good = Arrived::from([
        (failed.to_owned(), spans(&[("a", 1), ("b", 2)])),
        (lucky.to_owned(), spans(&[("a", 1), ("b", 1)])),
    ]);
    let judged = judge(&record, &good);
    assert_eq!((judged.kept, judged.replayed, judged.wrong.len()), (2, 1, 0));
    let lost = Arrived::from([
        (failed.to_owned(), spans(&[("a", 1)])),
        (plain.to_owned(), spans(&[("a", 1)])),
    ]);
    assert_eq!(judge(&record, &lost).wrong.len(), 3);
    let decided = |seconds| record.clone().map(|it| it.decided_after(Duration::from_secs(seconds)));
    assert_eq!(judge(&decided(5), &Arrived::new()).wrong.len(), 2);
    let judged = judge(&decided(4), &Arrived::new());
    assert_eq!((judged.too_late, judged.wrong.len()), (1, 1), "the id decides in each span");
    assert_eq!(judge(&decided(4), &lost).wrong.len(), 3, "kept whole or not at all");
}

/// Waits until all that must be kept has arrived in the files `kept-….jsonl` of `folder`, and says how
/// much that was. Fails when something is missing, or is there that must not be.
#[expect(clippy::print_stdout, reason = "what a scenario came to, for people who watch it")]
pub(crate) fn must_arrive(sent: &[Sent], folder: &Path) -> Comparison {
    let comparison = settle(sent, || arrived(folder, "kept"));
    assert!(
        comparison.wrong.is_empty(),
        "{} of {} traces that had to be kept: {:#?}",
        comparison.wrong.len(),
        comparison.kept,
        &comparison.wrong[..comparison.wrong.len().min(20)]
    );
    println!(
        "{} spans, {} traces kept, {} spans exported more than once, {} traces with too late a cause",
        comparison.spans, comparison.kept, comparison.replayed, comparison.too_late
    );
    comparison
}
