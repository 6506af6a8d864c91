mod delivery;
mod load;
mod proof;
mod stopping;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use proptest::prelude::*;
use tokio::sync::oneshot;

use super::*;
use crate::{
    contract::{Accepted, Batch, ExportError, Outcome, Settled, Ticket},
    outcomes::{Outcomes, outcomes},
    testing,
};

type Answer = Box<dyn Fn(&Batch) -> Result<Accepted, ExportError> + Send + Sync>;

/// A backend that answers as the test says, and notes what came and when.
struct Backend {
    answer: Answer,
    takes: Duration,
    seen: Mutex<Vec<(Instant, Batch)>>,
    now: AtomicUsize,
    most: AtomicUsize,
    closed: AtomicUsize,
}

impl Backend {
    fn new(
        answer: impl Fn(&Batch) -> Result<Accepted, ExportError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::slow(Duration::ZERO, answer)
    }

    fn slow(
        takes: Duration,
        answer: impl Fn(&Batch) -> Result<Accepted, ExportError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            answer: Box::new(answer),
            takes,
            seen: Mutex::default(),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
        })
    }

    /// One that gives `answers` in turn, and takes everything after them.
    fn scripted(answers: Vec<Result<Accepted, ExportError>>) -> Arc<Self> {
        let answers = Mutex::new(VecDeque::from(answers));
        Self::new(move |_| {
            answers.lock().unwrap().pop_front().unwrap_or_else(|| Ok(Accepted::default()))
        })
    }

    fn sizes(&self) -> Vec<usize> {
        self.seen.lock().unwrap().iter().map(|(_, batch)| batch.len()).collect()
    }

    fn times(&self, since: Instant) -> Vec<u64> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|(at, _)| at.duration_since(since).as_millis() as u64).collect()
    }
}

impl Exporter for Backend {
    fn name(&self) -> &str {
        "test"
    }

