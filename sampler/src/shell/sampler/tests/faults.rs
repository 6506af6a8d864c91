//! A log that fails and forgets.

use super::*;

/// An append that fails is tried again until it succeeds: decisions, ticks and dead letters.
#[tokio::test(start_paused = true)]
async fn failing_appends_are_tried_again() {
    let mut stand = Stand::new(1 << 20);
    let run = stand.start();
    stand.log.refuse(TopicName::Decisions, Some(AppendError::DiskFull));
    stand.log.refuse(TopicName::DeadLetters, Some(AppendError::DiskFull));
    stand.send(50).await;
    let garbage = Record::spans(0, vec![7_u8; 3].into());
    stand.log.log().spans.writer.append(P, garbage).await.unwrap();
    stand.send(50).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(stand.got(), Vec::<u64>::new());
    stand.log.refuse(TopicName::Decisions, None);
    stand.log.refuse(TopicName::DeadLetters, None);
    stand.finished().await;
    run.stop().await;
    assert_eq!(stand.got(), stand.wanted());
    let dead_letters = stand.log.frames(TopicName::DeadLetters, P);
    assert_eq!(dead_letters.len(), 1);
    let dead_letter = DeadLetter::read(&dead_letters[0].payload).unwrap();
    assert_eq!((dead_letter.payload, dead_letter.exporter), (&[7_u8; 3][..], ""));
}

/// What a backend refuses for good goes to the dead letters with its reason, and the partition
/// moves on.
#[tokio::test(start_paused = true)]
async fn what_is_refused_becomes_a_dead_letter() {
    let mut stand = Stand::new(1 << 20);
    stand.backend.refuses.store(true, Ordering::Relaxed);
    let run = stand.start();
    stand.send(30).await;
    stand.finished().await;
    run.stop().await;
    assert_eq!(stand.got(), Vec::<u64>::new());
    assert_eq!(stand.dead_lettered(), stand.wanted());
}

/// Dead letters that are too large for their topic are cut to what it takes, and the partition goes
/// on.
#[tokio::test(start_paused = true)]
async fn dead_letters_that_are_too_large_are_cut() {
    let mut stand = Stand::new(1 << 20);
    stand.backend.refuses.store(true, Ordering::Relaxed);
    let too_large = AppendError::TooLarge { size: 1000, limit: 100 };
    stand.log.plan(TopicName::DeadLetters, &AppendFault::Refuse(too_large), 3);
    let run = stand.start();
    stand.send(30).await;
    stand.finished().await;
    run.stop().await;
    let dead_letters = stand.log.frames(TopicName::DeadLetters, P);
    assert_eq!(dead_letters.len(), stand.wanted().len(), "one of each span");
    let reason =
        |dead_letter: &Frame| DeadLetter::read(&dead_letter.payload).unwrap().reason.to_owned();
    let cut = dead_letters
        .iter()
        .filter(|dead_letter| reason(dead_letter).starts_with("(payload cut) "))
        .count();
    assert!((1..=3).contains(&cut), "{cut}");
}

/// A read that fails is tried again, at the start and later.
#[tokio::test(start_paused = true)]
async fn failing_reads_are_tried_again() {
    let mut stand = Stand::new(0);
    for topic in [TopicName::Spans, TopicName::Decisions] {
        stand.log.fail_reads(topic, 5);
    }
    let run = stand.start();
    for _ in 0..5 {
        stand.send(30).await;
        stand.log.fail_reads(TopicName::Spans, 3);
        stand.log.fail_reads(TopicName::Decisions, 3);
    }
    stand.finished().await;
    run.stop().await;
    assert_eq!(stand.got(), stand.wanted());
}

