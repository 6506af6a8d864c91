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
    /// backwards.
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

/// How far the clock of a log may be from the machine's before it is set by that, in milliseconds.
const CORRECTED: u64 = 5_000;

/// The clock of one open log: the machine's, without its small corrections. It moves on by the time
/// that passes, and does not go back when the machine's clock is set by a little; when that is set
/// by more, in either direction, it follows. Else the log would keep the error for ever.
#[derive(Debug)]
pub(crate) struct LogClock {
    /// Time at `set`.
    base: LogTime,
    set: Instant,
    newest: LogTime,
    /// The last step, until it is told.
    step: Option<i64>,
}

impl LogClock {
    /// A clock that starts now, but not a little before `newest`, the time of the newest record.
    pub(crate) fn start(clock: &Clock, newest: LogTime) -> Self {
        let base = not_before(newest, clock.now());
        // A log that was not written to for a while is no step of the clock.
        let step = (base < newest).then(|| signed_step(newest, base));
        Self { base, set: Instant::now(), newest, step }
    }

    /// The time of a record that is appended now.
    pub(crate) fn now(&mut self, clock: &Clock) -> LogTime {
        let machine = clock.now();
        let passed = u64::try_from(self.set.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut now = clock.fixed().unwrap_or_else(|| self.base.plus(passed));
        if now.since(machine).max(machine.since(now)) > CORRECTED {
            self.step = Some(signed_step(now, machine));
            now = machine;
            (self.base, self.set) = (now, Instant::now());
        }
        self.newest = not_before(self.newest, now);
        self.newest
    }

    /// By how many milliseconds the time was last set forward (or back, when negative) to follow the
    /// machine's clock, if that has happened since the last call.
    pub(crate) const fn take_step(&mut self) -> Option<i64> {
        self.step.take()
    }
}

/// Milliseconds from `from` to `to`.
fn signed_step(from: LogTime, to: LogTime) -> i64 {
    let signed = |millis| i64::try_from(millis).unwrap_or(i64::MAX);
    signed(to.since(from)) - signed(from.since(to))
}

/// `now`, or `newest` where that is later by a little.
fn not_before(newest: LogTime, now: LogTime) -> LogTime {
    if newest.since(now) > CORRECTED { now } else { newest.max(now) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_corrections_do_not_set_it_back_and_large_ones_do() {
        let clock = Clock::wall();
        let at = |log: &mut LogClock, time| {
            clock.set(Some(LogTime(time)));
            log.now(&clock).0
        };
        clock.set(Some(LogTime(1_000_000)));
        let mut log = LogClock::start(&clock, LogTime(1_000_900));
        let times = [1_000_000, 1_002_000, 1_001_000, 996_000, 8_000_000, 1_000_000, 1_000_001];
        let found = times.map(|time| at(&mut log, time));
        let expected = [1_000_900, 1_002_000, 1_002_000, 996_000, 8_000_000, 1_000_000, 1_000_001];
        assert_eq!(found, expected);
    }

    /// The machine's clock was hours ahead when the log was written.
    #[test]
    fn a_log_from_the_future_does_not_keep_its_time() {
        let clock = Clock::wall();
        let now = clock.now();
        let mut log = LogClock::start(&clock, now.plus(7_200_000));
        assert!(log.now(&clock).since(now) < 60_000);
        let step = log.take_step().unwrap();
        assert!((-7_200_000..-7_100_000).contains(&step), "{step}");
        assert_eq!(log.take_step(), None);
    }
}
