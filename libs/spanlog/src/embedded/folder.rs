//! The data folder: its lock, its format, its marks.
//!
//! | file | what it holds |
//! |---|---|
//! | `lock` | the id of the process that uses the folder; locked while it does |
//! | `format` | version of the format, partitions, seed and epoch of the routing |
//! | `marks` | how far each partition was acknowledged, about a second ago |
//! | `reserve` | nothing: room that is given up when the disk is full, so that finished data can go |
//! | `store/` | the store |

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use super::error::OpenError;
use crate::routing::Descriptor;

/// The version of the folder's layout and of the stored records.
const FORMAT_VERSION: u32 = 1;

/// Bytes set aside for the moment when the disk is full.
pub(super) const RESERVE: u64 = 16 << 20;

/// A locked data folder.
pub(super) struct Folder {
    directory: PathBuf,
    /// What the log was created with.
    pub(super) descriptor: Descriptor,
    /// Whether it was created just now.
    pub(super) created: bool,
    /// Held for its lock.
    _lock: File,
}

impl Folder {
    /// Opens or creates the folder and locks it.
    pub(super) fn open(directory: &Path, partitions: u32) -> Result<Self, OpenError> {
        let failed = |path: &Path, action| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, action, source }
        };
        fs::create_dir_all(directory).map_err(failed(directory, "created"))?;
        let lock = lock(directory)?;
        let format = directory.join("format");
        let text = match fs::read_to_string(&format) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Some(String::new()),
            Err(error) => return Err(failed(&format, "read")(error)),
        };
        let created = text.is_none();
        let descriptor = if let Some(text) = text {
            let bad = |detail| OpenError::Format { path: format.clone(), detail };
            parse_format(&text).map_err(bad)?
        } else {
            refuse_foreign(directory)?;
            let seed = RandomState::new().build_hasher().finish();
            let descriptor = Descriptor { epoch: 1, seed, partitions };
            write_durably(directory, "format", &show_format(descriptor))
                .map_err(failed(&format, "written"))?;
            descriptor
        };
        if descriptor.partitions != partitions {
            return Err(OpenError::Partitions {
                directory: directory.to_owned(),
                stored: descriptor.partitions,
                configured: partitions,
            });
        }
        Ok(Self { directory: directory.to_owned(), descriptor, created, _lock: lock })
    }

    /// Where the store lives.
    pub(super) fn store(&self) -> PathBuf {
        self.directory.join("store")
    }

    /// The folder itself.
    pub(super) fn path(&self) -> &Path {
        &self.directory
    }

    /// Sets room aside, unless it is already.
    pub(super) fn reserve(&self) -> io::Result<()> {
        let path = self.directory.join("reserve");
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() == RESERVE) {
            return Ok(());
        }
        let file = File::create(&path)?;
        // Not only a length: the blocks have to be taken.
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, RESERVE)?;
        Ok(())
    }

    /// Gives up the room that was set aside.
    pub(super) fn release_reserve(&self) {
        // When it is not there, there is nothing to give up.
        let _missing = fs::remove_file(self.directory.join("reserve"));
    }

    /// The marks, or `None` when there are none that can be read: they are a second proof, not
    /// needed to go on.
    pub(super) fn marks(&self) -> Option<Vec<u64>> {
        parse_marks(&fs::read_to_string(self.directory.join("marks")).ok()?)
    }

    /// Notes how far each partition is durable. Not synced: what is noted is durable already, so
    /// that an older note is as true as a newer one.
    pub(super) fn write_marks(&self, ends: &[u64]) -> io::Result<()> {
        let draft = self.directory.join("marks.new");
        fs::write(&draft, show_marks(ends))?;
        fs::rename(draft, self.directory.join("marks"))
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

/// A folder without a format file must be ours from the start: empty but for the lock.
fn refuse_foreign(directory: &Path) -> Result<(), OpenError> {
    let unreadable = |source| OpenError::Io { path: directory.to_owned(), action: "read", source };
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        if name != "lock" && name != "format.new" {
            let found = name.to_string_lossy().into_owned();
            return Err(OpenError::Foreign { directory: directory.to_owned(), found });
        }
    }
    Ok(())
}

/// Writes a file so that it is there whole, or not at all, whatever happens.
fn write_durably(directory: &Path, name: &str, text: &str) -> io::Result<()> {
    let draft = directory.join(format!("{name}.new"));
    let mut file = File::create(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, directory.join(name))?;
    File::open(directory)?.sync_all()
}

fn show_format(descriptor: Descriptor) -> String {
    let Descriptor { epoch, seed, partitions } = descriptor;
    format!(
        "wholetrace log\nversion {FORMAT_VERSION}\npartitions {partitions}\nepoch {epoch}\n\
         seed {seed:016x}\n"
    )
}

fn parse_format(text: &str) -> Result<Descriptor, String> {
    let mut lines = text.lines();
    if lines.next() != Some("wholetrace log") {
        return Err("its first line is not `wholetrace log`".to_owned());
    }
    let mut value = |name: &str| {
        lines
            .next()
            .and_then(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .ok_or_else(|| format!("`{name}` is missing"))
    };
    let number = |name: &str, text: &str, radix| {
        u64::from_str_radix(text, radix).map_err(|_| format!("`{name}` is `{text}`"))
    };
    let small =
        |name: &str, text: &str| text.parse::<u32>().map_err(|_| format!("`{name}` is `{text}`"));
    let version = small("version", value("version")?)?;
    if version != FORMAT_VERSION {
        return Err(format!("its version is `{version}`, this one reads {FORMAT_VERSION}"));
    }
    let partitions = small("partitions", value("partitions")?)?;
    let epoch = small("epoch", value("epoch")?)?;
    let seed = number("seed", value("seed")?, 16)?;
    Ok(Descriptor { epoch, seed, partitions })
}

fn show_marks(ends: &[u64]) -> String {
    let mut text = String::from("wholetrace marks\n");
    for end in ends {
        text.push_str(&end.to_string());
        text.push('\n');
    }
    // A note that was cut short has no last line.
    text.push_str("end\n");
    text
}

fn parse_marks(text: &str) -> Option<Vec<u64>> {
    let numbers = text.strip_prefix("wholetrace marks\n")?.strip_suffix("end\n")?;
    numbers.lines().map(|line| line.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_read_back_and_wrong_ones_are_named() {
        let descriptor = Descriptor { epoch: 3, seed: 0xfeed, partitions: 12 };
        let text = show_format(descriptor);
        assert_eq!(parse_format(&text), Ok(descriptor));
        for (from, to, message) in [
            ("wholetrace log", "something", "first line"),
            ("version 1", "version 9", "its version is `9`"),
            ("partitions 12", "partitions x", "`partitions` is `x`"),
            ("epoch 3\n", "", "`epoch` is missing"),
        ] {
            let detail = parse_format(&text.replace(from, to)).unwrap_err();
            assert!(detail.contains(message), "{detail}");
        }
        assert!(parse_format("").is_err());
    }

    #[test]
    fn marks_that_were_cut_short_do_not_count() {
        let text = show_marks(&[1, 22, 333]);
        assert_eq!(parse_marks(&text), Some(vec![1, 22, 333]));
        for cut in 0..text.len() {
            assert_eq!(parse_marks(&text[..cut]), None, "{cut}");
        }
    }
}
