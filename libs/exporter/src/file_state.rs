//! Whether the file that is open is still the one that stands at its path.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::Path,
};

/// What became of a file that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileState {
    /// It stands at the path, with so many bytes; none, when it is no regular file.
    AtPath { bytes: Option<u64> },
    /// It has another name, or its file system has another place: something else stands at the path,
    /// or nothing.
    Moved,
    /// Nobody will ever find it again.
    Deleted,
    /// Its file system does not know it any more.
    Stale,
}

impl FileState {
    /// Looks at `file`, which was opened as `path`.
    ///
    /// # Errors
    /// When it cannot be said: what stands at the path cannot be looked at.
    pub(crate) fn of(file: &File, path: &Path) -> io::Result<Self> {
        let Ok(open) = file.metadata() else { return Ok(Self::Stale) };
        match fs::metadata(path) {
            Ok(there) if (there.dev(), there.ino()) == (open.dev(), open.ino()) => {
                Ok(Self::AtPath { bytes: open.is_file().then_some(open.len()) })
            }
            Err(error) if !is_gone(&error) => Err(error),
            _ if open.is_file() && open.nlink() == 0 => Ok(Self::Deleted),
            _ => Ok(Self::Moved),
        }
    }
}

/// Whether nothing stands there, and not only cannot be looked at.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::StaleNetworkFileHandle
    )
}
