//! What a failure means for the part of a batch that was sent: which of the two is at fault, the
//! backend or the spans.
//!
//! One answer proves nothing about spans. A backend that answers everything so is at fault itself,
//! and the spans wait for it. What proves the spans is the same answer again and again for one trace
//! or span, while others are delivered in between.

use std::time::Duration;

use tokio::time::Instant;

use crate::{contract::ExportError, job::History, retry::RetryPolicy};

/// How often something is refused for a reason that may lie with the backend before it is doubted
/// itself; a single span is given up only after [`RetryPolicy::max_elapsed_time`] besides.
const DOUBTS: u32 = 3;

/// How often a batch that was too much for the backend is sent before its halves are.
const HEAVY_TRIES: u32 = 2;

/// Requests that failed one after the other, after which halves are not sent at once any more: a
/// backend that refuses so many seems to refuse everything. More than it takes to find one span in
/// a batch.
const HASTY_REFUSALS: u32 = 64;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextStep {
    /// Send the same again after this wait, and nothing else in its place before: the backend
    /// takes nothing.
    Retry(Duration),
    /// Send the same again after this wait, and others before.
    Hold(Duration),
    /// Send the halves after this wait; others before, if it is to `leave`.
    Halve {
        /// None, if they are sent at once.
        wait: Duration,
        /// Whether others are sent before.
        leave: bool,
    },
    /// Give it up: it is proven that it will never be taken.
    GiveUp,
}

/// Judges a part that was answered `error`, and whose `history` includes that. The `smallest` parts
/// cannot be halved. `in_a_row` requests of this exporter have failed since one was taken.
pub(crate) fn next_step(
    error: &ExportError,
    history: &mut History,
    policy: RetryPolicy,
    smallest: bool,
    in_a_row: u32,
    now: Instant,
) -> NextStep {
    let random = fastrand::f64();
    let patient = policy.max_elapsed_time.is_zero() || history.age(now) < policy.max_elapsed_time;
    match error {
        ExportError::Permanent { .. } => NextStep::GiveUp,
        ExportError::Rejected { .. } if smallest && history.proven => NextStep::GiveUp,
        ExportError::Rejected { .. } if smallest => {
            NextStep::Hold(history.backoff.longest_wait(random))
        }
        ExportError::Rejected { .. } if in_a_row < HASTY_REFUSALS => NextStep::HALVE_NOW,
        ExportError::Rejected { .. } => {
            NextStep::Halve { wait: history.backoff.longest_wait(random), leave: true }
        }
        ExportError::Heavy { .. } if !smallest && history.tries >= HEAVY_TRIES => {
            NextStep::Halve { wait: history.backoff.next_wait(None, random), leave: false }
        }
        ExportError::Heavy { .. } if patient => {
            NextStep::Retry(history.backoff.next_wait(None, random))
        }
        ExportError::Heavy { .. } => NextStep::Hold(history.backoff.next_wait(None, random)),
        ExportError::Retryable { after, .. } if patient => {
            NextStep::Retry(history.backoff.next_wait(*after, random))
        }
        ExportError::Retryable { .. } if history.others && !smallest => NextStep::HALVE_NOW,
        ExportError::Retryable { after, .. } => {
            NextStep::Hold(history.backoff.next_wait(*after, random))
        }
        ExportError::Misconfigured { .. } | ExportError::Doubtful { .. } => {
            history.doubts = history.doubts.saturating_add(1);
            doubted(error, history, patient, smallest, random)
        }
    }
}

/// Judges a part that was refused for a reason that may lie with it or with the backend. Halves cost
/// nothing: they are sent as soon as others are delivered between its refusals. To give it up takes
/// more.
fn doubted(
    error: &ExportError,
    history: &mut History,
    patient: bool,
    smallest: bool,
    random: f64,
) -> NextStep {
    let misconfigured = matches!(error, ExportError::Misconfigured { .. });
    if smallest && !patient && history.proven && history.tries >= DOUBTS {
        NextStep::GiveUp
    } else if !smallest && history.others && (history.doubts >= DOUBTS || !patient) {
        NextStep::HALVE_NOW
    } else if misconfigured && history.tries < DOUBTS {
        NextStep::Retry(history.backoff.longest_wait(random))
    } else if misconfigured {
        NextStep::Hold(history.backoff.longest_wait(random))
    } else if smallest || patient {
        NextStep::Hold(history.backoff.next_wait(None, random))
    } else {
        NextStep::Halve { wait: history.backoff.longest_wait(random), leave: true }
    }
}

impl NextStep {
    const HALVE_NOW: Self = Self::Halve { wait: Duration::ZERO, leave: false };
}
