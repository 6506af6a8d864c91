//! Kept spans on their way into the queue of an exporter.

use std::collections::VecDeque;

use crate::exporter::{
    contract::Kept,
    outcomes::OutcomeSink,
    queue::{ExporterHandle, Room},
};

/// What one exporter is to get from one partition. Bounded by what the partition lets be
/// unfinished.
pub(super) struct Outbox {
    handle: ExporterHandle,
    waiting: VecDeque<Kept>,
    /// Whether room was asked for and has not come.
    asking: bool,
}

impl Outbox {
    pub(super) const fn new(handle: ExporterHandle) -> Self {
        Self { handle, waiting: VecDeque::new(), asking: false }
    }

    pub(super) fn push(&mut self, kept: Kept) {
        self.waiting.push_back(kept);
    }

    /// Hands over what there is room for. Gives how many pieces, and, when room has to be waited
    /// for, for how many bytes of whom.
    pub(super) fn send(&mut self, to: &OutcomeSink) -> (usize, Option<(ExporterHandle, usize)>) {
        let mut sent = 0;
        while !self.asking
            && let Some(kept) = self.waiting.pop_front()
        {
            match self.handle.try_send(kept, to) {
                Ok(()) => sent += 1,
                Err(kept) => {
                    let bytes = kept.bytes.len();
                    self.waiting.push_front(kept);
                    self.asking = true;
                    return (sent, Some((self.handle.clone(), bytes)));
                }
            }
        }
        (sent, None)
    }

    /// Uses room that was waited for. Gives how many pieces went.
    pub(super) fn use_room(&mut self, room: Room, to: &OutcomeSink) -> usize {
        self.asking = false;
        match self.waiting.pop_front() {
            Some(kept) => {
                room.send(kept, to);
                1
            }
            None => 0,
        }
    }

    /// Gives up what was not handed over.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }
}
