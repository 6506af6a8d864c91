//! The writer thread: makes appends durable, many at a time, and answers them.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    disk::Disk,
    queue::{Pending, Taken},
    shared::{Refusal, Shared},
    state::Appender,
    store::{Broken, Committed, Item, NoRoom, Refused},
};
use crate::{
    position::{LogTime, Partition, Position},
    reader::Checkpoint,
    record::{Frame, RecordKind},
    topic::TopicName,
    writer::AppendError,
};

/// How long the writer thread waits for appends before it looks around.
const TIMEOUT: Duration = Duration::from_millis(100);

/// Commits begin no closer together than this unless much waits: what arrives in between shares
/// the next one. An append that finds the log idle is committed at once.
const COMMIT_INTERVAL: Duration = Duration::from_millis(2);

/// Stored bytes of one batch.
const BATCH_BYTES: u64 = 4 << 20;

impl<D: Disk> Appender<D> {
    /// Runs until the log is closed, then makes durable what is left; or until a write fails.
    pub(super) fn run(mut self) {
        let mut ended = Ended {
            shared: Arc::clone(&self.shared),
            reason: "the writer thread of the log has died".to_owned(),
        };
        ended.reason = match self.write() {
            Ok(()) => "the log was closed".to_owned(),
            Err(broken) => self.broke(&broken),
        };
        self.keeper.stop();
    }

    fn write(&mut self) -> Result<(), Broken> {
        let mut next_commit = Instant::now();
        loop {
            if self.shared.queue.wait(TIMEOUT) {
                self.shared.queue.gather(next_commit);
            }
            match self.shared.queue.take(BATCH_BYTES) {
                Taken::Closed => break,
                Taken::Batch(batch) if batch.is_empty() => {}
                Taken::Batch(batch) => {
                    next_commit = Instant::now() + COMMIT_INTERVAL;
                    self.append(batch)?;
                }
            }
            self.look_around()?;
        }
        self.finish()
    }

    /// Makes a batch durable and answers it.
    fn append(&mut self, pending: Vec<Pending>) -> Result<(), Broken> {
        let bytes = pending.iter().map(Pending::bytes).sum();
        let started = Instant::now();
        let now = self.now();
        let checkpoints = self.shared.checkpoints().dirty();
        let items: Vec<Item<'_>> = pending
            .iter()
            .map(|pending| Item {
                topic: pending.topic,
                partition: pending.partition,
                record: &pending.encoded,
            })
            .collect();
        let result = self.store.commit(&items, &checkpoints, now);
        drop(items);
        let result = match result {
            Ok(committed) => {
                self.upkeep.committed = Instant::now();
                self.publish(pending, committed, &checkpoints, started);
                Ok(())
            }
            Err(broken) => {
                self.refuse(pending, &AppendError::Failed(broken.to_string()));
                Err(broken)
            }
        };
        self.shared.queue.settled(bytes);
        result
    }

    /// Writes the checkpoints that no batch has taken along.
    pub(super) fn write_checkpoints(&mut self) -> Result<(), Broken> {
        let checkpoints = self.shared.checkpoints().dirty();
        if checkpoints.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let committed = self.store.commit(&[], &checkpoints, now)?;
        self.note_checkpoints(&committed, &checkpoints);
        Ok(())
    }

    fn note_checkpoints(&self, committed: &Committed, checkpoints: &[(Partition, Checkpoint)]) {
        if committed.checkpoints {
            self.shared.checkpoints().stored(checkpoints);
        }
    }

