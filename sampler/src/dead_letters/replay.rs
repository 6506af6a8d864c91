//! Sends dead letters again.
//!
//! They go through the queue and the exporter that kept traces go through, whose judgement of answers
//! decides what is delivered and what is refused. What is delivered is marked; everything else stays.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use wholetrace_exporter::{
    Undelivered,
    build::{BuildError, build, queue_settings},
    config::{ExporterConfig, ExportersConfig},
    contract::{ExporterIndex, KeptSpans, Outcome, Settled, Ticket},
    outcomes::{OutcomeSink, Outcomes, outcomes},
    queue::{ExporterHandle, Room, Stopped, queue},
};
use wholetrace_proto::record::{DeadLetter, encode_replayed};
use wholetrace_spanlog::{Partition, Record, Topic};

use crate::{
    dead_letters::{
        reader::{DeadLettersError, DeadLettersReader, Selection},
        stored::StoredDeadLetter,
    },
    shell::{
        metrics::{Appending, SamplerMetrics},
        worker::{append, append_dead_letter},
    },
};

/// Positions in one mark: it shall fit a small record.
const MARKED_AT_ONCE: usize = 4_096;

/// How long a mark may take to become durable.
const MARK_WITHIN: Duration = Duration::from_secs(60);

/// The longest wait before something is sent again: somebody waits for the end.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Refusals that are told one by one.
const TOLD: u64 = 10;

/// What to do.
#[derive(Clone, Debug)]
pub struct ReplaySettings {
    /// Which dead letters.
    pub selection: Selection,
    /// The exporter that they go to, instead of the one that each is of.
    pub to: Option<String>,
    /// An exporter that has answered for nothing for so long is given up: the rest stays.
    pub give_up_after: Duration,
    /// Only count.
    pub dry_run: bool,
}

/// What became of the dead letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Those that are delivered, also in part; or would be sent, if that was only to be counted.
    pub delivered: u64,
    /// The spans that are delivered, or would be sent.
    pub spans: u64,
    /// Those that the backend refuses again, at least in part. They stay.
    pub refused: u64,
    /// Those that got no answer that counts. They stay.
    pub unanswered: u64,
    /// Those of an exporter that is not configured. They stay.
    pub homeless: u64,
    /// Those that hold no spans, so that no exporter can take them. They stay.
    pub without_spans: u64,
    /// Records that could not be read.
    pub damaged: u64,
}

/// Why it ended before its time. What was marked until then is settled.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log cannot be read.
    #[error(transparent)]
    Letters(#[from] DeadLettersError),
    /// An exporter cannot be made.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// What was delivered cannot be marked.
    #[error(
        "dead letters were delivered and cannot be marked as replayed, so that they would be \
         delivered once more: {0}"
    )]
    Mark(String),
}

/// A replay under way.
pub struct Replay {
    topic: Topic,
    settings: ReplaySettings,
    exporters: HashMap<String, ExporterConfig>,
    targets: HashMap<String, Target>,
    /// The dead letters under way, by partition and position.
    sent: BTreeMap<(u32, u64), Sent>,
    outcomes: Outcomes,
    sink: OutcomeSink,
    metrics: SamplerMetrics,
    replayed: Replayed,
    /// Names that were told to be no exporters.
    unknown: Vec<String>,
}

/// What happens next.
enum ReplayStep {
    Settled(Vec<Settled>),
    GiveUp,
}

/// An exporter at work.
struct Target {
    handle: ExporterHandle,
    stop: CancellationToken,
    /// Until it is given up.
    task: Option<JoinHandle<Undelivered>>,
    under_way: u64,
    /// When it last took or answered for something.
    heard: Instant,
}

/// A dead letter under way, without its payload.
struct Sent {
    target: String,
    spans: u32,
    dead_letter: StoredDeadLetter,
}

impl Replay {
    /// Of the dead letters in `topic`, to the exporters of `section`.
    #[must_use]
    pub fn new(topic: Topic, section: &ExportersConfig, settings: ReplaySettings) -> Self {
        let (sink, outcomes) = outcomes();
        Self {
            topic,
            settings,
            exporters: section.0.iter().cloned().collect(),
            targets: HashMap::new(),
            sent: BTreeMap::new(),
            outcomes,
            sink,
            metrics: SamplerMetrics::new(),
            replayed: Replayed::default(),
            unknown: Vec::new(),
        }
    }

