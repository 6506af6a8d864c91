//! The state of a partition, and what it has under way.

use std::{
    collections::VecDeque,
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt},
};
use tokio::time::Instant;
use wholetrace_exporter::{
    contract::{ExporterIndex, KeptSpans, Settled},
    outcomes::OutcomeSink,
    queue::ExporterHandle,
};
use wholetrace_proto::record::DeadLetter;
use wholetrace_runtime::{budget::ByteBudget, clock::unix_millis};
use wholetrace_spanlog::{
    BurstClock, Checkpoint, Committer, Frame, Log, Partition, Position, ReadError, Reader, Record,
    TopicName,
};

use crate::{
    core::{
        checkpoint::PartitionCheckpoint,
        held::{all_held, room},
        partition::{Bounds, DeadLetterId, Effect, Found, Input, Levels, PartitionState, Settings},
    },
    policy::PolicySet,
    shell::{
        exchange::Exchange,
        metrics::{Appending, SamplerMetrics},
        partition_metrics::{PartitionGauges, Stage},
        worker::{
            dead_letters::append_dead_letter,
            jobs::{Done, WorkerError, append, commit, fetch},
            outbox::Outbox,
            taking_up::{Begun, TakingUp},
        },
    },
};

/// Batches of decisions under way to the decision log beyond which no more of the span log is
/// read.
const APPENDS: usize = 16;

/// Batches of decisions that wait for the moment to leave at most: more are made where traces come
/// faster than live, and those shall not wait for a clock.
const WAITING: usize = 8;

/// What a shell works with.
pub(super) struct ShellContext {
    pub(super) log: Log,
    pub(super) committer: Arc<dyn Committer>,
    pub(super) exporters: Vec<ExporterHandle>,
    pub(super) metrics: SamplerMetrics,
    /// How long the log keeps what is not released, in milliseconds, if that is bounded.
    pub(super) retention: Option<u64>,
    /// Bytes of the log that may be held.
    pub(super) budget: ByteBudget,
    /// Between the partitions of all processes.
    pub(super) exchange: Exchange,
    pub(super) taking_up: TakingUp,
}

/// The state of a partition, and what it has under way.
pub(super) struct Shell {
    partition: Partition,
    state: PartitionState,
    context: ShellContext,
    sink: OutcomeSink,
    outboxes: Vec<Outbox>,
    jobs: FuturesUnordered<BoxFuture<'static, Done>>,
    effects: Vec<Effect>,
    seek: Option<Position>,
    /// The moments at which decisions leave, if the log wants such.
    clock: Option<BurstClock>,
    /// Batches of decisions that wait for the next moment, in order, and when it is.
    waiting: VecDeque<Record>,
    leave_at: Option<Instant>,
    /// Batches of decisions under way.
    appends: usize,
    /// Pieces with each exporter.
    exporting: Vec<usize>,
    /// Dead letters under way.
    dead_letters: usize,
    /// The checkpoint that was reached and is not committed.
    reached: Option<Checkpoint>,
    /// Commits under way.
    committing: usize,
    committed: Option<Checkpoint>,
    /// Whether the ownership ends: nothing new is begun.
    ending: bool,
    levels: Levels,
    gauges: PartitionGauges,
    /// Whether the log was asked what it holds.
    asking: bool,
    takeover: Takeover,
    /// Until it has read what came before the partition was ours.
    taking_up: Option<Begun>,
}

/// How far this ownership has come.
#[derive(Clone, Copy)]
struct Takeover {
    began: Instant,
    /// What is to be reached next, if anything is.
    next: Option<Stage>,
    /// The end of the span log when it began.
    end: Position,
}

