//! What the gateway counts. Counters move once a request, not once a span.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tokio::time::Instant;
use wholetrace_runtime::metrics::{Label, Metric, SECONDS, SIZES, Unit};

use crate::{
    outcome::Accepted,
    reject::{RejectReason, Rejection},
};

const CONNECTIONS: &str = "wholetrace_gateway_connections";
const CONNECTIONS_TOTAL: &str = "wholetrace_gateway_connections_total";
const CONNECTIONS_REFUSED: &str = "wholetrace_gateway_connections_refused_total";
const ACCEPT_FAILURES: &str = "wholetrace_gateway_accept_failures_total";
const REQUESTS: &str = "wholetrace_gateway_requests_total";
const REQUESTS_REFUSED: &str = "wholetrace_gateway_requests_refused_total";
const REQUESTS_CANCELLED: &str = "wholetrace_gateway_requests_cancelled_total";
const REQUEST_SECONDS: &str = "wholetrace_gateway_request_duration_seconds";
const RECEIVED_BYTES: &str = "wholetrace_gateway_received_bytes_total";
const SPANS: &str = "wholetrace_gateway_spans_total";
const SPANS_REFUSED: &str = "wholetrace_gateway_spans_refused_total";
const DATAGRAMS_LOST: &str = "wholetrace_gateway_datagrams_lost_total";
const BATCHES: &str = "wholetrace_gateway_batches_total";
const BATCH_REQUESTS: &str = "wholetrace_gateway_batch_requests";
const FRAMES: &str = "wholetrace_gateway_frames_total";
const FRAME_BYTES: &str = "wholetrace_gateway_frame_bytes";
const LOG_BYTES: &str = "wholetrace_gateway_log_in_flight_bytes";
const OLDEST: &str = "wholetrace_gateway_oldest_request_seconds";
const STUCK: &str = "wholetrace_gateway_stuck_partitions";

pub(crate) const RECEIVER: Label =
    Label::capped("receiver", "its name in the configuration, and its protocol");
const STAGE: Label = Label::closed("stage", &Stage::LABELS);
pub(crate) const REASON: Label = Label::closed("reason", &REASONS);
const REASONS: [&str; RejectReason::ALL.len()] = {
    let mut labels = [""; RejectReason::ALL.len()];
    let mut index = 0;
    while index < labels.len() {
        labels[index] = RejectReason::ALL[index].label();
        index += 1;
    }
    labels
};

/// Sizes of batches.
const COUNTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1024.0, 4096.0];

/// The metrics of the gateway.
pub const TABLE: &[Metric] = &[
    Metric::gauge(CONNECTIONS, Unit::None, "Open connections of senders.").labels(&[RECEIVER]),
    Metric::counter(CONNECTIONS_TOTAL, Unit::None, "Connections accepted.").labels(&[RECEIVER]),
    Metric::counter(
        CONNECTIONS_REFUSED,
        Unit::None,
        "Connections closed before or without a request. `connections`: raise \
         `limits.connections` or the limit of open files.",
    )
    .labels(&[RECEIVER, REASON]),
    Metric::counter(
        ACCEPT_FAILURES,
        Unit::None,
        "Connections that the system did not hand over. When it rises, the process has too few \
         open files.",
    )
    .labels(&[RECEIVER]),
    Metric::counter(REQUESTS, Unit::None, "Requests served: what they carried is durable.")
        .labels(&[RECEIVER]),
    Metric::counter(
        REQUESTS_REFUSED,
        Unit::None,
        "Requests refused as a whole, by reason. The sender was told; whether it sends again is \
         up to it.",
    )
    .labels(&[RECEIVER, REASON]),
    Metric::counter(
        REQUESTS_CANCELLED,
        Unit::None,
        "Requests that their senders gave up before the answer: while the `body` came, while the \
         `message` was worked on, or while the `log` had it; then its spans may be durable. When \
         the last rises, senders have less patience than the log takes: raise their timeouts.",
    )
    .labels(&[RECEIVER, STAGE]),
    Metric::histogram(
        REQUEST_SECONDS,
        Unit::Seconds,
        "Time from the head of a request to its answer.",
        SECONDS,
    )
    .labels(&[RECEIVER]),
    Metric::counter(RECEIVED_BYTES, Unit::Bytes, "Bytes of bodies, as they came.")
        .labels(&[RECEIVER]),
    Metric::counter(SPANS, Unit::None, "Spans acknowledged: they are durable.").labels(&[RECEIVER]),
    Metric::counter(
        SPANS_REFUSED,
        Unit::None,
        "Spans refused alone, by reason; the rest of their requests was served. The sender was \
         told where its protocol has words for it.",
    )
    .labels(&[RECEIVER, REASON]),
    Metric::counter(
        DATAGRAMS_LOST,
        Unit::None,
        "Datagrams that the kernel threw away because the receive buffer was full: raise \
         `socket_buffer_size`, and `net.core.rmem_max` of the machine, which bounds it.",
    )
    .labels(&[RECEIVER]),
    Metric::counter(BATCHES, Unit::None, "Batches of requests handed to the log together."),
    Metric::histogram(BATCH_REQUESTS, Unit::None, "Requests in a batch.", COUNTS),
    Metric::counter(FRAMES, Unit::None, "Frames handed to the log."),
    Metric::histogram(FRAME_BYTES, Unit::Bytes, "Mean size of the frames of a batch.", SIZES),
    Metric::gauge(
        LOG_BYTES,
        Unit::Bytes,
        "Bytes of spans that gather for the log or are on their way into it; see \
         `limits.log_in_flight`.",
    ),
    Metric::gauge(
        OLDEST,
        Unit::Seconds,
        "How long the oldest request has waited for the log, a quarter of a second ago at most; 0 \
         when none waits. A log that keeps up takes 0.2 s; beyond a quarter of \
         `limits.append_timeout` senders are refused until it does.",
    ),
    Metric::gauge(
        STUCK,
        Unit::None,
        "Partitions of the log that have not answered for half of `limits.append_timeout`. \
         Requests with spans for them are refused as `log_stuck`.",
    ),
];

