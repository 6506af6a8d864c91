//! Storing checkpoints.
//!
//! The client's synchronous commit waits for its answer without a bound, its asynchronous one
//! answers through a poll that may be waiting for us. So a thread of its own commits, all that has
//! come together since its last commit at once, and who asked waits a bounded time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use rdkafka::{
    Offset,
    consumer::{CommitMode, Consumer as _},
    error::{KafkaError as ClientError, RDKafkaErrorCode},
};
use tokio::sync::oneshot;

use super::{
    member::{Member, MemberClient},
    metrics::{Meters, Stored},
};
use crate::{
    position::Partition,
    reader::{Checkpoint, Committer, ReadError},
};

/// How long a commit may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most metadata that a broker keeps, in bytes.
const MAX_METADATA: usize = 4_096;

type Answer = oneshot::Sender<Result<(), ReadError>>;

/// Checkpoints on their way.
pub(super) struct Commits {
    member: Arc<Member>,
    meters: Arc<Meters>,
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// At most one for each partition: the newest.
    by_partition: BTreeMap<Partition, Pending>,
    ended: bool,
}

struct Pending {
    checkpoint: Checkpoint,
    answers: Vec<Answer>,
}

impl Commits {
    pub(super) fn new(member: &Arc<Member>, meters: &Arc<Meters>) -> Self {
        Self {
            member: Arc::clone(member),
            meters: Arc::clone(meters),
            waiting: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Commits what comes, until [`end`](Self::end).
    pub(super) fn run(&self, client: &MemberClient) {
        while let Some(pending) = self.wait() {
            self.store(client, pending);
        }
    }

    /// No more is taken; what waits is answered [`ReadError::Closed`].
    pub(super) fn end(&self) {
        let mut waiting = self.waiting();
        waiting.ended = true;
        // Dropped answers say so.
        waiting.by_partition.clear();
        self.changed.notify_all();
    }

    fn wait(&self) -> Option<BTreeMap<Partition, Pending>> {
        let idle = |waiting: &mut Waiting| waiting.by_partition.is_empty() && !waiting.ended;
        let waiting = self.changed.wait_while(self.waiting(), idle);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        (!waiting.ended).then(|| std::mem::take(&mut waiting.by_partition))
    }

    fn store(&self, client: &MemberClient, pending: BTreeMap<Partition, Pending>) {
        let ownership = &self.member.ownership;
        let (mut ours, mut list) = (Vec::new(), rdkafka::TopicPartitionList::new());
        for (partition, pending) in pending {
            if !ownership.owns(partition) {
                self.answer(pending, &Err(ReadError::NotOwner(partition.0)), Stored::NotOwner);
            } else if !ownership.goes_forward(partition, &pending.checkpoint) {
                self.answer(pending, &Ok(()), Stored::Done);
            } else {
                let number = i32::try_from(partition.0).unwrap_or(i32::MAX);
                let position = i64::try_from(pending.checkpoint.position.0).unwrap_or(i64::MAX);
                let mut one = list.add_partition(&self.member.topic, number);
                // A position of this kind is always taken.
                let _set = one.set_offset(Offset::Offset(position));
                one.set_metadata(&pending.checkpoint.metadata);
                ours.push((partition, pending));
            }
        }
        if ours.is_empty() {
            return;
        }
        let begun = Instant::now();
        let stored = client.commit(&list, CommitMode::Sync);
        self.meters.commit_seconds.record(begun.elapsed());
        for (partition, pending) in ours {
            let (answer, result) = self.judge(partition, &stored);
            if answer.is_ok() {
                ownership.stored(partition, &pending.checkpoint);
            }
            self.answer(pending, &answer, result);
        }
    }

    fn judge(
        &self,
        partition: Partition,
        stored: &Result<(), ClientError>,
    ) -> (Result<(), ReadError>, Stored) {
        use RDKafkaErrorCode as Code;
        let Err(error) = stored else { return (Ok(()), Stored::Done) };
        let gone = match error.rdkafka_error_code() {
            // The group took us for dead, or somebody else has our name.
            Some(Code::UnknownMemberId | Code::FencedInstanceId | Code::FencedMemberEpoch) => true,
            // The group has moved on. With this partition still ours, so will the next commit.
            Some(Code::IllegalGeneration | Code::StaleMemberEpoch) => {
                !self.member.ownership.owns(partition)
            }
            _ => false,
        };
        if gone {
            return (Err(ReadError::NotOwner(partition.0)), Stored::NotOwner);
        }
        (Err(ReadError::Failed(format!("commit: {error}"))), Stored::Failed)
    }

    fn answer(&self, pending: Pending, answer: &Result<(), ReadError>, result: Stored) {
        self.meters.committed(result, 1);
        for waiting in pending.answers {
            // Who asked may have stopped waiting.
            let _gone = waiting.send(answer.clone());
        }
    }

    /// Takes a checkpoint; the answer comes later.
    fn take(
        &self,
        partition: Partition,
        mut checkpoint: Checkpoint,
    ) -> Result<oneshot::Receiver<Result<(), ReadError>>, ReadError> {
        let partitions = self.member.partitions;
        if partition.0 >= partitions {
            return Err(ReadError::NoSuchPartition { partition: partition.0, partitions });
        }
        if checkpoint.metadata.len() > MAX_METADATA {
            // A hint: without it the next owner has more to do.
            tracing::warn!(bytes = checkpoint.metadata.len(), "a commit's metadata is too long");
            checkpoint.metadata.clear();
        }
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting();
        if waiting.ended {
            return Err(ReadError::Closed);
        }
        if !self.member.ownership.owns(partition) {
            return Err(ReadError::NotOwner(partition.0));
        }
        let pending = waiting
            .by_partition
            .entry(partition)
            .or_insert_with(|| Pending { checkpoint: checkpoint.clone(), answers: Vec::new() });
        if pending.checkpoint.position <= checkpoint.position {
            pending.checkpoint = checkpoint;
        }
        pending.answers.retain(|answer| !answer.is_closed());
        pending.answers.push(sender);
        self.changed.notify_one();
        Ok(receiver)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Committer for Commits {
    fn commit(
        &self,
        partition: Partition,
        checkpoint: Checkpoint,
    ) -> BoxFuture<'_, Result<(), ReadError>> {
        Box::pin(async move {
            let answer = self.take(partition, checkpoint)?;
            match tokio::time::timeout(PATIENCE, answer).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(ReadError::Closed),
                Err(_) => {
                    let reason = self.member.fate.last_error();
                    let reason = reason.unwrap_or_else(|| "no answer".to_owned());
                    let seconds = PATIENCE.as_secs();
                    Err(ReadError::Failed(format!("commit: not within {seconds} s: {reason}")))
                }
            }
        })
    }
}
