//! Why a trace was kept, or was not: read from the logs, by any process that can read them.
//!
//! Nobody remembers anything for this, and nobody's work stops for it. What was decided stands in the
//! decision log, what it was decided from in the span log as long as that has it, how far exporters
//! are in the commits of the group, and what backends refused in the dead letters. A question reads
//! these parts of one partition, with cursors of its own, for a bounded time.

mod decisions;
mod explanation;
mod exports;
mod latest;
mod question;
mod scan;
mod spans;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use wholetrace_proto::id::TraceId;
use wholetrace_runtime::clock::unix_millis;
use wholetrace_spanlog::{Committed, Log, LogTime, routing::Routing};

pub use decisions::{Effect, RecordedDecision};
pub use explanation::{ExplainError, Explanation, Verdict};
pub use exports::{Export, ExportState, Refused};
pub use latest::{Latest, Selection};
pub use spans::{Root, SpanSummary, SpansRead, TraceSpans};

use question::Question;

/// Answers questions about traces.
#[derive(Clone)]
pub struct Explainer {
    /// The logs.
    pub log: Log,
    /// Which partition a trace is in.
    pub routing: Routing,
    /// How far the group is.
    pub committed: Arc<dyn Committed>,
    /// The exporters of this deployment.
    pub exporters: Vec<Arc<str>>,
    /// How long after its first span a trace is decided, in milliseconds, where no root comes first; if
    /// this process knows.
    pub decision_wait: Option<u64>,
}

impl Explainer {
    /// What became of the trace `id`, as far as it is found out in the time `within`.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn explain(
        &self,
        id: TraceId,
        within: Duration,
    ) -> Result<Explanation, ExplainError> {
        let (now, until) = (LogTime(unix_millis()), Instant::now() + within);
        let partition = self.routing.partition(id.key().0);
        let question = Question {
            log: &self.log,
            committed: &*self.committed,
            exporters: &self.exporters,
            decision_wait: self.decision_wait,
            id,
            partition,
            now,
            until,
        };
        question.answer().await
    }

    /// The latest decisions that `selection` is about, as far as they are found in the time `within`.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn latest(
        &self,
        selection: &Selection,
        within: Duration,
    ) -> Result<Latest, ExplainError> {
        let (now, until) = (LogTime(unix_millis()), Instant::now() + within);
        Ok(latest::find(&self.log, selection, now, until).await?)
    }
}
