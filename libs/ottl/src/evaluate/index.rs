//! Elements of maps and lists.

use crate::{
    error::Fault,
    limits::DEPTH_MAX,
    value::{Made, Operand, Tree, Value},
};

/// The element of `base` that `key` names. A key that a map does not have is nil in fields
/// (`lenient`), and an error in what converters make.
pub(crate) fn element<'x>(
    base: Operand<'x>,
    key: Value<'_>,
    lenient: bool,
) -> Result<Operand<'x>, Fault> {
    match base {
        Operand::Lent(base) => lent(base, key, lenient).map(Operand::Lent),
        Operand::Own(tree) => {
            lent(tree.view(), key, lenient).map(|found| Tree::of(found, DEPTH_MAX).into())
        }
    }
}

fn lent<'x>(base: Value<'x>, key: Value<'_>, lenient: bool) -> Result<Value<'x>, Fault> {
    match (base, key) {
        (Value::Map { .. } | Value::Made(Made::Map(_)), Value::Str(key)) => {
            let mut entries = base.entries().into_iter().flatten();
            match entries.find(|(name, _)| *name == key) {
                Some((_, value)) => Ok(value),
                None if lenient => Ok(Value::Nil),
                None => Err(Fault::NoSuchKey),
            }
        }
        (Value::List(_) | Value::Made(Made::List(_) | Made::Texts(_)), Value::Int(index)) => {
            let index = usize::try_from(index).map_err(|_| Fault::OutOfRange)?;
            base.items().and_then(|mut items| items.nth(index)).ok_or(Fault::OutOfRange)
        }
        (Value::Map { .. } | Value::List(_) | Value::Made(_), key) => {
            Err(Fault::WrongKey { base: base.kind(), got: key.kind() })
        }
        _ => Err(Fault::NotIndexable { got: base.kind() }),
    }
}
