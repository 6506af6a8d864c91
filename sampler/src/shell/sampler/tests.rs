//! A sampler over a log in memory, in paused time.

mod budget;
mod bursts;
mod exporters;
mod faults;
mod ownership;
mod rates;
mod sim;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{task::JoinHandle, time::sleep};
use wholetrace_exporter::{
    contract::{Accepted, Batch, ExportError, Exporter, ExporterIndex},
    queue::{QueueSettings, queue},
    retry::RetryPolicy,
};
use wholetrace_proto::record::{Claim, DeadLetter, DecisionBatch, encode_decisions};
use wholetrace_runtime::invariant::Invariant::I6;
use wholetrace_spanlog::{
    AppendError, Frame, LogTime, Position, Record, RecordKind, TopicName,
    memory::{AppendFault, MemoryConfig, MemoryLog},
};

use super::*;
use crate::testing::{Span, frame, ids, policies};

const P: Partition = Partition(0);

/// A backend that remembers which spans it got.
struct Backend {
    got: Mutex<Vec<u64>>,
    away: AtomicBool,
    /// What it answers while it is away: the number of a failure.
    failure: AtomicU8,
    refuses: AtomicBool,
    /// How long an answer takes, in milliseconds.
    delay: AtomicU64,
}

impl Default for Backend {
    fn default() -> Self {
        Self {
            got: Mutex::default(),
            away: AtomicBool::new(false),
            failure: AtomicU8::new(0),
            refuses: AtomicBool::new(false),
            delay: AtomicU64::new(3),
        }
    }
}

impl Backend {
    fn sorted(&self) -> Vec<u64> {
        let mut got = self.got.lock().unwrap().clone();
        got.sort_unstable();
        got
    }
}

