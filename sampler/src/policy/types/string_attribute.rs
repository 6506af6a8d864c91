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
