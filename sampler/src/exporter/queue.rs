//! The bounded queue in front of an exporter: pieces in, batches out, several at a time.

use std::{
    collections::VecDeque,
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::exporter::{
    contract::{Exporter, ExporterIndex, Kept},
    delivery::{Courier, Piece, Tally, Undelivered},
    metrics::ExporterMetrics,
    outcomes::OutcomeSink,
    retry::RetryPolicy,
};

/// What a piece costs beside its bytes: its place in the queue, its permit and its outcome. Keeps
/// the number of tiny pieces bounded too.
const PIECE_OVERHEAD: usize = 256;

/// The bounds of a queue.
#[derive(Clone, Copy, Debug)]
pub struct QueueSettings {
    /// Bytes of pieces that wait or are under way, at most. A single piece larger than that is
    /// taken when nothing else is there.
    pub capacity: usize,
    /// Requests under way at a time, at least 1.
    pub in_flight: usize,
    /// Bytes of a batch, at most; a single piece larger than that is a batch of its own.
    pub batch_bytes: usize,
    /// How long a piece waits for others before its batch leaves.
    pub flush_after: Duration,
    /// The waits before a batch is sent again.
    pub retry: RetryPolicy,
    /// How long requests under way may still take once the queue is told to stop.
    pub stop_within: Duration,
}

/// The queue is stopped and takes no more.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the exporter is stopped")]
pub struct Stopped;

/// Makes the queue in front of `exporter`: the handle to send to it, and the queue itself, which
/// does nothing until it is [run](Queue::run).
#[must_use]
pub fn queue(
    exporter: Arc<dyn Exporter>,
    index: ExporterIndex,
    settings: QueueSettings,
) -> (ExporterHandle, Queue) {
    let metrics = ExporterMetrics::new(exporter.name());
    // Permits are asked for in u32.
    let capacity = settings.capacity.clamp(1, u32::MAX as usize);
    metrics.queue_capacity(capacity);
    let shared = Arc::new(Shared {
        name: exporter.name().into(),
        index,
        batch_bytes: settings.batch_bytes.max(1),
        capacity,
        room: Arc::new(Semaphore::new(capacity)),
        waiting: Mutex::new(Waiting::default()),
        due: Notify::new(),
        tally: Arc::new(Tally::default()),
        metrics: metrics.clone(),
    });
    let stopping = CancellationToken::new();
    let tally = Arc::clone(&shared.tally);
    let courier = Courier {
        exporter,
        index,
        retry: settings.retry,
        stopping,
        tally,
        splitting: AtomicBool::new(false),
        metrics,
    };
    let queue = Queue {
        shared: Arc::clone(&shared),
        courier: Arc::new(courier),
        settings,
        requests: JoinSet::new(),
    };
    (ExporterHandle(shared), queue)
}

struct Shared {
    name: Arc<str>,
    index: ExporterIndex,
    batch_bytes: usize,
    capacity: usize,
    room: Arc<Semaphore>,
    /// One lock per piece of a frame, not per span.
    waiting: Mutex<Waiting>,
    due: Notify,
    tally: Arc<Tally>,
    metrics: ExporterMetrics,
}

/// Pieces that no batch has taken yet, oldest first.
#[derive(Debug, Default)]
struct Waiting {
    pieces: VecDeque<(Instant, Piece)>,
    bytes: usize,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cost(&self, bytes: usize) -> u32 {
        let cost = bytes.saturating_add(PIECE_OVERHEAD).min(self.capacity);
        u32::try_from(cost).unwrap_or(u32::MAX)
    }

    fn push(&self, kept: Kept, to: &OutcomeSink, room: OwnedSemaphorePermit) {
        let len = kept.bytes.len();
        self.tally.take(kept.spans);
        let piece = Piece::new(kept, to.clone(), room);
        let mut waiting = self.waiting();
        let was_empty = waiting.pieces.is_empty();
        let was_full = waiting.bytes >= self.batch_bytes;
        waiting.bytes += len;
        waiting.pieces.push_back((Instant::now(), piece));
        let is_full = waiting.bytes >= self.batch_bytes;
        drop(waiting);
        // Only what changes the time at which a batch is due wakes the queue.
        if was_empty || is_full != was_full {
            self.due.notify_one();
        }
        self.note_bytes();
    }

    fn note_bytes(&self) {
        self.metrics.queue_bytes(self.capacity - self.room.available_permits());
    }
}

/// Sends pieces to an exporter. Cheap to clone.
#[derive(Clone)]
pub struct ExporterHandle(Arc<Shared>);

impl ExporterHandle {
    /// The exporter's name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The exporter's number, which its outcomes carry.
    #[must_use]
    pub fn index(&self) -> ExporterIndex {
        self.0.index
    }

    /// Hands `kept` over if there is room for it now; its outcome will come out of `to`.
    ///
    /// # Errors
    /// Gives `kept` back when there is no room or the exporter is stopped: see
    /// [`room`](Self::room).
    pub fn try_send(&self, kept: Kept, to: &OutcomeSink) -> Result<(), Kept> {
        let cost = self.0.cost(kept.bytes.len());
        match Arc::clone(&self.0.room).try_acquire_many_owned(cost) {
            Ok(room) => {
                self.0.push(kept, to, room);
                Ok(())
            }
            Err(_) => Err(kept),
        }
    }

    /// Whether the last thing heard of the backend was a failure: what is under way may take any
    /// time.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.0.tally.failing.load(Ordering::Relaxed)
    }

    /// Counts positions of the log that were deleted before this exporter got what was there.
    pub fn lost(&self, positions: u64) {
        self.0.metrics.lost(positions);
    }

    /// Waits for room for a piece of `bytes` bytes; first come, first served. Cancel-safe: a
    /// dropped future takes no room.
    ///
    /// # Errors
    /// [`Stopped`] when the exporter takes no more.
    pub async fn room(&self, bytes: usize) -> Result<Room, Stopped> {
        let room = Arc::clone(&self.0.room);
        let permit =
            room.acquire_many_owned(self.0.cost(bytes)).await.map_err(|_closed| Stopped)?;
        Ok(Room { shared: Arc::clone(&self.0), permit })
    }
}

