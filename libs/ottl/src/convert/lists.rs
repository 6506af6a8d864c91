//! Converters of lists and maps.

use std::cmp::Ordering;

use crate::{
    compare::{as_double, equal},
    convert::{
        coerce,
        converter::{Accepts, Arguments, Converter, Parameter, Prepared},
        text,
    },
    error::Fault,
    limits::DEPTH_MAX,
    value::{Made, Operand, Tree, Value},
};

const MAP: Parameter = Parameter::new("target", Accepts::Map);

pub(super) const TABLE: &[Converter] = &[
    Converter::new(
        "ContainsValue",
        &[Parameter::new("target", Accepts::List), Parameter::new("item", Accepts::Any)],
        |arguments| {
            let items = arguments.value(0).items();
            let mut items = items.ok_or_else(|| arguments.must_be(0, "a list"))?;
            let wanted = arguments.value(1);
            Ok(Value::Bool(items.any(|item| equal(item, wanted))).into())
        },
    ),
    Converter::new(
        "Index",
        &[Parameter::new("target", Accepts::Any), Parameter::new("value", Accepts::Any)],
        index,
    ),
    Converter::new("Keys", &[MAP], |arguments| {
        let entries = arguments.value(0).entries();
        let entries = entries.ok_or_else(|| arguments.must_be(0, "a map"))?;
        Ok(Tree::list(entries.map(|(key, _)| Tree::text(key)).collect()).into())
    }),
    Converter::new("Values", &[MAP], |arguments| {
        let entries = arguments.value(0).entries();
        let entries = entries.ok_or_else(|| arguments.must_be(0, "a map"))?;
        Ok(Tree::list(entries.map(|(_, value)| Tree::of(value, DEPTH_MAX)).collect()).into())
    }),
    Converter::new(
        "Sort",
        &[
            Parameter::new("target", Accepts::Any),
            Parameter::optional("order", Accepts::TextLiteral),
        ],
        sort,
    )
    .preparing(|constants| match constants.get(1) {
        Some(Some(Tree::Text(order))) if order != b"asc" && order != b"desc" => {
            Err("`order` must be `asc` or `desc`".to_owned())
        }
        _ => Ok(Prepared::Nothing),
    }),
];

fn index<'a>(arguments: Arguments<'_, 'a>) -> Result<Operand<'a>, Fault> {
    let (target, wanted) = (arguments.value(0), arguments.value(1));
    let found = match target {
        Value::Str(target) => text::find(target, arguments.text(1)?),
        _ => {
            let items = target.items().ok_or_else(|| arguments.must_be(0, "a text or a list"))?;
            items.enumerate().find(|(_, item)| equal(*item, wanted)).map(|(index, _)| index)
        }
    };
    let found = found.and_then(|index| i64::try_from(index).ok());
    Ok(Value::Int(found.unwrap_or(-1)).into())
}

/// The elements in order: of numbers by their size, of others by their text.
fn sort<'a>(arguments: Arguments<'_, 'a>) -> Result<Operand<'a>, Fault> {
    let target = arguments.value(0);
    let items = target.items().ok_or_else(|| arguments.must_be(0, "a list"))?;
    let mut items: Vec<Tree> = items.map(|item| Tree::of(item, DEPTH_MAX)).collect();
    let numbers: Option<Vec<f64>> = items.iter().map(|item| number(item.view())).collect();
    if numbers.is_some() {
        items.sort_by(|left, right| by_number(left.view(), right.view()));
    } else {
        items.sort_by_cached_key(|item| coerce::text(item.view()).ok().flatten().map(Vec::from));
    }
    if matches!(arguments.value(1), Value::Str(b"desc")) {
        items.reverse();
    }
    let of_texts = matches!(target, Value::Made(Made::Texts(_)));
    Ok(if of_texts { Tree::texts(items) } else { Tree::list(items) }.into())
}

fn number(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Int(number) => Some(as_double(number)),
        Value::Double(number) => Some(number),
        _ => None,
    }
}

fn by_number(left: Value<'_>, right: Value<'_>) -> Ordering {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => left.cmp(&right),
        _ => {
            let both = number(left).zip(number(right));
            both.map_or(Ordering::Equal, |(left, right)| left.total_cmp(&right))
        }
    }
}
