//! `ottl_condition`: traces are kept for which a condition in the OpenTelemetry Transformation
//! Language holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_ottl::{Condition, Context};

use crate::policy::{
    evaluation::Evaluation,
    lenient::one_or_many,
    lower::{Lower, Lowering},
    plan::Fact,
    report::{Report, Unknown},
    rule::{Leaf, Rule, Trace},
    say::{Said, one_of},
};

/// The settings of an `ottl_condition` policy. A trace is kept if one of the conditions holds
/// somewhere in it; at least one.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct OttlConditionConfig {
    /// What happens where a condition has no answer, because a converter cannot take the value that
    /// it meets, say. `ignore` and `silent`: it does not hold there. `propagate`: if none holds
    /// elsewhere, the policy fails: it counts as an error, and a policy around it fails with it.
    pub error_mode: ErrorMode,
    /// Conditions on each span.
    #[serde(deserialize_with = "one_or_many")]
    pub span: Vec<String>,
    /// Conditions on each event of a span.
    #[serde(deserialize_with = "one_or_many")]
    pub spanevent: Vec<String>,
    /// Conditions on each resource with a span in the trace (ours).
    #[serde(deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub resource: Vec<String>,
    /// Conditions on each instrumentation scope with a span in the trace (ours).
    #[serde(deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<String>,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

/// What happens where a condition has no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorMode {
    /// It does not hold there.
    #[serde(alias = "IGNORE")]
    Ignore,
    /// It does not hold there.
    #[default]
    #[serde(alias = "SILENT")]
    Silent,
    /// The policy fails, unless a condition holds elsewhere.
    #[serde(alias = "PROPAGATE")]
    Propagate,
}

/// Conditions of which one may fail.
#[derive(Debug)]
struct OttlCondition {
    holds: Vec<Fact>,
    failed: Vec<Fact>,
}

impl Lower for OttlConditionConfig {
    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule> {
        report.refuse(&self.unknown, &["error_mode", "resource", "scope", "span", "spanevent"]);
        let lists = [
            (Context::Span, &self.span),
            (Context::SpanEvent, &self.spanevent),
            (Context::Resource, &self.resource),
            (Context::Scope, &self.scope),
        ];
        if lists.iter().all(|(_, conditions)| conditions.is_empty()) {
            report.error("no condition is given", "give one under `span` or `spanevent`");
            return None;
        }
        let (mut holds, mut failed) = (Vec::new(), Vec::new());
        let mut complete = true;
        for (context, conditions) in lists {
            for (index, text) in conditions.iter().enumerate() {
                let report = &mut report.item(context.name(), index);
                let Some(condition) = parse(text, context, report) else {
                    complete = false;
                    continue;
                };
                let failure = if self.error_mode == ErrorMode::Propagate {
                    let asked = into.planner.failure(&condition);
                    Some(into.fact(asked, report)?)
                } else {
                    None
                };
                failed.extend(failure);
                let asked = into.planner.condition(&condition, false, failure);
                holds.push(into.fact(asked, report)?);
            }
        }
        match (complete, failed.is_empty()) {
            (false, _) => None,
            (true, true) => Some(Rule::Any(holds.into())),
            (true, false) => Some(Rule::leaf(OttlCondition { holds, failed })),
        }
    }

    fn say(&self) -> Option<Said> {
        let lists = [
            ("a span", &self.span),
            ("an event", &self.spanevent),
            ("a resource", &self.resource),
            ("a scope", &self.scope),
        ];
        let given = lists.iter().filter(|(_, conditions)| !conditions.is_empty());
        let parts = given.map(|(context, conditions)| {
            let holds = format!("for which {} holds on {context}", one_of(conditions));
            Said::new(holds, format!("the fields that the conditions on {context} name"))
        });
        Some(Said::any(parts))
    }
}

