//! What a failure means for the part of a batch that was sent: which of the two is at fault, the
//! backend or the spans.
//!
//! One answer proves nothing about spans. A backend that answers everything so is at fault itself,
//! and the spans wait for it. What proves the spans is the same answer again and again for one trace
//! or span, while others are delivered in between.

use std::time::Duration;

use tokio::time::Instant;

use crate::{contract::ExportError, job::Story, retry::RetryPolicy};

/// How often something is refused for a reason that may lie with the backend before it is doubted
/// itself; a single span is given up only after [`RetryPolicy::patience`] besides.
const DOUBTS: u32 = 3;

/// How often a batch that was too much for the backend is sent before its halves are.
const HEAVY_TRIES: u32 = 2;

/// Requests that failed one after the other, after which halves are not sent at once any more: a
/// backend that refuses so many seems to refuse everything. More than it takes to find one span in
/// a batch.
const HASTY_REFUSALS: u32 = 64;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Send the same again after this wait, and nothing else in its place before: the backend
    /// takes nothing.
    Again(Duration),
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
    Bury,
}

/// Judges a part that was answered `error`, and whose `story` includes that. The `smallest` parts
/// cannot be halved. `in_a_row` requests of this exporter have failed since one was taken.
pub(crate) fn verdict(
    error: &ExportError,
    story: &mut Story,
    policy: RetryPolicy,
    smallest: bool,
    in_a_row: u32,
    now: Instant,
) -> Verdict {
    let random = fastrand::f64();
    let patient = policy.patience.is_zero() || story.age(now) < policy.patience;
    match error {
        ExportError::Permanent { .. } => Verdict::Bury,
        ExportError::Unfit { .. } if smallest && story.proven => Verdict::Bury,
        ExportError::Unfit { .. } if smallest => Verdict::Hold(story.backoff.longest_wait(random)),
        ExportError::Unfit { .. } if in_a_row < HASTY_REFUSALS => Verdict::HALVE_NOW,
        ExportError::Unfit { .. } => {
            Verdict::Halve { wait: story.backoff.longest_wait(random), leave: true }
        }
        ExportError::Heavy { .. } if !smallest && story.tries >= HEAVY_TRIES => {
            Verdict::Halve { wait: story.backoff.next_wait(None, random), leave: false }
        }
        ExportError::Heavy { .. } if patient => {
            Verdict::Again(story.backoff.next_wait(None, random))
        }
        ExportError::Heavy { .. } => Verdict::Hold(story.backoff.next_wait(None, random)),
        ExportError::Retryable { after, .. } if patient => {
            Verdict::Again(story.backoff.next_wait(*after, random))
        }
        ExportError::Retryable { .. } if story.others && !smallest => Verdict::HALVE_NOW,
        ExportError::Retryable { after, .. } => {
            Verdict::Hold(story.backoff.next_wait(*after, random))
        }
        ExportError::Barred { .. } | ExportError::Doubtful { .. } => {
            story.doubts = story.doubts.saturating_add(1);
            doubted(error, story, patient, smallest, random)
        }
    }
}

/// Judges a part that was refused for a reason that may lie with it or with the backend. Halves cost
/// nothing: they are sent as soon as others are delivered between its refusals. To give it up takes
/// more.
fn doubted(
    error: &ExportError,
    story: &mut Story,
    patient: bool,
    smallest: bool,
    random: f64,
) -> Verdict {
    let barred = matches!(error, ExportError::Barred { .. });
    if smallest && !patient && story.proven && story.tries >= DOUBTS {
        Verdict::Bury
    } else if !smallest && story.others && (story.doubts >= DOUBTS || !patient) {
        Verdict::HALVE_NOW
    } else if barred && story.tries < DOUBTS {
        Verdict::Again(story.backoff.longest_wait(random))
    } else if barred {
        Verdict::Hold(story.backoff.longest_wait(random))
    } else if smallest || patient {
        Verdict::Hold(story.backoff.next_wait(None, random))
    } else {
        Verdict::Halve { wait: story.backoff.longest_wait(random), leave: true }
    }
}

impl Verdict {
    const HALVE_NOW: Self = Self::Halve { wait: Duration::ZERO, leave: false };
}