/// When the log deletes what was not released, what is left of it arrives and the partition goes
/// on: behind the commit, before the read-ahead, and in between.
#[tokio::test(start_paused = true)]
async fn gaps_in_the_log_are_passed() {
    let mut stand = Stand::new(0);
    let run = stand.start();
    stand.send(30).await;
    stand.finished().await;
    run.stop().await;
    stand.send(100).await;
    let gap = |stand: &Stand| Position(stand.end_of_log().0 - 40);
    stand.log.trim(TopicName::Spans, P, gap(&stand));
    let run = stand.start();
    stand.finished().await;
    stand.backend.away.store(true, Ordering::Relaxed);
    stand.send(400).await;
    stand.log.trim(TopicName::Spans, P, gap(&stand));
    sleep(Duration::from_secs(5)).await;
    stand.backend.away.store(false, Ordering::Relaxed);
    stand.finished().await;
    let before = stand.wanted().len();
    stand.send(60).await;
    stand.finished().await;
    run.stop().await;
    let (got, wanted) = (stand.got(), stand.wanted());
    assert!(got.iter().all(|id| wanted.contains(id)));
    assert!(got.len() < wanted.len(), "the test has made gaps");
    assert_eq!(got.last(), wanted.last());
    let fresh = &wanted[before + 1..];
    assert!(got.ends_with(fresh), "{got:?} {fresh:?}");
}

/// When the decision log loses what was not read, the partition starts again and decides anew.
#[tokio::test(start_paused = true)]
async fn a_gap_in_the_decisions_is_passed() {
    let mut stand = Stand::new(1 << 20);
    let run = stand.start();
    for _ in 0..5 {
        stand.send(40).await;
        stand.log.hold(TopicName::Decisions);
        stand.send(120).await;
        // Written and deleted before anybody can read.
        stand.log.resume(TopicName::Decisions);
        let end = stand.log.frames(TopicName::Decisions, P);
        stand.log.trim(TopicName::Decisions, P, end.last().unwrap().position.next());
    }
    stand.finished().await;
    run.stop().await;
    let mut got = stand.got();
    got.dedup();
    assert_eq!(got, stand.wanted());
}

/// The frames in the dead letters that could not be read, in order.
fn unreadable(stand: &Stand, topic: &str) -> Vec<u64> {
    let dead_letters = stand.log.frames(TopicName::DeadLetters, P);
    let mut positions: Vec<u64> = dead_letters
        .iter()
        .map(|dead_letter| DeadLetter::read(&dead_letter.payload).unwrap())
        .filter(|dead_letter| dead_letter.topic == topic)
        .inspect(|dead_letter| {
            assert_eq!((dead_letter.exporter, dead_letter.payload), ("", &[][..]));
            assert!(dead_letter.reason.contains("fault"), "{}", dead_letter.reason);
        })
        .map(|dead_letter| dead_letter.position)
        .collect();
    positions.sort_unstable();
    positions
}

/// A record that cannot be read is a gap of one: its spans are lost and told of, and the partition
/// goes on behind it, at its first record as well as later.
#[tokio::test(start_paused = true)]
async fn a_damaged_record_is_passed() {
    for window_cache in [1 << 20, 0] {
        let mut stand = Stand::new(window_cache);
        stand.send(60).await;
        let positions = [0, 32, 33];
        for position in positions {
            stand.log.damage(TopicName::Spans, P, Some(Position(position)));
        }
        let run = stand.start();
        stand.finished().await;
        run.stop().await;
        assert_eq!(unreadable(&stand, "spans"), positions);
        let lost = [0, 66];
        let rest: Vec<u64> = stand.wanted().into_iter().filter(|id| !lost.contains(id)).collect();
        assert_eq!(stand.got(), rest);
    }
}

/// The same for one that could be read at first and cannot when its kept spans are wanted.
#[tokio::test(start_paused = true)]
async fn a_record_damaged_before_its_release_is_passed() {
    let mut stand = Stand::new(0);
    let run = stand.start();
    sleep(Duration::from_millis(50)).await;
    stand.log.hold(TopicName::Decisions);
    stand.send(60).await;
    sleep(Duration::from_secs(1)).await;
    stand.log.damage(TopicName::Spans, P, Some(Position(33)));
    stand.log.resume(TopicName::Decisions);
    stand.finished().await;
    run.stop().await;
    assert_eq!(unreadable(&stand, "spans"), [33]);
    let rest: Vec<u64> = stand.wanted().into_iter().filter(|id| *id != 66).collect();
    assert_eq!(stand.got(), rest);
}

