use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tempfile::TempDir;

use super::{
    EmbeddedLog, OpenError,
    settings::Settings,
    testing::{self, Switches},
};
use crate::{
    clock::Clock,
    contract::Topic,
    position::{LogTime, Partition, Position},
    reader::{Checkpoint, ReadError, Start},
    record::{Frame, Record, RecordKind},
    writer::AppendError,
};

const P0: Partition = Partition(0);
const P1: Partition = Partition(1);

/// Slots of 512 KiB, 64 of them.
fn small(directory: &Path) -> Settings {
    testing::small(directory, 512 << 10, 64)
}

fn open_switched(settings: &Settings) -> (EmbeddedLog, Arc<Switches>) {
    testing::open(settings, Clock::wall()).unwrap()
}

fn open(settings: &Settings) -> EmbeddedLog {
    open_switched(settings).0
}

fn opening(settings: &Settings) -> OpenError {
    testing::open(settings, Clock::wall()).err().expect("the log opened")
}

/// A record whose payload does not compress.
fn noise(size: usize, seed: u64) -> Record {
    let mut random = fastrand::Rng::with_seed(seed);
    Record::spans(1, (0..size).map(|_| random.u8(..)).collect())
}

fn decision(seed: u64) -> Record {
    Record::decisions(noise(100, seed).payload)
}

async fn append(topic: &Topic, partition: Partition, record: Record) -> Position {
    topic.writer.append(partition, record).await.unwrap()
}

async fn commit(log: &EmbeddedLog, partition: Partition, position: Position) {
    let checkpoint = Checkpoint { position, metadata: String::new() };
    log.group().committer().commit(partition, checkpoint).await.unwrap();
}

async fn read_all(topic: &Topic, partition: Partition) -> Result<Vec<Frame>, ReadError> {
    let (mut at, mut frames) = (topic.reader.extent(partition).await?.start, Vec::new());
    loop {
        let more = topic.reader.fetch(partition, at, 1 << 20).await?;
        let Some(last) = more.last() else { return Ok(frames) };
        at = last.position.next();
        frames.extend(more);
    }
}

/// Reads to the end and passes over what is damaged; gives the positions of both.
async fn read_over(topic: &Topic, partition: Partition) -> (Vec<u64>, Vec<u64>) {
    let end = topic.reader.extent(partition).await.unwrap().end;
    let mut cursor = topic.reader.open(partition, Start::Earliest).await.unwrap();
    let (mut found, mut damaged) = (Vec::new(), Vec::new());
    while found.iter().chain(&damaged).max().is_none_or(|last| last + 1 < end.0) {
        match cursor.next(1 << 20).await {
            Ok(frames) => found.extend(frames.iter().map(|frame| frame.position.0)),
            Err(ReadError::Damaged { position, .. }) => damaged.push(position.0),
            Err(error) => panic!("{error}"),
        }
    }
    (found, damaged)
}

