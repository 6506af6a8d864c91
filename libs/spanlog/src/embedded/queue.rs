//! Appends on their way to the writer thread, bounded in bytes.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::{
    position::{Partition, Position},
    record::Record,
    topic::TopicName,
    writer::AppendError,
};

/// An append that is accepted and not durable yet.
pub(super) struct Pending {
    pub(super) topic: TopicName,
    pub(super) partition: Partition,
    /// Kept for the readers at the head.
    pub(super) record: Record,
    /// The stored form, not sealed yet.
    pub(super) value: Vec<u8>,
    pub(super) answer: oneshot::Sender<Result<Position, AppendError>>,
    pub(super) accepted: Instant,
}

impl Pending {
    /// Bytes of memory it holds.
    pub(super) fn bytes(&self) -> u64 {
        (self.record.payload.len() + self.value.len()) as u64
    }
}

/// The queue in front of the writer thread.
pub(super) struct Queue {
    state: Mutex<State>,
    /// Wakes the writer thread.
    filled: Condvar,
    limit: u64,
}

#[derive(Default)]
struct State {
    pending: VecDeque<Pending>,
    /// Bytes in `pending` and in the batch that is being made durable.
    waiting: u64,
    closed: bool,
    /// Whether the writer thread is to look around although there is nothing to append.
    woken: bool,
}

/// What the writer thread finds.
pub(super) enum Taken {
    /// Appends, oldest first; none when there are none.
    Batch(Vec<Pending>),
    /// Nothing more will come.
    Closed,
}

impl Queue {
    pub(super) fn new(limit: u64) -> Self {
        Self { state: Mutex::default(), filled: Condvar::new(), limit }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an append, or says why not.
    pub(super) fn push(&self, pending: Pending) -> Result<(), AppendError> {
        let mut state = self.state();
        if state.closed {
            return Err(AppendError::Closed);
        }
        let (waiting, limit) = (state.waiting, self.limit);
        // Whatever fits the payload bound fits the empty queue.
        if waiting > 0 && waiting + pending.bytes() > limit {
            return Err(AppendError::Full { waiting, limit });
        }
        state.waiting += pending.bytes();
        let was_empty = state.pending.is_empty();
        state.pending.push_back(pending);
        drop(state);
        if was_empty {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits up to `patience` for appends; says whether there are any.
    pub(super) fn wait(&self, patience: Duration) -> bool {
        let idle = |state: &mut State| state.pending.is_empty() && !state.closed && !state.woken;
        let (mut state, _) = self
            .filled
            .wait_timeout_while(self.state(), patience, idle)
            .unwrap_or_else(PoisonError::into_inner);
        state.woken = false;
        !state.pending.is_empty()
    }

    /// Takes about `max_bytes` of stored bytes, without waiting.
    pub(super) fn take(&self, max_bytes: u64) -> Taken {
        let mut state = self.state();
        if state.pending.is_empty() && state.closed {
            return Taken::Closed;
        }
        let mut batch = Vec::with_capacity(state.pending.len().min(1_024));
        let mut bytes = 0;
        while bytes < max_bytes
            && let Some(pending) = state.pending.pop_front()
        {
            bytes += pending.value.len() as u64;
            batch.push(pending);
        }
        Taken::Batch(batch)
    }

    /// Gives back the room of appends that are settled.
    pub(super) fn settled(&self, bytes: u64) {
        let mut state = self.state();
        state.waiting = state.waiting.saturating_sub(bytes);
    }

    /// Bytes accepted and not yet durable.
    pub(super) fn waiting(&self) -> u64 {
        self.state().waiting
    }

    /// Takes no more appends; what was accepted is still made durable.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.filled.notify_all();
    }

    /// Wakes the writer thread.
    pub(super) fn wake(&self) {
        self.state().woken = true;
        self.filled.notify_all();
    }

    /// Refuses what is accepted and all that comes: the writer thread is gone.
    pub(super) fn abandon(&self) {
        let mut state = self.state();
        state.closed = true;
        // Dropping an answer settles it as closed.
        state.pending.clear();
        state.waiting = 0;
    }
}
