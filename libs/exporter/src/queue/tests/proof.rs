//! Who is at fault, the backend or the spans.

use std::sync::atomic::AtomicBool;

use super::{delivery::spans, *};
use crate::testing::{frame, ids};

type Failure = fn() -> ExportError;

/// All that a backend can answer but a word that is certain by itself.
const FAILURES: [(&str, Failure); 5] = [
    ("retryable", || ExportError::retryable("503")),
    ("barred", || ExportError::Misconfigured { message: "403".into() }),
    ("doubtful", || ExportError::Doubtful { message: "500".into() }),
    ("overloaded", || ExportError::Overloaded { message: "no answer".into() }),
    ("rejected", || ExportError::Rejected { message: "400".into() }),
];

/// What can be the fault of the spans.
const PROVABLE: [(&str, Failure); 3] = [FAILURES[1], FAILURES[2], FAILURES[4]];

fn of_spans(position: u64, of: std::ops::Range<u64>) -> KeptSpans {
    let ticket = Ticket { partition: 0, position, piece: 0 };
    let spans = spans(of);
    KeptSpans { bytes: frame(&spans), spans: spans.len() as u32, ticket }
}

fn holds(batch: &Batch, id: u64) -> bool {
    batch.pieces().iter().flat_map(|one| ids(one)).any(|it| it == id)
}

