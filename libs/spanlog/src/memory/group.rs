//! Membership in memory.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, oneshot};

use super::shared::{Member, Shared};
use crate::{
    position::Partition,
    reader::{Checkpoint, Committed, Committer, Group, GroupEvent, ReadError},
};

/// What a revocation says that it waits; it waits for ever.
const WITHIN: Duration = Duration::from_secs(3);

/// One member's view of the group.
pub(super) struct MemoryGroup {
    shared: Arc<Shared>,
    member: u64,
    changed: Arc<Notify>,
    generation: u64,
}

impl MemoryGroup {
    /// A new member that is given `partitions`; who owned them loses them.
    pub(super) fn join(shared: &Arc<Shared>, partitions: &[Partition]) -> Self {
        let changed = Arc::new(Notify::new());
        let mut group = shared.group();
        let id = group.next_member;
        group.next_member += 1;
        group.members.push(Member {
            id,
            events: VecDeque::new(),
            ended: false,
            changed: Arc::clone(&changed),
        });
        drop(group);
        for &partition in partitions {
            revoke(shared, partition, true);
            assign(shared, id, partition);
        }
        let generation = shared.generation.load(Ordering::Acquire);
        Self { shared: Arc::clone(shared), member: id, changed, generation }
    }
}

/// Makes `member` the owner of `partition`.
fn assign(shared: &Shared, member: u64, partition: Partition) {
    let mut group = shared.group();
    let Ok(at) = usize::try_from(partition.0) else { return };
    let drop_metadata = group.drop_metadata;
    let committed = group.committed.get(at).cloned().flatten().map(|mut checkpoint| {
        if drop_metadata {
            checkpoint.metadata.clear();
        }
        checkpoint
    });
    if let (Some(_), Some(made_in)) = (&committed, group.made_in.get(at)) {
        for (topic, of) in shared.topics.iter().zip(made_in) {
            if let Some(log) = topic.partition(partition) {
                log.records().expect(*of);
            }
        }
    }
    if let Some(owner) = group.owners.get_mut(at) {
        *owner = Some(member);
    }
    if let Some(member) = group.members.iter_mut().find(|known| known.id == member) {
        member.events.push_back(GroupEvent::Assigned { partition, committed });
        member.changed.notify_one();
    }
}

/// Takes `partition` from its owner; the receiver resolves once the owner has let go.
pub(super) fn revoke(
    shared: &Shared,
    partition: Partition,
    lost: bool,
) -> Option<oneshot::Receiver<()>> {
    let mut group = shared.group();
    let owner = group.owners.get_mut(usize::try_from(partition.0).ok()?)?;
    let id = (*owner)?;
    if lost {
        *owner = None;
    }
    let (released, receiver) = oneshot::channel();
    let member = group.members.iter_mut().find(|member| member.id == id)?;
    member.events.push_back(GroupEvent::Revoked { partition, lost, within: WITHIN, released });
    member.changed.notify_one();
    Some(receiver)
}

impl Group for MemoryGroup {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<GroupEvent>, ReadError>> {
        Box::pin(async move {
            loop {
                {
                    let mut group = self.shared.group();
                    if !self.shared.is_current(self.generation) {
                        return Ok(None);
                    }
                    let member = self.member;
                    let Some(member) = group.members.iter_mut().find(|known| known.id == member)
                    else {
                        return Ok(None);
                    };
                    if let Some(event) = member.events.pop_front() {
                        return Ok(Some(event));
                    }
                    if member.ended {
                        return Ok(None);
                    }
                }
                // A permit is kept for the only waiter: no change is missed.
                self.changed.notified().await;
            }
        })
    }

    fn committer(&self) -> Arc<dyn Committer> {
        Arc::new(MemoryCommitter {
            shared: Arc::clone(&self.shared),
            member: self.member,
            generation: self.generation,
        })
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        let mut group = self.shared.group();
        let member = self.member;
        group.members.retain(|known| known.id != member);
        for owner in group.owners.iter_mut().filter(|owner| **owner == Some(member)) {
            *owner = None;
        }
    }
}

struct MemoryCommitter {
    shared: Arc<Shared>,
    member: u64,
    generation: u64,
}

impl Committer for MemoryCommitter {
    fn commit(
        &self,
        partition: Partition,
        checkpoint: Checkpoint,
    ) -> BoxFuture<'_, Result<(), ReadError>> {
        Box::pin(async move {
            let mut group = self.shared.group();
            if !self.shared.is_current(self.generation) {
                return Err(ReadError::Closed);
            }
            let partitions = self.shared.partitions();
            let at = usize::try_from(partition.0).unwrap_or(usize::MAX);
            match group.owners.get(at) {
                None => {
                    return Err(ReadError::NoSuchPartition { partition: partition.0, partitions });
                }
                Some(owner) if *owner != Some(self.member) => {
                    return Err(ReadError::NotOwner(partition.0));
                }
                Some(_) => {}
            }
            let logs = self.shared.logs(partition);
            if let Some(made_in) = group.made_in.get_mut(at) {
                *made_in = logs;
            }
            let held = group.hold_commits;
            if !held && let Some(durable) = group.durable.get_mut(at) {
                *durable = Some(checkpoint.clone());
            }
            if let Some(committed) = group.committed.get_mut(at) {
                *committed = Some(checkpoint);
            }
            Ok(())
        })
    }
}

/// Looks at what is committed.
pub(super) struct MemoryCommitted {
    pub(super) shared: Arc<Shared>,
}

impl Committed for MemoryCommitted {
    fn checkpoint(
        &self,
        partition: Partition,
    ) -> BoxFuture<'_, Result<Option<Checkpoint>, ReadError>> {
        Box::pin(async move {
            let partitions = self.shared.partitions();
            let at = usize::try_from(partition.0).unwrap_or(usize::MAX);
            let checkpoint = self.shared.group().committed.get(at).cloned();
            checkpoint.ok_or(ReadError::NoSuchPartition { partition: partition.0, partitions })
        })
    }
}
