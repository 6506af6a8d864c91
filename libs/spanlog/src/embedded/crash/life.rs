//! A process that uses the log, from its start to its end.

use std::sync::Arc;

use super::{
    history::{Answer, Batch, Event, PARTITIONS, Sent},
    oracle::{Harm, Oracle},
    seen::{Mark, Seen},
    sim::{Call, Cut, SimDisk, State},
    subject::{Subject, refusal},
};
use crate::{
    position::{LogTime, Partition, Position},
    record::RecordKind,
    topic::TopicName,
};

/// A process on a simulated disk, with all that it did.
pub(super) struct Life {
    pub(super) disk: SimDisk,
    /// `None` once it has failed.
    pub(super) log: Option<Subject>,
    /// The log that failed.
    pub(super) failed: Option<Subject>,
    /// What was known when it started.
    pub(super) before: Oracle,
    /// What is known now.
    pub(super) oracle: Oracle,
    pub(super) events: Vec<Event>,
    pub(super) ids: u32,
    pub(super) now: LogTime,
    /// The latest `now`.
    pub(super) latest: LogTime,
}

impl Life {
    /// Starts on `state`, of which `before` is known, and checks what it finds. With `record`,
    /// the disk keeps its moments from the start.
    pub(super) fn start(
        state: State,
        before: Oracle,
        ids: u32,
        now: LogTime,
        record: bool,
    ) -> Result<Self, String> {
        let disk = SimDisk::start(state);
        if record {
            disk.record();
        }
        let oracle = before.clone();
        let (log, failed, events, latest) = (None, None, Vec::new(), now);
        let mut life = Self { disk, log, failed, oracle, before, events, ids, now, latest };
        life.open()?;
        Ok(life)
    }

    /// Opens the log, as the process that is started again does. It may stop meanwhile.
    pub(super) fn open(&mut self) -> Result<(), String> {
        // A process that still holds the log lets go of it first.
        (self.log, self.failed) = (None, None);
        let opened = Subject::open(&self.disk).map_err(refusal).and_then(|log| {
            let seen = log.seen()?;
            Ok((log, seen))
        });
        let (log, seen) = match opened {
            Err(_) if self.is_disturbed() => return Ok(()),
            // Nobody sees what is read of a machine that has stopped meanwhile.
            Ok(_) if self.disk.has_stopped() => return Ok(()),
            opened => opened?,
        };
        self.latest = self.latest.max(self.now);
        let seen = Arc::new(Seen { now: self.latest, ..seen });
        self.oracle.settle();
        self.oracle.check(&seen, Harm::None)?;
        self.event(Event::Opened(seen));
        self.log = Some(log);
        Ok(())
    }

    /// Whether something was done to the disk that a log may fail of.
    fn is_disturbed(&self) -> bool {
        self.disk.struck() > 0 || self.disk.has_stopped()
    }

    /// The process is killed, or the power goes, and it starts again.
    pub(super) fn again(&self, cut: Option<Cut>) -> Result<Self, String> {
        Self::start(self.left(cut), self.known(), self.ids, self.latest.plus(1), false)
    }

    /// What a kill or a power cut leaves.
    pub(super) fn left(&self, cut: Option<Cut>) -> State {
        let state = self.disk.state();
        cut.map_or_else(|| state.killed(), |cut| state.cut(cut))
    }

    fn event(&mut self, event: Event) {
        self.events.push(event);
        self.disk.mark(self.events.len());
    }

    /// A record that is sent next.
    pub(super) fn record(
        &mut self,
        topic: TopicName,
        partition: u32,
        kind: RecordKind,
        len: usize,
    ) -> Sent {
        self.ids += 1;
        Sent { id: self.ids, topic, partition: Partition(partition), kind, len }
    }

    /// A frame of spans that is sent next.
    pub(super) fn spans(&mut self, partition: u32, len: usize) -> Sent {
        self.record(TopicName::Spans, partition, RecordKind::Spans, len)
    }

    /// A checkpoint of all that is stored of a partition but the last `left` positions.
    pub(super) fn finished(&mut self, partition: u32, left: u64) -> Mark {
        self.ids += 1;
        let partition = Partition(partition);
        let end = self.oracle.floor((TopicName::Spans, partition));
        let position = Position(end.0.saturating_sub(left));
        Mark { partition, position, metadata: format!("checkpoint {}", self.ids) }
    }

    /// Sends a batch, if the log has not failed, and takes the answer into account.
    pub(super) fn send(&mut self, mut batch: Batch) -> Result<Option<Answer>, String> {
        self.now = self.now.plus(1);
        self.latest = self.latest.max(self.now);
        let Some(log) = self.log.as_mut() else { return Ok(None) };
        let sent = self.events.len();
        self.events.push(Event::Sent(batch.clone()));
        self.disk.mark(self.events.len());
        let writes = self.disk.calls_of(Call::Write);
        let answer = log.send(&batch, self.now);
        if let Answer::Done { time, .. } = &answer
            && *time != self.now
        {
            return Err(format!("sent at {:?}, and stored at {time:?}", self.now));
        }
        if matches!(answer, Answer::Failed(_)) {
            self.failed = self.log.take();
        }
        // One group is one write, and a second one when it begins a segment.
        let writes = self.disk.calls_of(Call::Write) - writes;
        batch.whole = batch.records.len() + batch.checkpoints.len() == 1
            || batch.is_of_one_topic() && answer.is_complete() && writes <= 2;
        self.events[sent] = Event::Sent(batch);
        self.event(Event::Answered(answer.clone()));
        for event in &self.events[sent..] {
            self.oracle.take(event)?;
        }
        Ok(Some(answer))
    }

    pub(super) fn send_records(&mut self, records: Vec<Sent>) -> Result<Option<Answer>, String> {
        self.send(Batch { records, ..Batch::default() })
    }

    /// Checkpoints all partitions but the last `left` positions of each.
    pub(super) fn finish(&mut self, left: u64) -> Result<Option<Answer>, String> {
        let checkpoints = (0..PARTITIONS).map(|partition| self.finished(partition, left)).collect();
        self.send(Batch { checkpoints, ..Batch::default() })
    }

    /// Frees what nobody needs any more.
    pub(super) fn free(&mut self) -> Result<(), String> {
        let now = self.now;
        self.run(|log| log.free(now).map(|_| ()))
    }

    /// Proves that the last group is durable.
    pub(super) fn seal(&mut self) -> Result<(), String> {
        let now = self.now;
        self.run(|log| log.seal(now))
    }

    /// Does something that only fails with the disk. A log that has failed is gone.
    pub(super) fn run(
        &mut self,
        act: impl FnOnce(&mut Subject) -> Result<(), String>,
    ) -> Result<(), String> {
        self.latest = self.latest.max(self.now);
        if let Some(Err(what)) = self.log.as_mut().map(act) {
            self.failed = self.log.take();
            if !self.is_disturbed() {
                return Err(what);
            }
        }
        Ok(())
    }

    /// What is known if the machine stops now.
    pub(super) fn known(&self) -> Oracle {
        let mut oracle = self.oracle.clone();
        oracle.settle();
        oracle
    }
}
