//! Lowers the syntax tree of a condition.

use crate::{
    check::{
        build,
        names::{Checked, Names},
    },
    evaluate::constant,
    problem::{Problems, Span, did_you_mean},
    program::{Expr, Index, Math, Test},
    syntax::tree::{ConditionTree, Operator, PathTree, ValueKind, ValueTree},
    value::{Tree, Value},
};

/// The enums, and the integers that they are.
const ENUMS: [(&str, i64); 9] = [
    ("SPAN_KIND_UNSPECIFIED", 0),
    ("SPAN_KIND_INTERNAL", 1),
    ("SPAN_KIND_SERVER", 2),
    ("SPAN_KIND_CLIENT", 3),
    ("SPAN_KIND_PRODUCER", 4),
    ("SPAN_KIND_CONSUMER", 5),
    ("STATUS_CODE_UNSET", 0),
    ("STATUS_CODE_OK", 1),
    ("STATUS_CODE_ERROR", 2),
];

/// Lowers one condition.
pub(crate) struct Checker<'c, 's, N> {
    pub(crate) problems: &'c mut Problems<'s>,
    pub(crate) warnings: &'c mut Problems<'s>,
    pub(crate) names: &'c mut N,
}

impl<N: Names> Checker<'_, '_, N> {
    /// The test that a condition is.
    pub(crate) fn test(&mut self, tree: &ConditionTree) -> Test {
        if let Some(test) = self.names.condition(tree, self.problems, self.warnings) {
            return test;
        }
        match tree {
            ConditionTree::Or(parts) => {
                build::or(parts.iter().map(|part| self.test(part)).collect())
            }
            ConditionTree::And(parts) => {
                build::and(parts.iter().map(|part| self.test(part)).collect())
            }
            ConditionTree::Not(inner) => build::not(self.test(inner)),
            ConditionTree::Compare { comparison, left, right } => {
                let (one, other) = (self.value(left), self.value(right));
                let sides = [(&one, left.span), (&other, right.span)];
                self.names.compared(sides, self.problems);
                build::compare(*comparison, one, other)
            }
            ConditionTree::Bare(value) => self.bare(value),
        }
    }

    /// A value that stands as a condition.
    fn bare(&mut self, tree: &ValueTree) -> Test {
        let checked = self.value(tree);
        match &tree.kind {
            ValueKind::Bool(constant) => Test::Constant(*constant),
            ValueKind::Call(_) => match checked.expr {
                Expr::Test(test) => *test,
                expr => build::holds(expr, tree.span),
            },
            ValueKind::Quantified(_) if let Expr::Test(test) = checked.expr => *test,
            ValueKind::Path(path) if self.names.is_boolean(path) => {
                build::holds(checked.expr, tree.span)
            }
            _ => {
                let message = match tree.kind {
                    ValueKind::Path(_) => "a path alone is no condition",
                    _ => "a value alone is no condition",
                };
                let hint = "compare it with something, as in `… == true` or `… != nil`";
                self.problems.add_with(tree.span, message.to_owned(), Some(hint.to_owned()));
                Test::Constant(false)
            }
        }
    }