/// Nanoseconds since some moment.
fn nanos() -> u64 {
    static BEGIN: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
    u64::try_from(BEGIN.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

impl Shell {
    pub(super) fn new(
        settings: Settings,
        policies: Arc<PolicySet>,
        committed: Option<Checkpoint>,
        context: ShellContext,
        sink: OutcomeSink,
    ) -> Self {
        let start = committed.as_ref().map(PartitionCheckpoint::of);
        let outbox = |handle: &ExporterHandle| Outbox::new(handle.clone(), &context.budget);
        let outboxes = context.exporters.iter().map(outbox).collect();
        Self {
            partition: settings.partition,
            outboxes,
            sink,
            jobs: FuturesUnordered::new(),
            effects: Vec::new(),
            seek: None,
            clock: BurstClock::aligned(context.log.decisions.writer.linger()),
            waiting: VecDeque::new(),
            leave_at: None,
            appends: 0,
            exporting: vec![0; context.exporters.len()],
            dead_letters: 0,
            reached: None,
            committing: 0,
            committed,
            ending: false,
            levels: Levels::default(),
            gauges: PartitionGauges::new(settings.partition, context.retention),
            asking: false,
            taking_up: Some(context.taking_up.begin()),
            takeover: Takeover {
                began: Instant::now(),
                next: Some(Stage::Reading),
                end: Position::default(),
            },
            state: PartitionState::new(
                Settings { stopwatch: Some(nanos), ..settings },
                policies,
                start.as_ref(),
            ),
            context,
        }
    }

    /// Whether more of the span log is to be read. Not while dead letters are under way and more is
    /// held than may be (I6): each may be a copy of a frame.
    pub(super) fn wants_frames(&self) -> bool {
        let must_wait = self.dead_letters > 0 && self.context.budget.excess() > 0;
        self.appends < APPENDS && !must_wait && self.state.wants_frames()
    }

    pub(super) const fn is_superseded(&self) -> bool {
        self.state.is_superseded()
    }

    pub(super) const fn has_more_work(&self) -> bool {
        self.state.has_more_work()
    }

    /// Whether nothing is under way that may soon be finished, and that a next owner would repeat.
    pub(super) fn is_at_rest(&self) -> bool {
        let mut exporters = self.exporting.iter().zip(&self.context.exporters);
        self.dead_letters == 0
            && exporters.all(|(under_way, to)| *under_way == 0 || to.is_failing())
    }

    /// The last checkpoint that is stored.
    pub(super) fn into_committed(self) -> Option<Checkpoint> {
        self.committed.clone()
    }

    /// Begins nothing new from here on.
    pub(super) fn end(&mut self) {
        self.ending = true;
        self.leave();
        self.outboxes.iter_mut().for_each(Outbox::clear);
    }

    /// Gives the partition its part of what the process may hold.
    pub(super) fn set_bounds(&mut self, bounds: Bounds) {
        self.state.set_bounds(bounds);
    }

    /// Where the reader of the span log has to go back to, if it has to.
    pub(super) const fn take_seek(&mut self) -> Option<Position> {
        self.seek.take()
    }

    pub(super) fn step(&mut self, input: Input) {
        let mut effects = std::mem::take(&mut self.effects);
        self.state.step(input, &mut effects);
        for effect in effects.drain(..) {
            self.perform(effect);
        }
        self.effects = effects;
        self.send();
        self.make_room();
        let stats = self.state.take_stats();
        self.context.metrics.count(&stats);
        self.context.metrics.policies.released(&self.state.take_released());
        self.context.metrics.measured.tell(&self.state.take_measured());
        self.gauges.count(&stats);
        if self.takeover.next.is_some() {
            self.come_further();
        }
    }

    /// Gives up payloads that only wait for their release, where what must be held needs their room.
    pub(super) fn make_room(&mut self) {
        let excess = self.context.budget.excess();
        if excess > 0 {
            self.state.evict(excess);
        }
    }

    /// Notes where the span log ended when the ownership began.
    pub(super) const fn catch_up_to(&mut self, end: Position) {
        self.takeover.end = end;
    }

    fn come_further(&mut self) {
        let Takeover { began, next, end } = self.takeover;
        let took = began.elapsed();
        if next == Some(Stage::Reading) && self.state.is_serving() {
            self.context.metrics.takeovers.reached(Stage::Reading, took);
            self.takeover.next = Some(Stage::CaughtUp);
        }
        if self.takeover.next == Some(Stage::CaughtUp) && self.state.head() >= end {
            self.context.metrics.takeovers.reached(Stage::CaughtUp, took);
            self.takeover.next = None;
            if let Some(taking_up) = self.taking_up.take() {
                taking_up.through(self.state.levels().open_traces);
            }
        }
    }

    /// Asks the log what it holds, for the gauges.
    pub(super) fn ask_extent(&mut self) {
        if !self.asking {
            self.asking = true;
            let (reader, partition) = (Arc::clone(&self.context.log.spans.reader), self.partition);
            let asked = unix_millis();
            let job = async move { Done::Extent(asked, reader.extent(partition).await) };
            self.jobs.push(job.boxed());
        }
    }

    pub(super) fn settle(&mut self, settled: Vec<Settled>) {
        for outcome in &settled {
            if let Some(under_way) = self.exporting.get_mut(usize::from(outcome.exporter.0)) {
                *under_way = under_way.saturating_sub(1);
            }
        }
        self.step(Input::Settled(settled));
    }

    fn perform(&mut self, effect: Effect) {
        let spans = &self.context.log.spans;
        let (partition, metrics) = (self.partition, self.context.metrics.clone());
        match effect {
            Effect::AppendDecisions(payload) => self.decided(Record::decisions(payload)),
            Effect::TellDemand(demand) => self.context.exchange.tell(demand),
            Effect::Decided(made) => metrics.policies.decided(&made),
            Effect::AppendTick => {
                let writer = Arc::clone(&spans.writer);
                let job = append(writer, partition, Record::tick(), Appending::Ticks, metrics);
                self.jobs.push(job.map(|end| done(end, Done::Tick)).boxed());
            }
            Effect::Fetch { from, max_bytes } if !self.ending => {
                let reader = Arc::clone(&spans.reader);
                let job = self.fetch(reader, from, max_bytes);
                self.jobs.push(job.map(move |frames| Done::Fetched { from, frames }).boxed());
            }
            Effect::FetchFor { exporter, topic, from, max_bytes } if !self.ending => {
                let decisions = &self.context.log.decisions;
                let log = if topic == TopicName::Spans { spans } else { decisions };
                let job = self.fetch(Arc::clone(&log.reader), from, max_bytes);
                let from = (topic, from);
                let done = move |found| Done::FetchedFor { exporter, from, found };
                self.jobs.push(job.map(done).boxed());
            }
            Effect::Seek(position) => self.seek = Some(position),
            Effect::DeadLetter { id, record } => self.put_to_dead_letters(id, record),
            Effect::Export { exporter, kept } if !self.ending => self.export(exporter, kept),
            // What is not begun any more is for the next owner.
            Effect::Fetch { .. } | Effect::FetchFor { .. } | Effect::Export { .. } => {}
        }
    }

    /// Reads again, as much as there is room for.
    fn fetch(
        &self,
        reader: Arc<dyn Reader>,
        from: Position,
        max_bytes: usize,
    ) -> impl Future<Output = Result<Vec<Frame>, ReadError>> + use<> {
        let room = room(&self.context.budget, max_bytes);
        let job = fetch(reader, self.partition, from, room.bytes(), self.context.metrics.clone());
        job.map(|read| read.map(|frames| all_held(frames, room)))
    }

    /// Keeps decisions for the next moment to leave. A claim, for which everything waits, leaves at
    /// once.
    fn decided(&mut self, record: Record) {
        self.waiting.push_back(record);
        match &self.clock {
            Some(clock) if self.state.is_serving() && self.waiting.len() < WAITING => {
                self.leave_at.get_or_insert_with(|| clock.next(Instant::now()));
            }
            _ => self.leave(),
        }
    }

    /// When the decisions that wait are to leave, if any do.
    pub(super) const fn leave_at(&self) -> Option<Instant> {
        self.leave_at
    }

    /// Sends the decisions that wait on their way.
    pub(super) fn leave(&mut self) {
        self.leave_at = None;
        for record in self.waiting.drain(..) {
            self.appends += 1;
            let writer = Arc::clone(&self.context.log.decisions.writer);
            let metrics = self.context.metrics.clone();
            let job = append(writer, self.partition, record, Appending::Decisions, metrics);
            self.jobs.push(job.map(|end| done(end, Done::Decisions)).boxed());
        }
    }

    fn put_to_dead_letters(&mut self, id: DeadLetterId, record: Bytes) {
        self.dead_letters += 1;
        if id.exporter.is_none() {
            let (partition, position) = (self.partition, id.position);
            let reason = DeadLetter::read(&record).map_or("", |dead_letter| dead_letter.reason);
            tracing::error!(%partition, %position, "put a frame to the dead letters that cannot be read: {reason}");
        }
        let writer = Arc::clone(&self.context.log.dead_letters.writer);
        let metrics = self.context.metrics.clone();
        let lease = self.context.budget.lease(record.len());
        let job = append_dead_letter(writer, self.partition, record, metrics);
        self.jobs.push(job.map(move |end| done(end, Done::DeadLettered { id, lease })).boxed());
    }

    /// Tells of a record of the decisions that cannot be read.
    pub(super) fn unreadable_decisions(&mut self, position: Position, detail: &str) {
        self.context.metrics.unreadable_decisions(self.partition, position, detail);
        let dead_letter = DeadLetter {
            reason: detail,
            topic: "decisions",
            partition: self.partition.0,
            position: position.0,
            ..DeadLetter::default()
        };
        let writer = Arc::clone(&self.context.log.dead_letters.writer);
        let metrics = self.context.metrics.clone();
        let job = append_dead_letter(writer, self.partition, dead_letter.encode().into(), metrics);
        self.jobs.push(job.map(|end| done(end, Done::Told)).boxed());
    }

    fn export(&mut self, exporter: ExporterIndex, kept: KeptSpans) {
        if let Some(outbox) = self.outboxes.get_mut(usize::from(exporter.0)) {
            outbox.push(kept);
        }
    }

    fn send(&mut self) {
        for (exporter, outbox) in self.outboxes.iter_mut().enumerate() {
            let (sent, ask) = outbox.send(&self.sink);
            if let Some(under_way) = self.exporting.get_mut(exporter) {
                *under_way += sent;
            }
            if let Some((handle, bytes)) = ask {
                let job = async move {
                    let room = handle.room(bytes).await;
                    Done::Room { exporter, room }
                };
                self.jobs.push(job.boxed());
            }
        }
    }

    /// Waits for the next of the jobs to be done; forever when there is none.
    pub(super) async fn next_done(&mut self) -> Done {
        match self.jobs.next().await {
            Some(done) => done,
            None => std::future::pending().await,
        }
    }

    /// Takes in what is done.
    pub(super) fn on_done(&mut self, done: Done) -> Result<(), WorkerError> {
        match done {
            Done::Decisions => self.appends -= 1,
            Done::Tick => {}
            Done::DeadLettered { id, lease } => {
                drop(lease);
                self.dead_letters -= 1;
                self.step(Input::DeadLettered(id));
            }
            Done::Fetched { from, frames: Ok(frames) } => {
                self.step(Input::Refetched { from, frames });
            }
            Done::Fetched { frames: Err(ReadError::Gone { asked, oldest, .. }), .. } => {
                let partition = self.partition;
                tracing::error!(%partition, from = %asked, to = %oldest, "lose frames that the log has deleted before they were released");
                self.step(Input::Lost(oldest));
            }
            Done::Fetched { frames: Err(ReadError::Damaged { position, detail, .. }), .. } => {
                self.step(Input::Unreadable { position, detail });
            }
            Done::Fetched { frames: Err(error), .. } => return Err(error.into()),
            Done::FetchedFor { exporter, from, found } => {
                let found = self.found_for(exporter, from.0, found)?;
                self.step(Input::FetchedFor { exporter, from, found });
            }
            Done::Told => {}
            Done::Room { exporter, room } => {
                if let (Some(outbox), Some(under_way), Ok(room)) =
                    (self.outboxes.get_mut(exporter), self.exporting.get_mut(exporter), room)
                {
                    *under_way += outbox.use_room(room, &self.sink);
                    self.send();
                }
            }
            Done::Committed(checkpoint, result) => self.on_committed(checkpoint, result)?,
            Done::Extent(asked, extent) => {
                self.asking = false;
                // It is asked again in some seconds.
                if let Ok(extent) = extent {
                    self.gauges.extent(extent, asked);
                }
            }
            Done::Failed(error) => return Err(error),
        }
        Ok(())
    }

    /// Tells of what an exporter that is behind does not find.
    fn found_for(
        &self,
        exporter: ExporterIndex,
        topic: TopicName,
        found: Result<Vec<Frame>, ReadError>,
    ) -> Result<Found, WorkerError> {
        let (partition, metrics) = (self.partition, &self.context.metrics);
        let exporter = self.context.exporters.get(usize::from(exporter.0));
        let name = exporter.map(ExporterHandle::name);
        match found {
            Ok(records) => Ok(Found::Records(records)),
            Err(ReadError::Gone { asked, oldest, .. }) if topic == TopicName::Spans => {
                if let Some(exporter) = exporter {
                    exporter.lost(oldest.0.saturating_sub(asked.0));
                }
                tracing::error!(%partition, exporter = name, from = %asked, to = %oldest, "lose frames for an exporter that the log has deleted before it got them: raise the log's retention");
                Ok(Found::Gone(oldest))
            }
            Err(ReadError::Gone { asked, oldest, .. }) => {
                metrics.lost(topic, partition, asked, oldest);
                Ok(Found::Gone(oldest))
            }
            Err(ReadError::Damaged { position, detail, .. }) => {
                if topic == TopicName::Spans {
                    tracing::error!(%partition, exporter = name, %position, "lose a frame for an exporter, it cannot be read: {detail}");
                }
                Ok(Found::Unreadable { position, detail })
            }
            Err(error) if topic == TopicName::Spans => Err(error.into()),
            Err(error) => Err(WorkerError::ReadDecisions(error)),
        }
    }

    /// Commits what is finished, if that is more than before and no commit is under way. When the
    /// ownership ends, at once and in any case.
    pub(super) fn commit(&mut self) {
        if let Some(checkpoint) = self.state.checkpoint() {
            self.reached = Some(checkpoint.to_checkpoint());
        }
        if self.committing > 0 && !self.ending {
            return;
        }
        if let Some(checkpoint) = self.reached.take() {
            self.committing += 1;
            let committer = Arc::clone(&self.context.committer);
            self.jobs.push(commit(committer, self.partition, checkpoint, self.ending).boxed());
        }
    }

    fn on_committed(
        &mut self,
        checkpoint: Checkpoint,
        result: Result<(), ReadError>,
    ) -> Result<(), WorkerError> {
        self.committing = self.committing.saturating_sub(1);
        match result {
            Ok(()) => {
                self.context.metrics.commits.increment(1);
                self.committed = Some(checkpoint);
            }
            Err(error) if error.is_retryable() => {
                tracing::warn!(partition = %self.partition, "commit later: {error}");
                self.reached.get_or_insert(checkpoint);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Whether a commit is under way or due.
    pub(super) const fn is_committing(&self) -> bool {
        self.committing > 0 || self.reached.is_some()
    }

    /// Brings the gauges up to date.
    pub(super) fn report(&mut self) {
        let now = self.state.levels();
        self.context.metrics.level(&self.levels, &now);
        self.gauges.tell(&now);
        self.context.metrics.budgets.tell(&self.state.budgets());
        self.levels = now;
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.context.metrics.level(&self.levels, &Levels::default());
    }
}

fn done(end: Result<(), WorkerError>, done: Done) -> Done {
    match end {
        Ok(()) => done,
        Err(error) => Done::Failed(error),
    }
}
