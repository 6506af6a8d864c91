//! Where append times come from.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Instant, SystemTime, UNIX_EPOCH},
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

    /// The time that a test set.
    pub(crate) fn fixed(&self) -> Option<LogTime> {
        Some(self.0.load(Ordering::Relaxed)).filter(|&time| time != WALL).map(LogTime)
    }

    /// Stops the clock at `time`, or lets the wall clock rule again.
    pub(crate) fn set(&self, time: Option<LogTime>) {
        self.0.store(time.map_or(WALL, |time| time.0), Ordering::Relaxed);
    }
}

/// The clock of one open log: the wall clock when it was opened, moved on by the time that has
/// passed since. It never goes back and never jumps, also when somebody sets the machine's clock:
/// decisions depend on it.
#[derive(Debug)]
pub(crate) struct LogClock {
    /// Time at `opened`.
    base: LogTime,
    opened: Instant,
    newest: LogTime,
}

impl LogClock {
    /// A clock that starts now, but not before `newest`, the newest time in the log.
    pub(crate) fn start(clock: &Clock, newest: LogTime) -> Self {
        Self { base: clock.now().max(newest), opened: Instant::now(), newest }
    }

    /// The time of a record that is appended now.
    pub(crate) fn now(&mut self, clock: &Clock) -> LogTime {
        let now = clock.fixed().unwrap_or_else(|| {
            let passed = self.opened.elapsed().as_millis();
            self.base.plus(u64::try_from(passed).unwrap_or(u64::MAX))
        });
        self.newest = self.newest.max(now);
        self.newest
    }

    /// Milliseconds by which this clock is ahead of the machine's; negative when it is behind.
    pub(crate) fn ahead(&mut self, clock: &Clock) -> i64 {
        let (log, machine) = (self.now(clock), clock.now());
        let signed = |millis| i64::try_from(millis).unwrap_or(i64::MAX);
        signed(log.since(machine)) - signed(machine.since(log))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_goes_on_from_the_newest_time_at_its_rate() {
        const HOURS: u64 = 2 * 3_600_000;
        let machine = Clock::wall();
        let newest = machine.now().plus(HOURS);
        let mut clock = LogClock::start(&machine, newest);
        assert!(clock.now(&machine) >= newest);
        let ahead = clock.ahead(&machine);
        assert!(ahead > 0 && ahead.unsigned_abs() <= HOURS, "{ahead}");
        // It is not stuck until the machine's clock has caught up.
        while clock.now(&machine) == newest {
            std::thread::yield_now();
        }
    }
}
