//! What is told of questions about decisions.

use std::time::Duration;

use metrics::{Counter, Histogram, counter, histogram};
use wholetrace_runtime::metrics::{Label, Metric, SECONDS, Unit};

const QUESTIONS: &str = "wholetrace_explain_questions_total";
const TAKEN: &str = "wholetrace_explain_seconds";

/// The metrics of questions about decisions.
pub(crate) const TABLE: &[Metric] = &[
    Metric::counter(
        QUESTIONS,
        Unit::None,
        "Questions below `/api/decisions`, by what became of them: `incomplete` ones were answered from \
         what was read in time, `invalid` ones ask for nothing that there is, and `busy` ones came while \
         as many others waited as may.",
    )
    .labels(&[Label::closed("outcome", &Outcome::NAMES)]),
    Metric::histogram(
        TAKEN,
        Unit::Seconds,
        "Time for which the log was read for a question.",
        SECONDS,
    ),
];

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was answered.
    Answered,
    /// It was, from a part of the log.
    Incomplete,
    /// It asks for nothing that there is.
    Invalid,
    /// There is no log yet.
    Starting,
    /// Others are before it.
    Busy,
    /// The log could not be read.
    Failed,
}

impl Outcome {
    /// All of them, in order.
    const NAMES: [&'static str; 6] =
        ["answered", "incomplete", "invalid", "starting", "busy", "failed"];
}

/// The handles.
pub(super) struct Metrics {
    outcomes: [Counter; 6],
    taken: Histogram,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let outcomes = Outcome::NAMES.map(|outcome| counter!(QUESTIONS, "outcome" => outcome));
        Self { outcomes, taken: histogram!(TAKEN) }
    }

    pub(super) fn asked(&self, outcome: Outcome) {
        // The names stand in the order of the kinds.
        if let Some(counter) = self.outcomes.get(outcome as usize) {
            counter.increment(1);
        }
    }

    pub(super) fn took(&self, time: Duration) {
        self.taken.record(time.as_secs_f64());
    }
}