    /// Sends all of them, and waits for what becomes of them.
    ///
    /// # Errors
    /// See [`ReplayError`].
    ///
    /// # Panics
    /// When an exporter does.
    pub async fn run(mut self) -> Result<Replayed, ReplayError> {
        let reader = Arc::clone(&self.topic.reader);
        let mut dead_letters = DeadLettersReader::new(reader, self.settings.selection.clone());
        while let Some(dead_letter) = dead_letters.next().await? {
            self.take(dead_letter).await?;
        }
        while !self.sent.is_empty() {
            let next = self.next().await;
            self.act(next).await?;
        }
        for (_, mut target) in self.targets.drain() {
            target.end().await;
        }
        self.replayed.damaged = dead_letters.damaged();
        Ok(self.replayed)
    }

    /// Sends `dead_letter`, once there is room for it.
    async fn take(&mut self, dead_letter: StoredDeadLetter) -> Result<(), ReplayError> {
        let Some(contents) = dead_letter.contents() else {
            self.replayed.without_spans += 1;
            return Ok(());
        };
        let name = self.settings.to.clone().unwrap_or_else(|| dead_letter.exporter.to_string());
        let Some(config) = self.exporters.get(&name) else {
            self.tell_unknown(&name);
            self.replayed.homeless += 1;
            return Ok(());
        };
        if self.settings.dry_run {
            self.replayed.delivered += 1;
            self.replayed.spans += contents.spans;
            return Ok(());
        }
        if !self.targets.contains_key(&name) {
            let target = Target::start(&name, config, self.settings.give_up_after)?;
            self.targets.insert(name.clone(), target);
        }
        let Some(room) = self.room(&name, dead_letter.payload.len()).await? else {
            self.replayed.unanswered += 1;
            return Ok(());
        };
        let (partition, position) = (dead_letter.partition.0, dead_letter.position.0);
        let spans = u32::try_from(contents.spans).unwrap_or(u32::MAX);
        let ticket = Ticket { partition, position, piece: 0 };
        let kept = KeptSpans { bytes: dead_letter.payload.clone(), spans, ticket };
        // The queue holds the payload, within its bounds.
        let dead_letter = StoredDeadLetter { payload: bytes::Bytes::new(), ..dead_letter };
        self.sent.insert((partition, position), Sent { target: name.clone(), spans, dead_letter });
        if let Some(target) = self.targets.get_mut(&name) {
            if target.under_way == 0 {
                target.heard = Instant::now();
            }
            target.under_way += 1;
        }
        room.send(kept, &self.sink);
        Ok(())
    }

    fn tell_unknown(&mut self, name: &str) {
        if !self.unknown.iter().any(|told| told == name) {
            tracing::warn!(
                exporter = name,
                "leave dead letters of an exporter that is not configured: name another one for \
                 them with `--to`"
            );
            self.unknown.push(name.to_owned());
        }
    }

    /// Room with an exporter; `None` when it is given up.
    async fn room(&mut self, name: &str, bytes: usize) -> Result<Option<Room>, ReplayError> {
        loop {
            let Some(target) = self.targets.get(name).filter(|target| target.task.is_some()) else {
                return Ok(None);
            };
            let handle = target.handle.clone();
            let next = tokio::select! {
                biased;
                room = handle.room(bytes) => return Ok(room.map_err(|Stopped| ()).ok()),
                next = self.next() => next,
            };
            self.act(next).await?;
        }
    }

