//! The handle of a memory log, and its switches.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
};

use tokio::sync::oneshot;

use super::{
    group::{self, MemoryCommitted, MemoryGroup},
    partition::Records,
    shared::{AppendFault, Held, MemoryConfig, Shared, TopicState},
    topic::MemoryTopic,
};
use crate::{
    contract::{Log, Topic},
    position::{LogTime, Partition, Position},
    reader::{Checkpoint, Committed, Group},
    record::Frame,
    topic::TopicName,
    writer::AppendError,
};

/// A log in memory. Clones share it.
///
/// The switches act at once and on all handles given out. Without any, it behaves as the contract
/// says and appends are durable when `append` returns.
#[derive(Clone)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new(MemoryConfig::default())
    }
}

impl MemoryLog {
    /// An empty log. No partitions are taken for one.
    #[must_use]
    pub fn new(config: MemoryConfig) -> Self {
        Self { shared: Arc::new(Shared::new(config)) }
    }

    /// Both sides of all topics.
    #[must_use]
    pub fn log(&self) -> Log {
        Log {
            spans: self.topic(TopicName::Spans),
            decisions: self.topic(TopicName::Decisions),
            dead_letters: self.topic(TopicName::DeadLetters),
        }
    }

    fn topic(&self, name: TopicName) -> Topic {
        let shared = Arc::clone(&self.shared);
        let generation = shared.generation.load(Ordering::Acquire);
        let topic = Arc::new(MemoryTopic { shared, name, generation });
        Topic { writer: Arc::clone(&topic) as _, reader: topic }
    }

    /// A member that owns all partitions; earlier members lose theirs.
    #[must_use]
    pub fn group(&self) -> Box<dyn Group> {
        let all: Vec<Partition> = (0..self.shared.partitions()).map(Partition).collect();
        self.join(&all)
    }

    /// A member that owns `partitions`; who owned them loses them.
    #[must_use]
    pub fn join(&self, partitions: &[Partition]) -> Box<dyn Group> {
        Box::new(MemoryGroup::join(&self.shared, partitions))
    }

    /// What is committed, for those that only look.
    #[must_use]
    pub fn checkpoints(&self) -> Arc<dyn Committed> {
        Arc::new(MemoryCommitted { shared: Arc::clone(&self.shared) })
    }

    /// Takes `partition` from its owner. The receiver resolves when the owner has let go; `None`
    /// when nobody owns it. With `lost`, commits of the owner are refused from now on.
    pub fn revoke(&self, partition: Partition, lost: bool) -> Option<oneshot::Receiver<()>> {
        group::revoke(&self.shared, partition, lost)
    }

    /// Ends the group: what is pending is still delivered, then every member sees `None`.
    pub fn end_groups(&self) {
        for member in &mut self.shared.group().members {
            member.ended = true;
            member.changed.notify_one();
        }
    }

    /// Stops the clock of the append times at `time`, which may be an earlier one than before;
    /// `None` lets the wall clock rule again.
    pub fn set_time(&self, time: Option<LogTime>) {
        self.shared.clock.set(time);
    }

    /// Answers every append to `topic` with `error` until `None` is set.
    pub fn refuse(&self, topic: TopicName, error: Option<AppendError>) {
        self.shared.topic(topic).with_faults(|faults| faults.refuse = error);
    }

    /// Lets `fault` happen to each of the next `times` appends to `topic`, after those already
    /// planned.
    pub fn plan(&self, topic: TopicName, fault: &AppendFault, times: usize) {
        self.shared.topic(topic).with_faults(|faults| {
            faults.planned.extend(std::iter::repeat_n(fault.clone(), times));
        });
    }

    /// From now on appends to `topic` become durable (and readable, and answered) only by
    /// [`release`](Self::release).
    pub fn hold(&self, topic: TopicName) {
        self.shared.topic(topic).with_faults(|faults| faults.holding = true);
    }

    /// Makes the oldest `most` held appends of `topic` durable and answers them; says how many
    /// there were.
    pub fn release(&self, topic: TopicName, most: usize) -> usize {
        let released = self.take_held(topic, most);
        let count = released.len();
        for (held, position) in released {
            // A caller that went away does not take its record back.
            let _gone = held.answer.send(Ok(position));
        }
        count
    }

    /// Ends [`hold`](Self::hold) and makes durable what is held.
    pub fn resume(&self, topic: TopicName) -> usize {
        let count = self.release(topic, usize::MAX);
        self.shared.topic(topic).with_faults(|faults| faults.holding = false);
        count
    }

    /// While `stuck`, `partition` of `topic` does not answer, as one without a leader; the others
    /// do. What was appended meanwhile becomes durable in order when it goes on.
    pub fn stick(&self, topic: TopicName, partition: Partition, stuck: bool) {
        let state = self.shared.topic(topic);
        let freed = state.with_faults(|faults| {
            if stuck {
                faults.stuck.entry(partition).or_default();
                return Vec::new();
            }
            let held = faults.stuck.remove(&partition).unwrap_or_default();
            self.write_held(state, held, &mut faults.held_bytes)
        });
        for (held, position) in freed {
            let _gone = held.answer.send(Ok(position));
        }
    }

