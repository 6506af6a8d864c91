//! The decisions that a partition remembers.

use std::collections::VecDeque;

use hashbrown::HashTable;
use wholetrace_proto::{
    id::TraceKey,
    tracestate::{Kept, Threshold},
};
use wholetrace_spanlog::{LogTime, Position};

use crate::core::{
    decision::policy_names::{PolicyNames, PolicyNumber},
    hash::KeyHash,
};

/// Decisions of a chunk, whose places fit a byte: growing never copies.
const CHUNK: usize = 256;
const KEPT: u64 = 1 << 63;
const KNOWN: u64 = 1 << 62;
const LATE_FRAGMENT: u64 = 1 << 61;
const STATED_RANDOMNESS: u64 = 1 << 60;
/// The bits of a time in an entry.
const TIME: u64 = (1 << 48) - 1;

/// What to do with the spans of a decided trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackedDecision {
    word: u64,
    policy: PolicyNumber,
}

impl PackedDecision {
    /// What a decision means for spans: whether they are kept, and the rejection threshold to
    /// write to them, or `None` when the probability is unknown.
    pub(crate) const fn new(kept: bool, threshold: Option<Threshold>) -> Self {
        let kept = if kept { KEPT } else { 0 };
        let word = match threshold {
            Some(threshold) => threshold.get() | kept | KNOWN,
            None => kept,
        };
        Self { word, policy: PolicyNumber::NONE }
    }

    /// The same, made by this policy.
    pub(crate) const fn by(self, policy: PolicyNumber) -> Self {
        Self { policy, ..self }
    }

    /// The policy that decided.
    pub(crate) const fn policy(self) -> PolicyNumber {
        self.policy
    }

    /// The same, noting whether the threshold was compared with a randomness that spans state.
    pub(crate) const fn by_stated_randomness(self, stated: bool) -> Self {
        if stated { Self { word: self.word | STATED_RANDOMNESS, ..self } } else { self }
    }

    /// The same, noting whether the trace may be the rest of one whose decision was forgotten.
    pub(crate) const fn of_late_fragment(self, late: bool) -> Self {
        if late { Self { word: self.word | LATE_FRAGMENT, ..self } } else { self }
    }

    /// Whether the spans may be the rest of a trace whose decision was forgotten.
    pub(crate) const fn is_late_fragment(self) -> bool {
        self.word & LATE_FRAGMENT != 0
    }

    /// Whether the spans are kept.
    #[inline]
    pub(crate) const fn kept(self) -> bool {
        self.word & KEPT != 0
    }

    /// What spans are to say of the probability of being kept.
    pub(crate) const fn probability(self) -> Kept {
        const FLAGS: u64 = KEPT | KNOWN | LATE_FRAGMENT | STATED_RANDOMNESS;
        if self.word & KNOWN == 0 {
            return Kept::Unknown;
        }
        match Threshold::new(self.word & !FLAGS) {
            Some(threshold) if self.word & STATED_RANDOMNESS != 0 => Kept::AtStated(threshold),
            Some(threshold) => Kept::At(threshold),
            None => Kept::Unknown,
        }
    }
}

/// A decision as it takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceDecision {
    pub(crate) key: TraceKey,
    /// Time of the trace's first frame.
    pub(crate) first_seen: LogTime,
    /// The deadline: spans from then on are late.
    pub(crate) decided_at: LogTime,
    pub(crate) decision: PackedDecision,
    /// The high half of the trace's longest id, if it is kept.
    pub(crate) id_high: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: TraceKey,
    /// The word of the decision.
    decision: u64,
    /// When the trace was first seen, in milliseconds, and above the 48 bits of it the number of the
    /// policy that decided. The bits suffice until the year 10889.
    first_seen: u64,
    /// Milliseconds from `first_seen` to the decision.
    wait: u32,
    /// Milliseconds from `first_seen` to the last frame time that obeys this decision.
    reach: u32,
}

impl Entry {
    const fn first_seen(&self) -> LogTime {
        LogTime(self.first_seen & TIME)
    }

    fn set_first_seen(&mut self, time: LogTime) {
        self.first_seen = self.first_seen & !TIME | time.0.min(TIME);
    }

    #[expect(clippy::cast_possible_truncation, reason = "as many bits are above the time")]
    const fn decision(&self) -> PackedDecision {
        let policy = PolicyNumber((self.first_seen >> TIME.count_ones()) as u16);
        PackedDecision { word: self.decision, policy }
    }

