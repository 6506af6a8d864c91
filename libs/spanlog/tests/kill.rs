//! A process that uses the embedded log is killed with SIGKILL again and again: everything it had
//! acknowledged is there afterwards, in order, intact. The log is small, so that its files are
//! freed, several at once, and used again all the time.
//!
//! `WHOLETRACE_KILLS` says how often, `WHOLETRACE_SEED` when.
//!
//! This program is both sides: called with `child FOLDER ROUND` it appends and prints what is
//! acknowledged until it is killed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test: this is how it fails")]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use bytes::Bytes;
use wholetrace_runtime::units::ByteSize;
use wholetrace_spanlog::{
    AppendError, Checkpoint, Committer, GroupEvent, Log, Partition, Position, Record, Topic,
    embedded::{EmbeddedConfig, EmbeddedLog},
};

/// Kills, if nothing else is said.
const ROUNDS: u64 = 12;
/// Files of 1 MiB, and at most so many of them.
const SLOT: u64 = 1 << 20;
const SLOTS: u64 = 24;
const PARTITIONS: u32 = 3;
const CALLERS: u64 = 6;
const SEED: u64 = 0x5eed_0001;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, "child", folder, round] => {
            runtime.block_on(append_for_ever(Path::new(folder), round.parse().unwrap()));
        }
        // Whatever else the test runner says.
        _ => runtime.block_on(kill_again_and_again()),
    }
}

fn config(directory: &Path) -> EmbeddedConfig {
    EmbeddedConfig {
        directory: directory.to_owned(),
        partitions: PARTITIONS,
        tail_cache: ByteSize::mib(1),
        ..EmbeddedConfig::default()
    }
}

fn open(folder: &Path) -> EmbeddedLog {
    EmbeddedLog::open_small(&config(folder), SLOT, SLOTS).unwrap()
}

/// A number from the environment.
fn given(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test")]
    std::env::var(name).ok()?.parse().ok()
}

/// What record `id` holds: its id and bytes that do not compress.
fn payload(id: u64) -> Bytes {
    let mut random = fastrand::Rng::with_seed(id);
    let mut bytes = id.to_le_bytes().to_vec();
    bytes.extend((0..random.usize(100..40_000)).map(|_| random.u8(..)));
    Bytes::from(bytes)
}

