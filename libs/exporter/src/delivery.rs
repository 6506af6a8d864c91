//! Sends one batch until the backend has taken or refused every piece of it.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    contract::{Accepted, ExportError, Exporter, ExporterIndex, KeptSpans, Outcome, Settled},
    job::{Ended, Job, Part},
    journal::Journal,
    metrics::{ExporterMetrics, Failure},
    next_step::{NextStep, next_step},
    pace::Pace,
    queue_state::{Piece, QueueState},
    refusals::Refusals,
    retry::RetryPolicy,
};

/// After so many failed requests in a row the backend seems to refuse everything. From then on one part
/// of each held batch is tried at a time, and new batches are tried only now and then.
pub(crate) const SUSPICION: u32 = 8;

/// Sends batches through one exporter, and sends them again where that can help.
pub(crate) struct Sender {
    pub(crate) exporter: Arc<dyn Exporter>,
    pub(crate) index: ExporterIndex,
    pub(crate) retry: RetryPolicy,
    /// Once cancelled, nothing is sent a second time.
    pub(crate) stopping: CancellationToken,
    pub(crate) state: Arc<QueueState>,
    pub(crate) pace: Pace,
    pub(crate) journal: Journal,
    pub(crate) refusals: Refusals,
    pub(crate) metrics: ExporterMetrics,
    /// Held while the gauge of failures is set.
    pub(crate) shown: Mutex<()>,
}

impl Sender {
    /// Sends what is due of `job`, in one request if the backend takes it whole. Returns `None` when all
    /// of it is delivered or refused, when its partition is gone, or when the queue is stopping. Else
    /// returns the job, which has to wait; other jobs go first.
    pub(crate) async fn deliver(self: Arc<Self>, mut job: Job) -> Option<Job> {
        job.resume(Instant::now(), &self.state);
        while let Some(part) = job.take(&self.state) {
            match self.send(&part).await {
                Ok(accepted) => {
                    self.note_rejected(&accepted);
                    self.end(job.deliver(part));
                }
                Err(error) => self.go_on(&mut job, part, &error).await,
            }
        }
        let left = job.due(Instant::now()).is_some();
        (left && !self.stopping.is_cancelled()).then_some(job)
    }

    async fn send(&self, part: &Part) -> Result<Accepted, ExportError> {
        let batch = part.batch();
        self.metrics.started();
        let started = Instant::now();
        let answer = self.exporter.export(batch.clone()).await;
        self.metrics.ended(started.elapsed());
        if answer.is_ok() {
            self.metrics.sent(batch.len(), batch.spans());
            self.state.note_delivered();
            self.pace.taken(batch.len());
            self.recovered();
        } else if !matches!(answer, Err(ExportError::Oversized { .. })) {
            self.state.note_failed();
        }
        answer
    }

    /// Does what a failure of `part` leads to.
    async fn go_on(&self, job: &mut Job, mut part: Part, error: &ExportError) {
        let now = Instant::now();
        if !matches!(error, ExportError::Oversized { .. }) {
            part.history.refused(now, self.state.delivered());
            part.history.rejected = matches!(error, ExportError::Rejected { .. });
        }
        self.count(error);
        let in_a_row = self.state.failed_in_a_row();
        let judge = |part: &mut Part, smallest| {
            next_step(error, &mut part.history, self.retry, smallest, in_a_row, now)
        };
        let smallest = job.is_smallest(&part);
        let mut said = judge(&mut part, smallest);
        if let NextStep::Halve { wait, leave } = said {
            if matches!(error, ExportError::Overloaded { .. } | ExportError::Oversized { .. }) {
                self.pace.too_much(part.batch().len());
            }
            match job.halve(part) {
                None => {
                    self.note_split(error);
                    if wait.is_zero() {
                        return;
                    }
                    self.failed(error, wait);
                    if leave || !self.rest(wait).await {
                        job.pause(now + wait);
                    }
                    return;
                }
                Some(whole) => {
                    part = whole;
                    said = judge(&mut part, true);
                }
            }
        }
        match said {
            NextStep::GiveUp => self.end(job.give_up(part, error.to_string())),
            NextStep::Hold(wait) => {
                self.failed(error, wait);
                job.hold(part, now + wait);
                if in_a_row >= SUSPICION {
                    job.pause(now + wait);
                }
            }
            NextStep::Retry(wait) | NextStep::Halve { wait, .. } => {
                self.failed(error, wait);
                if self.rest(wait).await {
                    job.again(part);
                }
            }
        }
    }

