//! `trace_condition`: traces are kept for which a condition on the whole trace holds. Ours: a Collector
//! knows no conditions on more than a span.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wholetrace_ottl::{Ask, TraceCondition, Value};

use crate::policy::{
    evaluation::Evaluation,
    lenient::one_or_many,
    lower::{Lower, Lowering},
    plan::{Counter, Fact},
    report::{Report, Unknown},
    rule::{Leaf, Rule, Trace},
    say::{Said, one_of},
    types::ottl_condition::{ErrorMode, at},
};

/// The most services that are told apart: they are remembered, at four bytes each.
const SERVICES_MAX: u64 = 64;

/// The settings of a `trace_condition` policy. A trace is kept if one of the conditions holds; at
/// least one.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct TraceConditionConfig {
    /// What happens where a condition has no answer. `ignore` and `silent`: it does not hold.
    /// `propagate`: if no other holds, the policy fails.
    pub error_mode: ErrorMode,
    /// Conditions in OTTL on `trace.duration`, `trace.span_count`, `trace.error_count`,
    /// `trace.service_count`, `trace.has_root`, `trace.root.…` (any path of a span), and on what
    /// `any(span, …)`, `all(span, …)` and `count(span, …)` say; `spanevent` for events.
    #[serde(deserialize_with = "one_or_many")]
    pub trace: Vec<String>,
    /// Keys that are refused.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: Unknown,
}

/// Where the answer to a question is found.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Duration,
    Count(Counter),
    Services,
    /// Something holds somewhere.
    Shown(Fact),
    /// Something does not hold anywhere.
    NotShown(Fact),
    /// Something holds on a root span; nothing is known while there is none.
    OnRoot {
        root: Fact,
        holds: Fact,
    },
}

/// Conditions, each with where its answers are found.
#[derive(Debug)]
struct TraceConditions {
    conditions: Vec<(TraceCondition, Vec<Answer>)>,
    error_mode: ErrorMode,
}

impl Lower for TraceConditionConfig {
    fn lower(&self, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Rule> {
        const KEY: &str = "trace";
        report.refuse(&self.unknown, &["error_mode", KEY]);
        if self.trace.is_empty() {
            report.under(KEY).error("no condition is given", "give one");
            return None;
        }
        let mut conditions = Some(Vec::new());
        for (index, text) in self.trace.iter().enumerate() {
            let lowered = condition(text, into, &mut report.item(KEY, index));
            match (lowered, &mut conditions) {
                (Some(lowered), Some(conditions)) => conditions.push(lowered),
                (None, _) => conditions = None,
                (Some(_), None) => {}
            }
        }
        let error_mode = self.error_mode;
        conditions.map(|conditions| Rule::leaf(TraceConditions { conditions, error_mode }))
    }

    fn say(&self) -> Option<Said> {
        let holds = format!("for which {} holds", one_of(&self.trace));
        Some(Said::new(holds, "what the conditions name of the whole trace"))
    }
}

/// The condition in `text`, and where its answers are found.
fn condition(
    text: &str,
    into: &mut Lowering<'_>,
    report: &mut Report<'_>,
) -> Option<(TraceCondition, Vec<Answer>)> {
    let condition = match TraceCondition::parse(text) {
        Ok(condition) => condition,
        Err(problems) => {
            for problem in problems {
                let hint = problem.hint.clone().unwrap_or_default();
                report.bad_value(text, at(&problem), hint);
            }
            return None;
        }
    };
    for warning in condition.warnings() {
        report.warn_here(at(warning), warning.hint.clone().unwrap_or_default());
    }
    let answers = condition.asks().iter().map(|ask| answer(ask, into, report));
    let answers = answers.collect::<Option<Vec<_>>>()?;
    Some((condition, answers))
}

fn answer(ask: &Ask, into: &mut Lowering<'_>, report: &mut Report<'_>) -> Option<Answer> {
    let planner = &mut *into.planner;
    let asked = match ask {
        Ask::DurationNs => {
            planner.duration();
            return Some(Answer::Duration);
        }
        Ask::SpanCount => return Some(Answer::Count(planner.spans())),
        Ask::ErrorCount => return Some(Answer::Count(planner.errors())),
        Ask::Count { condition, .. } => planner.count(condition).map(Answer::Count),
        Ask::ServiceCount { up_to } if *up_to <= SERVICES_MAX => {
            planner.services(*up_to);
            return Some(Answer::Services);
        }
        Ask::ServiceCount { .. } => {
            let message = "`trace.service_count` needs a bound";
            let most = SERVICES_MAX - 1;
            report.error(message, format!("compare it with numbers up to `{most}` only"));
            return None;
        }
        Ask::HasRoot => planner.root().map(Answer::Shown),
        Ask::Root(condition) => planner.root().and_then(|root| {
            planner.condition(condition, true, None).map(|holds| Answer::OnRoot { root, holds })
        }),
        Ask::Any(condition) => planner.condition(condition, false, None).map(Answer::Shown),
        Ask::All(condition) => planner.exception(condition).map(Answer::NotShown),
    };
    into.fact(asked, report)
}

impl Answer {
    fn value(self, trace: &Trace<'_>) -> Value<'static> {
        let record = &trace.record;
        match self {
            Self::Duration => Value::Duration(record.duration_ns().cast_signed()),
            Self::Count(counter) => Value::Int(record.count(counter).into()),
            Self::Services => Value::Int(record.services().cast_signed()),
            Self::Shown(fact) => Value::Bool(record.has(fact)),
            Self::NotShown(fact) => Value::Bool(!record.has(fact)),
            Self::OnRoot { root, holds } if record.has(root) => Value::Bool(record.has(holds)),
            Self::OnRoot { .. } => Value::Nil,
        }
    }
}

impl Leaf for TraceConditions {
    fn evaluate(&self, trace: &Trace<'_>) -> Evaluation {
        let mut failed = false;
        for (condition, answers) in &self.conditions {
            let answer = |ask: usize| answers.get(ask).map_or(Value::Nil, |a| a.value(trace));
            match condition.evaluate(&answer) {
                Ok(true) => return Evaluation::ALWAYS,
                Ok(false) => {}
                Err(_) => failed = true,
            }
        }
        if failed && self.error_mode == ErrorMode::Propagate {
            Evaluation::FAILED
        } else {
            Evaluation::NEVER
        }
    }
}

#[cfg(test)]
mod tests {
    use wholetrace_proto::otlp::Span;

