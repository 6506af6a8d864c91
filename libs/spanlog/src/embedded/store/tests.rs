use std::{fs, os::unix::fs::FileExt, path::Path, sync::Arc};

use bytes::Bytes;
use tempfile::TempDir;

use super::{
    Item, OpenFault, Options, Recovered, Store,
    format::{GroupHead, HEAD, PAGE, RecordHead, Seal},
    payload::Encoded,
};
use crate::{
    embedded::real_disk::RealDisk,
    position::{LogTime, Partition, Position},
    reader::{Checkpoint, ReadError},
    record::{Frame, Record},
    topic::TopicName,
};

const SPANS: TopicName = TopicName::Spans;
const P0: Partition = Partition(0);
const P1: Partition = Partition(1);
const SLOT: u64 = 64 << 10;

/// A store in a folder, opened again and again.
struct Lab {
    folder: TempDir,
    options: Options,
}

impl Lab {
    fn new() -> Self {
        let options = Options {
            partitions: 2,
            slot_bytes: SLOT,
            quota: 64 * SLOT,
            min_free: 0,
            sync: true,
            accept_loss: false,
            seed: [1, 2],
        };
        Self { folder: TempDir::new().unwrap(), options }
    }

    fn try_open(&mut self) -> Result<(Store<RealDisk>, Recovered), OpenFault> {
        self.options.seed[1] += 1;
        Store::open(Arc::new(RealDisk::open(self.folder.path()).unwrap()), &self.options)
    }

    fn open(&mut self) -> (Store<RealDisk>, Recovered) {
        self.try_open().unwrap()
    }

    fn slot(&self, number: u32) -> std::path::PathBuf {
        self.folder.path().join(format!("slots/{number:04}"))
    }

    fn zero(&self, slot: u32, offset: u64, length: usize) {
        write(&self.slot(slot), offset, &vec![0; length]);
    }
}

fn write(path: &Path, offset: u64, bytes: &[u8]) {
    fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, offset).unwrap();
}

fn noise(size: usize, seed: u64) -> Bytes {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..size).map(|_| random.u8(..)).collect()
}

/// Commits payloads of partition 0 as one batch.
fn commit(store: &mut Store<RealDisk>, payloads: &[Bytes]) -> Vec<u64> {
    let encoded: Vec<Encoded> =
        payloads.iter().map(|payload| Encoded::new(&Record::spans(1, payload.clone()))).collect();
    let items: Vec<Item<'_>> =
        encoded.iter().map(|record| Item { topic: SPANS, partition: P0, record }).collect();
    let committed = store.commit(&items, &[], LogTime(1_000)).unwrap();
    committed.outcomes.into_iter().map(|outcome| outcome.unwrap().0).collect()
}

fn finish(store: &mut Store<RealDisk>, position: u64) {
    let checkpoint =
        Checkpoint { position: Position(position), metadata: format!("hint {position}") };
    store.commit(&[], &[(P0, checkpoint)], LogTime(1_000)).unwrap();
}

/// All frames of a partition, and the positions that are damaged.
fn read(store: &Store<RealDisk>, partition: Partition) -> (Vec<Frame>, Vec<u64>) {
    let segments = store.segments();
    let extent = segments.extent(SPANS, partition);
    let (mut at, mut frames, mut damaged) = (extent.start, Vec::new(), Vec::new());
    while at < extent.end {
        match segments.read(SPANS, partition, at, 1 << 20) {
            Ok(more) => {
                let Some(last) = more.last() else { break };
                at = last.position.next();
                frames.extend(more);
            }
            Err(ReadError::Damaged { position, .. }) => {
                damaged.push(position.0);
                at = position.next();
            }
            Err(error) => panic!("{error}"),
        }
    }
    (frames, damaged)
}

fn positions(frames: &[Frame]) -> Vec<u64> {
    frames.iter().map(|frame| frame.position.0).collect()
}

