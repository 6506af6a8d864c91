//! `or`: traces are kept that one of several policies would keep. Ours: a Collector has it at the top only.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{
    lenient::one_or_many,
    lower::{Lower, Lowering},
    policies::PolicyConfig,
    report::{Report, Unknown},
    rule::Rule,
    say::Said,
};

/// The settings of an `or` policy.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct OrConfig {
    /// A trace is kept if one of these would keep it; at least one.
    #[serde(deserialize_with = "one_or_many")]
    pub or_sub_policy: Vec<PolicyConfig>,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

impl Lower for OrConfig {
    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule> {
        const KEY: &str = "or_sub_policy";
        report.refuse(&self.unknown, &[KEY]);
        if self.or_sub_policy.is_empty() {
            report.under(KEY).error("there are no policies in it", "give at least one policy");
            return None;
        }
        into.all(&self.or_sub_policy, KEY, report).map(Rule::Or)
    }

    fn say(&self) -> Option<Said> {
        Some(Said::any(self.or_sub_policy.iter().map(PolicyConfig::say)))
    }
}
