//! What is told of the traces and late spans that are measured: those of one trace of 64.

use metrics::{Histogram, histogram};
use wholetrace_runtime::{
    clock::unix_millis,
    metrics::{Label, Metric, SIZES, Unit},
};

use crate::core::measured_traces::{Measured, MeasuredTrace};

/// The histograms, each made once.
#[derive(Clone)]
pub(crate) struct MeasuredMetrics {
    /// Of traces that are not sampled, and of kept ones.
    verdicts: [Traces; 2],
    latency: Histogram,
    late: Histogram,
}

#[derive(Clone)]
struct Traces {
    spans: Histogram,
    bytes: Histogram,
    duration: Histogram,
}

impl MeasuredMetrics {
    pub(crate) fn new() -> Self {
        let verdicts = VERDICTS.map(|verdict| Traces {
            spans: histogram!(SPANS, "verdict" => verdict),
            bytes: histogram!(BYTES, "verdict" => verdict),
            duration: histogram!(DURATION, "verdict" => verdict),
        });
        Self { verdicts, latency: histogram!(LATENCY), late: histogram!(LATE) }
    }

    /// Tells what was measured until now.
    pub(crate) fn tell(&self, measured: &Measured) {
        let now = if measured.traces.is_empty() { 0 } else { unix_millis() };
        for trace in &measured.traces {
            let MeasuredTrace { kept, spans, bytes, duration_ns, first_seen } = *trace;
            let [not_sampled, sampled] = &self.verdicts;
            let of = if kept { sampled } else { not_sampled };
            of.spans.record(spans as f64);
            of.bytes.record(bytes as f64);
            of.duration.record(duration_ns as f64 / 1e9);
            self.latency.record(now.saturating_sub(first_seen.0) as f64 / 1e3);
        }
        for millis in &measured.late {
            self.late.record(*millis as f64 / 1e3);
        }
    }
}

const VERDICTS: [&str; 2] = ["not_sampled", "kept"];
const VERDICT: Label = Label::closed("verdict", &VERDICTS);

const SPANS: &str = "wholetrace_sampler_trace_spans";
const BYTES: &str = "wholetrace_sampler_trace_bytes";
const DURATION: &str = "wholetrace_sampler_trace_duration_seconds";
const LATENCY: &str = "wholetrace_sampler_decision_latency_seconds";
const LATE: &str = "wholetrace_sampler_late_span_age_seconds";

/// From a millisecond to an hour.
const LONG_SECONDS: &[f64] = &[
    0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0,
    3600.0,
];

/// The metrics of traces and late spans that are measured.
pub const TABLE: &[Metric] = &[
    Metric::histogram(
        SPANS,
        Unit::None,
        "Spans that had come of a trace when it was decided. Of one trace of 64, by its id.",
        &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 1e5],
    )
    .labels(&[VERDICT]),
    Metric::histogram(BYTES, Unit::Bytes, "Their bytes, without resources and scopes.", SIZES)
        .labels(&[VERDICT]),
    Metric::histogram(
        DURATION,
        Unit::Seconds,
        "From the first start to the last end of the spans that had come of a trace when it was \
         decided. Of one trace of 64, by its id.",
        LONG_SECONDS,
    )
    .labels(&[VERDICT]),
    Metric::histogram(
        LATENCY,
        Unit::Seconds,
        "From the first span of a trace in the log to the decision about it, by this machine's \
         clock: `decision_wait`, and what the sampler is behind. Of one trace of 64, by its id.",
        LONG_SECONDS,
    ),
    Metric::histogram(
        LATE,
        Unit::Seconds,
        "How long after the decision about their trace late spans came. What comes often and a \
         little late would be in time with a longer `decision_wait`. Of one trace of 64, by its id.",
        LONG_SECONDS,
    ),
];
