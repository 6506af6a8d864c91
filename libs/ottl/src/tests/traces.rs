//! Conditions on whole traces.

use crate::{Ask, Condition, Context, TraceCondition, Value};

/// A trace whose spans and events hold what the text names.
#[derive(Clone, Copy)]
struct Trace {
    /// What holds on the root span; `None` before it has come.
    root: Option<&'static [&'static str]>,
    any: &'static [&'static str],
    all: &'static [&'static str],
}

const TRACE: Trace = Trace {
    root: Some(&["trace.root.name == \"GET /a\"", "trace.root.kind == SPAN_KIND_SERVER"]),
    any: &["status.code == 2", "name == \"exception\""],
    all: &["resource.attributes[\"env\"] == \"prod\""],
};
const NO_ROOT: Trace = Trace { root: None, ..TRACE };

impl Trace {
    fn answer(&self, ask: &Ask) -> Value<'static> {
        let of = |held: &[&str], condition: &Condition| held.contains(&condition.text());
        match ask {
            Ask::DurationNs => Value::Duration(1_500_000_000),
            Ask::SpanCount => Value::Int(7),
            Ask::ErrorCount => Value::Int(2),
            Ask::ServiceCount { .. } => Value::Int(3),
            Ask::HasRoot => Value::Bool(self.root.is_some()),
            Ask::Root(condition) => {
                self.root.map_or(Value::Nil, |held| Value::Bool(of(held, condition)))
            }
            Ask::Any(condition) => Value::Bool(of(self.any, condition)),
            Ask::All(condition) => Value::Bool(of(self.all, condition)),
            Ask::Count { condition, .. } => Value::Int(if of(self.any, condition) { 4 } else { 0 }),
        }
    }

    fn judge(&self, source: &str) -> Result<bool, String> {
        let condition =
            TraceCondition::parse(source).map_err(|problems| problems[0].to_string())?;
        let answers = |ask: usize| self.answer(&condition.asks()[ask]);
        condition.evaluate(&answers).map_err(|error| error.to_string())
    }
}

#[test]
fn answers_are_compared() {
    for (source, expected) in CASES {
        assert_eq!(TRACE.judge(source), Ok(*expected), "{source}");
    }
}

const CASES: &[(&str, bool)] = &[
    ("trace.duration > Duration(\"1s\")", true),
    ("trace.duration > Duration(\"2s\")", false),
    ("Milliseconds(trace.duration) == 1500", true),
    ("trace.span_count > 5 and trace.error_count == 2", true),
    ("trace.error_count / trace.span_count > 0", false),
    ("trace.error_count * 1.0 / trace.span_count > 0.2", true),
    ("trace.service_count >= 3 and not trace.service_count > 3", true),
    ("trace.has_root", true),
    ("not trace.has_root", false),
    ("trace.has_root == true and trace.has_root != nil", true),
    ("trace.root.name == \"GET /a\" and trace.span_count == 7", true),
    ("trace.root.name == \"GET /b\" or trace.span_count == 8", false),
    ("any(span, status.code == 2)", true),
    ("not any(span, status.code == 1)", true),
    ("any(spanevent, name == \"exception\") == true", true),
    ("all(span, resource.attributes[\"env\"] == \"prod\") and any(span, status.code == 2)", true),
    ("all(span, true)", false),
    ("count(span, status.code == 2) > 3", true),
    ("count(span, status.code == 2) + count(span, status.code == 1) == 4", true),
    ("1 == 1 and true", true),
];

/// What is read of a root that has not come is nil: it differs from all, and has no order.
#[test]
fn a_root_that_has_not_come_reads_as_nil() {
    for (source, expected) in [
        ("trace.root.name == \"GET /a\"", Ok(false)),
        ("trace.root.name != \"GET /a\"", Ok(true)),
        ("not trace.root.name == \"GET /a\"", Ok(true)),
        ("trace.root.kind >= 1", Ok(false)),
        ("trace.root.attributes[\"k\"] == nil", Ok(true)),
        ("trace.root.trace_id.string == nil and trace.root.start_time == nil", Ok(true)),
        ("trace.has_root", Ok(false)),
        ("IsMatch(trace.root.name, \"^GET\")", Ok(false)),
    ] {
        assert_eq!(NO_ROOT.judge(source), expected, "{source}");
    }
    assert!(NO_ROOT.judge("HasPrefix(trace.root.name, \"GET\")").is_err());
}