#[test]
fn a_group_of_which_any_page_is_missing_is_cut_whole_and_erased() {
    let mut lab = Lab::new();
    let (mut store, _) = lab.open();
    commit(&mut store, &[noise(1_000, 0)]);
    let begin = store.streams[0].active.as_ref().unwrap().cursor;
    commit(&mut store, &[noise(5_000, 1), noise(5_000, 2), noise(100, 3)]);
    let end = store.streams[0].active.as_ref().unwrap().cursor;
    drop(store);
    let whole = fs::read(lab.slot(0)).unwrap();
    let pages: Vec<u64> = (begin..end).step_by(4_096).collect();
    assert!(pages.len() >= 3, "{begin} to {end}");
    // Each page missing, and each one alone.
    let mut cases: Vec<Vec<u64>> = pages.iter().map(|page| vec![*page]).collect();
    cases.extend(
        pages.iter().map(|page| pages.iter().copied().filter(|other| other != page).collect()),
    );
    for missing in cases {
        fs::write(lab.slot(0), &whole).unwrap();
        for page in &missing {
            lab.zero(0, *page, 4_096);
        }
        let (mut store, recovered) = lab.open();
        assert!(recovered.damages.is_empty(), "{missing:?}: {recovered:?}");
        assert_eq!(positions(&read(&store, P0).0), [0], "{missing:?}");
        // L8: the next group is not taken for damage because of what was there.
        assert_eq!(commit(&mut store, &[noise(10, 4)]), [1]);
        drop(store);
        let (store, recovered) = lab.open();
        assert!(recovered.cuts.is_empty() && recovered.damages.is_empty(), "{recovered:?}");
        assert_eq!(positions(&read(&store, P0).0), [0, 1]);
    }
}

#[test]
fn group_numbers_rise_across_a_cut() {
    let mut lab = Lab::new();
    let (mut store, _) = lab.open();
    commit(&mut store, &[noise(1_000, 0)]);
    commit(&mut store, &[noise(9_000, 1)]);
    let (begin, group) = (store.streams[0].active.as_ref().unwrap().cursor, store.streams[0].group);
    drop(store);
    lab.zero(0, begin - 4_096, 4_096);
    let (mut store, recovered) = lab.open();
    assert_eq!(recovered.cuts.len(), 1, "{recovered:?}");
    commit(&mut store, &[noise(10, 2)]);
    assert!(store.streams[0].group > group, "L5");
}

#[test]
fn damage_below_the_newest_group_is_a_gap_and_everything_else_stays() {
    let mut lab = Lab::new();
    let (mut store, _) = lab.open();
    let mut begins = Vec::new();
    for seed in 0..5 {
        begins.push(store.streams[0].active.as_ref().map_or(PAGE, |active| active.cursor));
        commit(&mut store, &[noise(500, seed), noise(500, 100 + seed)]);
    }
    drop(store);
    // The whole third group: heads, records, all.
    lab.zero(0, begins[2], 4_096);
    let (mut store, recovered) = lab.open();
    assert_eq!(recovered.damages.len(), 1, "{recovered:?}");
    let (frames, damaged) = read(&store, P0);
    assert_eq!(damaged, [4, 5]);
    assert_eq!(positions(&frames), [0, 1, 2, 3, 6, 7, 8, 9]);
    assert_eq!(commit(&mut store, &[noise(9, 9)]), [10]);
}

#[test]
fn a_seal_tells_damage_of_the_newest_records_from_a_torn_write() {
    for sealed in [false, true] {
        let mut lab = Lab::new();
        let (mut store, _) = lab.open();
        commit(&mut store, &[noise(500, 0)]);
        let begin = store.streams[0].active.as_ref().unwrap().cursor;
        commit(&mut store, &[noise(500, 1)]);
        assert!(store.wants_seal());
        if sealed {
            store.seal(LogTime(2_000)).unwrap();
            assert!(!store.wants_seal());
        }
        drop(store);
        lab.zero(0, begin, 4_096);
        let (mut store, recovered) = lab.open();
        let (frames, damaged) = read(&store, P0);
        assert_eq!(positions(&frames), [0]);
        assert_eq!((recovered.damages.len(), damaged.len()), if sealed { (1, 1) } else { (0, 0) });
        // L7: the position of what was damaged is not given again.
        let next = commit(&mut store, &[noise(9, 9)])[0];
        assert!(if sealed { next > 1 } else { next == 1 }, "{next}");
    }
}

