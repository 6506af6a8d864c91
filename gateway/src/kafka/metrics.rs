//! What a Kafka receiver counts beside what all receivers do.

use metrics::{Counter, Gauge, counter, gauge};
use wholetrace_runtime::metrics::{Metric, Unit};

use crate::{
    metrics::{REASON, RECEIVER, Refusals},
    reject::RejectReason,
};

const RETRIES: &str = "wholetrace_gateway_message_retries_total";
const IN_FLIGHT: &str = "wholetrace_gateway_messages_in_flight_bytes";
const PAUSED: &str = "wholetrace_gateway_reading_paused";
const REVOKED: &str = "wholetrace_gateway_messages_revoked_total";

/// The metrics of Kafka receivers.
pub const TABLE: &[Metric] = &[
    Metric::counter(
        RETRIES,
        Unit::None,
        "Times that a message could not be taken, by reason, and is tried again: its partition waits \
         behind it, and nothing is lost.",
    )
    .labels(&[RECEIVER, REASON]),
    Metric::gauge(
        IN_FLIGHT,
        Unit::Bytes,
        "Bytes of messages that are read and not yet in the log; see `in_flight` of the receiver.",
    )
    .labels(&[RECEIVER]),
    Metric::gauge(
        PAUSED,
        Unit::None,
        "1 while nothing is read because the log takes nothing or memory is short, else 0.",
    )
    .labels(&[RECEIVER]),
    Metric::counter(
        REVOKED,
        Unit::None,
        "Messages that were read when their partition was given to another process, and are read \
         again by that one.",
    )
    .labels(&[RECEIVER]),
];

/// The handles of one receiver.
#[derive(Clone)]
pub(super) struct SourceMetrics {
    retries: Refusals,
    in_flight: Gauge,
    paused: Gauge,
    revoked: Counter,
}

impl SourceMetrics {
    pub(super) fn new(receiver: &str) -> Self {
        Self {
            retries: Refusals::new(RETRIES, receiver),
            in_flight: gauge!(IN_FLIGHT, "receiver" => receiver.to_owned()),
            paused: gauge!(PAUSED, "receiver" => receiver.to_owned()),
            revoked: counter!(REVOKED, "receiver" => receiver.to_owned()),
        }
    }

    pub(super) fn retried(&self, reason: RejectReason) {
        self.retries.add(reason, 1);
    }

    pub(super) fn in_flight(&self, bytes: usize) {
        self.in_flight.set(bytes as f64);
    }

    pub(super) fn paused(&self, paused: bool) {
        self.paused.set(if paused { 1.0 } else { 0.0 });
    }

    pub(super) fn revoked(&self, messages: usize) {
        self.revoked.increment(messages as u64);
    }
}