/// Wakes the writer thread until `reached` holds.
async fn until(log: &EmbeddedLog, what: &str, mut reached: impl AsyncFnMut() -> bool) {
    for _ in 0..30_000 {
        if reached().await {
            return;
        }
        log.wake();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("{what} did not happen");
}

/// Appends spans to the first partition until they are refused; gives the last position and the
/// refusal.
async fn fill(log: &EmbeddedLog) -> (Position, AppendError) {
    let spans = log.log().spans;
    let mut last = Position(0);
    for _ in 0..10_000 {
        match spans.writer.append(P0, noise(50_000, last.0)).await {
            Ok(position) => last = position,
            Err(error) => return (last, error),
        }
    }
    panic!("there seems to be no bound");
}

#[tokio::test]
async fn segments_are_read_back_and_found_again() {
    let folder = TempDir::new().unwrap();
    let settings = small(folder.path());
    let log = open(&settings);
    let spans = log.log().spans;
    let mut expected = [Vec::new(), Vec::new()];
    for number in 0..200 {
        let record = noise(50_000, number);
        let partition = Partition(u32::try_from(number % 2).unwrap());
        expected[partition.0 as usize].push(record.payload.clone());
        append(&spans, partition, record).await;
    }
    let check = async |log: &EmbeddedLog| {
        for (partition, expected) in [P0, P1].into_iter().zip(&expected) {
            let frames = read_all(&log.log().spans, partition).await.unwrap();
            let found: Vec<Bytes> = frames.into_iter().map(|frame| frame.payload).collect();
            assert!(found == *expected, "partition {partition} differs");
        }
    };
    check(&log).await;
    log.close().await;
    let log = open(&settings);
    check(&log).await;
    let middle = Start::Position(Position(50));
    let mut cursor = log.log().spans.reader.open(P1, middle).await.unwrap();
    assert_eq!(cursor.next(1).await.unwrap()[0].position, Position(50));
}

#[tokio::test]
async fn finished_segments_go_and_positions_never_come_again() {
    let folder = TempDir::new().unwrap();
    let settings = small(folder.path());
    let log = open(&settings);
    let spans = log.log().spans;
    for number in 0..100 {
        append(&spans, P0, noise(50_000, number)).await;
    }
    append(&spans, P1, noise(10, 1)).await;
    commit(&log, P0, Position(100)).await;
    // Partition 1 holds the newest segment only.
    until(&log, "the removal", async || {
        spans.reader.extent(P0).await.unwrap().start > Position(80)
    })
    .await;
    let gone = spans.reader.fetch(P0, Position(0), 1).await.unwrap_err();
    assert!(matches!(gone, ReadError::Gone { asked: Position(0), .. }), "{gone}");
    commit(&log, P1, Position(1)).await;
    log.close().await;
    let log = open(&settings);
    assert_eq!(log.log().spans.reader.extent(P0).await.unwrap().end, Position(100));
    assert_eq!(append(&log.log().spans, P0, noise(9, 9)).await, Position(100));
    assert_eq!(append(&log.log().spans, P1, noise(9, 9)).await, Position(1));
}

#[tokio::test]
async fn retained_segments_stay_for_replays() {
    let folder = TempDir::new().unwrap();
    let log = open(&Settings { retain: 3 << 20, ..small(folder.path()) });
    let spans = log.log().spans;
    for number in 0..200 {
        append(&spans, P0, noise(50_000, number)).await;
    }
    commit(&log, P0, Position(200)).await;
    until(&log, "the removal", async || {
        spans.reader.extent(P0).await.unwrap().start > Position(100)
    })
    .await;
    let kept: usize = read_all(&spans, P0).await.unwrap().iter().map(|f| f.payload.len()).sum();
    assert!(kept >= 2_800_000, "{kept} bytes were kept");
}

#[tokio::test]
async fn decisions_go_by_time_but_not_before_the_spans_they_are_about() {
    const HOUR: u64 = 3_600_000;
    let folder = TempDir::new().unwrap();
    let log = open(&small(folder.path()));
    let (spans, decisions) = (log.log().spans, log.log().decisions);
    let begin = LogTime(9_000_000_000_000);
    log.shared.clock.set(Some(begin));
    append(&spans, P0, noise(10, 0)).await;
    append(&decisions, P0, decision(1)).await;
    log.shared.clock.set(Some(begin.plus(2 * HOUR)));
    append(&decisions, P0, decision(2)).await;
    for number in 0..30 {
        // The removal would come with any of these.
        append(&spans, P1, noise(50_000, number)).await;
        log.wake();
    }
    assert_eq!(read_all(&decisions, P0).await.unwrap().len(), 2);
    commit(&log, P0, Position(1)).await;
    commit(&log, P1, Position(30)).await;
    log.shared.clock.set(Some(begin.plus(4 * HOUR)));
    until(&log, "the removal", async || {
        decisions.reader.extent(P0).await.unwrap().start == Position(2)
    })
    .await;
}

#[tokio::test]
async fn a_full_quota_refuses_spans_and_neither_ticks_nor_decisions_nor_checkpoints() {
    let folder = TempDir::new().unwrap();
    let settings = Settings { quota: 16 << 20, ..small(folder.path()) };
    let log = open(&settings);
    let all = log.log();
    let (last, refused) = fill(&log).await;
    assert!(matches!(refused, AppendError::QuotaReached { quota: 16_777_216, .. }), "{refused}");
    assert_eq!(log.status().refusing, Some("quota"));
    assert!(log.status().disk_bytes <= 16 << 20, "{:?}", log.status());
    // An hour passes before anything is finished.
    let begin = log.shared.clock.now();
    for minute in 0..60 {
        log.shared.clock.set(Some(begin.plus(minute * 60_000)));
        append(&all.spans, P1, Record::tick()).await;
        append(&all.decisions, P0, decision(minute)).await;
    }
    let refused = all.spans.writer.append(P1, noise(50_000, 1)).await.unwrap_err();
    assert!(matches!(refused, AppendError::QuotaReached { .. }), "{refused}");
    let ticks = read_all(&all.spans, P1).await.unwrap();
    assert!(ticks.iter().all(|frame| frame.kind == RecordKind::Tick));
    assert_eq!(read_all(&all.spans, P0).await.unwrap().len() as u64, last.0 + 1);
    commit(&log, P0, last.next()).await;
    commit(&log, P1, ticks.last().unwrap().position.next()).await;
    until(&log, "the recovery", async || log.status().refusing.is_none()).await;
    append(&all.spans, P0, noise(50_000, 0)).await;
    assert!(log.status().disk_bytes <= (16 << 20) + (1 << 20), "{:?}", log.status());
}

#[tokio::test]
async fn a_disk_that_others_fill_refuses_spans_and_lets_the_rest_go_on() {
    let folder = TempDir::new().unwrap();
    let (log, switches) = open_switched(&small(folder.path()));
    let all = log.log();
    for number in 0..40 {
        append(&all.spans, P0, noise(50_000, number)).await;
    }
    switches.set_free(Some(0));
    let (last, refused) = fill(&log).await;
    assert_eq!(refused, AppendError::DiskFull);
    assert_eq!(log.status().refusing, Some("disk_low"));
    for number in 0..100 {
        append(&all.spans, P1, Record::tick()).await;
        append(&all.decisions, P0, decision(number)).await;
    }
    // What is finished gives room although the disk is as full as before.
    commit(&log, P0, last.next()).await;
    commit(&log, P1, Position(100)).await;
    until(&log, "the recovery", async || {
        all.spans.writer.append(P0, noise(50_000, 2)).await.is_ok()
    })
    .await;
    switches.set_free(None);
}

#[tokio::test]
async fn a_write_that_fails_breaks_the_log_and_ends_it_with_the_reason() {
    let folder = TempDir::new().unwrap();
    let settings = small(folder.path());
    let (log, switches) = open_switched(&settings);
    let spans = log.log().spans;
    append(&spans, P0, noise(100, 0)).await;
    switches.fail(true);
    let appends: Vec<_> = (0..5).map(|seed| spans.writer.append(P0, noise(100, seed))).collect();
    for append in appends {
        let failed = append.await.unwrap_err();
        assert!(matches!(failed, AppendError::Failed(_) | AppendError::Closed), "{failed}");
    }
    let reason = tokio::time::timeout(Duration::from_secs(30), log.ended()).await.unwrap();
    assert!(reason.contains("/data`") && reason.contains("os error 5"), "{reason}");
    assert!(reason.contains("(slot "), "{reason}");
    assert_eq!(log.status().refusing, Some("failed"));
    let failed = spans.writer.append(P0, noise(100, 9)).await.unwrap_err();
    assert!(matches!(failed, AppendError::Failed(_)), "{failed}");
    // The disk answers again, but the log does not trust it.
    switches.fail(false);
    let failed = spans.writer.append(P0, noise(100, 9)).await.unwrap_err();
    assert!(matches!(failed, AppendError::Failed(_)), "{failed}");
    let checkpoint = Checkpoint { position: Position(1), metadata: String::new() };
    assert!(log.group().committer().commit(P0, checkpoint).await.is_err());
    drop(log);
    // It opens again, with what was acknowledged.
    let mut log = testing::open(&settings, Clock::wall());
    while matches!(log, Err(OpenError::Locked { .. })) {
        tokio::time::sleep(Duration::from_millis(1)).await;
        log = testing::open(&settings, Clock::wall());
    }
    let (log, _) = log.unwrap();
    assert!(!read_all(&log.log().spans, P0).await.unwrap().is_empty());
}

#[tokio::test]
async fn appends_do_not_wait_for_slots_that_are_given_back() {
    let folder = TempDir::new().unwrap();
    let settings = Settings { quota: 128 << 20, ..small(folder.path()) };
    let (log, switches) = open_switched(&settings);
    let spans = log.log().spans;
    let (last, _) = fill(&log).await;
    let before = log.status().disk_bytes;
    assert!(before > 100 << 20, "{before}");
    commit(&log, P0, last.next()).await;
    // More than two hundred segments go at once; none of them is cut on the way.
    until(&log, "the removal", async || {
        spans.reader.extent(P0).await.unwrap().start.0 + 20 > last.0
    })
    .await;
    assert!(switches.cut.load(std::sync::atomic::Ordering::Relaxed) <= 1);
    until(&log, "the recovery", async || spans.writer.append(P0, noise(50_000, 1)).await.is_ok())
        .await;
    // Slots go back to the disk one by one.
    until(&log, "the giving back", async || log.status().disk_bytes < before).await;
}

#[tokio::test]
async fn slots_that_are_finished_are_used_again() {
    let folder = TempDir::new().unwrap();
    let settings = Settings { quota: 16 << 20, ..small(folder.path()) };
    let log = open(&settings);
    let spans = log.log().spans;
    // Ten times what the quota allows.
    for number in 0..3_400 {
        let position = loop {
            match spans.writer.append(P0, noise(50_000, number)).await {
                Ok(position) => break position,
                Err(AppendError::QuotaReached { .. }) => {
                    log.wake();
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(position, Position(number));
        if number % 20 == 0 {
            commit(&log, P0, Position(number)).await;
        }
    }
    let frames = read_all(&spans, P0).await.unwrap();
    assert_eq!(frames.last().unwrap().position, Position(3_399));
    for frame in frames {
        assert!(frame.payload == noise(50_000, frame.position.0).payload);
    }
}

#[tokio::test]
async fn a_folder_belongs_to_one_process() {
    let folder = TempDir::new().unwrap();
    let settings = small(folder.path());
    let log = open(&settings);
    let error = opening(&settings);
    let pid = std::process::id();
    assert!(matches!(error, OpenError::Locked { pid: Some(found), .. } if found == pid));
    let text = error.to_string();
    assert!(text.contains(&format!("process {pid}")) && text.contains("/data`"), "{text}");
    log.close().await;
    drop(open(&settings));
}

#[tokio::test]
async fn impossible_folders_are_refused_with_their_names() {
    let folder = TempDir::new().unwrap();
    let settings = small(folder.path());
    let data = settings.directory.clone();
    fs::write(&data, "a file").unwrap();
    let error = opening(&settings).to_string();
    assert!(error.contains("/data` cannot be created"), "{error}");
    fs::remove_file(&data).unwrap();
    fs::create_dir(&data).unwrap();
    fs::write(data.join("thesis.tex"), "do not delete").unwrap();
    let error = opening(&settings).to_string();
    assert!(error.contains("`thesis.tex` is there"), "{error}");
    fs::remove_file(data.join("thesis.tex")).unwrap();
    open(&settings).close().await;
    let error = opening(&Settings { partitions: 3, ..settings.clone() }).to_string();
    assert!(error.contains("has 2 partitions, `partitions` is `3`"), "{error}");
    fs::write(data.join("format"), "wholetrace log\nversion 99\n").unwrap();
    let error = opening(&settings).to_string();
    assert!(error.contains("/data/format") && error.contains("`99`"), "{error}");
}

#[tokio::test]
async fn a_log_of_an_older_version_is_refused_with_the_way_out_and_not_touched() {
    let folder = TempDir::new().unwrap();
    let settings = small(folder.path());
    let data = settings.directory.clone();
    fs::create_dir_all(data.join("store/keyspaces")).unwrap();
    fs::write(data.join("store/0.jnl"), "spans").unwrap();
    fs::write(
        data.join("format"),
        "wholetrace log\nversion 1\npartitions 2\nepoch 1\nseed 00000000000000aa\n",
    )
    .unwrap();
    let error = opening(&settings);
    assert!(matches!(error, OpenError::OldStore { .. }), "{error}");
    assert!(error.to_string().contains("without receivers until all is exported"), "{error}");
    assert_eq!(fs::read_to_string(data.join("store/0.jnl")).unwrap(), "spans");
    fs::remove_dir_all(data.join("store")).unwrap();
    let error = opening(&settings).to_string();
    assert!(error.contains("that of an older store"), "{error}");
}

/// Writes a few records, each acknowledged on its own, and closes the log.
async fn filled(settings: &Settings, records: u64) {
    let log = open(settings);
    for number in 0..records {
        append(&log.log().spans, P0, noise(1_000, number)).await;
    }
    log.close().await;
}

fn slots(settings: &Settings) -> Vec<PathBuf> {
    let files = fs::read_dir(settings.directory.join("slots")).unwrap();
    let mut paths: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The slot and offset where the payload of record `seed` stands.
fn find(settings: &Settings, record: &Record) -> (PathBuf, u64) {
    for path in slots(settings) {
        let bytes = fs::read(&path).unwrap();
        let window = &record.payload[..64.min(record.payload.len())];
        if let Some(at) = bytes.windows(window.len()).position(|found| found == window) {
            return (path, at as u64);
        }
    }
    panic!("the record is not there");
}

fn flip(path: &Path, offset: u64) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 1], offset).unwrap();
}

#[tokio::test]
async fn a_damaged_record_is_a_gap_of_one() {
    let folder = TempDir::new().unwrap();
    let settings = small(folder.path());
    filled(&settings, 20).await;
    // In the payload of one, in the head of another.
    let (path, offset) = find(&settings, &noise(1_000, 7));
    flip(&path, offset + 100);
    let (path, offset) = find(&settings, &noise(1_000, 12));
    flip(&path, offset - 30);
    let log = open(&settings);
    let (found, damaged) = read_over(&log.log().spans, P0).await;
    assert_eq!(damaged, [7, 12]);
    assert_eq!(found.len(), 18);
    let error = log.log().spans.reader.fetch(P0, Position(7), 1).await.unwrap_err();
    assert!(matches!(error, ReadError::Damaged { position: Position(7), .. }), "{error}");
    let next = log.log().spans.reader.fetch(P0, Position(8), 1).await.unwrap();
    assert_eq!(next[0].position, Position(8));
    assert_eq!(append(&log.log().spans, P0, noise(9, 9)).await, Position(20));
}

#[tokio::test]
async fn a_missing_slot_is_refused_unless_the_loss_is_accepted_and_nothing_is_deleted() {
    let folder = TempDir::new().unwrap();
    let settings = small(folder.path());
    let log = open(&settings);
    for number in 0..100 {
        append(&log.log().spans, P0, noise(50_000, number)).await;
    }
    log.close().await;
    let (victim, _) = find(&settings, &noise(50_000, 40));
    let kept = fs::read(&victim).unwrap();
    fs::remove_file(&victim).unwrap();
    let before = slots(&settings);
    let error = opening(&settings);
    assert!(matches!(error, OpenError::Missing { .. }), "{error}");
    assert!(error.to_string().contains("accept_loss"), "{error}");
    // Nor when it was cut short.
    fs::write(&victim, &kept[..100_000]).unwrap();
    assert!(matches!(opening(&settings), OpenError::Missing { .. }));
    assert_eq!(fs::read(&victim).unwrap().len(), 100_000);
    fs::remove_file(&victim).unwrap();
    assert_eq!(slots(&settings), before);
    let log = open(&Settings { accept_loss: true, ..settings.clone() });
    let (found, damaged) = read_over(&log.log().spans, P0).await;
    assert!(damaged.is_empty(), "{damaged:?}");
    assert!((85..100).contains(&found.len()), "{}", found.len());
    assert!(!found.contains(&40) && found.contains(&0) && found.contains(&99));
    assert_eq!(append(&log.log().spans, P0, noise(9, 9)).await, Position(100));
    log.close().await;
    fs::write(&victim, kept).unwrap();
    let log = open(&settings);
    assert_eq!(read_all(&log.log().spans, P0).await.unwrap().len(), 101);
}

#[tokio::test]
async fn a_missing_format_deletes_nothing() {
    let folder = TempDir::new().unwrap();
    let settings = small(folder.path());
    filled(&settings, 20).await;
    let format = settings.directory.join("format");
    let kept = fs::read(&format).unwrap();
    fs::remove_file(&format).unwrap();
    let before = slots(&settings);
    let error = opening(&settings).to_string();
    assert!(error.contains("`format` is missing although there are"), "{error}");
    assert_eq!(slots(&settings), before);
    assert!(!format.exists());
    fs::write(&format, kept).unwrap();
    let log = open(&settings);
    assert_eq!(read_all(&log.log().spans, P0).await.unwrap().len(), 20);
}

#[tokio::test]
async fn slots_of_another_log_are_refused() {
    let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (settings, others) = (small(folder.path()), small(other.path()));
    filled(&settings, 20).await;
    filled(&others, 20).await;
    let (theirs, _) = find(&others, &noise(1_000, 3));
    fs::copy(theirs, settings.directory.join("slots/0050")).unwrap();
    let error = opening(&settings).to_string();
    assert!(error.contains("slot 0050 belongs to another log"), "{error}");
}

#[tokio::test]
async fn the_loss_of_the_newest_slot_is_noticed() {
    let folder = TempDir::new().unwrap();
    let settings = small(folder.path());
    let log = open(&settings);
    for number in 0..100 {
        append(&log.log().spans, P0, noise(50_000, number)).await;
    }
    log.close().await;
    let (newest, _) = find(&settings, &noise(50_000, 99));
    fs::remove_file(newest).unwrap();
    let error = opening(&settings);
    assert!(matches!(error, OpenError::Missing { .. }), "{error}");
    let log = open(&Settings { accept_loss: true, ..settings });
    let position = append(&log.log().spans, P0, noise(9, 9)).await;
    assert!(position > Position(99), "{position} was given before");
}

#[tokio::test]
async fn a_clock_that_was_ahead_at_the_first_start_does_not_stop_the_time() {
    let folder = TempDir::new().unwrap();
    let settings = small(folder.path());
    let clock = Clock::wall();
    let ahead = clock.now().plus(2 * 3_600_000);
    clock.set(Some(ahead));
    let (log, _) = testing::open(&settings, clock).unwrap();
    append(&log.log().spans, P0, noise(9, 0)).await;
    log.close().await;
    let log = open(&settings);
    let spans = log.log().spans;
    append(&spans, P0, noise(9, 1)).await;
    // The log follows the clock, and its time goes on at once.
    until(&log, "the passing of time", async || {
        append(&spans, P0, Record::tick()).await;
        let frames = read_all(&spans, P0).await.unwrap();
        assert!(frames[0].time >= ahead && frames[1].time < ahead.minus(3_600_000));
        frames.last().unwrap().time > frames[1].time
    })
    .await;
}

#[tokio::test]
async fn without_sync_what_is_closed_is_there() {
    let folder = TempDir::new().unwrap();
    let settings = Settings { sync: false, ..small(folder.path()) };
    let log = open(&settings);
    for number in 0..100 {
        append(&log.log().spans, P0, noise(50_000, number)).await;
    }
    commit(&log, P0, Position(90)).await;
    log.close().await;
    let log = open(&settings);
    let frames = read_all(&log.log().spans, P0).await.unwrap();
    assert_eq!(frames.last().unwrap().position, Position(99));
    let mut group = log.group();
    let assigned = format!("{:?}", group.next().await.unwrap());
    assert!(assigned.contains("Position(90)"), "{assigned}");
}

#[tokio::test]
async fn what_is_refused_for_want_of_room_in_the_queue_is_not_compressed_first() {
    let folder = TempDir::new().unwrap();
    let settings = Settings { max_waiting: 1 << 20, ..small(folder.path()) };
    let (log, switches) = open_switched(&settings);
    let spans = log.log().spans;
    switches.stall(true);
    let mut accepted = Vec::new();
    loop {
        let mut append = spans.writer.append(P0, noise(100_000, 0));
        match futures_util::future::FutureExt::now_or_never(&mut append) {
            Some(Err(AppendError::Full { waiting, limit })) => {
                assert!(waiting <= limit && limit == 1 << 20, "{waiting}");
                break;
            }
            Some(other) => panic!("{other:?}"),
            None => accepted.push(append),
        }
    }
    assert!(log.status().waiting_bytes <= 1 << 20);
    switches.stall(false);
    for append in accepted {
        append.await.unwrap();
    }
}

/// With a real disk that is too small: `WHOLETRACE_SMALL_DISK` names a folder on a file system of
/// about 200 MB that holds nothing else, for instance a `tmpfs`.
#[tokio::test]
#[ignore = "needs a small file system"]
async fn a_real_disk_that_fills_up_is_survived() {
    let disk = std::env::var_os("WHOLETRACE_SMALL_DISK").expect("no small disk is given");
    let folder = TempDir::new_in(disk).unwrap();
    let settings = Settings { min_free: 1, quota: 1 << 30, ..small(folder.path()) };
    let log = open(&settings);
    let spans = log.log().spans;
    for round in 0..3 {
        let (last, refused) = fill(&log).await;
        assert_eq!(refused, AppendError::DiskFull);
        append(&spans, P1, Record::tick()).await;
        append(&log.log().decisions, P0, decision(round)).await;
        let count = read_all(&spans, P0).await.unwrap().len();
        assert!(count > 50, "{count} records are there");
        // All of it is finished: the log makes room by itself.
        commit(&log, P0, last.next()).await;
        commit(&log, P1, spans.reader.extent(P1).await.unwrap().end).await;
        until(&log, "the recovery", async || {
            spans.writer.append(P0, noise(10, round)).await.is_ok()
        })
        .await;
    }
}
