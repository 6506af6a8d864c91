//! Membership: what is handed on, what is lost, who may commit.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::oneshot;
use wholetrace_spanlog::{
    Checkpoint, Committer, Group, GroupEvent, Partition, Position, ReadError,
};

use super::{configured, fill, in_time, open};
use crate::KafkaLog;

/// A member that does as it is told.
pub(super) struct Worker {
    group: Box<dyn Group>,
    pub(super) committer: Arc<dyn Committer>,
    pub(super) owned: BTreeMap<Partition, Option<Checkpoint>>,
}

impl Worker {
    pub(super) fn join(log: &KafkaLog) -> Self {
        let group = log.group().unwrap();
        let committer = group.committer();
        Self { group, committer, owned: BTreeMap::new() }
    }

    /// The next event; a revocation is given back with its release.
    pub(super) async fn next(&mut self) -> Option<(Partition, bool, oneshot::Sender<()>)> {
        match in_time(self.group.next()).await.unwrap().expect("the group goes on") {
            GroupEvent::Assigned { partition, committed } => {
                let twice = self.owned.insert(partition, committed);
                assert!(twice.is_none(), "partition {partition} was assigned twice");
                None
            }
            GroupEvent::Revoked { partition, lost, released, .. } => {
                self.owned.remove(&partition).expect("what is revoked was owned");
                Some((partition, lost, released))
            }
        }
    }

    pub(super) async fn until(&mut self, count: usize) {
        while self.owned.len() < count {
            assert!(self.next().await.is_none(), "nothing is to be revoked");
        }
    }
}

pub(super) fn checkpoint(position: u64, metadata: &str) -> Checkpoint {
    Checkpoint { position: Position(position), metadata: metadata.to_owned() }
}

/// A second member gets its share, from where the first one let go, which may commit until then.
#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_handed_on_with_their_last_commit() {
    let Some(config) = configured(4).await else { return };
    let (first_log, second_log) = (open(&config).await, open(&config).await);
    let mut first = Worker::join(&first_log);
    first.until(4).await;
    let mut second = Worker::join(&second_log);
    for _ in 0..2 {
        let (partition, lost, released) = first.next().await.expect("a revocation");
        assert!(!lost);
        // Answered while the group waits for the release.
        let last = checkpoint(100 + u64::from(partition.0), "last words");
        in_time(first.committer.commit(partition, last)).await.unwrap();
        released.send(()).unwrap();
    }
    second.until(2).await;
    for (partition, committed) in &second.owned {
        let committed = committed.as_ref().unwrap();
        assert_eq!(committed.position, Position(100 + u64::from(partition.0)));
        assert!(!first.owned.contains_key(partition));
        let late = in_time(first.committer.commit(*partition, checkpoint(999, ""))).await;
        assert_eq!(late.unwrap_err(), ReadError::NotOwner(partition.0));
        in_time(second.committer.commit(*partition, checkpoint(200, ""))).await.unwrap();
        // Checkpoints go forward.
        in_time(second.committer.commit(*partition, checkpoint(150, ""))).await.unwrap();
    }
    // The second one leaves in order, and all comes back.
    let handed: Vec<Partition> = second.owned.keys().copied().collect();
    let closing = tokio::spawn(async move { second_log.close().await });
    while let Some(event) = in_time(second.group.next()).await.unwrap() {
        let GroupEvent::Revoked { lost: false, released, .. } = event else { panic!("{event:?}") };
        drop(released);
    }
    closing.await.unwrap();
    first.until(4).await;
    for partition in handed {
        let committed = first.owned.get(&partition).unwrap().as_ref().unwrap();
        assert_eq!(committed.position, Position(200));
    }
}

/// Who does not let go is not waited for without end.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_never_comes_holds_nobody() {
    let Some(config) = configured(2).await else { return };
    let (first_log, second_log) = (open(&config).await, open(&config).await);
    let mut first = Worker::join(&first_log);
    first.until(2).await;
    let mut second = Worker::join(&second_log);
    let (partition, _, held) = first.next().await.expect("a revocation");
    second.until(1).await;
    assert!(second.owned.contains_key(&partition));
    assert!(held.is_closed(), "nobody waits for it any more");
}

/// A name that two samplers share: the first one is put out, and says why.
#[tokio::test(flavor = "multi_thread")]
async fn a_static_member_that_is_replaced_ends_with_the_cause() {
    let Some(mut config) = configured(2).await else { return };
    config.group_instance_id = Some("the-only-one".to_owned());
    let first_log = open(&config).await;
    let mut first = Worker::join(&first_log);
    first.until(2).await;
    let second_log = open(&config).await;
    let mut second = Worker::join(&second_log);
    let cause = in_time(first_log.ended()).await;
    assert!(cause.contains("Static consumer fenced"), "{cause}");
    assert_eq!(first_log.status().trouble, Some(cause));
    // Its partitions are lost to it, and its events end with the cause.
    let lost = loop {
        match in_time(first.group.next()).await {
            Ok(Some(GroupEvent::Revoked { lost, .. })) => assert!(lost),
            other => break other,
        }
    };
    assert!(matches!(lost, Err(ReadError::Failed(_))), "{lost:?}");
    second.until(2).await;
    in_time(first_log.close()).await;
}

/// The member reads nothing: who reads it twice pays for it twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_fetches_no_data() {
    let Some(config) = configured(2).await else { return };
    let log = open(&config).await;
    let spans = log.log().spans;
    for partition in [Partition(0), Partition(1)] {
        fill(&spans, partition, 50, 1_000).await;
    }
    let mut worker = Worker::join(&log);
    worker.until(2).await;
    for (partition, committed) in worker.owned.clone() {
        assert_eq!(committed, None);
        fill(&spans, partition, 50, 1_000).await;
        in_time(worker.committer.commit(partition, checkpoint(40, ""))).await.unwrap();
    }
    assert_eq!(log.strays(), 0);
}

/// Metadata that the broker would refuse is left out: it is a hint.
#[tokio::test(flavor = "multi_thread")]
async fn metadata_comes_back_up_to_its_bound() {
    let Some(config) = configured(2).await else { return };
    let log = open(&config).await;
    let mut worker = Worker::join(&log);
    worker.until(2).await;
    let lengths = [(Partition(0), 4_096, 4_096), (Partition(1), 4_097, 0)];
    for (partition, length, _) in lengths {
        let committed = checkpoint(5, &"x".repeat(length));
        in_time(worker.committer.commit(partition, committed)).await.unwrap();
    }
    drop(worker);
    log.close().await;
    let log = open(&config).await;
    let mut worker = Worker::join(&log);
    worker.until(2).await;
    for (partition, _, kept) in lengths {
        let committed = worker.owned.get(&partition).unwrap().as_ref().unwrap();
        assert_eq!((committed.position, committed.metadata.len()), (Position(5), kept));
    }
}