/// Room for one piece, kept free until it is used or dropped.
pub struct Room {
    shared: Arc<Shared>,
    permit: OwnedSemaphorePermit,
}

impl Room {
    /// Hands `kept` over; its outcome will come out of `to`.
    pub fn send(self, kept: Kept, to: &OutcomeSink) {
        self.shared.push(kept, to, self.permit);
    }
}

/// The queue: forms batches and has them delivered.
pub struct Queue {
    shared: Arc<Shared>,
    courier: Arc<Courier>,
    settings: QueueSettings,
    requests: JoinSet<()>,
}

impl Queue {
    /// Works until `stop` resolves; then takes no more, tries once to deliver what is there, and
    /// returns after at most [`QueueSettings::stop_within`] with what was not delivered.
    ///
    /// # Panics
    /// When the exporter does: its pieces are neither delivered nor refused, so the process must
    /// not go on.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) -> Undelivered {
        let mut stop = pin!(stop);
        loop {
            let due = self.start_due_batches();
            let full = self.requests.len() >= self.settings.in_flight.max(1);
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(ended) = self.requests.join_next(), if !self.requests.is_empty() => {
                    pass_panic_on(ended);
                }
                () = self.shared.due.notified(), if !full => {}
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() && !full => {}
            }
        }
        self.stop().await
    }

    /// Starts the batches that are due, as far as requests may be under way. Gives the time when
    /// the next one is due, if pieces wait.
    fn start_due_batches(&mut self) -> Option<Instant> {
        self.shared.note_bytes();
        loop {
            let mut waiting = self.shared.waiting();
            let oldest = waiting.pieces.front().map(|(arrived, _)| *arrived)?;
            let due = oldest + self.settings.flush_after;
            let full = waiting.bytes >= self.shared.batch_bytes;
            let draining = self.courier.stopping.is_cancelled();
            if self.requests.len() >= self.settings.in_flight.max(1)
                || !(full || draining || due <= Instant::now())
            {
                return Some(due);
            }
            let pieces = waiting.take_batch(self.shared.batch_bytes, &self.shared.tally);
            drop(waiting);
            if !pieces.is_empty() {
                self.requests.spawn(Arc::clone(&self.courier).deliver(pieces));
            }
        }
    }

    async fn stop(mut self) -> Undelivered {
        let deadline = Instant::now() + self.settings.stop_within;
        self.shared.room.close();
        self.courier.stopping.cancel();
        let drain = async {
            self.start_due_batches();
            while let Some(ended) = self.requests.join_next().await {
                pass_panic_on(ended);
                self.start_due_batches();
            }
            self.courier.exporter.close().await;
        };
        let in_time = timeout_at(deadline, drain).await.is_ok();
        self.requests.shutdown().await;
        let undelivered = self.shared.tally.owed();
        if undelivered != Undelivered::default() || !in_time {
            tracing::warn!(
                exporter = %self.shared.name,
                pieces = undelivered.pieces,
                spans = undelivered.spans,
                "stop exporter before all is delivered: the rest comes again from the log",
            );
        }
        undelivered
    }
}

impl Waiting {
    /// The oldest pieces that fit `max_bytes`, at least one if there is one; those that nobody
    /// waits for any more are left out and forgotten.
    fn take_batch(&mut self, max_bytes: usize, tally: &Tally) -> Vec<Piece> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some((_, piece)) = self.pieces.front() {
            let len = piece.kept.bytes.len();
            let wanted = !piece.to.is_closed();
            if wanted && !batch.is_empty() && bytes + len > max_bytes {
                break;
            }
            if let Some((_, piece)) = self.pieces.pop_front() {
                self.bytes -= len;
                if wanted {
                    bytes += len;
                    batch.push(piece);
                } else {
                    tally.settle(piece.owed);
                }
            }
        }
        batch
    }
}

/// Passes a panic of a request's task on to the caller.
fn pass_panic_on(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

#[cfg(test)]
mod tests;
