//! `latency`: traces that lasted longer than a threshold are kept.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_runtime::units::HumanDuration;

use crate::policy::{
    evaluation::Evaluation,
    lenient::whole,
    lower::{Lower, Lowering},
    report::{Report, Unknown},
    rule::{Leaf, Rule, Trace},
    say::Said,
};

const NS_PER_MS: u64 = 1_000_000;

/// The settings of a `latency` policy. A trace lasts from its earliest start to its latest end, cut to
/// whole milliseconds; times that the sender did not know (0) or has got wrong do not count.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct LatencyConfig {
    /// Traces that lasted longer than this are kept, in milliseconds. One that lasted just as long
    /// is not.
    #[serde(deserialize_with = "whole")]
    pub threshold_ms: i64,
    /// Traces that lasted longer than this are not, in milliseconds; 0 for no such bound. One that
    /// lasted just as long is kept.
    #[serde(deserialize_with = "whole")]
    pub upper_threshold_ms: i64,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

#[derive(Debug)]
struct Latency {
    longer_than_ms: i64,
    at_most_ms: Option<i64>,
}

impl Lower for LatencyConfig {
    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule> {
        const UPPER: &str = "upper_threshold_ms";
        report.refuse(&self.unknown, &["threshold_ms", UPPER]);
        let (lower, upper) = (self.threshold_ms, self.upper_threshold_ms);
        if upper != 0 && upper <= lower {
            let message = format!("`{upper}` is not above `threshold_ms`, which is `{lower}`");
            report.warn(UPPER, message, "no trace lasts longer than one and not than the other");
        }
        into.planner.duration();
        let at_most_ms = (upper != 0).then_some(upper);
        Some(Rule::leaf(Latency { longer_than_ms: lower, at_most_ms }))
    }

    fn say(&self) -> Option<Said> {
        let ms = |ms: i64| HumanDuration::from_millis(u64::try_from(ms).unwrap_or(0));
        let mut traces = format!("that lasted longer than {}", ms(self.threshold_ms));
        if self.upper_threshold_ms != 0 {
            let _ = write!(traces, " and not longer than {}", ms(self.upper_threshold_ms));
        }
        Some(Said::new(traces, "the earliest start and the latest end of all spans"))
    }
}

impl Leaf for Latency {
    fn evaluate(&self, trace: &Trace<'_>) -> Evaluation {
        let ms = (trace.record.duration_ns() / NS_PER_MS).cast_signed();
        let in_time = self.at_most_ms.is_none_or(|at_most| ms <= at_most);
        Evaluation::by_contents(ms > self.longer_than_ms && in_time)
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::tests::support::*;

    const MS: u64 = 1_000_000;

    /// What is judged is the whole trace, from the earliest start to the latest end.
    #[test]
    fn is_above_the_threshold_and_up_to_the_upper_one() {
        type Case = (i64, i64, &'static [(u64, u64)], bool);
        let cases: &[Case] = &[
            (5000, 0, &[(1, 5001 * MS + 1)], true),
            // Just as long is not longer; and fractions of a millisecond are cut.
            (5000, 0, &[(MS, 5001 * MS)], false),
            (5000, 0, &[(MS, 5002 * MS - 1)], false),
            (5000, 0, &[(MS, 5002 * MS)], true),
            // No span is that slow, the trace is.
            (5000, 0, &[(MS, 3000 * MS), (2500 * MS, 5400 * MS)], true),
            (5000, 0, &[(2500 * MS, 5400 * MS), (MS, 3000 * MS)], true),
            // Between two bounds, in any order of the spans.
            (1000, 2000, &[(MS, 1501 * MS)], true),
            (1000, 2000, &[(MS, 1001 * MS)], false),
            (1000, 2000, &[(MS, 2001 * MS)], true),
            (1000, 2000, &[(MS, 2002 * MS)], false),
            (1000, 2000, &[(MS, 1501 * MS), (MS, 9000 * MS)], false),
            (1000, 2000, &[(MS, 9000 * MS), (MS, 1501 * MS)], false),
            // Times that the sender did not know move nothing.
            (1000, 0, &[(0, 9000 * MS)], false),
            (1000, 0, &[(9000 * MS, 0)], false),
            (1000, 0, &[(0, 0), (8000 * MS, 9000 * MS + 1)], false),
            (1000, 0, &[(0, 9500 * MS), (8000 * MS, 0)], true),
            // Clocks that disagree.
            (1000, 0, &[(9000 * MS, 1000 * MS)], false),
            (0, 0, &[(MS, 2 * MS - 1)], false),
            (0, 0, &[(MS, 2 * MS)], true),
            (-1, 0, &[(MS, MS)], true),
            (1000, 500, &[(MS, 800 * MS)], false),
            (0, -1, &[(MS, 800 * MS)], false),
        ];
        for (threshold, upper, spans, kept) in cases {
            let settings = format!("{{ threshold_ms: {threshold}, upper_threshold_ms: {upper} }}");
            let policies = policy("latency", &settings);
            let trace = spans.iter().fold(Trace::new(1), |trace, (s, e)| trace.span(times(*s, *e)));
            assert_eq!(trace.is_kept(&policies), *kept, "{settings} {spans:?}");
        }
    }
}
