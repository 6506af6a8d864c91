//! The traces of a partition that are not decided yet.

use hashbrown::HashTable;
use wholetrace_proto::id::TraceKey;
use wholetrace_spanlog::LogTime;

use crate::core::hash::KeyHash;

mod slab;

pub(crate) use slab::Slot;
use slab::{CHUNK, Head, NIL, Slab, State};

/// An undecided trace, as it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenTrace {
    head: Head,
}

impl OpenTrace {
    /// The half of its id that names it.
    pub(crate) const fn key(&self) -> TraceKey {
        self.head.key
    }

    /// The time of its first frame.
    pub(crate) const fn first_seen(&self) -> LogTime {
        self.head.first_seen
    }

    /// The low bits of the window's number of its first frame.
    pub(crate) const fn first_frame(&self) -> u32 {
        self.head.first_frame
    }

    /// When it is decided.
    pub(crate) const fn deadline(&self) -> LogTime {
        self.head.deadline()
    }

    /// Whether its decision is made and only has to come back from the decision log.
    pub(crate) const fn is_decided(&self) -> bool {
        matches!(self.head.state, State::Decided)
    }
}

/// A trace on its way in.
pub(crate) struct NewTrace<'r> {
    pub(crate) key: TraceKey,
    pub(crate) first_seen: LogTime,
    pub(crate) first_frame: u32,
    /// The policy set that it is folded with.
    pub(crate) policy_version: u8,
    /// The record of a trace of that set of which no span has been seen.
    pub(crate) blank: &'r [u64],
}

/// The oldest and the newest trace that wait alike. The times of frames never decrease, so the
/// deadlines of those that wait equally long do not either: first come, first decided.
#[derive(Clone, Copy, Debug)]
struct List {
    oldest: Slot,
    newest: Slot,
}