#[test]
fn positions_jump_where_nothing_tells_what_was_lost_and_the_gap_is_told_once() {
    let mut lab = Lab::new();
    let (mut store, _) = lab.open();
    commit(&mut store, &[noise(500, 0)]);
    let begin = store.streams[0].active.as_ref().unwrap().cursor;
    commit(&mut store, &[noise(500, 1)]);
    commit(&mut store, &[noise(500, 2), noise(4_000, 3), noise(100, 4)]);
    drop(store);
    // The middle group, and the head of the newest: its second page proves the middle one, but
    // nothing tells what was in it.
    lab.zero(0, begin, 8_192);
    // Also when it is opened twice.
    for _ in 0..2 {
        let (_, recovered) = lab.open();
        assert_eq!(recovered.damages.len(), 1, "{recovered:?}");
    }
    let (mut store, _) = lab.open();
    let next = commit(&mut store, &[noise(9, 9)])[0];
    assert!(next > 1_000, "{next}");
    let (frames, damaged) = read(&store, P0);
    assert_eq!((positions(&frames), damaged), (vec![0, next], vec![1]));
    drop(store);
    let (store, _) = lab.open();
    let (frames, damaged) = read(&store, P0);
    assert_eq!((positions(&frames), damaged), (vec![0, next], vec![1]));
}

#[test]
fn bytes_of_the_log_in_a_payload_are_never_served() {
    let mut lab = Lab::new();
    let (mut store, _) = lab.open();
    commit(&mut store, &[noise(900, 0), noise(900, 1)]);
    let begin = store.streams[0].active.as_ref().unwrap().cursor;
    let slot = fs::read(lab.slot(0)).unwrap();
    let seal = store.streams[0].active.as_ref().unwrap().segment.seal;
    // The groups as they stand there, byte for byte, in a payload that is stored as it is, in
    // such a way that they come to lie on a multiple of 64, and of 4,096.
    let groups = &slot[4_096..usize::try_from(begin).unwrap()];
    let pad = 4_096 - HEAD * 3;
    let forged: Bytes = [&noise(pad, 7)[..], groups, &noise(64, 8)].concat().into();
    let again: Bytes = [&noise(64, 9)[..], groups, &noise(64, 8)].concat().into();
    commit(&mut store, &[forged, again]);
    commit(&mut store, &[noise(100, 5)]);
    drop(store);
    // Nothing but the salted sums stands between the payload and the reader: the heads in front of
    // it are gone.
    lab.zero(0, begin, 256);
    let (store, _) = lab.open();
    let (frames, damaged) = read(&store, P0);
    assert_eq!(positions(&frames), [0, 1, 3, 4]);
    assert_eq!(damaged, [2]);
    assert!(frames.iter().zip([0, 1]).all(|(f, seed)| f.payload == noise(900, seed)));
    // With its own salt and segment, but not its own offset, a head is not genuine.
    let head = &slot[4_096..];
    assert!(GroupHead::read(seal, 4_096, head).is_some());
    assert!(GroupHead::read(seal, 8_192, head).is_none());
    assert!(GroupHead::read(Seal { salt: seal.salt ^ 1, ..seal }, 4_096, head).is_none());
    assert!(GroupHead::read(Seal { segment: 2, ..seal }, 4_096, head).is_none());
}

#[test]
fn what_an_earlier_use_of_a_slot_left_is_not_found() {
    let mut lab = Lab::new();
    lab.options.quota = 8 * SLOT;
    let (mut store, _) = lab.open();
    for number in 0..300 {
        let position = commit(&mut store, &[noise(5_000, number)])[0];
        assert_eq!(position, number);
        finish(&mut store, position + 1);
        let keep = super::Retention { spans: 0, decisions: 0, letters: 0, letter_bytes: u64::MAX };
        store.free(&keep, LogTime(1_000)).unwrap();
        if number % 7 == 0 {
            drop(store);
            store = lab.open().0;
        }
    }
    let (frames, damaged) = read(&store, P0);
    assert!(damaged.is_empty());
    assert_eq!(frames.last().unwrap().position, Position(299));
    assert!(frames.iter().all(|frame| frame.payload == noise(5_000, frame.position.0)));
    assert!(store.disk_bytes() <= 8 * SLOT);
}