/// The parts that read the root span only are conditions on it, as large as they can be.
#[test]
fn parts_on_the_root_are_conditions_on_spans() {
    let source = "trace.root.name == \"a\" and (trace.root.resource.attributes[\"k\"] == 1 or \
                  trace.root.span.kind == 2) or trace.span_count > 1 and \
                  trace.root.attributes[\"x\"][\"y\"] != nil";
    let condition = TraceCondition::parse(source).unwrap();
    let [Ask::Root(one), Ask::SpanCount, Ask::Root(other)] = condition.asks() else {
        panic!("{:?}", condition.asks());
    };
    assert_eq!(one.context(), Context::Span);
    let paths: Vec<String> = one.paths().iter().map(|path| format!("{path:?}")).collect();
    assert_eq!(paths, ["SpanName", "ResourceAttribute(\"k\")", "SpanKind"]);
    assert_eq!(one.evaluate(&vec![Value::Str(b"a"), Value::Nil, Value::Int(2)]), Ok(true));
    assert_eq!(other.text(), "trace.root.attributes[\"x\"][\"y\"] != nil");
}

#[test]
fn counts_tell_where_they_may_stop() {
    let bounds = |source: &str| -> Vec<u64> {
        let condition = TraceCondition::parse(source).unwrap();
        let bound = |ask: &Ask| match ask {
            Ask::ServiceCount { up_to } | Ask::Count { up_to, .. } => Some(*up_to),
            _ => None,
        };
        condition.asks().iter().filter_map(bound).collect()
    };
    assert_eq!(bounds("trace.service_count > 2 or 5 > trace.service_count"), [6]);
    assert_eq!(bounds("count(span, kind == 1) > 3 and count(span, kind == 1) < 9"), [10]);
    assert_eq!(bounds("count(span, kind == 1) > 3 and count(span, kind == 2) != 0"), [4, 1]);
    assert_eq!(bounds("trace.service_count > 2 and trace.service_count + 1 > 2"), [u64::MAX]);
    assert_eq!(bounds("trace.service_count > -7"), [0]);
}

#[test]
fn problems_tell_what_to_do() {
    let said = |source: &str| TraceCondition::parse(source).unwrap_err()[0].to_string();
    for (source, expected) in [
        (
            "trace.duration > 1000",
            "line 1, column 18: a duration is compared with a plain number: write it with its \
             unit: `Duration(\"2s\")`",
        ),
        (
            "trace.spancount > 1",
            "line 1, column 1: there is no path `trace.spancount`: did you mean \
             `trace.span_count`?",
        ),
        (
            "name == \"x\"",
            "line 1, column 1: there is no path `name`: a trace has `trace.…`; what one span has \
             stands in `any(span, name …)`",
        ),
        (
            "trace.root.kind == trace.span_count",
            "line 1, column 1: `trace.root.kind` is compared with what is not of the root span: \
             compare it with a literal, or with another part of the root span",
        ),
        ("some(span, true)", "line 1, column 1: there is no function `some`"),
        (
            "any(spam, true)",
            "line 1, column 5: `any` looks at `span` or `spanevent`, not `spam`: did you mean \
             `span`?",
        ),
        (
            "any(span, nmae == \"x\")",
            "line 1, column 11: there is no path `nmae`, which is read as `span.nmae`: did you \
             mean `span.name`?",
        ),
        (
            "any(span, any(span, true))",
            "line 1, column 14: `(` does not fit here: expected `)`, or `.`, or `[`, or `and`, \
             or `or`, or a comparison, or an operator",
        ),
        (
            "count(span, true)",
            "line 1, column 1: a value alone is no condition: compare it with something, as in \
             `… == true` or `… != nil`",
        ),
        (
            "trace.span_count",
            "line 1, column 1: a path alone is no condition: compare it with something, as in \
             `… == true` or `… != nil`",
        ),
        ("IsRootSpan()", "line 1, column 1: `IsRootSpan` can be asked of spans only"),
    ] {
        assert_eq!(said(source), expected, "{source}");
    }
    let condition = TraceCondition::parse("trace.root.attributes[\"service.name\"] == \"x\"");
    let warnings = condition.unwrap().warnings().to_vec();
    assert!(warnings[0].to_string().contains("trace.root.resource.attributes[\"service.name\"]"));
    assert!(Condition::parse("any(span, true)", Context::Span).is_err());
}
