//! Makes tests, in the form that is evaluated fastest.
//!
//! Joining drops what constants among the parts decide: wherever they stand, so a part that
//! would fail is not evaluated when a constant behind it decides.

use regex::bytes::Regex;

use crate::{
    check::names::Checked,
    compare,
    convert::Prepared,
    problem::Span,
    program::{Call, Expr, Literal, Test},
    syntax::token::Comparison,
    value::Tree,
};

pub(super) fn or(parts: Vec<Test>) -> Test {
    joined(parts, true, Test::Or)
}

pub(super) fn and(parts: Vec<Test>) -> Test {
    joined(parts, false, Test::And)
}

pub(super) fn not(inner: Test) -> Test {
    match inner {
        Test::Constant(holds) => Test::Constant(!holds),
        other => Test::Not(Box::new(other)),
    }
}

/// The parts joined; one that is constantly `deciding` decides.
fn joined(mut parts: Vec<Test>, deciding: bool, join: fn(Box<[Test]>) -> Test) -> Test {
    if parts.iter().any(|part| matches!(part, Test::Constant(holds) if *holds == deciding)) {
        return Test::Constant(deciding);
    }
    parts.retain(|part| !matches!(part, Test::Constant(_)));
    match parts.len() {
        0 => Test::Constant(!deciding),
        1 => parts.pop().unwrap_or(Test::Constant(!deciding)),
        _ => join(parts.into()),
    }
}

/// An expression that must be true or false.
pub(super) fn holds(expr: Expr, span: Span) -> Test {
    match expr {
        Expr::Call(call) => matches(*call, span),
        expr => Test::Holds(expr, span),
    }
}

/// A comparison, in the form that is evaluated fastest.
pub(super) fn compare(comparison: Comparison, left: Checked, right: Checked) -> Test {
    match (left.expr, right.expr) {
        (Expr::Constant(one), Expr::Constant(other)) if left.literal && right.literal => {
            Test::Constant(compare::holds(comparison, one.view(), other.view()))
        }
        (Expr::Slot(slot), Expr::Constant(tree)) => field(slot, comparison, tree),
        (Expr::Constant(tree), Expr::Slot(slot)) => field(slot, comparison.flipped(), tree),
        (left, right) => Test::Compare(Box::new((left, comparison, right))),
    }
}

fn field(slot: usize, comparison: Comparison, tree: Tree) -> Test {
    let literal = match tree {
        Tree::Text(text) => Literal::Text(text.into()),
        Tree::Plain(value) => Literal::Plain(value),
        other => {
            let parts = (Expr::Slot(slot), comparison, Expr::Constant(other));
            return Test::Compare(Box::new(parts));
        }
    };
    Test::Field { slot, comparison, literal }
}

/// A call as a condition: the search for a pattern in a field has a form of its own.
fn matches(call: Call, span: Span) -> Test {
    let pattern: Option<Regex> = match &call.prepared {
        Prepared::Pattern(pattern) if call.converter.name == "IsMatch" => Some(pattern.clone()),
        _ => None,
    };
    match (pattern, call.arguments.first()) {
        (Some(pattern), Some(Expr::Slot(slot))) => {
            let slot = *slot;
            Test::Matches { slot, pattern, call: Box::new(Expr::Call(Box::new(call))) }
        }
        _ => Test::Holds(Expr::Call(Box::new(call)), span),
    }
}