struct Sender(&'static str, Arc<Backend>);

impl Exporter for Sender {
    fn name(&self) -> &str {
        self.0
    }

    fn export(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, ExportError>> {
        Box::pin(async move {
            sleep(Duration::from_millis(self.1.delay.load(Ordering::Relaxed))).await;
            if self.1.away.load(Ordering::Relaxed) {
                let message = "away".to_owned();
                return Err(match self.1.failure.load(Ordering::Relaxed) {
                    0 => ExportError::Retryable { after: None, message },
                    1 => ExportError::Misconfigured { message },
                    2 => ExportError::Doubtful { message },
                    3 => ExportError::Overloaded { message },
                    _ => ExportError::Rejected { message },
                });
            }
            if self.1.refuses.load(Ordering::Relaxed) {
                return Err(ExportError::Permanent { message: "no".into() });
            }
            let got = batch.pieces().iter().flat_map(|piece| ids(piece));
            self.1.got.lock().unwrap().extend(got);
            Ok(Accepted::default())
        })
    }
}

/// A log whose time runs with the paused clock, traffic and a backend.
struct Stand {
    log: MemoryLog,
    backend: Arc<Backend>,
    /// Another one, if there are two exporters.
    second: Option<Arc<Backend>>,
    clock: JoinHandle<()>,
    budget: ByteBudget,
    max_unfinished_bytes: usize,
    next: u64,
    errors: Vec<u64>,
}

struct Run {
    shutdown: Shutdown,
    policies: PolicyHandle,
    end: JoinHandle<Result<(), ReadError>>,
    budget: ByteBudget,
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.clock.abort();
    }
}

impl Stand {
    fn new(window_cache: usize) -> Self {
        Self::over(MemoryConfig { partitions: 1, ..MemoryConfig::default() }, window_cache)
    }

    fn over(config: MemoryConfig, window_cache: usize) -> Self {
        let log = MemoryLog::new(config);
        log.set_time(Some(LogTime(1_000_000)));
        let ticking = log.clone();
        let clock = tokio::spawn(async move {
            for step in 1.. {
                sleep(Duration::from_millis(10)).await;
                ticking.set_time(Some(LogTime(1_000_000 + step * 10)));
            }
        });
        let backend = Arc::new(Backend::default());
        Self {
            log,
            backend,
            second: None,
            clock,
            budget: ByteBudget::new("window_cache", window_cache),
            max_unfinished_bytes: 256 << 10,
            next: 0,
            errors: Vec::new(),
        }
    }

    fn start(&self) -> Run {
        let settings = QueueSettings {
            capacity: 1 << 20,
            in_flight: 4,
            batch_bytes: 1 << 16,
            flush_after: Duration::from_millis(1),
            retry: RetryPolicy::default(),
            stop_within: Duration::from_secs(2),
        };
        let first = Sender("backend", Arc::clone(&self.backend));
        let second = self.second.iter().map(|second| Sender("second", Arc::clone(second)));
        let senders = std::iter::once(first).chain(second);
        let exporters = (0..).zip(senders);
        let exporters = exporters
            .map(|(index, sender)| queue(Arc::new(sender), ExporterIndex(index), settings))
            .collect();
        let parts = SamplerParts {
            log: self.log.log(),
            group: self.log.group(),
            exporters,
            policies: policies("1s", 0),
            window_cache: self.budget.clone(),
        };
        let mut sampler = Sampler::new(&SamplerConfig::default(), parts);
        sampler.settings.bounds.max_unfinished_bytes = self.max_unfinished_bytes;
        let (shutdown, policies) = (Shutdown::new(), sampler.policies());
        let end = tokio::spawn(sampler.run(shutdown.clone()));
        Run { shutdown, policies, end, budget: self.budget.clone() }
    }

    /// Appends frames of two spans each, every third trace with an error in its second span,
    /// which comes in a later frame.
    async fn send(&mut self, frames: u64) {
        let writer = self.log.log().spans.writer;
        let span =
            |key: u64, id: u64, error| Span { key: key << 8 | 1, id, error, ..Span::default() };
        for _ in 0..frames {
            let n = self.next;
            let failing = n > 0 && (n - 1).is_multiple_of(3);
            let first = span(n, 2 * n, false);
            let spans =
                if n == 0 { vec![first] } else { vec![span(n - 1, 2 * n + 1, failing), first] };
            if failing {
                self.errors.extend([2 * (n - 1), 2 * n + 1]);
            }
            let record = Record::spans(0, frame(&spans));
            writer.append(P, record).await.unwrap();
            self.next += 1;
            sleep(Duration::from_millis(7)).await;
        }
    }

    /// The spans that must arrive, sorted.
    fn wanted(&self) -> Vec<u64> {
        let mut wanted = self.errors.clone();
        wanted.sort_unstable();
        wanted
    }

    fn got(&self) -> Vec<u64> {
        self.backend.sorted()
    }

    /// The spans in the dead letters of the backend.
    fn dead_lettered(&self) -> Vec<u64> {
        let dead_letters = self.log.frames(TopicName::DeadLetters, P);
        let mut dead_lettered: Vec<u64> = dead_letters
            .iter()
            .map(|dead_letter| DeadLetter::read(&dead_letter.payload).unwrap())
            .inspect(|dead_letter| {
                assert_eq!((dead_letter.exporter, dead_letter.reason), ("backend", "no"))
            })
            .flat_map(|dead_letter| ids(dead_letter.payload))
            .collect();
        dead_lettered.sort_unstable();
        dead_lettered
    }

    fn end_of_log(&self) -> Position {
        let last = self.log.frames(TopicName::Spans, P);
        last.last().map_or(Position(0), |frame| frame.position.next())
    }

    /// Waits until everything in the log is finished.
    async fn finished(&self) {
        for _ in 0..20_000 {
            let committed = self.log.committed(P).map(|checkpoint| checkpoint.position);
            if committed == Some(self.end_of_log()) {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("at {:?} of {:?}", self.log.committed(P), self.end_of_log());
    }
}

impl Run {
    async fn stop(self) {
        self.shutdown.request();
        self.end.await.unwrap().unwrap();
        assert_eq!(self.shutdown.failure(), None);
        assert_eq!(self.budget.used(), 0, "{I6}: what is held ends with who holds it");
    }

    /// The process dies.
    async fn kill(self) {
        self.end.abort();
        // Its tasks are gone only when they are told to stop; nothing of theirs may be committed.
        self.shutdown.request();
        let _ = self.end.await;
    }
}

/// Kept traces arrive whole and once, and silence stops the ticks once all is decided.
#[tokio::test(start_paused = true)]
async fn kept_traces_arrive_whole_and_once() {
    let mut stand = Stand::new(1 << 20);
    let run = stand.start();
    stand.send(200).await;
    stand.finished().await;
    let ticks = stand.log.frames(TopicName::Spans, P);
    let ticks = ticks.iter().filter(|frame| frame.kind == RecordKind::Tick).count();
    assert!((1..10).contains(&ticks), "{ticks} ticks to pass one second of silence");
    sleep(Duration::from_secs(20)).await;
    let after = stand.log.frames(TopicName::Spans, P).len();
    assert_eq!(after, 200 + ticks, "no ticks without open traces");
    run.stop().await;
    assert_eq!(stand.got(), stand.wanted());
}

/// Without a window cache every frame is read twice, and nothing else changes.
#[tokio::test(start_paused = true)]
async fn without_a_window_cache_frames_are_read_again() {
    let mut stand = Stand::new(0);
    let run = stand.start();
    stand.send(100).await;
    stand.finished().await;
    run.stop().await;
    assert_eq!(stand.got(), stand.wanted());
}

/// Stopped in the middle and started again, the sampler goes on where it was; an orderly stop
/// repeats nothing (I4).
#[tokio::test(start_paused = true)]
async fn a_restart_loses_and_repeats_nothing() {
    let mut stand = Stand::new(1 << 20);
    for _ in 0..5 {
        let run = stand.start();
        stand.send(60).await;
        run.stop().await;
    }
    let run = stand.start();
    stand.finished().await;
    run.stop().await;
    assert_eq!(stand.got(), stand.wanted());
}

/// While the backend is away the log holds what it should have, in bounded memory; then all
/// arrives.
#[tokio::test(start_paused = true)]
async fn an_absent_backend_loses_nothing() {
    let mut stand = Stand::new(4000);
    stand.backend.away.store(true, Ordering::Relaxed);
    let run = stand.start();
    stand.send(300).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(stand.got(), Vec::<u64>::new());
    stand.backend.away.store(false, Ordering::Relaxed);
    stand.finished().await;
    run.stop().await;
    assert_eq!(stand.got(), stand.wanted());
}

/// New policies judge new traces; with another wait the partition starts again from its commit.
#[tokio::test(start_paused = true)]
async fn policies_are_replaced_without_losing_a_trace() {
    let mut stand = Stand::new(1 << 20);
    let run = stand.start();
    stand.send(60).await;
    run.policies.replace(policies("1s", 0));
    stand.send(60).await;
    run.policies.replace(policies("500ms", 0));
    stand.send(60).await;
    stand.finished().await;
    run.stop().await;
    assert_eq!(stand.got(), stand.wanted());
}

/// A process that dies repeats at most what it exported since its last commit, and loses nothing.
#[tokio::test(start_paused = true)]
async fn a_crash_loses_nothing() {
    let mut stand = Stand::new(1 << 20);
    for _ in 0..3 {
        let run = stand.start();
        stand.send(70).await;
        stand.log.crash(usize::MAX);
        run.kill().await;
    }
    let run = stand.start();
    stand.finished().await;
    run.stop().await;
    let mut got = stand.got();
    got.dedup();
    assert_eq!(got, stand.wanted());
}
