//! Every copy of bytes of the log is paid for, and none has to wait for that for ever.

use super::*;

/// Waits until something is held.
async fn something_is_held(stand: &Stand) -> usize {
    for _ in 0..2_000 {
        if stand.budget.used() > 0 {
            return stand.budget.used();
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("nothing is ever held");
}

/// I6: with no room at all, frames that were read again for an exporter which then gives no answer
/// are counted, and all goes on when it does.
#[tokio::test(start_paused = true)]
async fn what_is_read_again_is_held_out_of_the_budget() {
    let mut stand = Stand::new(0);
    stand.max_unfinished_bytes = 300;
    stand.backend.away.store(true, Ordering::Relaxed);
    let run = stand.start();
    stand.send(400).await;
    let held = something_is_held(&stand).await;
    assert!(held > 1_000, "{held}");
    stand.backend.away.store(false, Ordering::Relaxed);
    stand.finished().await;
    run.stop().await;
    assert_eq!((stand.got(), stand.budget.used()), (stand.wanted(), 0));
}

/// I6: the same for an exporter that is behind the others.
#[tokio::test(start_paused = true)]
async fn what_is_read_for_one_behind_is_held_out_of_the_budget() {
    let mut stand = Stand::new(0);
    stand.max_unfinished_bytes = 300;
    let second = Arc::new(Backend::default());
    second.away.store(true, Ordering::Relaxed);
    stand.second = Some(Arc::clone(&second));
    let run = stand.start();
    stand.send(3_000).await;
    // The other one is through with all but the last waits.
    assert!(stand.got().len() > 1_000, "{}", stand.got().len());
    sleep(Duration::from_secs(5)).await;
    assert_eq!(stand.budget.used(), 0, "it holds nothing while it cannot go on");
    second.delay.store(300, Ordering::Relaxed);
    second.away.store(false, Ordering::Relaxed);
    let mut most = 0;
    for _ in 0..2_000 {
        most = most.max(stand.budget.used());
        sleep(Duration::from_millis(20)).await;
    }
    assert!(most > 10_000, "{most}");
    second.delay.store(3, Ordering::Relaxed);
    stand.finished().await;
    run.stop().await;
    assert!(stand.got() == stand.wanted() && second.sorted() == stand.wanted());
    assert_eq!(stand.budget.used(), 0);
}

/// I6: dead letters are counted also where there is no room for them, and end up in the log one
/// after the other.
#[tokio::test(start_paused = true)]
async fn dead_letters_are_held_out_of_the_budget() {
    let mut stand = Stand::new(0);
    let run = stand.start();
    stand.log.hold(TopicName::DeadLetters);
    for _ in 0..3 {
        let garbage = Record::spans(0, vec![7_u8; 1_000].into());
        stand.log.log().spans.writer.append(P, garbage).await.unwrap();
        sleep(Duration::from_millis(10)).await;
    }
    let held = something_is_held(&stand).await;
    assert!((1_000..3_000).contains(&held), "{held}");
    stand.log.resume(TopicName::DeadLetters);
    stand.send(30).await;
    stand.finished().await;
    run.stop().await;
    assert_eq!(stand.log.frames(TopicName::DeadLetters, P).len(), 3);
    assert_eq!((stand.got(), stand.budget.used()), (stand.wanted(), 0));
}
