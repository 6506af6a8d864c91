//! The writer thread: makes appends durable, many at a time, and answers them.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use fjall::OwnedWriteBatch;

use super::{
    checkpoints::{checkpoint_key, encode_checkpoint},
    codec,
    queue::{Pending, Taken},
    recovery::{Base, base_key, encode_base},
    shared::{Refusal, Shared},
    slices::{Slice, Slices, Span, slice_name},
    state::{Appender, Upkeep},
    store::{Store, StoreError},
};
use crate::{
    position::{LogTime, Partition, Position},
    reader::Checkpoint,
    record::Frame,
    topic::TopicName,
    writer::AppendError,
};

/// How long the writer thread waits for appends before it looks around.
const PATIENCE: Duration = Duration::from_millis(100);

/// Commits begin no closer together than this: what arrives in between shares the next one. A
/// commit costs the same whether it carries one record or a hundred, and senders wait for the
/// disk about as long anyway. An append that finds the log idle is committed at once.
const COMMIT_INTERVAL: Duration = Duration::from_millis(3);

/// A batch that is about to be made durable.
struct Draft {
    batch: OwnedWriteBatch,
    /// What to tell once it is.
    written: Vec<Written>,
    checkpoints: Vec<(Partition, Checkpoint)>,
}

/// One record of a draft.
struct Written {
    pending: Pending,
    position: u64,
    time: LogTime,
    stored: u64,
}

impl Appender {
    /// Runs until the log is closed, then makes durable what is left.
    pub(super) fn run(mut self) {
        let _ended = Ended(Arc::clone(&self.shared));
        let batch_bytes = self.shared.settings.batch_bytes();
        let mut next_commit = Instant::now();
        loop {
            if self.shared.queue.wait(PATIENCE) {
                std::thread::sleep(next_commit.saturating_duration_since(Instant::now()));
            }
            match self.shared.queue.take(batch_bytes) {
                Taken::Closed => break,
                Taken::Batch(batch) if batch.is_empty() => {}
                Taken::Batch(batch) => {
                    next_commit = Instant::now() + COMMIT_INTERVAL;
                    self.append(batch);
                }
            }
            self.look_around();
        }
        self.finish();
    }

    /// Makes a batch durable and answers it.
    fn append(&mut self, pending: Vec<Pending>) {
        let bytes = pending.iter().map(Pending::bytes).sum();
        self.shared.hooks.wait_while_stalled();
        self.make_durable(pending);
        self.shared.queue.settled(bytes);
    }

    fn make_durable(&mut self, pending: Vec<Pending>) {
        // The store may have failed since these were accepted.
        if matches!(self.shared.refusal(), Refusal::DiskFull | Refusal::Broken) {
            let refused = |topic| self.shared.refused(topic).unwrap_or(AppendError::DiskFull);
            let error = refused(TopicName::Decisions);
            return self.refuse(pending.into_iter(), &error);
        }
        let Some(store) = self.store.take() else {
            return self.refuse(pending.into_iter(), &AppendError::DiskFull);
        };
        let started = Instant::now();
        let result = match self.begin_slices(&store, &pending) {
            Err(error) => Err((error, pending)),
            Ok(begun) => {
                let next = self.next.clone();
                let draft = self.draft(&store, pending, &begun);
                let Draft { batch, written, checkpoints } = draft;
                match self.commit(&store, batch) {
                    Ok(()) => {
                        self.publish(written, &checkpoints, started);
                        Ok(())
                    }
                    Err(error) => {
                        self.next = next;
                        Err((error, written.into_iter().map(|w| w.pending).collect()))
                    }
                }
            }
        };
        self.store = Some(store);
        if let Err((error, pending)) = result {
            self.fail(&error, pending);
        }
    }

