//! Evaluation of a program on fields.

mod arithmetic;
mod derive;
mod index;

use crate::{
    compare,
    convert::{ARGUMENTS_MAX, Arguments},
    error::{EvaluationError, Fault},
    limits::DEPTH_MAX,
    problem::Span,
    program::{Call, Derived, Expr, Literal, Test},
    syntax::token::Comparison,
    value::{Made, Operand, Tree, Value},
};

/// The fields of one span, event, scope or resource.
pub trait Fields<'a> {
    /// The value of the field `paths()[slot]` of the condition that is evaluated; what
    /// [`Path::empty`](crate::Path::empty) tells where the field is not written.
    fn get(&self, slot: usize) -> Value<'a>;
}

impl<'a> Fields<'a> for [Value<'a>] {
    #[inline]
    fn get(&self, slot: usize) -> Value<'a> {
        <[Value<'a>]>::get(self, slot).copied().unwrap_or(Value::Nil)
    }
}

impl<'a> Fields<'a> for Vec<Value<'a>> {
    #[inline]
    fn get(&self, slot: usize) -> Value<'a> {
        self.as_slice().get(slot).copied().unwrap_or(Value::Nil)
    }
}

const fn at(span: Span, fault: Fault) -> EvaluationError {
    EvaluationError { span, fault }
}