/// Decisions that cannot be read are made again, and each is told of once.
#[tokio::test(start_paused = true)]
async fn damaged_decisions_are_passed() {
    let mut stand = Stand::new(1 << 20);
    let run = stand.start();
    let mut damaged = Vec::new();
    for _ in 0..5 {
        stand.send(40).await;
        stand.log.hold(TopicName::Decisions);
        stand.send(120).await;
        let known = stand.log.frames(TopicName::Decisions, P).len();
        stand.log.resume(TopicName::Decisions);
        for record in &stand.log.frames(TopicName::Decisions, P)[known..] {
            stand.log.damage(TopicName::Decisions, P, Some(record.position));
            damaged.push(record.position.0);
        }
    }
    stand.finished().await;
    run.stop().await;
    assert!(damaged.len() >= 5);
    assert_eq!(unreadable(&stand, "decisions"), damaged);
    let mut got = stand.got();
    got.dedup();
    assert_eq!(got, stand.wanted());
}

/// When a log is another one than the checkpoint is of, because its topic was made anew or its
/// brokers lost the end of it, what comes is not taken for read: under a running sampler and at the
/// next start, whether the new log has come as far as the old one or not.
#[tokio::test(start_paused = true)]
async fn a_log_made_anew_is_read_from_its_beginning() {
    let changes: [fn(&MemoryLog); 4] = [
        |log| log.replace(TopicName::Spans),
        |log| log.replace(TopicName::Decisions),
        |log| {
            log.replace(TopicName::Spans);
            log.replace(TopicName::Decisions);
        },
        |log| log.truncate(TopicName::Spans, P, Position(3)),
    ];
    for (change, meanwhile) in changes.iter().flat_map(|change| [0, 20, 150].map(|n| (change, n))) {
        let mut stand = Stand::new(1 << 20);
        let mut run = stand.start();
        stand.send(100).await;
        stand.finished().await;
        let before = stand.wanted().len();
        if meanwhile == 0 {
            change(&stand.log);
        } else {
            run.stop().await;
            change(&stand.log);
            stand.send(meanwhile).await;
            run = stand.start();
        }
        stand.send(60).await;
        stand.finished().await;
        run.stop().await;
        let (mut got, wanted) = (stand.got(), stand.wanted());
        got.dedup();
        assert!(got.iter().all(|id| wanted.contains(id)));
        // All but the trace that was begun before.
        assert!(got.ends_with(&wanted[before + 2..]), "{meanwhile}: {got:?} {wanted:?}");
    }
}

/// I6: dead letters that are slow to become durable take no more memory than the budget has, however
/// much garbage is in the log.
#[tokio::test(start_paused = true)]
async fn dead_letters_under_way_are_within_the_budget() {
    const DEAD_LETTERS: usize = 64;
    let stand = Stand::new(DEAD_LETTERS << 10);
    let run = stand.start();
    stand.log.hold(TopicName::DeadLetters);
    for _ in 0..3_000 {
        let garbage = Record::spans(0, vec![7_u8; 1_000].into());
        stand.log.log().spans.writer.append(P, garbage).await.unwrap();
        sleep(Duration::from_millis(10)).await;
    }
    let held = stand.log.release(TopicName::DeadLetters, usize::MAX);
    assert!((DEAD_LETTERS / 2..=DEAD_LETTERS + 2).contains(&held), "{held} letters");
    stand.log.resume(TopicName::DeadLetters);
    stand.finished().await;
    run.stop().await;
    assert_eq!(stand.log.frames(TopicName::DeadLetters, P).len(), 3_000);
}