/// The topics that are written, by name.
fn topics(log: &Log) -> [(&'static str, Topic); 2] {
    [("spans", log.spans.clone()), ("decisions", log.decisions.clone())]
}

async fn append_for_ever(folder: &Path, round: u64) {
    let log = Arc::new(open(folder));
    let committer: Arc<_> = log.group().committer();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (topics, committer) = (topics(&log.log()), Arc::clone(&committer));
            tokio::spawn(async move {
                let mut last = BTreeMap::new();
                for number in 0_u64.. {
                    let id = (round << 40) | (caller << 32) | number;
                    let partition = Partition(u32::try_from(id % u64::from(PARTITIONS)).unwrap());
                    // One in eight is a decision.
                    let (name, topic) = &topics[usize::from(number % 8 == 7)];
                    let kind = if *name == "spans" {
                        Record::spans(1, payload(id))
                    } else {
                        Record::decisions(payload(id).slice(..100))
                    };
                    let position = loop {
                        match topic.writer.append(partition, kind.clone()).await {
                            Ok(position) => break position,
                            // Until what is finished is freed.
                            Err(AppendError::QuotaReached { .. }) => {
                                commit(&*committer, &last).await;
                                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                            }
                            Err(error) => panic!("{error}"),
                        }
                    };
                    let line = format!("{name} {partition} {position} {id}\n");
                    tell(&line);
                    if *name == "spans" {
                        last.insert(partition, position);
                    }
                    if number % 64 == 60 {
                        commit(&*committer, &last).await;
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
}

/// All but the newest is finished, in leaps, so that several files are freed at once.
async fn commit(committer: &dyn Committer, last: &BTreeMap<Partition, Position>) {
    for (partition, position) in last {
        let position = Position(position.0.saturating_sub(20));
        let checkpoint = Checkpoint { position, metadata: String::new() };
        committer.commit(*partition, checkpoint).await.unwrap();
    }
}

/// Says it to the parent, whole or not at all.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).unwrap();
}

/// What was acknowledged: id by topic, partition and position.
type Acknowledged = BTreeMap<(String, u32, u64), u64>;

async fn kill_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let seed = given("WHOLETRACE_SEED").unwrap_or(SEED);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut acknowledged = Acknowledged::new();
    for round in 0..given("WHOLETRACE_KILLS").unwrap_or(ROUNDS) {
        let enough = random.usize(1..700);
        let before = acknowledged.len();
        run_and_kill(&data, round, enough, &mut acknowledged);
        let count = acknowledged.len() - before;
        assert!(count >= enough, "round {round}: {count} of {enough} were acknowledged");
        let (found, removed) = verify(&data, &acknowledged).await;
        let mut out = std::io::stderr();
        writeln!(
            out,
            "round {round} (seed {seed:#x}): {count} acknowledged, {found} of {} there, {removed} \
             removed as finished",
            acknowledged.len()
        )
        .unwrap();
    }
}

/// Runs a child until it has acknowledged `enough` records, then kills it.
fn run_and_kill(data: &Path, round: u64, enough: usize, acknowledged: &mut Acknowledged) {
    let this: PathBuf = std::env::current_exe().unwrap();
    let mut child: Child = Command::new(this)
        .args(["child", data.to_str().unwrap(), &round.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut note = |line: String| {
        let fields: Vec<&str> = line.split(' ').collect();
        // A line that was cut short was not seen by anybody.
        if let [topic, partition, position, id] = fields.as_slice() {
            let key = ((*topic).to_owned(), partition.parse().unwrap(), position.parse().unwrap());
            let before = acknowledged.insert(key.clone(), id.parse().unwrap());
            assert_eq!(before, None, "{key:?} was acknowledged twice");
        }
    };
    for _ in 0..enough {
        note(lines.next().unwrap_or_else(|| panic!("the child of round {round} ended")).unwrap());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had still told before it died.
    lines.map_while(Result::ok).for_each(note);
}

/// Opens the log and looks for everything. Says how many records were found and how many had been
/// removed below the checkpoints.
async fn verify(data: &Path, acknowledged: &Acknowledged) -> (usize, usize) {
    let log = open(data);
    let committed = checkpoints(&log).await;
    let (mut found, mut removed) = (0, 0);
    for (name, topic) in topics(&log.log()) {
        for partition in (0..PARTITIONS).map(Partition) {
            let stored = read(&topic, partition).await;
            let start = topic.reader.extent(partition).await.unwrap().start;
            let expected = acknowledged
                .iter()
                .filter(|((topic, of, _), _)| topic == name && *of == partition.0);
            for ((_, _, position), id) in expected {
                if *position < start.0 {
                    assert_eq!(name, "spans", "decisions are not old enough to go");
                    let checkpoint = committed[partition.0 as usize];
                    assert!(*position < checkpoint, "{position} was not finished");
                    removed += 1;
                    continue;
                }
                let stored = stored.get(position).copied();
                assert_eq!(stored, Some(*id), "{name} {partition} {position} is lost");
                found += 1;
            }
        }
    }
    log.close().await;
    (found, removed)
}

async fn checkpoints(log: &EmbeddedLog) -> Vec<u64> {
    let mut group = log.group();
    let mut committed = Vec::new();
    for _ in 0..PARTITIONS {
        let Some(GroupEvent::Assigned { committed: found, .. }) = group.next().await.unwrap()
        else {
            panic!("an assignment was expected");
        };
        committed.push(found.map_or(0, |checkpoint| checkpoint.position.0));
    }
    committed
}

/// Ids by position; checks order, times and payloads.
async fn read(topic: &Topic, partition: Partition) -> BTreeMap<u64, u64> {
    let extent = topic.reader.extent(partition).await.unwrap();
    let (mut at, mut time, mut ids) = (extent.start, None, BTreeMap::new());
    loop {
        let frames = topic.reader.fetch(partition, at, 4 << 20).await.unwrap();
        let Some(last) = frames.last() else { return ids };
        let next = last.position.next();
        for frame in frames {
            assert!(frame.position >= at && Some(frame.time) >= time);
            (at, time) = (frame.position.next(), Some(frame.time));
            let id = u64::from_le_bytes(*frame.payload.first_chunk().unwrap());
            let expected = payload(id);
            let intact = frame.payload == expected || frame.payload == expected.slice(..100);
            assert!(intact, "record {} is not intact", frame.position);
            ids.insert(frame.position.0, id);
        }
        at = next;
    }
}
