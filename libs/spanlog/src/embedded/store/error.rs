//! Why a store cannot be opened or written to.

use std::{fmt, io};

/// A call to the disk that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action}{}: {source}", Place(*slot))]
pub(in crate::embedded) struct Fault {
    /// What was tried.
    pub(in crate::embedded) action: &'static str,
    /// The number of the slot file.
    pub(in crate::embedded) slot: Option<u32>,
    /// What the system said.
    pub(in crate::embedded) source: io::Error,
}

impl Fault {
    pub(super) const fn new(action: &'static str, slot: Option<u32>, source: io::Error) -> Self {
        Self { action, slot, source }
    }
}

/// Makes a fault of what the system said.
pub(super) fn fault(action: &'static str, slot: Option<u32>) -> impl Fn(io::Error) -> Fault {
    move |source| Fault::new(action, slot, source)
}

struct Place(Option<u32>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |slot| write!(f, " (slot {slot:04})"))
    }
}

/// Why nothing is written any more.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}; whether the disk holds what was written last is known only after a restart")]
pub(in crate::embedded) struct Broken(pub(in crate::embedded) String);

/// Why a store cannot be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(in crate::embedded) enum OpenFault {
    /// A call to the disk failed.
    #[error(transparent)]
    Disk(#[from] Fault),
    /// The file `format` is missing although there are slots.
    #[error("the file `format` is missing although there are {0} slots")]
    NoFormat(usize),
    /// The file `format` cannot be understood.
    #[error("{0}")]
    Format(String),
    /// The number of partitions is fixed when a log is created.
    #[error("the log has {stored} partitions")]
    Partitions {
        /// What it was created with.
        stored: u32,
    },
    /// A slot of another log is among the slots, or one in a format that is not known.
    #[error("slot {slot:04} {detail}")]
    Foreign {
        /// Its number.
        slot: u32,
        /// What it is.
        detail: String,
    },
    /// Files that hold acknowledged records are gone.
    #[error("{0}")]
    Missing(String),
}
