//! What the log over Kafka tells about itself.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use wholetrace_runtime::metrics::{Label, Metric, SECONDS, Unit};
use wholetrace_spanlog::{AppendError, TopicName};

const WRITTEN: &str = "wholetrace_kafka_written_records_total";
const WRITTEN_BYTES: &str = "wholetrace_kafka_written_bytes_total";
const REFUSALS: &str = "wholetrace_kafka_refusals_total";
const WAITING: &str = "wholetrace_kafka_waiting_bytes";
const DELIVERY: &str = "wholetrace_kafka_delivery_duration_seconds";
const READ: &str = "wholetrace_kafka_read_records_total";
const READ_BYTES: &str = "wholetrace_kafka_read_bytes_total";
const STRANGE: &str = "wholetrace_kafka_foreign_headers_total";
const DAMAGED: &str = "wholetrace_kafka_damaged_positions_total";
const REREADS: &str = "wholetrace_kafka_rereads_total";
const SWEPT: &str = "wholetrace_kafka_swept_records_total";
const PARTITIONS: &str = "wholetrace_kafka_assigned_partitions";
const REBALANCES: &str = "wholetrace_kafka_rebalances_total";
const COMMITS: &str = "wholetrace_kafka_commits_total";
const COMMIT: &str = "wholetrace_kafka_commit_duration_seconds";
const ERRORS: &str = "wholetrace_kafka_client_errors_total";
const BROKERS: &str = "wholetrace_kafka_connected_brokers";
const THROTTLE: &str = "wholetrace_kafka_throttle_seconds";
const OUTDATED: &str = "wholetrace_kafka_outdated_credentials";
const ROUND_TRIP: &str = "wholetrace_kafka_round_trip_seconds";

const TOPIC: Label = Label::closed("topic", &["spans", "decisions", "dead_letters"]);
const CLIENT: Label = Label::closed("client", &CLIENTS);
const CLIENTS: [&str; 4] = ["writer", "ordered_writer", "reader", "member"];
const REASONS: [&str; 6] =
    ["full", "too_large", "closed", "timed_out", "not_enough_copies", "failed"];
const CHANGES: [&str; 3] = ["assigned", "revoked", "lost"];
const RESULTS: [&str; 3] = ["ok", "not_owner", "failed"];

/// The metrics of the log over Kafka.
pub const TABLE: &[Metric] = &[
    Metric::counter(WRITTEN, Unit::None, "Records that Kafka acknowledged.").labels(&[TOPIC]),
    Metric::counter(WRITTEN_BYTES, Unit::Bytes, "Their payloads, uncompressed.").labels(&[TOPIC]),
    Metric::counter(
        REFUSALS,
        Unit::None,
        "Records that were not taken, by reason. `full`: Kafka is slower than the senders; \
         `timed_out`: no answer within `producer.delivery_timeout`; `not_enough_copies`: fewer \
         brokers than `min_insync_replicas` are up; `failed`: see the log.",
    )
    .labels(&[TOPIC, Label::closed("reason", &REASONS)]),
    Metric::gauge(WAITING, Unit::Bytes, "Bytes accepted and not yet acknowledged by Kafka."),
    Metric::histogram(
        DELIVERY,
        Unit::Seconds,
        "Time from accepting a record to Kafka's acknowledgement.",
        SECONDS,
    )
    .labels(&[TOPIC]),
    Metric::counter(READ, Unit::None, "Records read, those read again included.").labels(&[TOPIC]),
    Metric::counter(READ_BYTES, Unit::Bytes, "Their payloads, uncompressed.").labels(&[TOPIC]),
    Metric::counter(
        STRANGE,
        Unit::None,
        "Records read with headers of a version or a kind that is not known. They are taken for \
         what their topic is for, by their value.",
    )
    .labels(&[TOPIC]),
    Metric::counter(
        DAMAGED,
        Unit::None,
        "Positions whose records a broker has and nobody can read: a checksum that is wrong, a codec \
         that fails. Each time that they are met. More than none: check the brokers' disks.",
    )
    .labels(&[TOPIC]),
    Metric::counter(REREADS, Unit::None, "Requests to read again, by where they went on.")
        .labels(&[Label::closed("at", &["next", "elsewhere"])]),
    Metric::counter(
        SWEPT,
        Unit::None,
        "Records found without having been announced by the client. Far more than a few: a defect.",
    ),
    Metric::gauge(PARTITIONS, Unit::None, "Partitions that this process owns."),
    Metric::counter(
        REBALANCES,
        Unit::None,
        "Changes of the partitions owned. `lost`: another owner may have been at work already.",
    )
    .labels(&[Label::closed("change", &CHANGES)]),
    Metric::counter(COMMITS, Unit::None, "Checkpoints stored, or not, per partition.")
        .labels(&[Label::closed("result", &RESULTS)]),
    Metric::histogram(COMMIT, Unit::Seconds, "Time that storing checkpoints took.", SECONDS),
    Metric::counter(ERRORS, Unit::None, "Problems that the Kafka clients reported.")
        .labels(&[CLIENT]),
    Metric::gauge(BROKERS, Unit::None, "Brokers that a client is connected to.").labels(&[CLIENT]),
    Metric::gauge(THROTTLE, Unit::Seconds, "How long brokers made a client wait, at most.")
        .labels(&[CLIENT]),
    Metric::gauge(ROUND_TRIP, Unit::Seconds, "Mean round trip to the slowest broker.")
        .labels(&[CLIENT]),
    Metric::gauge(
        OUTDATED,
        Unit::None,
        "1 while the files of certificates, keys or the password hold something else than the Kafka \
         clients use, since the brokers do not answer to it; else 0. The log says why.",
    ),
];

