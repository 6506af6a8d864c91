//! Recognizes spans that come a second time.
//!
//! A sender whose answer was lost sends the same bytes again, and the log has them twice. So the
//! release remembers the kept spans that it has passed of late, and passes over what has come
//! before: the same span under the same scope and resource, byte by byte. Nothing less is the same:
//! the client and the server of a call may share the id of a span, and a sender may tell more of a
//! span later on under the same id.
//!
//! A span is told from itself by where it stands, so that a frame may be released any number of
//! times, to any exporter. What the bounded memory has forgotten, and what another owner of the
//! partition has passed, is not recognized and comes twice.

use std::mem;

use hashbrown::HashTable;
use wholetrace_spanlog::Position;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Bytes that a remembered span takes up, at most: a table has up to twice as many places as spans.
pub(crate) const RECENT_SPAN: usize = 80;

/// Where a span stands: the position of its frame, and how many spans are before it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) position: Position,
    pub(crate) index: u32,
}

/// What tells the bytes of a span, or of a head above it, from others: 128 bits under a secret seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint(u128);

impl Fingerprint {
    /// That of a span of which these are the bytes of the resource and scope.
    pub(crate) const fn under(self, [resource, scope]: [Self; 2]) -> Self {
        Self(self.0 ^ resource.0.rotate_left(1) ^ scope.0.rotate_left(2))
    }
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    /// In two halves, as a whole would want room to stand at.
    fingerprint: [u64; 2],
    place: Place,
}

/// The kept spans that were released last, oldest half and newest half.
#[derive(Debug)]
pub(crate) struct RecentSpans {
    seed: u64,
    most: usize,
    young: HashTable<Seen>,
    old: HashTable<Seen>,
}

impl RecentSpans {
    /// Of up to `most` spans, none yet. The seed should differ from process to process.
    pub(crate) const fn new(most: usize, seed: u64) -> Self {
        Self { seed, most, young: HashTable::new(), old: HashTable::new() }
    }

    /// Remembers up to `most` spans from here on. With none, no span is recognized.
    pub(crate) fn remember(&mut self, most: usize) {
        if most < self.most {
            self.forget();
        }
        self.most = most;
    }

    /// Forgets all: what has been released may not have reached everybody.
    pub(crate) fn forget(&mut self) {
        (self.young, self.old) = (HashTable::new(), HashTable::new());
    }

    /// Whether any span is recognized.
    pub(crate) const fn is_on(&self) -> bool {
        self.most > 0
    }

    /// Bytes taken up, by the capacities of what is allocated.
    pub(crate) fn memory(&self) -> usize {
        self.young.allocation_size() + self.old.allocation_size()
    }

    /// The fingerprint of some bytes.
    pub(crate) fn fingerprint(&self, bytes: &[u8]) -> Fingerprint {
        Fingerprint(xxh3_128_with_seed(bytes, self.seed))
    }

    /// Whether the span at `place` has come before. If not, it is remembered.
    #[expect(clippy::cast_possible_truncation, reason = "in two halves")]
    pub(crate) fn has_come(&mut self, Fingerprint(whole): Fingerprint, place: Place) -> bool {
        let fingerprint = [whole as u64, (whole >> 64) as u64];
        let hash = |seen: &Seen| seen.fingerprint[0];
        for table in [&mut self.young, &mut self.old] {
            if let Some(seen) =
                table.find_mut(fingerprint[0], |seen| seen.fingerprint == fingerprint)
            {
                if seen.place < place {
                    return true;
                }
                // It is released again, or the one that was met first stands behind it.
                seen.place = place;
                return false;
            }
        }
        if self.young.len() >= self.most.div_ceil(2) {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert_unique(fingerprint[0], Seen { fingerprint, place }, hash);
        false
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn at(position: u64, index: u32) -> Place {
        Place { position: Position(position), index }
    }

    #[test]
    fn what_differs_in_anything_is_another_span() {
        let recent = RecentSpans::new(10, 5);
        let of = |resource: &[u8], scope: &[u8], span: &[u8]| {
            let heads = [resource, scope].map(|head| recent.fingerprint(head));
            recent.fingerprint(span).under(heads)
        };
        let all = [
            of(b"r", b"s", b"span"),
            of(b"s", b"r", b"span"),
            of(b"s", b"s", b"span"),
            of(b"r", b"r", b"span"),
            of(b"", b"", b"span"),
            of(b"r", b"s", b"spam"),
            of(b"r", b"", b"sspan"),
            of(b"span", b"s", b"r"),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[..index].contains(one), "{index}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let most = 5_000;
        let mut recent = RecentSpans::new(most, 5);
        for number in 0..50_000_u64 {
            let fingerprint = recent.fingerprint(&number.to_le_bytes());
            assert!(!recent.has_come(fingerprint, at(number, 0)));
            assert!(recent.memory() <= most * RECENT_SPAN, "{} of {number}", recent.memory());
            if let Some(before) = number.checked_sub(most as u64 / 2 - 1) {
                let fingerprint = recent.fingerprint(&before.to_le_bytes());
                assert!(recent.has_come(fingerprint, at(number, 1)), "{before} at {number}");
            }
        }
        recent.remember(0);
        assert_eq!((recent.memory(), recent.is_on()), (0, false));
    }

    proptest! {
        /// I1: whatever is released again and from wherever, a span is passed over only if one
        /// with its bytes that stands before it was passed on.
        #[test]
        fn prop_only_copies_are_passed_over(
            log in proptest::collection::vec(0..6_u8, 1..40),
            starts in proptest::collection::vec((any::<prop::sample::Index>(), 0..40_usize), 1..6),
            most in 1..8_usize,
        ) {
            let mut recent = RecentSpans::new(most, 9);
            let mut passed_on = HashMap::<u8, Vec<usize>>::new();
            for (start, count) in starts {
                let start = start.index(log.len());
                for (place, span) in log.iter().enumerate().skip(start).take(count) {
                    let fingerprint = recent.fingerprint(&[*span]);
                    let place_in_log = at(place as u64 / 3, place as u32 % 3);
                    let before = passed_on.entry(*span).or_default();
                    if recent.has_come(fingerprint, place_in_log) {
                        prop_assert!(before.iter().any(|before| *before < place));
                    } else {
                        before.push(place);
                    }
                }
            }
        }
    }
}
