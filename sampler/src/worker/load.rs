//! The start of an ownership: recorded decisions first, then the cursors.

use wholetrace_spanlog::{
    Checkpoint, Cursor, Frame, Log, Partition, Position, ReadError, Reader, Start,
};

use crate::{
    checkpoint::Progress,
    metrics::SamplerMetrics,
    partition::Input,
    worker::{jobs::Backoff, shell::Shell},
};

/// Bytes of the decision log that are read at a time.
const LOAD_BYTES: usize = 1 << 20;

/// The readers of a partition.
pub(super) struct Cursors {
    pub(super) spans: Box<dyn Cursor>,
    pub(super) decisions: Box<dyn Cursor>,
}

/// Tells `shell` all decisions that are recorded, and opens the cursors behind them and at the
/// commit.
///
/// # Errors
/// When the log cannot be read; failures that may pass are waited out.
pub(super) async fn load(
    shell: &mut Shell,
    log: &Log,
    partition: Partition,
    committed: Option<&Checkpoint>,
    metrics: &SamplerMetrics,
) -> Result<Cursors, ReadError> {
    let start = committed.map(Progress::of);
    let hint = start.as_ref().and_then(|start| start.hints.decisions).unwrap_or_default();
    let decisions = log.decisions.reader.as_ref();
    let oldest = again(metrics, || decisions.extent(partition)).await?.start;
    let mut from = oldest.max(Position(hint));
    loop {
        let records = fetch(decisions, partition, from, metrics).await?;
        let Some(last) = records.last() else { break };
        from = last.position.next();
        shell.step(Input::Decisions(records));
        tokio::task::yield_now().await;
    }
    shell.step(Input::Loaded);
    let begin = match &start {
        Some(start) => Start::Position(start.position),
        None => Start::Earliest,
    };
    let spans = log.spans.reader.as_ref();
    if let Some(start) = &start {
        let oldest = again(metrics, || spans.extent(partition)).await?.start;
        if oldest > start.position {
            let committed = start.position;
            tracing::warn!(%partition, %committed, %oldest, "go on where the log does: it starts behind the commit");
        }
    }
    Ok(Cursors {
        spans: again(metrics, || spans.open(partition, begin)).await?,
        decisions: again(metrics, || decisions.open(partition, Start::Position(from))).await?,
    })
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

/// Tries until the log answers.
pub(super) async fn again<T, F>(
    metrics: &SamplerMetrics,
    read: impl Fn() -> F,
) -> Result<T, ReadError>
where
    F: Future<Output = Result<T, ReadError>>,
{
    let mut backoff = Backoff::new();
    loop {
        match read().await {
            Err(ReadError::Failed(error)) => {
                tracing::warn!("read the log again: {error}");
                metrics.read_retries.increment(1);
                backoff.wait().await;
            }
            other => return other,
        }
    }
}
