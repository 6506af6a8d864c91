//! The task that turns waiting requests into batches of frames.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use wholetrace_spanlog::{Record, Writer};

use crate::{
    admission::lease::Held,
    ingest::{
        batch::frames,
        flight::{Appending, Flight, Outcome, Request},
    },
    metrics::IngestMetrics,
    reject::{RejectReason, Rejection},
    split::Split,
};

/// Batches on their way at a time: one that the log makes durable, and one that it takes up right
/// after. While they are, requests gather for the next: the slower the log answers, the more of
/// them share a frame. No timer is needed, and none delays a request that finds the log idle.
const FLIGHTS_MAX: usize = 2;

/// A batch takes no more requests once its frames have this size.
const BATCH_BYTES: usize = 4 << 20;

/// How frames are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Framing {
    /// Epoch of the routing by which requests were split.
    pub(crate) epoch: u32,
    /// Size at which a frame is closed.
    pub(crate) frame_bytes: usize,
    /// Time that the log has for a batch.
    pub(crate) append_timeout: Duration,
}

/// A request on its way to the framer.
#[derive(Debug)]
pub(crate) struct Waiting {
    split: Split,
    held: Held,
    answer: oneshot::Sender<Outcome>,
}

/// The handle that requests are appended by. Cheap to clone; when all are gone, the framer
/// finishes what waits and ends.
#[derive(Clone, Debug)]
pub(crate) struct Ingest {
    queue: mpsc::Sender<Waiting>,
    append_timeout: Duration,
}

/// Makes a handle and the framer behind it, which is to be run. At most `waiting_max` requests
/// wait at a time.
pub(crate) fn ingest(
    writer: Arc<dyn Writer>,
    framing: Framing,
    waiting_max: usize,
    metrics: IngestMetrics,
) -> (Ingest, Framer) {
    let (queue, waiting) = mpsc::channel(waiting_max);
    let append_timeout = framing.append_timeout;
    (Ingest { queue, append_timeout }, Framer { waiting, writer, framing, metrics })
}

impl Ingest {
    /// Appends the spans of a request; resolves when all of them are durable.
    ///
    /// # Errors
    /// The log could not take them, or not in time. Some of them may be in it all the same.
    pub(crate) async fn append(&self, split: Split, held: Held) -> Outcome {
        let (answer, outcome) = oneshot::channel();
        self.queue.try_send(Waiting { split, held, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Rejection::new(
                RejectReason::Queue,
                "too many requests wait for the log: retry later",
            ),
            mpsc::error::TrySendError::Closed(_) => closed(),
        })?;
        match timeout(self.append_timeout, outcome).await {
            Ok(Ok(outcome)) => outcome,
            // The framer gives up on a batch after the same time.
            Ok(Err(_)) | Err(_) => Err(Rejection::new(
                RejectReason::LogTimeout,
                "the log did not answer in time: retry later",
            )),
        }
    }
}

fn closed() -> Rejection {
    Rejection::new(RejectReason::ShuttingDown, "the gateway is shutting down")
}

/// Makes frames of waiting requests and hands them to the log.
pub(crate) struct Framer {
    waiting: mpsc::Receiver<Waiting>,
    writer: Arc<dyn Writer>,
    framing: Framing,
    metrics: IngestMetrics,
}

impl Framer {
    /// Works until all handles are gone and everything that waited is settled.
    pub(crate) async fn run(mut self) {
        let mut flights = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                Some(_) = flights.next(), if !flights.is_empty() => {}
                first = self.waiting.recv(), if flights.len() < FLIGHTS_MAX => {
                    let Some(first) = first else { break };
                    let batch = self.gather(first);
                    flights.push(timeout(self.framing.append_timeout, self.start(batch)));
                }
            }
        }
        while flights.next().await.is_some() {}
    }

    /// `first` and what else waits, up to the size of a batch.
    fn gather(&mut self, first: Waiting) -> Vec<Waiting> {
        let mut bytes = first.split.frame_bytes();
        let mut batch = vec![first];
        while bytes < BATCH_BYTES {
            let Ok(next) = self.waiting.try_recv() else { break };
            // Its sender has been told already that it was not in time.
            if next.answer.is_closed() {
                continue;
            }
            bytes = bytes.saturating_add(next.split.frame_bytes());
            batch.push(next);
        }
        batch
    }

    /// Hands the frames of `batch` to the log. The bodies of the requests end here.
    fn start(&self, batch: Vec<Waiting>) -> Flight {
        let splits: Vec<&Split> = batch.iter().map(|waiting| &waiting.split).collect();
        let frames = frames(&splits, self.framing.frame_bytes);
        let (requests, count, mut bytes) = (batch.len(), frames.len(), 0);
        let mut appending = Vec::with_capacity(count);
        for frame in frames {
            bytes += frame.payload.len();
            let record = Record::spans(self.framing.epoch, frame.payload);
            let append = self.writer.append(frame.partition, record);
            appending.push(Appending { append, requests: frame.requests });
        }
        self.metrics.batch(requests, count, bytes);
        let requests = batch
            .into_iter()
            .map(|Waiting { held, answer, .. }| Request {
                answer: Some(answer),
                held: Some(held),
                open: 0,
            })
            .collect();
        Flight::new(appending, requests)
    }
}
