//! The way of outcomes back to the worker of a partition.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

use crate::contract::Settled;

/// Both ends of a new way back. The worker of a partition makes one for each time that it owns
/// the partition, and gives the sink along with what it sends; all exporters share it.
///
/// What waits in it is bounded by what the worker has sent and not yet heard of.
#[must_use]
pub fn outcomes() -> (OutcomeSink, Outcomes) {
    let shared = Arc::new(Shared {
        settled: Mutex::new(Vec::new()),
        arrived: Notify::new(),
        closed: AtomicBool::new(false),
    });
    (OutcomeSink(Arc::clone(&shared)), Outcomes(shared))
}

#[derive(Debug)]
struct Shared {
    settled: Mutex<Vec<Settled>>,
    arrived: Notify,
    closed: AtomicBool,
}

impl Shared {
    fn settled(&self) -> MutexGuard<'_, Vec<Settled>> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The exporters' end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct OutcomeSink(Arc<Shared>);

impl OutcomeSink {
    /// Reports what became of some pieces: one lock and at most one wake-up for all of them.
    pub fn report(&self, settled: impl IntoIterator<Item = Settled>) {
        if self.is_closed() {
            return;
        }
        self.0.settled().extend(settled);
        self.0.arrived.notify_one();
    }

    /// Whether the receiver of outcomes is gone: what is not under way yet need not be sent.
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }

    /// Whether both report to the same worker.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The worker's end. Dropping it tells the exporters that what they still hold for this worker is
/// not wanted any more.
#[derive(Debug)]
pub struct Outcomes(Arc<Shared>);

impl Outcomes {
    /// Moves all outcomes that have arrived to the end of `into`; waits until there is one.
    /// Cancel-safe: a dropped future loses nothing.
    pub async fn next(&mut self, into: &mut Vec<Settled>) {
        while !self.take(into) {
            self.0.arrived.notified().await;
        }
    }

    /// Moves all outcomes that have arrived to the end of `into`, without waiting. Tells whether
    /// there were any.
    pub fn take(&mut self, into: &mut Vec<Settled>) -> bool {
        let mut settled = self.0.settled();
        let any = !settled.is_empty();
        into.append(&mut settled);
        any
    }
}

impl Drop for Outcomes {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Release);
        *self.0.settled() = Vec::new();
    }
}
