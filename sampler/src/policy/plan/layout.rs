//! The record of a trace: a few words that hold what the policies of a set ask for, and no more.
//!
//! ```text
//!  word 0   latest end of a span (tells fragments that come late from new traces)
//!  word 1   high half of the longest id: with that leave the spans of a kept trace
//!  word 2…  facts, 64 to a word
//!  then     explicit randomness    if a share of the traces is; shares the last word of facts
//!                                  where those leave room
//!           earliest start         if a duration is asked for
//!           least threshold        if the one that came with the spans is asked for
//!           bytes                  if sizes are
//!           counters and the least hashes of values that tell kinds of traces apart, two a word
//!           services, two a word   the lowest hashes of their names, if they are counted
//! ```
//!
//! The starter policies (errors, slow traces, a tenth of the rest) need four words.

use wholetrace_proto::{id::TraceKey, tracestate::Threshold};

use crate::policy::{
    fnv,
    plan::{
        fact::Fact,
        times::{self, NO_END, NO_START},
    },
};

/// The low bits of the word with the explicit randomness, which are left to facts.
const SHARED_BITS: usize = 6;
const SHARED: u64 = (1 << SHARED_BITS) - 1;
/// Marks that no span has stated a randomness.
pub(super) const NO_RV: u64 = u64::MAX >> SHARED_BITS;
/// Beside the least randomness that spans have stated: they have stated several.
const SEVERAL: u64 = 1 << 57;

/// Beside the least threshold that spans came with: one of them is above the randomness of its span.
pub(super) const UNTRUE: u64 = 1 << 63;
/// That no span has come; greater than every threshold.
const NO_SPAN: u64 = !UNTRUE;

/// The word at which facts begin, behind those that every record has.
const FACTS: usize = 2;

/// The number of a counter in the records of a policy set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Counter(pub(super) u16);

/// The number of a least hash in the records of a policy set: of the hashes of all values that some
/// field has in a trace, the least one, which stands for all whatever the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) struct LeastHash(pub(super) u16);

/// Where things stand in the records of a policy set.
#[derive(Clone, Debug, Default)]
pub(in crate::policy) struct Layout {
    pub(super) facts: usize,
    pub(super) start: Option<usize>,
    /// The word whose bits above the [shared](SHARED_BITS) ones are the explicit randomness.
    randomness: Option<usize>,
    pub(super) threshold: Option<usize>,
    pub(super) bytes: Option<usize>,
    /// Where counters begin, and how many there are; least hashes follow.
    counters: (usize, u16),
    /// Where the hashes of services begin, and how many there may be.
    services: (usize, usize),
    /// The record of a trace of which no span has been seen.
    blank: Box<[u64]>,
}

/// What a record is to hold.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Contents {
    pub(super) facts: usize,
    pub(super) start: bool,
    pub(super) randomness: bool,
    pub(super) threshold: bool,
    pub(super) bytes: bool,
    pub(super) counters: u16,
    /// The most services that are told apart.
    pub(super) services: usize,
    pub(super) least: u16,
}

impl Layout {
    pub(super) fn new(contents: &Contents) -> Self {
        let facts = Fact::words(contents.facts);
        let mut blank = vec![0; FACTS + facts];
        let randomness = contents.randomness.then(|| {
            if !(1..=SHARED_BITS).contains(&(contents.facts % 64)) {
                blank.push(0);
            }
            blank.len() - 1
        });
        if let Some(word) = randomness.and_then(|place| blank.get_mut(place)) {
            *word = NO_RV << SHARED_BITS;
        }
        let mut word = |asked: bool, value: u64| {
            asked.then(|| {
                blank.push(value);
                blank.len() - 1
            })
        };
        let start = word(contents.start, NO_START);
        let threshold = word(contents.threshold, NO_SPAN);
        let bytes = word(contents.bytes, 0);
        let counters = (blank.len(), contents.counters);
        let halves = contents.counters.saturating_add(contents.least);
        blank.resize(blank.len() + usize::from(halves.div_ceil(2)), 0);
        let services = (blank.len(), contents.services);
        blank.resize(blank.len() + contents.services.div_ceil(2), 0);
        let mut layout = Self {
            facts,
            start,
            randomness,
            threshold,
            bytes,
            counters,
            services,
            blank: Box::default(),
        };
        for number in 0..contents.least {
            set_half(&mut blank, layout.place_of(LeastHash(number)), u32::MAX);
        }
        layout.blank = blank.into();
        layout
    }

    /// The record of a trace of which no span has been seen.
    pub(in crate::policy) const fn blank(&self) -> &[u64] {
        &self.blank
    }

