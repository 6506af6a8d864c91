//! The bounded queue in front of an exporter: takes pieces, forms batches, sends several at a time.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    task::{Id, JoinError, JoinSet},
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    contract::{Exporter, ExporterIndex, KeptSpans, Outcome, Settled},
    delivery::{SUSPICION, Sender},
    job::Job,
    journal::Journal,
    metrics::ExporterMetrics,
    only::Only,
    outcomes::OutcomeSink,
    pace::Pace,
    queue_state::{Piece, QueueState, Undelivered},
    refusals::Refusals,
    retry::RetryPolicy,
};

/// Bytes that a piece costs beside its spans: its entry in the queue, its permit and its outcome. So the
/// number of tiny pieces is bounded too.
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
        state: Arc::new(QueueState::default()),
        metrics: metrics.clone(),
    });
    let stopping = CancellationToken::new();
    let journal = Journal::new(exporter.name(), exporter.endpoint());
    let refusals = Refusals::new(exporter.name().to_owned(), exporter.endpoint());
    let state = Arc::clone(&shared.state);
    let sender = Sender {
        exporter,
        index,
        retry: settings.retry,
        stopping,
        state,
        pace: Pace::new(shared.batch_bytes),
        journal,
        refusals,
        metrics,
        shown: Mutex::default(),
    };
    let queue = Queue {
        shared: Arc::clone(&shared),
        sender: Arc::new(sender),
        settings,
        requests: JoinSet::new(),
        under_way: HashMap::new(),
        held: Vec::new(),
        held_first: false,
        last_new: None,
    };
    (ExporterHandle { shared, only: None }, queue)
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
    state: Arc<QueueState>,
    metrics: ExporterMetrics,
}

/// Pieces that no batch has taken yet, oldest first.
#[derive(Debug, Default)]
struct Waiting {
    pieces: VecDeque<Piece>,
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

