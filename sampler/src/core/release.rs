//! How far one exporter has got in a partition.

use std::collections::VecDeque;

use bytes::Bytes;
use wholetrace_runtime::invariant::Invariant;
use wholetrace_spanlog::{Frame, Position};

use crate::core::checkpoint::ResumePoint;

/// A frame whose kept spans are with the exporter.
#[derive(Debug)]
struct Unfinished {
    point: ResumePoint,
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
    /// The last owner has finished the frames below this position.
    done_before: Position,
    /// Oldest first. A frame before `next` that is not in here is finished.
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

    /// The oldest frame that is with the exporter.
    pub(crate) fn oldest_under_way(&self) -> Option<ResumePoint> {
        self.unfinished.front().map(|frame| frame.point)
    }

    /// Goes on at the frame of this number, and passes over the frames below `done_before`.
    pub(crate) fn go_on_at(&mut self, next: u64, done_before: Position) {
        (self.next, self.fetching) = (next, None);
        self.done_before = self.done_before.max(done_before);
        self.refetched.clear();
    }

    /// Notes that `pieces` pieces of the frame at `point` go to the exporter.
    pub(crate) fn give(&mut self, point: ResumePoint, pieces: u32, bytes: usize) {
        // The commit waits for the front, so that has to be the oldest.
        Invariant::I5.assert(
            self.unfinished.back().is_none_or(|last| last.point.position < point.position),
            format_args!("the frame at {} is given after a later one", point.position),
        );
        self.unfinished.push_back(Unfinished { point, pieces, bytes });
        self.unfinished_bytes += bytes;
    }

    /// A piece of the frame at `position` is delivered, or durable in the dead letters.
    pub(crate) fn settle(&mut self, position: Position) {
        let by_position =
            self.unfinished.binary_search_by_key(&position.0, |frame| frame.point.position);
        let Ok(index) = by_position else {
            debug_assert!(false, "an outcome for a frame that is finished");
            return;
        };
        if let Some(frame) = self.unfinished.get_mut(index) {
            Invariant::I5.assert(
                frame.pieces > 0,
                format_args!("the frame at {position} has more outcomes than pieces"),
            );
            frame.pieces -= 1;
        }
        while let Some(frame) = self.unfinished.front()
            && frame.pieces == 0
        {
            self.unfinished_bytes -= frame.bytes;
            self.unfinished.pop_front();
        }
    }

    /// The payload of the frame at `position`, if it was read again.
    pub(crate) fn take_refetched(&mut self, position: Position) -> Option<Bytes> {
        self.forget_refetched(position);
        let frame = self.refetched.pop_front_if(|frame| frame.position == position)?;
        Some(frame.payload)
    }

    /// Lets frames go that were read again and stand before `position`.
    pub(crate) fn forget_refetched(&mut self, position: Position) {
        while self.refetched.front().is_some_and(|frame| frame.position < position) {
            self.refetched.pop_front();
        }
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

    /// Forgets what was asked for: it is not coming.
    pub(crate) const fn stop_refetching(&mut self) {
        self.fetching = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(positions: impl IntoIterator<Item = u64>) -> Release {
        let mut release = Release::new(Position(0));
        for position in positions {
            release.give(ResumePoint { position, ..ResumePoint::default() }, 1, 10);
        }
        release
    }

    #[test]
    fn the_oldest_unfinished_frame_is_what_a_commit_waits_for() {
        let mut release = given([5, 6]);
        release.settle(Position(6));
        assert_eq!(release.oldest_under_way().map(|point| point.position), Some(5));
        release.settle(Position(5));
        assert_eq!((release.oldest_under_way(), release.unfinished_bytes()), (None, 0));
    }

    #[test]
    #[should_panic(expected = "I5: the committed position never passes an unreleased span")]
    fn an_outcome_too_many_ends_the_task() {
        let mut release = given([5, 6]);
        release.settle(Position(6));
        release.settle(Position(6));
    }

    #[test]
    #[should_panic(expected = "I5: the committed position never passes an unreleased span")]
    fn a_frame_out_of_order_ends_the_task() {
        given([6, 5]);
    }
}