impl Leaf for OttlCondition {
    fn evaluate(&self, trace: &Trace<'_>) -> Evaluation {
        let any = |facts: &[Fact]| facts.iter().any(|fact| trace.record.has(*fact));
        if any(&self.holds) {
            Evaluation::ALWAYS
        } else if any(&self.failed) {
            Evaluation::FAILED
        } else {
            Evaluation::NEVER
        }
    }
}

/// The condition in `text`; `None` if anything is wrong with it, which `report` is told.
fn parse(text: &str, context: Context, report: &mut Report<'_>) -> Option<Condition> {
    match Condition::parse(text, context) {
        Ok(condition) => {
            for warning in condition.warnings() {
                let hint = warning.hint.clone().unwrap_or_default();
                report.warn_here(at(warning), hint);
            }
            Some(condition)
        }
        Err(problems) => {
            for problem in problems {
                let hint = problem.hint.clone();
                let hint =
                    hint.unwrap_or_else(|| "see the list of conditions in the docs".to_owned());
                report.bad_value(text, at(&problem), hint);
            }
            None
        }
    }
}

/// What is wrong, and where in the text.
pub(super) fn at(problem: &wholetrace_ottl::Problem) -> String {
    let wholetrace_ottl::Problem { line, column, message, .. } = problem;
    format!("at line {line}, column {column}: {message}")
}

#[cfg(test)]
mod tests {
    use wholetrace_proto::otlp::{Span, any_value::Value};

    use crate::policy::tests::support::*;

    /// A condition sees one span with its scope and its resource, or one event of it.
    #[test]
    fn conditions_see_one_span_at_a_time() {
        let both = r#"{ span: ['attributes["a"] == "x" and attributes["b"] == "y"'] }"#;
        let policies = policy("ottl_condition", both);
        let (a, b) = (text("a", "x"), text("b", "y"));
        assert!(dull().span(with(vec![a.clone(), b.clone()])).is_kept(&policies));
        assert!(!dull().span(with(vec![a.clone()])).span(with(vec![b.clone()])).is_kept(&policies));
        let mixed = r#"{ span: ['resource.attributes["a"] == "x" and attributes["b"] == "y"'] }"#;
        let policies = policy("ottl_condition", mixed);
        assert!(dull().span(with(vec![b.clone()])).of(a.clone()).is_kept(&policies));
        assert!(!dull().span(with(vec![b])).span(Span::default()).of(a.clone()).is_kept(&policies));
        let resource = r#"{ resource: ['attributes["a"] == "x"'] }"#;
        assert!(dull().of(a.clone()).is_kept(&policy("ottl_condition", resource)));
        assert!(!dull().span(with(vec![a])).is_kept(&policy("ottl_condition", resource)));
    }

    /// A condition without an answer does not hold; with `propagate` what is around it fails as well.
    #[test]
    fn conditions_may_fail() {
        let settings = |mode: &str| {
            format!(
                r#"{{ error_mode: {mode}, span: ['Int(attributes["n"]) / 0 == 1', 'name == "yes"'] }}"#
            )
        };
        let number = with(vec![attribute("n", Value::IntValue(5))]);
        let named = Span { name: "yes".to_owned(), ..Span::default() };
        for mode in ["ignore", "silent", "propagate"] {
            let plain = policy("ottl_condition", &settings(mode));
            assert!(!dull().span(number.clone()).is_kept(&plain), "{mode}");
            assert!(dull().span(number.clone()).span(named.clone()).is_kept(&plain), "{mode}");
            let inner = settings(mode);
            let not = policies(&format!(
                "  - {{ name: a, type: not, not: {{ not_sub_policy: {{ name: b, type: ottl_condition, \
             ottl_condition: {inner} }} }} }}"
            ));
            assert_eq!(dull().span(number.clone()).is_kept(&not), mode != "propagate", "{mode}");
            assert!(!dull().span(named.clone()).is_kept(&not), "{mode}");
        }
    }
}
