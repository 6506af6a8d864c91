//! Why an embedded log cannot be opened.

use std::{io, path::PathBuf};

use wholetrace_runtime::problems::Problems;

/// Why an embedded log cannot be opened. Each names the folder or file and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file or folder cannot be made, read or written.
    #[error("`{}` cannot be {action}: {source}: check that it exists and that this user may write \
             there, or choose another `directory`", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried: "created", "opened" …
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Another process uses the folder.
    #[error("the data folder `{}` is in use by {}: stop that process or choose another \
             `directory`", directory.display(),
             pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}")))]
    Locked {
        /// The folder.
        directory: PathBuf,
        /// The process that holds it, if it said so.
        pid: Option<u32>,
    },
    /// The folder holds something else.
    #[error("`{}` is not empty and not a data folder of wholetrace (`{}` is there): choose an \
             empty `directory`", directory.display(), found)]
    Foreign {
        /// The folder.
        directory: PathBuf,
        /// A file in it.
        found: String,
    },
    /// The folder was written in a format that this version does not know.
    #[error("`{}` does not describe a log that this version reads ({detail}): use the version \
             that wrote it, or move the folder away to start with an empty log", path.display())]
    Format {
        /// The format file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The number of partitions is fixed when a log is created.
    #[error("the log in `{}` has {stored} partitions, `partitions` is `{configured}`: set it to \
             {stored}, or drain the log and start with an empty folder", directory.display())]
    Partitions {
        /// The folder.
        directory: PathBuf,
        /// What the log was created with.
        stored: u32,
        /// What the configuration says.
        configured: u32,
    },
    /// The disk fails.
    #[error("the log in `{}` cannot be opened: cannot {action}: {source}: check the disk, and \
             whether it is mounted read-only", path.display())]
    Disk {
        /// The folder or file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The folder holds the store of an older version.
    #[error("`{}` holds a log of an older version (`store` is there), which this version does not \
             read: start the version that wrote it without receivers until all is exported, then \
             move the folder away, or choose another `directory`", directory.display())]
    OldStore {
        /// The folder.
        directory: PathBuf,
    },
    /// Files that hold acknowledged records are missing.
    #[error("the log in `{}` is not complete: {detail}: restore the files, or set `accept_loss` \
             to go on without the records in them", directory.display())]
    Missing {
        /// The folder.
        directory: PathBuf,
        /// What is missing.
        detail: String,
    },
    /// The folder is not what its files say, or the file that says what it is is missing.
    #[error("the log in `{}` cannot be used: {detail}: restore the folder from a copy, or move it \
             away to start with an empty log", directory.display())]
    Damaged {
        /// The folder.
        directory: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// Settings are out of their bounds.
    #[error("the settings of the embedded log are impossible: {0}")]
    Settings(Problems),
}
