//! Partitions that come and go.

use super::*;

/// A partition that is taken away is let go, and its next owner goes on.
#[tokio::test(start_paused = true)]
async fn a_partition_changes_hands() {
    let mut stand = Stand::new(1 << 20);
    let first = stand.start();
    stand.send(80).await;
    let second = stand.start();
    stand.send(80).await;
    stand.finished().await;
    first.stop().await;
    second.stop().await;
    assert_eq!(stand.got(), stand.wanted());
}

/// How long it takes until an owner lets go of its partition, with the backend away, and whether it
/// commits something then.
async fn letting_go(lost: bool) -> (Duration, bool) {
    let mut stand = Stand::new(1 << 20);
    let run = stand.start();
    stand.send(100).await;
    stand.finished().await;
    stand.backend.away.store(true, Ordering::Relaxed);
    stand.send(300).await;
    let before = stand.log.committed(P).map(|checkpoint| checkpoint.position);
    let began = tokio::time::Instant::now();
    stand.log.revoke(P, lost).unwrap().await.unwrap();
    let took = began.elapsed();
    let after = stand.log.committed(P).map(|checkpoint| checkpoint.position);
    run.stop().await;
    (took, after != before)
}

/// What is finished is committed, and nobody waits for what an exporter that fails has under way;
/// there is nothing to commit when the partition is another's already.
#[tokio::test(start_paused = true)]
async fn a_partition_is_let_go_of_in_time() {
    let (orderly, _) = letting_go(false).await;
    assert!(orderly < Duration::from_secs(1), "{orderly:?}");
    let (lost, committed) = letting_go(true).await;
    assert!(lost < Duration::from_millis(100) && !committed, "{lost:?}");
}

/// A claim of a higher term, as an owner would make it that does not know better.
async fn claim_from_elsewhere(stand: &Stand, term: u64) {
    let claim = Claim { term, owner: 99 };
    let record = encode_decisions::<&str>(&[], Some(claim), &[]);
    let writer = stand.log.log().decisions.writer;
    writer.append(P, Record::decisions(record.into())).await.unwrap();
}

/// The owner of the highest claim in the decision log.
fn claimed(stand: &Stand) -> Claim {
    let records = stand.log.frames(TopicName::Decisions, P);
    let claims =
        records.iter().filter_map(|one| DecisionBatch::read(&one.payload).unwrap().claim());
    claims.max_by_key(|claim| claim.term).unwrap()
}

/// Whoever is the owner claims the partition again, decides again what did not count, and loses
/// nothing.
#[tokio::test(start_paused = true)]
async fn an_owner_that_was_superseded_starts_again() {
    let mut stand = Stand::new(1 << 20);
    let run = stand.start();
    for _ in 0..4 {
        stand.send(20).await;
        claim_from_elsewhere(&stand, claimed(&stand).term + 1).await;
    }
    stand.send(20).await;
    stand.finished().await;
    run.stop().await;
    assert_ne!(claimed(&stand).owner, 99);
    let mut got = stand.got();
    got.dedup();
    assert_eq!(got, stand.wanted());
}

/// One that is the owner no more stops quietly and writes nothing.
#[tokio::test(start_paused = true)]
async fn who_was_superseded_and_is_no_owner_stops() {
    let mut stand = Stand::new(1 << 20);
    let run = stand.start();
    stand.send(20).await;
    stand.finished().await;
    // Nobody hears of it.
    drop(stand.log.revoke(P, true));
    claim_from_elsewhere(&stand, 5).await;
    stand.send(20).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(claimed(&stand), Claim { term: 5, owner: 99 });
    run.stop().await;
}