/// One counter for each reason of a listener or receiver.
#[derive(Clone)]
pub(crate) struct Refusals(Arc<[Counter]>);

impl Refusals {
    pub(crate) fn new(name: &'static str, receiver: &str) -> Self {
        let counter = |reason: RejectReason| {
            let receiver = receiver.to_owned();
            counter!(name, "receiver" => receiver, "reason" => reason.label())
        };
        Self(RejectReason::ALL.into_iter().map(counter).collect())
    }

    pub(crate) fn add(&self, reason: RejectReason, count: u64) {
        if let Some(counter) = self.0.get(reason as usize) {
            counter.increment(count);
        }
    }
}

/// What a listener counts.
#[derive(Clone)]
pub(crate) struct ListenerMetrics {
    open: Gauge,
    accepted: Counter,
    refused: Refusals,
    failures: Counter,
    receiver: Arc<str>,
    throttles: Arc<[LogThrottle]>,
}

impl ListenerMetrics {
    /// Handles for the listener of `receiver`.
    pub(crate) fn new(receiver: &str) -> Self {
        Self {
            open: gauge!(CONNECTIONS, "receiver" => receiver.to_owned()),
            accepted: counter!(CONNECTIONS_TOTAL, "receiver" => receiver.to_owned()),
            refused: Refusals::new(CONNECTIONS_REFUSED, receiver),
            failures: counter!(ACCEPT_FAILURES, "receiver" => receiver.to_owned()),
            receiver: receiver.into(),
            throttles: RejectReason::ALL.map(|_| LogThrottle::default()).into(),
        }
    }

    /// A connection was accepted, and is open until the guard is dropped.
    pub(crate) fn connection(&self) -> OpenConnection {
        self.accepted.increment(1);
        self.open.increment(1.0);
        OpenConnection(self.open.clone())
    }

    /// A connection of `peer` was closed for `reason`; `message` says it to a person.
    pub(crate) fn refused(&self, reason: RejectReason, peer: Option<SocketAddr>, message: &str) {
        self.refused.add(reason, 1);
        let (receiver, peer) = (&*self.receiver, peer.map(tracing::field::display));
        let throttle = self.throttles.get(reason as usize);
        let refused = throttle.and_then(|throttle| throttle.permit(Instant::now()));
        let reason = reason.label();
        match refused {
            Some(connections) => {
                tracing::info!(receiver, reason, connections, peer, message, "refuse connections");
            }
            None => tracing::debug!(receiver, reason, peer, message, "refuse a connection"),
        }
    }

