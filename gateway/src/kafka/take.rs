//! One message on its way into the log.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;
use wholetrace_runtime::budget::ByteBudget;

use super::{marks::Ticket, metrics::SourceMetrics, sniff};
use crate::{
    admission::{lease::InFlightBudget, memory::MemoryGate},
    format::{Format, Metadata},
    inflate::Encoding,
    intake::{Intake, Message},
    metrics::{ReceiverMetrics, RequestMetrics},
    outcome::Accepted,
    reject::{RejectReason, Rejection},
};

/// The first wait before a message is tried again; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The longest wait. The partition waits with it, and the log is not asked too often.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A message as it was read.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) ticket: Ticket,
    pub(super) bytes: Bytes,
    /// Its headers, as far as they can be those of a request.
    pub(super) metadata: Metadata,
}

/// Takes messages.
pub(super) struct Taker {
    pub(super) memory: MemoryGate,
    pub(super) in_flight: InFlightBudget,
    /// What the receiver may hold of the bytes in flight.
    pub(super) share: ByteBudget,
    pub(super) intake: Arc<Intake>,
    /// Of all messages, where that is said.
    pub(super) format: Option<&'static Format>,
    pub(super) receiver: ReceiverMetrics,
    pub(super) metrics: SourceMetrics,
    /// Once cancelled, nothing is tried again.
    pub(super) stopping: CancellationToken,
}

impl Taker {
    /// Whether the message is finished: the log has its spans, or it can never be taken. If it is not,
    /// the process is stopping.
    pub(super) async fn take(&self, received: &Received) -> bool {
        // Deletions of topics that are compacted, and ticks of a log like ours.
        if received.bytes.is_empty() {
            return true;
        }
        let request = self.receiver.request(None);
        self.receiver.received(received.bytes.len());
        let Some(format) = self.format.or_else(|| sniff::format_of(&received.bytes)) else {
            let told = "an object of JSON without `resourceSpans` is in no encoding that is read";
            refuse(request, received, None, &Rejection::new(RejectReason::ContentType, told));
            return true;
        };
        let mut wait = FIRST_WAIT;
        loop {
            let once = AssertUnwindSafe(self.take_once(received, format)).catch_unwind().await;
            let outcome = once.unwrap_or_else(|_| {
                Err(Rejection::new(RejectReason::Internal, "the gateway failed on this message"))
            });
            match outcome {
                Ok(accepted) => {
                    request.accepted(&accepted);
                    return true;
                }
                Err(rejection) if rejection.advice().is_some() => {
                    self.metrics.retried(rejection.reason);
                    let spread = wait.mul_f64(0.5 + fastrand::f64());
                    tokio::select! {
                        () = self.stopping.cancelled() => return false,
                        () = tokio::time::sleep(spread) => {}
                    }
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                Err(rejection) => {
                    refuse(request, received, Some(format), &rejection);
                    return true;
                }
            }
        }
    }

    async fn take_once(
        &self,
        received: &Received,
        format: &'static Format,
    ) -> Result<Accepted, Rejection> {
        let (bytes, most) = (received.bytes.clone(), self.intake.message_bytes_max);
        if bytes.len() > most {
            let message = format!(
                "{} bytes, and at most {most} are taken: raise `limits.in_flight`",
                bytes.len()
            );
            return Err(Rejection::new(RejectReason::BodyTooLarge, message));
        }
        self.memory.check()?;
        let mut lease = self.in_flight.take([Some(&self.share), None], bytes.len())?;
        lease.complete();
        let metadata = format.metadata_of(&received.metadata);
        let message = Message { bytes, encoding: Encoding::Identity, metadata, mark: None, lease };
        self.intake.take(message, format).await
    }
}

/// Tells that the message can never be taken, and which it is.
fn refuse(
    request: RequestMetrics,
    received: &Received,
    format: Option<&Format>,
    rejection: &Rejection,
) {
    let (place, offset) = (&received.ticket.place, received.ticket.offset);
    let taken_for = format.map_or_else(String::new, |format| format!(", taken for {format:?}"));
    let told = format!(
        "the message at offset {offset} of partition {} of `{}`{taken_for}: {}",
        place.partition, place.topic, rejection.message
    );
    request.refused(&Rejection::new(rejection.reason, told));
}
