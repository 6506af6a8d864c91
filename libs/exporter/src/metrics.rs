//! What the exporters count.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tokio::time::Instant;
use wholetrace_runtime::metrics::{Label, Metric, SECONDS, Unit};

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It is sent again.
    Retryable,
    /// It is sent again, but a person must mend something first.
    Misconfigured,
    /// Its halves are sent instead.
    Split,
    /// It is sent again, and whether the backend or the spans are at fault is to be found out.
    Doubtful,
}

/// The handles of one exporter, made once.
#[derive(Clone)]
pub(crate) struct ExporterMetrics {
    sent_spans: Counter,
    sent_bytes: Counter,
    requests: Gauge,
    durations: Histogram,
    failed: [Counter; 4],
    refused_spans: Counter,
    rejected_spans: Counter,
    lost_positions: Counter,
    passed_spans: Counter,
    queue_bytes: Gauge,
    queue_capacity: Gauge,
    oldest: Gauge,
    failing: Gauge,
}

impl ExporterMetrics {
    /// The handles of the exporter called `name` in the configuration.
    pub(crate) fn new(name: &str) -> Self {
        let exporter = || ("exporter", name.to_owned());
        let failed = |reason: &'static str| counter!(FAILED_REQUESTS, "exporter" => name.to_owned(), "reason" => reason);
        Self {
            sent_spans: counter!(SENT_SPANS, &[exporter()]),
            sent_bytes: counter!(SENT_BYTES, &[exporter()]),
            requests: gauge!(REQUESTS, &[exporter()]),
            durations: histogram!(REQUEST_DURATION, &[exporter()]),
            failed: FAILURE_REASONS.map(failed),
            refused_spans: counter!(REFUSED_SPANS, &[exporter()]),
            rejected_spans: counter!(REJECTED_SPANS, &[exporter()]),
            lost_positions: counter!(LOST_POSITIONS, &[exporter()]),
            passed_spans: counter!(PASSED_SPANS, &[exporter()]),
            queue_bytes: gauge!(QUEUE_BYTES, &[exporter()]),
            queue_capacity: gauge!(QUEUE_CAPACITY, &[exporter()]),
            oldest: gauge!(OLDEST, &[exporter()]),
            failing: gauge!(FAILING, &[exporter()]),
        }
    }

    pub(crate) fn started(&self) {
        self.requests.increment(1.0);
    }

    pub(crate) fn ended(&self, took: Duration) {
        self.requests.decrement(1.0);
        self.durations.record(took);
    }

    pub(crate) fn sent(&self, bytes: usize, spans: u64) {
        self.sent_bytes.increment(bytes as u64);
        self.sent_spans.increment(spans);
    }

    pub(crate) fn failed(&self, failure: Failure) {
        let [retryable, misconfigured, split, doubtful] = &self.failed;
        match failure {
            Failure::Retryable => retryable.increment(1),
            Failure::Misconfigured => misconfigured.increment(1),
            Failure::Split => split.increment(1),
            Failure::Doubtful => doubtful.increment(1),
        }
    }

    pub(crate) fn refused(&self, spans: u64) {
        self.refused_spans.increment(spans);
    }

    pub(crate) fn rejected(&self, spans: u64) {
        self.rejected_spans.increment(spans);
    }

    pub(crate) fn lost(&self, positions: u64) {
        self.lost_positions.increment(positions);
    }

    pub(crate) fn passed(&self, spans: u32) {
        self.passed_spans.increment(u64::from(spans));
    }

    pub(crate) fn queue_bytes(&self, bytes: usize) {
        self.queue_bytes.set(bytes as f64);
    }

    pub(crate) fn queue_capacity(&self, bytes: usize) {
        self.queue_capacity.set(bytes as f64);
    }

    /// The oldest piece that is not answered for came at this time; if there is one.
    pub(crate) fn oldest(&self, came: Option<Instant>) {
        let since_epoch = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = came.map_or(Duration::ZERO, |came| since_epoch().saturating_sub(came.elapsed()));
        self.oldest.set(at.as_secs_f64());
    }

    pub(crate) fn failing(&self, failing: bool) {
        self.failing.set(if failing { 1.0 } else { 0.0 });
    }
}

