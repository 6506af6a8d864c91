//! The end of a queue.

use super::*;

#[tokio::test(start_paused = true)]
async fn stopping_sends_what_waits_once() {
    let backend = Backend::new(|_| Ok(Accepted::default()));
    let mut running = run(&backend, settings());
    running.send(piece(0, 10));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let mut settled = Vec::new();
    let (handle, mut outcomes) = (running.handle.clone(), outcomes().1);
    std::mem::swap(&mut outcomes, &mut running.outcomes);
    assert_eq!(running.stop().await, Undelivered::default());
    assert!(outcomes.take(&mut settled));
    assert_eq!(settled[0].outcome, Outcome::Delivered);
    assert_eq!(backend.closed.load(Ordering::SeqCst), 1);
    assert!(matches!(handle.room(1).await, Err(Stopped)));
}

#[tokio::test(start_paused = true)]
async fn stopping_does_not_wait_for_a_backend_that_is_down() {
    let backend = Backend::new(|_| Err(ExportError::retryable("down")));
    let running = run(&backend, QueueSettings { in_flight: 1, ..settings() });
    running.send(piece(0, 1000));
    running.send(piece(1, 1000));
    tokio::time::sleep(Duration::from_millis(10)).await;
    let before = Instant::now();
    assert_eq!(running.stop().await, Undelivered { pieces: 2, spans: 2 });
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn stopping_gives_a_hanging_backend_up_within_the_bound() {
    let backend = Backend::slow(Duration::from_secs(3600), |_| Ok(Accepted::default()));
    let running = run(&backend, settings());
    running.send(piece(0, 1000));
    running.send(piece(1, 10));
    tokio::time::sleep(Duration::from_millis(10)).await;
    let before = Instant::now();
    assert_eq!(running.stop().await, Undelivered { pieces: 2, spans: 2 });
    assert_eq!(before.elapsed(), Duration::from_secs(5));
}