    /// The expression that a value is.
    pub(crate) fn value(&mut self, tree: &ValueTree) -> Checked {
        match &tree.kind {
            ValueKind::Nil => Checked::literal(Tree::NIL),
            ValueKind::Bytes(bytes) => Checked::literal(Tree::Bytes(bytes.clone())),
            ValueKind::Text(text) => Checked::literal(Tree::text(text.as_str())),
            ValueKind::Bool(value) => Checked::literal(Tree::Plain(Value::Bool(*value))),
            ValueKind::Int(number) => Checked::literal(Tree::Plain(Value::Int(*number))),
            ValueKind::Float(number) => Checked::literal(Tree::Plain(Value::Double(*number))),
            ValueKind::Enum => self.enumeration(tree.span),
            ValueKind::Path(path) => self.path(path, tree.span),
            ValueKind::Call(call) => self.call(call, tree.span),
            ValueKind::List(items) => {
                let items: Vec<Checked> = items.iter().map(|item| self.value(item)).collect();
                let literal = items.iter().all(|item| item.literal);
                let expr = Expr::List(items.into_iter().map(|item| item.expr).collect());
                collected(expr, literal)
            }
            ValueKind::Map(entries) => {
                let entries: Vec<(Vec<u8>, Checked)> = entries
                    .iter()
                    .map(|(key, entry)| (key.as_bytes().to_vec(), self.value(entry)))
                    .collect();
                let literal = entries.iter().all(|(_, entry)| entry.literal);
                let entries = entries.into_iter().map(|(key, entry)| (key, entry.expr));
                collected(Expr::Map(entries.collect()), literal)
            }
            ValueKind::Math(first, rest) => {
                let first = self.value(first).expr;
                let rest = rest
                    .iter()
                    .map(|(operator, operand)| (*operator, self.value(operand).expr, operand.span));
                let rest = rest.collect();
                Checked::computed(Expr::Math(Box::new(Math { first, rest })))
            }
            ValueKind::Sign(operator, inner) => self.signed(*operator, inner, tree.span),
            ValueKind::Quantified(quantified) => {
                self.names.quantified(quantified, self.problems, self.warnings)
            }
        }
    }

    fn signed(&mut self, operator: Operator, inner: &ValueTree, span: Span) -> Checked {
        let inner = self.value(inner);
        match (operator, inner.expr) {
            (Operator::Subtract, Expr::Constant(Tree::Plain(Value::Int(number)))) => {
                let negated = Expr::Constant(Tree::Plain(Value::Int(number.wrapping_neg())));
                Checked { expr: negated, literal: inner.literal }
            }
            (Operator::Subtract, Expr::Constant(Tree::Plain(Value::Double(number)))) => {
                let negated = Expr::Constant(Tree::Plain(Value::Double(-number)));
                Checked { expr: negated, literal: inner.literal }
            }
            (Operator::Subtract, expr) => Checked::computed(Expr::Negate(Box::new((expr, span)))),
            (_, expr) => Checked { expr, literal: inner.literal },
        }
    }

    fn enumeration(&mut self, span: Span) -> Checked {
        let name = self.problems.source().get(span.start..span.end).unwrap_or_default();
        if let Some((_, number)) = ENUMS.iter().find(|(known, _)| *known == name) {
            return Checked::literal(Tree::Plain(Value::Int(*number)));
        }
        let hint = did_you_mean(name, ENUMS.iter().map(|(known, _)| *known));
        self.problems.add_with(span, format!("there is no enum `{name}`"), hint);
        Checked::wrong()
    }

    fn path(&mut self, path: &PathTree, span: Span) -> Checked {
        let Some(found) = self.names.path(path, span, self.problems, self.warnings) else {
            self.keys_of(path);
            return Checked::wrong();
        };
        let last = path.segments.last();
        let keys = last.and_then(|segment| segment.keys.get(found.keys..)).unwrap_or_default();
        if keys.is_empty() {
            return Checked::computed(found.expr);
        }
        if !found.indexable {
            let name = self.problems.source().get(span.start..span.end).unwrap_or_default();
            let place = keys.first().map_or(span, |key| key.span);
            self.problems.add(place, format!("`{name}` has a key, but is no map or list"));
        }
        self.index(found.expr, keys, true)
    }

    /// Looks at the keys of a path that is wrong itself, for what else is wrong.
    fn keys_of(&mut self, path: &PathTree) {
        for key in path.segments.iter().flat_map(|segment| &segment.keys) {
            self.value(key);
        }
    }

    pub(super) fn index(&mut self, base: Expr, keys: &[ValueTree], of_field: bool) -> Checked {
        let keys = keys.iter().map(|key| (self.value(key).expr, key.span)).collect();
        Checked::computed(Expr::Index(Box::new(Index { base, keys, of_field })))
    }
}

/// A list or map: of literals, it is one.
fn collected(expr: Expr, literal: bool) -> Checked {
    match constant(&expr) {
        Ok(tree) if literal => Checked::literal(tree),
        _ => Checked::computed(expr),
    }
}
