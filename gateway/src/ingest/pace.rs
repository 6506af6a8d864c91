//! When what has gathered leaves.

use std::time::Duration;

use tokio::time::Instant;
use wholetrace_spanlog::BurstClock;

/// How long requests gather at most for a log that groups appends by itself, while it has not
/// answered for earlier ones: a silent partition must not hold up the others.
const HOLD_MAX: Duration = Duration::from_millis(100);

/// The least size of what is not kept any longer, however small frames are configured.
const FULL_MIN: usize = 1 << 20;

/// What is not kept any longer for a log that groups by itself.
const FULL_OF_GROUPING: usize = 4 << 20;

/// Decides when what has gathered leaves: at a size, or by time.
///
/// A log with moments to append at ([`BurstClock`]) gets bursts: one at each moment at most, unless
/// the size is reached before. A burst waits beyond its moment, for a period at most, until the
/// last one is settled, so that more gathers when the log is slow. What comes after a silence of a
/// period leaves at once.
///
/// A log without them groups by itself. It gets everything at once while it has nothing to do, and
/// one burst more while it is at work on one; meanwhile the next gathers.
#[derive(Debug)]
pub(crate) struct Pace {
    clock: Option<BurstClock>,
    /// Bytes that are not kept any longer.
    full: usize,
    /// When the last burst left, and with how many frames.
    last: Option<Instant>,
    last_frames: usize,
    /// When the burst that gathers is due.
    due_at: Option<Instant>,
}

impl Pace {
    /// For a log of `partitions` that wants bursts by `clock`; `frame_bytes` is the size at which a
    /// frame is closed. No more than `most` bytes gather.
    pub(crate) fn new(
        clock: Option<BurstClock>,
        partitions: u32,
        frame_bytes: usize,
        most: usize,
    ) -> Self {
        let full = match clock {
            // Frames of a quarter of their size, on the average: what larger ones save is little.
            Some(_) => (frame_bytes / 4).saturating_mul(partitions as usize).max(FULL_MIN),
            None => FULL_OF_GROUPING,
        };
        let full = full.min(most);
        Self { clock, full, last: None, last_frames: 0, due_at: None }
    }

    /// Whether so many bytes are enough for a burst.
    pub(crate) const fn is_full(&self, bytes: usize) -> bool {
        bytes >= self.full
    }

    /// The first request of a burst has come. `expected` frames are on their way.
    pub(crate) fn begin(&mut self, now: Instant, expected: usize) {
        let due_at = match &self.clock {
            None => now + HOLD_MAX,
            Some(clock) => {
                let silent = self
                    .last
                    .is_none_or(|last| now.saturating_duration_since(last) >= clock.period());
                if silent && expected == 0 { now } else { clock.next(now) }
            }
        };
        self.due_at = Some(due_at);
    }

    /// Whether what has gathered, `bytes`, is to leave now.
    pub(crate) fn is_due(&self, now: Instant, bytes: usize, expected: usize) -> bool {
        let Some(due_at) = self.due_at else { return false };
        if self.is_full(bytes) {
            return true;
        }
        match &self.clock {
            None => expected <= self.last_frames || now >= due_at,
            Some(clock) => now >= due_at && (expected == 0 || now >= due_at + clock.period()),
        }
    }

    /// When to ask again, if nothing happens before.
    pub(crate) fn wake_at(&self, now: Instant) -> Option<Instant> {
        let due_at = self.due_at?;
        match &self.clock {
            Some(clock) if now >= due_at => Some(due_at + clock.period()),
            _ => Some(due_at),
        }
    }

    /// A burst of `frames` has left.
    pub(crate) const fn left(&mut self, now: Instant, frames: usize) {
        self.last = Some(now);
        self.last_frames = frames;
        self.due_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(100);
    const BYTES: usize = 1_000;

    fn paced() -> Pace {
        Pace::new(BurstClock::aligned(PERIOD), 4, 1 << 18, usize::MAX)
    }

    #[tokio::test(start_paused = true)]
    async fn a_lone_request_leaves_at_once_and_the_next_ones_with_the_next_moment() {
        let mut pace = paced();
        let start = Instant::now();
        pace.begin(start, 0);
        assert!(pace.is_due(start, BYTES, 0));
        pace.left(start, 1);
        let second = start + PERIOD / 10;
        pace.begin(second, 0);
        assert!(!pace.is_due(second, BYTES, 0));
        let due = pace.wake_at(second).unwrap();
        assert!(due > second && due <= second + PERIOD);
        assert!(pace.is_due(due, BYTES, 0));
        pace.left(due, 1);
        // A request in each period leaves with its moment, one per period.
        pace.begin(due + PERIOD / 2, 0);
        assert_eq!(pace.wake_at(due + PERIOD / 2), Some(due + PERIOD));
        pace.left(due + PERIOD, 1);
        let silent = due + PERIOD * 2;
        pace.begin(silent, 0);
        assert!(pace.is_due(silent, BYTES, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_waits_for_the_last_one_but_not_for_ever() {
        let mut pace = paced();
        let start = Instant::now();
        pace.begin(start, 0);
        pace.left(start, 4);
        pace.begin(start, 4);
        let due = pace.wake_at(start).unwrap();
        assert!(!pace.is_due(due, BYTES, 1));
        assert!(pace.is_due(due, BYTES, 0));
        assert_eq!(pace.wake_at(due), Some(due + PERIOD));
        assert!(pace.is_due(due + PERIOD, BYTES, 1));
        // Its size is reason enough.
        assert!(pace.is_due(start, FULL_MIN, 4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_that_groups_gets_two_bursts_at_a_time() {
        let mut pace = Pace::new(None, 4, 1 << 18, usize::MAX);
        let now = Instant::now();
        pace.begin(now, 0);
        assert!(pace.is_due(now, BYTES, 0));
        pace.left(now, 3);
        pace.begin(now, 3);
        assert!(pace.is_due(now, BYTES, 3));
        pace.left(now, 4);
        pace.begin(now, 7);
        assert!(!pace.is_due(now, BYTES, 7));
        assert!(pace.is_due(now, BYTES, 4));
        assert!(pace.is_due(now, FULL_OF_GROUPING, 7));
        assert!(pace.is_due(now + HOLD_MAX, BYTES, 7));
    }
}
