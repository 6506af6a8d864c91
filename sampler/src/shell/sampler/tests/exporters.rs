//! Two exporters, one of which is away.

use super::*;

/// A log and two backends, the second of which is away.
fn stand() -> (Stand, Arc<Backend>) {
    let mut stand = Stand::new(1 << 14);
    let second = Arc::new(Backend::default());
    second.away.store(true, Ordering::Relaxed);
    stand.second = Some(Arc::clone(&second));
    (stand, second)
}

/// All that must arrive but what the last waits have not decided.
fn old_enough(stand: &Stand) -> Vec<u64> {
    let wanted = stand.wanted();
    let end = wanted.partition_point(|id| *id + 600 < 2 * stand.next);
    wanted[..end].to_vec()
}

/// An exporter gets everything while another one is away for long, also from a new owner, and the
/// other one gets everything when it is back.
#[tokio::test(start_paused = true)]
async fn one_that_is_away_does_not_stop_the_others() {
    let (mut stand, second) = stand();
    let mut run = stand.start();
    for round in 0..6 {
        stand.send(2_000).await;
        let got = stand.got();
        assert!(old_enough(&stand).iter().all(|id| got.binary_search(id).is_ok()), "{round}");
        if round == 2 {
            run.stop().await;
            run = stand.start();
        }
    }
    assert_eq!(second.sorted(), Vec::<u64>::new());
    second.away.store(false, Ordering::Relaxed);
    stand.finished().await;
    run.stop().await;
    assert!(stand.got() == stand.wanted() && second.sorted() == stand.wanted());
}

/// What the log deletes while an exporter is away is lost for that one, and for no other.
#[tokio::test(start_paused = true)]
async fn what_is_deleted_is_lost_for_the_one_that_is_behind() {
    let (mut stand, second) = stand();
    let run = stand.start();
    stand.send(9_000).await;
    let gap = stand.end_of_log().0 - 2_000;
    stand.log.trim(TopicName::Spans, P, Position(gap));
    stand.log.damage(TopicName::Spans, P, Some(Position(gap + 300)));
    second.away.store(false, Ordering::Relaxed);
    stand.finished().await;
    run.stop().await;
    assert!(stand.got() == stand.wanted());
    let (got, wanted) = (second.sorted(), stand.wanted());
    assert!(got.iter().all(|id| wanted.contains(id)));
    assert!(got.len() < wanted.len() / 10 * 9, "{} of {}", got.len(), wanted.len());
    assert_eq!(got.last(), wanted.last());
    let dead_letters = stand.log.frames(TopicName::DeadLetters, P);
    let dead_letters =
        dead_letters.iter().map(|dead_letter| DeadLetter::read(&dead_letter.payload).unwrap());
    let of: Vec<(&str, u64)> =
        dead_letters.map(|dead_letter| (dead_letter.exporter, dead_letter.position)).collect();
    assert_eq!(of, [("second", gap + 300)]);
}

/// A partition that is handed over while one exporter fails is let go of at once, and nothing that
/// another one got is sent again.
#[tokio::test(start_paused = true)]
async fn one_that_fails_does_not_hold_up_a_handover() {
    let (mut stand, _second) = stand();
    let run = stand.start();
    stand.send(500).await;
    let began = tokio::time::Instant::now();
    stand.log.revoke(P, false).unwrap().await.unwrap();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    run.stop().await;
    let run = stand.start();
    stand.send(500).await;
    sleep(Duration::from_secs(3)).await;
    run.stop().await;
    let mut once = stand.got();
    once.dedup();
    assert!(once == stand.got(), "something came twice");
    assert!(once == stand.wanted());
}
