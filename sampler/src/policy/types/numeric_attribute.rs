//! `numeric_attribute`: traces with a whole number within bounds under a key are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{
    lenient::whole,
    lower::{Lower, Lowering},
    plan::ValueTest,
    report::{Report, Unknown},
    rule::Rule,
    say::Said,
};

/// The settings of a `numeric_attribute` policy. An attribute of a resource or of a span counts; a
/// value that is no whole number counts as 0.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct NumericAttributeConfig {
    /// The name of the attribute.
    pub key: String,
    /// The least number that keeps a trace; 0 for no such bound. At least one bound is needed.
    #[serde(deserialize_with = "whole")]
    pub min_value: i64,
    /// The greatest number that keeps a trace; 0 for no such bound.
    #[serde(deserialize_with = "whole")]
    pub max_value: i64,
    /// Keeps the traces in which nothing matches instead, those without the attribute among them.
    pub invert_match: bool,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

impl Lower for NumericAttributeConfig {
    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule> {
        report.refuse(&self.unknown, &["invert_match", "key", "max_value", "min_value"]);
        report.named(&self.key);
        if self.min_value == 0 && self.max_value == 0 {
            let message = "neither `min_value` nor `max_value` is given, and 0 stands for none";
            report.error(message, "give at least one; a Collector panics at its first decision");
            return None;
        }
        let least = if self.min_value == 0 { i64::MIN } else { self.min_value };
        let most = if self.max_value == 0 { i64::MAX } else { self.max_value };
        if least > most {
            let message = format!("`{least}` is above `max_value`, which is `{most}`");
            report.warn("min_value", message, "no number lies between them");
        }
        let asked = into.planner.value(&self.key, ValueTest::IntWithin(least, most));
        let fact = into.fact(asked, report)?;
        Some(Rule::matching(fact, self.invert_match))
    }

    fn say(&self) -> Option<Said> {
        let (least, most) = (self.min_value, self.max_value);
        let bounds = match (least, most) {
            (least, 0) => format!("of at least `{least}`"),
            (0, most) => format!("of at most `{most}`"),
            (least, most) => format!("from `{least}` to `{most}`"),
        };
        let holds_zero = least <= 0 && most >= 0;
        let others = if holds_zero { " (what is no number counts as 0)" } else { "" };
        let is = format!("that is a whole number {bounds}{others}");
        Some(Said::attribute(&self.key, is, self.invert_match))
    }
}

#[cfg(test)]
mod tests {
    use wholetrace_proto::otlp::any_value::Value;

    use crate::policy::tests::support::*;

    #[test]
    fn a_whole_number_lies_within_the_bounds() {
        let cases: &[(&str, i64, bool)] = &[
            ("{ key: k, min_value: 5, max_value: 7 }", 4, false),
            ("{ key: k, min_value: 5, max_value: 7 }", 5, true),
            ("{ key: k, min_value: 5, max_value: 7 }", 7, true),
            ("{ key: k, min_value: 5, max_value: 7 }", 8, false),
            ("{ key: k, min_value: 5 }", i64::MAX, true),
            ("{ key: k, max_value: 7 }", i64::MIN, true),
            ("{ key: k, max_value: 7 }", 8, false),
            ("{ key: k, min_value: 5, invert_match: true }", 5, false),
            ("{ key: k, min_value: 5, invert_match: true }", 4, true),
        ];
        for (settings, number, kept) in cases {
            let set = policy("numeric_attribute", settings);
            let number = attribute("k", Value::IntValue(*number));
            assert_eq!(dull().span(with(vec![number.clone()])).is_kept(&set), *kept, "{settings}");
            assert_eq!(dull().of(number).is_kept(&set), *kept, "resource: {settings}");
        }
        let set = policy("numeric_attribute", "{ key: k, min_value: 5 }");
        assert!(!dull().is_kept(&set), "it is not there");
        let (errors, _) = problems(
            "policies: [ { name: a, type: numeric_attribute, numeric_attribute: { key: k } } ]",
        );
        assert_eq!(errors.len(), 1, "{errors:?}");
    }
}
