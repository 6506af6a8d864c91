//! Where append times come from.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::position::LogTime;

/// The wall clock, or a time that a test sets.
#[derive(Debug)]
pub(crate) struct Clock(AtomicU64);

/// The stored value that stands for "ask the wall clock".
const WALL: u64 = u64::MAX;

impl Clock {
    /// The wall clock.
    pub(crate) const fn wall() -> Self {
        Self(AtomicU64::new(WALL))
    }

    /// Milliseconds since the Unix epoch; 0 when the machine's clock stands before it. May go
    /// backwards: the logs clamp it.
    pub(crate) fn now(&self) -> LogTime {
        match self.0.load(Ordering::Relaxed) {
            WALL => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                LogTime(u64::try_from(since.as_millis()).unwrap_or(WALL - 1))
            }
            fixed => LogTime(fixed),
        }
    }

    /// Stops the clock at `time`, or lets the wall clock rule again.
    pub(crate) fn set(&self, time: Option<LogTime>) {
        self.0.store(time.map_or(WALL, |time| time.0), Ordering::Relaxed);
    }
}
