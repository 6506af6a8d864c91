//! Values that own what they hold, and how they are made.

use crate::{
    limits::DEPTH_MAX,
    value::model::{Made, Tree, Value},
};

impl Tree {
    pub(crate) fn text(text: impl Into<Vec<u8>>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn list(items: Vec<Self>) -> Self {
        Self::Made(Box::new(Made::List(items)))
    }

    pub(crate) fn texts(items: Vec<Self>) -> Self {
        Self::Made(Box::new(Made::Texts(items)))
    }

    /// A map; of entries with the same key the last one counts.
    pub(crate) fn map(entries: Vec<(Vec<u8>, Self)>) -> Self {
        let mut last: Vec<(usize, (Vec<u8>, Self))> = entries.into_iter().enumerate().collect();
        last.sort_by(|(a, (left, _)), (b, (right, _))| left.cmp(right).then(b.cmp(a)));
        last.dedup_by(|(_, (next, _)), (_, (kept, _))| next == kept);
        last.sort_by_key(|(index, _)| *index);
        Self::Made(Box::new(Made::Map(last.into_iter().map(|(_, entry)| entry).collect())))
    }

    /// A copy of a value that owns what it holds. Deeper than `depth`, nothing is set.
    pub(crate) fn of(value: Value<'_>, depth: usize) -> Self {
        let Some(depth) = depth.checked_sub(1) else { return Self::Plain(Value::Empty) };
        match value {
            Value::Str(text) => Self::text(text),
            Value::Bytes(bytes) => Self::Bytes(bytes.into()),
            Value::Made(made) => Self::Made(Box::new(made.clone())),
            Value::List(_) => {
                let items = value.items().into_iter().flatten();
                Self::list(items.map(|item| Self::of(item, depth)).collect())
            }
            Value::Map { .. } => {
                let entries = value.entries().into_iter().flatten();
                let mut own: Vec<(Vec<u8>, Self)> =
                    entries.map(|(key, value)| (key.into(), Self::of(value, depth))).collect();
                // Of entries with the same key the first one counts.
                own.reverse();
                Self::map(own)
            }
            Value::Nil => Self::NIL,
            Value::Empty => Self::Plain(Value::Empty),
            Value::Bool(value) => Self::Plain(Value::Bool(value)),
            Value::Int(value) => Self::Plain(Value::Int(value)),
            Value::Double(value) => Self::Plain(Value::Double(value)),
            Value::Time(time) => Self::Plain(Value::Time(time)),
            Value::Duration(nanos) => Self::Plain(Value::Duration(nanos)),
            Value::TraceId(id) => Self::Plain(Value::TraceId(id)),
            Value::SpanId(id) => Self::Plain(Value::SpanId(id)),
            Value::Several(count) => Self::Plain(Value::Several(count)),
            Value::Status => Self::Plain(Value::Status),
        }
    }
}

/// A value of an expression: lent by a field or a literal, or made.
#[derive(Clone, Debug)]
pub(crate) enum Operand<'a> {
    Lent(Value<'a>),
    Own(Tree),
}

impl<'a> Operand<'a> {
    pub(crate) fn view(&self) -> Value<'_> {
        match self {
            Self::Lent(value) => *value,
            Self::Own(tree) => tree.view(),
        }
    }

    /// The value, able to outlive what lent it.
    pub(crate) fn into_tree(self) -> Tree {
        match self {
            Self::Lent(value) => Tree::of(value, DEPTH_MAX),
            Self::Own(tree) => tree,
        }
    }
}

impl<'a> From<Value<'a>> for Operand<'a> {
    fn from(value: Value<'a>) -> Self {
        Self::Lent(value)
    }
}

impl From<Tree> for Operand<'_> {
    fn from(tree: Tree) -> Self {
        Self::Own(tree)
    }
}

/// Hexadecimal digits in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
