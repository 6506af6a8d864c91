//! A seeded simulation of whole samplers: over a log in memory, in paused time, on one thread.
//!
//! A plan of faults is drawn from the seed: records that are damaged or deleted, reads, appends and
//! commits that fail, backends that are away, slow or refuse, partitions that change hands, processes
//! that stop or die, new policies. Then all is mended, and the log alone tells what must have arrived:
//! a trace with an error in it is kept whole, another one is not.
//!
//! A failing run prints its seed; `WHOLETRACE_SEED=<seed> cargo test -p wholetrace-sampler sim`
//! repeats it, and `WHOLETRACE_RUNS=<count>` makes more runs than the test suite does.

use std::collections::{HashMap, HashSet};

use fastrand::Rng;
use wholetrace_runtime::invariant::Invariant::{I1, I3, I4, I5, I8};

use super::*;
use crate::seeds::{Failing, seeds};

/// Runs in the test suite.
const RUNS: u64 = 300;
/// How long all that is in the log may take once everything is mended, in tenths of a second.
const MENDED_WITHIN: usize = 6_000;

const NAMES: [&str; 3] = ["one", "two", "three"];

/// How much went wrong.
#[derive(Clone, Copy, Debug, Default)]
struct Met {
    outages: u64,
    damaged: u64,
    deleted: u64,
    crashes: u64,
    handovers: u64,
    reloads: u64,
}

