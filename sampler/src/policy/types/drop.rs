//! `drop`: traces are discarded that all of several policies would keep, whatever else would keep them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{
    lenient::one_or_many,
    lower::{Lower, Lowering, SubPolicy},
    report::{Report, Unknown},
    rule::Rule,
    say::Said,
};

/// The settings of a `drop` policy.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, bound(deserialize = "P: Deserialize<'de>"))]
pub struct DropConfig<P> {
    /// A trace is not kept if every one of these would keep it; at least one.
    #[serde(deserialize_with = "one_or_many")]
    pub drop_sub_policy: Vec<P>,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

impl<P> Default for DropConfig<P> {
    fn default() -> Self {
        Self { drop_sub_policy: Vec::new(), unknown: Unknown::default() }
    }
}

impl<P: SubPolicy> Lower for DropConfig<P> {
    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule> {
        const KEY: &str = "drop_sub_policy";
        report.refuse(&self.unknown, &[KEY]);
        if self.drop_sub_policy.is_empty() {
            report.under(KEY).error(
                "there are no policies in it",
                "a Collector would discard every trace by it",
            );
            return None;
        }
        if into.is_nested() {
            let message = "discards traces whatever others say, and cannot stand inside another";
            report.error(message, "take `not` here, or put it beside the other policies");
            return None;
        }
        into.untold(|into| into.all(&self.drop_sub_policy, KEY, report)).map(Rule::And)
    }

    fn say(&self) -> Option<Said> {
        Some(Said::all(self.drop_sub_policy.iter().map(P::say)))
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::tests::support::*;

    /// A randomness that consistent sampling keeps at any share above 0.
    const LUCKY: u128 = (1 << 56) - 1;

    const DROP: &str = "
  - { name: all, type: always_sample }
  - name: checks
    type: drop
    drop:
      drop_sub_policy:
        - { name: a, type: string_attribute, string_attribute: { key: path, values: [/health] } }
        - { name: b, type: status_code, status_code: { status_codes: [UNSET] } }
";

    #[test]
    fn wins_over_all() {
        let policies = policies(DROP);
        let check = Trace::new(LUCKY).span(with(vec![text("path", "/health")]));
        let decision = check.decision(&policies);
        assert!(!decision.kept);
        assert_eq!(policies.policy_name(decision.policy.unwrap()), Some("checks"));
        let marked = check.span(with(vec![text("wholetrace.keep", "zipkin.debug")]));
        assert!(!marked.is_kept(&policies), "also over what asks to be kept");
        let decision = dull().decision(&policies);
        assert!(decision.kept && decision.probability_known);
        assert_eq!(policies.policy_name(decision.policy.unwrap()), Some("all"));
    }
}