    fn obeyed_at(&self, time: LogTime) -> bool {
        self.first_seen() <= time && time <= self.until()
    }

    const fn until(&self) -> LogTime {
        self.first_seen().plus(self.reach as u64)
    }

    /// Whether this and a decision over the times from `first_seen` to `decided_at` are about the
    /// same trace: both had it open at a time.
    fn overlaps(&self, first_seen: LogTime, decided_at: LogTime) -> bool {
        let end = |first: LogTime, wait: u64| first.plus(wait.max(1));
        self.first_seen() < end(first_seen, decided_at.since(first_seen))
            && first_seen < end(self.first_seen(), u64::from(self.wait))
    }

    /// Moves its start back to `first_seen`, if that is earlier.
    fn begin_at(&mut self, first_seen: LogTime) {
        let first_seen = first_seen.min(self.first_seen());
        let earlier = millis(self.first_seen().since(first_seen));
        self.set_first_seen(first_seen);
        self.wait = self.wait.saturating_add(earlier);
        self.reach = self.reach.saturating_add(earlier);
    }

    /// Ends its reach at `until`, if that is earlier.
    fn cut(&mut self, until: LogTime) {
        self.reach = self.reach.min(millis(until.since(self.first_seen())));
    }
}

/// The high half of the longest id of a trace, and the place of its decision in the chunk. All in
/// bytes, so that there is no room between them: most kept traces have one.
#[derive(Clone, Copy, Debug)]
struct LongId {
    place: u8,
    high: [u8; 8],
}

/// A few decisions, in the order in which they came.
#[derive(Debug)]
struct Chunk {
    entries: Vec<Entry>,
    /// Of those traces whose kept spans are to leave with a long id.
    long_ids: Vec<LongId>,
}

/// What became of a decision that was read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// It is the first for its trace.
    First,
    /// There is one already: this one does not count (I3).
    Duplicate,
}

/// The decisions of a partition, oldest first, in about 45 bytes each, and 9 more for the longest id
/// of a trace that is kept.
///
/// A decision holds for the frames from the trace's first one to `retention` after the decision, or to
/// the time when it was [forgotten](Self::forget_excess) for want of room. A frame has the same time at
/// every reading, so a span finds the same decision at its release as at its first reading: decisions
/// are dropped only when no unfinished frame can look them up any more.
#[derive(Debug)]
pub(crate) struct DecisionTable {
    retention: u64,
    hash: KeyHash,
    chunks: VecDeque<Chunk>,
    /// Number of the first decision of the first chunk, a multiple of the chunk.
    base: u64,
    /// Number of the oldest decision that is still there.
    oldest: u64,
    /// Number of the oldest one that is not forgotten.
    remembered: u64,
    /// Number of the next one.
    next: u64,
    /// The low bits of numbers, by key.
    index: HashTable<u32>,
    /// Where in the decision log the decisions from a number on were read.
    origins: VecDeque<(u64, Position)>,
    /// The names of the policies that decided.
    policies: PolicyNames,
}

impl DecisionTable {
    /// An empty one. `retention` in milliseconds.
    pub(crate) fn new(retention: u64, hash: KeyHash) -> Self {
        Self {
            retention: retention.min(u64::from(u32::MAX / 2)),
            hash,
            chunks: VecDeque::new(),
            base: 0,
            oldest: 0,
            remembered: 0,
            next: 0,
            index: HashTable::new(),
            origins: VecDeque::new(),
            policies: PolicyNames::default(),
        }
    }

    /// How long a decision is obeyed, in milliseconds.
    #[inline]
    pub(crate) const fn retention(&self) -> u64 {
        self.retention
    }

    /// The names of the policies that decided.
    pub(crate) const fn policies(&self) -> &PolicyNames {
        &self.policies
    }

    /// The names of the policies that decided, for those of decisions to come.
    pub(crate) const fn policies_mut(&mut self) -> &mut PolicyNames {
        &mut self.policies
    }

    /// How many decisions are held, forgotten ones that are still asked for included.
    pub(crate) const fn len(&self) -> usize {
        (self.next - self.oldest) as usize
    }

