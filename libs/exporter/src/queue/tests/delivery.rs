//! What the queue does with what the backend says.

use super::*;
use crate::testing::{Span, frame, ids};

#[tokio::test(start_paused = true)]
async fn failures_are_repeated_with_growing_waits_and_the_backends_advice() {
    let advice = |seconds| ExportError::Retryable {
        after: Some(Duration::from_secs(seconds)),
        message: "busy".into(),
    };
    let backend = Backend::scripted(vec![
        Err(ExportError::retryable("down")),
        Err(ExportError::retryable("down")),
        Err(advice(10)),
        Err(advice(1)),
    ]);
    let mut running = run(&backend, settings());
    running.send(piece(0, 1000));
    assert_eq!(running.settled(1).await.len(), 1);
    assert_eq!(backend.times(running.began), [0, 1000, 2500, 12_500, 15_875]);
}

#[tokio::test(start_paused = true)]
async fn a_closed_backend_is_asked_again_at_the_longest_interval() {
    let barred = || Err(ExportError::Misconfigured { message: "401".into() });
    let backend = Backend::scripted(vec![barred(), barred()]);
    let mut running = run(&backend, settings());
    running.send(piece(0, 1000));
    let settled = running.settled(1).await;
    assert!(matches!(settled[..], [Settled { outcome: Outcome::Delivered, .. }]));
    assert_eq!(backend.times(running.began), [0, 30_000, 60_000]);
}

#[tokio::test(start_paused = true)]
async fn trap_07_a_batch_that_is_too_large_is_halved_until_it_fits() {
    let backend =
        Backend::new(
            |batch| {
                if batch.len() > 250 { Err(rejected()) } else { Ok(Accepted::default()) }
            },
        );
    let mut running = run(&backend, settings());
    for position in 0..9 {
        running.send(piece(position, 100));
    }
    running.send(piece(9, 100));
    let settled = running.settled(10).await;
    assert!(settled.iter().all(|settled| settled.outcome == Outcome::Delivered));
    assert_eq!(backend.sizes(), [1000, 500, 200, 300, 100, 200, 500, 200, 300, 100, 200]);
}

#[tokio::test(start_paused = true)]
async fn trap_17_only_the_piece_that_the_backend_does_not_take_is_refused() {
    let backend = Backend::new(|batch| {
        let poisoned = batch.pieces().iter().any(|piece| piece.starts_with(b"bad"));
        if poisoned { Err(rejected()) } else { Ok(Accepted::default()) }
    });
    let mut running = run(&backend, settings());
    for position in 0..5 {
        let mut kept = piece(position, 200);
        if position == 3 {
            kept.bytes = Bytes::from_static(b"bad span");
        }
        running.send(kept);
    }
    let settled = running.settled(5).await;
    let refused: Vec<_> =
        settled.iter().filter(|settled| settled.outcome != Outcome::Delivered).collect();
    let outcome = Outcome::Refused {
        reason: "too large".into(),
        bytes: Bytes::from_static(b"bad span"),
        spans: 1,
    };
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].ticket.position, 3);
    assert_eq!(refused[0].outcome, outcome);
}

/// Pieces of several spans, of which the backend takes no message beyond a size.
#[tokio::test(start_paused = true)]
async fn a_piece_that_is_too_large_is_divided_by_spans() {
    let most = frame(&spans(0..3)).len();
    let backend =
        Backend::new(
            move |batch| {
                if batch.len() > most { Err(rejected()) } else { Ok(Accepted::default()) }
            },
        );
    let mut running = run(&backend, settings());
    for position in 0..2 {
        let ticket = Ticket { partition: 0, position, piece: 0 };
        let bytes = frame(&spans(position * 20..position * 20 + 20));
        running.send(KeptSpans { bytes, spans: 20, ticket });
    }
    let settled = running.settled(2).await;
    assert!(settled.iter().all(|settled| settled.outcome == Outcome::Delivered));
    assert_eq!(taken(&backend, most), (0..40).collect::<Vec<_>>());
    assert_eq!(running.stop().await, Undelivered::default());
}

