//! `and`: traces are kept that all of several policies would keep.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{
    lenient::one_or_many,
    lower::{Lower, Lowering, SubPolicy},
    report::{Report, Unknown},
    rule::Rule,
    say::Said,
};

/// The settings of an `and` policy.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, bound(deserialize = "P: Deserialize<'de>"))]
pub struct AndConfig<P> {
    /// A trace is kept if every one of these would keep it. An empty list keeps every trace.
    #[serde(deserialize_with = "one_or_many")]
    pub and_sub_policy: Vec<P>,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

impl<P> Default for AndConfig<P> {
    fn default() -> Self {
        Self { and_sub_policy: Vec::new(), unknown: Unknown::default() }
    }
}

impl<P: SubPolicy> Lower for AndConfig<P> {
    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule> {
        const KEY: &str = "and_sub_policy";
        report.refuse(&self.unknown, &[KEY]);
        if self.and_sub_policy.is_empty() {
            let message = "there are no policies in it, so it keeps every trace";
            report.warn(KEY, message, "take `always_sample` to say so");
        }
        into.all(&self.and_sub_policy, KEY, report).map(Rule::And)
    }

    fn say(&self) -> Option<Said> {
        Some(Said::all(self.and_sub_policy.iter().map(P::say)))
    }
}
