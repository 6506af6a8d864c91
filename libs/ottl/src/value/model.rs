//! The kinds of values.

use crate::value::time::Time;

/// A value: of a field, a literal or a converter.
///
/// Texts are bytes, as nobody promises that they are UTF-8. Enums are integers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// There is none: an attribute that is absent.
    Nil,
    /// An attribute that is there, and whose value is not set. It equals nil.
    Empty,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Double(f64),
    /// A text.
    Str(&'a [u8]),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A map as it lies in a protobuf message: its entries are the `KeyValue`s in the fields
    /// `field` of `message`. Of a `KeyValueList` these are fields 1, of a span fields 9.
    Map {
        /// The body of the message.
        message: &'a [u8],
        /// The number of the fields.
        field: u32,
    },
    /// A list as it lies in a protobuf message: the body of an `ArrayValue`.
    List(&'a [u8]),
    /// A map or a list that a literal or a converter made.
    Made(&'a Made),
    /// A point in time.
    Time(Time),
    /// A duration in nanoseconds.
    Duration(i64),
    /// The id of a trace.
    TraceId([u8; 16]),
    /// The id of a span.
    SpanId([u8; 8]),
    /// The events or the links of a span: their number.
    Several(u32),
    /// The status of a span, of which only the parts can be read.
    Status,
}

impl Value<'_> {
    /// What it is, in a word.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Empty => "an empty value",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Double(_) => "a floating-point number",
            Self::Str(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::Map { .. } | Self::Made(Made::Map(_)) => "a map",
            Self::List(_) | Self::Made(Made::List(_)) => "a list",
            Self::Made(Made::Texts(_)) => "a list of texts",
            Self::Time(_) => "a time",
            Self::Duration(_) => "a duration",
            Self::TraceId(_) => "a trace id",
            Self::SpanId(_) => "a span id",
            Self::Several(_) => "events or links",
            Self::Status => "a status",
        }
    }

    /// Whether it counts as nil where it is compared: it is absent, not set, or bytes of which
    /// there are none.
    #[must_use]
    pub const fn is_nil(&self) -> bool {
        matches!(self, Self::Nil | Self::Empty | Self::Bytes([]))
    }
}

/// A map or a list that a literal or a converter made.
#[derive(Clone, Debug, PartialEq)]
pub enum Made {
    /// A list.
    List(Vec<Tree>),
    /// A list of texts, which is a kind of its own: it never equals a list.
    Texts(Vec<Tree>),
    /// A map; its keys differ.
    Map(Vec<(Vec<u8>, Tree)>),
}

/// A value that owns what it holds; the kinds are those of [`Value`].
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// Whatever owns nothing.
    Plain(Value<'static>),
    /// A text.
    Text(Vec<u8>),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A map or a list.
    Made(Box<Made>),
}

impl Tree {
    /// Nil.
    pub(crate) const NIL: Self = Self::Plain(Value::Nil);

    /// The value, borrowed.
    #[must_use]
    pub fn view(&self) -> Value<'_> {
        match self {
            Self::Plain(value) => *value,
            Self::Text(text) => Value::Str(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
            Self::Made(made) => Value::Made(made),
        }
    }
}
