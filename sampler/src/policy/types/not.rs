//! `not`: traces are kept that a policy would not keep.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{
    lenient::one_or_many,
    lower::{Lower, Lowering, SubPolicy},
    report::{Report, Unknown},
    rule::Rule,
    say::Said,
};

/// The settings of a `not` policy.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, bound(deserialize = "P: Deserialize<'de>"))]
pub struct NotConfig<P> {
    /// A trace is kept if this would not keep it; exactly one.
    #[serde(deserialize_with = "one_or_many")]
    pub not_sub_policy: Vec<P>,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

impl<P> Default for NotConfig<P> {
    fn default() -> Self {
        Self { not_sub_policy: Vec::new(), unknown: Unknown::default() }
    }
}

impl<P: SubPolicy> Lower for NotConfig<P> {
    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule> {
        const KEY: &str = "not_sub_policy";
        report.refuse(&self.unknown, &[KEY]);
        if self.not_sub_policy.is_empty() {
            report.under(KEY).error("there are no policies in it", "give the policy to turn round");
            return None;
        }
        let rules = into.untold(|into| into.all(&self.not_sub_policy, KEY, report))?;
        let count = rules.len();
        let Ok([rule]) = <[Rule; 1]>::try_from(rules.into_vec()) else {
            let message = format!("has `{count}` policies, must have `1`");
            report.under(KEY).error(message, "put them into an `and` or an `or`");
            return None;
        };
        Some(Rule::Not(Box::new(rule)))
    }

    fn say(&self) -> Option<Said> {
        Some(Said::none(self.not_sub_policy.iter().map(P::say)))
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::tests::support::*;

    #[test]
    fn keeps_what_the_other_would_not() {
        let errors = "{ name: e, type: status_code, status_code: { status_codes: [ERROR] } }";
        let set = policy("not", &format!("{{ not_sub_policy: {errors} }}"));
        assert!(dull().is_kept(&set) && !dull().span(status(ERROR)).is_kept(&set));
        for (given, wrong) in [("[]", 1), (&format!("[{errors}, {errors}]"), 1), (errors, 0)] {
            let yaml = format!(
                "policies: [ {{ name: a, type: not, not: {{ not_sub_policy: {given} }} }} ]"
            );
            assert_eq!(problems(&yaml).0.len(), wrong, "{given}");
        }
    }
}