    /// Begins a new slice for each topic of the batch that needs one.
    fn begin_slices(
        &mut self,
        store: &Store,
        pending: &[Pending],
    ) -> Result<Vec<TopicName>, StoreError> {
        let topics: BTreeSet<TopicName> = pending.iter().map(|pending| pending.topic).collect();
        let now = self.clock.now(&self.shared.hooks.clock);
        let mut begun = Vec::new();
        for topic in topics {
            let id = {
                let slices = self.shared.slices();
                match slices.of(topic).last() {
                    Some(newest) if !self.is_full(topic, newest, now) => continue,
                    Some(newest) => newest.id + 1,
                    None => self.upkeep.next_id(topic),
                }
            };
            let keyspace = store.keyspace(&slice_name(topic, id))?;
            let spans = self.next[topic.index()]
                .iter()
                .map(|&next| Span { first: next, end: next })
                .collect();
            let slice = Slice {
                id,
                keyspace,
                spans,
                bytes: 0,
                first_time: now,
                last_time: now,
                unflushed_since: None,
                sealed: false,
            };
            let mut slices = self.shared.slices_mut();
            let slices = slices.of_mut(topic);
            if let Some(before) = slices.last_mut() {
                before.sealed = true;
            }
            slices.push(slice);
            begun.push(topic);
        }
        Ok(begun)
    }

    /// Whether a slice takes no more records.
    fn is_full(&self, topic: TopicName, slice: &Slice, now: LogTime) -> bool {
        let settings = &self.shared.settings;
        // Retention by time goes by whole slices: eight of them overlap it by an eighth.
        let age = match topic {
            TopicName::Spans => u64::MAX,
            TopicName::Decisions => settings.decision_retention / 8,
            TopicName::DeadLetters => settings.dead_letter_retention / 8,
        };
        slice.sealed
            || slice.bytes >= settings.slice_bytes()
            || now.since(slice.first_time) >= age.max(1_000)
    }

    /// Puts records and checkpoints into one batch.
    fn draft(&mut self, store: &Store, pending: Vec<Pending>, begun: &[TopicName]) -> Draft {
        let mut batch = store.batch(pending.len() + 8);
        let time = self.clock.now(&self.shared.hooks.clock);
        for &topic in begun {
            let base = Base { time, next: self.next[topic.index()].clone() };
            batch.insert(&store.meta, base_key(topic), encode_base(&base));
        }
        let checkpoints = self.shared.checkpoints().dirty();
        for (partition, checkpoint) in &checkpoints {
            let value = encode_checkpoint(checkpoint);
            batch.insert(&store.meta, checkpoint_key(*partition), value);
        }
        let mut written = Vec::with_capacity(pending.len());
        let slices = self.shared.slices();
        for mut pending in pending {
            let at = usize::try_from(pending.partition.0).unwrap_or(usize::MAX);
            let topic = pending.topic;
            let place = self.next[topic.index()].get_mut(at).zip(slices.of(topic).last());
            // Partitions were checked on the way in, and each topic has a slice by now.
            let Some((next, slice)) = place else { continue };
            let position = *next;
            *next += 1;
            let key = codec::key(topic, pending.partition, position);
            codec::seal(&key, &mut pending.value, time);
            let value = std::mem::take(&mut pending.value);
            let stored = (value.len() + key.len()) as u64;
            batch.insert(&slice.keyspace, key.as_slice(), value);
            written.push(Written { pending, position, time, stored });
        }
        Draft { batch, written, checkpoints }
    }

    pub(super) fn commit(&self, store: &Store, batch: OwnedWriteBatch) -> Result<(), StoreError> {
        if self.shared.hooks.commit_fails() {
            return Err(StoreError::Full);
        }
        store.commit(batch)
    }

    /// Lets the readers see what is durable now, and answers.
    fn publish(
        &mut self,
        written: Vec<Written>,
        checkpoints: &[(Partition, Checkpoint)],
        started: Instant,
    ) {
        let shared = Arc::clone(&self.shared);
        let before = self.appended;
        {
            let mut slices = shared.slices_mut();
            for record in &written {
                note(&mut slices, record, before);
                self.appended += record.stored;
            }
        }
        shared.checkpoints().stored(checkpoints);
        {
            let mut tail = shared.tail();
            for Written { pending, position, time, .. } in &written {
                // Nobody waits for dead letters.
                if pending.topic != TopicName::DeadLetters {
                    let queue = shared.queue_index(pending.topic, pending.partition);
                    tail.push(queue, frame(pending, *position, *time));
                }
            }
        }
        self.publish_ends(&written);
        let now = Instant::now();
        shared.meters.commit_seconds.record(now.duration_since(started).as_secs_f64());
        shared.meters.batch_records.record(written.len() as f64);
        if let Some(oldest) = written.first() {
            let waited = now.duration_since(oldest.pending.accepted);
            shared.meters.append_seconds.record(waited.as_secs_f64());
        }
        for topic in TopicName::ALL {
            let of_topic = written.iter().filter(|record| record.pending.topic == topic);
            let (count, payload, stored) = of_topic.fold((0, 0, 0), |sums, record| {
                let payload = record.pending.record.payload.len() as u64;
                (sums.0 + 1, sums.1 + payload, sums.2 + record.stored)
            });
            if count > 0 {
                shared.meters.appended(topic, count, payload, stored);
            }
        }
        for Written { pending, position, .. } in written {
            // A caller that went away does not take its record back.
            let _gone = pending.answer.send(Ok(Position(position)));
        }
    }

