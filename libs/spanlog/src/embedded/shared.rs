//! What the writer thread, the readers and the group share.

use std::sync::{
    Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
};

use tokio::sync::Notify;

use super::{
    checkpoints::Checkpoints, hooks::Hooks, queue::Queue, settings::Settings, slices::Slices,
    tail::Tail,
};
use crate::{
    metrics::Meters,
    position::{Partition, Position},
    reader::{Extent, ReadError},
    topic::TopicName,
    writer::AppendError,
};

/// The log behind all handles.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) queue: Queue,
    pub(super) hooks: Hooks,
    pub(super) meters: Meters,
    /// Bytes on the disk, as last looked at.
    pub(super) disk_bytes: AtomicU64,
    partitions: [Vec<PartitionState>; 3],
    slices: RwLock<Slices>,
    /// Open while the store is: readers hold it for as long as they use keyspaces.
    gate: RwLock<()>,
    tail: Mutex<Tail>,
    checkpoints: Mutex<Checkpoints>,
    refusal: AtomicU8,
    /// Why the log takes no more writes until a restart.
    broken: Mutex<String>,
    /// The group is to let go of its partitions.
    leaves: AtomicBool,
    /// Told when the group is to let go.
    pub(super) leaving: Notify,
    closed: AtomicBool,
    /// Members of the group that have not ended.
    pub(super) members: tokio::sync::watch::Sender<usize>,
    /// The writer thread has ended.
    pub(super) ended: tokio::sync::watch::Sender<bool>,
}

/// What can be read of one partition.
pub(super) struct PartitionState {
    start: AtomicU64,
    end: AtomicU64,
    /// Wakes cursors at the end.
    pub(super) grown: Notify,
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
    /// Everything is refused until there is room on the disk.
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
    pub(super) fn new(settings: Settings, checkpoints: Checkpoints) -> Self {
        let count = usize::try_from(settings.partitions).unwrap_or(1);
        let partitions = || {
            (0..count)
                .map(|_| PartitionState {
                    start: AtomicU64::new(0),
                    end: AtomicU64::new(0),
                    grown: Notify::new(),
                })
                .collect()
        };
        Self {
            queue: Queue::new(settings.max_waiting),
            hooks: Hooks::default(),
            meters: Meters::new(),
            disk_bytes: AtomicU64::new(0),
            partitions: [partitions(), partitions(), partitions()],
            slices: RwLock::default(),
            gate: RwLock::default(),
            tail: Mutex::new(Tail::new(count * TopicName::ALL.len(), settings.tail_cache)),
            checkpoints: Mutex::new(checkpoints),
            refusal: AtomicU8::new(0),
            broken: Mutex::default(),
            leaves: AtomicBool::new(false),
            leaving: Notify::new(),
            closed: AtomicBool::new(false),
            members: tokio::sync::watch::Sender::new(0),
            ended: tokio::sync::watch::Sender::new(false),
            settings,
        }
    }

    pub(super) fn partition(
        &self,
        topic: TopicName,
        partition: Partition,
    ) -> Option<&PartitionState> {
        self.partitions[topic.index()].get(usize::try_from(partition.0).ok()?)
    }

    pub(super) fn readable(
        &self,
        topic: TopicName,
        partition: Partition,
    ) -> Result<&PartitionState, ReadError> {
        if self.is_closed() {
            return Err(ReadError::Closed);
        }
        let partitions = self.settings.partitions;
        self.partition(topic, partition)
            .ok_or(ReadError::NoSuchPartition { partition: partition.0, partitions })
    }

    pub(super) fn slices(&self) -> RwLockReadGuard<'_, Slices> {
        self.slices.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn slices_mut(&self) -> RwLockWriteGuard<'_, Slices> {
        self.slices.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held by a reader while it uses keyspaces.
    pub(super) fn gate(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no reader uses keyspaces and keeps others out.
    pub(super) fn close_gate(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn checkpoints(&self) -> MutexGuard<'_, Checkpoints> {
        self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of a partition in tables over all topics.
    pub(super) fn queue_index(&self, topic: TopicName, partition: Partition) -> usize {
        let count = self.partitions[topic.index()].len();
        topic.index() * count + usize::try_from(partition.0).unwrap_or(usize::MAX / 4)
    }

    /// Publishes the positions that can be read, from what the slices hold.
    pub(super) fn publish_extents(&self, slices: &Slices, next: &[Vec<u64>; 3]) {
        for topic in TopicName::ALL {
            let oldest = slices.of(topic).first();
            let states = self.partitions[topic.index()].iter().zip(&next[topic.index()]);
            for (at, (state, &end)) in states.enumerate() {
                let start = oldest.and_then(|slice| slice.spans.get(at)).map_or(end, |s| s.first);
                state.start.store(start, Ordering::Release);
                state.end.store(end, Ordering::Release);
            }
        }
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

    /// The answer to an append of `topic`, if it is refused.
    pub(super) fn refused(&self, topic: TopicName) -> Option<AppendError> {
        match (self.refusal(), topic) {
            (Refusal::None, _) => None,
            (Refusal::Quota, TopicName::Spans) => Some(AppendError::QuotaReached {
                used: self.disk_bytes.load(Ordering::Relaxed),
                quota: self.settings.quota,
            }),
            (Refusal::DiskLow, TopicName::Spans) | (Refusal::DiskFull, _) => {
                Some(AppendError::DiskFull)
            }
            (Refusal::Quota | Refusal::DiskLow, _) => None,
            (Refusal::Broken, _) => {
                let reason = self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone();
                Some(AppendError::Failed(reason))
            }
        }
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
        self.wake_readers();
    }

    /// Has all waiting cursors look again.
    pub(super) fn wake_readers(&self) {
        for state in self.partitions.iter().flatten() {
            state.grown.notify_waiters();
        }
    }
}

impl PartitionState {
    pub(super) fn extent(&self) -> Extent {
        // The start first: both only grow, so that it never seems to lie beyond the end.
        let start = self.start.load(Ordering::Acquire);
        let end = self.end.load(Ordering::Acquire);
        Extent { start: Position(start.min(end)), end: Position(end) }
    }

    pub(super) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// The partition now ends at `end`.
    pub(super) fn grow(&self, end: u64) {
        self.end.store(end, Ordering::Release);
        self.grown.notify_waiters();
    }
}
