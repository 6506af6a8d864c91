//! Where undecided traces lie: in chunks of equal places, a size for each policy set.
//!
//! A place is a head of four words and the record of the trace, which has as many words as the
//! policies of its set ask for. Chunks are allocated whole and never copied, so that growing costs
//! neither a pause nor twice the memory.

use wholetrace_proto::id::TraceKey;
use wholetrace_spanlog::LogTime;

/// Traces of a chunk.
pub(super) const CHUNK: usize = 256;
/// Words of a place before the record.
const HEAD: usize = 4;

/// Where a trace stands: its chunk and its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(pub(super) u32);

/// No trace: the end of a list.
pub(super) const NIL: Slot = Slot(u32::MAX);

/// What an undecided trace is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The end of the decision wait.
    Wait = 0,
    /// The end of the shorter wait after its root span.
    RootWait = 1,
    /// Its decision to come back from the decision log.
    Decided = 2,
    /// Nothing: the place is free.
    Free = 3,
}

impl State {
    /// The state whose number is `number`.
    const fn of(number: u32) -> Self {
        match number {
            0 => Self::Wait,
            1 => Self::RootWait,
            2 => Self::Decided,
            _ => Self::Free,
        }
    }
}

/// The head of a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// The half of the trace's id that names it.
    pub(super) key: TraceKey,
    /// The time of its first frame.
    pub(super) first_seen: LogTime,
    /// Milliseconds from `first_seen` to the decision: at most a day, which is 27 bits.
    pub(super) wait: u32,
    pub(super) state: State,
    /// The low bits of the window's number of its first frame.
    pub(super) first_frame: u32,
    pub(super) older: Slot,
    /// The next newer trace in its list, or the next free place.
    pub(super) newer: Slot,
}

/// The bits of the third word that hold the wait.
const WAIT_BITS: u32 = 28;

impl Head {
    #[inline]
    fn pack(self) -> [u64; HEAD] {
        let wait = self.wait.min((1 << WAIT_BITS) - 1) | (self.state as u32) << WAIT_BITS;
        [
            self.key.0,
            self.first_seen.0,
            u64::from(wait) | u64::from(self.first_frame) << 32,
            u64::from(self.older.0) | u64::from(self.newer.0) << 32,
        ]
    }

    #[inline]
    fn unpack([key, first_seen, wait, links]: [u64; HEAD]) -> Self {
        Self {
            key: TraceKey(key),
            first_seen: LogTime(first_seen),
            wait: wait as u32 & ((1 << WAIT_BITS) - 1),
            state: State::of(wait as u32 >> WAIT_BITS),
            first_frame: (wait >> 32) as u32,
            older: Slot(links as u32),
            newer: Slot((links >> 32) as u32),
        }
    }

    /// When the trace is decided.
    #[inline]
    pub(super) const fn deadline(&self) -> LogTime {
        self.first_seen.plus(self.wait as u64)
    }
}

/// Places of one size, of the traces of one policy set.
#[derive(Debug, Default)]
struct Chunk {
    words: Vec<u64>,
    /// Words of a place.
    stride: usize,
    policy_version: u8,
}

/// The chunks of the traces of one policy set.
#[derive(Debug)]
struct Class {
    stride: usize,
    chunks: Vec<u32>,
    /// The first free place; each tells the next one.
    free: Slot,
    /// Traces.
    used: usize,
}

/// The places of all undecided traces.
#[derive(Debug, Default)]
pub(super) struct Slab {
    chunks: Vec<Chunk>,
    /// Chunks without memory, whose numbers can be used again.
    unused: Vec<u32>,
    /// By policy version.
    classes: Vec<Class>,
}

