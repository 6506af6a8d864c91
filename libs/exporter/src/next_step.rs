//! What to do after a failed request. Either the backend is at fault or the spans are.
//!
//! One answer proves nothing about the spans: a backend that answers every request so is at fault itself,
//! and the spans wait. The spans are proven to be at fault when the backend answers so again and again
//! for one trace or span, and takes others in between.

use std::time::Duration;

use tokio::time::Instant;

use crate::{contract::ExportError, job::History, retry::RetryPolicy};

/// After so many doubtful refusals a part is halved, to find the span at fault. A single span is given
/// up only after [`RetryPolicy::max_elapsed_time`] as well.
const DOUBTS: u32 = 3;

/// How often a batch is sent to an overloaded backend before its halves are.
const OVERLOADED_TRIES: u32 = 2;

/// After so many failed requests in a row halves wait before they are sent: the backend seems to refuse
/// everything. Finding one span in a batch takes fewer.
const HASTY_REFUSALS: u32 = 64;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextStep {
    /// Send the same part again after this wait, and nothing else of the batch before: the backend takes
    /// nothing.
    Retry(Duration),
    /// Send the same part again after this wait, and other parts before.
    Hold(Duration),
    /// Send the halves after this wait, and other jobs before if `leave`.
    Halve {
        /// Zero to send them at once.
        wait: Duration,
        /// Whether other jobs are sent before.
        leave: bool,
    },
    /// Give the part up: it is proven that the backend will never take it.
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
        // Nothing was sent that could prove anything.
        ExportError::Oversized { .. } if !smallest => NextStep::HALVE_NOW,
        ExportError::Oversized { .. } => NextStep::GiveUp,
        ExportError::Rejected { .. } if smallest && history.proven => NextStep::GiveUp,
        ExportError::Rejected { .. } if smallest => {
            NextStep::Hold(history.backoff.longest_wait(random))
        }
        ExportError::Rejected { .. } if in_a_row < HASTY_REFUSALS => NextStep::HALVE_NOW,
        ExportError::Rejected { .. } => {
            NextStep::Halve { wait: history.backoff.longest_wait(random), leave: true }
        }
        ExportError::Overloaded { .. } if !smallest && history.tries >= OVERLOADED_TRIES => {
            NextStep::Halve { wait: history.backoff.next_wait(None, random), leave: false }
        }
        ExportError::Overloaded { .. } if patient => {
            NextStep::Retry(history.backoff.next_wait(None, random))
        }
        ExportError::Overloaded { .. } => NextStep::Hold(history.backoff.next_wait(None, random)),
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
