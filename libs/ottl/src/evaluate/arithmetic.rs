//! Arithmetic, as the Collector does it: integers wrap, and stay integers in a division.

use crate::{compare::as_double, error::Fault, syntax::tree::Operator, value::Value};

/// The result of an operator.
pub(crate) fn compute<'a>(
    operator: Operator,
    left: Value<'_>,
    right: Value<'_>,
) -> Result<Value<'a>, Fault> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => integers(operator, left, right).map(Value::Int),
        (Value::Double(left), Value::Double(right)) => doubles(operator, left, right),
        (Value::Int(left), Value::Double(right)) => doubles(operator, as_double(left), right),
        (Value::Double(left), Value::Int(right)) => doubles(operator, left, as_double(right)),
        (Value::Time(_) | Value::Duration(_), _) | (_, Value::Time(_) | Value::Duration(_)) => {
            times(operator, left, right)
        }
        (Value::Int(_) | Value::Double(_), other) | (other, _) => {
            Err(Fault::NoNumber { got: other.kind() })
        }
    }
}

fn integers(operator: Operator, left: i64, right: i64) -> Result<i64, Fault> {
    match operator {
        Operator::Add => Ok(left.wrapping_add(right)),
        Operator::Subtract => Ok(left.wrapping_sub(right)),
        Operator::Multiply => Ok(left.wrapping_mul(right)),
        Operator::Divide if right == 0 => Err(Fault::DivisionByZero),
        Operator::Divide => Ok(left.wrapping_div(right)),
    }
}

fn doubles<'a>(operator: Operator, left: f64, right: f64) -> Result<Value<'a>, Fault> {
    match operator {
        Operator::Add => Ok(Value::Double(left + right)),
        Operator::Subtract => Ok(Value::Double(left - right)),
        Operator::Multiply => Ok(Value::Double(left * right)),
        Operator::Divide if right == 0.0 => Err(Fault::DivisionByZero),
        Operator::Divide => Ok(Value::Double(left / right)),
    }
}

fn times<'a>(operator: Operator, left: Value<'_>, right: Value<'_>) -> Result<Value<'a>, Fault> {
    use Operator::{Add, Subtract};
    match (operator, left, right) {
        (Subtract, Value::Time(left), Value::Time(right)) => Ok(Value::Duration(left.since(right))),
        (Add, Value::Time(time), Value::Duration(nanos))
        | (Add, Value::Duration(nanos), Value::Time(time)) => {
            Ok(Value::Time(time.plus(i128::from(nanos))))
        }
        (Subtract, Value::Time(time), Value::Duration(nanos)) => {
            Ok(Value::Time(time.plus(-i128::from(nanos))))
        }
        (Add, Value::Duration(left), Value::Duration(right)) => {
            Ok(Value::Duration(left.wrapping_add(right)))
        }
        (Subtract, Value::Duration(left), Value::Duration(right)) => {
            Ok(Value::Duration(left.wrapping_sub(right)))
        }
        _ => Err(Fault::NoOperation { left: left.kind(), right: right.kind() }),
    }
}

/// The value with the other sign.
pub(crate) fn negate<'a>(value: Value<'_>) -> Result<Value<'a>, Fault> {
    match value {
        Value::Int(number) => Ok(Value::Int(number.wrapping_neg())),
        Value::Double(number) => Ok(Value::Double(-number)),
        other => Err(Fault::NoNumber { got: other.kind() }),
    }
}
