//! Each thing that the simulated disk does, seen once.

use super::*;

const SLOT: u64 = 32 << 10;

/// A disk with slot 7, all ones and durable.
fn disk() -> (SimDisk, u64) {
    let disk = SimDisk::start(State::new(1));
    let slot = disk.create_slot(7, SLOT).unwrap();
    write(&disk, slot, 1, 0, SLOT);
    disk.sync_data(&slot).unwrap();
    disk.sync_folder().unwrap();
    (disk, slot)
}

fn write(disk: &SimDisk, slot: u64, byte: u8, offset: u64, len: u64) {
    let bytes = vec![byte; usize::try_from(len).unwrap()];
    assert_eq!(disk.write_at(&slot, &bytes, offset).unwrap(), bytes.len());
}

/// The first byte of each sector of slot 7.
fn sectors(disk: &SimDisk) -> Vec<u8> {
    let slot = disk.open_slot(7).unwrap();
    let mut bytes = vec![0; usize::try_from(SLOT).unwrap()];
    let read = disk.read_at(&slot, &mut bytes, 0).unwrap();
    bytes[..read].chunks(SECTOR).map(|sector| sector[0]).collect()
}

fn pages(disk: &SimDisk) -> Vec<u8> {
    sectors(disk).into_iter().step_by(PAGE / SECTOR).collect()
}

fn after(state: State) -> SimDisk {
    SimDisk::start(state)
}

#[test]
fn a_kill_keeps_what_was_written_and_a_power_cut_what_was_synced() {
    let (disk, slot) = disk();
    write(&disk, slot, 2, 0, 8192);
    assert_eq!(pages(&after(disk.state().killed()))[..3], [2, 2, 1]);
    assert_eq!(disk.state().unsynced(), 2);
    let cut = |cut| pages(&after(disk.state().cut(cut)))[..3].to_vec();
    assert_eq!(cut(Cut::None), [1, 1, 1]);
    assert_eq!(cut(Cut::All), [2, 2, 1]);
    assert_eq!(cut(Cut::Without(0)), [1, 2, 1]);
    assert_eq!(cut(Cut::Alone(0)), [2, 1, 1]);
    assert_eq!(cut(Cut::Before(1)), [2, 1, 1]);
    assert_eq!(cut(Cut::From(1)), [1, 2, 1]);
    disk.sync_data(&slot).unwrap();
    assert_eq!(disk.state().unsynced(), 0);
    assert_eq!(cut(Cut::None), [2, 2, 1]);
}

#[test]
fn what_a_kill_leaves_in_the_cache_a_later_power_cut_takes() {
    let (disk, slot) = disk();
    write(&disk, slot, 2, 0, 4096);
    let next = after(disk.state().killed());
    assert_eq!(pages(&next)[0], 2);
    assert_eq!(pages(&after(next.state().cut(Cut::None)))[0], 1);
}

#[test]
fn a_scattered_cut_leaves_any_version_of_a_sector_and_garbage() {
    let (disk, slot) = disk();
    write(&disk, slot, 2, 0, 4096);
    write(&disk, slot, 3, 0, 2048);
    let (mut seen, mut garbage) = ([false; 4], false);
    for seed in 0..200 {
        let left = sectors(&after(disk.state().cut(Cut::Scattered(seed))));
        assert!(left[8..].iter().all(|&byte| byte == 1), "what was durable is still there");
        for &byte in &left[..8] {
            match seen.get_mut(usize::from(byte)) {
                Some(seen) => *seen = true,
                None => garbage = true,
            }
        }
    }
    assert_eq!((seen[1..].to_vec(), garbage), (vec![true; 3], true));
}

#[test]
fn all_cuts_are_four_for_each_page_and_the_random_ones() {
    assert_eq!(Cut::all(0, 32, 1), [Cut::None]);
    assert_eq!(Cut::all(1, 32, 1).len(), 34);
    assert_eq!(Cut::all(5, 32, 1).len(), 2 + 2 * 5 + 2 * 4 + 32);
}

#[test]
fn a_failed_sync_loses_pages_that_the_cache_still_shows() {
    let mut lost = 0;
    for seed in 0..20 {
        let (disk, slot) = disk();
        disk.change(|state| state.random.seed(seed));
        write(&disk, slot, 2, 0, 4096);
        disk.fail(Fault { call: Call::Sync, skip: 0, times: 1, how: How::Error(Errno::IO) });
        assert!(disk.sync_data(&slot).is_err());
        disk.sync_data(&slot).expect("the error is told once");
        assert_eq!(sectors(&disk)[..8], [2; 8], "the cache shows what was written");
        disk.drop_cache(&slot).unwrap();
        let left = sectors(&disk);
        assert!(left[..8].iter().all(|byte| [1, 2].contains(byte)));
        lost += left.iter().filter(|&&byte| byte == 1).count() - 56;
        assert_eq!(sectors(&after(disk.state().cut(Cut::None))), left);
    }
    assert!(lost > 20, "only {lost} sectors were lost");
}

