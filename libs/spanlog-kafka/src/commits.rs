//! Storing checkpoints.
//!
//! The client's synchronous commit waits for its answer without a bound, its asynchronous one
//! answers through a poll that may be waiting for us. So a thread of its own commits, all that has
//! come together since its last commit at once, and each caller waits a bounded time.

use std::{
    collections::{BTreeMap, btree_map::Entry},
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
use wholetrace_spanlog::{Checkpoint, Committer, Partition, ReadError, TopicName};

use super::{
    identity::{self, Mark},
    member::{Member, MemberClient},
    metrics::{Meters, Stored},
};

/// How long a commit may take, once it is on its way.
const TIMEOUT: Duration = Duration::from_secs(10);

/// When a commit that was overtaken by a change of the group is tried again.
const AGAIN: Duration = Duration::from_millis(200);

type Answer = oneshot::Sender<Result<(), ReadError>>;

/// Checkpoints on their way.
pub(super) struct Commits {
    member: Arc<Member>,
    meters: Arc<Meters>,
    /// How long after a commit the next one waits for what comes together meanwhile.
    interval: Duration,
    waiting: Mutex<Waiting>,
    changed: Condvar,
    /// Of the member; `None` at the end.
    client: Mutex<Option<Arc<MemberClient>>>,
}

#[derive(Default)]
struct Waiting {
    /// At most one for each partition: the newest.
    by_partition: BTreeMap<Partition, Pending>,
    /// Whether somebody cannot wait.
    at_once: bool,
    /// When the last ones were taken.
    last: Option<Instant>,
    ended: bool,
}

struct Pending {
    checkpoint: Checkpoint,
    answers: Vec<Answer>,
}

impl Commits {
    /// For `member`, whose client commits.
    pub(super) fn new(
        member: &Arc<Member>,
        meters: &Arc<Meters>,
        interval: Duration,
        client: &Arc<MemberClient>,
    ) -> Self {
        Self {
            member: Arc::clone(member),
            meters: Arc::clone(meters),
            interval,
            waiting: Mutex::default(),
            changed: Condvar::new(),
            client: Mutex::new(Some(Arc::clone(client))),
        }
    }

    /// Commits until [`end`](Self::end).
    pub(super) fn run(&self) {
        while let Some(pending) = self.wait() {
            let Some(client) = self.client().clone() else { return };
            self.store(&client, pending);
        }
    }

    /// Commits go through `client` from now on.
    pub(super) fn commit_with(&self, client: &Arc<MemberClient>) {
        *self.client() = Some(Arc::clone(client));
    }

    /// No more is taken; what waits is answered [`ReadError::Closed`].
    pub(super) fn end(&self) {
        let mut waiting = self.waiting();
        waiting.ended = true;
        // Dropped answers say so.
        waiting.by_partition.clear();
        self.changed.notify_all();
        *self.client() = None;
    }

    fn wait(&self) -> Option<BTreeMap<Partition, Pending>> {
        let idle = |waiting: &mut Waiting| waiting.by_partition.is_empty() && !waiting.ended;
        let waiting = self.changed.wait_while(self.waiting(), idle);
        let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let left = waiting
            .last
            .map_or(Duration::ZERO, |last| self.interval.saturating_sub(last.elapsed()));
        let early = |waiting: &mut Waiting| !waiting.at_once && !waiting.ended;
        let waiting = self.changed.wait_timeout_while(waiting, left, early);
        let (mut waiting, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        (waiting.at_once, waiting.last) = (false, Some(Instant::now()));
        (!waiting.ended).then(|| std::mem::take(&mut waiting.by_partition))
    }

    fn store(&self, client: &MemberClient, pending: BTreeMap<Partition, Pending>) {
        let assignment = &self.member.assignment;
        let (mut ours, mut list) = (Vec::new(), rdkafka::TopicPartitionList::new());
        for (partition, pending) in pending {
            if !assignment.owns(partition) {
                self.answer(pending, &Err(ReadError::NotOwner(partition.0)), Stored::NotOwner);
            } else if !assignment.goes_forward(partition, &pending.checkpoint) {
                self.answer(pending, &Ok(()), Stored::Done);
            } else {
                let number = i32::try_from(partition.0).unwrap_or(i32::MAX);
                let position = i64::try_from(pending.checkpoint.position.0).unwrap_or(i64::MAX);
                let mut one = list.add_partition(&self.member.topic, number);
                // A position of this kind is always taken.
                let _set = one.set_offset(Offset::Offset(position));
                let marks = self.marks(partition);
                let metadata = &pending.checkpoint.metadata;
                one.set_metadata(identity::write(metadata, marks, Checkpoint::MAX_METADATA));
                ours.push((partition, pending));
            }
        }
        if ours.is_empty() {
            return;
        }
        let begun = Instant::now();
        let stored = client.commit(&list, CommitMode::Sync);
        self.meters.commit_seconds.record(begun.elapsed());
        if Self::is_overtaken(&stored) {
            self.again(ours);
            return;
        }
        for (partition, pending) in ours {
            let (answer, result) = self.judge(partition, &stored);
            if answer.is_ok() {
                assignment.stored(partition, &pending.checkpoint, self.marks(partition));
            }
            self.answer(pending, &answer, result);
        }
    }

    /// What is known of the logs of `partition`.
    fn marks(&self, partition: Partition) -> [Option<Mark>; 2] {
        identity::TOPICS.map(|topic| self.member.identities.mark((topic, partition)))
    }

    fn judge(
        &self,
        partition: Partition,
        stored: &Result<(), ClientError>,
    ) -> (Result<(), ReadError>, Stored) {
        use RDKafkaErrorCode as Code;
        let Err(error) = stored else { return (Ok(()), Stored::Done) };
        // The group took us for dead, or somebody else has our name.
        let gone = matches!(
            error.rdkafka_error_code(),
            Some(Code::UnknownMemberId | Code::FencedInstanceId | Code::FencedMemberEpoch)
        );
        if gone {
            return (Err(ReadError::NotOwner(partition.0)), Stored::NotOwner);
        }
        (Err(ReadError::Failed(format!("commit: {error}"))), Stored::Failed)
    }

    /// Whether the group has moved on while we asked: with a partition still ours, so will the next
    /// commit.
    fn is_overtaken(stored: &Result<(), ClientError>) -> bool {
        use RDKafkaErrorCode as Code;
        let code = stored.as_ref().err().and_then(ClientError::rdkafka_error_code);
        matches!(
            code,
            Some(Code::IllegalGeneration | Code::StaleMemberEpoch | Code::RebalanceInProgress)
        )
    }

    /// Takes `pending` once more, in a moment, as far as somebody still waits for it. What is not
    /// ours any more by then is refused.
    fn again(&self, pending: Vec<(Partition, Pending)>) {
        std::thread::sleep(AGAIN);
        let mut waiting = self.waiting();
        if waiting.ended {
            return;
        }
        for (partition, mut old) in pending {
            old.answers.retain(|answer| !answer.is_closed());
            match waiting.by_partition.entry(partition) {
                Entry::Occupied(mut newer) => newer.get_mut().answers.append(&mut old.answers),
                Entry::Vacant(_) if old.answers.is_empty() => {}
                Entry::Vacant(place) => {
                    place.insert(old);
                }
            }
        }
        waiting.at_once = true;
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
        at_once: bool,
    ) -> Result<oneshot::Receiver<Result<(), ReadError>>, ReadError> {
        let partitions = self.member.partitions;
        if partition.0 >= partitions {
            return Err(ReadError::NoSuchPartition { partition: partition.0, partitions });
        }
        if checkpoint.metadata.len() > Checkpoint::MAX_METADATA {
            // A hint: without it the next owner has more to do.
            tracing::warn!(bytes = checkpoint.metadata.len(), "a commit's metadata is too long");
            checkpoint.metadata.clear();
        }
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting();
        if waiting.ended {
            return Err(ReadError::Closed);
        }
        if !self.member.assignment.owns(partition) {
            return Err(ReadError::NotOwner(partition.0));
        }
        if self.member.identities.take_replaced((TopicName::Spans, partition)) {
            // Positions of another log: they say nothing about this one.
            waiting.by_partition.remove(&partition);
            self.member.assignment.begin_anew(partition);
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
        waiting.at_once |= at_once;
        self.changed.notify_one();
        Ok(receiver)
    }

    fn client(&self) -> MutexGuard<'_, Option<Arc<MemberClient>>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Commits {
    async fn ask(
        &self,
        partition: Partition,
        checkpoint: Checkpoint,
        at_once: bool,
    ) -> Result<(), ReadError> {
        let answer = self.take(partition, checkpoint, at_once)?;
        let timeout = if at_once { TIMEOUT } else { self.interval + TIMEOUT };
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(ReadError::Closed),
            Err(_) => {
                let reason = self.member.health.last_error();
                let reason = reason.unwrap_or_else(|| "no answer".to_owned());
                let seconds = timeout.as_secs();
                Err(ReadError::Failed(format!("commit: not within {seconds} s: {reason}")))
            }
        }
    }
}

impl Committer for Commits {
    fn commit(
        &self,
        partition: Partition,
        checkpoint: Checkpoint,
    ) -> BoxFuture<'_, Result<(), ReadError>> {
        Box::pin(self.ask(partition, checkpoint, false))
    }

    fn commit_at_once(
        &self,
        partition: Partition,
        checkpoint: Checkpoint,
    ) -> BoxFuture<'_, Result<(), ReadError>> {
        Box::pin(self.ask(partition, checkpoint, true))
    }
}
