//! Conditions on one span, event, scope or resource.

use std::sync::Arc;

use crate::{
    check::{Checker, FieldNames},
    error::EvaluationError,
    evaluate::{self, Fields},
    path::{Context, Path},
    problem::{Problem, Problems, Span},
    program::Test,
    syntax::{parser, tree::ConditionTree},
};

/// A checked condition. Clones share it.
#[derive(Clone, Debug)]
pub struct Condition {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    text: Box<str>,
    context: Context,
    paths: Box<[Path]>,
    warnings: Box<[Problem]>,
    test: Test,
}

/// Equal when they are written alike, for the same context.
impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.context() == other.context() && self.text() == other.text()
    }
}

impl Eq for Condition {}

impl Condition {
    /// Reads a condition that is to be evaluated on `context`. Paths without a context in front
    /// belong to it.
    ///
    /// # Errors
    /// All that is wrong: of a text that does not fit the grammar the first place, otherwise each
    /// unknown path, converter and enum, and each argument that can never be right.
    pub fn parse(source: &str, context: Context) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::new(source);
        let mut warnings = Problems::new(source);
        let made = parser::parse(&mut problems, false).map(|tree| {
            let whole = Span { start: 0, end: source.len() };
            Self::of_tree(&tree, context, whole, &mut problems, &mut warnings)
        });
        match made {
            Some(condition) if problems.is_empty() => Ok(condition),
            _ => Err(problems.into_vec()),
        }
    }

    /// The condition of a tree that was parsed from the problems' source; of no use when it adds
    /// problems.
    pub(crate) fn of_tree<'s>(
        tree: &ConditionTree,
        context: Context,
        span: Span,
        problems: &mut Problems<'s>,
        warnings: &mut Problems<'s>,
    ) -> Self {
        let mut names = FieldNames::new(context);
        let before = warnings.found().len();
        let test = Checker { problems, warnings, names: &mut names }.test(tree);
        let text = problems.source().get(span.start..span.end).unwrap_or_default().into();
        let paths = names.paths.into();
        let warnings = warnings.found().get(before..).unwrap_or_default().into();
        Self { shared: Arc::new(Shared { text, context, paths, warnings, test }) }
    }

    /// The text it was read from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.shared.text
    }

    /// What it is evaluated on.
    #[must_use]
    pub fn context(&self) -> Context {
        self.shared.context
    }

    /// The fields that it reads; their index is their slot in [`Fields::get`].
    #[must_use]
    pub fn paths(&self) -> &[Path] {
        &self.shared.paths
    }

    /// What is remarkable in the condition without being wrong.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.shared.warnings
    }

    /// Its value, if that depends on no field.
    #[must_use]
    pub fn constant(&self) -> Option<bool> {
        match self.shared.test {
            Test::Constant(holds) => Some(holds),
            _ => None,
        }
    }

    /// Whether it holds. Fields are read when they are needed, left to right.
    ///
    /// # Errors
    /// When a converter, an operator or a key cannot take the value that it meets; what follows
    /// from that is the caller's to say.
    #[inline]
    pub fn evaluate<'a, F>(&self, fields: &F) -> Result<bool, EvaluationError>
    where
        F: Fields<'a> + ?Sized,
    {
        evaluate::test(&self.shared.test, fields)
    }
}
