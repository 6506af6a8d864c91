//! A disk with switches, for tests of what is around the store.

use std::{
    fs::File,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    EmbeddedConfig, EmbeddedLog, OpenError,
    disk::{Disk, Listed},
    folder::Folder,
    real_disk::RealDisk,
    settings::Settings,
};
use crate::clock::Clock;

/// Settings for a log of two partitions in `directory`, of at most `slots` slots.
pub(super) fn small(directory: &Path, slot_bytes: u64, slots: u64) -> Settings {
    let config = EmbeddedConfig { directory: directory.join("data"), ..EmbeddedConfig::default() };
    Settings {
        partitions: 2,
        slot_bytes,
        quota: slot_bytes * slots,
        min_free: 1 << 20,
        tail_cache: 0,
        ..config.settings().unwrap()
    }
}

/// Opens a log on a disk with switches.
pub(super) fn open(
    settings: &Settings,
    clock: Clock,
) -> Result<(EmbeddedLog, Arc<Switches>), OpenError> {
    let folder = Folder::open(&settings.directory)?;
    let switches = Arc::new(Switches::default());
    let disk = RealDisk::open(&settings.directory).unwrap();
    let disk = SwitchedDisk { disk, switches: Arc::clone(&switches) };
    let log = EmbeddedLog::open_on(disk, folder, settings.clone(), clock)?;
    Ok((log, switches))
}

/// The switches; all off at first.
#[derive(Default)]
pub(super) struct Switches {
    stalled: AtomicBool,
    failing: AtomicBool,
    /// Free bytes to report, and one more; 0 asks the real disk.
    free: AtomicU64,
    /// Slots that were cut.
    pub(super) cut: AtomicUsize,
}

impl Switches {
    /// While stalled, nothing becomes durable.
    pub(super) fn stall(&self, stalled: bool) {
        self.stalled.store(stalled, Ordering::Release);
    }

    /// While failing, syncs of slots fail.
    pub(super) fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::Release);
    }

    /// The disk seems to have `free` bytes left; `None` asks the real one again.
    pub(super) fn set_free(&self, free: Option<u64>) {
        self.free.store(free.map_or(0, |free| free + 1), Ordering::Release);
    }
}

/// A real disk with switches.
struct SwitchedDisk {
    disk: RealDisk,
    switches: Arc<Switches>,
}

impl Disk for SwitchedDisk {
    type Slot = File;

    fn list(&self) -> io::Result<Vec<Listed>> {
        self.disk.list()
    }

    fn open_slot(&self, number: u32) -> io::Result<File> {
        self.disk.open_slot(number)
    }

    fn create_slot(&self, number: u32, size: u64) -> io::Result<File> {
        self.disk.create_slot(number, size)
    }

    fn read_at(&self, slot: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.read_at(slot, buffer, offset)
    }

    fn write_at(&self, slot: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.disk.write_at(slot, bytes, offset)
    }

    fn sync_data(&self, slot: &File) -> io::Result<()> {
        while self.switches.stalled.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.switches.failing.load(Ordering::Acquire) {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.disk.sync_data(slot)
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.disk.sync_folder()
    }

    fn set_len(&self, slot: &File, len: u64) -> io::Result<()> {
        self.switches.cut.fetch_add(1, Ordering::Relaxed);
        self.disk.set_len(slot, len)
    }

    fn unlink(&self, number: u32) -> io::Result<()> {
        self.disk.unlink(number)
    }

    fn drop_cache(&self, slot: &File) -> io::Result<()> {
        self.disk.drop_cache(slot)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        match self.switches.free.load(Ordering::Acquire) {
            0 => self.disk.free_bytes(),
            free => Ok(free - 1),
        }
    }

    fn read_file(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.disk.read_file(name)
    }

    fn replace_file(&self, name: &str, bytes: &[u8], durable: bool) -> io::Result<()> {
        self.disk.replace_file(name, bytes, durable)
    }
}