struct World {
    rng: Rng,
    log: MemoryLog,
    partitions: u32,
    backends: Vec<Arc<Backend>>,
    runs: Vec<Run>,
    wait: &'static str,
    window_cache: usize,
    max_unfinished_bytes: usize,
    /// Each span's trace, and whether it has an error.
    spans: HashMap<u64, (u64, bool)>,
    /// Traces of which something was damaged or deleted.
    tainted: HashSet<u64>,
    /// Whether something may arrive twice.
    repeats: bool,
    decisions_damaged: bool,
    committed: Vec<Position>,
    met: Met,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let partitions = rng.u32(1..=3);
        let log = MemoryLog::new(MemoryConfig {
            partitions,
            position_gap: rng.u64(0..3),
            ..MemoryConfig::default()
        });
        let backends = (0..rng.usize(1..=NAMES.len())).map(|_| Arc::default()).collect();
        let window_cache = [0, 2_000, 1 << 20][rng.usize(..3)];
        let max_unfinished_bytes = [300, 2_000, 1 << 20][rng.usize(..3)];
        let mut world = Self {
            rng,
            log,
            partitions,
            backends,
            runs: Vec::new(),
            wait: "500ms",
            window_cache,
            max_unfinished_bytes,
            spans: HashMap::new(),
            tainted: HashSet::new(),
            repeats: false,
            decisions_damaged: false,
            committed: vec![Position(0); partitions as usize],
            met: Met::default(),
        };
        world.start(&world.all());
        world
    }

    fn all(&self) -> Vec<Partition> {
        (0..self.partitions).map(Partition).collect()
    }

    fn some(&mut self) -> Partition {
        Partition(self.rng.u32(..self.partitions))
    }

    /// A process that takes these partitions over.
    fn start(&mut self, partitions: &[Partition]) {
        let second = Duration::from_secs(1);
        let settings = QueueSettings {
            capacity: 8_000,
            in_flight: 2,
            batch_bytes: 2_000,
            flush_after: Duration::from_millis(5),
            retry: RetryPolicy {
                max_interval: 2 * second,
                max_elapsed_time: 3 * second,
                ..RetryPolicy::default()
            },
            stop_within: second,
        };
        let queues = (0..).zip(self.backends.iter().zip(NAMES));
        let exporters = queues.map(|(index, (backend, name))| {
            queue(Arc::new(Sender(name, Arc::clone(backend))), ExporterIndex(index), settings)
        });
        let budget = ByteBudget::new("window_cache", self.window_cache);
        let parts = SamplerParts {
            log: self.log.log(),
            group: self.log.join(partitions),
            exporters: exporters.collect(),
            policies: policies(self.wait, 0),
            window_cache: budget.clone(),
        };
        let mut sampler = Sampler::new(&SamplerConfig::default(), parts);
        sampler.settings.bounds.max_unfinished_bytes = self.max_unfinished_bytes;
        let (shutdown, policies) = (Shutdown::new(), sampler.policies());
        let end = tokio::spawn(sampler.run(shutdown.clone()));
        self.runs.push(Run { shutdown, policies, end, budget });
    }

    async fn stop_all(&mut self) {
        for run in std::mem::take(&mut self.runs) {
            run.stop().await;
        }
    }

    /// Traces that come within much less than a wait, each in one partition.
    async fn send(&mut self) {
        let mut spans = Vec::new();
        for _ in 0..self.rng.u64(1..25) {
            let key = (self.rng.u64(..1 << 40) << 8) | 1;
            let failing = self.rng.u8(..3) == 0;
            for number in 0..self.rng.usize(1..5) {
                let id = self.spans.len() as u64;
                let error = failing && number == 0;
                self.spans.insert(id, (key, error));
                let span = Span { key, id, error, ..Span::default() };
                spans.push((self.rng.usize(..40), span));
            }
        }
        spans.sort_by_key(|(when, _)| *when);
        let writer = self.log.log().spans.writer;
        for few in spans.chunk_by(|one, other| one.0 == other.0) {
            for partition in self.all() {
                let its = few.iter().map(|(_, span)| *span);
                let of_partition = |span: &Span| {
                    (span.key >> 8) % u64::from(self.partitions) == u64::from(partition.0)
                };
                let its: Vec<Span> = its.filter(of_partition).collect();
                if !its.is_empty() {
                    // What a sender is not told of as written, it may have written all the same.
                    let _ = writer.append(partition, Record::spans(0, frame(&its))).await;
                }
            }
            sleep(Duration::from_millis(2)).await;
        }
    }

    fn taint(&mut self, frames: &[Frame]) {
        let ids = frames.iter().flat_map(|frame| ids(&frame.payload));
        self.tainted.extend(ids.map(|id| self.spans[&id].0));
    }

    /// One thing goes wrong, or gets well again.
    async fn fault(&mut self) {
        let partition = self.some();
        let topic = TopicName::ALL[self.rng.usize(..3)];
        match self.rng.u8(..16) {
            0..=2 => {
                self.met.outages += 1;
                let backend = &self.backends[self.rng.usize(..self.backends.len())];
                backend.failure.store(self.rng.u8(..5), Ordering::Relaxed);
                backend.away.fetch_xor(true, Ordering::Relaxed);
            }
            3 => {
                let backend = &self.backends[self.rng.usize(..self.backends.len())];
                backend.refuses.fetch_xor(true, Ordering::Relaxed);
            }
            4 => {
                self.repeats = true;
                let backend = &self.backends[self.rng.usize(..self.backends.len())];
                backend.delay.store(self.rng.u64(3..2_000), Ordering::Relaxed);
            }
            5 => self.log.fail_reads(topic, self.rng.usize(1..6)),
            6 => {
                let faults =
                    [AppendFault::FailBefore, AppendFault::FailAfter, AppendFault::Duplicate];
                // A dead letter is an arrival, and may be written twice.
                self.repeats |= topic == TopicName::DeadLetters;
                self.log.plan(topic, &faults[self.rng.usize(..3)], self.rng.usize(1..4));
            }
            7 => {
                let refusal = self.rng.bool().then_some(AppendError::DiskFull);
                self.log.refuse(TopicName::Decisions, refusal);
            }
            8 => {
                let frames = self.log.frames(TopicName::Spans, partition);
                let Some(frame) = frames.get(self.rng.usize(..frames.len().max(1))) else { return };
                self.met.damaged += 1;
                self.taint(std::slice::from_ref(frame));
                self.log.damage(TopicName::Spans, partition, Some(frame.position));
            }
            9 => {
                // What is decided anew comes again.
                self.repeats = true;
                let frames = self.log.frames(TopicName::Decisions, partition);
                let Some(frame) = frames.get(self.rng.usize(..frames.len().max(1))) else { return };
                self.met.damaged += 1;
                self.decisions_damaged = true;
                // What is left of a trace is decided anew, by what is left of it.
                let batch = DecisionBatch::read(&frame.payload).unwrap();
                self.tainted.extend(batch.decisions().map(|decision| decision.key.0));
                self.log.damage(TopicName::Decisions, partition, Some(frame.position));
            }
            10 if self.rng.u8(..4) == 0 => {
                let frames = self.log.frames(TopicName::Spans, partition);
                let gone = self.rng.usize(..=frames.len() / 2);
                self.met.deleted += 1;
                self.taint(&frames[..gone]);
                if let Some(first) = frames.get(gone) {
                    self.log.trim(TopicName::Spans, partition, first.position);
                }
            }
            11 => {
                self.met.reloads += 1;
                self.wait = ["500ms", "1s"][self.rng.usize(..2)];
                for run in &self.runs {
                    run.policies.replace(policies(self.wait, 0));
                }
            }
            12 => self.change_hands(partition).await,
            13 => {
                self.stop_all().await;
                self.start(&self.all());
            }
            14 => {
                self.met.crashes += 1;
                self.repeats = true;
                self.log.crash(self.rng.usize(..3));
                for run in std::mem::take(&mut self.runs) {
                    run.kill().await;
                }
                self.start(&self.all());
            }
            _ => self.log.drop_metadata(self.rng.u8(..3) == 0),
        }
    }

    /// A partition goes to a process of its own, in order or at once.
    async fn change_hands(&mut self, partition: Partition) {
        self.met.handovers += 1;
        if self.rng.bool() {
            if let Some(released) = self.log.revoke(partition, false) {
                let _gone = released.await;
            }
        } else {
            self.repeats = true;
        }
        self.start(&[partition]);
        if self.runs.len() > 3 {
            self.stop_all().await;
            self.start(&self.all());
        }
    }

    /// I5: what is committed never goes back.
    fn commits_go_forward(&mut self) {
        for partition in self.all() {
            let Some(now) = self.log.committed(partition) else { continue };
            let before = &mut self.committed[partition.0 as usize];
            assert!(*before <= now.position, "{I5}: {before} {now:?}");
            *before = now.position;
        }
    }

    async fn run(&mut self) {
        let ticking = self.log.clone();
        ticking.set_time(Some(LogTime(1_000_000)));
        let clock = tokio::spawn(async move {
            for step in 1.. {
                sleep(Duration::from_millis(10)).await;
                ticking.set_time(Some(LogTime(1_000_000 + step * 10)));
            }
        });
        let calm = self.rng.u8(..8) == 0;
        for _ in 0..self.rng.usize(4..20) {
            self.send().await;
            if !calm && self.rng.bool() {
                self.fault().await;
            }
            sleep(Duration::from_millis(self.rng.u64(..3_000))).await;
            self.commits_go_forward();
        }
        self.mend().await;
        self.finished().await;
        self.stop_all().await;
        clock.abort();
        self.judge();
    }

    async fn mend(&mut self) {
        for backend in &self.backends {
            backend.away.store(false, Ordering::Relaxed);
            backend.refuses.store(false, Ordering::Relaxed);
            backend.delay.store(3, Ordering::Relaxed);
        }
        for topic in TopicName::ALL {
            self.log.refuse(topic, None);
            self.log.fail_reads(topic, 0);
        }
        self.log.drop_metadata(false);
        self.stop_all().await;
        self.start(&self.all());
    }

    /// I1, I8: once all is mended, everything in the log is finished in time.
    async fn finished(&mut self) {
        for _ in 0..MENDED_WITHIN {
            let done = |partition: &Partition| {
                let last =
                    self.log.frames(TopicName::Spans, *partition).last().map(|one| one.position);
                let committed = self.log.committed(*partition).map(|committed| committed.position);
                last.is_none_or(|last| committed.is_some_and(|committed| last < committed))
            };
            if self.all().iter().all(done) {
                return;
            }
            sleep(Duration::from_millis(100)).await;
            self.commits_go_forward();
        }
        panic!("{I8}: not finished: {:?} {:?}", self.committed, self.met);
    }

    /// How often each span is in the log.
    fn logged(&self) -> HashMap<u64, usize> {
        let mut logged = HashMap::new();
        for partition in self.all() {
            for frame in self.log.frames(TopicName::Spans, partition) {
                for id in ids(&frame.payload) {
                    *logged.entry(id).or_default() += 1;
                }
            }
        }
        logged
    }

    /// How often each span is in the dead letters of an exporter.
    fn refused(&self, exporter: &str) -> HashMap<u64, usize> {
        let mut refused = HashMap::new();
        for partition in self.all() {
            for record in self.log.frames(TopicName::DeadLetters, partition) {
                let dead_letter = DeadLetter::read(&record.payload).unwrap();
                if dead_letter.exporter == exporter {
                    for id in ids(dead_letter.payload) {
                        *refused.entry(id).or_default() += 1;
                    }
                }
            }
        }
        refused
    }

    /// I1 to I4, by the log alone.
    fn judge(&self) {
        let logged = self.logged();
        let kept: HashSet<u64> = logged
            .keys()
            .map(|id| self.spans[id])
            .filter(|(_, error)| *error)
            .map(|(key, _)| key)
            .collect();
        for (backend, name) in self.backends.iter().zip(NAMES) {
            let mut got = self.refused(name);
            for id in backend.sorted() {
                *got.entry(id).or_default() += 1;
            }
            for (id, times) in &logged {
                let (key, _) = self.spans[id];
                if self.tainted.contains(&key) {
                    continue;
                }
                let arrived = got.get(id).copied().unwrap_or_default();
                let (what, met) = (format!("span {id} of {key:x} at {name}"), self.met);
                if kept.contains(&key) {
                    assert!(arrived > 0, "{I1}: {what} never arrived: {met:?}");
                    // What a failing exporter has under way, nobody waits for at a handover.
                    let repeats = self.repeats || self.met.outages > 0;
                    assert!(repeats || arrived <= *times, "{I4}: {what}: {arrived}: {met:?}");
                } else if !self.decisions_damaged {
                    // Without its decision a span that comes late to an exporter is kept.
                    assert_eq!(arrived, 0, "{I3}: {what}: {met:?}");
                }
            }
        }
    }
}

