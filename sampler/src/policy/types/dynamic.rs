//! `dynamic`: what is frequent is kept rarely, and what is rare always. Ours, after the dynamic samplers
//! of Refinery.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{
    budget::{Goal, Unit},
    lenient::one_or_many,
    lower::{Lower, Lowering},
    report::{Report, Unknown},
    rule::Rule,
    say::{Said, all_of},
};

/// The most fields of a key.
const FIELDS_MAX: usize = 16;

/// The settings of a `dynamic` policy. Traces with the same values in some fields have a probability of
/// their own: what the goal leaves is shared out by the logarithm of how many there are of each.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct DynamicConfig {
    /// The fields that make the key: names of attributes, of spans or else of their resources, or `name`
    /// for the name of the span; with `root.` in front on the root span only. Of several values in a
    /// trace one stands for all, whatever the order of the spans. 1 to 16 fields.
    #[serde(deserialize_with = "one_or_many")]
    pub fields: Vec<String>,
    /// One trace in so many is kept, over all keys; 1 and above. This or `goal_throughput_per_sec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal_sample_rate: Option<f64>,
    /// So many spans are kept in a second, over all keys, by all samplers together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal_throughput_per_sec: Option<f64>,
    /// Keys that have a probability of their own in a partition; those with the least traffic share
    /// one beyond them. 1 to 1,000.
    pub max_keys: u16,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

impl Default for DynamicConfig {
    fn default() -> Self {
        Self {
            fields: Vec::new(),
            goal_sample_rate: None,
            goal_throughput_per_sec: None,
            max_keys: 500,
            unknown: Unknown::default(),
        }
    }
}

impl DynamicConfig {
    fn goal(&self, report: &mut Report<'_>) -> Option<(Unit, Goal)> {
        let one = "give `goal_sample_rate` or `goal_throughput_per_sec`";
        let (key, value, least, goal) = match (self.goal_sample_rate, self.goal_throughput_per_sec)
        {
            (Some(rate), None) => {
                ("goal_sample_rate", rate, 1.0, (Unit::Traces, Goal::OneIn(rate)))
            }
            (None, Some(rate)) => {
                ("goal_throughput_per_sec", rate, 0.0, (Unit::Spans, Goal::PerSecond(rate)))
            }
            (None, None) => {
                report.error("no goal is given", one);
                return None;
            }
            (Some(_), Some(_)) => {
                report.error("two goals are given", one);
                return None;
            }
        };
        if !value.is_finite() || value < least {
            let hint = format!("take a number from {least} on");
            report.under(key).bad_value(value, "is no goal", hint);
            return None;
        }
        Some(goal)
    }
}

impl Lower for DynamicConfig {
    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule> {
        const KEY: &str = "fields";
        report.refuse(
            &self.unknown,
            &[KEY, "goal_sample_rate", "goal_throughput_per_sec", "max_keys"],
        );
        report.within("max_keys", self.max_keys, 1, 1000);
        let goal = self.goal(report);
        if self.fields.is_empty() || self.fields.len() > FIELDS_MAX {
            let message =
                format!("has `{}` fields, 1 to `{FIELDS_MAX}` are possible", self.fields.len());
            report.under(KEY).error(message, "name the attributes that tell kinds of traces apart");
            return None;
        }
        let (unit, goal) = goal?;
        let fields = self.fields.iter().map(|field| {
            let (roots, name) = match field.strip_prefix("root.") {
                Some(name) => (true, name),
                None => (false, field.as_str()),
            };
            into.planner.least_hash(name, roots)
        });
        let key = fields.collect::<Result<_, _>>();
        let key = into.fact(key, report)?;
        into.budget(unit, goal, key, self.max_keys)
    }

    fn say(&self) -> Option<Said> {
        let goal = match (self.goal_sample_rate, self.goal_throughput_per_sec) {
            (Some(rate), _) => format!("1 in {rate} is kept"),
            (None, rate) => format!(
                "at most about {} spans are kept in a second, by all samplers together",
                rate.unwrap_or_default()
            ),
        };
        let traces = format!(
            "so that {goal}: rare kinds whole, and a part of frequent ones; of a kind are those with the \
             same {}",
            all_of(&self.fields)
        );
        Some(Said::new(traces, "the fields of the key, on each span and each resource"))
    }
}

#[cfg(test)]
mod tests {
    use wholetrace_proto::otlp::Span;

    use crate::policy::tests::support::*;

    /// The key of a trace is that of its values, whatever the order of its spans.
    #[test]
    fn it_tells_kinds_of_traces_apart() {
        let set = policy("dynamic", "{ fields: [route, root.name], goal_sample_rate: 10 }");
        let key = |trace: &Trace| within(&set, trace, &[0.1]).1[0].key;
        let root = |name: &str| Span { name: name.to_owned(), ..Span::default() };
        let child = |route: &str| Span {
            parent_span_id: vec![1; 8],
            name: route.to_owned(),
            ..with(vec![text("route", route)])
        };
        let a = Trace::new(1).span(root("GET")).span(child("/a")).span(child("/b"));
        let b =
            Trace::new(2).span(child("/b")).span(root("GET")).span(child("/a")).span(child("/a"));
        assert_eq!(key(&a), key(&b));
        assert_ne!(
            key(&a),
            key(&Trace::new(1).span(root("PUT")).span(child("/a")).span(child("/b")))
        );
        assert_ne!(key(&a), key(&Trace::new(1).span(root("GET")).span(child("/c"))));
        let of_resource = Trace::new(3).span(root("GET")).of(text("route", "/a"));
        assert_eq!(key(&of_resource), key(&Trace::new(1).span(root("GET")).span(child("/a"))));
    }
}
