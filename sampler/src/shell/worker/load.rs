//! The start of an ownership: recorded decisions first, then the cursors.

use std::time::Duration;

use tokio::time::timeout;
use wholetrace_spanlog::{
    Checkpoint, Frame, Log, Partition, Position, ReadError, Reader, Start, TopicName,
};

use crate::{
    core::{
        checkpoint::PartitionCheckpoint,
        partition::{Input, Settings},
    },
    shell::{
        metrics::SamplerMetrics,
        worker::{
            jobs::again,
            reading::{Reading, gap},
            shell::Shell,
        },
    },
};

/// Bytes of the decision log that are read at a time.
const LOAD_BYTES: usize = 1 << 20;
/// How long the first record of the span log may take before the rest goes on without it. It only
/// saves memory.
const FIRST_WITHIN: Duration = Duration::from_secs(2);

/// The readers of a partition.
pub(super) struct Cursors {
    pub(super) spans: Reading,
    pub(super) decisions: Reading,
    /// One past the newest record of the span log when all this began.
    pub(super) end: Position,
}

/// Why an ownership could not begin, and which log it was.
pub(super) struct LoadError {
    pub(super) topic: TopicName,
    pub(super) error: ReadError,
}

impl LoadError {
    const fn decisions(error: ReadError) -> Self {
        Self { topic: TopicName::Decisions, error }
    }
}

impl From<ReadError> for LoadError {
    fn from(error: ReadError) -> Self {
        Self { topic: TopicName::Spans, error }
    }
}

/// Tells `shell` all decisions that are recorded, and opens the cursors behind them and at the
/// commit. Records of the decisions that cannot be read are told of once, from `told` on.
///
/// # Errors
/// When the log cannot be read; failures that may pass are waited out.
pub(super) async fn load(
    shell: &mut Shell,
    log: &Log,
    settings: &Settings,
    committed: Option<&Checkpoint>,
    (metrics, told): (&SamplerMetrics, &mut Position),
) -> Result<Cursors, LoadError> {
    let partition = settings.partition;
    let checkpoint = committed.map(PartitionCheckpoint::of);
    let start = checkpoint.as_ref().map(|checkpoint| checkpoint.start(&settings.exporters).lead);
    let reader = log.spans.reader.as_ref();
    let extent = again(metrics, || reader.extent(partition)).await?;
    let mut begin = Start::Earliest;
    if let Some(from) = start.map(|start| Position(start.position)) {
        begin = Start::Position(from);
        if let Some(oldest) = gap(reader, partition, from, metrics).await? {
            metrics.lost(TopicName::Spans, partition, from, oldest);
        }
    }
    let mut spans = Reading::open(&log.spans, partition, begin, metrics).await?;
    let from = start.map_or(extent.start, |start| Position(start.position));
    let first = async {
        if from < extent.end {
            return spans.peek().await;
        }
        // The last one that was read: what comes is not earlier.
        let last = Position(extent.end.0.saturating_sub(1));
        let read = again(metrics, || reader.fetch(partition, last, 1)).await;
        Ok(read.ok().and_then(|frames| frames.first().map(|frame| frame.time)))
    };
    if let Ok(begins) = timeout(FIRST_WITHIN, first).await
        && let Some(time) = begins?
    {
        shell.step(Input::LogBegins(time));
    }
    let needed = Position(start.unwrap_or_default().decisions);
    if checkpoint.is_some_and(|checkpoint| checkpoint.hints.decisions.is_some()) {
        let reader = log.decisions.reader.as_ref();
        let oldest = gap(reader, partition, needed, metrics).await;
        if let Some(oldest) = oldest.map_err(LoadError::decisions)? {
            metrics.lost(TopicName::Decisions, partition, needed, oldest);
        }
    }
    let from = load_decisions(shell, log, partition, needed, (metrics, told));
    let from = from.await.map_err(LoadError::decisions)?;
    shell.step(Input::DecisionsLoaded);
    let begin = Start::Position(from);
    let decisions = Reading::open(&log.decisions, partition, begin, metrics);
    let decisions = decisions.await.map_err(LoadError::decisions)?;
    Ok(Cursors { spans, decisions, end: extent.end })
}

/// Tells all decisions from `hint` on. Gives the position behind them.
async fn load_decisions(
    shell: &mut Shell,
    log: &Log,
    partition: Partition,
    hint: Position,
    (metrics, told): (&SamplerMetrics, &mut Position),
) -> Result<Position, ReadError> {
    let reader = log.decisions.reader.as_ref();
    let oldest = again(metrics, || reader.extent(partition)).await?.start;
    let mut from = oldest.max(hint);
    let mut suspect = None;
    loop {
        let records = match fetch(reader, partition, from, metrics).await {
            Err(ReadError::Damaged { position, .. }) if suspect != Some(position) => {
                suspect = Some(position);
                continue;
            }
            Err(ReadError::Damaged { position, detail, .. }) => {
                if position >= *told {
                    *told = position.next();
                    shell.unreadable_decisions(position, &detail);
                }
                from = position.next();
                continue;
            }
            records => records?,
        };
        let Some(last) = records.last() else { return Ok(from) };
        from = last.position.next();
        shell.step(Input::Decisions(records));
        tokio::task::yield_now().await;
    }
}

/// Decisions from `from` on, or from the oldest that is still there. None at the end of the log.
async fn fetch(
    reader: &dyn Reader,
    partition: Partition,
    mut from: Position,
    metrics: &SamplerMetrics,
) -> Result<Vec<Frame>, ReadError> {
    loop {
        match again(metrics, || reader.fetch(partition, from, LOAD_BYTES)).await {
            Err(ReadError::Gone { oldest, .. }) if oldest > from => from = oldest,
            other => return other,
        }
    }
}
