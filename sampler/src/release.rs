//! How far one exporter has got in a partition.

use std::collections::VecDeque;

use bytes::Bytes;
use wholetrace_spanlog::{Frame, Position};

use crate::{watermark::Watermark, window::Window};

/// A frame whose kept spans are with the exporter.
#[derive(Debug)]
struct Unfinished {
    position: Position,
    clock: Watermark,
    /// Where the decision log has to be read from to release the frame once more.
    origin: Option<Position>,
    /// Pieces that are not delivered, nor durable in the dead letters.
    pieces: u32,
    /// Bytes of all its pieces.
    bytes: usize,
}

/// The release of one exporter: passes the frames of the window in order, and knows which of
/// those before it are finished. Deliveries end in any order.
#[derive(Debug)]
pub(crate) struct Release {
    /// Number of the next frame to pass.
    next: u64,
    /// Frames below were finished by the last owner.
    done_before: Position,
    /// Oldest first. Whatever is not in here and stands before `next` is finished.
    unfinished: VecDeque<Unfinished>,
    unfinished_bytes: usize,
    /// Frames that were read again, oldest first.
    refetched: VecDeque<Frame>,
    /// The position that frames have been asked for from.
    fetching: Option<Position>,
}

impl Release {
    /// A release that passes over the frames below `done_before`.
    pub(crate) const fn new(done_before: Position) -> Self {
        Self {
            next: 0,
            done_before,
            unfinished: VecDeque::new(),
            unfinished_bytes: 0,
            refetched: VecDeque::new(),
            fetching: None,
        }
    }

    /// Number of the next frame to pass.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// Whether the frame at `position` was finished by the last owner.
    pub(crate) fn is_done(&self, position: Position) -> bool {
        position < self.done_before
    }

    /// Bytes of kept spans that are with the exporter.
    pub(crate) const fn unfinished_bytes(&self) -> usize {
        self.unfinished_bytes
    }

    /// Passes a frame of which nothing has to be exported.
    pub(crate) const fn pass(&mut self) {
        self.next += 1;
    }

    /// Passes a frame, `pieces` pieces of which go to the exporter. `origin` is where the decisions
    /// about it stand in the decision log.
    pub(crate) fn pass_exporting(
        &mut self,
        position: Position,
        (clock, origin): (Watermark, Option<Position>),
        pieces: u32,
        bytes: usize,
    ) {
        self.unfinished.push_back(Unfinished { position, clock, origin, pieces, bytes });
        self.unfinished_bytes += bytes;
        self.next += 1;
    }

    /// A piece of the frame at `position` is delivered, or durable in the dead letters.
    pub(crate) fn settle(&mut self, position: Position) {
        let Ok(index) = self.unfinished.binary_search_by_key(&position, |frame| frame.position)
        else {
            debug_assert!(false, "an outcome for a frame that is finished");
            return;
        };
        if let Some(frame) = self.unfinished.get_mut(index) {
            frame.pieces = frame.pieces.saturating_sub(1);
        }
        while let Some(frame) = self.unfinished.front()
            && frame.pieces == 0
        {
            self.unfinished_bytes -= frame.bytes;
            self.unfinished.pop_front();
        }
    }

    /// The oldest frame that is not finished, with the watermark behind it; `None` when all that
    /// were read are.
    pub(crate) fn oldest_unfinished(&self, window: &Window) -> Option<(Position, Watermark)> {
        if let Some(frame) = self.unfinished.front() {
            return Some((frame.position, frame.clock));
        }
        window.get(self.next).map(|frame| (frame.position, frame.clock))
    }

    /// Where the decisions about the oldest frame stand whose spans are with the exporter.
    pub(crate) fn origin(&self) -> Option<Position> {
        self.unfinished.front()?.origin
    }

    /// The payload of the frame at `position`, if it was read again.
    pub(crate) fn take_refetched(&mut self, position: Position) -> Option<Bytes> {
        while let Some(frame) = self.refetched.front() {
            if frame.position > position {
                return None;
            }
            let frame = self.refetched.pop_front()?;
            if frame.position == position {
                return Some(frame.payload);
            }
        }
        None
    }

    /// Whether frames that are needed again are on their way.
    pub(crate) const fn is_refetching(&self) -> bool {
        self.fetching.is_some()
    }

    /// Notes that frames from `position` on are needed again.
    pub(crate) const fn await_refetch(&mut self, position: Position) {
        self.fetching = Some(position);
    }

    /// Takes frames that were read again from `from` on, if it is this release that needs them.
    pub(crate) fn refetched(&mut self, from: Position, frames: &[Frame]) {
        if self.fetching == Some(from) {
            self.fetching = None;
            self.refetched = frames.iter().cloned().collect();
        }
    }

    /// What was asked for again is not coming.
    pub(crate) const fn stop_refetching(&mut self) {
        self.fetching = None;
    }
}