    /// The facts of a record, in words whose last one may have the explicit randomness above them.
    #[inline]
    fn facts<'r>(&self, record: &'r [u64]) -> &'r [u64] {
        record.get(FACTS..FACTS + self.facts).unwrap_or_default()
    }

    /// The facts of a record, to add some.
    #[inline]
    pub(super) fn facts_mut<'r>(&self, record: &'r mut [u64]) -> &'r mut [u64] {
        record.get_mut(FACTS..FACTS + self.facts).unwrap_or_default()
    }

    /// Counts `more` on `counter`, no further than `u32::MAX`.
    #[inline]
    pub(super) fn count(&self, record: &mut [u64], counter: Counter, more: u32) {
        let (place, shift) = self.counter(counter);
        if let Some(word) = record.get_mut(place) {
            let count = ((*word >> shift) as u32).saturating_add(more);
            *word = *word & !(u64::from(u32::MAX) << shift) | u64::from(count) << shift;
        }
    }

    /// Notes a service by the hash of its name, which is not 0. The lowest hashes are kept, in order,
    /// so that what is left of many services does not depend on which came first.
    pub(super) fn add_service(&self, record: &mut [u64], hash: u32) {
        let (start, most) = self.services;
        let mut carried = hash;
        for index in 0..most {
            let Some(word) = record.get_mut(start + index / 2) else { return };
            let shift = 32 * (index as u32 % 2);
            let known = (*word >> shift) as u32;
            if known == carried {
                return;
            }
            if known == 0 || carried < known {
                *word = *word & !(u64::from(u32::MAX) << shift) | u64::from(carried) << shift;
                carried = known;
            }
            if carried == 0 {
                return;
            }
        }
    }

    /// Takes the explicit randomness of a span; [`NO_RV`] for none.
    #[inline]
    pub(super) fn add_randomness(&self, record: &mut [u64], stated: u64) {
        if stated != NO_RV
            && let Some(word) = self.randomness.and_then(|place| record.get_mut(place))
        {
            let least = least_randomness(*word >> SHARED_BITS, stated);
            *word = *word & SHARED | least << SHARED_BITS;
        }
    }

    /// Takes the hash of a value.
    pub(super) fn least(&self, record: &mut [u64], number: LeastHash, hash: u32) {
        let (place, shift) = self.place_of(number);
        if record.get(place).is_some_and(|word| hash < (word >> shift) as u32) {
            set_half(record, (place, shift), hash);
        }
    }

    const fn place_of(&self, number: LeastHash) -> (usize, u32) {
        self.half(self.counters.1 as usize + number.0 as usize)
    }

    /// Where half word number `index` of the counters and least hashes is.
    const fn half(&self, index: usize) -> (usize, u32) {
        (self.counters.0 + index / 2, 32 * (index as u32 % 2))
    }

    const fn counter(&self, counter: Counter) -> (usize, u32) {
        self.half(counter.0 as usize)
    }

    /// Folds the record `other` of another part of the same trace into `record`. Folding spans one
    /// by one, or parts of the trace each and then the parts, gives the same record.
    #[cfg(test)]
    pub(in crate::policy) fn merge(&self, key: TraceKey, record: &mut [u64], other: &[u64]) {
        for place in FACTS..FACTS + self.facts {
            let mask = if self.randomness == Some(place) { SHARED } else { u64::MAX };
            record[place] |= other[place] & mask;
        }
        let stated = Record { layout: self, words: other }.stated();
        self.add_randomness(record, stated.unwrap_or(NO_RV));
        let mut fold = |place: Option<usize>, fold: fn(u64, u64) -> u64| {
            if let Some(place) = place {
                record[place] = fold(record[place], other[place]);
            }
        };
        fold(Some(0), u64::max);
        fold(self.start, u64::min);
        fold(self.threshold, least_threshold);
        fold(self.bytes, u64::saturating_add);
        record[1] = key.longer(record[1], other[1]);
        let other_services = Record { layout: self, words: other }.service_hashes().to_vec();
        for word in other_services {
            for hash in [word as u32, (word >> 32) as u32].into_iter().filter(|hash| *hash != 0) {
                self.add_service(record, hash);
            }
        }
        let halves = u16::try_from(2 * (self.services.0 - self.counters.0)).unwrap();
        for number in 0..halves.saturating_sub(self.counters.1) {
            let (place, shift) = self.place_of(LeastHash(number));
            self.least(record, LeastHash(number), (other[place] >> shift) as u32);
        }
        for number in 0..self.counters.1 {
            let counter = Counter(number);
            self.count(record, counter, Record { layout: self, words: other }.count(counter));
        }
    }
}

/// The least of two randomnesses, and whether there are several.
const fn least_randomness(one: u64, other: u64) -> u64 {
    if one == NO_RV || one == other {
        return other;
    }
    let (low, high) = (one & !SEVERAL, other & !SEVERAL);
    let least = if low < high { low } else { high };
    if low == high { one | other } else { least | SEVERAL }
}

/// The least of two thresholds, and whether one is untrue.
#[inline]
pub(super) const fn least_threshold(one: u64, other: u64) -> u64 {
    let (low, high) = (one & !UNTRUE, other & !UNTRUE);
    (if low < high { low } else { high }) | (one | other) & UNTRUE
}