fn run(seed: u64) -> Met {
    let failing = Failing(seed, String::new());
    // The waits of what is tried again are drawn by chance.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let met = runtime.block_on(async {
        let mut world = World::new(seed);
        world.run().await;
        world.met
    });
    drop(failing);
    met
}

/// I1 to I5 and I8 hold for whole samplers in every world.
#[test]
fn whole_samplers_keep_the_invariants() {
    let seeds = seeds(RUNS);
    let halves = seeds.split_at(seeds.len() / 2);
    let mut met = Vec::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = [halves.0, halves.1]
            .into_iter()
            .map(|half| scope.spawn(|| half.iter().map(|seed| run(*seed)).collect::<Vec<Met>>()))
            .collect();
        for worker in workers {
            met.extend(worker.join().unwrap());
        }
    });
    if met.len() < 200 {
        return;
    }
    let all = |of: fn(&Met) -> u64| met.iter().map(of).sum::<u64>();
    for (what, count) in [
        ("outages", all(|met| met.outages)),
        ("damaged records", all(|met| met.damaged)),
        ("deletions", all(|met| met.deleted)),
        ("crashes", all(|met| met.crashes)),
        ("handovers", all(|met| met.handovers)),
        ("reloads", all(|met| met.reloads)),
    ] {
        assert!(count >= 10, "only {count} {what}");
    }
}
