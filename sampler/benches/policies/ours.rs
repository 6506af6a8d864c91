//! What policies take here.

use std::{
    hint::black_box,
    ops::Range,
    time::{Duration, Instant},
};

use wholetrace_proto::id::{TraceId, TraceKey};
use wholetrace_sampler::policy::{Compatibility, Heads, PolicySet};

use super::{
    sets::Set,
    spans::{SPANS_PER_TRACE, span, trace_id},
    table::Ours as Figures,
};

/// What the kernel tells CPU time in.
const STEP: Duration = Duration::from_millis(10);

/// So much CPU time each figure is made of.
const LEAST: Duration = Duration::from_millis(500);

/// So much time passes between two looks at the clock, which costs a thousandth of it.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Spans, one after the other, as frames have them.
pub(crate) struct Ours {
    bytes: Vec<u8>,
    spans: Vec<Range<usize>>,
    keys: Vec<TraceKey>,
}

impl Ours {
    pub(crate) fn new(traces: u64) -> Self {
        let (mut bytes, mut spans) = (Vec::new(), Vec::new());
        for number in 0..traces * SPANS_PER_TRACE {
            let from = bytes.len();
            bytes.extend_from_slice(&span(number));
            spans.push(from..bytes.len());
        }
        let keys = (0..traces).map(|trace| TraceId(trace_id(trace * SPANS_PER_TRACE)).key());
        Self { keys: keys.collect(), bytes, spans }
    }

    pub(crate) const fn bytes_per_span(&self) -> usize {
        self.bytes.len() / self.spans.len()
    }

    pub(crate) fn measure(&self, set: Set) -> Figures {
        let policies = set.compile(|_| {});
        let (spans, traces) = (self.spans.len(), self.keys.len());
        let mut records = Vec::new();
        let observe = time(spans, || self.observe(&policies, &mut records));
        let decide = time(traces, || _ = black_box(self.kept(&policies, &records)));
        Figures { observe, decide }
    }

    /// How many traces are kept when chance is drawn by a Collector's hash instead of the trace's
    /// own randomness.
    pub(crate) fn kept_by_a_collectors_hash(&self, set: Set) -> usize {
        let policies = set.compile(|config| config.compatibility = Compatibility::Collector);
        let mut records = Vec::new();
        self.observe(&policies, &mut records);
        self.kept(&policies, &records)
    }

    /// Folds all spans into a record for each trace.
    fn observe(&self, policies: &PolicySet, records: &mut Vec<u64>) {
        let blank = policies.blank_record();
        let mut heads = Heads::default();
        records.clear();
        for (number, span) in self.spans.iter().enumerate() {
            if number % SPANS_PER_TRACE as usize == 0 {
                records.extend_from_slice(blank);
            }
            let from = records.len() - blank.len();
            black_box(policies.observe(
                &self.bytes[span.clone()],
                &mut heads,
                &mut records[from..],
            ));
        }
    }

    /// Decides about all traces.
    fn kept(&self, policies: &PolicySet, records: &[u64]) -> usize {
        let records = records.chunks_exact(policies.blank_record().len());
        let decided =
            self.keys.iter().zip(records).map(|(key, record)| policies.decide(*key, record));
        decided.filter(|decision| decision.kept).count()
    }
}

/// Nanoseconds of CPU time for each of the `count` things that `pass` does.
fn time(count: usize, mut pass: impl FnMut()) -> f64 {
    let begun = Instant::now();
    pass();
    let passes = 1 + BETWEEN_LOOKS.as_nanos() / begun.elapsed().as_nanos().max(1);
    let mut run = |until: Duration| {
        let mut done = 0;
        loop {
            (0..passes).for_each(|_| pass());
            done += passes;
            let now = cpu();
            if now >= until {
                return (done, now);
            }
        }
    };
    // From one step of the clock to another.
    let (_, begun) = run(cpu() + STEP);
    let (done, ended) = run(begun + LEAST);
    (ended - begun).as_secs_f64() * 1e9 / (done as f64 * count as f64)
}

/// CPU time of this process, user and system.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 =
        fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    STEP * u32::try_from(ticks).expect("no bench runs for months")
}
