//! Whether files hold something else than they did.

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    path::PathBuf,
};

/// Files whose contents are compared by a mark. Contents, not times: links to folders are swapped
/// under files, and copies keep times.
#[derive(Debug)]
pub struct FileMarks {
    files: Vec<PathBuf>,
    hasher: RandomState,
}

impl FileMarks {
    /// Marks of `files`.
    #[must_use]
    pub fn new(files: Vec<PathBuf>) -> Self {
        Self { files, hasher: RandomState::new() }
    }

    /// Whether there are no files.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// A number that stays the same as long as the files hold the same. Those that cannot be read
    /// have one, too. Reads the files; marks of another `FileMarks` are not comparable.
    #[must_use]
    pub fn mark(&self) -> u64 {
        let read = self.files.iter().map(fs::read);
        let contents: Vec<Result<Vec<u8>, String>> =
            read.map(|read| read.map_err(|error| error.to_string())).collect();
        self.hasher.hash_one(contents)
    }

    /// The files, for a message.
    #[must_use]
    pub fn names(&self) -> String {
        let names: Vec<_> = self.files.iter().map(|file| file.display().to_string()).collect();
        names.join(", ")
    }
}
