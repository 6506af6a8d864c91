//! The loop of a worker.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{broadcast, watch},
    time::{Instant, Interval, MissedTickBehavior, interval, interval_at, sleep_until},
};
use wholetrace_exporter::{
    outcomes::{Outcomes, outcomes},
    queue::ExporterHandle,
    retry::Backoff,
};
use wholetrace_runtime::{budget::ByteBudget, shutdown::Shutdown};
use wholetrace_spanlog::{
    BurstClock, Checkpoint, Committer, Frame, Log, Position, ReadError, Start, TopicName,
};

use crate::{
    config::{read_ahead, set_apart, share},
    core::{
        checkpoint::PartitionCheckpoint,
        held::held,
        partition::{Bounds, Input, ReadFrame, Settings},
    },
    policy::PolicySet,
    shell::{
        exchange::{Exchange, Heard},
        metrics::SamplerMetrics,
        worker::{
            finish::{Leaving, finish},
            jobs::{WorkerError, log_backoff, wait},
            load::{Cursors, LoadError, load},
            reading::{Reading, gap},
            replaced::begin_anew,
            shell::{Shell, ShellContext},
            taking_up::TakingUp,
        },
    },
};

/// Bytes of payload read at a time: a step over them takes about a millisecond.
const READ_BYTES: usize = 1 << 20;
/// How often what is finished is committed. What a crash repeats was exported within it.
const COMMIT_EVERY: Duration = Duration::from_millis(500);
/// How often the log is asked what it holds.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// What all workers of a sampler share.
#[derive(Clone)]
pub(crate) struct WorkerContext {
    pub(crate) exchange: Exchange,
    pub(crate) log: Log,
    pub(crate) committer: Arc<dyn Committer>,
    pub(crate) exporters: Vec<ExporterHandle>,
    pub(crate) window_cache: ByteBudget,
    pub(crate) policies: watch::Receiver<Arc<PolicySet>>,
    pub(crate) metrics: SamplerMetrics,
    /// What the process may hold, and the partitions that share it.
    pub(crate) bounds: Bounds,
    pub(crate) owned: Arc<AtomicUsize>,
    pub(crate) taking_up: TakingUp,
    /// How long the log keeps what is not released, in milliseconds, if that is bounded.
    pub(crate) retention: Option<u64>,
}

/// Works on one partition for as long as this process owns it.
pub(crate) struct Worker {
    context: WorkerContext,
    settings: Settings,
    /// How it is to stop.
    leaving: Arc<Leaving>,
    /// Records of the decisions below have been told of, if they cannot be read.
    told: Position,
}

/// Why a worker's round ended.
enum End {
    /// It is told to stop.
    Stopped,
    /// The new policies wait for another time: the partition starts again under them.
    Restart,
    /// Another owner has claimed the partition.
    Superseded,
    /// The log of the topic is not the one that was read before, as the error says.
    Replaced(TopicName, ReadError),
}

/// The timers of a round.
struct Timers {
    commit: Interval,
    extent: Interval,
    idle: Interval,
}

impl Worker {
    /// A worker that hears from `leaving` how it is to stop, before it is told to.
    pub(crate) const fn new(
        context: WorkerContext,
        settings: Settings,
        leaving: Arc<Leaving>,
    ) -> Self {
        Self { context, settings, leaving, told: Position(0) }
    }