    /// Waits for outcomes, or until an exporter is to be given up. Cancel-safe.
    async fn next(&mut self) -> ReplayStep {
        let give_up_after = self.settings.give_up_after;
        let busy = self.targets.values().filter(|target| target.under_way > 0);
        let due = busy.map(|target| target.heard + give_up_after).min();
        let mut settled = Vec::new();
        tokio::select! {
            biased;
            () = self.outcomes.next(&mut settled) => ReplayStep::Settled(settled),
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                ReplayStep::GiveUp
            }
        }
    }

    async fn act(&mut self, next: ReplayStep) -> Result<(), ReplayError> {
        match next {
            ReplayStep::Settled(settled) => self.settle(settled).await,
            ReplayStep::GiveUp => self.give_up().await,
        }
    }

    /// Gives up the exporters that have not been heard of for too long.
    async fn give_up(&mut self) -> Result<(), ReplayError> {
        let give_up_after = self.settings.give_up_after;
        let mut given_up = Vec::new();
        for (name, target) in &mut self.targets {
            if target.under_way > 0 && target.heard.elapsed() >= give_up_after {
                tracing::error!(
                    exporter = name,
                    silent_for = ?give_up_after,
                    "leave the dead letters that are under way: the backend has taken none of \
                     them, nor was one proven to be at fault"
                );
                target.end().await;
                given_up.push(name.clone());
            }
        }
        // What was delivered in the last moment counts.
        let mut settled = Vec::new();
        self.outcomes.take(&mut settled);
        self.settle(settled).await?;
        for name in given_up {
            let before = self.sent.len();
            self.sent.retain(|_, sent| sent.target != name);
            self.replayed.unanswered += (before - self.sent.len()) as u64;
            if let Some(target) = self.targets.get_mut(&name) {
                target.under_way = 0;
            }
        }
        Ok(())
    }

    /// Marks what is delivered.
    async fn settle(&mut self, settled: Vec<Settled>) -> Result<(), ReplayError> {
        let mut marks: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        for Settled { ticket, outcome, .. } in settled {
            let place = (ticket.partition, ticket.position);
            let Some(Sent { target, spans, dead_letter }) = self.sent.remove(&place) else {
                continue;
            };
            if let Some(target) = self.targets.get_mut(&target) {
                target.heard = Instant::now();
                target.under_way -= 1;
            }
            let left = match outcome {
                Outcome::Delivered => 0,
                Outcome::Refused { reason, bytes, spans: left } => {
                    self.replayed.refused += 1;
                    self.tell_refused(&dead_letter, &reason);
                    if left < spans {
                        self.keep_rest(&dead_letter, &reason, &bytes).await?;
                    }
                    left
                }
            };
            if left < spans {
                self.replayed.delivered += 1;
                self.replayed.spans += u64::from(spans - left);
                marks.entry(ticket.partition).or_default().push(ticket.position);
            }
        }
        for (partition, positions) in marks {
            for positions in positions.chunks(MARKED_AT_ONCE) {
                self.mark(Partition(partition), positions).await?;
            }
        }
        Ok(())
    }

    fn tell_refused(&self, dead_letter: &StoredDeadLetter, reason: &str) {
        let (partition, position) = (dead_letter.partition, dead_letter.position);
        if self.replayed.refused <= TOLD {
            tracing::warn!(%partition, %position, "a dead letter is refused again: {reason}");
        }
        if self.replayed.refused == TOLD {
            tracing::warn!("more that are refused are only counted");
        }
    }

    /// Makes a dead letter of what is left of `dead_letter`, before that one is marked.
    async fn keep_rest(
        &self,
        dead_letter: &StoredDeadLetter,
        reason: &str,
        payload: &[u8],
    ) -> Result<(), ReplayError> {
        let rest = DeadLetter {
            reason,
            topic: &dead_letter.topic,
            partition: dead_letter.partition.0,
            position: dead_letter.read_from,
            time_ms: dead_letter.time_ms,
            exporter: &dead_letter.exporter,
            payload,
        };
        let writer = Arc::clone(&self.topic.writer);
        let metrics = self.metrics.clone();
        let burying =
            append_dead_letter(writer, dead_letter.partition, rest.encode().into(), metrics);
        in_time(burying).await
    }

    async fn mark(&self, partition: Partition, positions: &[u64]) -> Result<(), ReplayError> {
        let record = Record::dead_letter(encode_replayed(positions).into());
        let (writer, metrics) = (Arc::clone(&self.topic.writer), self.metrics.clone());
        in_time(append(writer, partition, record, Appending::DeadLetters, metrics)).await
    }
}

/// What is to become durable, which is tried again until it does.
async fn in_time<E: std::fmt::Display>(
    appending: impl Future<Output = Result<(), E>>,
) -> Result<(), ReplayError> {
    match timeout(MARK_WITHIN, appending).await {
        Ok(appended) => appended.map_err(|error| ReplayError::Mark(error.to_string())),
        Err(_) => {
            let secs = MARK_WITHIN.as_secs();
            Err(ReplayError::Mark(format!("the log took nothing for {secs} s")))
        }
    }
}

impl Target {
    fn start(
        name: &str,
        config: &ExporterConfig,
        give_up_after: Duration,
    ) -> Result<Self, BuildError> {
        let mut config = config.clone();
        if let ExporterConfig::File(file) = &mut config {
            // What is in it stays.
            file.append = true;
        }
        let mut settings = queue_settings(&config);
        // What is in a dead letter was suspected before.
        settings.retry.max_elapsed_time = give_up_after / 2;
        settings.retry.max_interval = settings.retry.max_interval.min(LONGEST_WAIT);
        settings.retry.initial_interval = settings.retry.initial_interval.min(LONGEST_WAIT);
        let (handle, queue) = queue(build(name, &config)?, ExporterIndex(0), settings);
        let stop = CancellationToken::new();
        let task = tokio::spawn(queue.run(stop.clone().cancelled_owned()));
        Ok(Self { handle, stop, task: Some(task), under_way: 0, heard: Instant::now() })
    }

    /// Has it end, within the time that it bounds itself by. Passes its panic on.
    async fn end(&mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

#[cfg(test)]
mod tests;
