//! Committing batches, and proving that they were durable.

use super::{
    error::{Broken, Fault},
    format::{Kind, PAGE, group_head_bytes, record_bytes, round_up},
    payload::Encoded,
    pool::Need,
    state::{Committed, Item, Refused, Store},
    stream::{BUFFER_BYTES, Entry, Stream},
};
use crate::{
    embedded::disk::Disk,
    position::{LogTime, Partition, Position},
    reader::Checkpoint,
    record::RecordKind,
    topic::TopicName,
};

/// Bytes of a group beyond which a record begins another one.
const GROUP_BYTES: u64 = BUFFER_BYTES as u64;

impl<D: Disk> Store<D> {
    /// Makes `items` durable, in their order within each topic, and with them `checkpoints`. The
    /// records get the time `now`, as it is: it is lower than the one before where the machine's
    /// clock was set back.
    ///
    /// # Errors
    /// [`Broken`] when a write or a sync failed: nothing is known of the batch, and nothing is
    /// written any more.
    pub(in crate::embedded) fn commit(
        &mut self,
        items: &[Item<'_>],
        checkpoints: &[(Partition, Checkpoint)],
        now: LogTime,
    ) -> Result<Committed, Broken> {
        self.unbroken()?;
        let mut committed = Committed {
            time: now,
            outcomes: vec![Err(Refused::Never); items.len()],
            checkpoints: true,
        };
        for topic in TopicName::ALL {
            let of_topic: Vec<usize> = (0..items.len())
                .filter(|&at| {
                    items.get(at).is_some_and(|item| item.topic == topic && self.fits(item))
                })
                .collect();
            let moved = if topic == TopicName::Spans { checkpoints } else { &[] };
            let result = self.append(topic, items, of_topic, moved, &mut committed);
            self.noting(result)?;
        }
        self.time = now;
        Ok(committed)
    }

    fn fits(&self, item: &Item<'_>) -> bool {
        u64::from(item.partition.0) < self.desk.partitions as u64
            && item.record.stored_bytes() <= self.max_payload()
    }

    fn append(
        &mut self,
        topic: TopicName,
        items: &[Item<'_>],
        mut rest: Vec<usize>,
        moved: &[(Partition, Checkpoint)],
        committed: &mut Committed,
    ) -> Result<(), Fault> {
        let mut moved = self.moved(moved);
        let time = committed.time;
        while !rest.is_empty() || !moved.is_empty() {
            let first = rest.first().and_then(|&at| items.get(at));
            let need = first.map_or(Need::Essential, need);
            let stream = &mut self.streams[topic.index()];
            if stream.must_roll()
                && let Err(none) = stream.roll(&mut self.desk, &mut self.pool, need, time)?
            {
                // What needs less may still fit.
                stream.full = false;
                let refused =
                    |at: &usize| items.get(*at).is_some_and(|item| self::need(item) == need);
                for at in rest.extract_if(.., |at| refused(at)) {
                    if let Some(outcome) = committed.outcomes.get_mut(at) {
                        *outcome = Err(Refused::NoRoom(none));
                    }
                }
                if need == Need::Essential && !moved.is_empty() {
                    committed.checkpoints = false;
                    moved.clear();
                }
                continue;
            }
            let carried = if stream.is_fresh() && topic == TopicName::Spans {
                self.snapshot(&moved)
            } else {
                moved.clone()
            };
            let stream = &mut self.streams[topic.index()];
            let carried: Vec<(u32, u64, Encoded)> = carried.iter().map(encode_checkpoint).collect();
            let room = stream.room(self.desk.slot_bytes);
            let mut bytes = group_head_bytes(self.desk.partitions)
                + carried.iter().map(|(.., record)| record_bytes(record.stored.len())).sum::<u64>();
            let mut count = 0;
            for item in rest.iter().filter_map(|&at| items.get(at)) {
                let more = record_bytes(item.record.stored.len());
                if round_up(bytes + more, PAGE) > room || (count > 0 && bytes + more > GROUP_BYTES)
                {
                    break;
                }
                bytes += more;
                count += 1;
            }
            if round_up(bytes, PAGE) > room || (count == 0 && !rest.is_empty()) {
                // Whatever passed `fits` fits an empty segment.
                stream.full = true;
                continue;
            }
            let batch: Vec<usize> = rest.drain(..count).collect();
            let mut entries = Vec::with_capacity(carried.len() + batch.len());
            entries.extend(carried.iter().map(|(partition, position, record)| Entry {
                partition: *partition,
                position: Some(*position),
                record,
            }));
            entries.extend(batch.iter().filter_map(|&at| items.get(at)).map(|item| Entry {
                partition: item.partition.0,
                position: None,
                record: item.record,
            }));
            let positions = stream.write(&mut self.desk, &mut self.pool, &entries, time)?;
            for (at, position) in batch.into_iter().zip(positions) {
                if let Some(outcome) = committed.outcomes.get_mut(at) {
                    *outcome = Ok(Position(position));
                }
            }
            self.take_over(std::mem::take(&mut moved));
        }
        Ok(())
    }

    /// Those of `checkpoints` that go forward.
    fn moved(&self, checkpoints: &[(Partition, Checkpoint)]) -> Vec<(Partition, Checkpoint)> {
        let moved = checkpoints.iter().filter(|(partition, checkpoint)| {
            let at = usize::try_from(partition.0).unwrap_or(usize::MAX);
            self.checkpoints.get(at).is_some_and(|known| {
                known.as_ref().is_none_or(|known| known.position <= checkpoint.position)
            })
        });
        moved.cloned().collect()
    }

    /// The checkpoints of all partitions, once `moved` are written.
    fn snapshot(&self, moved: &[(Partition, Checkpoint)]) -> Vec<(Partition, Checkpoint)> {
        let known = (0_u32..).map(Partition).zip(&self.checkpoints);
        known
            .filter_map(|(partition, known)| {
                let newer = moved.iter().rfind(|(of, _)| *of == partition);
                let checkpoint = newer.map(|(_, checkpoint)| checkpoint).or(known.as_ref())?;
                Some((partition, checkpoint.clone()))
            })
            .collect()
    }

    /// `moved` are written.
    fn take_over(&mut self, moved: Vec<(Partition, Checkpoint)>) {
        for (partition, checkpoint) in moved {
            let at = usize::try_from(partition.0).unwrap_or(usize::MAX);
            if let Some(known) = self.checkpoints.get_mut(at) {
                *known = Some(checkpoint);
            }
        }
        self.note_finished();
    }

    /// Makes durable what is not yet; without `sync` only.
    ///
    /// # Errors
    /// [`Broken`], as [`commit`](Self::commit).
    pub(in crate::embedded) fn sync(&mut self) -> Result<(), Broken> {
        self.unbroken()?;
        for stream in &mut self.streams {
            let result = stream.sync(&self.desk, &mut self.pool);
            if let Err(fault) = result {
                return self.noting(Err(fault));
            }
        }
        self.note_finished();
        Ok(())
    }

    /// Whether [`seal`](Self::seal) has something to do.
    pub(in crate::embedded) fn wants_seal(&self) -> bool {
        self.streams.iter().any(Stream::wants_seal)
    }

    /// Whether slots wait for groups to say that they can be used again.
    pub(in crate::embedded) fn has_freed(&self) -> bool {
        self.streams.iter().any(|stream| !stream.freed.is_empty())
    }

    /// Proves by a group without records that the newest ones were durable, so that a damage to
    /// them is told from a write that a power cut tore; and lets the slots of finished segments be
    /// used again. To be called when there is nothing to commit.
    ///
    /// # Errors
    /// [`Broken`], as [`commit`](Self::commit).
    pub(in crate::embedded) fn seal(&mut self, now: LogTime) -> Result<(), Broken> {
        self.unbroken()?;
        self.time = now;
        for topic in TopicName::ALL {
            if self.streams[topic.index()].wants_seal() {
                let result = self.write_empty(topic);
                self.noting(result)?;
            }
        }
        Ok(())
    }

    /// Writes a group without records, in a new segment if need be and if there is a slot.
    pub(super) fn write_empty(&mut self, topic: TopicName) -> Result<(), Fault> {
        let stream = &mut self.streams[topic.index()];
        let cursor = stream.active.as_ref().map_or(u64::MAX, |active| active.cursor);
        let head = round_up(group_head_bytes(self.desk.partitions), PAGE);
        // The room that is kept for this, and no more.
        if cursor.saturating_add(head + PAGE) > self.desk.slot_bytes {
            stream.full = true;
        }
        if stream.must_roll() {
            let rolled = stream.roll(&mut self.desk, &mut self.pool, Need::Essential, self.time)?;
            if rolled.is_err() {
                return Ok(());
            }
        }
        let carried: Vec<(u32, u64, Encoded)> = if topic == TopicName::Spans && stream.is_fresh() {
            self.snapshot(&[]).iter().map(encode_checkpoint).collect()
        } else {
            Vec::new()
        };
        let entries: Vec<Entry<'_>> = carried
            .iter()
            .map(|(partition, position, record)| Entry {
                partition: *partition,
                position: Some(*position),
                record,
            })
            .collect();
        let stream = &mut self.streams[topic.index()];
        stream.write(&mut self.desk, &mut self.pool, &entries, self.time)?;
        self.note_finished();
        Ok(())
    }
}

const fn need(item: &Item<'_>) -> Need {
    match (item.topic, item.record.kind) {
        (TopicName::Spans, Kind::Record(RecordKind::Spans)) => Need::Spans,
        (TopicName::DeadLetters, _) => Need::Letters,
        _ => Need::Essential,
    }
}

fn encode_checkpoint((partition, checkpoint): &(Partition, Checkpoint)) -> (u32, u64, Encoded) {
    let metadata =
        Some(checkpoint.metadata.as_str()).filter(|text| text.len() <= Checkpoint::MAX_METADATA);
    let record = Encoded::checkpoint(metadata.unwrap_or_default());
    (partition.0, checkpoint.position.0, record)
}
