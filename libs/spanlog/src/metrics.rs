//! What the log tells about itself.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use wholetrace_runtime::metrics::{Label, Metric, SECONDS, Unit};

use crate::{topic::TopicName, writer::AppendError};

const RECORDS: &str = "wholetrace_log_records_total";
const PAYLOAD_BYTES: &str = "wholetrace_log_payload_bytes_total";
const STORED_BYTES: &str = "wholetrace_log_stored_bytes_total";
const REFUSALS: &str = "wholetrace_log_refusals_total";
const BATCH_RECORDS: &str = "wholetrace_log_batch_records";
const COMMIT_SECONDS: &str = "wholetrace_log_commit_duration_seconds";
const APPEND_SECONDS: &str = "wholetrace_log_append_duration_seconds";
const DISK_BYTES: &str = "wholetrace_log_disk_bytes";
const USED_BYTES: &str = "wholetrace_log_used_bytes";
const QUOTA: &str = "wholetrace_log_quota_bytes";
const MIN_FREE: &str = "wholetrace_log_min_free_disk_bytes";
const DISK_FREE: &str = "wholetrace_log_disk_free_bytes";
const WAITING: &str = "wholetrace_log_waiting_bytes";
const TAIL_BYTES: &str = "wholetrace_log_tail_cache_bytes";
const SEGMENTS: &str = "wholetrace_log_segments";
const SEGMENTS_FREED: &str = "wholetrace_log_segments_freed_total";
const DAMAGED: &str = "wholetrace_log_damaged_records_total";
const CLOCK_STEPS: &str = "wholetrace_log_clock_steps_total";
const READS: &str = "wholetrace_log_reads_total";

const TOPIC: Label = Label::closed("topic", &["spans", "decisions", "dead_letters"]);

/// The metrics of the embedded log.
pub const TABLE: &[Metric] = &[
    Metric::counter(RECORDS, Unit::None, "Records that became durable.").labels(&[TOPIC]),
    Metric::counter(PAYLOAD_BYTES, Unit::Bytes, "Their payloads, uncompressed.").labels(&[TOPIC]),
    Metric::counter(STORED_BYTES, Unit::Bytes, "What they take, compressed.").labels(&[TOPIC]),
    Metric::counter(
        REFUSALS,
        Unit::None,
        "Records that were not taken, by reason. `full`: the disk is slower than the senders; \
         `quota`: the backend is away for long; `disk_full`: make room; `failed`: see the log.",
    )
    .labels(&[TOPIC, Label::closed("reason", &REASONS)]),
    Metric::histogram(
        BATCH_RECORDS,
        Unit::None,
        "Records that became durable together.",
        &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0],
    ),
    Metric::histogram(
        COMMIT_SECONDS,
        Unit::Seconds,
        "Time that writing a batch took, until the disk had it.",
        SECONDS,
    ),
    Metric::histogram(
        APPEND_SECONDS,
        Unit::Seconds,
        "Time from accepting a record to its being durable, of the oldest in each batch.",
        SECONDS,
    ),
    Metric::gauge(DISK_BYTES, Unit::Bytes, "Bytes of the log's files on the disk."),
    Metric::gauge(
        USED_BYTES,
        Unit::Bytes,
        "Bytes of those files that are in use; the others are free to be used again.",
    ),
    Metric::gauge(
        QUOTA,
        Unit::Bytes,
        "Bytes of files that the log may have, its `quota`: spans are refused when all are in use.",
    ),
    Metric::gauge(DISK_FREE, Unit::Bytes, "Free bytes of the disk."),
    Metric::gauge(
        MIN_FREE,
        Unit::Bytes,
        "Bytes of the disk that the log leaves free, its `min_free_disk`: spans are refused rather \
         than taking those.",
    ),
    Metric::gauge(WAITING, Unit::Bytes, "Bytes accepted and not yet durable."),
    Metric::gauge(TAIL_BYTES, Unit::Bytes, "Bytes of the newest frames kept in memory."),
    Metric::gauge(SEGMENTS, Unit::None, "Segments that the log consists of, one in each file."),
    Metric::counter(SEGMENTS_FREED, Unit::None, "Segments that went as finished or old."),
    Metric::counter(
        DAMAGED,
        Unit::None,
        "How often a damaged record was met and passed over. More than none: check the disk.",
    )
    .labels(&[TOPIC]),
    Metric::counter(
        CLOCK_STEPS,
        Unit::None,
        "How often the log's time was set by more than 5 s, to follow the machine's clock.",
    ),
    Metric::counter(READS, Unit::None, "Frames read, from the newest in memory or the store.")
        .labels(&[Label::closed("from", &["tail", "store"])]),
];

