//! Finds out what became of one trace.

use std::sync::Arc;

use tokio::time::Instant;
use wholetrace_proto::{
    id::{TraceId, TraceKey},
    record::Decision,
};
use wholetrace_spanlog::{Committed, Log, LogTime, Partition, Position, ReadError, Start};

use crate::{
    core::checkpoint::PartitionCheckpoint,
    explain::{
        decisions::{self, Found},
        explanation::{ExplainError, Explanation, Verdict},
        exports,
        scan::{Bounds, Scan, in_time},
        spans::{self, SpansRead, TraceSpans},
    },
};

/// How far back the decision log is read first, in milliseconds: people ask for what was just there.
const RECENT: u64 = 300_000;

/// What the clocks of this machine and of the log may differ by, in milliseconds, where a time of
/// the one is looked for in the other.
const CLOCKS: u64 = 60_000;

/// Bytes that are read of one part of a partition of a log.
const MAX_BYTES: u64 = 512 << 20;

/// A question about a trace.
pub(super) struct Question<'e> {
    pub(super) log: &'e Log,
    pub(super) committed: &'e dyn Committed,
    pub(super) exporters: &'e [Arc<str>],
    /// In milliseconds, if it is known.
    pub(super) decision_wait: Option<u64>,
    pub(super) id: TraceId,
    /// Where the trace is.
    pub(super) partition: Partition,
    /// The time of this machine.
    pub(super) now: LogTime,
    /// Nothing is read any more from then on.
    pub(super) until: Instant,
}

/// A part of the span log that was read for a trace.
struct Part {
    spans: TraceSpans,
    read: SpansRead,
    /// Where it begins, if that came in time.
    first: Option<Position>,
}

