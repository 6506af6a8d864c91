//! Frames on their way into the log, and the requests that wait for them.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::oneshot;
use wholetrace_spanlog::Append;

use crate::{admission::lease::Held, reject::Rejection};

/// What becomes of a request.
pub(crate) type Outcome = Result<(), Rejection>;

/// A request that waits for its frames.
#[derive(Debug)]
pub(crate) struct Request {
    /// Where its outcome goes; taken when it is settled.
    pub(crate) answer: Option<oneshot::Sender<Outcome>>,
    /// The bytes it keeps in flight until then.
    pub(crate) held: Option<Held>,
    /// Frames that are not settled.
    pub(crate) open: u32,
}

/// A frame handed to the log, with the requests that have spans in it.
#[derive(Debug)]
pub(crate) struct Appending {
    pub(crate) append: Append,
    pub(crate) requests: Vec<u32>,
}

/// A batch of frames. Resolves when the log has answered for all of them; each request is answered
/// as soon as its own are settled: with the first refusal, if there was one.
///
/// The frames of a request that was refused may be in the log all the same; its sender will send
/// it again and readers see those spans twice. That is the contract of the log.
#[derive(Debug)]
pub(crate) struct Flight {
    appending: Vec<Appending>,
    requests: Vec<Request>,
}

impl Flight {
    /// Frames that were handed to the log, and the requests that wait for them.
    pub(crate) fn new(appending: Vec<Appending>, mut requests: Vec<Request>) -> Self {
        for frame in &appending {
            for request in &frame.requests {
                if let Some(request) = requests.get_mut(*request as usize) {
                    request.open += 1;
                }
            }
        }
        Self { appending, requests }
    }
}

impl Future for Flight {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self { appending, requests } = self.get_mut();
        // The log settles its frames in bursts, so asking all that are left is asking few too many.
        appending.retain_mut(|frame| match Pin::new(&mut frame.append).poll(context) {
            Poll::Pending => true,
            Poll::Ready(outcome) => {
                for request in &frame.requests {
                    if let Some(request) = requests.get_mut(*request as usize) {
                        request.settle(outcome.clone().map(drop).map_err(Rejection::from));
                    }
                }
                false
            }
        });
        if appending.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Request {
    /// One frame was settled.
    fn settle(&mut self, outcome: Outcome) {
        self.open = self.open.saturating_sub(1);
        if outcome.is_err() || self.open == 0 {
            if let Some(answer) = self.answer.take() {
                // A sender that has given up is no reason to do anything.
                drop(answer.send(outcome));
            }
            self.held = None;
        }
    }
}
