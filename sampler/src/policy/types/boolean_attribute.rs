//! `boolean_attribute`: traces with a yes or a no under a key are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{
    lower::{Lower, Lowering},
    plan::ValueTest,
    report::{Report, Unknown},
    rule::Rule,
    say::Said,
};

/// The settings of a `boolean_attribute` policy. An attribute of a resource or of a span counts; a
/// value that is neither yes nor no counts as `false`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct BooleanAttributeConfig {
    /// The name of the attribute.
    pub key: String,
    /// The value that keeps a trace.
    pub value: bool,
    /// Keeps the traces in which nothing matches instead, those without the attribute among them.
    pub invert_match: bool,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

impl Lower for BooleanAttributeConfig {
    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule> {
        report.refuse(&self.unknown, &["invert_match", "key", "value"]);
        report.named(&self.key);
        let asked = into.planner.value(&self.key, ValueTest::Bool(self.value));
        let fact = into.fact(asked, report)?;
        Some(Rule::matching(fact, self.invert_match))
    }

    fn say(&self) -> Option<Said> {
        let others = if self.value { "" } else { " (so is what is no boolean)" };
        let is = format!("that is `{}`{others}", self.value);
        Some(Said::attribute(&self.key, is, self.invert_match))
    }
}

#[cfg(test)]
mod tests {
    use wholetrace_proto::otlp::any_value::Value;

    use crate::policy::tests::support::*;

    #[test]
    fn one_span_or_resource_has_the_truth() {
        let of = |value| attribute("k", Value::BoolValue(value));
        let set = |settings: &str| policy("boolean_attribute", settings);
        let (yes, not_yes) =
            ("{ key: k, value: true }", "{ key: k, value: true, invert_match: true }");
        for (settings, value, kept) in
            [(yes, true, true), (yes, false, false), (not_yes, true, false), (not_yes, false, true)]
        {
            let span = dull().span(with(vec![of(value)]));
            assert_eq!(span.is_kept(&set(settings)), kept, "span: {settings} {value}");
            let resource = dull().of(of(value));
            assert_eq!(resource.is_kept(&set(settings)), kept, "resource: {settings} {value}");
        }
        assert!(!dull().is_kept(&set(yes)) && dull().is_kept(&set(not_yes)), "it is not there");
        // What is no truth counts as `false`.
        let text = dull().span(with(vec![text("k", "true")]));
        assert!(!text.is_kept(&set(yes)) && text.is_kept(&set("{ key: k, value: false }")));
    }
}
