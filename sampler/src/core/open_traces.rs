//! The traces of a partition that are not decided yet.

use hashbrown::HashTable;
use wholetrace_proto::id::TraceKey;
use wholetrace_spanlog::LogTime;

use crate::{core::hash::KeyHash, policy::Summary};

/// Traces of a slab's chunk: chunks are allocated whole and never copied, so that growing costs
/// neither a pause nor twice the memory.
const CHUNK: usize = 256;
/// No trace: the end of a list.
const NIL: Slot = Slot(u32::MAX);

/// Where a trace stands in the slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(u32);

/// What an undecided trace is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The end of the decision wait.
    Wait = 0,
    /// The end of the shorter wait after its root span.
    RootWait = 1,
    /// Its decision to come back from the decision log.
    Decided = 2,
    /// Nothing: the place is free.
    Free = 3,
}

/// An undecided trace. Every byte of it is paid once for each trace.
#[derive(Debug)]
pub(crate) struct OpenTrace {
    /// What the policies know of it.
    pub(crate) summary: Summary,
    /// The half of its id that names it.
    pub(crate) key: TraceKey,
    /// The time of its first frame.
    pub(crate) first_seen: LogTime,
    /// Milliseconds from `first_seen` to the decision.
    wait: u32,
    /// The low bits of the window's number of its first frame.
    pub(crate) first_frame: u32,
    older: Slot,
    /// The next newer trace in its list, or the next free place.
    newer: Slot,
    /// Which policy set it is folded with.
    pub(crate) policy_version: u8,
    state: State,
}

impl OpenTrace {
    /// When it is decided.
    pub(crate) const fn deadline(&self) -> LogTime {
        self.first_seen.plus(self.wait as u64)
    }

    /// Whether its decision is made and only has to come back from the decision log.
    pub(crate) const fn is_decided(&self) -> bool {
        matches!(self.state, State::Decided)
    }
}

/// A trace on its way in.
pub(crate) struct NewTrace {
    pub(crate) key: TraceKey,
    pub(crate) first_seen: LogTime,
    pub(crate) first_frame: u32,
    pub(crate) policy_version: u8,
}

/// The oldest and the newest trace that wait alike. The times of frames never decrease, so the
/// deadlines of those that wait equally long do not either: first come, first decided.
#[derive(Clone, Copy, Debug)]
struct List {
    oldest: Slot,
    newest: Slot,
}

/// The undecided traces of a partition, found by key and by deadline, in about 120 bytes each.
#[derive(Debug)]
pub(crate) struct OpenTraces {
    wait: u32,
    root_wait: u32,
    hash: KeyHash,
    chunks: Vec<Vec<OpenTrace>>,
    free: Slot,
    /// Slots by key. The keys themselves are in the slab only.
    index: HashTable<u32>,
    lists: [List; 2],
    decided: usize,
}

impl OpenTraces {
    /// No traces yet. `wait` is the decision wait; `root_wait`, if not 0, the wait after a root span;
    /// both in milliseconds.
    pub(crate) fn new(wait: u32, root_wait: u32, hash: KeyHash) -> Self {
        let root_wait = if root_wait == 0 { wait } else { root_wait.min(wait) };
        Self {
            wait,
            root_wait,
            hash,
            chunks: Vec::new(),
            free: NIL,
            index: HashTable::new(),
            lists: [List { oldest: NIL, newest: NIL }; 2],
            decided: 0,
        }
    }

    /// Traces that are not decided, or whose decision is on its way.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Traces whose deadline has not come.
    pub(crate) fn undecided(&self) -> usize {
        self.index.len() - self.decided
    }

    /// When about the oldest trace was first seen whose deadline has not come.
    pub(crate) fn oldest(&self) -> Option<LogTime> {
        let heads = self.lists.iter().map(|list| list.oldest).filter(|slot| *slot != NIL);
        heads.map(|slot| self.get(slot).first_seen).min()
    }

    /// Whether a trace is decided next, or next of those that wait alike, that was first seen in the
    /// frame of the number `frame`.
    #[expect(clippy::cast_possible_truncation, reason = "traces hold the low bits")]
    pub(crate) fn is_next(&self, frame: u64) -> bool {
        let heads = self.lists.iter().map(|list| list.oldest).filter(|slot| *slot != NIL);
        heads.map(|slot| self.get(slot).first_frame).any(|first| first == frame as u32)
    }

