//! Comparison of two values, as the Collector compares them. It never fails: values of kinds that
//! cannot be compared are unequal, and none is below the other.

use std::cmp::Ordering;

use crate::{
    limits::DEPTH_MAX,
    syntax::token::Comparison,
    value::{Made, Value},
};

/// Whether the comparison holds.
pub(crate) fn holds(comparison: Comparison, left: Value<'_>, right: Value<'_>) -> bool {
    match comparison {
        Comparison::Equal => equal(left, right),
        Comparison::NotEqual => !equal(left, right),
        _ => order(left, right).is_some_and(|order| order_holds(comparison, order)),
    }
}

/// Whether what has this order holds the comparison.
pub(crate) const fn order_holds(comparison: Comparison, order: Ordering) -> bool {
    match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "integers beside floats are compared as floats")]
pub(crate) const fn as_double(number: i64) -> f64 {
    number as f64
}

/// Whether two values are equal.
pub(crate) fn equal(left: Value<'_>, right: Value<'_>) -> bool {
    match (left, right) {
        (left, right) if left.is_nil() || right.is_nil() => left.is_nil() && right.is_nil(),
        (Value::Int(left), Value::Double(right)) => as_double(left) == right,
        (Value::Double(left), Value::Int(right)) => left == as_double(right),
        _ => same(left, right, DEPTH_MAX),
    }
}

/// How two values of kinds that have an order stand to each other.
fn order(left: Value<'_>, right: Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (left, right) if left.is_nil() || right.is_nil() => {
            (left.is_nil() && right.is_nil()).then_some(Ordering::Equal)
        }
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(&right)),
        (Value::Int(left), Value::Int(right)) | (Value::Duration(left), Value::Duration(right)) => {
            Some(left.cmp(&right))
        }
        (Value::Int(left), Value::Double(right)) => as_double(left).partial_cmp(&right),
        (Value::Double(left), Value::Int(right)) => left.partial_cmp(&as_double(right)),
        (Value::Double(left), Value::Double(right)) => left.partial_cmp(&right),
        (Value::Str(left), Value::Str(right)) | (Value::Bytes(left), Value::Bytes(right)) => {
            Some(left.cmp(right))
        }
        (Value::Time(left), Value::Time(right)) => Some(left.cmp(&right)),
        _ => None,
    }
}

/// Whether two values are of the same kind and equal, as the elements of lists and maps must be.
/// Deeper than `depth` nothing is.
fn same(left: Value<'_>, right: Value<'_>, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match (left, right) {
        (Value::Nil | Value::Empty, Value::Nil | Value::Empty) => true,
        (Value::Made(Made::Texts(left)), Value::Made(Made::Texts(right))) => left == right,
        (Value::Made(Made::Texts(_)), _) | (_, Value::Made(Made::Texts(_))) => false,
        _ => match (left.items(), right.items(), left.entries(), right.entries()) {
            (Some(mut left), Some(mut right), ..) => loop {
                match (left.next(), right.next()) {
                    (None, None) => return true,
                    (Some(left), Some(right)) if same(left, right, depth) => {}
                    _ => return false,
                }
            },
            (_, _, Some(left), Some(right)) => {
                let (left, right) = (sorted(left), sorted(right));
                left.len() == right.len()
                    && left.iter().zip(&right).all(|((left_key, left), (right_key, right))| {
                        left_key == right_key && same(*left, *right, depth)
                    })
            }
            _ => left == right,
        },
    }
}

/// The entries of a map by key, the first of each.
fn sorted<'a>(entries: impl Iterator<Item = (&'a [u8], Value<'a>)>) -> Vec<(&'a [u8], Value<'a>)> {
    let mut entries: Vec<_> = entries.collect();
    entries.sort_by_key(|(key, _)| *key);
    entries.dedup_by_key(|(key, _)| *key);
    entries
}
