//! Cases about the group.

use std::collections::BTreeMap;

use super::subject::{P0, P1, Subject, append_all, in_time};
use crate::{
    position::{Partition, Position},
    reader::{Checkpoint, Group, GroupEvent, ReadError},
};

/// The first assignments of a group of one.
async fn assignments(group: &mut dyn Group, count: u32) -> BTreeMap<Partition, Option<Checkpoint>> {
    let mut assigned = BTreeMap::new();
    for _ in 0..count {
        match in_time(group.next()).await.unwrap() {
            Some(GroupEvent::Assigned { partition, committed }) => {
                let twice = assigned.insert(partition, committed);
                assert!(twice.is_none(), "partition {partition} was assigned twice");
            }
            other => panic!("an assignment was expected, not {other:?}"),
        }
    }
    assigned
}

fn checkpoint(position: u64, metadata: &str) -> Checkpoint {
    Checkpoint { position: Position(position), metadata: metadata.to_owned() }
}

/// All partitions, nothing committed yet.
pub async fn a_member_owns_every_partition_once(subject: impl Subject) {
    let partitions = subject.log().spans.reader.partitions();
    let mut group = subject.group();
    let assigned = assignments(&mut *group, partitions).await;
    let expected: Vec<Partition> = (0..partitions).map(Partition).collect();
    assert_eq!(assigned.keys().copied().collect::<Vec<_>>(), expected);
    assert!(assigned.values().all(Option::is_none));
    // Then it waits.
    assert!(futures_util::future::FutureExt::now_or_never(group.next()).is_none());
    let committer = group.committer();
    let nowhere = committer.commit(Partition(partitions), checkpoint(1, ""));
    let expected = ReadError::NoSuchPartition { partition: partitions, partitions };
    assert_eq!(in_time(nowhere).await.unwrap_err(), expected);
}

/// Before a log is gone its owner may commit and let go in peace.
pub async fn closing_revokes_and_waits_for_the_release(mut subject: impl Subject) {
    let partitions = subject.log().spans.reader.partitions();
    append_all(&subject.log().spans, P0, &["a"]).await;
    let mut group = subject.group();
    assignments(&mut *group, partitions).await;
    let committer = group.committer();
    let closing = tokio::spawn(subject.close());
    let mut released = 0;
    while let Some(event) = in_time(group.next()).await.unwrap() {
        let GroupEvent::Revoked { partition, lost, within, released: let_go } = event else {
            panic!("a revocation was expected, not {event:?}");
        };
        assert!(!lost && !within.is_zero());
        in_time(committer.commit(partition, checkpoint(1, "last words"))).await.unwrap();
        // The log may have stopped waiting, but not before all were told.
        let _gone = let_go.send(());
        released += 1;
    }
    assert_eq!(released, partitions);
    drop(group);
    in_time(closing).await.unwrap();
    subject.restart().await;
    let assigned = assignments(&mut *subject.group(), partitions).await;
    assert!(assigned.values().flatten().all(|found| found.position == Position(1)));
    assert_eq!(assigned.values().flatten().count(), assigned.len());
}

/// What one owner has committed is where the next one starts.
pub async fn commits_come_back_to_the_next_owner(mut subject: impl Subject) {
    let partitions = subject.log().spans.reader.partitions();
    append_all(&subject.log().spans, P0, &["a", "b", "c"]).await;
    for (position, hint) in [(1, "first"), (2, "second"), (3, "")] {
        let mut group = subject.group();
        assignments(&mut *group, partitions).await;
        let committed = checkpoint(position, hint);
        in_time(group.committer().commit(P0, committed.clone())).await.unwrap();
        drop(group);
        subject.restart().await;
        let mut assigned = assignments(&mut *subject.group(), partitions).await;
        let found = assigned.remove(&P0).unwrap().unwrap();
        assert_eq!(found.position, committed.position);
        // Metadata is a hint: it may get lost, but not mixed up.
        assert!(found.metadata.is_empty() || found.metadata == hint, "{}", found.metadata);
        assert_eq!(assigned.remove(&P1).unwrap(), None);
    }
}
