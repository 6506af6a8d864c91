//! A sampler over a log in memory, in paused time.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{task::JoinHandle, time::sleep};
use wholetrace_proto::record::{Claim, DeadLetter, DecisionBatch, encode_decisions};
use wholetrace_spanlog::{
    AppendError, Frame, LogTime, Position, Record, RecordKind, TopicName,
    memory::{AppendFault, MemoryConfig, MemoryLog},
};

use super::*;
use crate::{
    exporter::{
        contract::{Accepted, Batch, ExportError, Exporter, ExporterIndex},
        queue::{QueueSettings, queue},
        retry::RetryPolicy,
    },
    testing::{Span, frame, ids, policies},
};

const P: Partition = Partition(0);

/// A backend that remembers which spans it got.
#[derive(Default)]
struct Backend {
    got: Mutex<Vec<u64>>,
    away: AtomicBool,
    refuses: AtomicBool,
}

struct Sender(Arc<Backend>);

impl Exporter for Sender {
    fn name(&self) -> &str {
        "backend"
    }

    fn export(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, ExportError>> {
        Box::pin(async move {
            sleep(Duration::from_millis(3)).await;
            if self.0.away.load(Ordering::Relaxed) {
                return Err(ExportError::retryable("away"));
            }
            if self.0.refuses.load(Ordering::Relaxed) {
                return Err(ExportError::Permanent { message: "no".into() });
            }
            let got = batch.fragments().iter().flat_map(|piece| ids(piece));
            self.0.got.lock().unwrap().extend(got);
            Ok(Accepted::default())
        })
    }
}

/// A log whose time runs with the paused clock, traffic and a backend.
struct Stand {
    log: MemoryLog,
    backend: Arc<Backend>,
    clock: JoinHandle<()>,
    window_cache: usize,
    next: u64,
    errors: Vec<u64>,
}

struct Run {
    shutdown: Shutdown,
    policies: PolicyHandle,
    end: JoinHandle<Result<(), ReadError>>,
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.clock.abort();
    }
}

impl Stand {
    fn new(window_cache: usize) -> Self {
        let log = MemoryLog::new(MemoryConfig { partitions: 1, ..MemoryConfig::default() });
        log.set_time(Some(LogTime(1_000_000)));
        let ticking = log.clone();
        let clock = tokio::spawn(async move {
            for step in 1.. {
                sleep(Duration::from_millis(10)).await;
                ticking.set_time(Some(LogTime(1_000_000 + step * 10)));
            }
        });
        let backend = Arc::new(Backend::default());
        Self { log, backend, clock, window_cache, next: 0, errors: Vec::new() }
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
        let exporter = Arc::new(Sender(Arc::clone(&self.backend)));
        let parts = Parts {
            log: self.log.log(),
            group: self.log.group(),
            exporters: vec![queue(exporter, ExporterIndex(0), settings)],
            policies: policies("1s", 0),
            window_cache: ByteBudget::new("window_cache", self.window_cache),
        };
        let sampler = Sampler::new(&SamplerConfig::default(), parts);
        let (shutdown, policies) = (Shutdown::new(), sampler.policies());
        let end = tokio::spawn(sampler.run(shutdown.clone()));
        Run { shutdown, policies, end }
    }

    /// Appends frames of two spans each, every third trace with an error in its second span,
    /// which comes in a later frame.
    async fn send(&mut self, frames: u64) {
        let writer = self.log.log().spans.writer;
        let span = |key: u64, id: u64, error| Span {
            key: key << 8 | 1,
            id,
            root: false,
            error,
            end_ms: 0,
        };
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
        let mut got = self.backend.got.lock().unwrap().clone();
        got.sort_unstable();
        got
    }