    /// Bytes taken up, by the capacities of what is allocated.
    pub(crate) fn memory(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.capacity() * size_of::<OpenTrace>()).sum::<usize>()
            + self.chunks.capacity() * size_of::<Vec<OpenTrace>>()
            + self.index.allocation_size()
    }

    /// The trace of the id `key` of which `which` is true. There is one of an id, or two while the
    /// decision about the first is on its way through the log.
    #[inline]
    pub(crate) fn find(&self, key: TraceKey, which: impl Fn(&OpenTrace) -> bool) -> Option<Slot> {
        let found = self.index.find(self.hash.of(key), |slot| {
            let trace = at(&self.chunks, Slot(*slot));
            trace.key == key && which(trace)
        });
        found.copied().map(Slot)
    }

    #[inline]
    pub(crate) fn get(&self, slot: Slot) -> &OpenTrace {
        at(&self.chunks, slot)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: Slot) -> &mut OpenTrace {
        at_mut(&mut self.chunks, slot)
    }

    /// Opens a trace. It is decided after the decision wait.
    pub(crate) fn open(&mut self, new: &NewTrace) -> Slot {
        let slot = self.place(OpenTrace {
            summary: Summary::new(),
            key: new.key,
            first_seen: new.first_seen,
            wait: self.wait,
            first_frame: new.first_frame,
            older: NIL,
            newer: NIL,
            policy_version: new.policy_version,
            state: State::Wait,
        });
        let (chunks, hash) = (&self.chunks, self.hash);
        let rehash = |slot: &u32| hash.of(at(chunks, Slot(*slot)).key);
        self.index.insert_unique(hash.of(new.key), slot.0, rehash);
        self.link(slot, State::Wait);
        slot
    }

    /// Notes that a root span of the trace came at `now`: brings the deadline forward, never back.
    pub(crate) fn root_seen(&mut self, slot: Slot, now: LogTime) {
        let trace = self.get(slot);
        let deadline = now.plus(u64::from(self.root_wait));
        if trace.state != State::Wait || deadline >= trace.deadline() {
            return;
        }
        let wait = deadline.since(trace.first_seen);
        self.unlink(slot);
        // Below the wait it had, which fits.
        self.get_mut(slot).wait = u32::try_from(wait).unwrap_or(self.wait);
        self.link(slot, State::RootWait);
    }

    /// The next trace whose deadline has come by `now`, in the order of deadlines. It is decided
    /// from here on, and stays until it is [closed](Self::close).
    pub(crate) fn next_due(&mut self, now: LogTime) -> Option<Slot> {
        let [waiting, rooted] = self.lists.map(|list| list.oldest);
        let due = match (self.due(waiting, now), self.due(rooted, now)) {
            (Some(a), Some(b)) if b < a => rooted,
            (Some(_), _) => waiting,
            (None, Some(_)) => rooted,
            (None, None) => return None,
        };
        self.unlink(due);
        self.get_mut(due).state = State::Decided;
        self.decided += 1;
        Some(due)
    }

    /// Forgets a trace: its decision is in the decision table now.
    pub(crate) fn close(&mut self, slot: Slot) {
        match self.get(slot).state {
            State::Wait | State::RootWait => self.unlink(slot),
            State::Decided => self.decided -= 1,
            State::Free => return,
        }
        let hash = self.hash.of(self.get(slot).key);
        if let Ok(entry) = self.index.find_entry(hash, |found| *found == slot.0) {
            entry.remove();
        }
        let free = self.free;
        let trace = self.get_mut(slot);
        trace.state = State::Free;
        trace.newer = free;
        self.free = slot;
        self.shrink();
    }

    /// Gives memory back that a peak has left behind.
    fn shrink(&mut self) {
        if self.index.is_empty() {
            self.chunks.truncate(1);
            self.chunks.iter_mut().for_each(Vec::clear);
            self.free = NIL;
        }
        if self.index.len() * 8 < self.index.capacity() && self.index.capacity() > 8 * CHUNK {
            let (chunks, hash) = (&self.chunks, self.hash);
            self.index.shrink_to(self.index.len() * 2, |slot| hash.of(at(chunks, Slot(*slot)).key));
        }
    }

    fn due(&self, slot: Slot, now: LogTime) -> Option<LogTime> {
        (slot != NIL).then(|| self.get(slot).deadline()).filter(|deadline| *deadline <= now)
    }

    fn place(&mut self, trace: OpenTrace) -> Slot {
        if self.free != NIL {
            let slot = self.free;
            let place = self.get_mut(slot);
            let next = place.newer;
            *place = trace;
            self.free = next;
            return slot;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let full = self.chunks.len().saturating_sub(1) * CHUNK;
        let Some(last) = self.chunks.last_mut() else { return NIL };
        let slot = u32::try_from(full + last.len()).map_or(NIL, Slot);
        debug_assert_ne!(slot, NIL, "more open traces than a partition can count");
        last.push(trace);
        slot
    }

    fn link(&mut self, slot: Slot, state: State) {
        let newest = self.lists[state as usize].newest;
        debug_assert!(
            newest == NIL || self.get(newest).deadline() <= self.get(slot).deadline(),
            "deadlines of a list never decrease"
        );
        let trace = self.get_mut(slot);
        (trace.state, trace.older, trace.newer) = (state, newest, NIL);
        if newest == NIL {
            self.lists[state as usize].oldest = slot;
        } else {
            self.get_mut(newest).newer = slot;
        }
        self.lists[state as usize].newest = slot;
    }

    fn unlink(&mut self, slot: Slot) {
        let trace = self.get(slot);
        let (older, newer, list) = (trace.older, trace.newer, trace.state as usize);
        if older == NIL {
            self.lists[list].oldest = newer;
        } else {
            self.get_mut(older).newer = newer;
        }
        if newer == NIL {
            self.lists[list].newest = older;
        } else {
            self.get_mut(newer).older = older;
        }
    }
}

#[inline]
fn at(chunks: &[Vec<OpenTrace>], slot: Slot) -> &OpenTrace {
    &chunks[slot.0 as usize / CHUNK][slot.0 as usize % CHUNK]
}

#[inline]
fn at_mut(chunks: &mut [Vec<OpenTrace>], slot: Slot) -> &mut OpenTrace {
    &mut chunks[slot.0 as usize / CHUNK][slot.0 as usize % CHUNK]
}

#[cfg(test)]
mod tests;
