//! The files of a log in a folder of this machine.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use rustix::fs::FallocateFlags;

use super::disk::{Disk, Listed};

/// A data folder: `slots/0000` … and the small files beside it.
pub(super) struct RealDisk {
    directory: PathBuf,
    slots: PathBuf,
}

impl RealDisk {
    /// The folder `directory`, which is there. Makes the folder of the slots.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let slots = directory.join("slots");
        if !slots.is_dir() {
            fs::create_dir(&slots)?;
            sync_folder(directory)?;
        }
        Ok(Self { directory: directory.to_owned(), slots })
    }

    fn path(&self, number: u32) -> PathBuf {
        self.slots.join(format!("{number:04}"))
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

impl Disk for RealDisk {
    type Slot = File;

    fn list(&self) -> io::Result<Vec<Listed>> {
        let mut listed = Vec::new();
        for entry in fs::read_dir(&self.slots)? {
            let entry = entry?;
            let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some(number) = number.filter(|&number| self.path(number) == entry.path()) {
                listed.push(Listed { number, len: entry.metadata()?.len() });
            }
        }
        Ok(listed)
    }

    fn open_slot(&self, number: u32) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.path(number))
    }

    fn create_slot(&self, number: u32, size: u64) -> io::Result<File> {
        let path = self.path(number);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        // Not only a length: the blocks have to be there when they are written to.
        if let Err(error) = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, size) {
            let _left_behind = fs::remove_file(&path);
            return Err(error.into());
        }
        Ok(file)
    }

    fn read_at(&self, slot: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        slot.read_at(buffer, offset)
    }

    fn write_at(&self, slot: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        slot.write_at(bytes, offset)
    }

    fn sync_data(&self, slot: &File) -> io::Result<()> {
        slot.sync_data()
    }

    fn sync_folder(&self) -> io::Result<()> {
        sync_folder(&self.slots)
    }

    fn set_len(&self, slot: &File, len: u64) -> io::Result<()> {
        slot.set_len(len)
    }

    fn unlink(&self, number: u32) -> io::Result<()> {
        fs::remove_file(self.path(number))
    }

    fn drop_cache(&self, slot: &File) -> io::Result<()> {
        // The whole file: without a length to the end.
        #[cfg(target_os = "linux")]
        rustix::fs::fadvise(slot, 0, None, rustix::fs::Advice::DontNeed)?;
        #[cfg(not(target_os = "linux"))]
        let _unsupported = slot;
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.directory)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn read_file(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.directory.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn replace_file(&self, name: &str, bytes: &[u8], durable: bool) -> io::Result<()> {
        let draft = self.directory.join(format!("{name}.new"));
        let mut file = File::create(&draft)?;
        file.write_all(bytes)?;
        if durable {
            file.sync_all()?;
        }
        fs::rename(&draft, self.directory.join(name))?;
        if durable { sync_folder(&self.directory) } else { Ok(()) }
    }
}

/// What a file system does not promise of the disk's content after a power cut.
///
/// The numbers are those of `statfs(2)`.
#[cfg(target_os = "linux")]
pub(super) fn weakness(directory: &Path) -> Option<&'static str> {
    let kind = rustix::fs::statfs(directory).ok()?.f_type;
    match kind as u64 {
        0x9123_683e => Some("btrfs copies on write: a full disk may show only at a sync"),
        0x2fc1_2fc1 => Some("zfs copies on write: a full disk may show only at a sync"),
        0xca45_1a4e => Some("bcachefs copies on write: a full disk may show only at a sync"),
        0x794c_7630 => Some("overlayfs drops syncs when it is mounted `volatile`"),
        0x6969 => Some("over nfs a full disk may show only at a sync, and locks may not hold"),
        0x0102_1994 => Some("tmpfs is memory: nothing in it survives the machine"),
        _ => None,
    }
}

/// Only known of Linux.
#[cfg(not(target_os = "linux"))]
pub(super) const fn weakness(_: &Path) -> Option<&'static str> {
    None
}