/// Fills several segments; each but the newest has several groups.
fn several_segments(lab: &mut Lab) -> Store<RealDisk> {
    let (mut store, _) = lab.open();
    for number in 0..40 {
        commit(&mut store, &[noise(5_000, number)]);
    }
    finish(&mut store, 3);
    assert!(store.segments().count() >= 4);
    store
}

#[test]
fn one_copy_of_a_header_is_enough_and_both_of_a_middle_segment_can_be_lost() {
    for lost in [&[0][..], &[SLOT - PAGE], &[0, SLOT - PAGE]] {
        for slot in 0..4 {
            let mut lab = Lab::new();
            let store = several_segments(&mut lab);
            let newest = store.streams[0].active.as_ref().unwrap().segment.slot.number;
            drop(store);
            if slot == newest && lost.len() == 2 {
                continue;
            }
            for offset in lost {
                lab.zero(slot, *offset, 4_096);
            }
            let (mut store, _) = lab.open();
            let (frames, damaged) = read(&store, P0);
            assert_eq!((frames.len(), damaged.len()), (40, 0), "slot {slot} without {lost:?}");
            assert_eq!(commit(&mut store, &[noise(9, 9)]), [40]);
            drop(store);
            let (store, recovered) = lab.open();
            assert_eq!(read(&store, P0).0.len(), 41);
            assert_eq!(recovered.checkpoints[0].as_ref().unwrap().position, Position(3));
        }
    }
}

#[test]
fn checkpoints_come_back_also_when_the_newest_snapshot_is_damaged() {
    let mut lab = Lab::new();
    let mut store = several_segments(&mut lab);
    let (slot, begin) = {
        let active = store.streams[0].active.as_ref().unwrap();
        (active.segment.slot.number, active.cursor)
    };
    finish(&mut store, 7);
    while store.streams[0].active.as_ref().unwrap().segment.slot.number == slot {
        commit(&mut store, &[noise(5_000, 1)]);
    }
    let newest = store.streams[0].active.as_ref().unwrap().segment.slot.number;
    commit(&mut store, &[noise(10, 1)]);
    assert!(begin > 0);
    drop(store);
    lab.zero(newest, PAGE, 4_096);
    let (mut store, recovered) = lab.open();
    let checkpoint = recovered.checkpoints[0].clone().unwrap();
    assert_eq!((checkpoint.position, checkpoint.metadata.as_str()), (Position(7), "hint 7"));
    // The next segment begins with them again.
    commit(&mut store, &[noise(10, 1)]);
    drop(store);
    let (_, recovered) = lab.open();
    assert_eq!(recovered.checkpoints[0].as_ref().unwrap().position, Position(7));
}

#[test]
fn slots_are_used_again_only_once_a_durable_group_says_that_they_are_free() {
    let mut lab = Lab::new();
    let mut store = several_segments(&mut lab);
    let keep = super::Retention { spans: 0, decisions: 0, letters: 0, letter_bytes: u64::MAX };
    finish(&mut store, 40);
    let free = store.pool.free();
    let freed = store.free(&keep, LogTime(1_000)).unwrap();
    assert!(freed >= 3, "{freed}");
    assert_eq!(store.pool.free(), free, "L4");
    assert!(store.wants_seal());
    store.seal(LogTime(1_000)).unwrap();
    // Two do: damage to one does not make the others seem to be missing.
    assert_eq!(store.pool.free(), free, "L4");
    store.seal(LogTime(1_000)).unwrap();
    assert!(!store.wants_seal());
    assert_eq!(store.pool.free(), free + freed);
    // L6: the newest stays.
    assert_eq!(store.segments().count(), 1);
    drop(store);
    let (store, _) = lab.open();
    assert_eq!(store.segments().extent(SPANS, P0).end, Position(40));
}

