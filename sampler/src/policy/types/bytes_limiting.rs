//! `bytes_limiting`: so many bytes are kept in a second.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{
    budget::{Goal, Unit},
    lenient::whole,
    lower::{Lower, Lowering},
    report::{Report, Unknown},
    rule::Rule,
    say::Said,
};

/// The settings of a `bytes_limiting` policy.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct BytesLimitingConfig {
    /// The bytes to keep in a second, by all samplers together, of the traces that would be kept
    /// without this policy; 0 keeps none. Which traces those are, their randomness tells: none is
    /// favoured because it comes first, and kept spans tell what they count for.
    #[serde(deserialize_with = "whole")]
    pub bytes_per_second: i64,
    /// Not needed: a large trace is kept as probably as a small one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst_capacity: Option<i64>,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

impl Lower for BytesLimitingConfig {
    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule> {
        const KEY: &str = "bytes_per_second";
        report.refuse(&self.unknown, &["burst_capacity", KEY]);
        if self.burst_capacity.is_some() {
            let why = "a large trace is kept as probably as a small one";
            report.warn("burst_capacity", "not needed", why);
        }
        if self.bytes_per_second <= 0 {
            report.warn(
                KEY,
                format!("`{}` keeps no trace", self.bytes_per_second),
                "take more than 0",
            );
            return Some(Rule::Any(Box::default()));
        }
        #[expect(clippy::cast_precision_loss, reason = "nobody tells such rates apart")]
        let goal = Goal::PerSecond(self.bytes_per_second as f64);
        into.budget(Unit::Bytes, goal, Box::default(), 0)
    }

    fn say(&self) -> Option<Said> {
        let traces = format!(
            "so that at most about {} bytes are kept in a second, by all samplers together",
            self.bytes_per_second.max(0)
        );
        Some(Said::new(traces, "the bytes of all spans"))
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::{
        budget::{Goal, Unit},
        tests::support::*,
    };

    #[test]
    fn what_the_budget_leaves_is_kept() {
        let set = policy("bytes_limiting", "{ bytes_per_second: 4096 }");
        let budgets: Vec<_> =
            set.budgets().iter().map(|budget| (budget.unit, budget.goal)).collect();
        assert_eq!(budgets, [(Unit::Bytes, Goal::PerSecond(4096.0))]);
        let lucky = Trace::new((1 << 56) - 1).span(status(OK));
        for (left, kept) in [(1.0, true), (0.5, true), (0.0, false)] {
            let (decision, asked) = within(&set, &lucky, &[left]);
            assert_eq!((decision.kept, asked.len()), (kept, 1), "{left}");
        }
        assert!(!within(&set, &dull(), &[0.5]).0.kept, "its randomness is below all");
        let nothing = policy("bytes_limiting", "{ bytes_per_second: 0 }");
        assert!(!lucky.is_kept(&nothing));
    }
}