    /// Wakes the readers, once for each partition.
    fn publish_ends(&self, written: &[Written]) {
        let grown: BTreeSet<(TopicName, Partition)> =
            written.iter().map(|w| (w.pending.topic, w.pending.partition)).collect();
        for (topic, partition) in grown {
            let at = usize::try_from(partition.0).unwrap_or(usize::MAX);
            let end = self.next[topic.index()].get(at).copied();
            if let Some((state, end)) = self.shared.partition(topic, partition).zip(end) {
                state.grow(end);
            }
        }
    }

    /// A batch did not become durable: answers it and sees what is to be done about the store.
    fn fail(&mut self, error: &StoreError, pending: Vec<Pending>) {
        let full = self.store_failed(error);
        let answer = match error {
            _ if full => AppendError::DiskFull,
            StoreError::Full | StoreError::Poisoned => {
                AppendError::Failed("an earlier write failed".to_owned())
            }
            StoreError::Failed(reason) => AppendError::Failed(reason.clone()),
        };
        self.refuse(pending.into_iter(), &answer);
    }

    fn refuse(&self, pending: impl Iterator<Item = Pending>, error: &AppendError) {
        for pending in pending {
            self.shared.meters.refused(pending.topic, error, 1);
            let _gone = pending.answer.send(Err(error.clone()));
        }
    }

    /// Stores the checkpoints that no batch has taken along.
    pub(super) fn store_checkpoints(&mut self) -> Result<(), StoreError> {
        let checkpoints = self.shared.checkpoints().dirty();
        let Some(store) = self.store.as_ref().filter(|_| !checkpoints.is_empty()) else {
            return Ok(());
        };
        let mut batch = store.batch(checkpoints.len());
        for (partition, checkpoint) in &checkpoints {
            let value = encode_checkpoint(checkpoint);
            batch.insert(&store.meta, checkpoint_key(*partition), value);
        }
        self.commit(store, batch)?;
        self.shared.checkpoints().stored(&checkpoints);
        Ok(())
    }

    fn finish(&mut self) {
        if let Err(error) = self.store_checkpoints() {
            tracing::error!(?error, "storing the last checkpoints failed: work is done again");
        }
        self.write_marks();
        // Readers that are still at it finish first.
        let _no_readers = self.shared.close_gate();
        *self.shared.slices_mut() = Slices::default();
        self.upkeep = Upkeep::new();
        self.store = None;
    }
}

/// Notes a durable record in its slice.
fn note(slices: &mut Slices, record: &Written, appended: u64) {
    let at = usize::try_from(record.pending.partition.0).unwrap_or(usize::MAX);
    let Some(slice) = slices.of_mut(record.pending.topic).last_mut() else { return };
    if let Some(span) = slice.spans.get_mut(at) {
        span.end = record.position + 1;
    }
    slice.bytes += record.stored;
    slice.last_time = record.time;
    slice.unflushed_since.get_or_insert(appended);
}

fn frame(pending: &Pending, position: u64, time: LogTime) -> Frame {
    let record = &pending.record;
    Frame {
        position: Position(position),
        time,
        kind: record.kind,
        epoch: record.epoch,
        payload: record.payload.clone(),
    }
}

/// Tells, also when the thread panics, that nobody writes any more.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.queue.abandon();
        self.0.close();
        self.0.ended.send_replace(true);
    }
}