const EXPORTER: Label = Label::capped("exporter", "names in the configuration");
const FAILURE_REASONS: [&str; 4] = ["retryable", "barred", "split", "doubtful"];

const SENT_SPANS: &str = "wholetrace_exporter_sent_spans_total";
const SENT_BYTES: &str = "wholetrace_exporter_sent_bytes_total";
const REQUESTS: &str = "wholetrace_exporter_requests";
const REQUEST_DURATION: &str = "wholetrace_exporter_request_duration_seconds";
const FAILED_REQUESTS: &str = "wholetrace_exporter_failed_requests_total";
const REFUSED_SPANS: &str = "wholetrace_exporter_refused_spans_total";
const REJECTED_SPANS: &str = "wholetrace_exporter_rejected_spans_total";
const LOST_POSITIONS: &str = "wholetrace_exporter_lost_positions_total";
const PASSED_SPANS: &str = "wholetrace_exporter_passed_spans_total";
const QUEUE_BYTES: &str = "wholetrace_exporter_queue_bytes";
const QUEUE_CAPACITY: &str = "wholetrace_exporter_queue_capacity_bytes";
const OLDEST: &str = "wholetrace_exporter_oldest_undelivered_timestamp_seconds";
const FAILING: &str = "wholetrace_exporter_failing";

/// The metrics of the exporters.
pub const TABLE: &[Metric] = &[
    Metric::counter(SENT_SPANS, Unit::None, "Spans that the backend has taken.")
        .labels(&[EXPORTER]),
    Metric::counter(
        SENT_BYTES,
        Unit::Bytes,
        "Bytes of spans that the backend has taken, before compression.",
    )
    .labels(&[EXPORTER]),
    Metric::gauge(REQUESTS, Unit::None, "Requests under way to the backend.").labels(&[EXPORTER]),
    Metric::histogram(
        REQUEST_DURATION,
        Unit::Seconds,
        "Time from a request to its answer, failures included.",
        SECONDS,
    )
    .labels(&[EXPORTER]),
    Metric::counter(
        FAILED_REQUESTS,
        Unit::None,
        "Requests that failed and lose nothing: `retryable` ones are sent again; `barred` ones \
         too, once endpoint or credentials are corrected; of `split` ones the halves are sent; \
         `doubtful` ones are sent again until it is proven whether the backend or the spans are at \
         fault.",
    )
    .labels(&[EXPORTER, Label::closed("reason", &FAILURE_REASONS)]),
    Metric::counter(
        REFUSED_SPANS,
        Unit::None,
        "Spans that the backend refuses for good: they are in the dead letters.",
    )
    .labels(&[EXPORTER]),
    Metric::counter(
        REJECTED_SPANS,
        Unit::None,
        "Spans that the backend dropped from requests it took (partial success). The log of this \
         process has its reasons.",
    )
    .labels(&[EXPORTER]),
    Metric::counter(
        LOST_POSITIONS,
        Unit::None,
        "Positions of the span log that were deleted before this exporter, which was far behind \
         the others, got what was there: at most as many frames are lost for it.",
    )
    .labels(&[EXPORTER]),
    Metric::counter(
        PASSED_SPANS,
        Unit::None,
        "Kept spans that this exporter does not take, by its `only`: they are for others.",
    )
    .labels(&[EXPORTER]),
    Metric::gauge(
        QUEUE_BYTES,
        Unit::Bytes,
        "Bytes of spans that wait in the queue or are under way. At its capacity for long, the \
         backend is too slow or away; spans wait in the log.",
    )
    .labels(&[EXPORTER]),
    Metric::gauge(QUEUE_CAPACITY, Unit::Bytes, "What the queue may hold.").labels(&[EXPORTER]),
    Metric::gauge(
        OLDEST,
        Unit::Seconds,
        "Since when the queue has the oldest of its spans, in seconds since 1970; 0 while it has none. \
         Its age is `time()` less this. What a full queue does not take is in the log, with an age of \
         its own: `wholetrace_partition_unreleased_seconds`.",
    )
    .labels(&[EXPORTER]),
    Metric::gauge(
        FAILING,
        Unit::None,
        "1 while requests fail and are sent again, else 0. Traces wait in the log meanwhile.",
    )
    .labels(&[EXPORTER]),
];