/// Handles of the metrics, made once.
pub(super) struct Meters {
    topics: [TopicMeters; 3],
    pub(super) waiting: Gauge,
    pub(super) rereads_next: Counter,
    pub(super) rereads_elsewhere: Counter,
    pub(super) swept: Counter,
    pub(super) partitions: Gauge,
    pub(super) outdated: Gauge,
    rebalances: [Counter; 3],
    commits: [Counter; 3],
    pub(super) commit_seconds: Histogram,
}

/// Handles of one topic.
pub(super) struct TopicMeters {
    pub(super) written: Counter,
    pub(super) written_bytes: Counter,
    pub(super) delivery: Histogram,
    pub(super) read: Counter,
    pub(super) read_bytes: Counter,
    pub(super) unknown: Counter,
    pub(super) damaged: Counter,
    refusals: [Counter; 6],
}

/// Handles of one client.
pub(super) struct ClientMeters {
    pub(super) errors: Counter,
    pub(super) brokers: Gauge,
    pub(super) throttle: Gauge,
    pub(super) round_trip: Gauge,
}

/// What happened to partitions.
#[derive(Clone, Copy)]
pub(super) enum Change {
    Assigned,
    Revoked,
    Lost,
}

/// What happened to a checkpoint.
#[derive(Clone, Copy)]
pub(super) enum Stored {
    Done,
    NotOwner,
    Failed,
}

/// Why a record was not taken, as the metrics tell them apart.
#[derive(Clone, Copy)]
pub(super) enum Reason {
    Full,
    TooLarge,
    Closed,
    TimedOut,
    NotEnoughCopies,
    Failed,
}

impl Meters {
    /// Registers with the recorder that is installed by now.
    pub(super) fn new() -> Self {
        Self {
            topics: TopicName::ALL.map(TopicMeters::new),
            waiting: gauge!(WAITING),
            rereads_next: counter!(REREADS, "at" => "next"),
            rereads_elsewhere: counter!(REREADS, "at" => "elsewhere"),
            swept: counter!(SWEPT),
            partitions: gauge!(PARTITIONS),
            outdated: gauge!(OUTDATED),
            rebalances: CHANGES.map(|change| counter!(REBALANCES, "change" => change)),
            commits: RESULTS.map(|result| counter!(COMMITS, "result" => result)),
            commit_seconds: histogram!(COMMIT),
        }
    }

    pub(super) const fn topic(&self, topic: TopicName) -> &TopicMeters {
        &self.topics[topic.index()]
    }

    pub(super) fn rebalanced(&self, change: Change, partitions: usize) {
        let partitions = u64::try_from(partitions).unwrap_or(u64::MAX);
        self.rebalances[change as usize].increment(partitions);
    }

    pub(super) fn committed(&self, stored: Stored, partitions: usize) {
        let partitions = u64::try_from(partitions).unwrap_or(u64::MAX);
        self.commits[stored as usize].increment(partitions);
    }
}

impl TopicMeters {
    fn new(topic: TopicName) -> Self {
        let topic = topic.as_str();
        Self {
            written: counter!(WRITTEN, "topic" => topic),
            written_bytes: counter!(WRITTEN_BYTES, "topic" => topic),
            delivery: histogram!(DELIVERY, "topic" => topic),
            read: counter!(READ, "topic" => topic),
            read_bytes: counter!(READ_BYTES, "topic" => topic),
            unknown: counter!(STRANGE, "topic" => topic),
            damaged: counter!(DAMAGED, "topic" => topic),
            refusals: REASONS
                .map(|reason| counter!(REFUSALS, "topic" => topic, "reason" => reason)),
        }
    }

    /// A record was not taken.
    pub(super) fn refused(&self, reason: Reason) {
        self.refusals[reason as usize].increment(1);
    }

    /// A record was refused at once with `error`, which is given back.
    pub(super) fn refusing(&self, error: AppendError) -> AppendError {
        self.refused(match error {
            AppendError::Full { .. } => Reason::Full,
            AppendError::TooLarge { .. } => Reason::TooLarge,
            AppendError::Closed => Reason::Closed,
            _ => Reason::Failed,
        });
        error
    }
}

impl ClientMeters {
    /// Handles of `client`, one of the label's values.
    pub(super) fn new(client: &'static str) -> Self {
        Self {
            errors: counter!(ERRORS, "client" => client),
            brokers: gauge!(BROKERS, "client" => client),
            throttle: gauge!(THROTTLE, "client" => client),
            round_trip: gauge!(ROUND_TRIP, "client" => client),
        }
    }
}
