//! The frames between the release and the read-ahead.

use std::collections::VecDeque;

use bytes::Bytes;
use wholetrace_runtime::budget::Lease;
use wholetrace_spanlog::Position;

use crate::core::watermark::Watermark;

/// Frames in the window when nothing forces it to grow.
pub(crate) const WINDOW_FRAMES: usize = 1 << 16;

/// Bytes that those take in one partition, beside their payloads: the table doubles when it is full.
pub(crate) const WINDOW_BYTES: usize = 2 * WINDOW_FRAMES * size_of::<WindowFrame>();

/// The payload of a frame that waits in memory for its release, with its share of the budget.
#[derive(Debug)]
pub(crate) struct Cached {
    pub(crate) bytes: Bytes,
    /// Gives the bytes back to the budget when dropped.
    pub(crate) _lease: Lease,
}

/// What is known of a frame that was read ahead and is not released everywhere.
#[derive(Debug)]
pub(crate) struct WindowFrame {
    pub(crate) position: Position,
    /// The watermark behind it: its time counts as what that has reached.
    pub(crate) clock: Watermark,
    /// What has to happen before it can be released: traces that were first seen in it and have
    /// no effective decision, or a dead letter that is not durable. All older frames are released
    /// before it, so the other traces in it are decided by then.
    pub(crate) awaited: u32,
    /// Whether there is nothing to release: a tick, or what went to the dead letters.
    pub(crate) void: bool,
    /// The payload, if it is kept; else it has to be read again.
    pub(crate) cached: Option<Cached>,
}

/// The frames between the slowest release and the head of the read-ahead, in log order. Their
/// numbers count on without gaps from the first frame of the ownership.
#[derive(Debug, Default)]
pub(crate) struct Window {
    frames: VecDeque<WindowFrame>,
    first: u64,
    cached_bytes: usize,
    /// How many frames there are whose payload has to be read again.
    uncached: usize,
}

impl WindowFrame {
    fn cached_bytes(&self) -> usize {
        self.cached.as_ref().map_or(0, |cached| cached.bytes.len())
    }

    const fn is_uncached(&self) -> bool {
        !self.void && self.cached.is_none()
    }
}

impl Window {
    /// Number that the next frame will have.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    /// How many frames there are.
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Bytes of payload that are kept.
    pub(crate) const fn cached_bytes(&self) -> usize {
        self.cached_bytes
    }

    /// How many frames there are whose payload has to be read again.
    pub(crate) const fn uncached(&self) -> usize {
        self.uncached
    }

    /// Bytes taken up beside the payloads.
    pub(crate) fn memory(&self) -> usize {
        self.frames.capacity() * size_of::<WindowFrame>()
    }

    pub(crate) fn push(&mut self, frame: WindowFrame) {
        debug_assert!(
            self.frames.back().is_none_or(|last| last.position < frame.position),
            "frames come in log order"
        );
        self.cached_bytes += frame.cached_bytes();
        self.uncached += usize::from(frame.is_uncached());
        self.frames.push_back(frame);
    }

    pub(crate) fn get(&self, number: u64) -> Option<&WindowFrame> {
        self.frames.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Where the oldest frame stands.
    pub(crate) fn begin(&self) -> Option<Position> {
        self.frames.front().map(|frame| frame.position)
    }

    /// Number of the oldest frame, or of the next one.
    pub(crate) const fn begin_number(&self) -> u64 {
        self.first
    }

    /// The frame at `position` waits for one thing less.
    pub(crate) fn arrived_at(&mut self, position: Position) {
        let found = self.frames.binary_search_by_key(&position, |frame| frame.position);
        if let Some(frame) = found.ok().and_then(|index| self.frames.get_mut(index)) {
            frame.awaited = frame.awaited.saturating_sub(1);
        }
    }

    /// The frame whose number ends in `low` waits for one thing less.
    #[expect(clippy::cast_possible_truncation, reason = "only the low bits are compared")]
    pub(crate) fn arrived(&mut self, low: u32) {
        let index = low.wrapping_sub(self.first as u32) as usize;
        if let Some(frame) = self.frames.get_mut(index) {
            debug_assert!(frame.awaited > 0, "a frame waits once for each trace first seen in it");
            frame.awaited = frame.awaited.saturating_sub(1);
        }
    }

    /// Whether there is a frame at `position` of which something may be released.
    pub(crate) fn has_payload_at(&self, position: Position) -> bool {
        let found = self.frames.binary_search_by_key(&position, |frame| frame.position);
        found.ok().and_then(|index| self.frames.get(index)).is_some_and(|frame| !frame.void)
    }

    /// The frame at `position` cannot be decoded: nothing of it is released, and it waits for its dead
    /// letter.
    pub(crate) fn void_at(&mut self, position: Position) {
        let found = self.frames.binary_search_by_key(&position, |frame| frame.position);
        if let Some(frame) = found.ok().and_then(|index| self.frames.get_mut(index)) {
            self.cached_bytes -= frame.cached_bytes();
            self.uncached -= usize::from(frame.is_uncached());
            (frame.void, frame.cached) = (true, None);
            frame.awaited += 1;
        }
    }

    /// The log has deleted what is before `oldest`: frames without a cached payload have nothing left to
    /// release. Gives how many those are.
    pub(crate) fn lose_before(&mut self, oldest: Position) -> u64 {
        let mut lost = 0;
        for frame in self.frames.iter_mut().take_while(|frame| frame.position < oldest) {
            if frame.is_uncached() {
                frame.void = true;
                lost += 1;
            }
        }
        self.uncached -= lost;
        lost as u64
    }

    /// Drops payloads of the newest frames, `bytes` of them or all. They are read again at their
    /// release.
    pub(crate) fn evict(&mut self, bytes: usize) {
        let mut left = bytes.min(self.cached_bytes);
        for frame in self.frames.iter_mut().rev() {
            if left == 0 {
                return;
            }
            let cached = frame.cached_bytes();
            if frame.cached.take().is_some() {
                self.uncached += 1;
            }
            self.cached_bytes -= cached;
            left = left.saturating_sub(cached);
        }
    }

    /// Drops the frames with numbers below `number`, and their leases with them.
    pub(crate) fn pass(&mut self, number: u64) {
        while self.first < number {
            let Some(frame) = self.frames.pop_front() else { break };
            self.cached_bytes -= frame.cached_bytes();
            self.uncached -= usize::from(frame.is_uncached());
            self.first += 1;
        }
        if self.frames.is_empty() && self.frames.capacity() > 4096 {
            self.frames.shrink_to(64);
        }
    }
}