#[tokio::test(start_paused = true)]
async fn of_a_piece_only_the_spans_are_refused_that_do_not_fit_alone() {
    let poison = |batch: &Batch| batch.pieces().iter().flat_map(|one| ids(one)).any(|id| id == 7);
    let backend =
        Backend::new(
            move |batch| {
                if poison(batch) { Err(rejected()) } else { Ok(Accepted::default()) }
            },
        );
    let mut running = run(&backend, settings());
    let ticket = Ticket { partition: 0, position: 5, piece: 0 };
    running.send(KeptSpans { bytes: frame(&spans(0..20)), spans: 20, ticket });
    let settled = running.settled(1).await;
    let Outcome::Refused { bytes, spans: 1, .. } = &settled[0].outcome else {
        panic!("{settled:?}")
    };
    assert_eq!(ids(bytes), [7]);
    assert_eq!(running.stop().await, Undelivered::default());
}

/// A backend that refuses all spans of a piece, and takes others, does not get a request for each.
#[tokio::test(start_paused = true)]
async fn a_piece_is_not_divided_forever() {
    let bad = |batch: &Batch| batch.pieces().iter().any(|one| ids(one).iter().any(|id| *id < 4096));
    let backend = Backend::new(
        move |batch| if bad(batch) { Err(rejected()) } else { Ok(Accepted::default()) },
    );
    let mut running = run(&backend, QueueSettings { batch_bytes: 1 << 20, ..settings() });
    let piece = |position, ids| {
        let (spans, ticket) = (spans(ids), Ticket { partition: 0, position, piece: 0 });
        KeptSpans { bytes: frame(&spans), spans: spans.len() as u32, ticket }
    };
    running.send(piece(5, 0..4096));
    let (handle, others) = (running.handle.clone(), outcomes());
    let sender = tokio::spawn(async move {
        for position in 6.. {
            let room = handle.room(1000).await.unwrap();
            room.send(piece(position, 4096 + position..4097 + position), &others.0);
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    });
    let settled = running.settled(1).await;
    sender.abort();
    let Outcome::Refused { bytes, spans: 4096, .. } = &settled[0].outcome else {
        panic!("all are refused")
    };
    let mut given_up = ids(bytes);
    given_up.sort_unstable();
    assert_eq!(given_up, (0..4096).collect::<Vec<_>>());
    let requests = backend.seen.lock().unwrap().iter().filter(|(_, batch)| bad(batch)).count();
    assert!(requests < 400, "{requests}");
}

pub(super) fn spans(ids: std::ops::Range<u64>) -> Vec<Span> {
    ids.map(|id| Span { key: 1, id, ..Span::default() }).collect()
}

/// The spans in all that was taken.
fn taken(backend: &Backend, most: usize) -> Vec<u64> {
    let seen = backend.seen.lock().unwrap();
    let batches = seen.iter().filter(|(_, batch)| batch.len() <= most);
    let mut all: Vec<u64> =
        batches.flat_map(|(_, batch)| batch.pieces().to_vec()).flat_map(|one| ids(&one)).collect();
    all.sort_unstable();
    all
}

#[tokio::test(start_paused = true)]
async fn a_permanent_refusal_refuses_the_whole_batch_once() {
    let error = ExportError::Permanent { message: "INTERNAL: broken".into() };
    let backend = Backend::scripted(vec![Err(error)]);
    let mut running = run(&backend, settings());
    running.send(piece(0, 500));
    running.send(piece(1, 500));
    let settled = running.settled(2).await;
    assert!(settled.iter().all(|settled| matches!(settled.outcome, Outcome::Refused { .. })));
    assert_eq!(backend.sizes(), [1000]);
}

#[tokio::test(start_paused = true)]
async fn a_partial_success_is_delivered_and_not_repeated() {
    let accepted = Accepted { rejected: 1, message: "no".into() };
    let backend = Backend::scripted(vec![Ok(accepted)]);
    let mut running = run(&backend, settings());
    running.send(piece(0, 1000));
    assert_eq!(running.settled(1).await[0].outcome, Outcome::Delivered);
    assert_eq!(backend.sizes(), [1000]);
}

#[derive(Clone, Copy, Debug)]
enum Mood {
    Takes,
    Fails,
    IsMisconfigured,
    Doubts,
    IsOverloaded,
    Rejects,
    RefusesForGood,
}

fn moods() -> impl Strategy<Value = Mood> {
    prop_oneof![
        4 => Just(Mood::Takes),
        2 => Just(Mood::Fails),
        1 => Just(Mood::IsMisconfigured),
        2 => Just(Mood::Doubts),
        1 => Just(Mood::IsOverloaded),
        2 => Just(Mood::Rejects),
        1 => Just(Mood::RefusesForGood),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the backend does, each ticket gets exactly one outcome, and what is delivered is
    /// what the backend took.
    #[test]
    fn prop_each_ticket_gets_exactly_one_outcome(
        lens in proptest::collection::vec(0usize..1500, 1..60),
        moods in proptest::collection::vec(moods(), 0..60),
        in_flight in 1usize..5,
        capacity in 300usize..10_000,
        max_elapsed_time in 0u64..60,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async move {
            let script = Mutex::new(VecDeque::from(moods));
            let backend = Backend::new(move |_| {
                let mood = script.lock().unwrap().pop_front().unwrap_or(Mood::Takes);
                let message = String::new();
                match mood {
                    Mood::Takes => Ok(Accepted::default()),
                    Mood::Fails => Err(ExportError::Retryable { after: None, message }),
                    Mood::IsMisconfigured => Err(ExportError::Misconfigured { message }),
                    Mood::Doubts => Err(ExportError::Doubtful { message }),
                    Mood::IsOverloaded => Err(ExportError::Overloaded { message }),
                    Mood::Rejects => Err(ExportError::Rejected { message }),
                    Mood::RefusesForGood => Err(ExportError::Permanent { message }),
                }
            });
            let max_elapsed_time = Duration::from_secs(max_elapsed_time);
            let retry = RetryPolicy { max_elapsed_time, ..settings().retry };
            let settings = QueueSettings { in_flight, capacity, retry, ..settings() };
            let mut running = run(&backend, settings);
            let mut outcomes = BTreeMap::<u64, usize>::new();
            let mut settled = Vec::new();
            for (position, len) in lens.iter().enumerate() {
                let room = running.handle.room(*len).await.unwrap();
                room.send(piece(position as u64, *len), &running.sink);
                running.outcomes.take(&mut settled);
            }
            while settled.len() < lens.len() {
                running.outcomes.next(&mut settled).await;
            }
            assert_eq!(running.stop().await, Undelivered::default());
            for one in &settled {
                *outcomes.entry(one.ticket.position).or_default() += 1;
            }
            assert_eq!(outcomes.len(), lens.len());
            assert!(outcomes.values().all(|count| *count == 1));
        });
    }
}

/// Wherever it is: waiting for others, under way, or held back.
#[tokio::test(start_paused = true)]
async fn the_oldest_piece_that_is_owed_is_known() {
    let second = Duration::from_secs(1);
    let answers = vec![Err(rejected()), Ok(Accepted::default())];
    let backend = Backend::scripted(answers);
    let (handle, mut queue) = queue(backend, ExporterIndex(0), settings());
    let (sink, _outcomes) = outcomes();
    assert_eq!(queue.oldest(), None);
    let first = Instant::now();
    handle.try_send(piece(0, 1), &sink).unwrap();
    assert_eq!(queue.oldest(), Some(first));
    tokio::time::sleep(second).await;
    queue.start_due_batches();
    handle.try_send(piece(1, 1), &sink).unwrap();
    assert_eq!(queue.oldest(), Some(first), "under way");
    let ended = queue.requests.join_next_with_id().await.unwrap();
    queue.hold(ended);
    assert_eq!((queue.held.len(), queue.oldest()), (1, Some(first)), "held back");
    let mut seen = Vec::new();
    loop {
        let due = queue.start_due_batches();
        seen.push(queue.oldest());
        match (queue.requests.join_next_with_id().await, due) {
            (Some(ended), _) => queue.hold(ended),
            (None, Some(due)) => sleep_until(due).await,
            (None, None) => break,
        }
    }
    // The other one is delivered before; only then is this one tried again.
    assert_eq!((seen.first(), seen.last()), (Some(&Some(first)), Some(&None)), "{seen:?}");
    assert!(seen.iter().flatten().all(|oldest| *oldest == first), "{seen:?}");
}
