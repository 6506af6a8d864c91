//! The task that turns waiting requests into bursts of frames.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::SelectAll};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::{mpsc, oneshot},
    task::block_in_place,
    time::{Instant, sleep_until, timeout},
};
use wholetrace_spanlog::{AppendError, BurstClock, Record, Writer};

use crate::{
    admission::lease::RequestLease,
    ingest::{
        batch::frames,
        burst::{Appending, Burst, Outcome, Request, Settled},
        pace::Pace,
        partitions::{Partitions, Room},
        pressure::{LoadShedder, Permit, Pressure},
    },
    metrics::IngestMetrics,
    reject::{RejectReason, Rejection},
    split::Split,
};

/// A partition that has not answered for this part of the append timeout counts as stuck: early
/// enough that what waits for it on its account is told in time.
const STUCK_AFTER: u32 = 2;

/// The part of the bytes on their way that one burst may have at most, so that the next one gathers
/// while it is.
const BURST_PART: usize = 4;

/// The part of a partition's share that one frame may have at most.
const FRAME_PART: usize = 2;

/// Requests that wait for room in a partition at most, and let others pass. With more the log is
/// slow, and nothing is taken any more.
const HELD_BACK_MAX: usize = 64;

/// How often it is told how long requests wait.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Writing the frames of more than this, and compressing them, takes milliseconds.
const LONG_WORK: usize = 1 << 20;

/// How frames are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Framing {
    /// Epoch of the routing by which requests were split.
    pub(crate) epoch: u32,
    /// Size at which a frame is closed.
    pub(crate) frame_bytes: usize,
    /// Time that the log has for a request.
    pub(crate) append_timeout: Duration,
    /// Bytes that may gather or be on their way.
    pub(crate) log_in_flight: usize,
}

/// A request on its way to the framer.
#[derive(Debug)]
pub(crate) struct QueuedRequest {
    split: Split,
    lease: RequestLease,
    permit: Permit,
    came: Instant,
    answer: oneshot::Sender<Outcome>,
}

/// The handle that requests are appended by. Cheap to clone; when all are gone, the framer
/// finishes what waits and ends.
#[derive(Clone, Debug)]
pub(crate) struct Ingest {
    queue: mpsc::Sender<QueuedRequest>,
    shedder: LoadShedder,
    append_timeout: Duration,
}

/// Makes a handle and the framer behind it, which is to be run. At most `waiting_max` requests
/// wait at a time.
pub(crate) fn ingest(
    writer: Arc<dyn Writer>,
    framing: Framing,
    waiting_max: usize,
    metrics: IngestMetrics,
) -> (Ingest, Framer) {
    let (queue, waiting) = mpsc::channel(waiting_max);
    let append_timeout = framing.append_timeout;
    let framer = Framer::new(waiting, writer, framing, metrics);
    (Ingest { queue, shedder: framer.pressure.shedder(), append_timeout }, framer)
}

impl Ingest {
    /// Appends the spans of a request; resolves when all of them are durable.
    ///
    /// # Errors
    /// The log could not take them, or not in time. Some of them may be in it all the same.
    pub(crate) async fn append(&self, split: Split, lease: RequestLease) -> Outcome {
        let permit = self.shedder.admit(split.frame_bytes()).ok_or_else(|| {
            let message = "the log takes less than is sent to it: retry later";
            Rejection::new(RejectReason::LogBusy, message)
        })?;
        let (answer, outcome) = oneshot::channel();
        let waiting = QueuedRequest { split, lease, permit, came: Instant::now(), answer };
        self.queue.try_send(waiting).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Rejection::new(
                RejectReason::Queue,
                "too many requests wait for the log: retry later",
            ),
            mpsc::error::TrySendError::Closed(_) => closed(),
        })?;
        match timeout(self.append_timeout, outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(not_in_time()),
        }
    }
}

fn not_in_time() -> Rejection {
    Rejection::new(RejectReason::LogTimeout, "the log did not answer in time: retry later")
}

fn closed() -> Rejection {
    Rejection::new(RejectReason::ShuttingDown, "the gateway is shutting down")
}

