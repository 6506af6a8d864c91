//! What all handles of one memory log share.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::oneshot;

use super::partition::PartitionLog;
use crate::{
    clock::Clock,
    position::{Partition, Position},
    reader::{Checkpoint, GroupEvent, ReadError},
    record::Record,
    topic::TopicName,
    writer::AppendError,
};

/// How a memory log is made.
#[derive(Clone, Copy, Debug)]
pub struct MemoryConfig {
    /// Partitions of each topic, at least 1.
    pub partitions: u32,
    /// Bytes that may wait to become durable per topic while durability is
    /// [held](super::MemoryLog::hold).
    pub max_waiting_bytes: u64,
    /// The largest payload taken, in bytes.
    pub max_payload_bytes: u64,
    /// Count the frames of spans and throw them away: for benches that measure the writing side.
    pub discard: bool,
    /// Positions left out after each record, so that nobody counts on contiguous ones.
    pub position_gap: u64,
    /// What [`Writer::linger`](crate::Writer::linger) says.
    pub linger: Duration,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            partitions: 4,
            max_waiting_bytes: 64 << 20,
            max_payload_bytes: 16 << 20,
            discard: false,
            position_gap: 0,
            linger: Duration::ZERO,
        }
    }
}

/// What goes wrong with an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendFault {
    /// Refused at once with this answer; nothing is written.
    Refuse(AppendError),
    /// Accepted, then failed; nothing is written.
    FailBefore,
    /// Accepted and written, but the answer says that it failed.
    FailAfter,
    /// Written twice; the answer is that of the first.
    Duplicate,
}

/// The log behind all handles.
pub(super) struct Shared {
    pub(super) config: MemoryConfig,
    pub(super) clock: Clock,
    pub(super) topics: [TopicState; 3],
    /// Counts up at each crash; handles of an older generation are dead.
    pub(super) generation: AtomicU64,
    group: Mutex<Membership>,
}

/// One topic.
pub(super) struct TopicState {
    pub(super) partitions: Vec<PartitionLog>,
    /// Whether `faults` may hold anything: spares the fast path its lock.
    pub(super) faulty: AtomicBool,
    faults: Mutex<Faults>,
    /// Reads that fail from now on.
    pub(super) failing_reads: AtomicUsize,
}

/// The switches of one topic.
#[derive(Default)]
pub(super) struct Faults {
    /// Answer to every append, while set.
    pub(super) refuse: Option<AppendError>,
    /// One for each of the next appends.
    pub(super) planned: VecDeque<AppendFault>,
    /// Whether appends wait for [`release`](super::MemoryLog::release).
    pub(super) holding: bool,
    pub(super) held: VecDeque<Held>,
    /// Partitions that do not answer, and what was appended to them since.
    pub(super) stuck: BTreeMap<Partition, VecDeque<Held>>,
    pub(super) held_bytes: u64,
}

/// An append that is accepted and not durable.
pub(super) struct Held {
    pub(super) partition: Partition,
    pub(super) record: Record,
    pub(super) answer: oneshot::Sender<Result<Position, AppendError>>,
}

/// Who owns what, and what is committed.
#[derive(Default)]
pub(super) struct Membership {
    /// Owner of each partition.
    pub(super) owners: Vec<Option<u64>>,
    pub(super) members: Vec<Member>,
    pub(super) next_member: u64,
    pub(super) committed: Vec<Option<Checkpoint>>,
    /// What a crash falls back to while commits are held.
    pub(super) durable: Vec<Option<Checkpoint>>,
    /// The logs of the topics, as counted, that the checkpoints were made in.
    pub(super) made_in: Vec<[u64; 3]>,
    pub(super) hold_commits: bool,
    pub(super) drop_metadata: bool,
}

/// One member of the group.
pub(super) struct Member {
    pub(super) id: u64,
    pub(super) events: VecDeque<GroupEvent>,
    pub(super) ended: bool,
    pub(super) changed: Arc<tokio::sync::Notify>,
}

impl Shared {
    pub(super) fn new(config: MemoryConfig) -> Self {
        let partitions = usize::try_from(config.partitions.max(1)).unwrap_or(1);
        let topic = |name: TopicName| TopicState {
            partitions: (0..partitions)
                .map(|_| PartitionLog::new(config.discard && name == TopicName::Spans))
                .collect(),
            faulty: AtomicBool::new(false),
            faults: Mutex::default(),
            failing_reads: AtomicUsize::new(0),
        };
        let membership = Membership {
            owners: vec![None; partitions],
            committed: vec![None; partitions],
            durable: vec![None; partitions],
            made_in: vec![[0; 3]; partitions],
            ..Membership::default()
        };
        Self {
            config,
            clock: Clock::wall(),
            topics: TopicName::ALL.map(topic),
            generation: AtomicU64::new(0),
            group: Mutex::new(membership),
        }
    }

    pub(super) const fn topic(&self, name: TopicName) -> &TopicState {
        &self.topics[name.index()]
    }

    pub(super) fn group(&self) -> MutexGuard<'_, Membership> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of partitions of each topic.
    pub(super) fn partitions(&self) -> u32 {
        self.config.partitions.max(1)
    }

    /// The logs of `partition` in each topic, as counted.
    pub(super) fn logs(&self, partition: Partition) -> [u64; 3] {
        TopicName::ALL.map(|name| {
            self.topic(name).partition(partition).map_or(0, |log| log.records().replaced)
        })
    }

    pub(super) fn is_current(&self, generation: u64) -> bool {
        self.generation.load(Ordering::Acquire) == generation
    }
}

impl TopicState {
    pub(super) fn partition(&self, partition: Partition) -> Option<&PartitionLog> {
        usize::try_from(partition.0).ok().and_then(|at| self.partitions.get(at))
    }

    pub(super) fn readable(&self, partition: Partition) -> Result<&PartitionLog, ReadError> {
        let failing = self
            .failing_reads
            .try_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1))
            .is_ok();
        if failing {
            return Err(ReadError::Failed("a fault was injected".to_owned()));
        }
        self.partition(partition).ok_or_else(|| ReadError::NoSuchPartition {
            partition: partition.0,
            partitions: u32::try_from(self.partitions.len()).unwrap_or(u32::MAX),
        })
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the switches and tells the fast path whether to look at them.
    pub(super) fn with_faults<T>(&self, change: impl FnOnce(&mut Faults) -> T) -> T {
        let mut faults = self.faults();
        let result = change(&mut faults);
        let active = faults.refuse.is_some()
            || faults.holding
            || !faults.stuck.is_empty()
            || !faults.planned.is_empty()
            || !faults.held.is_empty();
        self.faulty.store(active, Ordering::Release);
        result
    }
}
