//! Every reason for which something is refused, and what its sender is told.
//!
//! One enum feeds the gRPC status, the HTTP status, the retry advice, the metric label and the
//! log field, so that they cannot drift apart.

use std::{borrow::Cow, fmt, time::Duration};

use http::StatusCode;
use tonic::Code;
use wholetrace_proto::reject::SpanReject;
use wholetrace_spanlog::AppendError;

/// Why a connection, a request or a span was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RejectReason {
    /// The listener has as many connections as it may.
    Connections,
    /// TLS was not established.
    Handshake,
    /// A connection sent nothing, or no complete request head, within the header timeout.
    HeaderTimeout,
    /// What came on a connection is not HTTP, or is against its rules or beyond its bounds.
    Http,
    /// No receiver listens at this path.
    Path,
    /// The path is right, the method is not.
    Method,
    /// The content type is none that the receiver reads.
    ContentType,
    /// The content or message encoding is none that the receiver can undo.
    Encoding,
    /// The body is longer than the receiver takes, or longer than was declared.
    BodyTooLarge,
    /// The body inflates to more than the receiver takes.
    InflatedTooLarge,
    /// The body was not complete within the request timeout, or did not come at the least rate.
    SlowSender,
    /// The sender went away before the body was complete.
    Incomplete,
    /// The body is not what its content type or encoding says.
    Malformed,
    /// Resources and scopes would have to be repeated in more bytes than may be in flight.
    Amplified,
    /// The request has no token of a tenant.
    Unauthenticated,
    /// The tenant has sent as many bytes as it may for now.
    TenantRate,
    /// The process uses as much memory as it may.
    Memory,
    /// Requests in flight hold as many bytes as they may.
    InFlight,
    /// As many requests wait for the log as may.
    Queue,
    /// The log has as many bytes waiting to become durable as it may.
    LogBusy,
    /// The log has reached its quota.
    LogQuota,
    /// The disk under the log is full.
    LogDisk,
    /// The log did not answer in time.
    LogTimeout,
    /// A partition of the log that some of the spans belong to has not answered for long.
    LogStuck,
    /// The log failed or took less than it promised.
    LogFailed,
    /// The process is shutting down.
    ShuttingDown,
    /// A fault of ours.
    Internal,
    /// A span's bytes are not a span.
    SpanMalformed,
    /// A span's attribute values are nested too deeply.
    SpanNesting,
    /// A trace or span id of a span is absent, given twice, of a wrong length or all zero.
    SpanId,
    /// A span, with its resource and scope, is larger than a frame may be.
    SpanTooLarge,
}

impl RejectReason {
    /// All reasons, in the order of the enum.
    pub const ALL: [Self; 31] = [
        Self::Connections,
        Self::Handshake,
        Self::HeaderTimeout,
        Self::Http,
        Self::Path,
        Self::Method,
        Self::ContentType,
        Self::Encoding,
        Self::BodyTooLarge,
        Self::InflatedTooLarge,
        Self::SlowSender,
        Self::Incomplete,
        Self::Malformed,
        Self::Amplified,
        Self::Unauthenticated,
        Self::TenantRate,
        Self::Memory,
        Self::InFlight,
        Self::Queue,
        Self::LogBusy,
        Self::LogQuota,
        Self::LogDisk,
        Self::LogTimeout,
        Self::LogStuck,
        Self::LogFailed,
        Self::ShuttingDown,
        Self::Internal,
        Self::SpanMalformed,
        Self::SpanNesting,
        Self::SpanId,
        Self::SpanTooLarge,
    ];

