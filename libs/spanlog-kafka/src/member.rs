//! The client that is a member of the group.
//!
//! It has the membership and the commits, and reads nothing: its partitions are paused before
//! they are assigned. Reading is done elsewhere, so that no data stands between the brokers'
//! events and us, and a rebalance moves nothing but assignment.
//!
//! The pitfalls that decide how this is built:
//!
//! * Rebalances happen while the client is polled: a thread of its own polls it, all the time, and
//!   never blocks for longer than a third of the session.
//! * What is revoked is handed on when the callback returns: it waits there until nothing works on
//!   it any more, for a bounded time. Giving partitions up later would race with getting them
//!   back.
//! * Commits are answered elsewhere (`commits`): their answers would come through the poll that is
//!   waiting.
//! * State dies with the assignment: nothing of a partition outlives its being ours.
//! * Closing may hang: it is done on the same thread, for a bounded time.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::{ClientConfig, RDKafkaLogLevel},
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::KafkaError as ClientError,
    types::RDKafkaRespErr,
};
use wholetrace_spanlog::{Checkpoint, Partition, Position};

use super::{
    assignment::{Assignment, Remembered},
    events::Events,
    health::ClientHealth,
    identity::{self, Identities},
};

/// How long the thread waits for something to happen.
const POLL: Duration = Duration::from_millis(50);

/// How long asking for stored checkpoints may take; asked again if it takes longer.
const ASK: Duration = Duration::from_secs(3);

/// How long a revocation waits when the log closes.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(10);

/// How long leaving the group may take, beyond the wait for what is being worked on. Both together are
/// less than closing the log may take.
const LEAVING_TIMEOUT: Duration = Duration::from_secs(3);

/// The client of a member.
pub(super) type MemberClient = BaseConsumer<MemberContext>;

/// What the thread of a member shares with its handles.
pub(super) struct Member {
    pub(super) health: Arc<ClientHealth>,
    pub(super) assignment: Arc<Assignment>,
    pub(super) identities: Arc<Identities>,
    /// The topic that the group is about.
    pub(super) topic: String,
    /// How many partitions it had at the start.
    pub(super) partitions: u32,
    /// How long a revocation waits.
    timeout: Duration,
    /// Whether the group has given us partitions, be they none.
    joined: AtomicBool,
    /// Whether to leave.
    leaving: AtomicBool,
    /// The client to come back with, once this one has left.
    next: Mutex<Option<Arc<MemberClient>>>,
    /// Counts up as long as the thread is well.
    beats: AtomicU64,
    /// Messages that came all the same.
    strays: AtomicU64,
}

/// What the client calls.
pub(super) struct MemberContext {
    events: Events,
    member: Arc<Member>,
    /// Whether another client is the member now: what this one still says is of no interest.
    replaced: AtomicBool,
}

impl Member {
    pub(super) fn new(
        health: &Arc<ClientHealth>,
        assignment: &Arc<Assignment>,
        identities: &Arc<Identities>,
        topic: &str,
        partitions: u32,
        session: Duration,
    ) -> Self {
        Self {
            health: Arc::clone(health),
            assignment: Arc::clone(assignment),
            identities: Arc::clone(identities),
            topic: topic.to_owned(),
            partitions,
            timeout: (session / 3).min(Duration::from_secs(5)),
            joined: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            next: Mutex::default(),
            beats: AtomicU64::new(0),
            strays: AtomicU64::new(0),
        }
    }

    /// A client that will join the group with `settings`.
    pub(super) fn client(
        self: &Arc<Self>,
        settings: &ClientConfig,
    ) -> Result<Arc<MemberClient>, ClientError> {
        let events = Events::new("member", settings, &self.health);
        let member = Arc::clone(self);
        let context = MemberContext { events, member, replaced: AtomicBool::new(false) };
        Ok(Arc::new(settings.create_with_context(context)?))
    }

    /// Whether the group has given it partitions, be they none.
    pub(super) fn has_joined(&self) -> bool {
        self.joined.load(Ordering::Acquire)
    }

    /// Leaves the group soon, in order.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// A number that counts up as long as the thread is well.
    pub(super) fn beats(&self) -> u64 {
        self.beats.load(Ordering::Acquire)
    }

    /// How many messages came although partitions are paused.
    #[cfg(test)]
    pub(super) fn strays(&self) -> u64 {
        self.strays.load(Ordering::Acquire)
    }

    /// Leaves the group soon, in order, and joins it again with a new client with `settings`.
    pub(super) fn renew(self: &Arc<Self>, settings: &ClientConfig) -> Result<(), ClientError> {
        let client = self.client(settings)?;
        *self.next() = Some(client);
        Ok(())
    }

    /// Takes part in the group until told to leave or until the client cannot go on. Gives the client
    /// to take part with next, if there is one.
    pub(super) fn take_part(&self, client: &MemberClient) -> Option<Arc<MemberClient>> {
        if let Err(error) = client.subscribe(&[&self.topic]) {
            self.health.end(&format!("the group cannot be joined: {error}"));
        }
        let stays = || !self.is_leaving() && self.next().is_none();
        let mut well = true;
        while well && stays() {
            well = self.poll(client);
            if well {
                self.announce(client);
            }
        }
        if well {
            // The rest of the group gets the partitions now and not after the session's end.
            client.unsubscribe();
            let deadline = Instant::now() + CLOSING_TIMEOUT + LEAVING_TIMEOUT;
            while !self.assignment.is_empty() && Instant::now() < deadline && self.poll(client) {}
        }
        client.context().replaced.store(true, Ordering::Release);
        client.context().events.set_idle(true);
        // What is left is lost: the client has ended, or does not answer.
        self.assignment.revoke(&self.assignment.all(), true, Duration::ZERO);
        self.next().take().filter(|_| well && !self.is_leaving())
    }