    fn push(&self, kept: KeptSpans, to: &OutcomeSink, room: OwnedSemaphorePermit) {
        let len = kept.bytes.len();
        self.state.take(kept.spans);
        let piece = Piece::new(kept, to.clone(), room);
        let mut waiting = self.waiting();
        let was_empty = waiting.pieces.is_empty();
        let was_full = waiting.bytes >= self.batch_bytes;
        waiting.bytes += len;
        waiting.pieces.push_back(piece);
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
pub struct ExporterHandle {
    shared: Arc<Shared>,
    only: Option<Only>,
}

impl ExporterHandle {
    /// The same, for an exporter that takes a part of what is sent to it.
    pub(crate) fn with_only(self, only: Option<Only>) -> Self {
        Self { only, ..self }
    }

    /// The exporter's name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The exporter's number, which its outcomes carry.
    #[must_use]
    pub fn index(&self) -> ExporterIndex {
        self.shared.index
    }

    /// Hands `kept` over if there is room for it now; its outcome will come out of `to`. What the
    /// exporter is not to have needs no room, and counts as delivered.
    ///
    /// # Errors
    /// Gives back what it is to have of `kept` when there is no room or the exporter is stopped: see
    /// [`room`](Self::room).
    pub fn try_send(&self, kept: KeptSpans, to: &OutcomeSink) -> Result<(), KeptSpans> {
        let Some(kept) = self.select(kept, to) else { return Ok(()) };
        let cost = self.shared.cost(kept.bytes.len());
        match Arc::clone(&self.shared.room).try_acquire_many_owned(cost) {
            Ok(room) => {
                self.shared.push(kept, to, room);
                Ok(())
            }
            Err(_) => Err(kept),
        }
    }

    /// What the exporter is to have of `kept`; where that is nothing, it is done.
    fn select(&self, kept: KeptSpans, to: &OutcomeSink) -> Option<KeptSpans> {
        let Some(only) = &self.only else { return Some(kept) };
        let (ticket, spans) = (kept.ticket, kept.spans);
        let selected = only.select(kept);
        let taken = selected.as_ref().map_or(0, |selected| selected.spans);
        if taken < spans {
            self.shared.metrics.passed(spans - taken);
        }
        if selected.is_none() {
            let exporter = self.shared.index;
            to.report([Settled { exporter, ticket, outcome: Outcome::Delivered }]);
        }
        selected
    }

    /// Whether the last thing heard of the backend was a failure: what is under way may take any
    /// time.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.shared.state.is_failing()
    }

    /// Counts positions of the log that were deleted before this exporter got what was there.
    pub fn lost(&self, positions: u64) {
        self.shared.metrics.lost(positions);
    }

    /// Waits for room for a piece of `bytes` bytes; first come, first served. Cancel-safe: a
    /// dropped future takes no room.
    ///
    /// # Errors
    /// [`Stopped`] when the exporter takes no more.
    pub async fn room(&self, bytes: usize) -> Result<Room, Stopped> {
        let room = Arc::clone(&self.shared.room);
        let permit =
            room.acquire_many_owned(self.shared.cost(bytes)).await.map_err(|_closed| Stopped)?;
        Ok(Room { shared: Arc::clone(&self.shared), permit })
    }
}

/// Room for one piece, kept free until it is used or dropped.
pub struct Room {
    shared: Arc<Shared>,
    permit: OwnedSemaphorePermit,
}

impl Room {
    /// Hands all of `kept` over; its outcome will come out of `to`.
    pub fn send(self, kept: KeptSpans, to: &OutcomeSink) {
        self.shared.push(kept, to, self.permit);
    }
}

/// The queue: forms batches and has them delivered.
pub struct Queue {
    shared: Arc<Shared>,
    sender: Arc<Sender>,
    settings: QueueSettings,
    requests: JoinSet<Option<Job>>,
    /// When the oldest piece of each request under way came.
    under_way: HashMap<Id, Instant>,
    /// Jobs that wait while others are tried.
    held: Vec<Job>,
    /// Whether a held job goes before a new batch, if both are due.
    held_first: bool,
    /// When a new batch was sent last.
    last_new: Option<Instant>,
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
            self.sender.metrics.oldest(self.oldest());
            let full = self.requests.len() >= self.settings.in_flight.max(1);
            let untold = self.sender.refusals.due();
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(ended) = self.requests.join_next_with_id(), if !self.requests.is_empty() => {
                    self.hold(ended);
                }
                () = self.shared.due.notified(), if !full => {}
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() && !full => {}
                () = sleep_until(untold.unwrap_or_else(Instant::now)), if untold.is_some() => {
                    self.sender.refusals.tell_due();
                }
            }
        }
        self.stop().await
    }

    /// Starts jobs that are due, up to the bound of requests under way. Gives the time when the next job
    /// is due, if there is one.
    fn start_due_batches(&mut self) -> Option<Instant> {
        self.shared.note_bytes();
        while self.requests.len() < self.settings.in_flight.max(1) {
            let now = Instant::now();
            let held = self.held.iter().filter_map(|job| job.due(now)).min();
            let new = self.new_due(now);
            let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
            if is_due(held) && (self.held_first || !is_due(new)) {
                self.held_first = false;
                self.start_held(now);
            } else if is_due(new) {
                self.held_first = true;
                self.start_new(now);
            } else {
                return held.into_iter().chain(new).min();
            }
        }
        None
    }

    /// When the next new batch is due.
    fn new_due(&self, now: Instant) -> Option<Instant> {
        let waiting = self.shared.waiting();
        let oldest = waiting.pieces.front()?.arrived;
        if self.sender.stopping.is_cancelled() {
            return Some(now);
        }
        let full = waiting.bytes >= self.shared.batch_bytes;
        let due = if full { now } else { oldest + self.settings.flush_after };
        let refuses_all = self.sender.state.failed_in_a_row() >= SUSPICION;
        let last = self.last_new.filter(|_| refuses_all && !self.held.is_empty());
        Some(last.map_or(due, |last| due.max(last + self.settings.retry.max_interval)))
    }

    /// When the oldest piece came that is not answered for.
    fn oldest(&self) -> Option<Instant> {
        let waiting = self.shared.waiting().pieces.front().map(|piece| piece.arrived);
        let held = self.held.iter().map(|job| job.since);
        self.under_way.values().copied().chain(held).chain(waiting).min()
    }

    fn start_new(&mut self, now: Instant) {
        let most = self.sender.pace.limit();
        let pieces = self.shared.waiting().take_batch(most, &self.shared.state);
        if !pieces.is_empty() {
            self.last_new = Some(now);
            self.start(Job::new(pieces, self.settings.retry));
        }
    }

    fn start_held(&mut self, now: Instant) {
        let due = self.held.iter().position(|job| job.due(now).is_some_and(|due| due <= now));
        if let Some(due) = due {
            let job = self.held.remove(due);
            self.note_held();
            self.start(job);
        }
    }

    fn start(&mut self, job: Job) {
        let since = job.since;
        let request = self.requests.spawn(Arc::clone(&self.sender).deliver(job));
        self.under_way.insert(request.id(), since);
    }

    /// Keeps what a request's task gives back. Passes its panic on to the caller.
    fn hold(&mut self, ended: Result<(Id, Option<Job>), JoinError>) {
        self.under_way.remove(&ended.as_ref().map_or_else(JoinError::id, |(request, _)| *request));
        match ended {
            Ok((_, Some(job))) => self.held.push(job),
            Ok((_, None)) => {}
            Err(error) => {
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
        self.note_held();
    }

    fn note_held(&self) {
        let before = self.shared.state.held.swap(self.held.len(), Ordering::Relaxed);
        if before > 0 && self.held.is_empty() {
            self.sender.note_health();
        }
    }

    async fn stop(mut self) -> Undelivered {
        let deadline = Instant::now() + self.settings.stop_within;
        self.shared.room.close();
        self.sender.stopping.cancel();
        // They have been tried.
        self.held.clear();
        let drain = async {
            self.start_due_batches();
            while let Some(ended) = self.requests.join_next_with_id().await {
                self.hold(ended);
                self.start_due_batches();
            }
            self.sender.exporter.close().await;
        };
        let in_time = timeout_at(deadline, drain).await.is_ok();
        self.requests.shutdown().await;
        self.sender.refusals.tell_all();
        let undelivered = self.shared.state.owed();
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
    /// The oldest pieces that fit `max_bytes`, at least one if there is one. Pieces whose partition is
    /// gone are dropped.
    fn take_batch(&mut self, max_bytes: usize, state: &QueueState) -> Vec<Piece> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(piece) = self.pieces.front() {
            let len = piece.kept.bytes.len();
            let wanted = !piece.to.is_closed();
            if wanted && !batch.is_empty() && bytes + len > max_bytes {
                break;
            }
            if let Some(piece) = self.pieces.pop_front() {
                self.bytes -= len;
                if wanted {
                    bytes += len;
                    batch.push(piece);
                } else {
                    state.settle(piece.owed);
                }
            }
        }
        batch
    }
}

#[cfg(test)]
mod tests;
