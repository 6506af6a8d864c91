//! Converters that ask what kind a value is of, or turn it into another.

use crate::{
    convert::{
        coerce,
        converter::{Accepts, Arguments, Converter, Parameter},
    },
    error::Fault,
    value::{Made, Operand, Tree, Value},
};

pub(super) const TABLE: &[Converter] = &[
    Converter::new("IsString", &[Parameter::new("target", Accepts::Text)], |arguments| {
        is(arguments, |value| matches!(value, Value::Str(_)))
    }),
    Converter::new("IsInt", &[Parameter::new("target", Accepts::Int)], |arguments| {
        is(arguments, |value| matches!(value, Value::Int(_)))
    }),
    Converter::new("IsDouble", &[Parameter::new("target", Accepts::Double)], |arguments| {
        is(arguments, |value| matches!(value, Value::Double(_)))
    }),
    Converter::new("IsBool", &[Parameter::new("target", Accepts::Bool)], |arguments| {
        is(arguments, |value| matches!(value, Value::Bool(_)))
    }),
    Converter::new("IsMap", &[Parameter::new("target", Accepts::Map)], |arguments| {
        is(arguments, |value| value.entries().is_some())
    }),
    Converter::new("IsList", &[Parameter::new("target", Accepts::Any)], |arguments| {
        is(arguments, |value| value.items().is_some() || matches!(value, Value::Several(_)))
    }),
    Converter::new("IsEmpty", &[Parameter::new("target", Accepts::Any)], |arguments| {
        is(arguments, is_empty)
    }),
    Converter::new("Len", &[Parameter::new("target", Accepts::Any)], len),
    Converter::new("Int", &[Parameter::new("target", Accepts::Any)], |arguments| {
        converted(arguments, coerce::int, Value::Int)
    })
    .strict(),
    Converter::new("Double", &[Parameter::new("target", Accepts::Any)], |arguments| {
        converted(arguments, coerce::double, Value::Double)
    })
    .strict(),
    Converter::new("Bool", &[Parameter::new("target", Accepts::Any)], |arguments| {
        converted(arguments, coerce::bool, Value::Bool)
    })
    .strict(),
    Converter::new("String", &[Parameter::new("target", Accepts::Any)], |arguments| {
        let text = arguments.text_like(0)?;
        Ok(text.map_or(Tree::NIL, |text| Tree::text(text.into_owned())).into())
    })
    .strict(),
];

fn is<'a>(
    arguments: Arguments<'_, 'a>,
    known: fn(Value<'_>) -> bool,
) -> Result<Operand<'a>, Fault> {
    Ok(Value::Bool(known(arguments.value(0))).into())
}

fn converted<'a, T>(
    arguments: Arguments<'_, 'a>,
    convert: fn(Value<'_>) -> Result<Option<T>, ()>,
    make: fn(T) -> Value<'a>,
) -> Result<Operand<'a>, Fault> {
    match convert(arguments.value(0)) {
        Ok(found) => Ok(found.map_or(Value::Nil, make).into()),
        Err(()) => Err(arguments.unusable(0, "cannot be converted")),
    }
}

fn is_empty(value: Value<'_>) -> bool {
    match value {
        Value::Nil | Value::Empty => true,
        Value::Bool(value) => !value,
        Value::Int(number) | Value::Duration(number) => number == 0,
        Value::Double(number) => number == 0.0,
        Value::Str(text) | Value::Bytes(text) => text.is_empty(),
        Value::TraceId(id) => id == [0; 16],
        Value::SpanId(id) => id == [0; 8],
        Value::List(_) | Value::Map { .. } | Value::Made(_) => count(value) == Some(0),
        Value::Time(_) | Value::Several(_) | Value::Status => false,
    }
}

/// The number of elements or of entries.
fn count(value: Value<'_>) -> Option<usize> {
    match value {
        Value::Made(Made::List(items) | Made::Texts(items)) => Some(items.len()),
        _ => value.items().map(Iterator::count).or_else(|| value.entries().map(Iterator::count)),
    }
}

fn len<'a>(arguments: Arguments<'_, 'a>) -> Result<Operand<'a>, Fault> {
    let value = arguments.value(0);
    let len = match value {
        Value::Str(text) | Value::Bytes(text) => Some(text.len()),
        Value::Several(several) => usize::try_from(several).ok(),
        other => count(other),
    };
    let wants = "a text, bytes, a list or a map";
    let len = len.ok_or_else(|| arguments.must_be(0, wants))?;
    Ok(Value::Int(i64::try_from(len).unwrap_or(i64::MAX)).into())
}