#[test]
fn a_failed_sync_shows_the_device_where_the_file_system_does() {
    let (disk, slot) = disk();
    disk.change(|state| state.cache_after = CacheAfter::Old);
    write(&disk, slot, 2, 0, SLOT);
    disk.fail(Fault { call: Call::Sync, skip: 0, times: 1, how: How::Error(Errno::IO) });
    assert!(disk.sync_data(&slot).is_err());
    let shown = sectors(&disk);
    assert!(shown.contains(&1) && shown.contains(&2));
    disk.drop_cache(&slot).unwrap();
    assert_eq!(sectors(&disk), shown);
}

#[test]
fn writing_back_that_failed_in_the_background_is_told_once() {
    let (disk, slot) = disk();
    write(&disk, slot, 2, 0, SLOT);
    disk.change(|state| state.fail_later(7));
    assert!(disk.sync_data(&slot).is_err());
    disk.sync_data(&slot).unwrap();
}

#[test]
fn dropping_the_cache_spares_dirty_pages() {
    let (disk, slot) = disk();
    write(&disk, slot, 2, 0, 4096);
    disk.drop_cache(&slot).unwrap();
    assert_eq!(pages(&disk)[0], 2);
}

#[test]
fn the_kernel_writes_back_and_evicts_by_itself_and_nobody_sees_it() {
    let (disk, slot) = disk();
    disk.change(|state| state.restless = 255);
    write(&disk, slot, 2, 0, SLOT);
    for _ in 0..200 {
        disk.free_bytes().unwrap();
    }
    let seen = disk.change(|state| {
        let file = state.files.values().next().unwrap();
        file.pages.iter().filter(|page| !page.is_dirty()).count()
    });
    assert!(seen > 4, "{seen} pages were written back");
    assert_eq!(sectors(&disk), [2; 64]);
    assert_eq!(disk.state().unsynced(), 8, "the device has them, its flush has not come");
    assert_eq!(sectors(&after(disk.state().cut(Cut::None))), [1; 64]);
}

#[test]
fn a_new_file_needs_its_data_and_its_name_synced() {
    let (disk, _) = disk();
    let slot = disk.create_slot(8, SLOT).unwrap();
    let lists = |cut| after(disk.state().cut(cut)).list().unwrap();
    assert_eq!(lists(Cut::None), [Listed { number: 7, len: SLOT }]);
    let lens: Vec<u64> = [Cut::Alone(0), Cut::Alone(1), Cut::All]
        .into_iter()
        .map(|cut| lists(cut).get(1).map_or(u64::MAX, |listed| listed.len))
        .collect();
    assert_eq!(lens, [u64::MAX, 0, SLOT], "the length and the name may survive apart");
    disk.sync_data(&slot).unwrap();
    assert_eq!(lists(Cut::None).len(), 1);
    disk.sync_folder().unwrap();
    assert_eq!(lists(Cut::None).len(), 2);
}

#[test]
fn an_unlinked_file_may_come_back_and_a_new_one_of_its_name_may_not_come() {
    let (disk, slot) = disk();
    disk.set_len(&slot, 4096).unwrap();
    assert_eq!(pages(&disk), [1]);
    disk.unlink(7).unwrap();
    assert!(disk.open_slot(7).is_err());
    assert_eq!(pages(&after(disk.state().cut(Cut::None))), [1; 8]);
    assert!(after(disk.state().cut(Cut::All)).list().unwrap().is_empty());
    disk.create_slot(7, SLOT).unwrap();
    assert_eq!(pages(&after(disk.state().cut(Cut::All))), [0; 8]);
    assert_eq!(pages(&after(disk.state().cut(Cut::None))), [1; 8]);
    disk.sync_folder().unwrap();
    let left = pages(&after(disk.state().cut(Cut::None)));
    assert!(left.is_empty(), "its length was not synced");
}

#[test]
fn a_small_file_is_the_old_or_the_new_one() {
    let (disk, _) = disk();
    disk.replace_file("marks", b"one", true).unwrap();
    disk.replace_file("marks", b"two", false).unwrap();
    assert_eq!(disk.read_file("marks").unwrap().unwrap(), b"two");
    let left = |cut| after(disk.state().cut(cut)).read_file("marks").unwrap().unwrap();
    assert_eq!(left(Cut::None), b"one");
    assert_eq!(left(Cut::All), b"two");
    assert_eq!(disk.read_file("format").unwrap(), None);
}

