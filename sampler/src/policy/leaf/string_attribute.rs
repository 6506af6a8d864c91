//! `string_attribute`: traces with a text attribute of given values are kept.

use regex::bytes::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_ottl::pattern;

use crate::policy::{
    bits::Bits,
    evaluation::{Evaluation, Trace},
    lenient::one_or_many,
    observations::{CONDITIONS_MAX, Observations},
    report::{Report, Unknown},
};

/// The body of a `string_attribute` policy. An attribute of a resource or of a span counts; empty
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

/// The compiled policy.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct StringAttribute {
    matched: Bits,
    invert: bool,
}

impl StringAttribute {
    pub(in crate::policy) fn compile(
        config: &StringAttributeConfig,
        observations: &mut Observations,
        report: &mut Report<'_>,
    ) -> Option<Self> {
        report.refuse(
            &config.unknown,
            &["cache_max_size", "enabled_regex_matching", "invert_match", "key", "values"],
        );
        if config.cache_max_size.is_some() {
            let hint = "patterns are matched without a cache, in linear time: leave it out";
            report.warn("cache_max_size", "not needed", hint);
        }
        let patterns = if config.enabled_regex_matching {
            Some(patterns(&config.values, report)?)
        } else {
            None
        };
        if config.key.is_empty() {
            report.under("key").error("no attribute is named", "give the name of one");
            return None;
        }
        let values: Vec<&str> = config.values.iter().map(String::as_str).collect();
        let values: Vec<&str> = match patterns {
            Some(_) => values,
            None => values.into_iter().filter(|value| !value.is_empty()).collect(),
        };
        if values.is_empty() {
            report.warn("values", "nothing to match", "give the values to look for");
        }
        let matched = match patterns {
            Some(patterns) => observations.text_matches_one_of(&config.key, &values, patterns),
            None => observations.text_is_one_of(&config.key, &values),
        };
        let Ok(matched) = matched else {
            let message =
                format!("more than `{CONDITIONS_MAX}` different conditions on attributes");
            report.error(message, "join values of one key in one policy where you can");
            return None;
        };
        Some(Self { matched, invert: config.invert_match })
    }

    pub(in crate::policy) const fn evaluate(self, trace: &Trace<'_>) -> Evaluation {
        Evaluation::by_contents(trace.summary.seen.intersects(self.matched) != self.invert)
    }
}

/// The patterns, or none if one of them is not right.
fn patterns(values: &[String], report: &mut Report<'_>) -> Option<Vec<Regex>> {
    let mut patterns = Some(Vec::with_capacity(values.len()));
    for (index, value) in values.iter().enumerate() {
        match (pattern::compile(value), &mut patterns) {
            (Ok(pattern), Some(patterns)) => patterns.push(pattern),
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
