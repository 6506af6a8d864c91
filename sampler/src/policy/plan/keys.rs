//! The attributes that a policy set asks for: which keys, and what their values must be.
//!
//! A key is looked up once for each attribute, whatever the number of policies that ask for it; all
//! its texts are found in one search, and all its patterns in one [`RegexSet`].

use std::collections::BTreeMap;

use regex::bytes::RegexSet;
use wholetrace_ottl::Context;
use wholetrace_proto::{
    otlp::numbers::key_value,
    wire::{Cursor, LEN, Tag, Value},
};

use crate::policy::plan::{
    fact::{Fact, Facts},
    fields::{CONTEXTS, Found, Raw, place_of},
    value::Attribute,
};

/// Tag of `KeyValue.value`.
const VALUE_TAG: u8 = Tag::new(key_value::VALUE, LEN).byte();
/// Tag of `KeyValue.key`.
const KEY_TAG: u8 = Tag::new(key_value::KEY, LEN).byte();

/// What is asked of the value of an attribute, besides texts and patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::policy) enum ValueTest {
    /// A yes: `true`, a number above 0, or either as text.
    Positive,
    /// A no: a number 0, or one as text.
    Zero,
    /// Any value but an empty text.
    Present,
    /// A whole number within these bounds; other values count as 0.
    IntWithin(i64, i64),
    /// This truth; values of other kinds count as `false`.
    Bool(bool),
}

/// What is asked of a key while the plan is made.
#[derive(Debug, Default)]
pub(super) struct KeyAsks {
    texts: BTreeMap<Box<[u8]>, Vec<Fact>>,
    patterns: Vec<(String, Fact)>,
    tests: Vec<(ValueTest, Fact)>,
    slots: [Option<u16>; CONTEXTS],
}

impl KeyAsks {
    pub(super) fn text(&mut self, text: &str, fact: Fact) {
        self.texts.entry(text.as_bytes().into()).or_default().push(fact);
    }

    /// `pattern` is in the syntax of the `regex` crate.
    pub(super) fn pattern(&mut self, pattern: String, fact: Fact) {
        self.patterns.push((pattern, fact));
    }

    pub(super) fn test(&mut self, test: ValueTest, fact: Fact) {
        self.tests.push((test, fact));
    }

    /// A condition reads the value in `context` from `slot`.
    pub(super) fn slot(&mut self, context: Context, slot: u16) {
        self.slots[place_of(context)] = Some(slot);
    }
}

/// All that is asked of one attribute key.
#[derive(Clone, Debug)]
struct AskedKey {
    key: Box<[u8]>,
    /// Texts and what they tell, ordered by text.
    texts: Box<[(Box<[u8]>, Facts)]>,
    patterns: Option<(RegexSet, Box<[Facts]>)>,
    tests: Box<[(ValueTest, Facts)]>,
    /// Everything that the key can tell.
    all: Facts,
    /// By context: where conditions read the value.
    slots: [Option<u16>; CONTEXTS],
    /// The next key of the same [place](Places::of).
    next: Option<u16>,
}

/// The keys that are asked for.
#[derive(Clone, Debug)]
pub(super) struct AskedKeys {
    /// Tells nearly all other keys apart from those asked for at a glance.
    places: Places,
    keys: Box<[AskedKey]>,
}

/// An attribute that may be asked for.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'b> {
    /// The first key that it may be of.
    first: u16,
    key: &'b [u8],
    /// (The rest of) the body of the `KeyValue`.
    value: &'b [u8],
}

/// What attributes of one list tell.
pub(super) struct Told<'t> {
    pub(super) facts: &'t mut [u64],
    pub(super) met: &'t mut MetKeys,
    /// The bytes that places are in.
    pub(super) buffer: &'t [u8],
    /// Where values are noted that conditions read.
    pub(super) found: &'t mut Found,
}

