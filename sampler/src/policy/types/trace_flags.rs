//! `trace_flags`: traces that a tracer has sampled are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{
    lower::{Lower, Lowering},
    report::{Report, Unknown},
    rule::Rule,
    say::Said,
};

/// The settings of a `trace_flags` policy: there are none. It keeps traces with a span whose sampled
/// flag (W3C Trace Context) is set.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct TraceFlagsConfig {
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

impl Lower for TraceFlagsConfig {
    const NEEDS_SETTINGS: bool = false;

    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule> {
        report.refuse(&self.unknown, &[]);
        let asked = into.planner.sampled_flag();
        into.fact(asked, report).map(|fact| Rule::matching(fact, false))
    }

    fn say(&self) -> Option<Said> {
        Some(Said::new("with a span whose sampled flag is set", "the flags of each span"))
    }
}

#[cfg(test)]
mod tests {
    use wholetrace_proto::otlp::Span;

    use crate::policy::tests::support::*;

    #[test]
    fn one_span_is_sampled() {
        let set = policies("  - { name: it, type: trace_flags }");
        let of = |flags| dull().span(Span { flags, ..Span::default() });
        for (flags, kept) in [(0, false), (1, true), (0x101, true), (0x300, false)] {
            assert_eq!(of(flags).is_kept(&set), kept, "{flags:#x}");
        }
    }
}
