//! What the writer thread, the readers and the group share.

use std::sync::{
    Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
};

use tokio::sync::Notify;

use super::{checkpoints::Checkpoints, queue::Queue, settings::Settings, tail::Tail};
use crate::{
    clock::Clock, metrics::Meters, position::Partition, reader::ReadError, record::RecordKind,
    topic::TopicName, writer::AppendError,
};

/// The log behind all handles.
pub(super) struct Shared {
    pub(super) settings: Settings,
    /// The largest payload.
    pub(super) max_payload: u64,
    pub(super) queue: Queue,
    pub(super) clock: Clock,
    pub(super) meters: Meters,
    /// Bytes of all slot files.
    pub(super) disk_bytes: AtomicU64,
    /// Bytes of those that are in use.
    pub(super) used_bytes: AtomicU64,
    /// Wake cursors at the end, by topic and partition.
    grown: [Vec<Notify>; 3],
    tail: Mutex<Tail>,
    checkpoints: Mutex<Checkpoints>,
    refusal: AtomicU8,
    /// Why the log takes no more writes.
    broken: Mutex<String>,
    /// The group is to let go of its partitions.
    leaves: AtomicBool,
    /// Told when the group is to let go.
    pub(super) leaving: Notify,
    closed: AtomicBool,
    /// Members of the group that have not ended.
    pub(super) members: tokio::sync::watch::Sender<usize>,
    /// Why the log ends: known before anybody can notice that it does.
    pub(super) reason: OnceLock<String>,
    /// Whether the writer thread has ended, and nothing is taken any more.
    pub(super) ended: tokio::sync::watch::Sender<bool>,
}

/// Why no more is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Everything is taken.
    None,
    /// Spans are refused: the quota is reached.
    Quota,
    /// Spans are refused: the disk is nearly full. What empties the log is still taken.
    DiskLow,
    /// Spans and dead letters are refused, and there was no room for what empties the log: it is
    /// tried each time.
    DiskFull,
    /// Everything is refused until a restart.
    Broken,
}

impl Refusal {
    const ALL: [Self; 5] = [Self::None, Self::Quota, Self::DiskLow, Self::DiskFull, Self::Broken];

    const fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Quota => 1,
            Self::DiskLow => 2,
            Self::DiskFull => 3,
            Self::Broken => 4,
        }
    }
}

impl Shared {
    pub(super) fn new(
        settings: Settings,
        max_payload: u64,
        checkpoints: Checkpoints,
        clock: Clock,
    ) -> Self {
        let count = usize::try_from(settings.partitions).unwrap_or(1);
        let grown = || (0..count).map(|_| Notify::new()).collect();
        Self {
            queue: Queue::new(settings.max_waiting),
            max_payload,
            clock,
            meters: Meters::new(),
            disk_bytes: AtomicU64::new(0),
            used_bytes: AtomicU64::new(0),
            grown: [grown(), grown(), grown()],
            tail: Mutex::new(Tail::new(count * TopicName::ALL.len(), settings.tail_cache)),
            checkpoints: Mutex::new(checkpoints),
            refusal: AtomicU8::new(0),
            broken: Mutex::default(),
            leaves: AtomicBool::new(false),
            leaving: Notify::new(),
            closed: AtomicBool::new(false),
            members: tokio::sync::watch::Sender::new(0),
            reason: OnceLock::new(),
            ended: tokio::sync::watch::Sender::new(false),
            settings,
        }
    }

    /// What tells of records at the end of a partition.
    ///
    /// # Errors
    /// When the log is closed or there is no such partition.
    pub(super) fn grown(
        &self,
        topic: TopicName,
        partition: Partition,
    ) -> Result<&Notify, ReadError> {
        if self.is_closed() {
            return Err(ReadError::Closed);
        }
        let partitions = self.settings.partitions;
        usize::try_from(partition.0)
            .ok()
            .and_then(|at| self.grown[topic.index()].get(at))
            .ok_or(ReadError::NoSuchPartition { partition: partition.0, partitions })
    }

    pub(super) fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn checkpoints(&self) -> MutexGuard<'_, Checkpoints> {
        self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of a partition in tables over all topics.
    pub(super) fn queue_index(&self, topic: TopicName, partition: Partition) -> usize {
        let count = self.grown[topic.index()].len();
        topic.index() * count + usize::try_from(partition.0).unwrap_or(usize::MAX / 4)
    }

    pub(super) fn refusal(&self) -> Refusal {
        let number = self.refusal.load(Ordering::Acquire);
        Refusal::ALL.into_iter().find(|known| known.number() == number).unwrap_or(Refusal::None)
    }

    /// Sets the refusal; says what it was. A broken log stays broken.
    pub(super) fn set_refusal(&self, refusal: Refusal) -> Refusal {
        let before = self.refusal();
        if before != Refusal::Broken {
            self.refusal.store(refusal.number(), Ordering::Release);
        }
        before
    }

    /// Takes no more writes until a restart, for `reason`.
    pub(super) fn set_broken(&self, reason: String) {
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = reason;
        self.set_refusal(Refusal::Broken);
    }

    /// Why the log takes no more writes, if that is so.
    pub(super) fn broken(&self) -> Option<String> {
        (self.refusal() == Refusal::Broken)
            .then(|| self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// The answer to an append of a record of `kind` to `topic`, if it is refused. What keeps the
    /// log going is not refused for lack of room: without ticks and decisions nothing is ever
    /// finished, and no room comes back.
    pub(super) fn refused(&self, topic: TopicName, kind: RecordKind) -> Option<AppendError> {
        let spans = (topic, kind) == (TopicName::Spans, RecordKind::Spans);
        match self.refusal() {
            Refusal::None => None,
            Refusal::Quota => spans.then(|| self.quota_reached()),
            Refusal::DiskLow => spans.then_some(AppendError::DiskFull),
            Refusal::DiskFull => {
                (spans || topic == TopicName::DeadLetters).then_some(AppendError::DiskFull)
            }
            Refusal::Broken => self.broken().map(AppendError::Failed),
        }
    }

    pub(super) fn quota_reached(&self) -> AppendError {
        let used = self.used_bytes.load(Ordering::Relaxed);
        AppendError::QuotaReached { used, quota: self.settings.quota }
    }

    /// Whether the group is to let go of its partitions.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaves.load(Ordering::Acquire)
    }

    /// Resolves when the group is to let go of its partitions.
    pub(super) async fn wait_to_leave(&self) {
        // Registered before looking, so that nothing in between is missed.
        let mut leaving = std::pin::pin!(self.leaving.notified());
        leaving.as_mut().enable();
        if !self.is_leaving() {
            leaving.await;
        }
    }

    /// Has the group let go of its partitions.
    pub(super) fn leave(&self) {
        self.leaves.store(true, Ordering::Release);
        self.leaving.notify_waiters();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// No handle works any more, whoever waits is told.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.queue.close();
        self.leave();
        for grown in self.grown.iter().flatten() {
            grown.notify_waiters();
        }
    }
}
