//! What a test says of budgets: how much of what asks each of them keeps.

use std::collections::BTreeMap;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IntoDeserializer as _},
};
use serde_json::Value;
use wholetrace_proto::tracestate::Threshold;
use wholetrace_runtime::problems::{Problem, Problems, did_you_mean, join};
use wholetrace_sampler::policy::{
    Budget, Budgets,
    budget::{Asked, Unlimited},
};

use crate::values::Probability;

/// The share of what asks that a budget keeps: `exhausted`, `unlimited`, or a probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(Probability);

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match value.as_str() {
            Some("exhausted") => return Ok(Self(Probability(0.0))),
            Some("unlimited") => return Ok(Self(Probability(1.0))),
            _ => {}
        }
        let share = Probability::deserialize(value.clone().into_deserializer());
        share.map(Self).map_err(|_| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let wanted = "`exhausted` (nothing is kept), `unlimited` or a share as `10%` is wanted";
            D::Error::custom(format!("`{value}` is nothing that a budget can be: {wanted}"))
        })
    }
}

/// Budgets of which is known what they keep.
#[derive(Debug)]
pub(crate) struct Allowed(Vec<Threshold>);

impl Allowed {
    /// What a test says of `budgets` at the key `path`: each name is that of a budget, or of a policy
    /// that it stands in. Of several the longest counts. A budget of which nothing is said has no end.
    pub(crate) fn of(
        told: &BTreeMap<String, Share>,
        budgets: &[Budget],
        path: &str,
        problems: &mut Problems,
    ) -> Self {
        for name in told.keys() {
            if !budgets.iter().any(|budget| is_in(&budget.name, name)) {
                problems.push_error(unknown(name, budgets, path));
            }
        }
        let threshold = |budget: &Budget| {
            let named = told.iter().filter(|(name, _)| is_in(&budget.name, name));
            let told = named.max_by_key(|(name, _)| name.len());
            told.map_or(Threshold::ALWAYS, |(_, Share(share))| Threshold::of_probability(share.0))
        };
        Self(budgets.iter().map(threshold).collect())
    }
}

impl Budgets for Allowed {
    fn ask(&self, asked: Asked) -> Threshold {
        match self.0.get(usize::from(asked.budget.0)) {
            Some(own) if asked.counts() => asked.part(*own),
            _ => Unlimited.ask(asked),
        }
    }
}

/// Whether a budget is called `name`, or is of a policy inside the one that is called so.
fn is_in(budget: &str, name: &str) -> bool {
    let behind = budget.strip_prefix(name);
    behind.is_some_and(|behind| behind.is_empty() || behind.starts_with(['/', '#']))
}

fn unknown(name: &str, budgets: &[Budget], path: &str) -> Problem {
    let names = || budgets.iter().map(|budget| budget.name.as_str());
    let hint = if budgets.is_empty() {
        "no policy has one: those of the types `rate_limiting`, `bytes_limiting`, `composite` and \
         `dynamic` have"
            .to_owned()
    } else {
        did_you_mean(name, names()).map_or_else(
            || format!("there are: {}", names().collect::<Vec<_>>().join(", ")),
            |meant| format!("did you mean `{meant}`?"),
        )
    };
    Problem::new(join(path, name), "no policy with a budget is called so").value(name).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_counts() {
        let budget = |name: &str| Budget {
            name: name.to_owned(),
            unit: wholetrace_sampler::policy::budget::Unit::Spans,
            goal: wholetrace_sampler::policy::budget::Goal::PerSecond(1.0),
            max_keys: 0,
        };
        let budgets = ["all", "all/one", "all/one#2", "allowed", "other"].map(budget);
        let told = r#"{ "all": "exhausted", "all/one": "10%", "other": 0.5 }"#;
        let told = serde_json::from_str(told).expect("shares");
        let mut problems = Problems::new();
        let Allowed(thresholds) = Allowed::of(&told, &budgets, "", &mut problems);
        assert!(!problems.has_errors(), "{problems}");
        let tenth = Threshold::of_probability(0.1);
        let half = Threshold::of_probability(0.5);
        assert_eq!(thresholds, [Threshold::NEVER, tenth, tenth, Threshold::ALWAYS, half]);
    }
}