    /// Appends to `topic` that are accepted and not durable.
    #[must_use]
    pub fn waiting(&self, topic: TopicName) -> usize {
        let faults = self.shared.topic(topic).faults();
        faults.held.len() + faults.stuck.values().map(VecDeque::len).sum::<usize>()
    }

    /// Writes what was held and took `bytes` with others.
    fn write_held(
        &self,
        state: &TopicState,
        held: impl IntoIterator<Item = Held>,
        bytes: &mut u64,
    ) -> Vec<(Held, Position)> {
        let gap = self.shared.config.position_gap;
        let mut written = Vec::new();
        for held in held {
            *bytes = bytes.saturating_sub(held.record.payload.len() as u64);
            if let Some(log) = state.partition(held.partition) {
                let position = log.write(held.record.clone(), self.shared.clock.now(), gap);
                written.push((held, position));
            }
        }
        written
    }

    fn take_held(&self, topic: TopicName, most: usize) -> Vec<(Held, Position)> {
        let state = self.shared.topic(topic);
        state.with_faults(|faults| {
            let count = faults.held.len().min(most);
            self.write_held(state, faults.held.drain(..count), &mut faults.held_bytes)
        })
    }

    /// Lets the next `times` reads of `topic` (open, fetch, extent, cursor) fail.
    pub fn fail_reads(&self, topic: TopicName, times: usize) {
        self.shared.topic(topic).failing_reads.store(times, Ordering::Release);
    }

    /// Reading the record at `position` reports damage from now on, as for those named before;
    /// `None` repairs them all.
    pub fn damage(&self, topic: TopicName, partition: Partition, position: Option<Position>) {
        if let Some(log) = self.shared.topic(topic).partition(partition) {
            match position {
                Some(position) => drop(log.records().damaged.insert(position)),
                None => log.records().damaged.clear(),
            }
        }
    }

    /// Deletes the records of `partition` below `before`, as retention would.
    pub fn trim(&self, topic: TopicName, partition: Partition, before: Position) {
        if let Some(log) = self.shared.topic(topic).partition(partition) {
            log.records().trim(before);
        }
    }

    /// Deletes the records of `partition` at or behind `end`, as brokers do that lost them: what is
    /// appended next takes their positions. Readers that were there already are told.
    pub fn truncate(&self, topic: TopicName, partition: Partition, end: Position) {
        self.change(topic, partition, |records| records.truncate(end));
    }

    /// Deletes `topic` and makes it anew, empty: positions start again. Readers of the old one, and
    /// owners with a checkpoint made in it, are told.
    pub fn replace(&self, topic: TopicName) {
        for partition in (0..self.shared.partitions()).map(Partition) {
            self.change(topic, partition, Records::replace);
        }
    }

    fn change(&self, topic: TopicName, partition: Partition, change: impl FnOnce(&mut Records)) {
        if let Some(log) = self.shared.topic(topic).partition(partition) {
            change(&mut log.records());
            log.grown.notify_waiters();
        }
    }

    /// While `held`, commits are forgotten by [`crash`](Self::crash).
    pub fn hold_commits(&self, held: bool) {
        let mut group = self.shared.group();
        group.hold_commits = held;
        if !held {
            group.durable = group.committed.clone();
        }
    }

    /// While `dropped`, checkpoints come back without their metadata.
    pub fn drop_metadata(&self, dropped: bool) {
        self.shared.group().drop_metadata = dropped;
    }

    /// The process that uses the log dies and starts again: the oldest `keep` of the appends held
    /// per topic were written, the others not, none is answered; held commits are forgotten; all
    /// handles, cursors and members given out are dead. Faults are switched off. Get new handles.
    pub fn crash(&self, keep: usize) {
        self.shared.generation.fetch_add(1, Ordering::AcqRel);
        for topic in TopicName::ALL {
            drop(self.take_held(topic, keep));
            let state = self.shared.topic(topic);
            state.with_faults(|faults| *faults = super::shared::Faults::default());
            state.failing_reads.store(0, Ordering::Release);
            for log in &state.partitions {
                log.grown.notify_waiters();
            }
        }
        let mut group = self.shared.group();
        group.committed = group.durable.clone();
        group.hold_commits = false;
        group.owners.iter_mut().for_each(|owner| *owner = None);
        for member in group.members.drain(..) {
            member.changed.notify_one();
        }
    }

    /// All frames of `partition` that are still there, for looking at.
    #[must_use]
    pub fn frames(&self, topic: TopicName, partition: Partition) -> Vec<Frame> {
        let log = self.shared.topic(topic).partition(partition);
        log.map(|log| log.records().frames.iter().cloned().collect()).unwrap_or_default()
    }

    /// What is committed for `partition`.
    #[must_use]
    pub fn committed(&self, partition: Partition) -> Option<Checkpoint> {
        let at = usize::try_from(partition.0).ok()?;
        self.shared.group().committed.get(at)?.clone()
    }

    /// Records and payload bytes ever appended to `topic`, also those discarded.
    #[must_use]
    pub fn appended(&self, topic: TopicName) -> (u64, u64) {
        self.shared.topic(topic).partitions.iter().fold((0, 0), |(count, bytes), log| {
            let records = log.records();
            (count + records.count, bytes + records.bytes)
        })
    }
}
