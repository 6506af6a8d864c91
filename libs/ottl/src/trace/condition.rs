//! A checked condition on whole traces.

use std::sync::Arc;

use crate::{
    check::Checker,
    error::EvaluationError,
    evaluate::{self, Fields},
    problem::{Problem, Problems},
    program::Test,
    syntax::parser,
    trace::{ask::Ask, names::TraceNames},
    value::Value,
};

/// A checked condition on whole traces. Clones share it.
///
/// The language is that of conditions on spans; its paths are `trace.duration`,
/// `trace.span_count`, `trace.error_count`, `trace.service_count`, `trace.has_root` and
/// `trace.root.…`, where any path of a span may follow: `trace.root.attributes["k"]` is the root
/// span's, `trace.root.resource.attributes["k"]` its resource's. `any(span, …)`, `all(span, …)` and
/// `count(span, …)` hold a condition on one span, or with `spanevent` on one event.
///
/// ```
/// use wholetrace_ottl::{Ask, TraceCondition, Value};
///
/// let source = r#"trace.duration > Duration("2s") and count(span, kind == SPAN_KIND_CLIENT) > 3"#;
/// let condition = TraceCondition::parse(source).unwrap();
/// let Ask::Count { condition: inner, up_to: 4 } = &condition.asks()[1] else { panic!() };
/// assert_eq!(inner.text(), "kind == SPAN_KIND_CLIENT");
///
/// let answers = [Value::Duration(3_000_000_000), Value::Int(4)];
/// assert_eq!(condition.evaluate(&|ask| answers[ask]), Ok(true));
/// ```
#[derive(Clone, Debug)]
pub struct TraceCondition {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    text: Box<str>,
    asks: Box<[Ask]>,
    warnings: Box<[Problem]>,
    test: Test,
}

/// Answers as fields.
struct Answers<'f, F>(&'f F);

impl<'a, F: Fn(usize) -> Value<'a>> Fields<'a> for Answers<'_, F> {
    fn get(&self, slot: usize) -> Value<'a> {
        (self.0)(slot)
    }
}

impl TraceCondition {
    /// Reads a condition.
    ///
    /// # Errors
    /// All that is wrong, as for a [condition on spans](crate::Condition::parse); and a duration
    /// beside a plain number, which is never what was meant.
    pub fn parse(source: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::new(source);
        let mut warnings = Problems::new(source);
        let mut names = TraceNames::default();
        let test = parser::parse(&mut problems, true).map(|tree| {
            let (problems, warnings) = (&mut problems, &mut warnings);
            Checker { problems, warnings, names: &mut names }.test(&tree)
        });
        match test {
            Some(test) if problems.is_empty() => {
                let asks = names.into_asks().into();
                let warnings = warnings.into_vec().into();
                Ok(Self { shared: Arc::new(Shared { text: source.into(), asks, warnings, test }) })
            }
            _ => Err(problems.into_vec()),
        }
    }

    /// The text it was read from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.shared.text
    }

    /// What it asks; the index is what [`evaluate`](Self::evaluate) asks for.
    #[must_use]
    pub fn asks(&self) -> &[Ask] {
        &self.shared.asks
    }

    /// What is remarkable in the condition without being wrong.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.shared.warnings
    }

    /// Its value, if that depends on nothing.
    #[must_use]
    pub fn constant(&self) -> Option<bool> {
        match self.shared.test {
            Test::Constant(holds) => Some(holds),
            _ => None,
        }
    }

    /// Whether it holds, by the answers to [`asks`](Self::asks).
    ///
    /// # Errors
    /// When an operator or a converter cannot take the value that it meets.
    pub fn evaluate<'a>(
        &self,
        answers: &impl Fn(usize) -> Value<'a>,
    ) -> Result<bool, EvaluationError> {
        evaluate::test(&self.shared.test, &Answers(answers))
    }
}