    /// The spans in the dead letters of the backend.
    fn buried(&self) -> Vec<u64> {
        let letters = self.log.frames(TopicName::DeadLetters, P);
        let mut buried: Vec<u64> = letters
            .iter()
            .map(|letter| DeadLetter::read(&letter.payload).unwrap())
            .inspect(|letter| assert_eq!((letter.exporter, letter.reason), ("backend", "no")))
            .flat_map(|letter| ids(letter.payload))
            .collect();
        buried.sort_unstable();
        buried
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

/// An append that fails is tried again until it succeeds: decisions, ticks and dead letters.
#[tokio::test(start_paused = true)]
async fn failing_appends_are_tried_again() {
    let mut stand = Stand::new(1 << 20);
    let run = stand.start();
    stand.log.refuse(TopicName::Decisions, Some(AppendError::DiskFull));
    stand.log.refuse(TopicName::DeadLetters, Some(AppendError::DiskFull));
    stand.send(50).await;
    let garbage = Record::spans(0, vec![7_u8; 3].into());
    stand.log.log().spans.writer.append(P, garbage).await.unwrap();
    stand.send(50).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(stand.got(), Vec::<u64>::new());
    stand.log.refuse(TopicName::Decisions, None);
    stand.log.refuse(TopicName::DeadLetters, None);
    stand.finished().await;
    run.stop().await;
    assert_eq!(stand.got(), stand.wanted());
    let letters = stand.log.frames(TopicName::DeadLetters, P);
    assert_eq!(letters.len(), 1);
    let letter = DeadLetter::read(&letters[0].payload).unwrap();
    assert_eq!((letter.payload, letter.exporter), (&[7_u8; 3][..], ""));
}

/// What a backend refuses for good goes to the dead letters with its reason, and the partition
/// moves on.
#[tokio::test(start_paused = true)]
async fn what_is_refused_becomes_a_dead_letter() {
    let mut stand = Stand::new(1 << 20);
    stand.backend.refuses.store(true, Ordering::Relaxed);
    let run = stand.start();
    stand.send(30).await;
    stand.finished().await;
    run.stop().await;
    assert_eq!(stand.got(), Vec::<u64>::new());
    assert_eq!(stand.buried(), stand.wanted());
}

/// Dead letters that are too large for their topic are cut to what it takes, and the partition goes
/// on.
#[tokio::test(start_paused = true)]
async fn dead_letters_that_are_too_large_are_cut() {
    let mut stand = Stand::new(1 << 20);
    stand.backend.refuses.store(true, Ordering::Relaxed);
    let too_large = AppendError::TooLarge { size: 1000, limit: 100 };
    stand.log.plan(TopicName::DeadLetters, &AppendFault::Refuse(too_large), 3);
    let run = stand.start();
    stand.send(30).await;
    stand.finished().await;
    run.stop().await;
    let letters = stand.log.frames(TopicName::DeadLetters, P);
    assert_eq!(letters.len(), stand.wanted().len(), "one of each span");
    let reason = |letter: &Frame| DeadLetter::read(&letter.payload).unwrap().reason.to_owned();
    let cut = letters.iter().filter(|letter| reason(letter).starts_with("(payload cut) ")).count();
    assert!((1..=3).contains(&cut), "{cut}");
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

/// A partition that is taken away is let go, and its next owner goes on.
#[tokio::test(start_paused = true)]
async fn a_partition_changes_hands() {
    let mut stand = Stand::new(1 << 20);
    let first = stand.start();
    stand.send(80).await;
    let second = stand.start();
    stand.send(80).await;
    stand.finished().await;
    first.stop().await;
    second.stop().await;
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

/// A claim of a higher term, as an owner would make it that does not know better.
async fn claim_from_elsewhere(stand: &Stand, term: u64) {
    let claim = Claim { term, owner: 99 };
    let record = encode_decisions::<&str>(&[], Some(claim), &[]);
    let writer = stand.log.log().decisions.writer;
    writer.append(P, Record::decisions(record.into())).await.unwrap();
}

/// The owner of the highest claim in the decision log.
fn claimed(stand: &Stand) -> Claim {
    let records = stand.log.frames(TopicName::Decisions, P);
    let claims =
        records.iter().filter_map(|one| DecisionBatch::read(&one.payload).unwrap().claim());
    claims.max_by_key(|claim| claim.term).unwrap()
}

/// Whoever is the owner claims the partition again, decides again what did not count, and loses
/// nothing.
#[tokio::test(start_paused = true)]
async fn an_owner_that_was_superseded_starts_again() {
    let mut stand = Stand::new(1 << 20);
    let run = stand.start();
    for _ in 0..4 {
        stand.send(20).await;
        claim_from_elsewhere(&stand, claimed(&stand).term + 1).await;
    }
    stand.send(20).await;
    stand.finished().await;
    run.stop().await;
    assert_ne!(claimed(&stand).owner, 99);
    let mut got = stand.got();
    got.dedup();
    assert_eq!(got, stand.wanted());
}

/// One that is the owner no more stops quietly and writes nothing.
#[tokio::test(start_paused = true)]
async fn who_was_superseded_and_is_no_owner_stops() {
    let mut stand = Stand::new(1 << 20);
    let run = stand.start();
    stand.send(20).await;
    stand.finished().await;
    // Nobody hears of it.
    drop(stand.log.revoke(P, true));
    claim_from_elsewhere(&stand, 5).await;
    stand.send(20).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(claimed(&stand), Claim { term: 5, owner: 99 });
    run.stop().await;
}
