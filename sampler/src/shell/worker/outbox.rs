//! Kept spans on their way into the queue of an exporter.

use std::collections::VecDeque;

use wholetrace_exporter::{
    contract::KeptSpans,
    outcomes::OutcomeSink,
    queue::{ExporterHandle, Room},
};
use wholetrace_runtime::budget::{ByteBudget, Lease};

/// What one exporter is to get from one partition. Bounded by what the partition lets be
/// unfinished, whatever is left of the budget. What several exporters are to get is paid for once
/// for each.
pub(super) struct Outbox {
    handle: ExporterHandle,
    waiting: VecDeque<KeptSpans>,
    /// Bytes that wait, and the room that those take which did so after the last try.
    bytes: usize,
    room: Lease,
    /// Whether room was asked for and has not come.
    asking: bool,
}

impl Outbox {
    pub(super) fn new(handle: ExporterHandle, budget: &ByteBudget) -> Self {
        Self { handle, waiting: VecDeque::new(), bytes: 0, room: budget.lease(0), asking: false }
    }

    pub(super) fn push(&mut self, kept: KeptSpans) {
        self.bytes += kept.bytes.len();
        self.waiting.push_back(kept);
    }

    /// Hands over what there is room for. Gives how many pieces, and, when room has to be waited
    /// for, for how many bytes of whom.
    pub(super) fn send(&mut self, to: &OutcomeSink) -> (usize, Option<(ExporterHandle, usize)>) {
        let (mut sent, mut ask) = (0, None);
        while !self.asking
            && let Some(kept) = self.waiting.pop_front()
        {
            let bytes = kept.bytes.len();
            match self.handle.try_send(kept, to) {
                Ok(()) => {
                    self.bytes -= bytes;
                    sent += 1;
                }
                Err(kept) => {
                    self.waiting.push_front(kept);
                    self.asking = true;
                    ask = Some((self.handle.clone(), bytes));
                }
            }
        }
        self.room.resize(self.bytes);
        (sent, ask)
    }

    /// Uses room that was waited for. Gives how many pieces went.
    pub(super) fn use_room(&mut self, room: Room, to: &OutcomeSink) -> usize {
        self.asking = false;
        match self.waiting.pop_front() {
            Some(kept) => {
                self.bytes -= kept.bytes.len();
                room.send(kept, to);
                self.room.resize(self.bytes);
                1
            }
            None => 0,
        }
    }

    /// Gives up what was not handed over.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
        self.room.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use futures_util::future::BoxFuture;

    use super::*;
    use wholetrace_exporter::{
        contract::{Accepted, Batch, ExportError, Exporter, ExporterIndex, Ticket},
        outcomes::outcomes,
        queue::{QueueSettings, queue},
        retry::RetryPolicy,
    };

    struct Silent;

    impl Exporter for Silent {
        fn name(&self) -> &'static str {
            "silent"
        }

        fn export(&self, _batch: Batch) -> BoxFuture<'_, Result<Accepted, ExportError>> {
            Box::pin(std::future::pending())
        }
    }

    /// I6: pieces are paid for until the queue takes them, which has bounds of its own.
    #[test]
    fn what_waits_for_room_is_held_out_of_the_budget() {
        let settings = QueueSettings {
            capacity: 100,
            in_flight: 1,
            batch_bytes: 100,
            flush_after: Duration::ZERO,
            retry: RetryPolicy::default(),
            stop_within: Duration::ZERO,
        };
        let (handle, _queue) = queue(Arc::new(Silent), ExporterIndex(0), settings);
        let (budget, (sink, _outcomes)) = (ByteBudget::new("test", 0), outcomes());
        let mut outbox = Outbox::new(handle, &budget);
        for position in 0..3 {
            let ticket = Ticket { partition: 0, position, piece: 0 };
            outbox.push(KeptSpans { bytes: vec![0; 80].into(), spans: 1, ticket });
        }
        let (sent, ask) = outbox.send(&sink);
        assert_eq!((sent, ask.map(|(_, bytes)| bytes)), (1, Some(80)));
        assert_eq!(budget.used(), 160);
        outbox.clear();
        assert_eq!(budget.used(), 0);
    }
}
