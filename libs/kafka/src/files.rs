//! Certificates, keys and passwords of files that change while a client has read them.

use std::time::{Duration, Instant};

use wholetrace_runtime::tls::FileMarks;

use crate::connection::Connection;

/// The files that a client reads when it is made, and when they are looked at again. A client cannot
/// read them again: it has to be made anew.
#[derive(Debug)]
pub struct WatchedFiles {
    files: FileMarks,
    interval: Duration,
    used: u64,
    looked: Instant,
}

impl WatchedFiles {
    /// Those of `connection`, as they are now.
    #[must_use]
    pub fn new(connection: &Connection<'_>) -> Self {
        let files = FileMarks::new(connection.files());
        let interval = connection.tls.cloned().unwrap_or_default().reload_interval.get();
        Self { used: files.mark(), files, interval, looked: Instant::now() }
    }

    /// Whether they hold something else than when this was true last. Looks at them at most once each
    /// `tls.reload_interval`.
    pub fn have_changed(&mut self) -> bool {
        let never = self.files.is_empty() || self.interval.is_zero();
        if never || self.looked.elapsed() < self.interval {
            return false;
        }
        self.looked = Instant::now();
        let before = std::mem::replace(&mut self.used, self.files.mark());
        before != self.used
    }

    /// The files, for a message.
    #[must_use]
    pub fn names(&self) -> String {
        self.files.names()
    }
}