    /// Bytes taken up, by the capacities of what is allocated.
    pub(crate) fn memory(&self) -> usize {
        let chunk = |chunk: &Chunk| {
            chunk.entries.capacity() * size_of::<Entry>()
                + chunk.long_ids.capacity() * size_of::<LongId>()
        };
        self.chunks.iter().map(chunk).sum::<usize>()
            + self.chunks.capacity() * size_of::<Chunk>()
            + self.origins.capacity() * size_of::<(u64, Position)>()
            + self.index.allocation_size()
    }

    /// The position from which the decision log has to be read to get back all decisions that are held;
    /// `None` if none are.
    pub(crate) fn origin(&self) -> Option<Position> {
        self.origins.front().map(|(_, position)| *position)
    }

    /// The decision over the spans of `key` in a frame of time `time`, and when it was made.
    #[inline]
    pub(crate) fn find(&self, key: TraceKey, time: LogTime) -> Option<(PackedDecision, LogTime)> {
        let number = self.index.find(self.hash.of(key), |number| {
            let entry = self.entry(*number);
            entry.key == key && entry.obeyed_at(time)
        })?;
        let entry = self.entry(*number);
        Some((entry.decision(), entry.first_seen().plus(u64::from(entry.wait))))
    }

    /// The high half of the longest id of the trace whose decision [`find`](Self::find) finds, if that
    /// is kept and known; else 0.
    #[expect(clippy::cast_possible_truncation, reason = "the index holds the low bits")]
    pub(crate) fn id_high(&self, key: TraceKey, time: LogTime) -> u64 {
        let number = self.index.find(self.hash.of(key), |number| {
            let entry = self.entry(*number);
            entry.key == key && entry.obeyed_at(time)
        });
        let Some(number) = number else { return 0 };
        let place = number.wrapping_sub(self.base as u32) as usize;
        let long_ids = &self.chunks[place / CHUNK].long_ids;
        let found = long_ids.binary_search_by_key(&(place % CHUNK), |id| usize::from(id.place));
        let found = found.ok().and_then(|found| long_ids.get(found));
        found.map_or(0, |id| u64::from_be_bytes(id.high))
    }

    /// Takes in a decision that stands at `origin` in the decision log, when frames have been read up
    /// to the time `now`.
    ///
    /// Two decisions about a key that was open for both at some time are about one trace, also if
    /// they do not agree on when that began: the first one in the log holds, from the earlier of both
    /// starts on. The spans of time of one key's decisions never overlap: an older one ends where a newer
    /// one starts.
    pub(crate) fn insert(
        &mut self,
        new: &TraceDecision,
        origin: Position,
        now: LogTime,
    ) -> Inserted {
        let hash = self.hash.of(new.key);
        let wait = millis(new.decided_at.since(new.first_seen));
        let mut entry = Entry {
            key: new.key,
            decision: new.decision.word,
            first_seen: u64::from(new.decision.policy.0) << TIME.count_ones(),
            wait,
            reach: wait.saturating_add(millis(self.retention)),
        };
        entry.set_first_seen(new.first_seen);
        let mut same: Vec<u32> = self
            .index
            .iter_hash(hash)
            .copied()
            .filter(|number| self.entry(*number).key == new.key)
            .collect();
        same.sort_unstable_by_key(|number| self.entry(*number).first_seen());
        // Frames that were read while the trace was open, or its decision on its way, count on it.
        let counted_on = entry.until().min(now).max(new.decided_at);
        let overlaps = |number: &u32| self.entry(*number).overlaps(new.first_seen, new.decided_at);
        let first = same.iter().copied().find(overlaps);
        for number in &same {
            let other = self.entry_mut(*number);
            if other.first_seen() < new.first_seen && Some(*number) != first {
                other.cut(new.first_seen.minus(1));
            } else if other.first_seen() > new.first_seen {
                entry.cut(other.first_seen().minus(1));
            }
        }
        if let Some(first) = first {
            self.entry_mut(first).begin_at(new.first_seen);
        }
        self.cover(&same, new.first_seen, counted_on);
        if first.is_some() {
            return Inserted::Duplicate;
        }
        self.push(entry, new.id_high, hash, origin);
        Inserted::First
    }

    /// Extends the decisions of one key, in the order of their starts, that hold at `from` or later:
    /// they hold to `until` without a gap.
    fn cover(&mut self, same: &[u32], from: LogTime, until: LogTime) {
        for (index, number) in same.iter().enumerate() {
            let next = same.get(index + 1).map(|next| self.entry(*next).first_seen());
            let entry = self.entry_mut(*number);
            if entry.until() >= from {
                let until = next.map_or(until, |next| until.min(next.minus(1)));
                entry.reach = entry.reach.max(millis(until.since(entry.first_seen())));
            }
        }
    }