/// Whether the test holds. `and` and `or` stop at the part that decides, or fails.
pub(crate) fn test<'a, F>(test: &Test, fields: &F) -> Result<bool, EvaluationError>
where
    F: Fields<'a> + ?Sized,
{
    match test {
        Test::Field { slot, comparison, literal } => {
            Ok(field_holds(*comparison, fields.get(*slot), literal))
        }
        Test::And(parts) => {
            for part in parts {
                if !self::test(part, fields)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Test::Or(parts) => {
            for part in parts {
                if self::test(part, fields)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Test::Not(inner) => self::test(inner, fields).map(|holds| !holds),
        Test::Constant(holds) => Ok(*holds),
        Test::Matches { slot, pattern, call } => match fields.get(*slot) {
            Value::Str(text) => Ok(pattern.is_match(text)),
            Value::Nil | Value::Empty => Ok(false),
            _ => truth(call, Span::default(), fields),
        },
        Test::Compare(parts) => {
            let (left, comparison, right) = &**parts;
            if owns_nothing(left) && owns_nothing(right) {
                let (left, right) = (scalar(left, fields)?, scalar(right, fields)?);
                return Ok(compare::holds(*comparison, left, right));
            }
            let (left, right) = (value(left, fields)?, value(right, fields)?);
            Ok(compare::holds(*comparison, left.view(), right.view()))
        }
        Test::Holds(converter, span) => truth(converter, *span, fields),
    }
}

#[inline(always)]
fn field_holds(comparison: Comparison, value: Value<'_>, literal: &Literal) -> bool {
    match (literal, value) {
        (Literal::Text(literal), Value::Str(text)) => match comparison {
            Comparison::Equal => *text == **literal,
            Comparison::NotEqual => *text != **literal,
            _ => compare::order_holds(comparison, text.cmp(literal)),
        },
        (Literal::Plain(Value::Int(literal)), Value::Int(number)) => {
            compare::order_holds(comparison, number.cmp(literal))
        }
        (Literal::Plain(literal), value) => compare::holds(comparison, value, *literal),
        (Literal::Text(literal), value) => compare::holds(comparison, value, Value::Str(literal)),
    }
}

fn truth<'a, F>(converter: &Expr, span: Span, fields: &F) -> Result<bool, EvaluationError>
where
    F: Fields<'a> + ?Sized,
{
    match value(converter, fields)?.view() {
        Value::Bool(holds) => Ok(holds),
        other => Err(at(span, Fault::NoBool { got: other.kind() })),
    }
}

/// The value of an expression.
pub(crate) fn value<'x, 'a: 'x, F>(
    expr: &'x Expr,
    fields: &F,
) -> Result<Operand<'x>, EvaluationError>
where
    F: Fields<'a> + ?Sized,
{
    match expr {
        Expr::Slot(slot) => Ok(fields.get(*slot).into()),
        Expr::Constant(tree) => Ok(tree.view().into()),
        Expr::Derived(derived, slot) => Ok(derive::derive(derived, fields.get(*slot))),
        Expr::Index(index) => {
            let mut found = value(&index.base, fields)?;
            for (key, span) in &index.keys {
                if index.of_field && matches!(found.view(), Value::Nil) {
                    break;
                }
                let key = value(key, fields)?;
                found = index::element(found, key.view(), index.of_field)
                    .map_err(|fault| at(*span, fault))?;
            }
            Ok(found)
        }
        Expr::Call(call) => self::call(call, fields),
        Expr::Math(_) | Expr::Negate(_) => scalar(expr, fields).map(Into::into),
        Expr::List(items) => {
            let items = items.iter().map(|item| value(item, fields).map(Operand::into_tree));
            Ok(Tree::list(items.collect::<Result<_, _>>()?).into())
        }
        Expr::Map(entries) => {
            let entries = entries.iter().map(|(key, entry)| {
                value(entry, fields).map(|entry| (key.clone(), entry.into_tree()))
            });
            Ok(Tree::map(entries.collect::<Result<_, _>>()?).into())
        }
        Expr::Coalesce(several) => {
            for one in several {
                let found = value(one, fields)?;
                if !matches!(found.view(), Value::Nil | Value::Empty) {
                    return Ok(found);
                }
            }
            Ok(Value::Nil.into())
        }
        Expr::Test(inner) => test(inner, fields).map(|holds| Value::Bool(holds).into()),
    }
}

/// Whether the value of the expression is lent, or a number or a time.
const fn owns_nothing(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Slot(_)
            | Expr::Constant(_)
            | Expr::Math(_)
            | Expr::Negate(_)
            | Expr::Derived(Derived::Time | Derived::KindText, _)
    )
}

/// The value of an expression for which it does not matter what a text or a list holds: because it
/// [owns nothing](owns_nothing), or because only numbers and times can be computed with.
fn scalar<'x, 'a: 'x, F>(expr: &'x Expr, fields: &F) -> Result<Value<'x>, EvaluationError>
where
    F: Fields<'a> + ?Sized,
{
    match expr {
        Expr::Slot(slot) => Ok(fields.get(*slot)),
        Expr::Constant(tree) => Ok(tree.view()),
        Expr::Derived(Derived::Time, slot) => Ok(derive::time(fields.get(*slot))),
        Expr::Math(math) => {
            let mut left = scalar(&math.first, fields)?;
            for (operator, right, span) in &math.rest {
                let right = scalar(right, fields)?;
                let computed = arithmetic::compute(*operator, left, right);
                left = computed.map_err(|fault| at(*span, fault))?;
            }
            Ok(left)
        }
        Expr::Negate(inner) => {
            let (inner, span) = &**inner;
            let number = scalar(inner, fields)?;
            arithmetic::negate(number).map_err(|fault| at(*span, fault))
        }
        other => Ok(match value(other, fields)? {
            Operand::Lent(lent) => lent,
            Operand::Own(tree) => match tree.view() {
                Value::Str(_) => Value::Str(&[]),
                Value::Bytes(_) => Value::Bytes(&[]),
                Value::Made(Made::Map(_)) => Value::Map { message: &[], field: 0 },
                Value::Made(_) => Value::List(&[]),
                _ => plain(&tree),
            },
        }),
    }
}

/// A value that owns nothing.
const fn plain(tree: &Tree) -> Value<'static> {
    match tree {
        Tree::Plain(value) => *value,
        _ => Value::Nil,
    }
}

fn call<'x, 'a: 'x, F>(call: &'x Call, fields: &F) -> Result<Operand<'x>, EvaluationError>
where
    F: Fields<'a> + ?Sized,
{
    let mut values = [const { Operand::Lent(Value::Nil) }; ARGUMENTS_MAX];
    for (place, argument) in values.iter_mut().zip(&call.arguments) {
        *place = value(argument, fields)?;
    }
    let parameters = call.converter.parameters;
    let arguments = Arguments { values: &values, parameters, prepared: &call.prepared };
    (call.converter.apply)(arguments).map_err(|fault| at(call.span, fault))
}

/// The value of an expression of constants only.
pub(crate) fn constant(expr: &Expr) -> Result<Tree, EvaluationError> {
    let none: [Value<'_>; 0] = [];
    value(expr, none.as_slice()).map(|found| Tree::of(found.view(), DEPTH_MAX))
}