    /// The system did not hand over a connection.
    pub(crate) fn accept_failed(&self) {
        self.failures.increment(1);
    }
}

/// An open connection.
pub(crate) struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// What a receiver counts.
#[derive(Clone)]
pub(crate) struct ReceiverMetrics(Arc<ReceiverHandles>);

struct ReceiverHandles {
    receiver: String,
    requests: Counter,
    refused: Refusals,
    throttles: [LogThrottle; RejectReason::ALL.len()],
    cancelled: [Counter; Stage::COUNT],
    seconds: Histogram,
    bytes: Counter,
    spans: Counter,
    spans_refused: Refusals,
}

impl ReceiverMetrics {
    /// Handles for `receiver`.
    pub(crate) fn new(receiver: &str) -> Self {
        Self(Arc::new(ReceiverHandles {
            receiver: receiver.to_owned(),
            requests: counter!(REQUESTS, "receiver" => receiver.to_owned()),
            refused: Refusals::new(REQUESTS_REFUSED, receiver),
            throttles: std::array::from_fn(|_| LogThrottle::default()),
            cancelled: Stage::LABELS.map(|stage| {
                let receiver = receiver.to_owned();
                counter!(REQUESTS_CANCELLED, "receiver" => receiver, "stage" => stage)
            }),
            seconds: histogram!(REQUEST_SECONDS, "receiver" => receiver.to_owned()),
            bytes: counter!(RECEIVED_BYTES, "receiver" => receiver.to_owned()),
            spans: counter!(SPANS, "receiver" => receiver.to_owned()),
            spans_refused: Refusals::new(SPANS_REFUSED, receiver),
        }))
    }

    /// Starts the time of a request of `peer`.
    pub(crate) fn request(&self, peer: Option<SocketAddr>) -> RequestMetrics {
        RequestMetrics { handles: Arc::clone(&self.0), peer, began: Instant::now() }
    }

    /// A request is in `stage` until the guard is told that it is through.
    pub(crate) fn enter(&self, stage: Stage) -> InStage {
        InStage(self.0.cancelled.get(stage as usize).cloned())
    }

    /// A body of `bytes` came.
    pub(crate) fn received(&self, bytes: usize) {
        self.0.bytes.increment(bytes as u64);
    }
}

/// Where a request waits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stage {
    /// For its body.
    Body,
    /// To be unpacked and split.
    Message,
    /// For the log's acknowledgement.
    Log,
}

impl Stage {
    const COUNT: usize = 3;
    const LABELS: [&str; Self::COUNT] = ["body", "message", "log"];
}

/// A request in a stage. Dropped there, its sender gave it up, and it counts as cancelled.
#[must_use]
pub(crate) struct InStage(Option<Counter>);

impl InStage {
    /// The request is through, whatever became of it.
    pub(crate) fn through(mut self) {
        self.0 = None;
    }
}

impl Drop for InStage {
    fn drop(&mut self) {
        // A panic is answered and counted as what it is.
        if let Some(cancelled) = self.0.take().filter(|_| !std::thread::panicking()) {
            cancelled.increment(1);
        }
    }
}

/// What a request counts when it is answered.
pub(crate) struct RequestMetrics {
    handles: Arc<ReceiverHandles>,
    peer: Option<SocketAddr>,
    began: Instant,
}

impl RequestMetrics {
    /// It was served.
    pub(crate) fn accepted(self, accepted: &Accepted) {
        let handles = &self.handles;
        handles.requests.increment(1);
        handles.spans.increment(u64::from(accepted.spans));
        self.refused_spans(accepted);
        handles.seconds.record(self.began.elapsed().as_secs_f64());
        if accepted.rejects.total() > 0 {
            let (receiver, rejects) = (&handles.receiver, accepted.refused_text());
            tracing::debug!(receiver, rejects, "refused spans of a request");
        }
    }

    /// All its spans were refused, and so was it.
    pub(crate) fn nothing_taken(self, accepted: &Accepted, rejection: &Rejection) {
        self.refused_spans(accepted);
        self.refused(rejection);
    }

    fn refused_spans(&self, accepted: &Accepted) {
        for (reason, spans) in accepted.rejects.iter() {
            self.handles.spans_refused.add(reason, u64::from(spans));
        }
    }

