//! `span_count`: traces of a number of spans are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{
    evaluation::Evaluation,
    lenient::whole,
    lower::{Lower, Lowering},
    plan::Counter,
    report::{Report, Unknown},
    rule::{Leaf, Rule, Trace},
    say::Said,
};

/// The settings of a `span_count` policy.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct SpanCountConfig {
    /// The fewest spans of a trace that is kept.
    #[serde(deserialize_with = "whole")]
    pub min_spans: i64,
    /// The most spans of a trace that is kept; 0 for no such bound.
    #[serde(deserialize_with = "whole")]
    pub max_spans: i64,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

#[derive(Debug)]
struct SpanCount {
    spans: Counter,
    least: i64,
    most: i64,
}

impl Lower for SpanCountConfig {
    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule> {
        const MAX: &str = "max_spans";
        report.refuse(&self.unknown, &[MAX, "min_spans"]);
        let (least, most) = (self.min_spans, self.max_spans);
        if most != 0 && most < least {
            let message = format!("`{most}` is below `min_spans`, which is `{least}`");
            report.warn(MAX, message, "no trace has that many spans and not more");
        }
        let most = if most == 0 { i64::MAX } else { most };
        Some(Rule::leaf(SpanCount { spans: into.planner.spans(), least, most }))
    }

    fn say(&self) -> Option<Said> {
        let traces = match (self.min_spans, self.max_spans) {
            (least, 0) => format!("of at least {least} spans"),
            (least, most) => format!("of {least} to {most} spans"),
        };
        Some(Said::new(traces, "the number of spans"))
    }
}

impl Leaf for SpanCount {
    fn evaluate(&self, trace: &Trace<'_>) -> Evaluation {
        let spans = i64::from(trace.record.count(self.spans));
        Evaluation::by_contents((self.least..=self.most).contains(&spans))
    }
}

#[cfg(test)]
mod tests {
    use wholetrace_proto::otlp::Span;

    use crate::policy::tests::support::*;

    #[test]
    fn a_trace_has_so_many_spans() {
        let of = |count| (0..count).fold(Trace::new(1), |trace, _| trace.span(Span::default()));
        for (settings, counts) in [
            ("{ min_spans: 2 }", [false, true, true, true]),
            ("{ min_spans: 2, max_spans: 3 }", [false, true, true, false]),
            ("{ max_spans: 1 }", [true, false, false, false]),
            ("{}", [true; 4]),
        ] {
            let set = policy("span_count", settings);
            assert_eq!([1, 2, 3, 4].map(|count| of(count).is_kept(&set)), counts, "{settings}");
        }
        let below = "policies: [ { name: a, type: span_count, span_count: { min_spans: 3, max_spans: 2 } } ]";
        let (errors, warnings) = problems(below);
        assert!(errors.is_empty() && warnings.len() == 1, "{errors:?} {warnings:?}");
    }
}
