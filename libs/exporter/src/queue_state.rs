//! What a queue has taken, and what is known of its backend.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use crate::{contract::KeptSpans, outcomes::OutcomeSink};

/// A piece that the queue has taken: gives its room back when it is dropped.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) kept: KeptSpans,
    pub(crate) to: OutcomeSink,
    /// The spans that the queue took with it, also when only some of them are under way.
    pub(crate) owed: u32,
    /// When it came.
    pub(crate) arrived: Instant,
    _room: OwnedSemaphorePermit,
}

impl Piece {
    pub(crate) fn new(kept: KeptSpans, to: OutcomeSink, room: OwnedSemaphorePermit) -> Self {
        Self { owed: kept.spans, arrived: Instant::now(), kept, to, _room: room }
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

/// What a queue has taken and not yet answered for, and how its backend does.
#[derive(Debug, Default)]
pub(crate) struct QueueState {
    pieces: AtomicU64,
    spans: AtomicU64,
    /// Requests that the backend has taken.
    delivered: AtomicU64,
    /// Requests that failed since it took one.
    failed_in_a_row: AtomicU32,
    /// Batches that are held back.
    pub(crate) held: AtomicUsize,
    /// Whether the last thing heard of the backend was a failure.
    pub(crate) failing: AtomicBool,
}

impl QueueState {
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

    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Notes that the backend has taken a request.
    pub(crate) fn note_delivered(&self) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
        self.failed_in_a_row.store(0, Ordering::Relaxed);
    }

    /// Notes that a request failed.
    pub(crate) fn note_failed(&self) {
        self.failed_in_a_row.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failed_in_a_row(&self) -> u32 {
        self.failed_in_a_row.load(Ordering::Relaxed)
    }

    /// Whether something that is under way may take any time.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed) || self.held.load(Ordering::Relaxed) > 0
    }
}
