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
    /// The stored data is damaged or incomplete.
    #[error("the log in `{}` is damaged: {detail}: restore the folder from a copy, move it away \
             to start with an empty log, or set `accept_loss` to go on without what is missing",
             path.display())]
    Damaged {
        /// The folder of the store.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The store cannot be opened for a reason of the system.
    #[error("the store in `{}` cannot be opened: {source}: check the disk and the permissions",
            path.display())]
    Store {
        /// The folder of the store.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Settings are out of their bounds.
    #[error("the settings of the embedded log are impossible: {0}")]
    Settings(Problems),
}