    /// Works until `stop`; then finishes what is under way within some seconds and commits.
    ///
    /// # Errors
    /// When the log cannot be read or written for good.
    pub(crate) async fn run(
        mut self,
        mut committed: Option<Checkpoint>,
        stop: Shutdown,
    ) -> Result<(), WorkerError> {
        let mut backoff = log_backoff();
        loop {
            match self.round(&mut committed, &stop).await {
                Ok(End::Stopped) => return Ok(()),
                Ok(End::Restart) => {}
                Ok(End::Replaced(topic, error)) => {
                    begin_anew(topic, &error, &mut committed, &self.context.metrics);
                    self.told = Position::default();
                    tokio::select! {
                        () = stop.requested() => return Ok(()),
                        () = wait(&mut backoff) => {}
                    }
                }
                Ok(End::Superseded) => {
                    tokio::select! {
                        () = stop.requested() => return Ok(()),
                        still = self.is_still_ours(committed.as_ref(), &mut backoff) => {
                            if !still {
                                return Ok(());
                            }
                        }
                    }
                }
                Err(error) if error.is_end() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// One pass from the commit on.
    async fn round(
        &mut self,
        committed: &mut Option<Checkpoint>,
        stop: &Shutdown,
    ) -> Result<End, WorkerError> {
        let policies = Arc::clone(&self.context.policies.borrow_and_update());
        let has_budgets = !policies.budgets().is_empty();
        (self.settings.decision_wait, self.settings.decision_wait_after_root) = waits(&policies);
        self.settings.decision_retention = retention(&policies);
        self.settings.owner = fresh_number();
        self.settings.read_ahead = read_ahead(self.settings.decision_wait);
        let (sink, mut outcomes) = outcomes();
        let context = ShellContext {
            log: self.context.log.clone(),
            committer: Arc::clone(&self.context.committer),
            exporters: self.context.exporters.clone(),
            metrics: self.context.metrics.clone(),
            retention: self.context.retention,
            budget: self.context.window_cache.clone(),
            exchange: self.context.exchange.clone(),
            taking_up: self.context.taking_up.clone(),
        };
        let mut shell =
            Shell::new(self.settings.clone(), policies, committed.clone(), context, sink);
        self.share_bounds(&mut shell);
        if has_budgets {
            self.context.exchange.listen();
        }
        let (known, mut heard) = self.context.exchange.join();
        shell.step(Input::Demand(known));
        let loaded = load(
            &mut shell,
            &self.context.log,
            &self.settings,
            committed.as_ref(),
            (&self.context.metrics, &mut self.told),
        );
        let cursors = tokio::select! {
            cursors = loaded => cursors,
            () = stop.requested() => return Ok(End::Stopped),
        };
        let end = match cursors {
            Ok(cursors) => self.work(&mut shell, cursors, (&mut outcomes, &mut heard), stop).await,
            Err(LoadError { topic, error: error @ ReadError::Replaced { .. } }) => {
                Ok(End::Replaced(topic, error))
            }
            Err(LoadError { error, .. }) => Err(error.into()),
        };
        let end = match end {
            Err(WorkerError::Read(error @ ReadError::Replaced { .. })) => {
                End::Replaced(TopicName::Spans, error)
            }
            Err(WorkerError::ReadDecisions(error @ ReadError::Replaced { .. })) => {
                End::Replaced(TopicName::Decisions, error)
            }
            end => end?,
        };
        if let End::Replaced(..) = end {
            // Nothing of it is true of the log that there is now, its last checkpoint neither.
            *committed = shell.into_committed();
            return Ok(end);
        }
        if self.leaving.is_lost() {
            return Ok(End::Stopped);
        }
        finish(&mut shell, &mut outcomes, self.leaving.within()).await?;
        *committed = shell.into_committed();
        Ok(end)
    }

    /// Whether the log still takes this process for the owner, although another one has claimed
    /// the partition: it has lost it and does not know, or it was the other one that did not.
    async fn is_still_ours(&self, committed: Option<&Checkpoint>, backoff: &mut Backoff) -> bool {
        let partition = self.settings.partition;
        tracing::warn!(%partition, "start again: another process has claimed the partition. Should it do so again and again, another group uses the topic of the decisions: every group needs one of its own");
        self.context.metrics.superseded.increment(1);
        loop {
            wait(backoff).await;
            // Who has never committed cannot ask.
            let Some(checkpoint) = committed else { return true };
            // Not the same again, so that the log has to look who asks.
            let mut checkpoint = PartitionCheckpoint::of(checkpoint);
            checkpoint.hints.owner = Some(fresh_number());
            match self.context.committer.commit_at_once(partition, checkpoint.to_checkpoint()).await
            {
                Ok(()) => return true,
                Err(error) if error.is_retryable() => {}
                Err(_) => return false,
            }
        }
    }

    async fn work(
        &mut self,
        shell: &mut Shell,
        mut cursors: Cursors,
        (outcomes, heard): (&mut Outcomes, &mut broadcast::Receiver<Heard>),
        stop: &Shutdown,
    ) -> Result<End, WorkerError> {
        let mut timers = self.timers();
        shell.catch_up_to(cursors.end);
        let mut settled = Vec::new();
        let mut reopen_at = None;
        let mut silent = false;
        loop {
            if shell.is_superseded() {
                return Ok(End::Superseded);
            }
            let (wants_frames, leave_at) = (shell.wants_frames(), shell.leave_at());
            tokio::select! {
                biased;
                () = stop.requested() => return Ok(End::Stopped),
                done = shell.next_done() => shell.on_done(done)?,
                () = outcomes.next(&mut settled) => shell.settle(std::mem::take(&mut settled)),
                records = cursors.decisions.next(READ_BYTES) => match records {
                    Ok(records) => shell.step(Input::Decisions(records)),
                    // Open traces may have waited for those that are gone: all is read again.
                    Err(ReadError::Gone { asked, oldest, .. }) => {
                        let (topic, partition) = (TopicName::Decisions, self.settings.partition);
                        self.context.metrics.lost(topic, partition, asked, oldest);
                        return Ok(End::Restart);
                    }
                    // The same; the next load tells of it.
                    Err(ReadError::Damaged { .. }) => return Ok(End::Restart),
                    Err(error @ ReadError::Replaced { .. }) => {
                        return Ok(End::Replaced(TopicName::Decisions, error));
                    }
                    Err(error) => return Err(error.into()),
                },
                // What was missed is old.
                Ok(heard) = heard.recv() => shell.step(Input::Demand(heard.to_vec())),
                changed = self.context.policies.changed() => {
                    if changed.is_ok() && self.reload(shell) {
                        return Ok(End::Restart);
                    }
                }
                _ = timers.commit.tick() => self.housekeep(shell),
                () = at(leave_at) => shell.leave(),
                _ = timers.extent.tick() => shell.ask_extent(),
                _ = timers.idle.tick() => {
                    if silent && wants_frames {
                        shell.step(Input::Idle);
                    }
                    silent = true;
                }
                () = std::future::ready(()), if shell.has_more_work() => {
                    shell.step(Input::Continue);
                }
                frames = cursors.spans.next(READ_BYTES), if wants_frames => match frames {
                    Ok(frames) => {
                        silent = false;
                        shell.step(Input::Frames(self.leased(frames)));
                    }
                    Err(ReadError::Gone { asked, .. }) => reopen_at = Some(asked),
                    Err(ReadError::Damaged { position, detail, .. }) => {
                        silent = false;
                        shell.step(Input::Unreadable { position, detail });
                    }
                    Err(error) => return Err(error.into()),
                },
            }
            let seek = shell.take_seek();
            if let Some(position) = seek.or_else(|| reopen_at.take()) {
                tokio::select! {
                    () = stop.requested() => return Ok(End::Stopped),
                    spans = self.reopen(position) => cursors.spans = spans?,
                }
            }
            if seek.is_some() {
                shell.step(Input::SeekDone);
            }
            // A step may take a millisecond, and there are many partitions on few threads.
            tokio::task::yield_now().await;
        }
    }

    /// Reads on at `position`, or behind what is gone there.
    async fn reopen(&self, position: Position) -> Result<Reading, ReadError> {
        let (partition, start) = (self.settings.partition, Start::Position(position));
        let (spans, metrics) = (&self.context.log.spans, &self.context.metrics);
        if let Some(oldest) = gap(spans.reader.as_ref(), partition, position, metrics).await? {
            metrics.lost(TopicName::Spans, partition, position, oldest);
        }
        Reading::open(spans, partition, start, metrics).await
    }

    fn timers(&self) -> Timers {
        let wait = Duration::from_millis(u64::from(self.settings.decision_wait));
        let idle = (wait / 4).clamp(Duration::from_millis(10), Duration::from_secs(1));
        let clock = BurstClock::aligned(self.context.log.spans.writer.linger());
        Timers {
            commit: every(COMMIT_EVERY, clock),
            extent: every(ASK_EVERY, None),
            idle: every(idle, clock),
        }
    }

    /// Pays for the payloads out of the budget, as far as it has room. The others are gone by the
    /// end of the step, but for the last: that may have to wait for the next record.
    fn leased(&self, frames: Vec<Frame>) -> Vec<ReadFrame> {
        let WorkerContext { window_cache: budget, bounds, owned, exporters, .. } = &self.context;
        let owned = owned.load(Ordering::Relaxed);
        let apart = set_apart(*bounds, owned, exporters.len(), budget.limit());
        let leased = |frame: Frame| {
            let lease = budget.try_lease_beside(apart, frame.payload.len());
            ReadFrame { frame, lease }
        };
        let mut frames: Vec<ReadFrame> = frames.into_iter().map(leased).collect();
        if let Some(ReadFrame { frame, lease: None }) = frames.last_mut() {
            let lease = budget.lease(frame.payload.len());
            frame.payload = held(std::mem::take(&mut frame.payload), lease);
        }
        frames
    }

    fn share_bounds(&self, shell: &mut Shell) {
        let open_traces = u64::try_from(self.context.bounds.max_open_traces).unwrap_or(u64::MAX);
        let decisions = self.context.policies.borrow().decision_cache().entries(open_traces);
        let max_decisions = usize::try_from(decisions).unwrap_or(usize::MAX);
        let bounds = Bounds { max_decisions, ..self.context.bounds };
        shell.set_bounds(share(bounds, self.context.owned.load(Ordering::Relaxed)));
    }

    fn housekeep(&self, shell: &mut Shell) {
        self.share_bounds(shell);
        shell.make_room();
        shell.commit();
        shell.report();
    }

    /// Takes new policies over. True when the partition must start again: open traces could not
    /// be decided in the order of their deadlines under two different waits, and decisions that
    /// are to be remembered for longer have to be read again.
    fn reload(&mut self, shell: &mut Shell) -> bool {
        let policies = Arc::clone(&self.context.policies.borrow_and_update());
        let Settings { decision_wait, decision_wait_after_root, decision_retention, .. } =
            self.settings;
        if waits(&policies) != (decision_wait, decision_wait_after_root)
            || retention(&policies) != decision_retention
        {
            return true;
        }
        self.share_bounds(shell);
        shell.step(Input::Policies(policies));
        false
    }
}

/// A number of its own.
fn fresh_number() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The waits that a policy set asks for, in milliseconds; 0 for no wait after a root span.
fn waits(policies: &PolicySet) -> (u32, u32) {
    let millis = |wait: Duration| u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
    let after_root = policies.decision_wait_after_root().map_or(0, |wait| millis(wait).max(1));
    (millis(policies.decision_wait()), after_root)
}

/// A timer of `period`; with a clock its moments are some of the clock's, so that what is appended
/// then is appended together with everything else.
fn every(period: Duration, clock: Option<BurstClock>) -> Interval {
    let Some(clock) = clock else {
        let mut timer = interval(period);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        return timer;
    };
    let bursts = period.as_millis().div_ceil(clock.period().as_millis().max(1));
    let period = clock.period() * u32::try_from(bursts.max(1)).unwrap_or(1);
    let now = Instant::now();
    let first = BurstClock::aligned(period).map_or(now, |clock| clock.next(now));
    let mut timer = interval_at(first, period);
    // Moments that were missed are; the next one is the clock's again.
    timer.set_missed_tick_behavior(MissedTickBehavior::Skip);
    timer
}

/// Waits until `moment`, or for ever.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// How long a policy set wants decisions to be remembered, in milliseconds.
fn retention(policies: &PolicySet) -> u64 {
    let millis = policies.decision_cache().max_age.get().as_millis();
    u64::from(u32::try_from(millis).unwrap_or(u32::MAX))
}
