//! The partitions that are assigned to this process, and the events that say so.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};
use wholetrace_spanlog::{Checkpoint, GroupEvent, Partition};

use super::{
    deadline::block_until,
    health::ClientHealth,
    identity::Mark,
    metrics::{Change, Meters},
};

/// A checkpoint, with what was known of the logs that it is of.
#[derive(Clone)]
pub(super) struct Remembered {
    pub(super) checkpoint: Checkpoint,
    pub(super) marks: [Option<Mark>; 2],
}

/// The partitions of one member of the group.
pub(super) struct Assignment {
    health: Arc<ClientHealth>,
    meters: Arc<Meters>,
    state: Mutex<State>,
}

struct State {
    /// Given to us; the owner of the member's handle has not been told yet.
    fresh: BTreeSet<Partition>,
    /// Ours, and told; with the highest position committed by us.
    owned: BTreeMap<Partition, Option<Checkpoint>>,
    /// The last checkpoint of each partition that was stored from here, also when it is not ours any
    /// more.
    remembered: BTreeMap<Partition, Remembered>,
    /// `None` once the receiver of the events is gone.
    events: Option<mpsc::Sender<GroupEvent>>,
}

impl Assignment {
    /// Owns nothing; tells `events`, which has room for some changes of each partition.
    pub(super) fn new(
        health: &Arc<ClientHealth>,
        meters: &Arc<Meters>,
        events: mpsc::Sender<GroupEvent>,
    ) -> Self {
        let state = State {
            fresh: BTreeSet::new(),
            owned: BTreeMap::new(),
            remembered: BTreeMap::new(),
            events: Some(events),
        };
        Self { health: Arc::clone(health), meters: Arc::clone(meters), state: Mutex::new(state) }
    }

    /// `partitions` were given to us.
    pub(super) fn given(&self, partitions: impl IntoIterator<Item = Partition>) {
        self.state().fresh.extend(partitions);
    }

    /// Partitions that are ours and have not been announced.
    pub(super) fn fresh(&self) -> Vec<Partition> {
        self.state().fresh.iter().copied().collect()
    }

    /// Tells that `partition` is ours, if it still is.
    pub(super) fn announce(&self, partition: Partition, committed: Option<Checkpoint>) {
        let mut state = self.state();
        if state.fresh.remove(&partition) {
            state.owned.insert(partition, None);
            self.meters.rebalanced(Change::Assigned, 1);
            self.meters.partitions.set(state.owned.len() as f64);
            self.tell(&state, GroupEvent::Assigned { partition, committed });
        }
    }

    /// `partitions` go away. Returns when nothing works on them any more, or after `timeout`.
    /// Commits are taken until then, unless they are `lost` already.
    pub(super) fn revoke(&self, partitions: &[Partition], lost: bool, timeout: Duration) {
        let mut releases = Vec::new();
        {
            let mut state = self.state();
            for &partition in partitions {
                state.fresh.remove(&partition);
                if !state.owned.contains_key(&partition) {
                    continue;
                }
                let (released, release) = oneshot::channel();
                releases.push(release);
                let within = timeout;
                self.tell(&state, GroupEvent::Revoked { partition, lost, within, released });
                if lost {
                    state.owned.remove(&partition);
                }
            }
        }
        let change = if lost { Change::Lost } else { Change::Revoked };
        self.meters.rebalanced(change, releases.len());
        let told = releases.len();
        // A sender that was dropped has let go as well.
        let released = lost || block_until(Instant::now() + timeout, join_all(releases)).is_some();
        if !released {
            tracing::warn!(
                partitions = told,
                seconds = timeout.as_secs_f64(),
                "partitions were handed on while they were still being worked on: what was not \
                 committed is done twice"
            );
        }
        let mut state = self.state();
        state.owned.retain(|partition, _| !partitions.contains(partition));
        self.meters.partitions.set(state.owned.len() as f64);
    }

    /// Whether there is anything to be revoked.
    pub(super) fn is_empty(&self) -> bool {
        let state = self.state();
        state.owned.is_empty() && state.fresh.is_empty()
    }

    /// All partitions that are ours.
    pub(super) fn all(&self) -> Vec<Partition> {
        let state = self.state();
        state.owned.keys().chain(&state.fresh).copied().collect()
    }

    pub(super) fn owns(&self, partition: Partition) -> bool {
        self.state().owned.contains_key(&partition)
    }

    /// Whether `checkpoint` goes forward; remembered by [`stored`](Self::stored).
    pub(super) fn goes_forward(&self, partition: Partition, checkpoint: &Checkpoint) -> bool {
        let state = self.state();
        let last = state.owned.get(&partition).and_then(Option::as_ref);
        last.is_none_or(|last| last.position <= checkpoint.position && last != checkpoint)
    }

    /// `checkpoint` is stored, of logs of which `marks` are known.
    pub(super) fn stored(
        &self,
        partition: Partition,
        checkpoint: &Checkpoint,
        marks: [Option<Mark>; 2],
    ) {
        let mut state = self.state();
        if let Some(last) = state.owned.get_mut(&partition) {
            *last = Some(checkpoint.clone());
            let remembered = Remembered { checkpoint: checkpoint.clone(), marks };
            state.remembered.insert(partition, remembered);
        }
    }

    /// The last checkpoint of `partition` that was stored from here: for a group that has none,
    /// since the brokers forget the commits of a topic that is deleted.
    pub(super) fn remembered(&self, partition: Partition) -> Option<Remembered> {
        self.state().remembered.get(&partition).cloned()
    }

    /// The log of `partition` is another one: checkpoints begin again.
    pub(super) fn begin_anew(&self, partition: Partition) {
        let mut state = self.state();
        state.remembered.remove(&partition);
        if let Some(last) = state.owned.get_mut(&partition) {
            *last = None;
        }
    }

    /// Nobody is told anything any more: the handle's events end.
    pub(super) fn end(&self) {
        self.state().events = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, state: &State, event: GroupEvent) {
        let Some(events) = &state.events else { return };
        // Nobody listens: the event is dropped, and with it a release is given.
        if let Err(mpsc::error::TrySendError::Full(_)) = events.try_send(event) {
            self.health.end("the changes of the group are not taken any more: the sampler hangs");
        }
    }
}