    /// Forgets the oldest decisions beyond `most`: frames later than `now` do not obey them.
    /// Gives how many were forgotten.
    pub(crate) fn forget_excess(&mut self, most: usize, now: LogTime) -> u64 {
        let excess = (self.next - self.remembered).saturating_sub(most as u64);
        for _ in 0..excess {
            let (chunk, place) = self.locate(self.remembered);
            let entry = &mut self.chunks[chunk].entries[place];
            if entry.until() > now {
                // What is before the decision is ruled by it whatever else happens.
                let floor = entry.first_seen().plus(u64::from(entry.wait));
                entry.cut(now.max(floor));
            }
            self.remembered += 1;
        }
        excess
    }

    /// Drops the decisions that no frame at or after `unfinished` obeys, oldest first.
    pub(crate) fn evict(&mut self, unfinished: LogTime) {
        while self.oldest < self.next {
            let (chunk, place) = self.locate(self.oldest);
            let entry = self.chunks[chunk].entries[place];
            if entry.until() >= unfinished {
                break;
            }
            self.remove_oldest(&entry);
        }
        if self.index.len() * 8 < self.index.capacity() && self.index.capacity() > 8 * CHUNK {
            let (chunks, base, hash) = (&self.chunks, self.base, self.hash);
            self.index
                .shrink_to(self.index.len() * 2, |number| hash.of(at(chunks, base, *number).key));
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the index holds the low bits")]
    fn push(&mut self, entry: Entry, id_high: u64, hash: u64, origin: Position) {
        if self.chunks.back().is_none_or(|chunk| chunk.entries.len() == CHUNK) {
            let (entries, long_ids) = (Vec::with_capacity(CHUNK), Vec::new());
            self.chunks.push_back(Chunk { entries, long_ids });
        }
        if let Some(last) = self.chunks.back_mut() {
            if id_high != 0 {
                let (place, high) = (last.entries.len() as u8, id_high.to_be_bytes());
                last.long_ids.push(LongId { place, high });
            }
            last.entries.push(entry);
        }
        let (chunks, base, hasher) = (&self.chunks, self.base, self.hash);
        self.index.insert_unique(hash, self.next as u32, |number| {
            hasher.of(at(chunks, base, *number).key)
        });
        if self.origins.back().is_none_or(|(_, last)| *last < origin) {
            self.origins.push_back((self.next, origin));
        }
        self.next += 1;
    }

    #[expect(clippy::cast_possible_truncation, reason = "the index holds the low bits")]
    fn remove_oldest(&mut self, entry: &Entry) {
        let number = self.oldest as u32;
        let hash = self.hash.of(entry.key);
        if let Ok(found) = self.index.find_entry(hash, |found| *found == number) {
            found.remove();
        }
        self.oldest += 1;
        self.remembered = self.remembered.max(self.oldest);
        if self.oldest - self.base == CHUNK as u64 {
            self.chunks.pop_front();
            self.base = self.oldest;
        }
        let next_origin = self.origins.get(1).map(|(from, _)| *from);
        if self.oldest == self.next || next_origin == Some(self.oldest) {
            self.origins.pop_front();
        }
    }

    const fn locate(&self, number: u64) -> (usize, usize) {
        let place = (number - self.base) as usize;
        (place / CHUNK, place % CHUNK)
    }

    #[inline]
    fn entry(&self, number: u32) -> &Entry {
        at(&self.chunks, self.base, number)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the index holds the low bits")]
    fn entry_mut(&mut self, number: u32) -> &mut Entry {
        let place = number.wrapping_sub(self.base as u32) as usize;
        &mut self.chunks[place / CHUNK].entries[place % CHUNK]
    }
}

/// The decision whose number ends in `number`; fewer than 2^32 are held at a time.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the index holds the low bits")]
fn at(chunks: &VecDeque<Chunk>, base: u64, number: u32) -> &Entry {
    let place = number.wrapping_sub(base as u32) as usize;
    &chunks[place / CHUNK].entries[place % CHUNK]
}

fn millis(millis: u64) -> u32 {
    u32::try_from(millis).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
