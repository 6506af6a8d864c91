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

#[cfg(test)]
mod tests {
    use wholetrace_proto::tracestate::Threshold;

    use crate::policy::tests::support::*;

    /// A randomness that consistent sampling keeps at any share above 0.
    const LUCKY: u128 = (1 << 56) - 1;

    const AND: &str = "
  - name: both
    type: and
    and:
      and_sub_policy:
        - { name: a, type: status_code, status_code: { status_codes: [ERROR] } }
        - { name: b, type: string_attribute, string_attribute: { key: k, values: [v] } }
        - { name: c, type: probabilistic, probabilistic: { sampling_percentage: 50 } }
";

    #[test]
    fn keeps_what_all_would_keep() {
        let policies = policies(AND);
        let whole = |id| Trace::new(id).span(status(ERROR)).span(with(vec![text("k", "v")]));
        let decision = whole(LUCKY).decision(&policies);
        assert!(decision.kept && decision.probability_known);
        assert_eq!(decision.threshold, 0x80_0000_0000_0000);
        assert!(!whole(0).is_kept(&policies));
        assert!(!Trace::new(LUCKY).span(status(ERROR)).is_kept(&policies));
        let wrong = Trace::new(LUCKY).span(with(vec![text("k", "v")]));
        assert_eq!(wrong.decision(&policies).threshold, Threshold::NEVER.get());
    }
}
