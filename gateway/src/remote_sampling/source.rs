//! The file of strategies in use, read again when it changes.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use wholetrace_runtime::tls::FileMarks;

use super::strategies::Strategies;

/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Answers by a file.
#[derive(Clone)]
pub(crate) struct StrategySource(Arc<Source>);

struct Source {
    file: PathBuf,
    marks: FileMarks,
    seen: Mutex<u64>,
    strategies: RwLock<Arc<Strategies>>,
}

impl StrategySource {
    /// Reads `file` for the first time.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn new(file: &Path) -> Result<Self, String> {
        let marks = FileMarks::new(vec![file.to_owned()]);
        let seen = Mutex::new(marks.mark());
        let strategies = RwLock::new(Arc::new(read(file)?));
        Ok(Self(Arc::new(Source { file: file.to_owned(), marks, seen, strategies })))
    }

    /// What is in use.
    pub(crate) fn strategies(&self) -> Arc<Strategies> {
        Arc::clone(&self.0.strategies.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the file again if it has changed. With one that cannot be used the former answers stay.
    /// Blocks.
    pub(crate) fn look(&self) {
        let Source { file, marks, seen, strategies } = &*self.0;
        let holding = marks.mark();
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *seen, holding) == holding {
            return;
        }
        let file_name = file.display();
        match read(file) {
            Ok(found) => {
                let services = found.services();
                tracing::info!(file = %file_name, services, "the sampling strategies have changed");
                *strategies.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(found);
            }
            Err(error) => tracing::warn!(
                "the sampling strategies have changed and cannot be used: {error}; the former ones \
                 stay in use"
            ),
        }
    }
}

/// Reads `file`.
///
/// # Errors
/// Names the file and what is wrong with it.
pub(crate) fn read(file: &Path) -> Result<Strategies, String> {
    let name = file.display();
    let unreadable = |error| format!("`{name}` cannot be read: {error}");
    let bytes = fs::metadata(file).map_err(unreadable)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(format!("`{name}` has `{bytes}` bytes, at most `{FILE_BYTES_MAX}` are read"));
    }
    let text = fs::read(file).map_err(unreadable)?;
    Strategies::read(&text).map_err(|error| format!("`{name}` {error}"))
}