impl Slab {
    /// Bytes taken up, by the capacities of what is allocated.
    pub(super) fn memory(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.words.capacity() * size_of::<u64>()).sum::<usize>()
            + self.chunks.capacity() * size_of::<Chunk>()
            + self.classes.capacity() * size_of::<Class>()
    }

    /// The place of a trace; empty beyond the slab.
    #[inline]
    fn place(&self, slot: Slot) -> &[u64] {
        self.chunks.get(slot.0 as usize / CHUNK).map_or(&[], |chunk| {
            let start = slot.0 as usize % CHUNK * chunk.stride;
            chunk.words.get(start..start + chunk.stride).unwrap_or_default()
        })
    }

    #[inline]
    fn place_mut(&mut self, slot: Slot) -> &mut [u64] {
        self.chunks.get_mut(slot.0 as usize / CHUNK).map_or(&mut [], |chunk| {
            let start = slot.0 as usize % CHUNK * chunk.stride;
            chunk.words.get_mut(start..start + chunk.stride).unwrap_or_default()
        })
    }

    #[inline]
    pub(super) fn head(&self, slot: Slot) -> Head {
        Head::unpack(self.place(slot).first_chunk().copied().unwrap_or_default())
    }

    /// The key alone.
    #[inline]
    pub(super) fn key(&self, slot: Slot) -> TraceKey {
        TraceKey(self.place(slot).first().copied().unwrap_or_default())
    }

    #[inline]
    pub(super) fn set_head(&mut self, slot: Slot, head: Head) {
        if let Some(words) = self.place_mut(slot).first_chunk_mut() {
            *words = head.pack();
        }
    }

    #[inline]
    pub(super) fn record(&self, slot: Slot) -> &[u64] {
        self.place(slot).get(HEAD..).unwrap_or_default()
    }

    #[inline]
    pub(super) fn record_mut(&mut self, slot: Slot) -> &mut [u64] {
        self.place_mut(slot).get_mut(HEAD..).unwrap_or_default()
    }

    #[inline]
    pub(super) fn policy_version(&self, slot: Slot) -> u8 {
        self.chunks.get(slot.0 as usize / CHUNK).map_or(0, |chunk| chunk.policy_version)
    }

    /// Takes a place for a trace of the set `policy_version`, whose blank record is `blank`; `None`
    /// if there are more traces than a partition can count.
    pub(super) fn take(&mut self, head: Head, policy_version: u8, blank: &[u64]) -> Option<Slot> {
        let stride = HEAD + blank.len();
        let class = self.class(policy_version, stride);
        class.used += 1;
        let free = class.free;
        if free != NIL {
            let next = self.head(free).newer;
            self.set_head(free, head);
            self.record_mut(free).copy_from_slice(blank);
            self.class(policy_version, stride).free = next;
            return Some(free);
        }
        let last = class.chunks.last().copied();
        let has_room = |chunk: &u32| {
            let words = self.chunks.get(*chunk as usize).map_or(usize::MAX, |c| c.words.len());
            words < CHUNK * stride
        };
        let chunk = match last.filter(has_room) {
            Some(chunk) => chunk,
            None => self.add_chunk(policy_version, stride)?,
        };
        let words = &mut self.chunks.get_mut(chunk as usize)?.words;
        let place = u32::try_from(words.len() / stride).ok()?;
        words.extend_from_slice(&head.pack());
        words.extend_from_slice(blank);
        chunk.checked_mul(CHUNK as u32)?.checked_add(place).map(Slot).filter(|slot| *slot != NIL)
    }

    /// Gives the place of a trace back.
    pub(super) fn give_back(&mut self, slot: Slot) {
        let version = usize::from(self.policy_version(slot));
        let Some(class) = self.classes.get_mut(version) else { return };
        class.used = class.used.saturating_sub(1);
        let next = std::mem::replace(&mut class.free, slot);
        let is_empty = class.used == 0;
        self.set_head(slot, Head { state: State::Free, newer: next, ..self.head(slot) });
        if is_empty {
            self.clear(version, 1);
        }
    }

    /// The chunks for places of `stride` words of the set `policy_version`. The number of a set whose
    /// traces are all closed may stand for another one.
    fn class(&mut self, policy_version: u8, stride: usize) -> &mut Class {
        let version = usize::from(policy_version);
        while self.classes.len() <= version {
            self.classes.push(Class { stride, chunks: Vec::new(), free: NIL, used: 0 });
        }
        if self.classes[version].stride != stride {
            self.clear(version, 0);
            self.classes[version].stride = stride;
        }
        &mut self.classes[version]
    }

    fn add_chunk(&mut self, policy_version: u8, stride: usize) -> Option<u32> {
        let words = Vec::with_capacity(CHUNK * stride);
        let chunk = Chunk { words, stride, policy_version };
        let number = match self.unused.pop() {
            Some(number) => {
                *self.chunks.get_mut(number as usize)? = chunk;
                number
            }
            None => {
                self.chunks.push(chunk);
                u32::try_from(self.chunks.len() - 1).ok()?
            }
        };
        self.classes.get_mut(usize::from(policy_version))?.chunks.push(number);
        Some(number)
    }

    /// Frees all places of a set without traces, and the memory of all its chunks but `kept`.
    fn clear(&mut self, version: usize, kept: usize) {
        let Some(class) = self.classes.get_mut(version) else { return };
        class.free = NIL;
        let freed = class.chunks.split_off(kept.min(class.chunks.len()));
        for number in &class.chunks {
            if let Some(chunk) = self.chunks.get_mut(*number as usize) {
                chunk.words.clear();
            }
        }
        for number in freed {
            if let Some(chunk) = self.chunks.get_mut(number as usize) {
                chunk.words = Vec::new();
            }
            self.unused.push(number);
        }
        if self.unused.len() == self.chunks.len() {
            self.chunks.clear();
            self.unused.clear();
        }
    }

    /// Frees what a set has left behind that is used no more.
    pub(super) fn drop_unused(&mut self, current: u8) {
        for version in 0..self.classes.len() {
            if version != usize::from(current) && self.classes[version].used == 0 {
                self.clear(version, 0);
            }
        }
    }
}