/// Sets half of the word at `place`.
fn set_half(record: &mut [u64], (place, shift): (usize, u32), half: u32) {
    if let Some(word) = record.get_mut(place) {
        *word = *word & !(u64::from(u32::MAX) << shift) | u64::from(half) << shift;
    }
}

/// A record, as its layout reads it.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) struct Record<'r> {
    pub(in crate::policy) layout: &'r Layout,
    pub(in crate::policy) words: &'r [u64],
}

impl Record<'_> {
    /// Whether a span of the trace showed it.
    pub(in crate::policy) fn has(&self, fact: Fact) -> bool {
        fact.is_in(self.layout.facts(self.words))
    }

    fn word(&self, place: Option<usize>) -> Option<u64> {
        self.words.get(place?).copied()
    }

    /// From the earliest start to the latest end that [count](times), in nanoseconds; 0 while either
    /// is unknown, or when the ends lie before the starts, or when nobody asked for it.
    pub(in crate::policy) fn duration_ns(&self) -> u64 {
        let start = self.word(self.layout.start).unwrap_or(NO_START);
        times::duration_ns(start, self.word(Some(0)).unwrap_or(NO_END))
    }

    /// The latest end of a span, in nanoseconds since the Unix epoch; `None` while no sender has
    /// told one.
    pub(in crate::policy) fn latest_end_ns(&self) -> Option<u64> {
        self.word(Some(0)).filter(|end| *end != NO_END).map(times::end_ns)
    }

    /// The least explicit randomness, with [`SEVERAL`] beside it if there are others.
    fn stated(&self) -> Option<u64> {
        let word = self.word(self.layout.randomness)?;
        Some(word >> SHARED_BITS).filter(|stated| *stated != NO_RV)
    }

    /// The least explicit randomness (`rv`) that a span carried, if one did and it was asked for.
    pub(in crate::policy) fn randomness(&self) -> Option<u64> {
        self.stated().map(|stated| stated & !SEVERAL)
    }

    /// Whether spans carried several explicit randomnesses.
    pub(in crate::policy) fn states_several(&self) -> bool {
        self.stated().is_some_and(|stated| stated & SEVERAL != 0)
    }

    /// The least threshold that spans came with; one that came without, or with an untrue one, may
    /// have come in any case. If nobody asked, all may.
    ///
    /// Unlike the greatest one it is the same whatever the randomness of the trace is: the span that
    /// has it is there whenever the trace is, while those with greater ones come and go.
    pub(in crate::policy) fn least_threshold(&self) -> Threshold {
        let word = self.word(self.layout.threshold).unwrap_or_default();
        Threshold::new(word & !UNTRUE).unwrap_or(Threshold::ALWAYS)
    }

    /// Whether a span came with a threshold above its own randomness, if thresholds were asked for.
    pub(in crate::policy) fn has_untrue_threshold(&self) -> bool {
        self.word(self.layout.threshold).is_some_and(|word| word & UNTRUE != 0)
    }

    /// The high half of the longest id that spans of the trace have: see [`TraceKey::longer`].
    pub(in crate::policy) fn id_high(&self) -> u64 {
        self.word(Some(1)).unwrap_or_default()
    }

    /// The full trace id, given what names the trace: the longest one, as some tracers cut ids to 64
    /// bits.
    pub(in crate::policy) fn trace_id(&self, key: TraceKey) -> [u8; 16] {
        key.trace_id(self.id_high()).0
    }

    /// What `counter` has come to.
    pub(in crate::policy) fn count(&self, counter: Counter) -> u32 {
        let (place, shift) = self.layout.counter(counter);
        self.word(Some(place)).map_or(0, |word| (word >> shift) as u32)
    }

    /// What tells the trace from others by some least hashes; 0 for none.
    pub(in crate::policy) fn key(&self, numbers: &[LeastHash]) -> u64 {
        if numbers.is_empty() {
            return 0;
        }
        let hashes = numbers.iter().map(|number| {
            let (place, shift) = self.layout.place_of(*number);
            (self.word(Some(place)).unwrap_or_default() >> shift) as u32
        });
        let bytes: Vec<u8> = hashes.flat_map(u32::to_le_bytes).collect();
        fnv::hash(&bytes).max(1)
    }

    /// How many services were seen, up to as many as were asked for.
    pub(in crate::policy) fn services(&self) -> u64 {
        let halves = self.service_hashes().iter().map(|word| [*word as u32, (word >> 32) as u32]);
        halves.flatten().filter(|hash| *hash != 0).count() as u64
    }

    fn service_hashes(&self) -> &[u64] {
        let (start, most) = self.layout.services;
        self.words.get(start..start + most.div_ceil(2)).unwrap_or_default()
    }

    /// The bytes of all spans, if asked for.
    pub(in crate::policy) fn bytes(&self) -> u64 {
        self.word(self.layout.bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
