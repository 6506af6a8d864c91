//! Values as protobuf has them, read where they lie.
//!
//! Nothing here fails: bytes that are no value read as one that is not set, and a list ends at the
//! first element that cannot be read.

use wholetrace_proto::{
    otlp::numbers::{any_value, array_value, key_value, key_value_list},
    wire::{Cursor, LEN, Tag, Value as Wire},
};

use crate::value::model::{Made, Tree, Value};

/// Tag of `AnyValue.string_value`.
const TEXT_TAG: u8 = Tag::new(any_value::STRING_VALUE, LEN).byte();

impl<'a> Value<'a> {
    /// The value in the body of an `AnyValue`. Of several kinds the last one counts; bytes that
    /// are no message read as [`Value::Empty`].
    #[inline]
    #[must_use]
    pub fn of_any_value(bytes: &'a [u8]) -> Self {
        // A text of less than 128 bytes and nothing else, as most are.
        if let [TEXT_TAG, len @ 0..0x80, text @ ..] = bytes
            && text.len() == usize::from(*len)
        {
            return Self::Str(text);
        }
        Self::of_unusual(bytes)
    }

    fn of_unusual(bytes: &'a [u8]) -> Self {
        let mut found = Self::Empty;
        let mut fields = Cursor::new(bytes);
        while let Ok(Some(field)) = fields.next_field() {
            found = match (field.number, field.value) {
                (any_value::STRING_VALUE, Wire::Bytes(text)) => Self::Str(text),
                (any_value::BOOL_VALUE, Wire::Varint(number)) => Self::Bool(number != 0),
                (any_value::INT_VALUE, Wire::Varint(number)) => Self::Int(number.cast_signed()),
                (any_value::DOUBLE_VALUE, Wire::Fixed64(bits)) => {
                    Self::Double(f64::from_bits(bits))
                }
                (any_value::ARRAY_VALUE, Wire::Bytes(list)) => Self::List(list),
                (any_value::KVLIST_VALUE, Wire::Bytes(message)) => {
                    Self::Map { message, field: key_value_list::VALUES }
                }
                (any_value::BYTES_VALUE, Wire::Bytes(bytes)) => Self::Bytes(bytes),
                _ => continue,
            };
        }
        found
    }

    /// The elements, of a list.
    #[must_use]
    pub fn items(&self) -> Option<Items<'a>> {
        match self {
            Self::List(body) => Some(Items(ItemsForm::Raw(Cursor::new(body)))),
            Self::Made(Made::List(items) | Made::Texts(items)) => {
                Some(Items(ItemsForm::Made(items.iter())))
            }
            _ => None,
        }
    }

    /// The entries in the order they are stored, of a map. A key may occur twice: the first counts.
    #[must_use]
    pub fn entries(&self) -> Option<Entries<'a>> {
        match self {
            Self::Map { message, field } => {
                Some(Entries(EntriesForm::Raw(Cursor::new(message), *field)))
            }
            Self::Made(Made::Map(entries)) => Some(Entries(EntriesForm::Made(entries.iter()))),
            _ => None,
        }
    }
}

/// The key and the value in the body of a `KeyValue`.
pub(crate) fn key_value(body: &[u8]) -> (&[u8], Value<'_>) {
    let (mut key, mut value) = (&body[..0], Value::Empty);
    let mut fields = Cursor::new(body);
    while let Ok(Some(field)) = fields.next_field() {
        match (field.number, field.value) {
            (key_value::KEY, Wire::Bytes(bytes)) => key = bytes,
            (key_value::VALUE, Wire::Bytes(bytes)) => value = Value::of_any_value(bytes),
            _ => {}
        }
    }
    (key, value)
}

/// The next field of the number that has bytes.
fn next_bytes<'a>(fields: &mut Cursor<'a>, number: u32) -> Option<&'a [u8]> {
    loop {
        let field = fields.next_field().ok()??;
        if let (true, Wire::Bytes(bytes)) = (field.number == number, field.value) {
            return Some(bytes);
        }
    }
}

/// The elements of a list. Made by [`Value::items`].
#[derive(Clone, Debug)]
pub struct Items<'a>(ItemsForm<'a>);

#[derive(Clone, Debug)]
enum ItemsForm<'a> {
    Raw(Cursor<'a>),
    Made(std::slice::Iter<'a, Tree>),
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        match &mut self.0 {
            ItemsForm::Raw(fields) => {
                next_bytes(fields, array_value::VALUES).map(Value::of_any_value)
            }
            ItemsForm::Made(items) => items.next().map(Tree::view),
        }
    }
}

/// The entries of a map. Made by [`Value::entries`].
#[derive(Clone, Debug)]
pub struct Entries<'a>(EntriesForm<'a>);

#[derive(Clone, Debug)]
enum EntriesForm<'a> {
    Raw(Cursor<'a>, u32),
    Made(std::slice::Iter<'a, (Vec<u8>, Tree)>),
}

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            EntriesForm::Raw(fields, number) => next_bytes(fields, *number).map(key_value),
            EntriesForm::Made(entries) => {
                entries.next().map(|(key, value)| (key.as_slice(), value.view()))
            }
        }
    }
}
