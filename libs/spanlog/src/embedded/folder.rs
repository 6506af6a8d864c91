//! The data folder: its lock, and whether it is one.
//!
//! | file | what it holds |
//! |---|---|
//! | `lock` | the id of the process that uses the folder; locked while it does |
//! | `format` | version of the format, partitions, seed and epoch of the routing, size of slots |
//! | `marks` | the newest segment of each stream, about a second ago |
//! | `slots/` | the slot files |

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use super::error::OpenError;

/// A locked data folder.
pub(super) struct Folder {
    directory: PathBuf,
    /// Held for its lock.
    _lock: File,
}

impl Folder {
    /// Makes the folder if it is missing and locks it. Refuses one that is something else.
    pub(super) fn open(directory: &Path) -> Result<Self, OpenError> {
        let failed = |path: &Path, action| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, action, source }
        };
        fs::create_dir_all(directory).map_err(failed(directory, "created"))?;
        let lock = lock(directory)?;
        if directory.join("store").is_dir() {
            return Err(OpenError::OldStore { directory: directory.to_owned() });
        }
        if !directory.join("format").exists() {
            refuse_foreign(directory)?;
        }
        Ok(Self { directory: directory.to_owned(), _lock: lock })
    }

    /// The folder itself.
    pub(super) fn path(&self) -> &Path {
        &self.directory
    }
}

fn lock(directory: &Path) -> Result<File, OpenError> {
    let path = directory.join("lock");
    let failed = |action| {
        let path = path.clone();
        move |source| OpenError::Io { path, action, source }
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed("opened"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _unreadable = file.read_to_string(&mut holder);
            let pid = holder.trim().parse().ok();
            return Err(OpenError::Locked { directory: directory.to_owned(), pid });
        }
        Err(TryLockError::Error(error)) => return Err(failed("locked")(error)),
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    write(&mut file).map_err(failed("written"))?;
    Ok(file)
}

/// A folder without a format file must be ours from the start: empty but for what is there before
/// it.
fn refuse_foreign(directory: &Path) -> Result<(), OpenError> {
    let unreadable =
        |source: io::Error| OpenError::Io { path: directory.to_owned(), action: "read", source };
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        if !["lock", "format.new", "slots", "marks", "marks.new"].iter().any(|own| name == *own) {
            let found = name.to_string_lossy().into_owned();
            return Err(OpenError::Foreign { directory: directory.to_owned(), found });
        }
    }
    Ok(())
}