    fn export(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, ExportError>> {
        Box::pin(async move {
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            self.seen.lock().unwrap().push((Instant::now(), batch.clone()));
            tokio::time::sleep(self.takes).await;
            self.now.fetch_sub(1, Ordering::SeqCst);
            (self.answer)(&batch)
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.closed.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(()))
    }
}

fn settings() -> QueueSettings {
    QueueSettings {
        capacity: 1 << 20,
        in_flight: 4,
        batch_bytes: 1000,
        flush_after: Duration::from_millis(200),
        retry: RetryPolicy { randomization: 0.0, ..RetryPolicy::default() },
        stop_within: Duration::from_secs(5),
    }
}

fn piece(position: u64, len: usize) -> KeptSpans {
    let ticket = Ticket { partition: 0, position, piece: 0 };
    KeptSpans { bytes: Bytes::from(vec![b'x'; len]), spans: 1, ticket }
}

struct Running {
    handle: ExporterHandle,
    sink: OutcomeSink,
    outcomes: Outcomes,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Undelivered>,
    began: Instant,
}

fn run(backend: &Arc<Backend>, settings: QueueSettings) -> Running {
    let exporter: Arc<dyn Exporter> = Arc::<Backend>::clone(backend);
    let (handle, queue) = queue(exporter, ExporterIndex(7), settings);
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(queue.run(async move {
        let _ = stopped.await;
    }));
    let (sink, outcomes) = outcomes();
    Running { handle, sink, outcomes, stop, task, began: Instant::now() }
}

impl Running {
    fn send(&self, kept: KeptSpans) {
        self.handle.try_send(kept, &self.sink).unwrap();
    }

    async fn settled(&mut self, count: usize) -> Vec<Settled> {
        let mut settled = Vec::new();
        while settled.len() < count {
            self.outcomes.next(&mut settled).await;
        }
        settled
    }

    async fn stop(self) -> Undelivered {
        self.stop.send(()).unwrap();
        self.task.await.unwrap()
    }
}

fn rejected() -> ExportError {
    ExportError::Rejected { message: "too large".into() }
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_leaves_at_once_and_the_rest_after_the_flush_time() {
    let backend = Backend::new(|_| Ok(Accepted::default()));
    let mut running = run(&backend, settings());
    for position in 0..5 {
        running.send(piece(position, 400));
    }
    let settled = running.settled(5).await;
    assert!(settled.iter().all(|settled| settled.outcome == Outcome::Delivered));
    assert!(settled.iter().all(|settled| settled.exporter == ExporterIndex(7)));
    assert_eq!(backend.sizes(), [800, 800, 400]);
    assert_eq!(backend.times(running.began), [0, 0, 200]);
}

#[tokio::test(start_paused = true)]
async fn a_piece_larger_than_a_batch_goes_alone() {
    let backend = Backend::new(|_| Ok(Accepted::default()));
    let mut running = run(&backend, settings());
    running.send(piece(0, 5000));
    running.send(piece(1, 10));
    running.settled(2).await;
    assert_eq!(backend.sizes(), [5000, 10]);
}

/// A batch that is not sent for its size says nothing of the backend or its spans, and those after it
/// are smaller.
#[tokio::test(start_paused = true)]
async fn batches_that_are_not_sent_for_their_size_are_halved() {
    let backend = Backend::new(|batch| match batch.pieces().len() {
        1 | 2 => Ok(Accepted::default()),
        _ => Err(ExportError::Oversized { message: "too large".into() }),
    });
    let mut running = run(&backend, QueueSettings { in_flight: 1, ..settings() });
    for position in 0..16 {
        running.send(piece(position, 125));
    }
    let settled = running.settled(16).await;
    assert!(settled.iter().all(|settled| settled.outcome == Outcome::Delivered));
    assert!(!running.handle.is_failing());
    assert_eq!(backend.sizes()[..4], [1000, 500, 250, 250]);
    assert_eq!(backend.sizes().iter().filter(|size| **size <= 250).sum::<usize>(), 16 * 125);
    // The second batch is no larger than what went through.
    assert_eq!(backend.sizes().iter().filter(|size| **size > 250).count(), 3);
}

/// What is for others is done at once, also where the queue is full because the backend is away.
#[tokio::test(start_paused = true)]
async fn what_an_exporter_does_not_take_never_waits() {
    let backend = Backend::slow(Duration::MAX, |_| Ok(Accepted::default()));
    let mut running = run(&backend, QueueSettings { capacity: 1, ..settings() });
    let only = Only::parse(r#"attributes["service.name"] == "service-1""#).unwrap();
    running.handle = running.handle.clone().with_only(Some(only));
    let spans: Vec<_> = (1..=6).map(|id| testing::Span { id, ..Default::default() }).collect();
    let kept = |position, spans: &[testing::Span]| KeptSpans {
        bytes: testing::frame(spans),
        spans: spans.len() as u32,
        ticket: Ticket { partition: 0, position, piece: 0 },
    };
    running.send(kept(0, &spans));
    running.send(kept(1, &spans[..3]));
    let full = running.handle.try_send(kept(2, &spans), &running.sink).unwrap_err();
    assert_eq!((full.spans, testing::ids(&full.bytes)), (3, vec![4, 5, 6]));
    running.send(kept(3, &spans[..3]));
    let settled = running.settled(2).await;
    let positions: Vec<_> = settled.iter().map(|settled| settled.ticket.position).collect();
    assert_eq!(positions, [1, 3]);
    assert!(settled.iter().all(|settled| settled.outcome == Outcome::Delivered));
}

#[tokio::test(start_paused = true)]
async fn requests_under_way_are_bounded() {
    let backend = Backend::slow(Duration::from_secs(1), |_| Ok(Accepted::default()));
    let mut running = run(&backend, QueueSettings { in_flight: 3, ..settings() });
    for position in 0..10 {
        running.send(piece(position, 1000));
    }
    running.settled(10).await;
    assert_eq!(backend.most.load(Ordering::SeqCst), 3);
    assert_eq!(backend.sizes().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_takes_no_more_until_there_is_room() {
    let backend = Backend::slow(Duration::from_secs(1), |_| Ok(Accepted::default()));
    let capacity = 2 * (1000 + PIECE_OVERHEAD);
    let mut running = run(&backend, QueueSettings { capacity, ..settings() });
    running.send(piece(0, 1000));
    running.send(piece(1, 1000));
    let back = running.handle.try_send(piece(2, 1000), &running.sink).unwrap_err();
    assert_eq!(back.ticket.position, 2);
    let room = running.handle.room(1000).await.unwrap();
    assert_eq!(running.began.elapsed(), Duration::from_secs(1));
    room.send(back, &running.sink);
    running.settled(3).await;
}

#[tokio::test(start_paused = true)]
async fn a_piece_larger_than_the_queue_waits_until_it_is_empty() {
    let backend = Backend::slow(Duration::from_secs(1), |_| Ok(Accepted::default()));
    let mut running = run(&backend, QueueSettings { capacity: 1500, ..settings() });
    running.send(piece(0, 1000));
    let room = running.handle.room(100_000).await.unwrap();
    assert_eq!(running.began.elapsed(), Duration::from_secs(1));
    room.send(piece(1, 100_000), &running.sink);
    running.settled(2).await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_any_more_is_not_sent() {
    let backend = Backend::new(|_| Ok(Accepted::default()));
    let mut running = run(&backend, settings());
    let (sink, gone) = outcomes();
    running.handle.try_send(piece(0, 100), &sink).unwrap();
    drop(gone);
    running.send(piece(1, 10));
    running.settled(1).await;
    assert_eq!(backend.sizes(), [10]);
    assert_eq!(running.stop().await, Undelivered::default());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_any_more_is_taken_out_of_a_repeated_batch() {
    let backend = Backend::scripted(vec![Err(ExportError::retryable("down"))]);
    let mut running = run(&backend, settings());
    let (sink, gone) = outcomes();
    running.handle.try_send(piece(0, 900), &sink).unwrap();
    running.send(piece(1, 100));
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(gone);
    running.settled(1).await;
    assert_eq!(backend.sizes(), [1000, 100]);
}
