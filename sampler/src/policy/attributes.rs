//! The attributes that a policy set asks for: which keys, and what their values must be.

use regex::bytes::Regex;
use wholetrace_proto::{
    otlp::numbers::{any_value, key_value},
    wire::{Cursor, LEN, Tag, Value},
};

use crate::policy::bits::Bits;

/// Tag of `KeyValue.key`.
const KEY_TAG: u8 = Tag::new(key_value::KEY, LEN).byte();
/// Tag of `KeyValue.value`.
const VALUE_TAG: u8 = Tag::new(key_value::VALUE, LEN).byte();
/// Tag of `AnyValue.string_value`.
const STRING_VALUE_TAG: u8 = Tag::new(any_value::STRING_VALUE, LEN).byte();

/// Where an attribute stands. The Collector judges an empty text only on resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttributeSource {
    Resource,
    Span,
}

/// What is asked of the value of an attribute.
#[derive(Clone, Debug)]
pub(super) enum ValueTest {
    /// A text in which the pattern is found.
    Pattern(Regex),
    /// A yes: `true`, a number above 0, or either as text.
    Positive,
    /// Any value but an empty text.
    Present,
}

/// All that is asked of one attribute key.
#[derive(Clone, Debug)]
struct AskedKey {
    key: Box<[u8]>,
    /// Texts and what they tell, ordered by text.
    texts: Vec<(Box<[u8]>, Bits)>,
    tests: Vec<(ValueTest, Bits)>,
    /// Everything that the key can tell.
    all: Bits,
}

/// The keys that are asked for. Their number is bounded by the number of observations.
#[derive(Clone, Debug, Default)]
pub(super) struct AskedAttributes {
    /// Tells nearly all other keys apart from those asked for at a glance.
    filter: Filter,
    keys: Vec<AskedKey>,
}

/// The value of an attribute, as far as anyone asks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Attribute<'a> {
    Text(&'a [u8]),
    Bool(bool),
    Int(i64),
    Double(f64),
    Other,
}

impl AskedAttributes {
    pub(super) const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Asks for the texts `values` under `key`.
    pub(super) fn ask_texts<'a>(
        &mut self,
        key: &str,
        values: impl Iterator<Item = &'a str>,
        observation: Bits,
    ) {
        let asked = self.asked(key, observation);
        for value in values {
            match asked.texts.binary_search_by(|(text, _)| (**text).cmp(value.as_bytes())) {
                Ok(found) => {
                    if let Some((_, bits)) = asked.texts.get_mut(found) {
                        bits.add(observation);
                    }
                }
                Err(place) => asked.texts.insert(place, (value.as_bytes().into(), observation)),
            }
        }
    }

    /// Asks for values under `key` that pass `test`.
    pub(super) fn ask(&mut self, key: &str, test: ValueTest, observation: Bits) {
        self.asked(key, observation).tests.push((test, observation));
    }

    fn asked(&mut self, key: &str, observation: Bits) -> &mut AskedKey {
        self.filter.add(key.as_bytes());
        let place = self.keys.iter().position(|asked| *asked.key == *key.as_bytes());
        let place = place.unwrap_or(self.keys.len());
        if place == self.keys.len() {
            self.keys.push(AskedKey {
                key: key.as_bytes().into(),
                texts: Vec::new(),
                tests: Vec::new(),
                all: Bits::NONE,
            });
        }
        let asked = &mut self.keys[place];
        asked.all.add(observation);
        asked
    }

    /// Looks at one attribute, the body of a `KeyValue`. `met` has the keys that were met before
    /// in the same list: of attributes of the same name only the first counts. What is `known`
    /// already need not be found out again.
    #[inline]
    pub(super) fn look_at(
        &self,
        body: &[u8],
        source: AttributeSource,
        met: &mut Bits,
        known: &mut Bits,
    ) {
        // Every encoder writes the key first, and few keys are as long as 128 bytes.
        match body {
            [KEY_TAG, length @ 0..0x80, rest @ ..] => {
                if let Some((key, value)) = rest.split_at_checked(usize::from(*length))
                    && self.filter.may_have(key)
                {
                    self.look_up(key, value, source, met, known);
                }
            }
            _ => self.look_at_unusual(body, source, met, known),
        }
    }

    #[cold]
    fn look_at_unusual(
        &self,
        body: &[u8],
        source: AttributeSource,
        met: &mut Bits,
        known: &mut Bits,
    ) {
        let mut fields = Cursor::new(body);
        let mut key: &[u8] = &[];
        while let Ok(Some(field)) = fields.next_field() {
            if let (key_value::KEY, Value::Bytes(bytes)) = (field.number, field.value) {
                key = bytes;
            }
        }
        self.look_up(key, body, source, met, known);
    }

    fn look_up(
        &self,
        key: &[u8],
        body: &[u8],
        source: AttributeSource,
        met: &mut Bits,
        known: &mut Bits,
    ) {
        let Some((index, asked)) = self.keys.iter().enumerate().find(|(_, k)| *k.key == *key)
        else {
            return;
        };
        let this = Bits::single(index).unwrap_or_default();
        if met.intersects(this) || known.contains(asked.all) {
            return;
        }
        met.add(this);
        known.add(asked.judge(attribute(body), source));
    }
}