/// A backend that answers everything with the same failure is at fault itself, for however long.
/// When it is well, it gets everything; meanwhile it is not flooded.
#[tokio::test(start_paused = true)]
async fn an_answer_that_all_get_proves_the_backend() {
    for (name, failure) in FAILURES {
        for in_flight in [1, 4] {
            let well = Arc::new(AtomicBool::new(false));
            let is_well = Arc::clone(&well);
            let backend = Backend::new(move |_| {
                if is_well.load(Ordering::Relaxed) {
                    Ok(Accepted::default())
                } else {
                    Err(failure())
                }
            });
            let mut running = run(&backend, QueueSettings { in_flight, ..settings() });
            for position in 0..30 {
                running.send(of_spans(position, position * 20..position * 20 + 20));
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
            let requests = backend.sizes().len();
            assert!(requests < 2000, "{name} {in_flight}: {requests} requests");
            let mut settled = Vec::new();
            assert!(!running.outcomes.take(&mut settled), "{name} {in_flight}: {settled:?}");
            assert!(running.handle.is_failing(), "{name} {in_flight}");
            well.store(true, Ordering::Relaxed);
            let settled = running.settled(30).await;
            let all = settled.iter().all(|settled| settled.outcome == Outcome::Delivered);
            assert!(all, "{name} {in_flight}: {settled:?}");
            assert!(!running.handle.is_failing(), "{name} {in_flight}");
            assert_eq!(running.stop().await, Undelivered::default());
        }
    }
}

/// A backend that fails for a moment gets everything, and soon.
#[tokio::test(start_paused = true)]
async fn a_passing_failure_is_no_verdict() {
    for (name, failure) in FAILURES {
        let backend = Backend::scripted((0..4).map(|_| Err(failure())).collect());
        let mut running = run(&backend, QueueSettings { in_flight: 1, ..settings() });
        for position in 0..3 {
            running.send(of_spans(position, position * 20..position * 20 + 20));
        }
        let settled = running.settled(3).await;
        let all = settled.iter().all(|settled| settled.outcome == Outcome::Delivered);
        assert!(all, "{name}: {settled:?}");
        let took = running.began.elapsed();
        assert!(took < Duration::from_secs(150), "{name}: {took:?}");
    }
}

/// The answer that one span causes, alone and with others, is found to be its fault, and it alone is
/// given up; what comes after it does not wait for that, also where there is one request at a time.
#[tokio::test(start_paused = true)]
async fn an_answer_that_one_span_gets_while_others_are_delivered_proves_the_span() {
    for (name, failure) in PROVABLE {
        for in_flight in [1, 4] {
            let backend = Backend::new(move |batch| {
                if holds(batch, 47) { Err(failure()) } else { Ok(Accepted::default()) }
            });
            let mut running = run(&backend, QueueSettings { in_flight, ..settings() });
            let mut settled = Vec::new();
            let mut sent = 0;
            while settled.iter().all(|it: &Settled| it.outcome == Outcome::Delivered) {
                assert!(sent < 1000, "{name} {in_flight}: it is never proven");
                running.send(of_spans(sent, sent * 20..sent * 20 + 20));
                sent += 1;
                tokio::time::sleep(Duration::from_secs(10)).await;
                running.outcomes.take(&mut settled);
            }
            let late = if name == "barred" { 10 } else { 3 };
            let behind = sent - settled.len() as u64;
            assert!(behind <= late, "{name} {in_flight}: {behind} wait");
            while settled.len() < sent as usize {
                running.outcomes.next(&mut settled).await;
            }
            let refused: Vec<_> =
                settled.iter().filter(|it| it.outcome != Outcome::Delivered).collect();
            assert_eq!(refused.len(), 1, "{name} {in_flight}");
            assert_eq!(refused[0].ticket.position, 2);
            let Outcome::Refused { bytes, spans: 1, .. } = &refused[0].outcome else { panic!() };
            assert_eq!(ids(bytes), [47]);
            assert_eq!(running.stop().await, Undelivered::default());
        }
    }
}

/// Where nothing else is delivered there is no proof, however long it takes; the next that is
/// delivered gives it.
#[tokio::test(start_paused = true)]
async fn a_span_that_is_refused_alone_is_held_until_another_is_delivered() {
    for (name, failure) in [PROVABLE[1], PROVABLE[2]] {
        let backend =
            Backend::new(
                move |batch| {
                    if holds(batch, 0) { Err(failure()) } else { Ok(Accepted::default()) }
                },
            );
        let mut running = run(&backend, QueueSettings { in_flight: 1, ..settings() });
        running.send(of_spans(0, 0..1));
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let mut settled = Vec::new();
        assert!(!running.outcomes.take(&mut settled), "{name}: {settled:?}");
        running.send(of_spans(1, 1..2));
        let settled = running.settled(2).await;
        assert_eq!(settled[0].outcome, Outcome::Delivered, "{name}");
        assert!(matches!(settled[1].outcome, Outcome::Refused { .. }), "{name}");
    }
}

/// More bad ones than there are requests at a time, before anything good.
#[tokio::test(start_paused = true)]
async fn what_is_held_leaves_room_for_what_may_be_delivered() {
    for (name, failure) in PROVABLE {
        let backend = Backend::new(move |batch| {
            if (0..20).any(|id| holds(batch, id)) {
                Err(failure())
            } else {
                Ok(Accepted::default())
            }
        });
        let settings = QueueSettings { in_flight: 2, flush_after: Duration::ZERO, ..settings() };
        let mut running = run(&backend, settings);
        for position in 0..40 {
            running.send(of_spans(position, position..position + 1));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut settled = Vec::new();
        for position in 40.. {
            running.outcomes.take(&mut settled);
            if settled.iter().filter(|it| it.outcome != Outcome::Delivered).count() == 20 {
                break;
            }
            assert!(position < 2000, "{name}: {} settled", settled.len());
            running.send(of_spans(position, position..position + 1));
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        let refused = settled.iter().filter(|it| it.outcome != Outcome::Delivered);
        assert!(refused.into_iter().all(|it| it.ticket.position < 20), "{name}");
    }
}

/// The clock goes on while the queue looks at it, which one that is paused hides: what has waited is
/// due then, too.
#[tokio::test]
async fn what_has_waited_is_sent_while_the_clock_goes_on() {
    for (name, failure) in FAILURES {
        let asked = AtomicUsize::new(0);
        let backend = Backend::new(move |_| {
            let bad = asked.fetch_add(1, Ordering::Relaxed) < 100;
            if bad { Err(failure()) } else { Ok(Accepted::default()) }
        });
        let millis = |millis| Duration::from_millis(millis);
        let retry = RetryPolicy {
            initial_interval: millis(1),
            max_interval: millis(4),
            max_elapsed_time: millis(20),
            ..RetryPolicy::default()
        };
        let settings = QueueSettings { retry, flush_after: millis(1), ..settings() };
        let mut running = run(&backend, settings);
        for position in 0..20 {
            running.send(of_spans(position, position * 10..position * 10 + 4));
        }
        let all = tokio::time::timeout(Duration::from_secs(30), running.settled(20)).await;
        assert!(all.is_ok(), "{name}: {} requests", backend.sizes().len());
    }
}

#[tokio::test(start_paused = true)]
async fn stopping_leaves_what_is_held_in_the_log() {
    let backend = Backend::new(|_| Err(ExportError::Doubtful { message: "500".into() }));
    let running = run(&backend, settings());
    running.send(of_spans(0, 0..5));
    tokio::time::sleep(Duration::from_secs(1000)).await;
    let before = Instant::now();
    assert_eq!(running.stop().await, Undelivered { pieces: 1, spans: 5 });
    assert_eq!(before.elapsed(), Duration::ZERO);
}
