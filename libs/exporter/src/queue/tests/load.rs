//! Backends that take less than they are given.

use super::{delivery::spans, *};
use crate::testing::{frame, ids};

fn pieces(count: u64) -> impl Iterator<Item = KeptSpans> {
    (0..count).map(|position| {
        let ticket = Ticket { partition: 0, position, piece: 0 };
        let of = spans(position * 50..position * 50 + 50);
        KeptSpans { bytes: frame(&of), spans: 50, ticket }
    })
}

/// Sends these pieces, and gives how often each of their spans was stored by a backend that `stores`
/// them whatever it answers.
async fn stored(
    backend: &Arc<Backend>,
    in_flight: usize,
    stores: impl Fn(&Batch) -> bool,
) -> Vec<usize> {
    let settings = QueueSettings { in_flight, batch_bytes: 1 << 16, ..settings() };
    let mut running = run(backend, settings);
    for kept in pieces(60) {
        let room = running.handle.room(kept.bytes.len()).await.unwrap();
        room.send(kept, &running.sink);
    }
    let settled = running.settled(60).await;
    assert!(settled.iter().all(|settled| settled.outcome == Outcome::Delivered));
    let mut times = vec![0; 3000];
    for (_, batch) in backend.seen.lock().unwrap().iter().filter(|(_, batch)| stores(batch)) {
        for id in batch.pieces().iter().flat_map(|one| ids(one)) {
            times[id as usize] += 1;
        }
    }
    times
}

/// A rate limit in bytes that a batch of the configured size is never within.
#[tokio::test(start_paused = true)]
async fn a_backend_that_takes_so_many_bytes_a_second_gets_everything_at_its_pace() {
    const BYTES: f64 = 10_000.0;
    for in_flight in [1, 4] {
        let bucket = Mutex::new((BYTES, Instant::now()));
        let backend = Backend::new(move |batch| {
            let (mut left, then) = *bucket.lock().unwrap();
            left = (left + then.elapsed().as_secs_f64() * BYTES).min(BYTES);
            let taken = batch.len() as f64 <= left;
            *bucket.lock().unwrap() =
                (left - if taken { batch.len() as f64 } else { 0.0 }, Instant::now());
            if taken {
                Ok(Accepted::default())
            } else {
                Err(ExportError::Overloaded { message: "rate limited".into() })
            }
        });
        stored(&backend, in_flight, |_| false).await;
        let requests = backend.sizes().len();
        assert!(requests < 400, "{in_flight}: {requests} requests");
    }
}

/// A backend that stores what it is sent, and says so too late if it is much.
#[tokio::test(start_paused = true)]
async fn a_backend_that_answers_too_late_gets_no_span_again_and_again() {
    for in_flight in [1, 4] {
        let backend = Backend::new(|batch| {
            if batch.len() > 5_000 {
                Err(ExportError::Overloaded { message: "no answer within 5s".into() })
            } else {
                Ok(Accepted::default())
            }
        });
        let times = stored(&backend, in_flight, |_| true).await;
        let all: usize = times.iter().sum();
        assert!(times.iter().all(|times| (1..=12).contains(times)), "{times:?}");
        assert!(all < 3 * 3000 + in_flight * 6000, "{all} stored");
    }
}
