//! `or`: traces are kept that one of several policies would keep. Ours: in a Collector only the
//! policies at the top are joined so.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{
    lenient::one_or_many,
    lower::{Lower, Lowering, SubPolicy},
    report::{Report, Unknown},
    rule::Rule,
    say::Said,
};

/// The settings of an `or` policy.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, bound(deserialize = "P: Deserialize<'de>"))]
pub struct OrConfig<P> {
    /// A trace is kept if one of these would keep it; at least one.
    #[serde(deserialize_with = "one_or_many")]
    pub or_sub_policy: Vec<P>,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

impl<P> Default for OrConfig<P> {
    fn default() -> Self {
        Self { or_sub_policy: Vec::new(), unknown: Unknown::default() }
    }
}

impl<P: SubPolicy> Lower for OrConfig<P> {
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
        Some(Said::any(self.or_sub_policy.iter().map(P::say)))
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::tests::support::*;

    #[test]
    fn keeps_what_one_would_keep() {
        let set = policy(
            "or",
            "{ or_sub_policy: [ \
         { name: a, type: status_code, status_code: { status_codes: [ERROR] } }, \
         { name: b, type: string_attribute, string_attribute: { key: k, values: [v] } } ] }",
        );
        assert!(!dull().is_kept(&set));
        assert!(dull().span(status(ERROR)).is_kept(&set));
        assert!(dull().span(with(vec![text("k", "v")])).is_kept(&set));
        let none = "policies: [ { name: a, type: or, or: { or_sub_policy: [] } } ]";
        assert_eq!(problems(none).0.len(), 1);
    }
}