impl Question<'_> {
    /// What there is to say, as far as it is found out in time. What people ask for most is there
    /// first: the recent parts of the logs are read before the older ones.
    pub(super) async fn answer(self) -> Result<Explanation, ExplainError> {
        let committed = in_time(self.until, || self.committed.checkpoint(self.partition)).await?;
        let checkpoint = committed.ok_or(ExplainError::Late)?;
        let checkpoint = checkpoint.as_ref().map(PartitionCheckpoint::of);
        let checkpoint = checkpoint.as_ref();
        let recent = (Start::Time(self.now.minus(RECENT)), None);
        let (mut found, first) = self.decisions(recent, checkpoint).await?;
        let recent_spans = match found.holds() {
            Some(_) => None,
            None => Some(self.recent_spans().await?),
        };
        if found.may_have_earlier() {
            let (older, _) = self.decisions((Start::Earliest, first), checkpoint).await?;
            found = older.followed_by(found);
        }
        found.mark_repeated();
        if let Some(decision) = found.holds().map(|one| one.decision.clone()) {
            return Ok(self.decided(found, &decision, checkpoint).await?);
        }
        let answer = self.without_decision(found, recent_spans, checkpoint).await?;
        if answer.due.is_some_and(|due| answer.spans_read.to.is_some_and(|read| due <= read)) {
            // It may have been decided while its spans were looked for.
            let (mut found, _) = self.decisions(recent, checkpoint).await?;
            found.mark_repeated();
            if let Some(decision) = found.holds().map(|one| one.decision.clone()) {
                return Ok(self.decided(found, &decision, checkpoint).await?);
            }
        }
        Ok(answer)
    }

    /// Its decisions in a part of the decision log, and where that part begins.
    async fn decisions(
        &self,
        part: (Start, Option<Position>),
        checkpoint: Option<&PartitionCheckpoint>,
    ) -> Result<(Found, Option<Position>), ReadError> {
        let reader = (&*self.log.decisions.reader, self.partition);
        let claims = checkpoint.map(|known| &*known.hints.claims).unwrap_or_default();
        decisions::find(reader, self.key(), part, claims, self.bounds()).await
    }

    fn key(&self) -> TraceKey {
        self.id.key()
    }

    fn bounds(&self) -> Bounds {
        Bounds { until: self.until, max_bytes: MAX_BYTES }
    }

    /// The trace has a decision.
    async fn decided(
        &self,
        found: Found,
        decision: &Decision,
        checkpoint: Option<&PartitionCheckpoint>,
    ) -> Result<Explanation, ReadError> {
        let mut answer = self.explanation(found);
        let first_seen = LogTime(decision.first_seen_ms);
        let mut refused = Vec::new();
        if decision.kept {
            let reader = &*self.log.dead_letters.reader;
            let start = Start::Time(first_seen);
            let mut scan = Scan::begin(reader, self.partition, start, None, self.bounds()).await?;
            refused = exports::refused(&mut scan, self.key()).await?;
            answer.cut |= scan.is_cut();
        }
        // Where clocks were set back, the log's time is ahead of the records'.
        let ahead = checkpoint.map_or(0, |known| known.hints.clock.ahead());
        let spans = TraceSpans::of(Some(LogTime(decision.decided_at_ms)));
        let from = (Start::Time(first_seen.minus(ahead)), None);
        let part = self.spans(spans, from).await?;
        answer.verdict = Verdict::NotSampled;
        if decision.kept {
            answer.verdict = Verdict::Kept;
            let places = &part.spans.places;
            answer.exports = exports::of(checkpoint, self.exporters, places, &refused);
        }
        Ok(answer.with_spans(part.spans, part.read))
    }

    /// The trace has none, or none that is known any more.
    async fn without_decision(
        &self,
        found: Found,
        recent: Option<Part>,
        checkpoint: Option<&PartitionCheckpoint>,
    ) -> Result<Explanation, ReadError> {
        let mut answer = self.explanation(found);
        let recent = match recent {
            Some(recent) => recent,
            None => self.recent_spans().await?,
        };
        // What is committed is decided.
        let start = checkpoint.map(|known| Start::Position(known.position));
        let older = (start.unwrap_or(Start::Earliest), recent.first);
        let part = self.spans(recent.spans, older).await?;
        let read = SpansRead {
            from: part.read.from.or(recent.read.from),
            to: recent.read.to.or(part.read.to),
            cut: recent.read.cut || part.read.cut,
        };
        if part.spans.is_found() {
            answer.verdict = Verdict::Undecided;
            let first = part.spans.on_time.came.map(|(first, _)| first);
            answer.due = first.zip(self.decision_wait).map(|(first, wait)| first.plus(wait));
        } else {
            let one = Bounds { max_bytes: 1, ..self.bounds() };
            let (reader, start) = (&*self.log.spans.reader, Start::Earliest);
            let mut scan = Scan::begin(reader, self.partition, start, None, one).await?;
            let frames = scan.next().await?;
            answer.oldest_spans = frames.and_then(|frames| Some(frames.first()?.time));
        }
        Ok(answer.with_spans(part.spans, read))
    }

    /// What came in the last decision wait, and a little before.
    async fn recent_spans(&self) -> Result<Part, ReadError> {
        let wait = self.decision_wait.unwrap_or_default().saturating_add(CLOCKS);
        let recent = (Start::Time(self.now.minus(wait)), None);
        self.spans(TraceSpans::default(), recent).await
    }

    /// `spans`, and those in a part of the span log.
    async fn spans(
        &self,
        mut spans: TraceSpans,
        (start, end): (Start, Option<Position>),
    ) -> Result<Part, ReadError> {
        let reader = &*self.log.spans.reader;
        let mut scan = Scan::begin(reader, self.partition, start, end, self.bounds()).await?;
        let read = spans::find(&mut scan, self.key(), &mut spans).await?;
        Ok(Part { spans, read, first: scan.first() })
    }

    fn explanation(&self, found: Found) -> Explanation {
        Explanation {
            id: self.id,
            partition: self.partition,
            verdict: Verdict::Unknown,
            decisions: found.decisions,
            spans: TraceSpans::default(),
            spans_read: SpansRead::default(),
            due: None,
            exports: Vec::new(),
            oldest_decision: found.oldest,
            oldest_spans: None,
            cut: found.cut,
        }
    }
}