#[test]
fn other_partitions_and_topics_are_not_touched_by_a_damage() {
    let mut lab = Lab::new();
    let (mut store, _) = lab.open();
    let encoded = Encoded::new(&Record::spans(3, noise(300, 1)));
    let items =
        [P0, P1, P0, P1].map(|partition| Item { topic: SPANS, partition, record: &encoded });
    store.commit(&items, &[], LogTime(5)).unwrap();
    let decision = Item { topic: TopicName::Decisions, ..items[0] };
    store.commit(&[decision], &[], LogTime(6)).unwrap();
    store.seal(LogTime(7)).unwrap();
    drop(store);
    let bytes = fs::read(lab.slot(0)).unwrap();
    // The head of the third record: partition 0, position 1.
    let seal = {
        let (store, _) = lab.open();
        store.streams[0].active.as_ref().unwrap().segment.seal
    };
    let at = (4_096..12_288)
        .step_by(64)
        .find(|at| {
            RecordHead::read(seal, *at, &bytes[usize::try_from(*at).unwrap()..])
                .is_some_and(|head| (head.partition, head.position) == (P0, 1))
        })
        .unwrap();
    lab.zero(0, at, 64);
    let (store, recovered) = lab.open();
    assert_eq!(recovered.newest, LogTime(7));
    assert_eq!(read(&store, P0).1, [1]);
    let (frames, damaged) = read(&store, P1);
    assert_eq!((frames.len(), damaged.len()), (2, 0));
    let extent = store.segments().extent(TopicName::Decisions, P0);
    assert_eq!((extent.start, extent.end), (Position(0), Position(1)));
}

#[test]
fn times_are_kept_as_given_and_are_found() {
    let mut lab = Lab::new();
    let (mut store, _) = lab.open();
    let encoded = Encoded::new(&Record::spans(3, noise(4_000, 1)));
    let item = Item { topic: SPANS, partition: P0, record: &encoded };
    for time in (0..60).map(|number| 1_000 + number / 2 * 10) {
        let committed = store.commit(&[item], &[], LogTime(time)).unwrap();
        assert_eq!(committed.time, LogTime(time));
    }
    let (frames, _) = read(&store, P0);
    for time in [0, 1_000, 1_001, 1_145, 1_290, 1_291] {
        let time = LogTime(time);
        let expected = frames.iter().find(|frame| frame.time >= time);
        let expected = expected.map_or(Position(60), |frame| frame.position);
        assert_eq!(store.segments().find_time(SPANS, P0, time).unwrap(), expected, "{time:?}");
    }
    // A clock that is set back is followed, also after a restart.
    assert_eq!(store.commit(&[item], &[], LogTime(7)).unwrap().time, LogTime(7));
    drop(store);
    let (mut store, _) = lab.open();
    assert_eq!(store.commit(&[item], &[], LogTime(8)).unwrap().time, LogTime(8));
    let times: Vec<u64> = read(&store, P0).0.iter().map(|frame| frame.time.0).collect();
    assert_eq!(times[59..], [1_290, 7, 8]);
}

#[test]
fn every_flipped_bit_of_a_head_is_noticed() {
    let mut lab = Lab::new();
    let (mut store, _) = lab.open();
    commit(&mut store, &[noise(300, 1)]);
    let seal = store.streams[0].active.as_ref().unwrap().segment.seal;
    let bytes = fs::read(lab.slot(0)).unwrap();
    let (group, record) = (&bytes[4_096..4_224], &bytes[4_224..4_288]);
    assert!(GroupHead::read(seal, 4_096, group).is_some());
    assert!(RecordHead::read(seal, 4_224, record).is_some());
    for bit in 0..group.len() * 8 {
        let mut damaged = group.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(GroupHead::read(seal, 4_096, &damaged).is_none(), "bit {bit}");
    }
    for bit in 0..record.len() * 8 {
        let mut damaged = record.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(RecordHead::read(seal, 4_224, &damaged).is_none(), "bit {bit}");
    }
    for cut in 0..group.len() {
        assert!(GroupHead::read(seal, 4_096, &group[..cut]).is_none());
    }
}