    /// Wakes the readers of what is durable now, and answers.
    fn publish(
        &mut self,
        pending: Vec<Pending>,
        committed: Committed,
        checkpoints: &[(Partition, Checkpoint)],
        started: Instant,
    ) {
        let shared = Arc::clone(&self.shared);
        self.note_checkpoints(&committed, checkpoints);
        let Committed { time, outcomes, .. } = committed;
        let written = || {
            pending
                .iter()
                .zip(&outcomes)
                .filter_map(|(pending, outcome)| Some((pending, outcome.as_ref().ok().copied()?)))
        };
        {
            let mut tail = shared.tail();
            for (pending, position) in written() {
                // Nobody waits for dead letters.
                if pending.topic != TopicName::DeadLetters {
                    let queue = shared.queue_index(pending.topic, pending.partition);
                    tail.push(queue, frame(pending, position, time));
                }
            }
        }
        let grown: BTreeSet<(TopicName, Partition)> =
            written().map(|(pending, _)| (pending.topic, pending.partition)).collect();
        for (topic, partition) in grown {
            if let Ok(grown) = shared.grown(topic, partition) {
                grown.notify_waiters();
            }
        }
        let now = Instant::now();
        shared.meters.commit_seconds.record(now.duration_since(started).as_secs_f64());
        shared.meters.batch_records.record(written().count() as f64);
        if let Some((oldest, _)) = written().next() {
            let waited = now.duration_since(oldest.accepted);
            shared.meters.append_seconds.record(waited.as_secs_f64());
        }
        for topic in TopicName::ALL {
            let of_topic = written().filter(|(pending, _)| pending.topic == topic);
            let (count, payload, stored) = of_topic.fold((0, 0, 0), |sums, (pending, _)| {
                let payload = pending.record.payload.len() as u64;
                (sums.0 + 1, sums.1 + payload, sums.2 + pending.encoded.stored_bytes())
            });
            if count > 0 {
                shared.meters.appended(topic, count, payload, stored);
            }
        }
        for (pending, outcome) in pending.into_iter().zip(outcomes) {
            let answer = outcome.map_err(|refused| self.refusal_of(&pending, refused));
            // A caller that went away does not take its record back.
            let _gone = pending.answer.send(answer);
        }
    }

    /// Notes that a record found no room; gives the answer to its append.
    fn refusal_of(&mut self, pending: &Pending, refused: Refused) -> AppendError {
        let spans = pending.topic == TopicName::Spans && pending.record.kind == RecordKind::Spans;
        let error = match refused {
            Refused::NoRoom(none) => {
                let essential = !spans && pending.topic != TopicName::DeadLetters;
                let refusal = match none {
                    _ if essential => Refusal::DiskFull,
                    NoRoom::Quota => Refusal::Quota,
                    NoRoom::Disk => Refusal::DiskLow,
                };
                if spans || essential {
                    self.refuse_for(refusal);
                }
                match none {
                    NoRoom::Quota => self.shared.quota_reached(),
                    NoRoom::Disk => AppendError::DiskFull,
                }
            }
            Refused::Never => AppendError::TooLarge {
                size: pending.record.payload.len() as u64,
                limit: self.shared.max_payload,
            },
        };
        self.shared.meters.refused(pending.topic, &error, 1);
        error
    }

    fn refuse(&self, pending: impl IntoIterator<Item = Pending>, error: &AppendError) {
        for pending in pending {
            self.shared.meters.refused(pending.topic, error, 1);
            let _gone = pending.answer.send(Err(error.clone()));
        }
    }

    /// A write or a sync failed: what the disk holds is known only after a restart. Gives the
    /// reason.
    fn broke(&mut self, broken: &Broken) -> String {
        let directory = self.folder.path().display();
        tracing::error!(%directory, "the log is broken: {broken}: check the disk, then restart");
        let reason = format!("the log in `{directory}` is broken: {broken}");
        self.shared.set_broken(reason.clone());
        let waiting = self.shared.queue.abandon();
        self.refuse(waiting, &AppendError::Failed(reason.clone()));
        reason
    }

    fn finish(&mut self) -> Result<(), Broken> {
        self.write_checkpoints()?;
        let now = self.now();
        if self.store.wants_seal() {
            self.store.seal(now)?;
        }
        self.store.sync()?;
        self.write_marks(true);
        Ok(())
    }
}

fn frame(pending: &Pending, position: Position, time: LogTime) -> Frame {
    let record = &pending.record;
    Frame {
        position,
        time,
        kind: record.kind,
        epoch: record.epoch,
        payload: record.payload.clone(),
    }
}

/// Tells, also when the thread panics, that nobody writes any more, and why.
struct Ended {
    shared: Arc<Shared>,
    reason: String,
}

impl Drop for Ended {
    fn drop(&mut self) {
        // First the reason: who notices the end by what follows asks for it. There is one end.
        let _set = self.shared.reason.set(std::mem::take(&mut self.reason));
        // Dropping an answer settles it as closed.
        drop(self.shared.queue.abandon());
        self.shared.close();
        self.shared.ended.send_replace(true);
    }
}
