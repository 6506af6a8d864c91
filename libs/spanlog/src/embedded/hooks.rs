//! Switches for tests: a disk that fills up, a store that fails, a clock that stands.

use std::{
    io,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use crate::clock::Clock;

/// The switches; all off outside tests.
#[derive(Debug)]
pub struct Hooks {
    /// Free bytes to report instead of the disk's.
    free: AtomicU64,
    failing_commits: AtomicUsize,
    stalled: AtomicBool,
    pub(crate) clock: Clock,
}

/// The stored value that stands for "ask the disk".
const REAL: u64 = u64::MAX;

impl Default for Hooks {
    fn default() -> Self {
        Self {
            free: AtomicU64::new(REAL),
            failing_commits: AtomicUsize::new(0),
            stalled: AtomicBool::new(false),
            clock: Clock::wall(),
        }
    }
}

impl Hooks {
    /// The disk seems to have `free` bytes left; `None` asks the real one again.
    pub fn set_free(&self, free: Option<u64>) {
        self.free.store(free.unwrap_or(REAL), Ordering::Release);
    }

    /// The next `times` batches fail as on a full disk, after being written in part.
    pub fn fail_commits(&self, times: usize) {
        self.failing_commits.store(times, Ordering::Release);
    }

    /// While stalled, nothing becomes durable.
    pub fn stall(&self, stalled: bool) {
        self.stalled.store(stalled, Ordering::Release);
    }

    /// Waits while stalled.
    pub(super) fn wait_while_stalled(&self) {
        while self.stalled.load(Ordering::Acquire) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// Stops the clock of the append times; `None` lets it run again.
    pub fn set_time(&self, time: Option<crate::position::LogTime>) {
        self.clock.set(time);
    }

    /// Bytes free to this user on the disk of `path`.
    pub(super) fn free(&self, path: &Path) -> io::Result<u64> {
        match self.free.load(Ordering::Acquire) {
            REAL => {
                let disk = rustix::fs::statvfs(path)?;
                Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
            }
            set => Ok(set),
        }
    }

    /// Whether the batch at hand is to fail.
    pub(super) fn commit_fails(&self) -> bool {
        self.failing_commits
            .try_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1))
            .is_ok()
    }
}
