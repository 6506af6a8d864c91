//! The store under the log: fjall, with the settings that a log of frames needs.
//!
//! What has to be known about it:
//!
//! * A failed write of the journal, or a background worker that failed, *poisons* the database:
//!   it takes no more writes until it is opened again, reading goes on.
//! * A memtable is written to tables only when it is rotated. Here that never happens by size,
//!   only when [`Store::flush`] asks for it, so that a slice is written once, or not at all when
//!   it was finished before.
//! * The journal is cut (beyond 64 MB) and given back only while some memtable is flushed;
//!   [`Store::reclaim`] flushes that of the small keyspace `meta` for this reason.
//! * Too many sealed memtables or tables of one keyspace make a write wait without end should the
//!   background worker be gone; `flush` therefore leaves a keyspace alone while one is pending.

use std::{
    error::Error as _,
    fs, io,
    os::unix::fs::MetadataExt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode,
    config::{BlockSizePolicy, FilterPolicy},
};

use super::error::OpenError;

/// Bytes of the journal beyond which the store has to flush something by itself. Never reached:
/// `Settings::flush_after` is far below.
const MAX_JOURNAL: u64 = 4 << 30;

/// Read cache for table blocks. Frames are read once or twice in order: hardly of use.
const BLOCK_CACHE: u64 = 8 << 20;

/// The open store.
pub(super) struct Store {
    path: PathBuf,
    db: Database,
    persist: PersistMode,
    /// Checkpoints and where each topic's newest slice begins.
    pub(super) meta: Keyspace,
}

/// Why the store took no write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StoreError {
    /// No room on the disk.
    Full,
    /// An earlier write or a background worker failed.
    Poisoned,
    /// Anything else.
    Failed(String),
}

impl Store {
    /// Opens or creates the store in `path`; with `sync`, a commit waits for the disk.
    pub(super) fn open(path: &Path, sync: bool) -> Result<Self, OpenError> {
        // A store that was not made to the end has no version file and holds nothing yet.
        if path.is_dir() && !path.join("version").exists() {
            let failed =
                |source| OpenError::Io { path: path.to_owned(), action: "removed", source };
            fs::remove_dir_all(path).map_err(failed)?;
        }
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let db = Database::builder(path)
                .manual_journal_persist(true)
                .max_journaling_size(MAX_JOURNAL)
                .cache_size(BLOCK_CACHE)
                .worker_threads(1)
                .open()?;
            let meta = db.keyspace("meta", options)?;
            Ok((db, meta))
        }));
        match opened {
            Ok(Ok((db, meta))) => {
                let persist = if sync { PersistMode::SyncData } else { PersistMode::Buffer };
                Ok(Self { path: path.to_owned(), db, persist, meta })
            }
            Ok(Err(error)) => Err(open_error(path, &error)),
            Err(panic) => {
                let said = panic
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_owned())
                    .or_else(|| panic.downcast_ref::<String>().cloned())
                    .unwrap_or_default();
                let detail = format!("the store does not open ({said})");
                Err(OpenError::Damaged { path: path.to_owned(), detail })
            }
        }
    }

    /// Names of all keyspaces.
    pub(super) fn names(&self) -> Vec<String> {
        self.db.list_keyspace_names().iter().map(ToString::to_string).collect()
    }

    /// Opens or creates a keyspace.
    pub(super) fn keyspace(&self, name: &str) -> Result<Keyspace, StoreError> {
        self.db.keyspace(name, options).map_err(|error| classify(&error))
    }

    /// Removes a keyspace with all it holds. Its files go when its last reader is done.
    pub(super) fn delete(&self, keyspace: Keyspace) -> Result<(), StoreError> {
        self.db.delete_keyspace(keyspace).map_err(|error| classify(&error))
    }

    /// A batch of writes.
    pub(super) fn batch(&self, capacity: usize) -> OwnedWriteBatch {
        OwnedWriteBatch::with_capacity(self.db.clone(), capacity)
    }

    /// Makes `batch` durable.
    pub(super) fn commit(&self, batch: OwnedWriteBatch) -> Result<(), StoreError> {
        batch.commit().map_err(|error| classify(&error))?;
        self.db.persist(self.persist).map_err(|error| classify(&error))
    }

    /// Whether writes are still taken.
    pub(super) fn is_healthy(&self) -> bool {
        self.db.persist(PersistMode::Buffer).is_ok()
    }

    /// Has the memtable of `keyspace` written to tables, in the background. Says whether it is
    /// under way.
    pub(super) fn flush(&self, keyspace: &Keyspace) -> Result<bool, StoreError> {
        if !self.is_healthy() {
            return Err(StoreError::Poisoned);
        }
        if is_flushing(keyspace) || keyspace.l0_table_count() > 12 {
            return Ok(false);
        }
        keyspace.rotate_memtable().map_err(|error| classify(&error))?;
        Ok(true)
    }

    /// Has the journal cut and what of it nobody needs given back, in the background.
    pub(super) fn reclaim(&self) -> Result<(), StoreError> {
        let mut batch = self.batch(1);
        // Something has to be in the memtable for it to be flushed.
        batch.insert(&self.meta, b"touched".as_slice(), b"".as_slice());
        batch.commit().map_err(|error| classify(&error))?;
        self.flush(&self.meta).map(|_| ())
    }

    /// Bytes that the journal takes on the disk.
    pub(super) fn journal_bytes(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.path().extension().is_some_and(|extension| extension == "jnl") {
                // Blocks, not length: journals are made longer than they are. One that was given
                // back since the listing counts nothing.
                bytes += entry.metadata().map_or(0, |metadata| metadata.blocks() * 512);
            }
        }
        Ok(bytes)
    }
}

/// Whether a memtable of `keyspace` is on its way to tables.
pub(super) fn is_flushing(keyspace: &Keyspace) -> bool {
    keyspace.sealed_memtable_count() > 0
}

fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default()
        .manual_journal_persist(true)
        .max_memtable_size(u64::MAX)
        // A frame is larger than any sensible block: each gets its own.
        .data_block_size_policy(BlockSizePolicy::all(4 << 10))
        // Records are read by ranges.
        .filter_policy(FilterPolicy::disabled())
}

/// What a failure of the store means for the log.
pub(super) fn classify(error: &fjall::Error) -> StoreError {
    if matches!(error, fjall::Error::Poisoned) {
        return StoreError::Poisoned;
    }
    match io_error(error) {
        Some(error) if is_full(error) => StoreError::Full,
        _ => StoreError::Failed(error.to_string()),
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The error of the system behind one of the store.
fn io_error(error: &fjall::Error) -> Option<&io::Error> {
    if let fjall::Error::Io(error) = error {
        return Some(error);
    }
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        source = error.source();
    }
    None
}

fn open_error(path: &Path, error: &fjall::Error) -> OpenError {
    let path = path.to_owned();
    match (error, io_error(error)) {
        (fjall::Error::Locked, _) => OpenError::Locked { directory: path, pid: None },
        // A file that is missing or too short is damage, whatever the system calls it.
        (_, Some(error))
            if !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData
            ) =>
        {
            let source = error.raw_os_error().map_or_else(
                || io::Error::new(error.kind(), error.to_string()),
                io::Error::from_raw_os_error,
            );
            OpenError::Store { path, source }
        }
        _ => OpenError::Damaged { path, detail: format!("the store does not open ({error})") },
    }
}