impl AskedKey {
    fn judge(&self, value: Attribute<'_>, source: AttributeSource) -> Bits {
        let mut bits = Bits::NONE;
        // Values of other kinds count as an empty text.
        let text = if let Attribute::Text(text) = value { text } else { &[] };
        let counts = source == AttributeSource::Resource || !text.is_empty();
        if counts && let Ok(found) = self.texts.binary_search_by(|(asked, _)| (**asked).cmp(text)) {
            bits.add(self.texts.get(found).map_or(Bits::NONE, |(_, bits)| *bits));
        }
        for (test, observation) in &self.tests {
            let holds = match test {
                ValueTest::Pattern(pattern) => counts && pattern.is_match(text),
                ValueTest::Positive => value.is_positive(),
                ValueTest::Present => value != Attribute::Text(&[]),
            };
            if holds {
                bits.add(*observation);
            }
        }
        bits
    }
}

impl Attribute<'_> {
    fn is_positive(self) -> bool {
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

/// The value in (the rest of) the body of a `KeyValue`.
fn attribute(body: &[u8]) -> Attribute<'_> {
    // A text of less than 126 bytes and nothing else, as most are.
    if let [VALUE_TAG, outer @ 0..0x80, STRING_VALUE_TAG, inner @ 0..0x80, text @ ..] = body
        && *outer == *inner + 2
        && text.len() == usize::from(*inner)
    {
        return Attribute::Text(text);
    }
    let mut found = Attribute::Text(&[]);
    let mut fields = Cursor::new(body);
    while let Ok(Some(field)) = fields.next_field() {
        let (key_value::VALUE, Value::Bytes(value)) = (field.number, field.value) else {
            continue;
        };
        let mut kinds = Cursor::new(value);
        // Of several kinds the last one counts, as for every choice in protobuf.
        while let Ok(Some(field)) = kinds.next_field() {
            found = match (field.number, field.value) {
                (any_value::STRING_VALUE, Value::Bytes(text)) => Attribute::Text(text),
                (any_value::BOOL_VALUE, Value::Varint(number)) => Attribute::Bool(number != 0),
                (any_value::INT_VALUE, Value::Varint(number)) => {
                    Attribute::Int(number.cast_signed())
                }
                (any_value::DOUBLE_VALUE, Value::Fixed64(bits)) => {
                    Attribute::Double(f64::from_bits(bits))
                }
                (any_value::ARRAY_VALUE | any_value::KVLIST_VALUE | any_value::BYTES_VALUE, _) => {
                    Attribute::Other
                }
                _ => continue,
            };
        }
    }
    found
}

/// A set of keys by their length and last byte, in which names of attributes differ most.
#[derive(Clone, Copy, Debug, Default)]
struct Filter([u64; 4]);

impl Filter {
    fn add(&mut self, key: &[u8]) {
        let (word, bit) = Self::place(key);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    #[inline]
    fn may_have(&self, key: &[u8]) -> bool {
        let (word, bit) = Self::place(key);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    #[inline]
    fn place(key: &[u8]) -> (usize, u64) {
        let last = key.last().copied().unwrap_or_default();
        let place = last.wrapping_add((key.len() as u8).wrapping_mul(37));
        (usize::from(place >> 6), 1 << (place & 63))
    }
}
