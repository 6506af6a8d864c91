//! Membership of a log that one process has to itself: it owns all partitions as long as it runs.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::shared::Shared;
use crate::{
    position::Partition,
    reader::{Checkpoint, Committed, Committer, Group, GroupEvent, ReadError},
};

/// How long a closing log is ready to wait, about: it has other things to close.
const WITHIN: Duration = Duration::from_secs(5);

/// The only member.
pub(super) struct EmbeddedGroup {
    shared: Arc<Shared>,
    events: VecDeque<GroupEvent>,
    /// Partitions to be revoked when the log closes.
    owned: Vec<Partition>,
    /// Revoked partitions that may still be in use.
    releasing: Vec<oneshot::Receiver<()>>,
    ended: bool,
}

impl EmbeddedGroup {
    /// A member that is given all partitions.
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let checkpoints = shared.checkpoints().committed().to_vec();
        let events = (0_u32..)
            .map(Partition)
            .zip(checkpoints)
            .map(|(partition, committed)| GroupEvent::Assigned { partition, committed })
            .collect();
        let owned = (0..shared.settings.partitions).map(Partition).collect();
        shared.members.send_modify(|members| *members += 1);
        Self { shared: Arc::clone(shared), events, owned, releasing: Vec::new(), ended: false }
    }

    fn revoke_all(&mut self) {
        for partition in self.owned.drain(..) {
            let (released, receiver) = oneshot::channel();
            self.releasing.push(receiver);
            let (lost, within) = (false, WITHIN);
            self.events.push_back(GroupEvent::Revoked { partition, lost, within, released });
        }
    }

    fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.shared.members.send_modify(|members| *members -= 1);
        }
    }

    async fn next_event(&mut self) -> Option<GroupEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if self.owned.is_empty() {
                // Cancel-safe: a receiver is taken out once it has resolved.
                while let Some(receiver) = self.releasing.last_mut() {
                    // A sender that was dropped has let go as well.
                    let _gone = receiver.await;
                    self.releasing.pop();
                }
                self.end();
                return None;
            }
            self.shared.wait_to_leave().await;
            self.revoke_all();
        }
    }
}

impl Group for EmbeddedGroup {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<GroupEvent>, ReadError>> {
        Box::pin(async move { Ok(self.next_event().await) })
    }

    fn committer(&self) -> Arc<dyn Committer> {
        Arc::new(EmbeddedCommitter { shared: Arc::clone(&self.shared) })
    }
}

impl Drop for EmbeddedGroup {
    fn drop(&mut self) {
        self.end();
    }
}

/// Stores checkpoints, and gives them.
pub(super) struct EmbeddedCommitter {
    pub(super) shared: Arc<Shared>,
}

impl Committer for EmbeddedCommitter {
    fn commit(
        &self,
        partition: Partition,
        checkpoint: Checkpoint,
    ) -> BoxFuture<'_, Result<(), ReadError>> {
        Box::pin(async move {
            if self.shared.is_closed() {
                return Err(ReadError::Closed);
            }
            let partitions = self.shared.settings.partitions;
            self.shared
                .checkpoints()
                .commit(partition, checkpoint)
                .ok_or(ReadError::NoSuchPartition { partition: partition.0, partitions })
        })
    }
}

impl Committed for EmbeddedCommitter {
    fn checkpoint(
        &self,
        partition: Partition,
    ) -> BoxFuture<'_, Result<Option<Checkpoint>, ReadError>> {
        Box::pin(async move {
            let partitions = self.shared.settings.partitions;
            let at = usize::try_from(partition.0).unwrap_or(usize::MAX);
            let checkpoint = self.shared.checkpoints().committed().get(at).cloned();
            checkpoint.ok_or(ReadError::NoSuchPartition { partition: partition.0, partitions })
        })
    }
}
