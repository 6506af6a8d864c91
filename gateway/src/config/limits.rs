//! The `limits` section: every bound of the gateway.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_runtime::units::{ByteSize, HumanDuration};

/// Bounds of what the gateway holds and waits for. Everything beyond is refused with an answer
/// and counted.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Connections over all listeners. More are closed at once and counted. The process's limit of
    /// open files may lower it: the start-up log says so. 1 to 1,000,000.
    pub connections: u32,
    /// Time a new connection has for its TLS handshake and its first complete request head.
    /// 100ms to 10m.
    pub header_timeout: HumanDuration,
    /// Time from the head of a request until its body must be complete. 100ms to 10m.
    pub request_timeout: HumanDuration,
    /// Bytes of a body that must come in a second, once it has been coming for five; 0 for any number.
    /// Slower senders are asked to come back, since a body that does not come holds what others need.
    /// Up to 1GiB.
    pub min_body_rate: ByteSize,
    /// A connection without a request for this long is closed in good order. 100ms to 24h.
    pub idle_timeout: HumanDuration,
    /// Time a complete request may wait until the log has it; then its sender gets a retryable
    /// answer. Keep it below the export timeout of your SDKs (10s by default), and above
    /// `log.kafka.producer.delivery_timeout`: what is still on its way to Kafka then may be written,
    /// and comes again with the request. 100ms to 1m.
    pub append_timeout: HumanDuration,
    /// Time that requests in flight have to finish when the process shuts down. 0s to 10m.
    pub drain_timeout: HumanDuration,
    /// Concurrent requests on one HTTP/2 connection. 1 to 10,000.
    pub streams_per_connection: u32,
    /// Size of all headers of a request. 8KiB to 1MiB.
    pub header_bytes: ByteSize,
    /// Bytes of all requests between their head and the log's acknowledgement, inflated. Beyond
    /// it senders are asked to come back. Half of it may be held by bodies that are not complete, a
    /// quarter by one connection, half by one of several tenants; by more where it is one request.
    /// From 1MiB.
    pub in_flight: ByteSize,
    /// Bytes of spans that may be on their way into the log at a time, those that gather for it
    /// included. Each partition has an equal share, so that one that does not answer leaves the
    /// others theirs; more for one partition waits, or is refused while the partition does not
    /// answer. Keep it below what the log lets wait (`max_waiting`, `max_pending_bytes`). 1MiB to
    /// 4GiB.
    pub log_in_flight: ByteSize,
    /// Requests that wait for the log at a time. 1 to 1,000,000.
    pub waiting_requests: u32,
    /// Resident memory of the process above which requests are refused until it shrinks; 0 for
    /// nine tenths of what the host or container has.
    pub process_memory: ByteSize,
    /// Largest span together with its resource and scope; a larger one is refused, the rest of its
    /// request is served. Must fit a record of the log. 1KiB to 64MiB.
    pub span_bytes: ByteSize,
    /// Size at which a frame is closed and the next one begun. Larger frames compress better,
    /// smaller ones are decided and released with less memory. 1KiB to 16MiB, at most `span_bytes`.
    pub frame_bytes: ByteSize,
}

impl LimitsConfig {
    /// The largest request, in bytes, that there is always room for, if it takes `need` times its size.
    pub(crate) fn largest(&self, need: u64) -> u64 {
        self.in_flight.get() / need.max(1)
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            connections: 16_384,
            header_timeout: HumanDuration::from_secs(10),
            request_timeout: HumanDuration::from_secs(30),
            min_body_rate: ByteSize::kib(8),
            // Above the minute at which slow batch timers fire, so that those do not race with it.
            idle_timeout: HumanDuration::from_secs(75),
            append_timeout: HumanDuration::from_secs(9),
            drain_timeout: HumanDuration::from_secs(10),
            streams_per_connection: 100,
            header_bytes: ByteSize::kib(16),
            in_flight: ByteSize::mib(256),
            log_in_flight: ByteSize::mib(32),
            waiting_requests: 4_096,
            process_memory: ByteSize::bytes(0),
            span_bytes: ByteSize::mib(1),
            frame_bytes: ByteSize::kib(256),
        }
    }
}
