//! Carries what partitions ask of budgets from process to process: through partition 0 of the
//! decision log.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{Notify, broadcast},
    time::{Interval, MissedTickBehavior, interval, sleep},
};
use wholetrace_proto::record::{DecisionBatch, PartitionDemand, encode_demand};
use wholetrace_runtime::shutdown::Shutdown;
use wholetrace_spanlog::{
    Frame, Log, Partition, Position, ReadError, Record, RecordKind, Start, Topic,
};

use crate::core::rates::SECONDS_TOLD;

/// Where all tell what is asked of budgets, and all look.
const PARTITION: Partition = Partition(0);
/// How often it is told. A second is told three before it begins.
const EVERY: Duration = Duration::from_millis(500);
/// How long is waited after a failure.
const AGAIN: Duration = Duration::from_secs(1);
/// Records of the past that are looked at: some seconds of every process of a large fleet, beside
/// the decisions of the partition.
const PAST: u64 = 4_096;
/// Bytes that are read at a time.
const READ_BYTES: usize = 1 << 20;
/// Bytes of what is told in a record, about.
const RECORD_BYTES: usize = 256 << 10;
/// Partitions that are held, at most.
const PARTITIONS: usize = 65_536;
/// Times that something is heard which a partition may leave lying. More is forgotten: soon it is old.
const LYING: usize = 64;

/// What comes in at a time.
pub(crate) type Heard = Arc<[Arc<PartitionDemand>]>;

/// What all partitions of a process tell and hear. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    shared: Arc<Shared>,
    heard: broadcast::Sender<Heard>,
}

#[derive(Debug, Default)]
struct Shared {
    told: Mutex<BySecond>,
    known: Mutex<BySecond>,
    /// Something was told.
    more: Notify,
}

/// What reading never ends with.
type Never = std::convert::Infallible;

/// What was told of each partition: the last seconds.
type BySecond = BTreeMap<u32, VecDeque<Arc<PartitionDemand>>>;

impl Exchange {
    pub(crate) fn new() -> Self {
        Self { shared: Arc::default(), heard: broadcast::Sender::new(LYING) }
    }

    /// Tells all what a partition asks.
    pub(crate) fn tell(&self, demand: PartitionDemand) {
        hold(&self.shared.told, Arc::new(demand));
        self.listen();
    }

    /// Begins to listen to the others, if that was not begun.
    pub(crate) fn listen(&self) {
        self.shared.more.notify_one();
    }

    /// What is known, and all that is heard from here on.
    pub(crate) fn join(&self) -> (Vec<Arc<PartitionDemand>>, broadcast::Receiver<Heard>) {
        let heard = self.heard.subscribe();
        let known = self.shared.known.lock().unwrap_or_else(PoisonError::into_inner);
        // As they were told, about: what was told too late shows by that.
        let mut known: Vec<_> = known.values().flatten().cloned().collect();
        known.sort_by_key(|demand| demand.second);
        (known, heard)
    }

    /// Tells and hears until `stop`. Nothing is read or written before somebody wants to
    /// [listen](Self::listen), as where policies have budgets.
    pub(crate) async fn run(self, log: Log, stop: Shutdown) {
        tokio::select! {
            () = stop.requested() => return,
            () = self.shared.more.notified() => {}
        }
        tokio::select! {
            () = stop.requested() => {}
            () = self.carry(&log.decisions) => {}
        }
    }

    async fn carry(&self, decisions: &Topic) {
        let mut timer = interval(EVERY);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let Err(error) = self.read(decisions, &mut timer).await;
            tracing::warn!("what others ask of budgets cannot be read, go on soon: {error}");
            sleep(AGAIN).await;
        }
    }

    /// Reads what is newest and all that comes, and writes what is told meanwhile.
    async fn read(&self, decisions: &Topic, timer: &mut Interval) -> Result<Never, ReadError> {
        let extent = decisions.reader.extent(PARTITION).await?;
        let from = extent.start.max(Position(extent.end.0.saturating_sub(PAST)));
        let mut cursor = decisions.reader.open(PARTITION, Start::Position(from)).await?;
        loop {
            tokio::select! {
                _ = timer.tick() => self.write(decisions).await,
                records = cursor.next(READ_BYTES) => self.take_in(&records?),
            }
        }
    }

    async fn write(&self, decisions: &Topic) {
        let told = std::mem::take(&mut *lock(&self.shared.told));
        let mut told = told.into_values().flatten().peekable();
        while told.peek().is_some() {
            let (mut some, mut bytes) = (Vec::new(), 0);
            while bytes < RECORD_BYTES
                && let Some(demand) = told.next()
            {
                let budgets = demand.budgets.iter();
                bytes +=
                    budgets.map(|one| one.name.len() + 12 * one.keys.len() + 32).sum::<usize>();
                some.push(demand);
            }
            let record = Bytes::from(encode_demand(some.iter().map(Arc::as_ref)));
            if let Err(error) = decisions.writer.append(PARTITION, Record::decisions(record)).await
            {
                tracing::warn!("what is asked of budgets cannot be told: {error}");
            }
        }
    }

    fn take_in(&self, records: &[Frame]) {
        let of_decisions = records.iter().filter(|record| record.kind == RecordKind::Decisions);
        let batches = of_decisions.filter_map(|record| DecisionBatch::read(&record.payload).ok());
        let heard: Heard =
            batches.flat_map(|batch| batch.demands().collect::<Vec<_>>()).map(Arc::new).collect();
        if heard.is_empty() {
            return;
        }
        for demand in heard.iter() {
            hold(&self.shared.known, Arc::clone(demand));
        }
        // Nobody listens while no partition is ours.
        let _ = self.heard.send(heard);
    }
}

fn lock(of: &Mutex<BySecond>) -> std::sync::MutexGuard<'_, BySecond> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hold(of: &Mutex<BySecond>, demand: Arc<PartitionDemand>) {
    let mut all = lock(of);
    if all.len() >= PARTITIONS && !all.contains_key(&demand.partition) {
        return;
    }
    let seconds = all.entry(demand.partition).or_default();
    if seconds.len() == SECONDS_TOLD {
        seconds.pop_front();
    }
    seconds.push_back(demand);
    drop(all);
}