/// Which of the asked keys were met in a list of attributes: of attributes of the same name only
/// the first counts.
#[derive(Clone, Debug, Default)]
pub(super) struct MetKeys(Vec<u64>);

impl MetKeys {
    /// Forgets all, for a new list. Words come back when a key is met: most lists have none of them, and
    /// clearing memory costs as much as reading a short span.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Notes key number `index`; false when it was met before.
    #[inline]
    fn meet(&mut self, index: usize) -> bool {
        let (word, bit) = (index / 64, 1 << (index % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let Some(word) = self.0.get_mut(word) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

impl AskedKeys {
    /// The compiled form of what is asked. Each pattern compiles by itself.
    ///
    /// # Errors
    /// The key whose patterns are too large together, and why.
    pub(super) fn new(asks: &BTreeMap<String, KeyAsks>) -> Result<Self, (String, regex::Error)> {
        let mut keys = Vec::with_capacity(asks.len());
        let mut places = Places::default();
        for (index, (key, asks)) in (0_u16..).zip(asks) {
            let next = places.add(key.as_bytes(), index);
            let asked = AskedKey::new(key, asks, next).map_err(|error| (key.clone(), error))?;
            keys.push(asked);
        }
        Ok(Self { places, keys: keys.into() })
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// What an attribute, the body of a `KeyValue`, may tell: `None` for nearly all that nobody asks
    /// for.
    #[inline]
    pub(super) fn candidate<'b>(&self, body: &'b [u8]) -> Option<Candidate<'b>> {
        // Every encoder writes the key first, and few keys are as long as 128 bytes.
        match body {
            [KEY_TAG, length @ 0..0x80, rest @ ..] => {
                let (key, value) = rest.split_at_checked(usize::from(*length))?;
                self.places.first(key).map(|first| Candidate { first, key, value })
            }
            _ => self.unusual_candidate(body),
        }
    }

    #[cold]
    fn unusual_candidate<'b>(&self, body: &'b [u8]) -> Option<Candidate<'b>> {
        let mut fields = Cursor::new(body);
        let mut key: &[u8] = &[];
        while let Ok(Some(field)) = fields.next_field() {
            if let (key_value::KEY, Value::Bytes(bytes)) = (field.number, field.value) {
                key = bytes;
            }
        }
        self.places.first(key).map(|first| Candidate { first, key, value: body })
    }

    /// Looks at one attribute of a list in `context`: adds the facts that it shows, unless they are
    /// known already, and notes its place for conditions.
    pub(super) fn look_up(&self, candidate: Candidate<'_>, context: Context, told: &mut Told<'_>) {
        let Candidate { first, key, value: body } = candidate;
        let mut place = Some(first);
        while let Some(index) = place.map(usize::from)
            && let Some(asked) = self.keys.get(index)
        {
            if *asked.key == *key {
                if let Some(slot) = asked.slots[place_of(context)]
                    && let Some(raw) = told.found.raws.get_mut(usize::from(slot))
                    && *raw == Raw::Absent
                {
                    *raw = Raw::part(told.buffer, any_value(body));
                }
                if !asked.all.are_in(told.facts) && told.met.meet(index) {
                    asked.judge(Attribute::read(body), context, told.facts);
                }
                return;
            }
            place = asked.next;
        }
    }
}

/// The body of the `AnyValue` in (the rest of) the body of a `KeyValue`; empty if there is none.
fn any_value(body: &[u8]) -> &[u8] {
    if let [VALUE_TAG, length @ 0..0x80, value @ ..] = body
        && value.len() == usize::from(*length)
    {
        return value;
    }
    let mut found = &body[..0];
    let mut fields = Cursor::new(body);
    while let Ok(Some(field)) = fields.next_field() {
        if let (key_value::VALUE, Value::Bytes(value)) = (field.number, field.value) {
            found = value;
        }
    }
    found
}

impl AskedKey {
    fn new(key: &str, asks: &KeyAsks, next: Option<u16>) -> Result<Self, regex::Error> {
        let one = |fact: Fact| -> Facts { std::iter::once(fact).collect() };
        let texts = asks.texts.iter();
        let all = texts.clone().flat_map(|(_, facts)| facts.iter().copied());
        let all = all.chain(asks.patterns.iter().map(|(_, fact)| *fact));
        let all = all.chain(asks.tests.iter().map(|(_, fact)| *fact));
        let patterns = if asks.patterns.is_empty() {
            None
        } else {
            let set = RegexSet::new(asks.patterns.iter().map(|(pattern, _)| pattern))?;
            Some((set, asks.patterns.iter().map(|(_, fact)| one(*fact)).collect()))
        };
        Ok(Self {
            key: key.as_bytes().into(),
            all: all.collect(),
            texts: texts
                .map(|(text, facts)| (text.clone(), facts.iter().copied().collect()))
                .collect(),
            patterns,
            tests: asks.tests.iter().map(|(test, fact)| (*test, one(*fact))).collect(),
            slots: asks.slots,
            next,
        })
    }