    /// The reason as metric label and log field.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Handshake => "handshake",
            Self::HeaderTimeout => "header_timeout",
            Self::Http => "http",
            Self::Path => "path",
            Self::Method => "method",
            Self::ContentType => "content_type",
            Self::Encoding => "encoding",
            Self::BodyTooLarge => "body_too_large",
            Self::InflatedTooLarge => "inflated_too_large",
            Self::SlowSender => "slow_sender",
            Self::Incomplete => "incomplete",
            Self::Malformed => "malformed",
            Self::Amplified => "amplified",
            Self::Unauthenticated => "unauthenticated",
            Self::TenantRate => "tenant_rate",
            Self::Memory => "memory",
            Self::InFlight => "in_flight",
            Self::Queue => "queue",
            Self::LogBusy => "log_busy",
            Self::LogQuota => "log_quota",
            Self::LogDisk => "log_disk",
            Self::LogTimeout => "log_timeout",
            Self::LogStuck => "log_stuck",
            Self::LogFailed => "log_failed",
            Self::ShuttingDown => "shutting_down",
            Self::Internal => "internal",
            Self::SpanMalformed => "span_malformed",
            Self::SpanNesting => "span_nesting",
            Self::SpanId => "span_id",
            Self::SpanTooLarge => "span_too_large",
        }
    }

    /// The gRPC status of a request refused for this reason.
    ///
    /// Pressure is `RESOURCE_EXHAUSTED` with retry advice: on `UNAVAILABLE` some SDKs tear down
    /// and rebuild their channel, which is right when the log is away and a reconnect storm when
    /// there is merely much to do. Without advice `RESOURCE_EXHAUSTED` is not retried, which is
    /// right for what can never fit.
    #[must_use]
    pub const fn grpc(self) -> Code {
        match self {
            Self::Path | Self::Method | Self::Encoding => Code::Unimplemented,
            Self::BodyTooLarge
            | Self::InflatedTooLarge
            | Self::Amplified
            | Self::TenantRate
            | Self::Memory
            | Self::InFlight
            | Self::Queue
            | Self::LogBusy => Code::ResourceExhausted,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::HeaderTimeout => Code::DeadlineExceeded,
            Self::Incomplete => Code::Cancelled,
            Self::Connections
            | Self::Handshake
            | Self::SlowSender
            | Self::LogQuota
            | Self::LogDisk
            | Self::LogTimeout
            | Self::LogStuck
            | Self::LogFailed
            | Self::ShuttingDown => Code::Unavailable,
            Self::Internal => Code::Internal,
            Self::ContentType
            | Self::Http
            | Self::Malformed
            | Self::SpanMalformed
            | Self::SpanNesting
            | Self::SpanId
            | Self::SpanTooLarge => Code::InvalidArgument,
        }
    }

    /// The HTTP status of a request refused for this reason.
    #[must_use]
    pub const fn http(self) -> StatusCode {
        match self {
            Self::Path => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentType | Self::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge | Self::InflatedTooLarge | Self::Amplified => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::HeaderTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::TenantRate | Self::Memory | Self::InFlight | Self::Queue | Self::LogBusy => {
                StatusCode::TOO_MANY_REQUESTS
            }
            // 408 would fit a slow sender, but OTLP does not send again what is answered so.
            Self::Connections
            | Self::Handshake
            | Self::SlowSender
            | Self::LogQuota
            | Self::LogDisk
            | Self::LogTimeout
            | Self::LogStuck
            | Self::LogFailed
            | Self::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Incomplete
            | Self::Http
            | Self::Malformed
            | Self::SpanMalformed
            | Self::SpanNesting
            | Self::SpanId
            | Self::SpanTooLarge => StatusCode::BAD_REQUEST,
        }
    }

    /// How long a sender should wait at least before it sends the same again; `None` when that would
    /// be refused again. What one sender is told is in [`Rejection::advice`].
    #[must_use]
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::TenantRate
            | Self::InFlight
            | Self::SlowSender
            | Self::Queue
            | Self::LogBusy
            | Self::ShuttingDown => Some(Duration::from_secs(1)),
            Self::Memory | Self::LogTimeout | Self::LogStuck | Self::LogFailed => {
                Some(Duration::from_secs(5))
            }
            // Room comes back at the pace of an exporter or of a person.
            Self::LogQuota | Self::LogDisk => Some(Duration::from_secs(10)),
            _ => None,
        }
    }

    /// Whether this is a reason to refuse one span and serve the rest of its request.
    #[must_use]
    pub const fn is_of_span(self) -> bool {
        self as u8 >= Self::SpanMalformed as u8
    }

    /// Whether the operator of the gateway has to act: a warning. What the log refuses, it tells of by
    /// itself; all others are the senders' to mend, or passing pressure.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Memory | Self::Internal)
    }
}

/// What a span that is refused alone counts for.
impl From<&SpanReject> for RejectReason {
    fn from(reject: &SpanReject) -> Self {
        match reject {
            SpanReject::IdLength { message: "Span", .. }
            | SpanReject::ZeroId { .. }
            | SpanReject::RepeatedId { .. }
            | SpanReject::Id(_) => Self::SpanId,
            SpanReject::Nesting { .. } => Self::SpanNesting,
            SpanReject::TooLarge { .. } | SpanReject::TooMany { .. } => Self::SpanTooLarge,
            // A link's ids are content, not what the span is known by.
            SpanReject::IdLength { .. }
            | SpanReject::Malformed(_)
            | SpanReject::MalformedThrift(_)
            | SpanReject::Padding
            | SpanReject::Number(_)
            | SpanReject::Type(_)
            | SpanReject::Enum(_)
            | SpanReject::Bytes(_) => Self::SpanMalformed,
        }
    }
}

/// A refused request: the reason and one sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Rejection {
    /// Why.
    pub reason: RejectReason,
    /// What exactly, and what to do about it.
    pub message: Cow<'static, str>,
    retry_after: Option<Duration>,
}

/// Advice to come back is longer by up to this part of itself.
const SPREAD: f64 = 0.5;

impl Rejection {
    /// A refusal for `reason`, explained by `message`.
    pub fn new(reason: RejectReason, message: impl Into<Cow<'static, str>>) -> Self {
        let retry_after =
            reason.retry_after().map(|wait| wait + wait.mul_f64(SPREAD * fastrand::f64()));
        Self { reason, message: message.into(), retry_after }
    }