    /// Waits, and tells whether to go on then: not when the queue is stopping.
    async fn rest(&self, wait: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => false,
            () = tokio::time::sleep(wait) => true,
        }
    }

    fn count(&self, error: &ExportError) {
        self.metrics.failed(match error {
            ExportError::Retryable { .. } | ExportError::Overloaded { .. } => Failure::Retryable,
            ExportError::Misconfigured { .. } => Failure::Misconfigured,
            ExportError::Doubtful { .. } => Failure::Doubtful,
            ExportError::Rejected { .. }
            | ExportError::Oversized { .. }
            | ExportError::Permanent { .. } => return,
        });
    }

    fn end(&self, ended: Option<Ended>) {
        match ended {
            None => {}
            Some(Ended::Delivered(pieces)) => self.settle(pieces, |_| Outcome::Delivered),
            Some(Ended::Refused(pieces, reason)) => self.refuse(pieces, reason),
        }
    }

    fn refuse(&self, pieces: Vec<Piece>, reason: String) {
        let reason: Arc<str> = reason.into();
        let spans: u64 = pieces.iter().map(|piece| u64::from(piece.kept.spans)).sum();
        self.metrics.refused(spans);
        self.refusals.note(&reason, pieces.len() as u64, spans);
        self.settle(pieces, |kept| Outcome::Refused {
            reason: Arc::clone(&reason),
            bytes: kept.bytes.clone(),
            spans: kept.spans,
        });
    }

    /// Reports an outcome for each of the `pieces`: one report for each worker that waits.
    fn settle(&self, mut pieces: Vec<Piece>, outcome: impl Fn(&KeptSpans) -> Outcome) {
        while let Some(first) = pieces.first() {
            let to = first.to.clone();
            let (same, rest): (Vec<_>, Vec<_>) =
                pieces.into_iter().partition(|piece| piece.to.is(&to));
            pieces = rest;
            to.report(same.iter().map(|piece| {
                self.state.settle(piece.owed);
                Settled {
                    exporter: self.index,
                    ticket: piece.kept.ticket,
                    outcome: outcome(&piece.kept),
                }
            }));
        }
    }

    fn note_split(&self, error: &ExportError) {
        self.metrics.failed(Failure::Split);
        // The next batches are smaller: nobody has to do anything.
        if !matches!(error, ExportError::Oversized { .. }) {
            self.journal.split(error);
        }
    }

    fn note_rejected(&self, accepted: &Accepted) {
        if accepted.rejected > 0 {
            self.metrics.rejected(accepted.rejected);
        }
        self.journal.accepted(accepted);
    }

    fn failed(&self, error: &ExportError, wait: Duration) {
        self.state.failing.store(true, Ordering::Relaxed);
        self.show_health();
        self.journal.failed(error, self.state.owed(), wait);
    }

    fn recovered(&self) {
        if self.state.failing.load(Ordering::Relaxed)
            && self.state.failing.swap(false, Ordering::Relaxed)
        {
            self.note_health();
        }
    }

    /// Logs and shows whether the backend still fails or a job is held.
    pub(crate) fn note_health(&self) {
        let fails = self.show_health();
        self.journal.recovered(fails);
    }

    /// Sets the gauge to whether the backend fails or a job is held. The lock keeps a task with an older
    /// answer from setting it last.
    fn show_health(&self) -> bool {
        let _one = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let fails = self.state.is_failing();
        self.metrics.failing(fails);
        fails
    }
}
