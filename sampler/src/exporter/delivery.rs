//! One batch on its way: sent until the backend has answered for every piece of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::exporter::{
    contract::{Accepted, Batch, ExportError, Exporter, ExporterIndex, Kept, Outcome, Settled},
    metrics::{ExporterMetrics, Failure},
    outcomes::OutcomeSink,
    remains::Remains,
    retry::{Backoff, RetryPolicy},
};

/// A piece that the queue has taken: gives its room back when it is dropped.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) kept: Kept,
    pub(crate) to: OutcomeSink,
    /// The spans that the queue took with it, also when only some of them are under way.
    pub(crate) owed: u32,
    _room: OwnedSemaphorePermit,
}

impl Piece {
    pub(crate) const fn new(kept: Kept, to: OutcomeSink, room: OwnedSemaphorePermit) -> Self {
        Self { owed: kept.spans, kept, to, _room: room }
    }
}

/// What a stopped queue had taken and did not deliver. Nothing of it was acknowledged: it comes
/// again from the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undelivered {
    /// Pieces.
    pub pieces: u64,
    /// Spans in them.
    pub spans: u64,
}

/// What a queue has taken and not yet answered for.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pieces: AtomicU64,
    spans: AtomicU64,
    /// Whether the last thing heard of the backend was a failure.
    pub(crate) failing: AtomicBool,
}

impl Tally {
    pub(crate) fn take(&self, spans: u32) {
        self.pieces.fetch_add(1, Ordering::Relaxed);
        self.spans.fetch_add(u64::from(spans), Ordering::Relaxed);
    }

    pub(crate) fn settle(&self, spans: u32) {
        self.pieces.fetch_sub(1, Ordering::Relaxed);
        self.spans.fetch_sub(u64::from(spans), Ordering::Relaxed);
    }

    pub(crate) fn owed(&self) -> Undelivered {
        Undelivered {
            pieces: self.pieces.load(Ordering::Relaxed),
            spans: self.spans.load(Ordering::Relaxed),
        }
    }
}

/// Delivers batches to one exporter, again and again where that can help.
pub(crate) struct Courier {
    pub(crate) exporter: Arc<dyn Exporter>,
    pub(crate) index: ExporterIndex,
    pub(crate) retry: RetryPolicy,
    /// Once cancelled, nothing is sent a second time.
    pub(crate) stopping: CancellationToken,
    pub(crate) tally: Arc<Tally>,
    /// Whether a batch was ever taken in halves only.
    pub(crate) splitting: AtomicBool,
    pub(crate) metrics: ExporterMetrics,
}

impl Courier {
    /// Delivers `pieces`, in one request if the backend takes it whole. Returns when all of them
    /// are delivered or refused, nobody waits for them any more, or the queue is stopping.
    pub(crate) async fn deliver(self: Arc<Self>, pieces: Vec<Piece>) {
        // Depth-first: at most one half of each size waits.
        let mut parts = vec![pieces];
        while let Some(mut part) = parts.pop() {
            match self.send(&mut part).await {
                Sent::Accepted(accepted) => {
                    self.note_rejected(&accepted);
                    self.settle(part, |_| Outcome::Delivered);
                }
                Sent::Refused(ExportError::Unfit { message }) if part.len() > 1 => {
                    let second = part.split_off(part.len() / 2);
                    self.note_split(&message);
                    parts.push(second);
                    parts.push(part);
                }
                Sent::Refused(ExportError::Unfit { message }) => {
                    if let Some(piece) = part.pop() {
                        self.deliver_spans(piece, message).await;
                    }
                }
                Sent::Refused(error) => self.refuse(part, &error),
                Sent::Abandoned => {}
            }
        }
    }

    /// Delivers what the backend takes of `piece`, which it does not take whole: halves, and
    /// halves of those, down to single spans. What is left is refused.
    async fn deliver_spans(&self, piece: Piece, message: String) {
        let mut refused = Remains::default();
        let mut parts = Vec::new();
        if refused.halve_or_keep(piece.kept.bytes.clone(), piece.kept.spans, &mut parts) {
            self.note_split(&message);
        }
        refused.message = message;
        // One piece, so that whoever waits for it is asked for every part of it.
        let mut carrier = vec![piece];
        while let Some((bytes, spans)) = parts.pop() {
            let Some(piece) = carrier.first_mut() else { return };
            (piece.kept.bytes, piece.kept.spans) = (bytes.clone(), spans);
            match self.send(&mut carrier).await {
                Sent::Accepted(accepted) => {
                    self.note_rejected(&accepted);
                    refused.in_a_row = 0;
                }
                Sent::Refused(ExportError::Unfit { message }) => {
                    if refused.halve_or_keep(bytes, spans, &mut parts) {
                        self.note_split(&message);
                    }
                    refused.message = message;
                }
                Sent::Refused(error) => {
                    refused.message = error.to_string();
                    refused.keep(bytes, spans);
                }
                Sent::Abandoned => return,
            }
        }
        if refused.spans == 0 {
            self.settle(carrier, |_| Outcome::Delivered);
            return;
        }
        let Remains { bytes, spans, message, .. } = refused;
        if let Some(piece) = carrier.first_mut() {
            (piece.kept.bytes, piece.kept.spans) = (bytes.concat().into(), spans);
        }
        self.refuse(carrier, &ExportError::Unfit { message });
    }

