//! The value of an attribute, read only as far as a test asks.

use wholetrace_proto::{
    otlp::numbers::{any_value, key_value},
    wire::{Cursor, LEN, Tag, Value},
};

/// Tag of `KeyValue.value`.
const VALUE_TAG: u8 = Tag::new(key_value::VALUE, LEN).byte();
/// Tag of `AnyValue.string_value`.
const STRING_VALUE_TAG: u8 = Tag::new(any_value::STRING_VALUE, LEN).byte();

/// The value of an attribute, as far as anyone asks. One without a value is an empty text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Attribute<'a> {
    Text(&'a [u8]),
    Bool(bool),
    Int(i64),
    Double(f64),
    Other,
}

impl<'a> Attribute<'a> {
    /// The value in (the rest of) the body of a `KeyValue`.
    pub(super) fn read(body: &'a [u8]) -> Self {
        // A text of less than 126 bytes and nothing else, as most are.
        if let [VALUE_TAG, outer @ 0..0x80, STRING_VALUE_TAG, inner @ 0..0x80, text @ ..] = body
            && *outer == *inner + 2
            && text.len() == usize::from(*inner)
        {
            return Self::Text(text);
        }
        let mut found = Self::Text(&[]);
        let mut fields = Cursor::new(body);
        while let Ok(Some(field)) = fields.next_field() {
            if let (key_value::VALUE, Value::Bytes(value)) = (field.number, field.value) {
                found = Self::of_any_value(value).unwrap_or(found);
            }
        }
        found
    }

    /// The value in an `AnyValue`. Of several kinds the last one counts, as for every choice in
    /// protobuf.
    fn of_any_value(value: &'a [u8]) -> Option<Self> {
        let mut found = None;
        let mut kinds = Cursor::new(value);
        while let Ok(Some(field)) = kinds.next_field() {
            found = Some(match (field.number, field.value) {
                (any_value::STRING_VALUE, Value::Bytes(text)) => Self::Text(text),
                (any_value::BOOL_VALUE, Value::Varint(number)) => Self::Bool(number != 0),
                (any_value::INT_VALUE, Value::Varint(number)) => Self::Int(number.cast_signed()),
                (any_value::DOUBLE_VALUE, Value::Fixed64(bits)) => {
                    Self::Double(f64::from_bits(bits))
                }
                (any_value::ARRAY_VALUE | any_value::KVLIST_VALUE | any_value::BYTES_VALUE, _) => {
                    Self::Other
                }
                _ => continue,
            });
        }
        found
    }

    /// The text; values of other kinds count as an empty one.
    pub(super) const fn text(self) -> &'a [u8] {
        if let Self::Text(text) = self { text } else { &[] }
    }

    /// The whole number; values of other kinds count as 0, as in the Collector.
    pub(super) const fn int(self) -> i64 {
        if let Self::Int(number) = self { number } else { 0 }
    }

    /// A no: a number 0, or one as text.
    pub(super) fn is_zero(self) -> bool {
        match self {
            Self::Int(number) => number == 0,
            Self::Double(number) => number == 0.0,
            Self::Text(text) => str::from_utf8(text)
                .is_ok_and(|text| text.parse().is_ok_and(|number: f64| number == 0.0)),
            Self::Bool(_) | Self::Other => false,
        }
    }

    /// A yes: `true`, a number above 0, or either as text.
    pub(super) fn is_positive(self) -> bool {
        match self {
            Self::Bool(yes) => yes,
            Self::Int(number) => number > 0,
            Self::Double(number) => number > 0.0,
            Self::Text(text) => {
                text == b"true"
                    || str::from_utf8(text)
                        .is_ok_and(|text| text.parse().is_ok_and(|number: f64| number > 0.0))
            }
            Self::Other => false,
        }
    }
}
