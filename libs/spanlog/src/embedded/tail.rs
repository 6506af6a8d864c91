//! The newest frames, uncompressed: who reads at the head never touches the store.

use std::collections::VecDeque;

use crate::record::Frame;

/// What a frame costs beside its payload.
const OVERHEAD: u64 = 96;

/// The newest frames of all partitions, bounded in bytes.
pub(super) struct Tail {
    queues: Vec<VecDeque<Frame>>,
    /// Whose frame is the oldest, the second oldest …
    order: VecDeque<usize>,
    bytes: u64,
    limit: u64,
}

impl Tail {
    pub(super) fn new(queues: usize, limit: u64) -> Self {
        Self {
            queues: (0..queues).map(|_| VecDeque::new()).collect(),
            order: VecDeque::new(),
            bytes: 0,
            limit,
        }
    }

    /// Takes the next frame of `queue`, dropping the oldest frames of all to make room.
    pub(super) fn push(&mut self, queue: usize, frame: Frame) {
        let size = frame.payload.len() as u64 + OVERHEAD;
        while self.bytes + size > self.limit {
            let Some(oldest) = self.order.pop_front() else {
                // Larger than the whole cache: what would come after it must not seem to follow
                // what was before it. Nothing is left there.
                return;
            };
            if let Some(frame) = self.queues.get_mut(oldest).and_then(VecDeque::pop_front) {
                self.bytes -= frame.payload.len() as u64 + OVERHEAD;
            }
        }
        if let Some(frames) = self.queues.get_mut(queue) {
            frames.push_back(frame);
            self.order.push_back(queue);
            self.bytes += size;
        }
    }

    /// Frames of `queue` from `position` on, as many as fit `max_bytes` but at least one; `None`
    /// when the one at `position` is not here.
    pub(super) fn read(&self, queue: usize, position: u64, max_bytes: usize) -> Option<Vec<Frame>> {
        let frames = self.queues.get(queue)?;
        let first = frames.front()?.position.0;
        let skip = usize::try_from(position.checked_sub(first)?).ok()?;
        // Positions of the embedded log are contiguous.
        let start = frames.get(skip)?;
        debug_assert_eq!(start.position.0, position);
        let mut room = max_bytes;
        let mut read = Vec::new();
        for frame in frames.range(skip..) {
            match room.checked_sub(frame.payload.len()) {
                Some(left) => room = left,
                None if read.is_empty() => room = 0,
                None => break,
            }
            read.push(frame.clone());
        }
        Some(read)
    }

    /// Bytes held.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{
        position::{LogTime, Position},
        record::RecordKind,
    };

    fn frame(position: u64, size: usize) -> Frame {
        Frame {
            position: Position(position),
            time: LogTime(0),
            kind: RecordKind::Spans,
            epoch: 0,
            payload: Bytes::from(vec![0; size]),
        }
    }

    fn positions(tail: &Tail, queue: usize, from: u64, max: usize) -> Option<Vec<u64>> {
        let frames = tail.read(queue, from, max)?;
        Some(frames.iter().map(|frame| frame.position.0).collect())
    }

    #[test]
    fn the_oldest_of_all_partitions_go_first() {
        let mut tail = Tail::new(2, 3 * (10 + OVERHEAD));
        for (queue, position) in [(0, 7), (1, 100), (0, 8), (0, 9)] {
            tail.push(queue, frame(position, 10));
        }
        assert_eq!(positions(&tail, 0, 7, 99), None);
        assert_eq!(positions(&tail, 0, 8, 99), Some(vec![8, 9]));
        assert_eq!(positions(&tail, 0, 8, 1), Some(vec![8]));
        assert_eq!(positions(&tail, 1, 100, 99), Some(vec![100]));
        assert_eq!(positions(&tail, 0, 10, 99), None);
        assert_eq!(tail.bytes(), 3 * (10 + OVERHEAD));
    }

    #[test]
    fn a_frame_larger_than_the_cache_leaves_it_empty() {
        let mut tail = Tail::new(1, 1_000);
        tail.push(0, frame(0, 10));
        tail.push(0, frame(1, 2_000));
        assert_eq!((positions(&tail, 0, 0, 99), tail.bytes()), (None, 0));
        tail.push(0, frame(2, 10));
        assert_eq!(positions(&tail, 0, 2, 99), Some(vec![2]));
        assert_eq!(positions(&tail, 0, 1, 99), None);
    }
}