    /// Sends `part` until it is taken or refused. Pieces that nobody waits for any more are
    /// taken out of it on the way.
    async fn send(&self, part: &mut Vec<Piece>) -> Sent {
        let mut backoff = Backoff::new(self.retry);
        let mut batch = batch_of(part);
        loop {
            self.metrics.started();
            let started = Instant::now();
            let answer = self.exporter.export(batch.clone()).await;
            self.metrics.ended(started.elapsed());
            let (wait, error) = match answer {
                Ok(accepted) => {
                    self.metrics.sent(batch.len(), batch.spans());
                    self.recovered();
                    return Sent::Accepted(accepted);
                }
                Err(error @ ExportError::Retryable { after, .. }) => {
                    self.metrics.failed(Failure::Retryable);
                    (backoff.next_wait(after, fastrand::f64()), error)
                }
                Err(error @ ExportError::Barred { .. }) => {
                    self.metrics.failed(Failure::Barred);
                    (backoff.longest_wait(fastrand::f64()), error)
                }
                Err(error) => return Sent::Refused(error),
            };
            self.failed(&error, wait);
            tokio::select! {
                biased;
                () = self.stopping.cancelled() => return Sent::Abandoned,
                () = tokio::time::sleep(wait) => {}
            }
            if self.forget_unwanted(part) {
                if part.is_empty() {
                    return Sent::Abandoned;
                }
                batch = batch_of(part);
            }
        }
    }

    /// Takes out what nobody waits for any more, and tells whether there was any.
    fn forget_unwanted(&self, part: &mut Vec<Piece>) -> bool {
        let before = part.len();
        part.retain(|piece| {
            let wanted = !piece.to.is_closed();
            if !wanted {
                self.tally.settle(piece.owed);
            }
            wanted
        });
        part.len() != before
    }

    fn refuse(&self, part: Vec<Piece>, error: &ExportError) {
        let spans: u64 = part.iter().map(|piece| u64::from(piece.kept.spans)).sum();
        let reason: Arc<str> = error.to_string().into();
        // The worker of the partition says so, once for each piece.
        self.metrics.refused(spans);
        self.settle(part, |kept| Outcome::Refused {
            reason: Arc::clone(&reason),
            bytes: kept.bytes.clone(),
            spans: kept.spans,
        });
    }

    /// Reports an outcome for each piece of `part`: one report for each worker that waits.
    fn settle(&self, mut part: Vec<Piece>, outcome: impl Fn(&Kept) -> Outcome) {
        while let Some(first) = part.first() {
            let to = first.to.clone();
            let (same, rest): (Vec<_>, Vec<_>) =
                part.into_iter().partition(|piece| piece.to.is(&to));
            part = rest;
            to.report(same.iter().map(|piece| {
                self.tally.settle(piece.owed);
                Settled {
                    exporter: self.index,
                    ticket: piece.kept.ticket,
                    outcome: outcome(&piece.kept),
                }
            }));
        }
    }

    /// Says the first time that batches do not fit, not once for every batch.
    fn note_split(&self, message: &str) {
        self.metrics.failed(Failure::Split);
        let exporter = self.exporter.name();
        if self.splitting.swap(true, Ordering::Relaxed) {
            tracing::debug!(exporter, message, "send the halves of a batch");
        } else {
            tracing::warn!(
                exporter,
                message,
                "send the halves of a batch that the backend does not take: if it finds it too \
                 large, lower `sending_queue.batch.max_size`",
            );
        }
    }

    fn note_rejected(&self, accepted: &Accepted) {
        if accepted.rejected > 0 {
            self.metrics.rejected(accepted.rejected);
            tracing::warn!(
                exporter = self.exporter.name(),
                spans = accepted.rejected,
                message = %accepted.message,
                "lose spans that the backend rejected from a batch it took",
            );
        } else if !accepted.message.is_empty() {
            tracing::warn!(
                exporter = self.exporter.name(),
                message = %accepted.message,
                "hear a warning from the backend",
            );
        }
    }

    /// Says once that the backend fails, not once for every try.
    fn failed(&self, error: &ExportError, wait: Duration) {
        let barred = matches!(error, ExportError::Barred { .. });
        if self.tally.failing.swap(true, Ordering::Relaxed) {
            tracing::debug!(exporter = self.exporter.name(), %error, ?wait, "fail to export");
            return;
        }
        self.metrics.failing(true);
        if barred {
            tracing::error!(
                exporter = self.exporter.name(), %error,
                "find the backend closed to this exporter: correct its endpoint or credentials; \
                 kept traces stay in the log until then",
            );
        } else {
            tracing::warn!(
                exporter = self.exporter.name(), %error,
                "fail to export: kept traces stay in the log, and are sent again until they arrive",
            );
        }
    }

    fn recovered(&self) {
        if self.tally.failing.load(Ordering::Relaxed)
            && self.tally.failing.swap(false, Ordering::Relaxed)
        {
            self.metrics.failing(false);
            tracing::info!(exporter = self.exporter.name(), "export again");
        }
    }
}

/// How the sending of a part ended.
enum Sent {
    Accepted(Accepted),
    Refused(ExportError),
    /// Nobody waits for it any more, or the queue is stopping.
    Abandoned,
}

fn batch_of(part: &[Piece]) -> Batch {
    let spans = part.iter().map(|piece| u64::from(piece.kept.spans)).sum();
    Batch::new(part.iter().map(|piece| piece.kept.bytes.clone()).collect(), spans)
}
