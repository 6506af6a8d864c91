//! The moments at which records leave.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Moments that are one period apart, the same ones in all processes whose clocks are right.
///
/// The brokers of a cluster pay for each moment at which something is appended: followers and
/// readers wake up, and look at all of their partitions. So all that wait to append do so at the
/// same moments, and nobody in between.
#[derive(Clone, Copy, Debug)]
pub struct BurstClock {
    /// One of the moments.
    origin: Instant,
    period: Duration,
}

impl BurstClock {
    /// Moments at the multiples of `period` on the wall clock. A step of that clock later on
    /// changes nothing: moments that differ between processes cost more and do no harm.
    ///
    /// `None` for a period of zero.
    #[must_use]
    pub fn aligned(period: Duration) -> Option<Self> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self::with_phase(period, since)
    }

    /// Moments that the wall clock, which shows `now`, sees as multiples of `period`.
    fn with_phase(period: Duration, now: Duration) -> Option<Self> {
        let past = now.as_nanos().checked_rem(period.as_nanos())?;
        let to_come = period - Duration::from_nanos(u64::try_from(past).unwrap_or(0));
        Some(Self { origin: Instant::now() + to_come, period })
    }

    /// Time between two moments.
    #[must_use]
    pub const fn period(&self) -> Duration {
        self.period
    }

    /// The first moment after `time`.
    #[must_use]
    pub fn next(&self, time: Instant) -> Instant {
        let Some(since) = time.checked_duration_since(self.origin) else {
            // Within the first period, in which the origin is to come.
            return self.origin;
        };
        let past = since.as_nanos().checked_rem(self.period.as_nanos()).unwrap_or(0);
        time + (self.period - Duration::from_nanos(u64::try_from(past).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[tokio::test(start_paused = true)]
    async fn moments_are_multiples_of_the_period_on_the_wall_clock() {
        let start = Instant::now();
        let clock = BurstClock::with_phase(ms(100), ms(1_234_567_830)).unwrap();
        assert_eq!(clock.next(start), start + ms(70));
        assert_eq!(clock.next(start + ms(69)), start + ms(70));
        assert_eq!(clock.next(start + ms(70)), start + ms(170));
        assert_eq!(clock.next(start + ms(171)), start + ms(270));
        // On a moment, the next one is a period away.
        let clock = BurstClock::with_phase(ms(100), ms(500)).unwrap();
        assert_eq!(clock.next(start), start + ms(100));
    }

    #[tokio::test(start_paused = true)]
    async fn two_processes_with_one_clock_agree() {
        let one = BurstClock::with_phase(ms(100), ms(5_020)).unwrap();
        tokio::time::advance(ms(1_033)).await;
        let other = BurstClock::with_phase(ms(100), ms(6_053)).unwrap();
        let now = Instant::now();
        assert_eq!(one.next(now), other.next(now));
    }

    #[test]
    fn there_are_no_moments_without_a_period() {
        assert!(BurstClock::aligned(Duration::ZERO).is_none());
    }
}
