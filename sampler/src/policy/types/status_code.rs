//! `status_code`: traces with a span of one of the given statuses are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{
    lenient::one_or_many,
    lower::{Lower, Lowering},
    report::{Report, Unknown},
    rule::Rule,
    say::{Said, one_of},
};

/// The settings of a `status_code` policy.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct StatusCodeConfig {
    /// The statuses of a span that keep its trace: `OK`, `ERROR`, `UNSET`; at least one.
    #[serde(deserialize_with = "one_or_many")]
    pub status_codes: Vec<String>,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

impl Lower for StatusCodeConfig {
    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule> {
        const KEY: &str = "status_codes";
        report.refuse(&self.unknown, &[KEY]);
        let hint = "take `OK`, `ERROR` or `UNSET`";
        if self.status_codes.is_empty() {
            report.under(KEY).error("no status is given", hint);
            return None;
        }
        let mut facts = Some(Vec::new());
        for (index, code) in self.status_codes.iter().enumerate() {
            let number = match code.as_str() {
                "UNSET" => 0,
                "OK" => 1,
                "ERROR" => 2,
                _ => {
                    report.item(KEY, index).bad_value(code, "is no status", hint);
                    facts = None;
                    continue;
                }
            };
            let asked = into.planner.status(number);
            let fact = into.fact(asked, report)?;
            if let Some(facts) = &mut facts {
                facts.push(fact);
            }
        }
        facts.map(|facts| Rule::Any(facts.into()))
    }

    fn say(&self) -> Option<Said> {
        let statuses = one_of(&self.status_codes);
        let traces = format!("with a span whose status is {statuses}");
        Some(Said::new(traces, "the status of each span"))
    }
}

#[cfg(test)]
mod tests {
    use wholetrace_proto::otlp::Span;

    use crate::policy::tests::support::*;

    #[test]
    fn wants_one_span_of_a_status() {
        let cases: &[(&str, &[i32], bool)] = &[
            ("[ERROR]", &[UNSET, ERROR], true),
            ("[ERROR]", &[UNSET, OK], false),
            ("[OK, ERROR]", &[OK], true),
            ("[UNSET]", &[OK, ERROR], false),
            ("[UNSET]", &[OK, UNSET], true),
            ("ERROR", &[ERROR], true),
            // A status that does not exist is none of those that do.
            ("[OK, ERROR, UNSET]", &[3], false),
            ("[OK, ERROR, UNSET]", &[-1], false),
        ];
        for (codes, spans, kept) in cases {
            let policies = policy("status_code", &format!("{{ status_codes: {codes} }}"));
            let trace = spans.iter().fold(Trace::new(1), |trace, code| trace.span(status(*code)));
            assert_eq!(trace.is_kept(&policies), *kept, "{codes} {spans:?}");
        }
        let policies = policy("status_code", "{ status_codes: [UNSET] }");
        assert!(
            Trace::new(1).span(Span::default()).is_kept(&policies),
            "no status at all is unset"
        );
    }
}
