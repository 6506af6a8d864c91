//! `composite`: several policies share the spans to keep in a second.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{
    lenient::{one_or_many, whole},
    lower::{Lower, Lowering, SubPolicy},
    report::{Report, Unknown},
    rule::{Composite, Rule},
    say::Said,
};

/// The settings of a `composite` policy. Each of its policies keeps what it says yes to, as far as its
/// share of the spans goes; a trace that finds no room in one finds it in another that says yes.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, bound(deserialize = "P: Deserialize<'de>"))]
pub struct CompositeConfig<P> {
    /// The spans to keep in a second, by all samplers together.
    #[serde(deserialize_with = "whole")]
    pub max_total_spans_per_second: i64,
    /// Not needed: policies do not come one after the other. A Collector does not read it either.
    #[serde(deserialize_with = "one_or_many")]
    pub policy_order: Vec<String>,
    /// The policies; at least one.
    #[serde(deserialize_with = "one_or_many")]
    pub composite_sub_policy: Vec<P>,
    /// The shares of policies; one that is not listed, or with a percentage of 0, has as much as if all
    /// had the same.
    #[serde(deserialize_with = "one_or_many")]
    pub rate_allocation: Vec<RateAllocation>,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

/// The share of a policy.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RateAllocation {
    /// The name of the policy, among `composite_sub_policy`.
    pub policy: String,
    /// Its share of the spans, in percent.
    #[serde(deserialize_with = "whole")]
    pub percent: i64,
}

impl<P> Default for CompositeConfig<P> {
    fn default() -> Self {
        Self {
            max_total_spans_per_second: 0,
            policy_order: Vec::new(),
            composite_sub_policy: Vec::new(),
            rate_allocation: Vec::new(),
            unknown: Unknown::default(),
        }
    }
}

impl<P: SubPolicy> Lower for CompositeConfig<P> {
    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule> {
        const KEY: &str = "composite_sub_policy";
        check(self, report);
        if self.composite_sub_policy.is_empty() {
            report.under(KEY).error("there are no policies in it", "give at least one");
            return None;
        }
        let rules =
            into.untold(|into| into.all(&self.composite_sub_policy, KEY, report))?.into_vec();
        let mut shares = 0;
        let mut parts = Vec::with_capacity(rules.len());
        for (policy, rule) in self.composite_sub_policy.iter().zip(rules) {
            let share = share(self, policy.name()).max(0);
            shares += share;
            into.names.push(policy.name().to_owned());
            let room = into.spans_per_second(share);
            into.names.pop();
            let name = into.name_to_tell(policy.name());
            parts.push((Rule::And(Box::new([rule, room?])), name));
        }
        let room = if shares <= self.max_total_spans_per_second {
            None
        } else {
            Some(into.spans_per_second(self.max_total_spans_per_second)?)
        };
        Some(Rule::Composite(Box::new(Composite { parts: parts.into(), room })))
    }

    fn say(&self) -> Option<Said> {
        let parts = self.composite_sub_policy.iter().map(|policy| {
            let said = policy.say();
            let share = share(self, policy.name()).max(0);
            let traces = if said.has_parts { format!("({})", said.traces) } else { said.traces };
            let traces = format!("{traces}, up to {share} spans a second");
            Said { traces, has_parts: false, ..said }
        });
        let said = Said::any(parts);
        let traces = format!(
            "{}: up to {} spans a second together, by all samplers",
            said.traces,
            self.max_total_spans_per_second.max(0)
        );
        Some(Said { traces, has_parts: true, ..said })
    }
}

/// The spans of a second that the policy `name` may keep.
fn share<P>(settings: &CompositeConfig<P>, name: &str) -> i64 {
    let total = settings.max_total_spans_per_second;
    let listed = settings.rate_allocation.iter().rev().find(|share| share.policy == name);
    match listed.map(|share| share.percent) {
        Some(percent) if percent > 0 => total.saturating_mul(percent) / 100,
        _ => total / i64::try_from(settings.composite_sub_policy.len()).unwrap_or(i64::MAX).max(1),
    }
}

fn check<P: SubPolicy>(settings: &CompositeConfig<P>, report: &mut Report<'_>) {
    const ALLOCATION: &str = "rate_allocation";
    const TOTAL: &str = "max_total_spans_per_second";
    report.refuse(&settings.unknown, &["composite_sub_policy", TOTAL, "policy_order", ALLOCATION]);
    if settings.max_total_spans_per_second <= 0 {
        let message = format!("`{}` keeps no trace", settings.max_total_spans_per_second);
        report.warn(TOTAL, message, "take more than 0");
    }
    if !settings.policy_order.is_empty() {
        let why = "its policies do not come one after the other";
        report.warn("policy_order", "not needed", why);
    }
    for (index, share) in settings.rate_allocation.iter().enumerate() {
        let is_there = |policy: &P| policy.name() == share.policy;
        if !settings.composite_sub_policy.iter().any(is_there) {
            let message = format!("`{}` is no policy of this one", share.policy);
            report.item(ALLOCATION, index).warn_here(message, "take the name of one that is");
        }
    }
}

#[cfg(test)]
mod tests {
    use wholetrace_proto::tracestate::Threshold;

    use crate::policy::{budget::Goal, tests::support::*};

    /// A randomness that consistent sampling keeps at any share above 0.
    const LUCKY: u128 = (1 << 56) - 1;

    /// Who finds no room in one share finds it in another; shares of more than all are bounded together.
    #[test]
    fn it_shares_its_spans() {
        let yaml = |percent: i64| {
            format!(
                "  - {{ name: c, type: composite, composite: {{ max_total_spans_per_second: 1000, \
             composite_sub_policy: [ \
             {{ name: errors, type: status_code, status_code: {{ status_codes: [ERROR] }} }}, \
             {{ name: all, type: always_sample }} ], \
             rate_allocation: [ {{ policy: errors, percent: {percent} }} ] }} }}"
            )
        };
        let set = policies(&yaml(30));
        let budgets: Vec<_> =
            set.budgets().iter().map(|budget| (budget.name.as_str(), budget.goal)).collect();
        assert_eq!(
            budgets,
            [("c/errors", Goal::PerSecond(300.0)), ("c/all", Goal::PerSecond(500.0))]
        );
        let error = Trace::new(LUCKY).span(status(ERROR));
        let fine = Trace::new(LUCKY).span(status(OK));
        let (decision, asked) = within(&set, &error, &[0.0, 0.5]);
        assert!(decision.kept && asked.len() == 2, "room among all: {asked:?}");
        assert!((Threshold::new(decision.threshold).unwrap().probability() - 0.5).abs() < 1e-5);
        let (decision, asked) = within(&set, &fine, &[1.0, 0.0]);
        assert!(!decision.kept && asked.len() == 1, "no error: {asked:?}");

        let set = policies(&yaml(80));
        assert_eq!(set.budgets()[2].goal, Goal::PerSecond(1000.0));
        let (decision, _) = within(&set, &error, &[1.0, 1.0, 0.25]);
        assert!((Threshold::new(decision.threshold).unwrap().probability() - 0.25).abs() < 1e-5);
    }
}
