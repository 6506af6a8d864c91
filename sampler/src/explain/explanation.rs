//! What there is to say of a trace.

use wholetrace_proto::id::TraceId;
use wholetrace_spanlog::{LogTime, Partition, ReadError};

use crate::explain::{
    decisions::RecordedDecision,
    exports::Export,
    spans::{SpansRead, TraceSpans},
};

/// What there is to say of a trace.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The trace.
    pub id: TraceId,
    /// Where it is in all logs.
    pub partition: Partition,
    /// What became of it.
    pub verdict: Verdict,
    /// All decisions about it, in the order of the log. The first one that holds is the verdict.
    pub decisions: Vec<RecordedDecision>,
    /// Its spans, as far as the span log still has them and was read.
    pub spans: TraceSpans,
    /// How far the span log was read.
    pub spans_read: SpansRead,
    /// By when it will be decided, in the time of the log, if it is not.
    pub due: Option<LogTime>,
    /// What exporters have done about it, if it is kept.
    pub exports: Vec<Export>,
    /// When the oldest decision came that is still in the log, if all of it was read.
    pub oldest_decision: Option<LogTime>,
    /// When the oldest spans came that are still in the log; asked for only where nothing is known.
    pub oldest_spans: Option<LogTime>,
    /// Whether the time ended before everything was read: what is not told may be there.
    pub cut: bool,
}

impl Explanation {
    /// The same with what was found of its spans.
    pub(super) fn with_spans(self, spans: TraceSpans, spans_read: SpansRead) -> Self {
        Self { cut: self.cut || spans_read.cut, spans, spans_read, ..self }
    }
}

/// What became of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept.
    Kept,
    /// It is not: the policies did not want it.
    NotSampled,
    /// There are spans of it, and no decision yet.
    Undecided,
    /// The logs have nothing of it, as far as they go back.
    Unknown,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The log cannot be read.
    #[error("the log cannot be read: {0}")]
    Read(#[from] ReadError),
    /// It did not say in time what the group has committed.
    #[error("the log did not say in time how far the group is: ask again")]
    Late,
}