    use crate::policy::tests::support::*;

    const MS: u64 = 1_000_000;

    /// What can be said of a whole trace.
    #[test]
    fn conditions_see_the_whole_trace() {
        let root = |name: &str| Span { name: name.to_owned(), ..status(OK) };
        let child = |code: i32| Span { parent_span_id: vec![1; 8], ..status(code) };
        let of = |service: &str| text("service.name", service);
        let two = Trace::new(1)
            .span(Span { end_time_unix_nano: 5000 * MS, start_time_unix_nano: MS, ..root("GET /") })
            .of(of("shop"))
            .span(child(ERROR))
            .of(of("cart"))
            .span(child(ERROR))
            .of(of("cart"));
        let cases: &[(&str, bool)] = &[
            ("trace.duration > Duration(\"4s\")", true),
            ("trace.duration > Duration(\"5s\")", false),
            ("trace.span_count == 3 and trace.error_count == 2", true),
            ("trace.service_count == 2", true),
            ("trace.service_count > 2", false),
            ("trace.has_root", true),
            ("trace.root.name == \"GET /\"", true),
            ("trace.root.status.code == STATUS_CODE_ERROR", false),
            ("trace.root.resource.attributes[\"service.name\"] == \"shop\"", true),
            ("trace.root.resource.attributes[\"service.name\"] == \"cart\"", false),
            (
                "any(span, status.code == STATUS_CODE_ERROR) and not trace.root.name == \"POST /\"",
                true,
            ),
            ("all(span, status.code == STATUS_CODE_ERROR)", false),
            ("all(span, resource.attributes[\"service.name\"] != nil)", true),
            ("count(span, status.code == STATUS_CODE_ERROR) > 1", true),
            ("count(span, status.code == STATUS_CODE_ERROR) > 2", false),
            ("any(spanevent, name == \"exception\")", false),
        ];
        for (condition, kept) in cases {
            let policies = policy("trace_condition", &format!("{{ trace: ['{condition}'] }}"));
            assert_eq!(two.is_kept(&policies), *kept, "{condition}");
        }
        let many = (0..9).fold(Trace::new(1), |trace, service| {
            trace.span(child(OK)).of(of(&format!("s{service}"))).span(child(OK)).of(of("s1"))
        });
        let services = |bound: u64| {
            policy("trace_condition", &format!("{{ trace: ['trace.service_count == {bound}'] }}"))
        };
        assert!(many.is_kept(&services(9)) && !many.is_kept(&services(8)));
        let (errors, _) = problems(
            "policies: [ { name: a, type: trace_condition, trace_condition: { trace: [\
         'trace.service_count > 64', 'trace.durration > 5' ] } } ]",
        );
        assert_eq!(errors.len(), 2, "{errors:?}");
    }
}