/// The undecided traces of a partition, found by key and by deadline: four words each and an entry
/// of the index, beside what the policies want to know of them.
#[derive(Debug)]
pub(crate) struct OpenTraces {
    wait: u32,
    root_wait: u32,
    hash: KeyHash,
    slab: Slab,
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
            slab: Slab::default(),
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
        heads.map(|slot| self.slab.head(slot).first_seen).min()
    }

    /// Whether a trace is decided next, or next of those that wait alike, that was first seen in the
    /// frame of the number `frame`.
    #[expect(clippy::cast_possible_truncation, reason = "traces hold the low bits")]
    pub(crate) fn is_next(&self, frame: u64) -> bool {
        let heads = self.lists.iter().map(|list| list.oldest).filter(|slot| *slot != NIL);
        heads.map(|slot| self.slab.head(slot).first_frame).any(|first| first == frame as u32)
    }

    /// Bytes taken up, by the capacities of what is allocated.
    pub(crate) fn memory(&self) -> usize {
        self.slab.memory() + self.index.allocation_size()
    }

    /// The trace of the id `key` of which `which` is true. There is one of an id, or two while the
    /// decision about the first is on its way through the log.
    #[inline]
    pub(crate) fn find(&self, key: TraceKey, which: impl Fn(&OpenTrace) -> bool) -> Option<Slot> {
        let found = self.index.find(self.hash.of(key), |slot| {
            let slot = Slot(*slot);
            self.slab.key(slot) == key && which(&self.get(slot))
        });
        found.copied().map(Slot)
    }

    #[inline]
    pub(crate) fn get(&self, slot: Slot) -> OpenTrace {
        OpenTrace { head: self.slab.head(slot) }
    }

    /// Which policy set a trace is folded with.
    #[inline]
    pub(crate) fn policy_version(&self, slot: Slot) -> u8 {
        self.slab.policy_version(slot)
    }

    /// What the policies know of a trace.
    #[inline]
    pub(crate) fn record(&self, slot: Slot) -> &[u64] {
        self.slab.record(slot)
    }

    /// What the policies know of a trace, to fold spans in.
    #[inline]
    pub(crate) fn record_mut(&mut self, slot: Slot) -> &mut [u64] {
        self.slab.record_mut(slot)
    }

    /// Opens a trace. It is decided after the decision wait.
    pub(crate) fn open(&mut self, new: &NewTrace<'_>) -> Slot {
        let head = Head {
            key: new.key,
            first_seen: new.first_seen,
            wait: self.wait,
            state: State::Wait,
            first_frame: new.first_frame,
            older: NIL,
            newer: NIL,
        };
        let slot = self.slab.take(head, new.policy_version, new.blank).unwrap_or(NIL);
        debug_assert_ne!(slot, NIL, "more open traces than a partition can count");
        let (slab, hash) = (&self.slab, self.hash);
        let rehash = |slot: &u32| hash.of(slab.key(Slot(*slot)));
        self.index.insert_unique(hash.of(new.key), slot.0, rehash);
        self.link(slot, State::Wait);
        slot
    }

    /// The set `policy_version` is the one of new traces: frees what others have left behind.
    pub(crate) fn replace_policies(&mut self, policy_version: u8) {
        self.slab.drop_unused(policy_version);
    }

    /// Notes that a root span of the trace came at `now`: brings the deadline forward, never back.
    pub(crate) fn root_seen(&mut self, slot: Slot, now: LogTime) {
        let head = self.slab.head(slot);
        let deadline = now.plus(u64::from(self.root_wait));
        if head.state != State::Wait || deadline >= head.deadline() {
            return;
        }
        let wait = deadline.since(head.first_seen);
        self.unlink(slot);
        // Below the wait it had, which fits.
        let wait = u32::try_from(wait).unwrap_or(self.wait);
        self.slab.set_head(slot, Head { wait, ..head });
        self.link(slot, State::RootWait);
    }

    /// The traces whose deadline has not come and comes at `from` or later, but before `before`.
    pub(crate) fn due_within(
        &self,
        from: LogTime,
        before: LogTime,
    ) -> impl Iterator<Item = (Slot, OpenTrace)> + '_ {
        let list = move |list: List| {
            let there = |slot: Slot| Some(slot).filter(|slot| *slot != NIL);
            let next = move |slot: &Slot| there(self.slab.head(*slot).newer);
            std::iter::successors(there(list.oldest), next)
                .map(|slot| (slot, self.get(slot)))
                .take_while(move |(_, trace)| trace.deadline() < before)
        };
        let all = self.lists.into_iter().flat_map(list);
        all.filter(move |(_, trace)| from <= trace.deadline())
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
        self.slab.set_head(due, Head { state: State::Decided, ..self.slab.head(due) });
        self.decided += 1;
        Some(due)
    }

    /// Forgets a trace: its decision is in the decision table now.
    pub(crate) fn close(&mut self, slot: Slot) {
        let head = self.slab.head(slot);
        match head.state {
            State::Wait | State::RootWait => self.unlink(slot),
            State::Decided => self.decided -= 1,
            State::Free => return,
        }
        if let Ok(entry) = self.index.find_entry(self.hash.of(head.key), |found| *found == slot.0) {
            entry.remove();
        }
        self.slab.give_back(slot);
        self.shrink();
    }

    /// Gives memory of the index back that a peak has left behind.
    fn shrink(&mut self) {
        if self.index.len() * 8 < self.index.capacity() && self.index.capacity() > 8 * CHUNK {
            let (slab, hash) = (&self.slab, self.hash);
            self.index.shrink_to(self.index.len() * 2, |slot| hash.of(slab.key(Slot(*slot))));
        }
    }

    fn due(&self, slot: Slot, now: LogTime) -> Option<LogTime> {
        (slot != NIL).then(|| self.slab.head(slot).deadline()).filter(|deadline| *deadline <= now)
    }

    fn link(&mut self, slot: Slot, state: State) {
        let newest = self.lists[state as usize].newest;
        debug_assert!(
            newest == NIL || self.slab.head(newest).deadline() <= self.slab.head(slot).deadline(),
            "deadlines of a list never decrease"
        );
        self.slab.set_head(slot, Head { state, older: newest, newer: NIL, ..self.slab.head(slot) });
        if newest == NIL {
            self.lists[state as usize].oldest = slot;
        } else {
            self.slab.set_head(newest, Head { newer: slot, ..self.slab.head(newest) });
        }
        self.lists[state as usize].newest = slot;
    }

    fn unlink(&mut self, slot: Slot) {
        let Head { older, newer, state, .. } = self.slab.head(slot);
        let list = state as usize;
        if older == NIL {
            self.lists[list].oldest = newer;
        } else {
            self.slab.set_head(older, Head { newer, ..self.slab.head(older) });
        }
        if newer == NIL {
            self.lists[list].newest = older;
        } else {
            self.slab.set_head(newer, Head { older, ..self.slab.head(newer) });
        }
    }
}

#[cfg(test)]
mod tests;