#[test]
fn calls_fail_as_asked() {
    let (disk, slot) = disk();
    let fail = |call, how| disk.fail(Fault { call, skip: 1, times: 1, how });
    fail(Call::Write, How::Error(Errno::ROFS));
    fail(Call::Create, How::Error(Errno::NOSPC));
    disk.create_slot(8, SLOT).unwrap();
    assert_eq!(disk.create_slot(9, SLOT).unwrap_err().kind(), io::ErrorKind::StorageFull);
    write(&disk, slot, 2, 0, 4096);
    let failed = disk.write_at(&slot, &[3; 4096], 0).unwrap_err();
    assert_eq!(failed.kind(), io::ErrorKind::ReadOnlyFilesystem);
    assert_eq!(pages(&disk)[0], 2);
    assert_eq!(disk.struck(), 1, "a full disk is nothing to fail of");
    disk.fail(Fault { call: Call::Write, skip: 0, times: 1, how: How::Error(Errno::INTR) });
    let failed = disk.write_at(&slot, &[3; 4096], 0).unwrap_err();
    assert_eq!(failed.kind(), io::ErrorKind::Interrupted);
    disk.fail(Fault { call: Call::Write, skip: 0, times: 1, how: How::Short });
    let written = disk.write_at(&slot, &[3; 4096], 0).unwrap();
    assert!((1..4096).contains(&written));
}

#[test]
fn a_full_disk_has_no_room_for_a_slot() {
    let (disk, _) = disk();
    disk.change(|state| state.capacity = SLOT + 100);
    assert_eq!(disk.free_bytes().unwrap(), 100);
    assert_eq!(disk.create_slot(8, SLOT).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(disk.list().unwrap().len(), 1);
}

#[test]
fn the_machine_stops_before_a_call_or_within_a_write() {
    let (disk, slot) = disk();
    disk.stop(Stop::Within(disk.calls()));
    assert!(disk.write_at(&slot, &[2; 32 << 10], 0).is_err());
    assert!(disk.has_stopped());
    assert!(disk.sync_data(&slot).is_err());
    let left = pages(&after(disk.state().killed()));
    assert!(left[0] == 2 && left[7] == 1, "{left:?}");
    let next = after(disk.state().killed());
    next.stop(Stop::Before(0));
    assert!(next.list().is_err());
}

#[test]
fn moments_are_kept_before_each_change() {
    let (disk, slot) = disk();
    disk.record();
    disk.mark(1);
    write(&disk, slot, 2, 0, 4096);
    disk.mark(2);
    disk.sync_data(&slot).unwrap();
    disk.free_bytes().unwrap();
    let moments = disk.moments();
    let seen: Vec<_> = moments.iter().map(|one| (one.mark, one.state.unsynced())).collect();
    assert_eq!(seen, [(1, 0), (2, 1), (2, 0)]);
}

#[test]
fn a_device_that_lies_loses_what_it_said_it_has() {
    let (disk, slot) = disk();
    disk.change(|state| state.lying = true);
    write(&disk, slot, 2, 0, 4096);
    disk.sync_data(&slot).unwrap();
    assert_eq!(pages(&after(disk.state().cut(Cut::None)))[0], 1);
}

#[test]
fn latent_damage_is_seen_by_the_next_read() {
    let (disk, slot) = disk();
    write(&disk, slot, 2, 512, 512);
    disk.sync_data(&slot).unwrap();
    let damaged = |damage| {
        let mut state = disk.state();
        state.damage(7, damage);
        after(state)
    };
    let left = |damage| sectors(&damaged(damage))[..4].to_vec();
    assert_eq!(left(Damage::Flip { offset: 512, mask: 1 }), [1, 3, 1, 1]);
    assert_eq!(left(Damage::Zeros { first: 1, count: 2 }), [1, 0, 0, 1]);
    assert_eq!(left(Damage::Swap { one: 1, other: 3 }), [1, 1, 1, 2]);
    assert_eq!(left(Damage::Shift { first: 1, count: 3 }), [1, 1, 2, 1]);
    let bad = damaged(Damage::Unreadable { first: 1, count: 1 });
    let mut buffer = [0; PAGE];
    assert!(bad.read_at(&slot, &mut buffer, 0).is_err());
    assert_eq!(bad.read_at(&slot, &mut buffer, 4096).unwrap(), PAGE);
    write(&bad, slot, 3, 0, 4096);
    bad.sync_data(&slot).unwrap();
    bad.drop_cache(&slot).unwrap();
    assert_eq!(bad.read_at(&slot, &mut buffer, 0).unwrap(), PAGE, "a write mends a sector");
}

#[test]
fn slots_and_files_are_removed_truncated_and_taken_from_elsewhere() {
    let (disk, _) = disk();
    let mut state = disk.state();
    let mut other = disk.state();
    other.damage(7, Damage::Zeros { first: 0, count: 64 });
    state.take_slot(7, &other, 7);
    assert_eq!(sectors(&after(state.clone())), [0; 64]);
    state.truncate_slot(7, 512);
    assert_eq!(sectors(&after(state.clone())), [0]);
    state.remove_slot(7);
    state.set_small_file("format", Some(vec![1]));
    assert_eq!(after(state.clone()).read_file("format").unwrap(), Some(vec![1]));
    state.set_small_file("format", None);
    assert_eq!(after(state.clone()).read_file("format").unwrap(), None);
    assert!(after(state).list().unwrap().is_empty());
}
