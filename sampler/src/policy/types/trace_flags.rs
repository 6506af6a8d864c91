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