/// Handles of the metrics of an embedded log, made once.
pub(crate) struct Meters {
    topics: [TopicMeters; 3],
    pub(crate) batch_records: Histogram,
    pub(crate) commit_seconds: Histogram,
    pub(crate) append_seconds: Histogram,
    pub(crate) disk_bytes: Gauge,
    pub(crate) free_bytes: Gauge,
    pub(crate) waiting_bytes: Gauge,
    pub(crate) tail_bytes: Gauge,
    pub(crate) used_bytes: Gauge,
    pub(crate) quota: Gauge,
    pub(crate) min_free: Gauge,
    pub(crate) segments: Gauge,
    pub(crate) segments_freed: Counter,
    pub(crate) clock_steps: Counter,
    pub(crate) tail_reads: Counter,
    pub(crate) store_reads: Counter,
}

struct TopicMeters {
    records: Counter,
    payload_bytes: Counter,
    stored_bytes: Counter,
    /// In the order of [`REASONS`].
    refusals: [Counter; 6],
    damaged: Counter,
}

/// Label values of refusals.
const REASONS: [&str; 6] = ["full", "quota", "disk_full", "too_large", "closed", "failed"];

impl Meters {
    /// Registers with the recorder that is installed by now.
    pub(crate) fn new() -> Self {
        let reads = |from| counter!(READS, "from" => from);
        Self {
            topics: TopicName::ALL.map(TopicMeters::new),
            batch_records: histogram!(BATCH_RECORDS),
            commit_seconds: histogram!(COMMIT_SECONDS),
            append_seconds: histogram!(APPEND_SECONDS),
            disk_bytes: gauge!(DISK_BYTES),
            free_bytes: gauge!(DISK_FREE),
            waiting_bytes: gauge!(WAITING),
            tail_bytes: gauge!(TAIL_BYTES),
            used_bytes: gauge!(USED_BYTES),
            quota: gauge!(QUOTA),
            min_free: gauge!(MIN_FREE),
            segments: gauge!(SEGMENTS),
            segments_freed: counter!(SEGMENTS_FREED),
            clock_steps: counter!(CLOCK_STEPS),
            tail_reads: reads("tail"),
            store_reads: reads("store"),
        }
    }

    /// `records` became durable.
    pub(crate) fn appended(&self, topic: TopicName, records: u64, payload: u64, stored: u64) {
        let meters = &self.topics[topic.index()];
        meters.records.increment(records);
        meters.payload_bytes.increment(payload);
        meters.stored_bytes.increment(stored);
    }

    /// A damaged record was met.
    pub(crate) fn damaged(&self, topic: TopicName) {
        self.topics[topic.index()].damaged.increment(1);
    }

    /// `records` were refused with `error`.
    pub(crate) fn refused(&self, topic: TopicName, error: &AppendError, records: u64) {
        let reason = match error {
            AppendError::Full { .. } => 0,
            AppendError::QuotaReached { .. } => 1,
            AppendError::DiskFull => 2,
            AppendError::TooLarge { .. } => 3,
            AppendError::Closed => 4,
            AppendError::NoSuchPartition { .. } | AppendError::Failed(_) => 5,
        };
        self.topics[topic.index()].refusals[reason].increment(records);
    }
}

impl TopicMeters {
    fn new(topic: TopicName) -> Self {
        let topic = topic.as_str();
        Self {
            records: counter!(RECORDS, "topic" => topic),
            payload_bytes: counter!(PAYLOAD_BYTES, "topic" => topic),
            stored_bytes: counter!(STORED_BYTES, "topic" => topic),
            damaged: counter!(DAMAGED, "topic" => topic),
            refusals: REASONS
                .map(|reason| counter!(REFUSALS, "topic" => topic, "reason" => reason)),
        }
    }
}