    /// How long this sender is to wait before it sends the same again; `None` when that would be
    /// refused again. Not the same for all: those that were refused at one moment would come back at
    /// one moment.
    #[must_use]
    pub const fn advice(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The same in whole seconds, rounded by chance: so that it is spread too.
    #[must_use]
    pub fn advice_seconds(&self) -> Option<u64> {
        let wait = self.retry_after?;
        let up = fastrand::f64() * 1e9 < f64::from(wait.subsec_nanos());
        Some(wait.as_secs() + u64::from(up))
    }
}

impl From<AppendError> for Rejection {
    fn from(error: AppendError) -> Self {
        let reason = match &error {
            AppendError::Full { .. } => RejectReason::LogBusy,
            AppendError::QuotaReached { .. } => RejectReason::LogQuota,
            AppendError::DiskFull => RejectReason::LogDisk,
            AppendError::Closed => RejectReason::ShuttingDown,
            // Sizes and partitions are checked before; if the log disagrees the fault is ours,
            // and the sender should not lose its spans to it.
            AppendError::TooLarge { .. }
            | AppendError::NoSuchPartition { .. }
            | AppendError::Failed(_) => RejectReason::LogFailed,
        };
        Self::new(reason, error.to_string())
    }
}

/// How many spans of a request were refused, for which reasons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanRejects([u32; SPAN_REASONS]);

const SPAN_REASONS: usize = RejectReason::ALL.len() - RejectReason::SpanMalformed as usize;

impl SpanRejects {
    /// Counts `spans` refused for `reason`; a reason that is not of a span counts as malformed.
    pub fn add(&mut self, reason: RejectReason, spans: u32) {
        let index = (reason as usize).saturating_sub(RejectReason::SpanMalformed as usize);
        if let Some(count) = self.0.get_mut(index) {
            *count = count.saturating_add(spans);
        }
    }

    /// Adds what was refused at an earlier stage.
    pub fn merge(&mut self, earlier: &Self) {
        for (reason, spans) in earlier.iter() {
            self.add(reason, spans);
        }
    }

    /// Spans refused for any reason.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Each reason that refused a span, with how many.
    pub fn iter(&self) -> impl Iterator<Item = (RejectReason, u32)> + '_ {
        RejectReason::ALL
            .into_iter()
            .filter(|reason| reason.is_of_span())
            .zip(self.0)
            .filter(|(_, count)| *count > 0)
    }
}

/// "3 spans refused: 2 span_id, 1 span_malformed", for the partial success.
impl fmt::Display for SpanRejects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} spans refused: ", self.total())?;
        for (index, (reason, count)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{count} {}", reason.label())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_in_order_and_labels_are_distinct() {
        let mut labels: Vec<_> = RejectReason::ALL.iter().map(|reason| reason.label()).collect();
        for (index, reason) in RejectReason::ALL.into_iter().enumerate() {
            assert_eq!(index, reason as usize);
        }
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), RejectReason::ALL.len());
    }

    /// OTLP clients retry by these tables: advice on a status that they do not retry is lost, and
    /// `RESOURCE_EXHAUSTED` without advice is a loss.
    #[test]
    fn advice_goes_with_statuses_that_senders_retry() {
        for reason in RejectReason::ALL {
            if reason.retry_after().is_some() {
                assert!(matches!(reason.http().as_u16(), 429 | 502 | 503 | 504), "{reason:?}");
                let code = reason.grpc();
                assert!(matches!(code, Code::Unavailable | Code::ResourceExhausted), "{reason:?}");
            } else {
                assert_ne!(reason.http(), StatusCode::TOO_MANY_REQUESTS, "{reason:?}");
            }
        }
    }

    #[test]
    fn who_is_refused_at_one_moment_does_not_come_back_at_one() {
        let mut waits: Vec<_> = (0..100)
            .map(|_| Rejection::new(RejectReason::LogTimeout, "").advice().unwrap())
            .collect();
        assert!(waits.iter().all(|wait| (5..8).contains(&wait.as_secs())), "{waits:?}");
        waits.sort_unstable();
        waits.dedup();
        assert!(waits.len() > 50, "{waits:?}");
        let seconds: std::collections::BTreeSet<_> = (0..100)
            .map(|_| Rejection::new(RejectReason::LogBusy, "").advice_seconds().unwrap())
            .collect();
        assert_eq!(seconds.into_iter().collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn span_rejects_are_told_by_reason() {
        let mut rejects = SpanRejects::default();
        rejects.add(RejectReason::SpanId, 2);
        rejects.add(RejectReason::SpanTooLarge, 1);
        assert_eq!(rejects.total(), 3);
        let text = rejects.to_string();
        assert_eq!(text, "3 spans refused: 2 span_id, 1 span_too_large");
    }
}