/// Gathers waiting requests, makes frames of them and hands those to the log: all that are due at
/// one moment.
pub(crate) struct Framer {
    waiting: mpsc::Receiver<QueuedRequest>,
    writer: Arc<dyn Writer>,
    framing: Framing,
    metrics: IngestMetrics,
    partitions: Partitions,
    pace: Pace,
    pressure: Pressure,
    gathered: Vec<QueuedRequest>,
    gathered_bytes: usize,
    /// Requests for which a partition has no room yet, in the order in which they came.
    held_back: Vec<QueuedRequest>,
    /// Whether there may be room for them by now.
    room_came: bool,
    bursts: SelectAll<Burst>,
    /// When it is told next how long requests wait.
    tell_at: Instant,
}

impl Framer {
    fn new(
        waiting: mpsc::Receiver<QueuedRequest>,
        writer: Arc<dyn Writer>,
        mut framing: Framing,
        metrics: IngestMetrics,
    ) -> Self {
        let (count, limit) = (writer.partitions(), framing.log_in_flight);
        let partitions = Partitions::new(count, limit, framing.append_timeout / STUCK_AFTER);
        framing.frame_bytes = framing.frame_bytes.min(partitions.share() / FRAME_PART);
        let clock = BurstClock::aligned(writer.linger());
        let pace = Pace::new(clock, count, framing.frame_bytes, limit / BURST_PART);
        Self {
            waiting,
            writer,
            framing,
            metrics,
            partitions,
            pace,
            pressure: Pressure::new(framing.append_timeout),
            gathered: Vec::new(),
            gathered_bytes: 0,
            held_back: Vec::new(),
            room_came: false,
            bursts: SelectAll::new(),
            tell_at: Instant::now(),
        }
    }

    /// Works until all handles are gone and everything that waited is settled.
    pub(crate) async fn run(mut self) {
        let mut open = true;
        loop {
            let now = Instant::now();
            self.look(now);
            if self.is_due(now, open) {
                self.leave(now);
                continue;
            }
            if !open && self.held_back.is_empty() && self.gathered.is_empty() {
                break;
            }
            let wake_at = self.wake_at(now);
            tokio::select! {
                biased;
                Some(settled) = self.bursts.next(), if !self.bursts.is_empty() => {
                    self.settle(&settled);
                }
                next = self.waiting.recv(), if open && self.takes_more() => match next {
                    Some(next) => self.gather(next),
                    None => open = false,
                },
                () = sleep_until(wake_at.unwrap_or(now)), if wake_at.is_some() => {}
                else => {}
            }
        }
        // Whoever waits longer than this has been told that it was not in time.
        let rest = async { while self.bursts.next().await.is_some() {} };
        let _left = timeout(self.framing.append_timeout, rest).await;
    }

    /// Gathers `next` and what else waits, up to the size of a burst.
    fn gather(&mut self, mut next: QueuedRequest) {
        loop {
            self.take(next);
            if !self.takes_more() || self.pace.is_full(self.gathered_bytes) {
                return;
            }
            let Ok(another) = self.waiting.try_recv() else { return };
            next = another;
        }
    }

    const fn takes_more(&self) -> bool {
        self.held_back.len() < HELD_BACK_MAX
    }

    /// Takes a request, refuses it, or holds it back.
    fn take(&mut self, next: QueuedRequest) {
        // Its sender has been told already that it was not in time.
        if next.answer.is_closed() {
            return;
        }
        match self.partitions.room(next.split.needs()) {
            Room::Free => {
                self.partitions.gather(next.split.needs());
                if self.gathered.is_empty() {
                    self.pace.begin(Instant::now(), self.partitions.expected());
                }
                self.gathered_bytes = self.gathered_bytes.saturating_add(next.split.frame_bytes());
                self.gathered.push(next);
            }
            Room::Full => self.held_back.push(next),
            Room::Stuck(partition) => {
                let message = format!(
                    "partition {partition} of the log, to which some of the spans belong, does not \
                     answer: retry later"
                );
                drop(next.answer.send(Err(Rejection::new(RejectReason::LogStuck, message))));
            }
        }
    }

    /// Finds partitions that do not answer, and whether there is room for requests that are held back.
    fn look(&mut self, now: Instant) {
        self.room_came |= self.partitions.look(now);
        if std::mem::take(&mut self.room_came) {
            for held_back in std::mem::take(&mut self.held_back) {
                self.take(held_back);
            }
        }
        self.metrics.log_bytes(self.partitions.bytes());
        self.metrics.stuck(self.partitions.stuck());
        let busy = !(self.bursts.is_empty() && self.gathered.is_empty());
        if now >= self.tell_at || !busy && self.held_back.is_empty() {
            self.tell_at = now + TELL_EVERY;
            let oldest = self.oldest().unwrap_or(now);
            self.metrics.oldest(now.saturating_duration_since(oldest));
        }
    }

