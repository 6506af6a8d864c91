//! Appends on their way to the writer thread, bounded in bytes.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::store::Encoded;
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
    pub(super) encoded: Encoded,
    pub(super) answer: oneshot::Sender<Result<Position, AppendError>>,
    pub(super) accepted: Instant,
}

impl Pending {
    /// Bytes of memory it holds.
    pub(super) fn bytes(&self) -> u64 {
        self.record.payload.len() as u64 + self.encoded.stored_bytes()
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
    /// Stored bytes in `pending`.
    stored: u64,
    /// Bytes admitted: of those that are being compressed, in `pending`, and in the batch that is
    /// being made durable.
    waiting: u64,
    closed: bool,
    /// Whether the writer thread is to look around although there is nothing to append.
    woken: bool,
}

/// Room in the queue for one append, or for several.
pub(super) struct Room(u64);

impl Room {
    /// The room of one append with a payload of `size` bytes, if so much is left.
    pub(super) fn part(&mut self, size: u64) -> Option<Self> {
        let part = size.saturating_mul(2);
        self.0 = self.0.checked_sub(part)?;
        Some(Self(part))
    }
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

    /// Sets room aside for payloads of `size` bytes and for what they are compressed to, or says why
    /// not: what is refused is not compressed first.
    pub(super) fn admit(&self, size: u64) -> Result<Room, AppendError> {
        let mut state = self.state();
        if state.closed {
            return Err(AppendError::Closed);
        }
        let (waiting, limit) = (state.waiting, self.limit);
        let most = size.saturating_mul(2);
        // Whatever may be stored fits the empty queue.
        if waiting > 0 && waiting + most > limit {
            return Err(AppendError::Full { waiting, limit });
        }
        state.waiting += most;
        Ok(Room(most))
    }

    /// Gives back room that was not needed.
    pub(super) fn give_back(&self, Room(bytes): Room) {
        self.settled(bytes);
    }

    /// Takes an append into its room.
    pub(super) fn push(&self, Room(most): Room, pending: Pending) -> Result<(), AppendError> {
        let mut state = self.state();
        state.waiting = state.waiting.saturating_sub(most);
        if state.closed {
            return Err(AppendError::Closed);
        }
        state.waiting += pending.bytes();
        let stored = pending.encoded.stored_bytes();
        let was_small = state.pending.is_empty() || state.stored < WORTH_A_COMMIT;
        state.stored += stored;
        state.pending.push_back(pending);
        let wakes = was_small && (state.pending.len() == 1 || state.stored >= WORTH_A_COMMIT);
        drop(state);
        if wakes {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits up to `timeout` for appends; says whether there are any.
    pub(super) fn wait(&self, timeout: Duration) -> bool {
        let idle = |state: &mut State| state.pending.is_empty() && !state.closed && !state.woken;
        let (state, _) = self
            .filled
            .wait_timeout_while(self.state(), timeout, idle)
            .unwrap_or_else(PoisonError::into_inner);
        !state.pending.is_empty()
    }

    /// Whether the writer thread was woken since the last call.
    pub(super) fn was_woken(&self) -> bool {
        std::mem::take(&mut self.state().woken)
    }

    /// Waits until `due`, or until so much has gathered that a commit is worth it.
    pub(super) fn gather(&self, due: Instant) {
        let timeout = due.saturating_duration_since(Instant::now());
        if timeout.is_zero() {
            return;
        }
        let few = |state: &mut State| state.stored < WORTH_A_COMMIT && !state.closed;
        drop(self.filled.wait_timeout_while(self.state(), timeout, few));
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
            bytes += pending.encoded.stored_bytes();
            batch.push(pending);
        }
        state.stored = state.stored.saturating_sub(bytes);
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
    #[cfg(test)]
    pub(super) fn wake(&self) {
        self.state().woken = true;
        self.filled.notify_all();
    }

    /// Takes no more appends and gives back what was accepted: nobody will write it.
    pub(super) fn abandon(&self) -> VecDeque<Pending> {
        let mut state = self.state();
        state.closed = true;
        state.waiting = 0;
        state.stored = 0;
        std::mem::take(&mut state.pending)
    }
}

/// Stored bytes for which the next commit does not wait: it costs the same whether it carries one
/// record or a hundred, but not whether it carries a hundred or a thousand.
const WORTH_A_COMMIT: u64 = 512 << 10;
