use std::{fs, path::Path};

use bytes::Bytes;
use tempfile::TempDir;

use super::{EmbeddedConfig, EmbeddedLog, OpenError, settings::Settings};
use crate::{
    contract::Topic,
    position::{LogTime, Partition, Position},
    reader::{Checkpoint, ReadError, Start},
    record::{Frame, Record},
    writer::AppendError,
};

const P0: Partition = Partition(0);
const P1: Partition = Partition(1);

/// Settings small enough that slices come and go: slices of 512 KiB, tables after 2 MiB.
fn small(directory: &Path) -> Settings {
    let config = EmbeddedConfig { directory: directory.join("data"), ..EmbeddedConfig::default() };
    Settings {
        partitions: 2,
        min_free: 1 << 20,
        memtables: 4 << 20,
        tail_cache: 0,
        ..config.settings().unwrap()
    }
}

fn open(settings: &Settings) -> EmbeddedLog {
    EmbeddedLog::open_with(settings.clone()).unwrap()
}

/// A record whose payload does not compress.
fn noise(size: usize, seed: u64) -> Record {
    let mut random = fastrand::Rng::with_seed(seed);
    Record::spans(1, (0..size).map(|_| random.u8(..)).collect())
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

/// Wakes the writer thread until `reached` holds.
async fn until(log: &EmbeddedLog, what: &str, mut reached: impl AsyncFnMut() -> bool) {
    for _ in 0..30_000 {
        if reached().await {
            return;
        }
        log.wake();
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    panic!("{what} did not happen");
}

fn opening(settings: &Settings) -> OpenError {
    EmbeddedLog::open_with(settings.clone()).err().expect("the log opened")
}

#[tokio::test]
async fn slices_are_written_to_tables_read_back_and_found_again() {
    let folder = TempDir::new().unwrap();
    let settings = small(folder.path());
    let log = open(&settings);
    let spans = log.log().spans;
    let mut expected = [Vec::new(), Vec::new()];
    for number in 0..400 {
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
    assert!(log.shared.slices().all().count() > 20);
    let tables: u64 = log.shared.slices().all().map(|slice| slice.keyspace.disk_space()).sum();
    assert!(tables > 10 << 20, "only {tables} bytes are in tables");
    log.close().await;
    let log = open(&settings);
    check(&log).await;
    let middle = Start::Position(Position(150));
    let mut cursor = log.log().spans.reader.open(P1, middle).await.unwrap();
    assert_eq!(cursor.next(1).await.unwrap()[0].position, Position(150));
}

#[tokio::test]
async fn finished_slices_go_and_positions_never_come_again() {
    let folder = TempDir::new().unwrap();
    let settings = small(folder.path());
    let log = open(&settings);
    let spans = log.log().spans;
    for number in 0..100 {
        append(&spans, P0, noise(50_000, number)).await;
    }
    append(&spans, P1, noise(10, 1)).await;
    commit(&log, P0, Position(100)).await;
    // Partition 1 holds the newest slice only.
    until(&log, "the removal", async || {
        spans.reader.extent(P0).await.unwrap().start > Position(80)
    })
    .await;
    let gone = spans.reader.fetch(P0, Position(0), 1).await.unwrap_err();
    assert!(matches!(gone, ReadError::Gone { asked: Position(0), .. }), "{gone}");
    commit(&log, P1, Position(1)).await;
    // Under pressure even the newest slice goes.
    log.hooks().set_free(Some(500_000));
    until(&log, "the removal of all", async || {
        let extent = spans.reader.extent(P0).await.unwrap();
        extent.start == extent.end
    })
    .await;
    log.close().await;
    let log = open(&settings);
    let extent = log.log().spans.reader.extent(P0).await.unwrap();
    assert_eq!((extent.start, extent.end), (Position(100), Position(100)));
    assert_eq!(append(&log.log().spans, P0, noise(9, 9)).await, Position(100));
    assert_eq!(append(&log.log().spans, P1, noise(9, 9)).await, Position(1));
}

#[tokio::test]
async fn retained_slices_stay_for_replays() {
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
    assert!(kept >= 3 << 20, "{kept} bytes were kept");
}

#[tokio::test]
async fn decisions_go_by_time_but_not_before_the_spans_they_are_about() {
    let folder = TempDir::new().unwrap();
    let log = open(&small(folder.path()));
    let (spans, decisions) = (log.log().spans, log.log().decisions);
    let hour = 3_600_000;
    let begin = LogTime(9_000_000_000_000);
    log.hooks().set_time(Some(begin));
    append(&spans, P0, noise(10, 0)).await;
    append(&decisions, P0, noise(10, 1)).await;
    log.hooks().set_time(Some(begin.plus(2 * hour)));
    append(&decisions, P0, noise(10, 2)).await;
    for number in 0..30 {
        // The removal would come with any of these.
        append(&spans, P1, noise(50_000, number)).await;
        log.wake();
    }
    assert_eq!(read_all(&decisions, P0).await.unwrap().len(), 2);
    commit(&log, P0, Position(1)).await;
    commit(&log, P1, Position(30)).await;
    until(&log, "the removal", async || {
        decisions.reader.extent(P0).await.unwrap().start == Position(1)
    })
    .await;
}

#[tokio::test]
async fn a_nearly_full_disk_refuses_spans_and_lets_the_rest_go_on() {
    let folder = TempDir::new().unwrap();
    let log = open(&small(folder.path()));
    let all = log.log();
    append(&all.spans, P0, noise(100, 0)).await;
    log.hooks().set_free(Some(900_000));
    until(&log, "the refusal", async || log.status().refusing == Some("disk_low")).await;
    let refused = all.spans.writer.append(P0, noise(100, 1)).await;
    assert_eq!(refused, Err(AppendError::DiskFull));
    append(&all.decisions, P0, noise(100, 1)).await;
    commit(&log, P0, Position(1)).await;
    assert_eq!(read_all(&all.spans, P0).await.unwrap().len(), 1);
    log.hooks().set_free(Some(100));
    until(&log, "the full refusal", async || log.status().refusing == Some("disk_full")).await;
    let refused = all.decisions.writer.append(P0, noise(100, 1)).await;
    assert_eq!(refused, Err(AppendError::DiskFull));
    assert_eq!(read_all(&all.decisions, P0).await.unwrap().len(), 1);
    log.hooks().set_free(None);
    until(&log, "the recovery", async || log.status().refusing.is_none()).await;
    append(&all.spans, P0, noise(100, 2)).await;
}

#[tokio::test]
async fn a_write_that_fails_for_lack_of_room_is_survived() {
    let folder = TempDir::new().unwrap();
    let log = open(&Settings { tail_cache: 1 << 20, ..small(folder.path()) });
    let spans = log.log().spans;
    let mut cursor = spans.reader.open(P0, Start::Earliest).await.unwrap();
    for number in 0..20 {
        append(&spans, P0, noise(50_000, number)).await;
    }
    log.hooks().set_free(Some(100));
    log.hooks().fail_commits(1);
    let failed = spans.writer.append(P0, noise(9, 20)).await;
    assert_eq!(failed, Err(AppendError::DiskFull));
    commit(&log, P0, Position(7)).await;
    // Reading goes on.
    assert_eq!(cursor.next(50_000).await.unwrap()[0].position, Position(0));
    assert_eq!(spans.writer.append(P0, noise(9, 21)).await, Err(AppendError::DiskFull));
    log.hooks().set_free(None);
    until(&log, "the recovery", async || log.status().refusing.is_none()).await;
    let position = append(&spans, P0, noise(50_000, 22)).await;
    assert!(position >= Position(20));
    let mut read = 1;
    while read < 21 {
        read += cursor.next(1 << 20).await.unwrap().len();
    }
    assert_eq!(read_all(&spans, P0).await.unwrap().len(), 21);
    log.close().await;
    let log = open(&small(folder.path()));
    let mut group = log.group();
    let assigned = format!("{:?}", group.next().await.unwrap());
    assert!(assigned.contains("Position(7)"), "{assigned}");
}

#[tokio::test]
async fn the_quota_refuses_spans_until_they_are_finished() {
    let folder = TempDir::new().unwrap();
    let log = open(&Settings { quota: 96 << 20, ..small(folder.path()) });
    let spans = log.log().spans;
    let mut last = Position(0);
    let refused = loop {
        match spans.writer.append(P0, noise(500_000, last.0)).await {
            Ok(position) => last = position,
            Err(error) => break error,
        }
        assert!(last < Position(1_000), "the quota is not kept");
    };
    assert!(matches!(refused, AppendError::QuotaReached { quota: 100_663_296, .. }), "{refused}");
    assert!(log.status().disk_bytes <= 96 << 20, "{:?}", log.status());
    append(&log.log().decisions, P0, noise(100, 1)).await;
    assert_eq!(read_all(&spans, P0).await.unwrap().len() as u64, last.0 + 1);
    commit(&log, P0, last.next()).await;
    until(&log, "the recovery", async || log.status().refusing.is_none()).await;
    append(&spans, P0, noise(500_000, 0)).await;
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

/// Writes a few records and closes the log.
async fn filled(settings: &Settings) {
    let log = open(settings);
    for number in 0..20 {
        append(&log.log().spans, P0, noise(1_000, number)).await;
    }
    log.close().await;
}

fn journal(settings: &Settings) -> std::path::PathBuf {
    let store = settings.directory.join("store");
    let files = fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|found| found == "jnl")).max().unwrap()
}

#[tokio::test]
async fn a_flipped_byte_in_the_journal_is_refused() {
    let folder = TempDir::new().unwrap();
    let settings = small(folder.path());
    filled(&settings).await;
    let path = journal(&settings);
    let mut bytes = fs::read(&path).unwrap();
    bytes[10_000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = opening(&settings);
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("/data/store` is damaged") && text.contains("accept_loss"), "{text}");
}

#[tokio::test]
async fn a_journal_that_lost_its_end_is_refused_unless_the_loss_is_accepted() {
    let folder = TempDir::new().unwrap();
    let settings = small(folder.path());
    filled(&settings).await;
    fs::OpenOptions::new().write(true).open(journal(&settings)).unwrap().set_len(10_000).unwrap();
    let error = opening(&settings).to_string();
    assert!(error.contains("of partition 0 of spans were acknowledged and are missing"), "{error}");
    let log = open(&Settings { accept_loss: true, ..settings });
    let spans = log.log().spans;
    let left = read_all(&spans, P0).await.unwrap().len();
    assert!((5..20).contains(&left), "{left} records are left");
    assert_eq!(append(&spans, P0, noise(9, 9)).await, Position(20));
    let mut cursor = spans.reader.open(P0, Start::Earliest).await.unwrap();
    let mut found = Vec::new();
    while found.last() != Some(&20) {
        let frames = cursor.next(1 << 20).await.unwrap();
        found.extend(frames.iter().map(|frame| frame.position.0));
    }
    assert_eq!(found.len(), left + 1);
}

#[tokio::test]
async fn a_missing_slice_is_refused() {
    let folder = TempDir::new().unwrap();
    let settings = small(folder.path());
    let log = open(&settings);
    for number in 0..100 {
        append(&log.log().spans, P0, noise(50_000, number)).await;
    }
    let victim = log.shared.slices().all().nth(3).unwrap().keyspace.path().to_owned();
    log.close().await;
    fs::remove_dir_all(victim).unwrap();
    let error = opening(&settings).to_string();
    assert!(error.contains("of partition 0 are missing from spans"), "{error}");
}

#[tokio::test]
async fn a_store_that_was_not_made_to_the_end_is_made_again() {
    let folder = TempDir::new().unwrap();
    let settings = small(folder.path());
    open(&settings).close().await;
    fs::remove_file(settings.directory.join("marks")).ok();
    fs::remove_file(settings.directory.join("store/version")).unwrap();
    filled(&settings).await;
}

/// With a real disk that is too small: `WHOLETRACE_SMALL_DISK` names a folder on a file system of
/// about 200 MB that holds nothing else, for instance a `tmpfs`.
#[tokio::test]
#[ignore = "needs a small file system"]
async fn a_real_disk_that_fills_up_is_survived() {
    let disk = std::env::var_os("WHOLETRACE_SMALL_DISK").expect("no small disk is given");
    let folder = TempDir::new_in(disk).unwrap();
    let settings = Settings { min_free: 1, ..small(folder.path()) };
    let log = open(&settings);
    let spans = log.log().spans;
    for round in 0..3 {
        let mut last = None;
        let refused = loop {
            match spans.writer.append(P0, noise(500_000, round)).await {
                Ok(position) => last = Some(position),
                Err(error) => break error,
            }
        };
        assert_eq!(refused, AppendError::DiskFull);
        let count = read_all(&spans, P0).await.unwrap().len();
        assert!(count > 50, "{count} records are there");
        // All of it is finished: the log makes room by itself.
        commit(&log, P0, last.unwrap().next()).await;
        until(&log, "the recovery", async || {
            spans.writer.append(P0, noise(10, round)).await.is_ok()
        })
        .await;
    }
}