    fn next(&self) -> MutexGuard<'_, Option<Arc<MemberClient>>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the client do what there is to do. `false` when it has ended.
    fn poll(&self, client: &MemberClient) -> bool {
        self.beats.fetch_add(1, Ordering::AcqRel);
        client.context().events.remind(client.client());
        match client.poll(POLL) {
            None => true,
            Some(Ok(_)) => {
                // Partitions are paused: this is not to be expected, and does no harm.
                self.strays.fetch_add(1, Ordering::AcqRel);
                true
            }
            Some(Err(ClientError::MessageConsumptionFatal(code))) => {
                let told = client.client().fatal_error().map(|(_, text)| text);
                let text = told.unwrap_or_else(|| code.to_string());
                self.health.end(&format!("this sampler cannot be a member of the group: {text}"));
                false
            }
            // Told to the context already; the client tries again by itself.
            Some(Err(_)) => client.client().fatal_error().is_none(),
        }
    }

    /// Tells of new partitions, with what was committed for them.
    fn announce(&self, client: &MemberClient) {
        let fresh = self.assignment.fresh();
        if fresh.is_empty() {
            return;
        }
        let committed =
            self.list(&fresh, Offset::Invalid).and_then(|list| client.committed_offsets(list, ASK));
        let committed = match committed {
            Ok(committed) => committed,
            Err(error) => {
                self.health.failed("member", format!("no answer about stored commits: {error}"));
                return;
            }
        };
        for found in committed.elements() {
            let Ok(number) = u32::try_from(found.partition()) else { continue };
            if let Err(error) = found.error() {
                let text = format!("no answer about the commits of partition {number}: {error}");
                self.health.failed("member", text);
                continue;
            }
            let partition = Partition(number);
            let (metadata, marks) = identity::parse(found.metadata());
            let (checkpoint, marks) = match found.offset() {
                Offset::Offset(position) => {
                    let position = Position(u64::try_from(position).unwrap_or_default());
                    (Some(Checkpoint { position, metadata: metadata.to_owned() }), marks)
                }
                _ => match self.assignment.remembered(partition) {
                    Some(Remembered { checkpoint, marks }) => {
                        // Whether it is of this log is found out when that is read.
                        let position = checkpoint.position;
                        tracing::info!(
                            %partition, %position,
                            "the group has no commit: go on from the last one of this process"
                        );
                        (Some(checkpoint), marks)
                    }
                    None => (None, marks),
                },
            };
            for (topic, mark) in identity::TOPICS.into_iter().zip(marks) {
                self.identities.expect((topic, partition), mark);
            }
            self.assignment.announce(partition, checkpoint);
        }
    }

    fn assign(&self, client: &MemberClient, partitions: &[Partition]) -> Result<(), ClientError> {
        // A position is given so that the client looks for none, and paused it reads nothing.
        let list = self.list(partitions, Offset::Offset(0))?;
        client.pause(&list)?;
        client.incremental_assign(&list)?;
        client.pause(&list)?;
        let (known, new): (Vec<Partition>, Vec<Partition>) =
            partitions.iter().partition(|partition| partition.0 < self.partitions);
        if !new.is_empty() {
            // No gateway that routes as we do writes there.
            let topic = &self.topic;
            tracing::error!(topic, ?new, "partitions were added to the topic: they are not read");
        }
        self.assignment.given(known);
        Ok(())
    }

    fn revoke(&self, client: &MemberClient, partitions: &[Partition]) -> Result<(), ClientError> {
        let lost = client.assignment_lost();
        let leaves = self.is_leaving() || self.next().is_some();
        let timeout = if leaves { CLOSING_TIMEOUT } else { self.timeout };
        self.assignment.revoke(partitions, lost, timeout);
        client.incremental_unassign(&self.list(partitions, Offset::Invalid)?)
    }

    /// A list of partitions of the topic.
    pub(super) fn list(
        &self,
        partitions: &[Partition],
        offset: Offset,
    ) -> Result<TopicPartitionList, ClientError> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            let number = i32::try_from(partition.0).unwrap_or(i32::MAX);
            list.add_partition_offset(&self.topic, number, offset)?;
        }
        Ok(list)
    }
}

impl ConsumerContext for MemberContext {
    fn rebalance(
        &self,
        client: &BaseConsumer<Self>,
        change: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let partitions: Vec<Partition> = list
            .elements()
            .iter()
            .filter_map(|one| u32::try_from(one.partition()).ok().map(Partition))
            .collect();
        if self.replaced.load(Ordering::Acquire) {
            // It closes, with what it could not give up in time.
            let _closing = client.unassign();
            return;
        }
        let assigned = change == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        // A round of the group that moves nothing of ours comes as an empty change.
        if !partitions.is_empty() {
            let (count, owned) = (partitions.len(), self.member.assignment.all().len());
            let now = if assigned { owned + count } else { owned.saturating_sub(count) };
            let change = if assigned { "gets" } else { "gives up" };
            tracing::info!(now, "this process {change} {count} partitions");
        }
        let done = if assigned {
            self.member.joined.store(true, Ordering::Release);
            self.member.assign(client, &partitions)
        } else {
            self.member.revoke(client, &partitions)
        };
        if let Err(error) = done {
            // The client waits for an answer that it did not understand.
            self.member.health.end(&format!("a change of the group failed: {error}"));
        }
    }
}

impl ClientContext for MemberContext {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        self.events.log(level, fac, message);
    }

    fn stats_raw(&self, json: &[u8]) {
        // It may well be connected to the group's coordinator alone.
        self.events.look(json);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.events.error(error, reason);
    }
}
