//! What is said of a backend in the log: one line for each cause and minute, however many requests
//! fail.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    contract::{Accepted, ExportError},
    queue_state::Undelivered,
};

/// The time between two lines of the same cause.
pub(crate) const INTERVAL: Duration = Duration::from_secs(60);

/// Causes that are remembered at a time.
pub(crate) const CAUSES: usize = 16;

/// What of a message makes it another cause, in characters.
const CAUSE_CHARS: usize = 100;

/// What is said of one exporter.
#[derive(Debug)]
pub(crate) struct Journal {
    exporter: String,
    endpoint: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    causes: Vec<Cause>,
    /// Since when requests fail.
    failing: Option<Instant>,
}

#[derive(Debug)]
struct Cause {
    key: String,
    said: Instant,
    /// How often it came since.
    silent: u64,
}

impl State {
    /// How often this cause came since it was said last, if it is to be said now.
    fn is_due(&mut self, kind: &str, message: &str, now: Instant) -> Option<u64> {
        let key = format!("{kind} {}", cause_of(message));
        if let Some(cause) = self.causes.iter_mut().find(|cause| cause.key == key) {
            if now.saturating_duration_since(cause.said) < INTERVAL {
                cause.silent += 1;
                return None;
            }
            cause.said = now;
            return Some(std::mem::take(&mut cause.silent));
        }
        if self.causes.len() >= CAUSES {
            let oldest = self.causes.iter().enumerate().min_by_key(|(_, cause)| cause.said);
            if let Some((oldest, _)) = oldest {
                self.causes.swap_remove(oldest);
            }
        }
        self.causes.push(Cause { key, said: now, silent: 0 });
        Some(0)
    }
}

impl Journal {
    pub(crate) fn new(exporter: &str, endpoint: String) -> Self {
        Self { exporter: exporter.to_owned(), endpoint, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request failed and is repeated; `owed` waits for the backend.
    pub(crate) fn failed(&self, error: &ExportError, owed: Undelivered, wait: Duration) {
        let now = Instant::now();
        let message = error.to_string();
        let mut state = self.state();
        let since = *state.failing.get_or_insert(now);
        let (kind, what) = what_happens(error);
        let due = state.is_due(kind, &message, now);
        drop(state);
        let (exporter, endpoint) = (&self.exporter, &self.endpoint);
        let Some(repeats) = due else {
            tracing::debug!(exporter, endpoint, %error, ?wait, "fail to export");
            return;
        };
        let secs = now.saturating_duration_since(since).as_secs();
        let failing_for = (secs > 0).then(|| tracing::field::debug(Duration::from_secs(secs)));
        let (waiting, repeats) = (owed.spans, Some(repeats).filter(|repeats| *repeats > 0));
        if matches!(error, ExportError::Misconfigured { .. }) {
            tracing::error!(exporter, endpoint, %error, waiting, failing_for, repeats, "{what}");
        } else {
            tracing::warn!(exporter, endpoint, %error, waiting, failing_for, repeats, "{what}");
        }
    }

    /// The halves of a batch are sent instead of it.
    pub(crate) fn split(&self, error: &ExportError) {
        let (exporter, endpoint) = (&self.exporter, &self.endpoint);
        let due = self.state().is_due("split", &error.to_string(), Instant::now());
        if due.is_some() {
            tracing::warn!(
                exporter, endpoint, %error,
                "send the halves of a batch that the backend does not take: if it finds it too \
                 large, lower `sending_queue.batch.max_size`",
            );
        } else {
            tracing::debug!(exporter, endpoint, %error, "send the halves of a batch");
        }
    }

    /// The backend takes requests. With nothing that still `fails`, that is worth a line after
    /// those of its failures.
    pub(crate) fn recovered(&self, fails: bool) {
        let mut state = self.state();
        let Some(since) = state.failing.filter(|_| !fails) else { return };
        state.failing = None;
        let due = state.is_due("recovered", "", Instant::now());
        drop(state);
        if due.is_some() {
            let after = Duration::from_secs(since.elapsed().as_secs());
            tracing::info!(
                exporter = self.exporter,
                endpoint = self.endpoint,
                ?after,
                "export again"
            );
        }
    }

    /// What the backend had to say about a request that it took.
    pub(crate) fn accepted(&self, accepted: &Accepted) {
        let Accepted { rejected: spans, message } = accepted;
        if *spans == 0 && message.is_empty() {
            return;
        }
        let kind = if *spans > 0 { "rejected" } else { "warning" };
        let Some(repeats) = self.state().is_due(kind, message, Instant::now()) else { return };
        let (exporter, endpoint) = (&self.exporter, &self.endpoint);
        let repeats = Some(repeats).filter(|repeats| *repeats > 0);
        if *spans > 0 {
            tracing::warn!(
                exporter,
                endpoint,
                spans,
                message,
                repeats,
                "lose spans that the backend rejected from a batch it took",
            );
        } else {
            tracing::warn!(exporter, endpoint, message, repeats, "hear a warning from the backend");
        }
    }
}

/// What of a message makes it the same cause as another.
pub(crate) fn cause_of(message: &str) -> String {
    // Ports, sizes and times differ from one to the next.
    message.chars().filter(|char| !char.is_ascii_digit()).take(CAUSE_CHARS).collect()
}

/// The kind of a failure, and what becomes of the spans.
const fn what_happens(error: &ExportError) -> (&'static str, &'static str) {
    match error {
        ExportError::Misconfigured { .. } => (
            "barred",
            "find the backend closed to this exporter: correct its endpoint or credentials; kept \
             traces stay in the log until then",
        ),
        ExportError::Doubtful { .. } => (
            "doubtful",
            "fail to export: kept traces stay in the log, and are sent again until they arrive, or \
             until one of them is proven to be at fault while others are delivered",
        ),
        ExportError::Rejected { .. }
        | ExportError::Oversized { .. }
        | ExportError::Permanent { .. } => (
            "held",
            "hold back spans that the backend refuses: they are given up once others are delivered \
             and they are refused still; if it refuses all, mend the backend",
        ),
        ExportError::Retryable { .. } => (
            "retryable",
            "fail to export: kept traces stay in the log, and are sent again until they arrive",
        ),
        ExportError::Overloaded { .. } => (
            "overloaded",
            "fail to export: kept traces stay in the log, and are sent again in smaller requests",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once_a_minute() {
        let (mut state, began) = (State::default(), Instant::now());
        let mut said = |seconds, kind: &str, message: &str| {
            state.is_due(kind, message, began + Duration::from_secs(seconds))
        };
        assert_eq!(said(0, "retryable", "no answer within 5s"), Some(0));
        assert_eq!(said(1, "retryable", "no answer within 10s"), None);
        assert_eq!(said(1, "retryable", "refused"), Some(0));
        assert_eq!(said(2, "barred", "refused"), Some(0));
        assert_eq!(said(59, "retryable", "no answer within 40s"), None);
        assert_eq!(said(60, "retryable", "no answer within 5s"), Some(2));
        assert_eq!(said(61, "retryable", "no answer within 5s"), None);
        for cause in 0..50 {
            said(62, "retryable", &"x".repeat(cause));
        }
        assert!(state.causes.len() <= CAUSES);
    }
}
