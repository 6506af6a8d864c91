//! What the names of a condition stand for: fields, or what is known of a whole trace.

use crate::{
    problem::{Problems, Span},
    program::{Expr, Test},
    syntax::tree::{ConditionTree, PathTree, QuantifiedTree},
    value::Tree,
};

/// What a path stands for.
pub(crate) struct Found {
    pub(crate) expr: Expr,
    /// How many of the keys at its end are part of it.
    pub(crate) keys: usize,
    /// Whether there may be more of them.
    pub(crate) indexable: bool,
}

/// An expression, and whether it is a literal: comparisons of literals are constants.
pub(crate) struct Checked {
    pub(crate) expr: Expr,
    pub(crate) literal: bool,
}

impl Checked {
    pub(crate) fn literal(tree: Tree) -> Self {
        Self { expr: Expr::Constant(tree), literal: true }
    }

    pub(crate) const fn computed(expr: Expr) -> Self {
        Self { expr, literal: false }
    }

    /// What stands for something that is wrong.
    pub(crate) const fn wrong() -> Self {
        Self::computed(Expr::Constant(Tree::NIL))
    }
}

/// Resolves names. What is wrong is added to the problems.
pub(crate) trait Names {
    /// The test that a condition is as a whole, if it is not to be taken apart here.
    fn condition<'s>(
        &mut self,
        _tree: &ConditionTree,
        _problems: &mut Problems<'s>,
        _warnings: &mut Problems<'s>,
    ) -> Option<Test> {
        None
    }

    /// What a path stands for.
    fn path(
        &mut self,
        path: &PathTree,
        span: Span,
        problems: &mut Problems<'_>,
        warnings: &mut Problems<'_>,
    ) -> Option<Found>;

    /// Whether the path is always true or false, and so a condition by itself.
    fn is_boolean(&self, _path: &PathTree) -> bool {
        false
    }

    /// The field that holds the id of the parent, if there is one here.
    fn parent_span_id(&mut self) -> Option<usize>;

    /// Looks at the two sides of a comparison.
    fn compared(&mut self, _sides: [(&Checked, Span); 2], _problems: &mut Problems<'_>) {}

    /// What `any(span, …)` or its kin stands for.
    fn quantified<'s>(
        &mut self,
        _quantified: &QuantifiedTree,
        _problems: &mut Problems<'s>,
        _warnings: &mut Problems<'s>,
    ) -> Checked {
        Checked::wrong()
    }
}
