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
