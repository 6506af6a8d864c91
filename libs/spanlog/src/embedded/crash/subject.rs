//! The log under test: the real store on a simulated disk.

use std::{io, sync::Arc};

use super::{
    history::{Answer, Batch, PARTITIONS},
    seen::{Item, Mark, Seen},
    sim::SimDisk,
};
use crate::{
    embedded::store::{self, Encoded, OpenFault, Options, Recovered, Retention, Store},
    position::{LogTime, Partition},
    reader::{Checkpoint, ReadError},
    topic::TopicName,
};

/// Bytes of a slot: the smallest.
pub(super) const SLOT: u64 = 32 << 10;

/// Bytes that all slots may take, but for what keeps the log going.
pub(super) const QUOTA: u64 = 16 * SLOT;

/// Bytes that all slots may take.
pub(super) const DISK_BOUND: u64 = QUOTA + 2 * SLOT;

/// How long decisions and dead letters are kept, in milliseconds of the log's time.
pub(super) const RETENTION: u64 = 10_000;

const KEEP: Retention =
    Retention { spans: 0, decisions: RETENTION, letters: RETENTION, letter_bytes: QUOTA / 4 };

/// An open log, used by one thread.
pub(super) struct Subject {
    store: Store<SimDisk>,
    recovered: Recovered,
}

impl Subject {
    pub(super) fn open(disk: &SimDisk) -> Result<Self, OpenFault> {
        Self::open_with(disk, |_| {})
    }

    /// Opens with other options than usual.
    pub(super) fn open_with(
        disk: &SimDisk,
        change: impl FnOnce(&mut Options),
    ) -> Result<Self, OpenFault> {
        let mut options = Options {
            partitions: PARTITIONS,
            slot_bytes: SLOT,
            quota: QUOTA,
            min_free: 0,
            sync: true,
            accept_loss: false,
            seed: disk.change(|state| [state.draw(), state.draw()]),
        };
        change(&mut options);
        let (store, recovered) = Store::open(Arc::new(disk.clone()), &options)?;
        Ok(Self { store, recovered })
    }

    /// Allocates the reserve, as far as there is room.
    pub(super) fn fill_reserve(&mut self) -> Result<(), String> {
        self.store.fill_reserve().map(|_| ()).map_err(|broken| broken.to_string())
    }

    pub(super) fn send(&mut self, batch: &Batch, now: LogTime) -> Answer {
        let records: Vec<Encoded> =
            batch.records.iter().map(|sent| Encoded::new(&sent.record())).collect();
        let items: Vec<store::Item<'_>> = batch
            .records
            .iter()
            .zip(&records)
            .map(|(sent, record)| store::Item {
                topic: sent.topic,
                partition: sent.partition,
                record,
            })
            .collect();
        let checkpoints: Vec<(Partition, Checkpoint)> = batch
            .checkpoints
            .iter()
            .map(|Mark { partition, position, metadata }| {
                (*partition, Checkpoint { position: *position, metadata: metadata.clone() })
            })
            .collect();
        match self.store.commit(&items, &checkpoints, now) {
            Ok(committed) => Answer::Done {
                time: committed.time,
                positions: committed.outcomes.into_iter().map(Result::ok).collect(),
                checkpoints: committed.checkpoints,
            },
            Err(broken) => Answer::Failed(broken.to_string()),
        }
    }

    /// Frees what nobody needs any more.
    pub(super) fn free(&mut self, now: LogTime) -> Result<usize, String> {
        self.store.free(&KEEP, now).map_err(|broken| broken.to_string())
    }

    pub(super) fn seal(&mut self, now: LogTime) -> Result<(), String> {
        self.store.seal(now).map_err(|broken| broken.to_string())
    }

    /// Makes durable what is not yet.
    pub(super) fn sync(&mut self) -> Result<(), String> {
        self.store.sync().map_err(|broken| broken.to_string())
    }

    /// Gives one slot back to the disk, if there is one to give. A failure is of no consequence.
    pub(super) fn give_back(&mut self) -> io::Result<bool> {
        let Some(slot) = self.store.surplus() else { return Ok(false) };
        let number = slot.give_back(|| {})?;
        self.store.forget(number);
        Ok(true)
    }

    /// All that can be read.
    pub(super) fn seen(&self) -> Result<Seen, String> {
        let mut seen = Seen::default();
        for topic in TopicName::ALL {
            for partition in (0..PARTITIONS).map(Partition) {
                let (items, place) = (self.read(topic, partition)?, (topic, partition));
                seen.items.insert(place, items);
                seen.next.insert(place, self.store.segments().extent(topic, partition).end);
            }
        }
        let checkpoints = (0..).map(Partition).zip(&self.recovered.checkpoints);
        for (partition, checkpoint) in checkpoints {
            if let Some(Checkpoint { position, metadata }) = checkpoint.clone() {
                seen.checkpoints.insert(partition, Mark { partition, position, metadata });
            }
        }
        seen.told.extend(self.recovered.damages.iter().map(|damage| format!("{damage:?}")));
        seen.told.extend(self.recovered.accepted.iter().map(|lost| format!("{lost:?}")));
        Ok(seen)
    }

    fn read(&self, topic: TopicName, partition: Partition) -> Result<Vec<Item>, String> {
        let segments = self.store.segments();
        let mut at = segments.extent(topic, partition).start;
        let mut items = Vec::new();
        loop {
            match segments.read(topic, partition, at, 1 << 20) {
                Ok(frames) => {
                    let Some(last) = frames.last() else { return Ok(items) };
                    at = last.position.next();
                    items.extend(frames.into_iter().map(Item::Frame));
                }
                Err(ReadError::Damaged { position, detail, .. }) => {
                    at = position.next();
                    items.push(Item::Damaged(position, detail));
                }
                Err(error) => return Err(format!("{topic} {partition} {at}: {error}")),
            }
        }
    }
}

/// Why a log that must open did not.
#[expect(clippy::needless_pass_by_value, reason = "used as a function of errors")]
pub(super) fn refusal(fault: OpenFault) -> String {
    format!("the log does not open: {fault}")
}
