//! `string_attribute`: traces with a text attribute of given values are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_ottl::pattern;

use crate::policy::{
    lenient::one_or_many,
    lower::{Lower, Lowering},
    report::{Report, Unknown},
    rule::Rule,
    say::{Said, one_of},
};

/// The settings of a `string_attribute` policy. An attribute of a resource or of a span counts; empty
/// texts and other types than text count on resources only, as an empty text.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct StringAttributeConfig {
    /// The name of the attribute.
    pub key: String,
    /// The values that keep a trace. Empty ones are passed over, unless they are patterns.
    #[serde(deserialize_with = "one_or_many")]
    pub values: Vec<String>,
    /// Whether the values are regular expressions (in Go's syntax) that are looked for anywhere in
    /// the text; use `^` and `$` to match it as a whole.
    pub enabled_regex_matching: bool,
    /// Not needed: patterns are matched without a cache, in linear time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_max_size: Option<i64>,
    /// Keeps the traces in which nothing matches instead, those without the attribute among them.
    pub invert_match: bool,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

impl Lower for StringAttributeConfig {
    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule> {
        report.refuse(
            &self.unknown,
            &["cache_max_size", "enabled_regex_matching", "invert_match", "key", "values"],
        );
        if self.cache_max_size.is_some() {
            let hint = "patterns are matched without a cache, in linear time: leave it out";
            report.warn("cache_max_size", "not needed", hint);
        }
        let patterns =
            if self.enabled_regex_matching { Some(patterns(&self.values, report)?) } else { None };
        report.named(&self.key);
        let texts = self.values.iter().map(String::as_str).filter(|value| !value.is_empty());
        let texts: Vec<&str> = texts.collect();
        if patterns.as_ref().map_or(texts.is_empty(), Vec::is_empty) {
            report.warn("values", "nothing to match", "give the values to look for");
        }
        let asked = match patterns {
            Some(patterns) => into.planner.text_matches_one_of(&self.key, &patterns),
            None => into.planner.text_is_one_of(&self.key, &texts),
        };
        let fact = into.fact(asked, report)?;
        Some(Rule::matching(fact, self.invert_match))
    }

    fn say(&self) -> Option<Said> {
        let values = one_of(&self.values);
        let (is, patterns) = if self.enabled_regex_matching {
            (format!("in which the pattern {values} is found"), self.values.len())
        } else {
            (format!("that is {values}"), 0)
        };
        Some(Said::attribute(&self.key, is, self.invert_match).with_patterns(patterns))
    }
}

/// The patterns in the syntax of the `regex` crate, or none if one of them is not right.
fn patterns(values: &[String], report: &mut Report<'_>) -> Option<Vec<String>> {
    let mut patterns = Some(Vec::with_capacity(values.len()));
    for (index, value) in values.iter().enumerate() {
        match (pattern::compile(value), &mut patterns) {
            (Ok(pattern), Some(patterns)) => patterns.push(pattern.as_str().to_owned()),
            (Ok(_), None) => {}
            (Err(error), _) => {
                let message = format!("is no regular expression: {}", pattern::reason(&error));
                let hint = "take the syntax of Go's regexp, as the Collector does";
                report.item("values", index).bad_value(value, message, hint);
                patterns = None;
            }
        }
    }
    patterns
}

#[cfg(test)]
mod tests {
    use wholetrace_proto::otlp::any_value::Value;

    use crate::policy::tests::support::*;

    #[test]
    fn matches_exactly_or_by_pattern() {
        let exact = "{ key: k, values: [value, other] }";
        let pattern =
            "{ key: k, values: ['v[0-9]+.HEALTHZ$', '^\\d+$'], enabled_regex_matching: true }";
        let inverted = "{ key: k, values: [value], invert_match: true }";
        let cases: &[(&str, &str, bool)] = &[
            (exact, "value", true),
            (exact, "other", true),
            (exact, "values", false),
            (exact, "Value", false),
            (exact, "", false),
            (pattern, "/api/v1/HEALTHZ", true),
            (pattern, "/api/v1/HEALTHZ/", false),
            (pattern, "42", true),
            (pattern, "٤٢", false),
            (inverted, "value", false),
            (inverted, "other", true),
            (inverted, "", true),
        ];
        for (settings, value, kept) in cases {
            let policies = policy("string_attribute", settings);
            let on_span = dull().span(with(vec![text("a", "b"), text("k", value)]));
            let on_resource = dull().of(text("k", value)).of(text("a", "b"));
            assert_eq!(on_span.is_kept(&policies), *kept, "span: {settings} {value}");
            assert_eq!(on_resource.is_kept(&policies), *kept, "resource: {settings} {value}");
        }
        assert!(!dull().is_kept(&policy("string_attribute", exact)));
        assert!(
            dull().is_kept(&policy("string_attribute", inverted)),
            "a missing key does not match"
        );
    }

    /// An empty text, and a value that is no text, count on a resource as an empty text and on a span
    /// not at all. Empty values to match are passed over, empty patterns match everything.
    #[test]
    fn without_text() {
        let pattern = "{ key: k, values: ['^$'], enabled_regex_matching: true }";
        let exact = "{ key: k, values: ['', x] }";
        let empty_pattern = "{ key: k, values: [''], enabled_regex_matching: true }";
        let empty = || text("k", "");
        let number = || attribute("k", Value::IntValue(5));
        let cases = [
            (pattern, empty(), true, false),
            (pattern, number(), true, false),
            (pattern, attribute("k", Value::BytesValue(b"x".to_vec())), true, false),
            (exact, empty(), false, false),
            (exact, number(), false, false),
            (empty_pattern, text("k", "anything"), true, true),
            (empty_pattern, number(), true, false),
        ];
        for (settings, attribute, on_resource, on_span) in cases {
            let policies = policy("string_attribute", settings);
            let resource = dull().of(attribute.clone());
            let span = dull().span(with(vec![attribute.clone()]));
            assert_eq!(resource.is_kept(&policies), on_resource, "{settings} {attribute:?}");
            assert_eq!(span.is_kept(&policies), on_span, "{settings} {attribute:?}");
        }
    }

    #[test]
    fn of_attributes_with_the_same_name_the_first_counts() {
        let policies = policy("string_attribute", "{ key: k, values: [yes] }");
        let twice = |first, second| dull().span(with(vec![text("k", first), text("k", second)]));
        assert!(twice("yes", "no").is_kept(&policies));
        assert!(!twice("no", "yes").is_kept(&policies));
    }
}
