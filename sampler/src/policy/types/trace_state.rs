//! `trace_state`: traces with given values in their tracestate are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{
    lenient::one_or_many,
    lower::{Lower, Lowering},
    report::{Report, Unknown},
    rule::Rule,
    say::{Said, one_of},
};

/// The most characters of a key and a value together, from which on the Collector never matches.
const ENTRY_MAX: usize = 256;

/// The settings of a `trace_state` policy. A tracestate that does not follow the W3C's Trace Context
/// matches nothing.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct TraceStateConfig {
    /// The key of the entry.
    pub key: String,
    /// The values that keep a trace. Empty ones are passed over.
    #[serde(deserialize_with = "one_or_many")]
    pub values: Vec<String>,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

impl Lower for TraceStateConfig {
    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule> {
        report.refuse(&self.unknown, &["key", "values"]);
        report.named(&self.key);
        let fits = |value: &&str| !value.is_empty() && self.key.len() + value.len() < ENTRY_MAX;
        let values: Vec<&str> = self.values.iter().map(String::as_str).filter(fits).collect();
        if values.is_empty() {
            report.warn("values", "nothing to match", "give the values to look for");
        }
        let asked = into.planner.trace_state(&self.key, &values);
        into.fact(asked, report).map(|fact| Rule::matching(fact, false))
    }

    fn say(&self) -> Option<Said> {
        let values = one_of(&self.values);
        let traces = format!("with a span whose tracestate has {values} under `{}`", self.key);
        Some(Said::new(traces, "the tracestate of each span"))
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::tests::support::*;

    #[test]
    fn one_span_has_a_value_under_the_key() {
        let set = policy("trace_state", "{ key: a, values: [x, y, ''] }");
        for (state, kept) in [
            ("a=x", true),
            ("b=x,a=y", true),
            ("a=z", false),
            ("b=x", false),
            ("a=", false),
            ("a=x,A=broken", false),
            ("", false),
        ] {
            assert_eq!(came(1, &["b=1", state]).is_kept(&set), kept, "{state}");
        }
    }
}
