//! Frames on their way into the log, and the requests that wait for them.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::Stream;
use tokio::{sync::oneshot, time::Instant};
use wholetrace_spanlog::{Append, Partition};

use crate::{admission::lease::RequestLease, ingest::pressure::Permit, reject::Rejection};

/// What becomes of a request.
pub(crate) type Outcome = Result<(), Rejection>;

/// A request that waits for its frames.
#[derive(Debug)]
pub(crate) struct Request {
    /// Where its outcome goes; taken when it is settled.
    pub(crate) answer: Option<oneshot::Sender<Outcome>>,
    /// The bytes it keeps in flight until then.
    pub(crate) lease: Option<(RequestLease, Permit)>,
    /// Frames that are not settled.
    pub(crate) open: u32,
}

/// A frame handed to the log, with the requests that have spans in it.
#[derive(Debug)]
pub(crate) struct Appending {
    pub(crate) append: Append,
    pub(crate) partition: Partition,
    pub(crate) bytes: usize,
    /// When the first of its requests came.
    pub(crate) came: Instant,
    /// When it was handed to the log.
    pub(crate) sent: Instant,
    pub(crate) requests: Vec<u32>,
}

/// A frame that the log has answered for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    pub(crate) partition: Partition,
    pub(crate) bytes: usize,
    pub(crate) came: Instant,
    pub(crate) sent: Instant,
    pub(crate) durable: bool,
}

/// The frames of a burst. Gives those that the log has answered for; each request is answered as
/// soon as its own are settled: with the first refusal, if there was one.
///
/// The frames of a request that was refused may be in the log all the same; its sender will send
/// it again and readers see those spans twice. That is the contract of the log.
#[derive(Debug)]
pub(crate) struct Burst {
    appending: Vec<Appending>,
    requests: Vec<Request>,
}

impl Burst {
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

    /// When the first of the requests came that wait for these frames.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.appending.iter().map(|frame| frame.came).min()
    }
}

impl Stream for Burst {
    type Item = Vec<Settled>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Vec<Settled>>> {
        let Self { appending, requests } = self.get_mut();
        let mut settled = Vec::new();
        // The log settles its frames in bursts, so asking all that are left is asking few too many.
        appending.retain_mut(|frame| match Pin::new(&mut frame.append).poll(context) {
            Poll::Pending => true,
            Poll::Ready(outcome) => {
                let Appending { partition, bytes, came, sent, .. } = *frame;
                settled.push(Settled { partition, bytes, came, sent, durable: outcome.is_ok() });
                for request in &frame.requests {
                    if let Some(request) = requests.get_mut(*request as usize) {
                        request.settle(outcome.clone().map(drop).map_err(Rejection::from));
                    }
                }
                false
            }
        });
        match (settled.is_empty(), appending.is_empty()) {
            (false, _) => Poll::Ready(Some(settled)),
            (true, true) => Poll::Ready(None),
            (true, false) => Poll::Pending,
        }
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
            self.lease = None;
        }
    }
}
