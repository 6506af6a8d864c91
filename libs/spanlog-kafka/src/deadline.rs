//! Waiting for async answers on a thread of our own, but not for ever.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::Thread,
    time::Instant,
};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The output of `future`, if it comes before `deadline`.
pub(super) fn block_until<F: Future>(deadline: Instant, future: F) -> Option<F::Output> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        let left = deadline.checked_duration_since(Instant::now())?;
        std::thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, time::Duration};

    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn an_answer_wakes_it_and_silence_does_not_hold_it() {
        let (sender, receiver) = oneshot::channel();
        let far = Instant::now() + Duration::from_secs(60);
        let sending = std::thread::spawn(move || sender.send(7));
        assert_eq!(block_until(far, receiver), Some(Ok(7)));
        assert_eq!(sending.join().unwrap(), Ok(()));
        assert_eq!(block_until(Instant::now(), pending::<()>()), None);
    }
}