    /// It was refused.
    pub(crate) fn refused(self, rejection: &Rejection) {
        let handles = &self.handles;
        handles.refused.add(rejection.reason, 1);
        handles.seconds.record(self.began.elapsed().as_secs_f64());
        let (receiver, reason) = (&handles.receiver, rejection.reason.label());
        let (peer, message) = (self.peer.map(tracing::field::display), &rejection.message);
        let throttle = handles.throttles.get(rejection.reason as usize);
        match throttle.and_then(|throttle| throttle.permit(self.began)) {
            Some(requests) if rejection.reason.is_ours() => {
                tracing::warn!(receiver, reason, requests, peer, %message, "refuse requests");
            }
            Some(requests) => {
                tracing::info!(receiver, reason, requests, peer, %message, "refuse requests");
            }
            None => tracing::debug!(receiver, reason, peer, %message, "refuse a request"),
        }
    }
}

/// How often refusals for one reason are logged above `debug`.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// When a reason was logged last, and how many requests were refused for it since.
#[derive(Debug, Default)]
struct LogThrottle(Mutex<(Option<Instant>, u64)>);

impl LogThrottle {
    /// Counts one refusal at `now`. Gives how many there were since the last one that was logged, if
    /// this one is to be logged.
    fn permit(&self, now: Instant) -> Option<u64> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.1 += 1;
        if last.0.is_some_and(|logged| now.saturating_duration_since(logged) < LOG_EVERY) {
            return None;
        }
        last.0 = Some(now);
        Some(std::mem::take(&mut last.1))
    }
}

/// What a socket for datagrams counts.
#[derive(Clone)]
pub(crate) struct DatagramMetrics(Counter);

impl DatagramMetrics {
    /// Handles for the listener of `receiver`.
    pub(crate) fn new(receiver: &str) -> Self {
        Self(counter!(DATAGRAMS_LOST, "receiver" => receiver.to_owned()))
    }

    /// The kernel has thrown away so many since the socket was opened.
    pub(crate) fn lost(&self, datagrams: u64) {
        self.0.absolute(datagrams);
    }
}

/// What the framer counts.
#[derive(Clone)]
pub(crate) struct IngestMetrics {
    batches: Counter,
    batch_requests: Histogram,
    frames: Counter,
    frame_bytes: Histogram,
    log_bytes: Gauge,
    oldest: Gauge,
    stuck: Gauge,
}

impl IngestMetrics {
    /// Handles.
    pub(crate) fn new() -> Self {
        Self {
            batches: counter!(BATCHES),
            batch_requests: histogram!(BATCH_REQUESTS),
            frames: counter!(FRAMES),
            frame_bytes: histogram!(FRAME_BYTES),
            log_bytes: gauge!(LOG_BYTES),
            oldest: gauge!(OLDEST),
            stuck: gauge!(STUCK),
        }
    }

    /// A batch of `requests` became `frames` with `bytes` in all.
    pub(crate) fn batch(&self, requests: usize, frames: usize, bytes: usize) {
        self.batches.increment(1);
        self.batch_requests.record(requests as f64);
        self.frames.increment(frames as u64);
        if let Some(mean) = bytes.checked_div(frames) {
            self.frame_bytes.record(mean as f64);
        }
    }

    /// So many bytes gather for the log or are on their way into it.
    pub(crate) fn log_bytes(&self, bytes: usize) {
        self.log_bytes.set(bytes as f64);
    }

    /// The oldest request that waits for the log has waited so long.
    pub(crate) fn oldest(&self, wait: Duration) {
        self.oldest.set(wait.as_secs_f64());
    }

    /// So many partitions do not answer.
    pub(crate) fn stuck(&self, partitions: usize) {
        self.stuck.set(partitions as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reason_is_told_once_a_minute_with_all_that_came_between() {
        let throttle = LogThrottle::default();
        let begin = Instant::now();
        let at = |seconds| throttle.permit(begin + Duration::from_secs(seconds));
        let heard: Vec<_> = [0, 1, 59, 60, 61, 200].map(at).into();
        assert_eq!(heard, [Some(1), None, None, Some(3), None, Some(2)]);
    }

    #[test]
    fn the_table_keeps_the_house_rules() {
        for metric in TABLE {
            let name = metric.name;
            assert!(name.starts_with("wholetrace_gateway_"), "{name}");
            assert!(metric.help.ends_with('.'), "{name}");
            assert_eq!(name.ends_with("_total"), metric.kind.name() == "counter", "{name}");
        }
    }
}