    fn judge(&self, value: Attribute<'_>, context: Context, facts: &mut [u64]) {
        // Facts about attributes are asked of resources and spans.
        if !matches!(context, Context::Resource | Context::Span) {
            return;
        }
        let text = value.text();
        // The Collector judges an empty text only on resources.
        if context == Context::Resource || !text.is_empty() {
            if let Ok(found) = self.texts.binary_search_by(|(asked, _)| (**asked).cmp(text))
                && let Some((_, told)) = self.texts.get(found)
            {
                told.add_to(facts);
            }
            self.match_patterns(text, facts);
        }
        for (test, told) in &self.tests {
            let holds = match test {
                ValueTest::Positive => value.is_positive(),
                ValueTest::Zero => value.is_zero(),
                ValueTest::Present => value != Attribute::Text(&[]),
                ValueTest::IntWithin(least, most) => (*least..=*most).contains(&value.int()),
                ValueTest::Bool(truth) => (value == Attribute::Bool(true)) == *truth,
            };
            if holds {
                told.add_to(facts);
            }
        }
    }

    fn match_patterns(&self, text: &[u8], facts: &mut [u64]) {
        let Some((set, told)) = &self.patterns else { return };
        // Most texts match nothing, which is found out without an allocation.
        if !set.is_match(text) {
            return;
        }
        if let [told] = &**told {
            told.add_to(facts);
            return;
        }
        for told in set.matches(text).iter().filter_map(|index| told.get(index)) {
            told.add_to(facts);
        }
    }
}

/// The first of the keys of each length and last byte, in which names of attributes differ most.
#[derive(Clone, Debug)]
struct Places {
    taken: [u64; 4],
    first: Box<[u16; 256]>,
}

impl Default for Places {
    fn default() -> Self {
        Self { taken: [0; 4], first: Box::new([0; 256]) }
    }
}

impl Places {
    /// Adds key number `index`; gives back the one that stood first at its place.
    fn add(&mut self, key: &[u8], index: u16) -> Option<u16> {
        let before = self.first(key);
        let place = Self::of(key);
        if let Some(taken) = self.taken.get_mut(usize::from(place >> 6)) {
            *taken |= 1 << (place & 63);
        }
        if let Some(first) = self.first.get_mut(usize::from(place)) {
            *first = index;
        }
        before
    }

    /// The first key that `key` may be.
    #[inline]
    fn first(&self, key: &[u8]) -> Option<u16> {
        let place = Self::of(key);
        let taken = self.taken.get(usize::from(place >> 6))?;
        if taken & 1 << (place & 63) == 0 {
            return None;
        }
        self.first.get(usize::from(place)).copied()
    }

    #[inline]
    fn of(key: &[u8]) -> u8 {
        let last = key.last().copied().unwrap_or_default();
        last.wrapping_add((key.len() as u8).wrapping_mul(37))
    }
}