    /// When the oldest request came that waits for the log.
    fn oldest(&self) -> Option<Instant> {
        let here = self.gathered.iter().chain(&self.held_back).map(|waiting| waiting.came);
        here.chain(self.bursts.iter().filter_map(Burst::oldest)).min()
    }

    fn is_due(&self, now: Instant, open: bool) -> bool {
        // What is held back may wait for room that what has gathered takes.
        let pressed = !open || !self.takes_more();
        !self.gathered.is_empty()
            && (pressed || self.pace.is_due(now, self.gathered_bytes, self.partitions.expected()))
    }

    /// When there is something to do if nothing happens before.
    fn wake_at(&self, now: Instant) -> Option<Instant> {
        match (self.pace.wake_at(now), self.partitions.next_look()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Hands the frames of what has gathered to the log. The bodies of the requests end here.
    fn leave(&mut self, now: Instant) {
        let mut batch = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        self.partitions.leave();
        // What would not be durable in time is not written: its sender sends it again anyway.
        let late = now + self.pressure.log_takes();
        for late in batch.extract_if(.., |one| one.came + self.framing.append_timeout <= late) {
            drop(late.answer.send(Err(not_in_time())));
        }
        let appending = loop {
            match self.append(&batch, now) {
                Ok(appending) => break appending,
                Err(error) => {
                    // Of what there is no room for, the older half is tried: it has waited longer.
                    let full = matches!(error, AppendError::Full { .. });
                    let left = if full { batch.len() / 2 } else { 0 };
                    for refused in batch.drain(left..) {
                        drop(refused.answer.send(Err(Rejection::from(error.clone()))));
                    }
                }
            }
        };
        let (count, sum) = (appending.len(), appending.iter().map(|frame| frame.bytes).sum());
        self.metrics.batch(batch.len(), count, sum);
        let requests = batch
            .into_iter()
            .map(|QueuedRequest { split, mut lease, permit, answer, .. }| {
                lease.shrink_to(split.frame_bytes());
                Request { answer: Some(answer), lease: Some((lease, permit)), open: 0 }
            })
            .collect();
        self.bursts.push(Burst::new(appending, requests));
        self.pace.left(now, count);
        // Frames may be smaller than was expected of them.
        self.room_came = true;
    }

    /// Hands the frames of `batch` to the log: all of them, or none.
    fn append(
        &mut self,
        batch: &[QueuedRequest],
        now: Instant,
    ) -> Result<Vec<Appending>, AppendError> {
        let splits: Vec<&Split> = batch.iter().map(|waiting| &waiting.split).collect();
        let most = splits.iter().map(|split| split.frame_bytes()).sum();
        let mut frames = frames(&splits, self.framing.frame_bytes);
        if frames.len() == 0 {
            return Ok(Vec::new());
        }
        let mut handed = Vec::with_capacity(frames.len());
        let mut records = frames.by_ref().map(|frame| {
            handed.push((frame.partition, frame.payload.len(), frame.requests));
            (frame.partition, Record::spans(self.framing.epoch, frame.payload))
        });
        let appends = off_workers(most, || self.writer.append_batch(most, &mut records))?;
        let appending = appends.into_iter().zip(handed);
        let appending = appending.map(|(append, (partition, bytes, requests))| {
            self.partitions.send(partition, bytes, now);
            let came = requests.iter().filter_map(|index| Some(batch.get(*index as usize)?.came));
            let came = came.min().unwrap_or(now);
            Appending { append, partition, bytes, came, sent: now, requests }
        });
        Ok(appending.collect())
    }

    fn settle(&mut self, settled: &[Settled]) {
        let now = Instant::now();
        for Settled { partition, bytes, came, sent, durable } in settled {
            self.partitions.settle(*partition, *bytes, *durable, now);
            if *durable {
                self.pressure.durable(*bytes, *came, *sent, now);
            }
        }
        self.room_came = true;
    }
}

/// Does `work` on `bytes` at once; where it takes milliseconds, the thread that serves sockets is
/// replaced meanwhile.
fn off_workers<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let many = || Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
    if bytes > LONG_WORK && many() { block_in_place(work) } else { work() }
}

#[cfg(test)]
mod tests;
